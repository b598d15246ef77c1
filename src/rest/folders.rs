//! Folders (contract §1.2 rows 12 to 14 and 16).

use http::{Method, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, located, no_content},
    objects::{item, paths},
    representation::{Validator, validated},
};
use crate::{
    nms::{BulkResponseList, Fault, Link, NewFolder},
    store::{self, FolderQuery, ListFilter},
};

type Answer = Result<Response<Body>, Failure>;

pub(super) async fn folders(call: Call) -> Answer {
    let folder: NewFolder = call.read("folder")?;
    // Contract §6.2: exactly one of them; the store says when there is none.
    if folder.parent_folder.is_some() && folder.parent_folder_path.is_some() {
        return Err(Failure::invalid("parentFolder"));
    }
    let reference = call.account.create_folder(&call.urls, &folder).await?;
    let response = call.answer(StatusCode::CREATED, "reference", &reference);
    Ok(located(response, &reference.resource_url))
}

/// A folder that is not there is linked to in the answer (contract §1.2 row 13).
pub(super) async fn folder(call: Call, id: String) -> Answer {
    let href = call.urls.folder(&id);
    folder_of(call, id).await.map_err(|mut failure| {
        if failure.status == StatusCode::NOT_FOUND {
            failure.error.link.push(Link {
                rel: "folder".to_owned(),
                href,
            });
        }
        failure
    })
}

async fn folder_of(call: Call, id: String) -> Answer {
    if call.method == Method::DELETE {
        call.account.delete_folder(&id).await?;
        return Ok(no_content());
    }
    let query = folder_query(&call)?;
    let folder = call.account.folder(&call.urls, &id, &query).await?;
    let response = call.answer(StatusCode::OK, "folder", &folder);
    Ok(validated(response, Validator::Whole))
}

pub(super) async fn folder_name(call: Call, id: String) -> Answer {
    let name = if call.method == Method::PUT {
        let name = call.read_text("name")?;
        call.account.rename_folder(&id, &name).await?
    } else {
        call.account.folder_name(&id).await?
    };
    Ok(call.answer(StatusCode::OK, "name", &name))
}

pub(super) async fn path_to_id(call: Call) -> Answer {
    if call.method != Method::POST {
        let path = call.parameter("path")?.filter(|path| !path.is_empty());
        let reference = match path {
            None => call.account.only_root(&call.urls).await?,
            Some(path) => {
                let found = call.account.folders_by_path(&call.urls, &[path]).await?;
                found.into_iter().next().ok_or(store::Error::NotFound)??
            }
        };
        return Ok(call.answer(StatusCode::OK, "reference", &reference));
    }
    let paths = paths(&call)?;
    let found = call.account.folders_by_path(&call.urls, &paths).await?;
    let items = paths.iter().zip(found);
    let response = items
        .map(|(path, outcome)| item(path, outcome))
        .collect::<Result<_, _>>()?;
    Ok(call.answer(
        StatusCode::OK,
        "bulkResponseList",
        &BulkResponseList { response },
    ))
}

/// Contract §6.3. Without listFilter the other list parameters mean nothing.
fn folder_query(call: &Call) -> Result<FolderQuery, Failure> {
    let list = match call.parameter("listFilter")?.as_deref() {
        None => ListFilter::None,
        Some("Subfolders") => ListFilter::Subfolders,
        Some("Objects") => ListFilter::Objects,
        Some("All") => ListFilter::All,
        Some(_) => {
            let valid = ["listFilter", "Subfolders, Objects, All"];
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                Fault::InvalidValue,
                &valid,
            ));
        }
    };
    let max_entries = match call.parameter("maxEntries")? {
        Some(text) if list != ListFilter::None => {
            at_most(&text).ok_or_else(|| Failure::invalid("maxEntries"))?
        }
        _ => call.limits.page,
    };
    Ok(FolderQuery {
        list,
        max_entries: max_entries.min(call.limits.page),
        from_cursor: call.parameter("fromCursor")?,
        path: call
            .parameter("path")?
            .is_some_and(|value| value.eq_ignore_ascii_case("Yes")),
        attributes: call.parameters("attrFilter"),
    })
}

/// A number from 1 on, however large.
fn at_most(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().unwrap_or(usize::MAX))?;
    (number > 0).then_some(number)
}
