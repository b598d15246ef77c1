//! The two searches (contract §1.2 rows 7 and 15, §4).

use http::{Response, StatusCode};

use super::{Call, error::Failure, http::Body};
use crate::{
    nms::SelectionCriteria,
    store::{self, asks_for_vanished, max_entries},
};

type Answer = Result<Response<Body>, Failure>;

/// The root element of both requests.
const ROOT: &str = "selectionCriteria";

pub(super) async fn objects(call: Call) -> Answer {
    let asked: SelectionCriteria = call.read(ROOT)?;
    let granted = call.limits.page;
    // Contract §4.2: the one criterion whose answer is no list of objects.
    if asks_for_vanished(&asked)? {
        let _most = max_entries(&asked, granted)?;
        let feature = "VanishedObjects".to_owned();
        return Err(store::Error::Unsupported(feature).into());
    }
    let search = call.account.search_objects(&call.urls, &asked, granted);
    let found = Box::pin(search).await?;
    Ok(call.answer(StatusCode::OK, "objectList", &found))
}

pub(super) async fn folders(call: Call) -> Answer {
    let asked: SelectionCriteria = call.read(ROOT)?;
    let granted = call.limits.page;
    let search = call.account.search_folders(&call.urls, &asked, granted);
    let found = Box::pin(search).await?;
    Ok(call.answer(StatusCode::OK, "folderList", &found))
}
