//! What is copied or moved to a folder (contract §1.2 rows 17 and 18, §6.4).

use http::{Response, StatusCode};

use super::{Call, error::Failure, http::Body, objects::failed_item};
use crate::{
    nms::{BulkResponse, BulkResponseList, Named, TargetSourceRef},
    store::{Relocating, Relocation},
};

/// Every item has an outcome of its own, in the order of the request: folders, then objects. 200 also when none went well.
pub(super) async fn to_folder(call: Call, kind: Relocating) -> Result<Response<Body>, Failure> {
    let wanted: TargetSourceRef = call.read("targetSourceRef")?;
    let target = wanted.target.as_ref().and_then(url);
    let target = target.ok_or_else(|| Failure::invalid("targetRef"))?;
    let count = wanted.folders().len() + wanted.objects().len();
    if count == 0 || count > call.limits.bulk {
        return Err(Failure::invalid("sourceRefs"));
    }
    let relocation = Relocation {
        kind,
        target,
        folders: wanted.folders().iter().map(url).collect(),
        objects: wanted.objects().iter().map(url).collect(),
    };
    let items = call.account.relocate(&call.urls, relocation).await?;
    let items = items.into_iter().map(|item| match item {
        Ok(reference) => BulkResponse {
            code: StatusCode::OK.as_u16(),
            reason: "OK".to_owned(),
            success: Some(reference),
            failure: None,
        },
        Err(error) => failed_item(error.into()),
    });
    let response = items.collect();
    Ok(call.answer(
        StatusCode::OK,
        "bulkResponseList",
        &BulkResponseList { response },
    ))
}

/// What an entry names; the empty text is nothing.
fn url(named: &Named) -> Option<String> {
    named.resource_url.clone().filter(|url| !url.is_empty())
}
