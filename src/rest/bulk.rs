//! One thing done to many objects (contract §1.2 rows 10 and 11).

use http::{Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, no_content},
    objects::{failed_item, flag_name, recent},
};
use crate::{
    nms::{
        BulkDelete, BulkResponse, BulkResponseList, BulkUpdate, Fault, Named, Reference,
        SelectionCriteria,
    },
    store::{Objects, Operation},
};

type Answer = Result<Response<Body>, Failure>;

/// Contract §5.1.
pub(super) async fn update(call: Call) -> Answer {
    let update: BulkUpdate = call.read("bulkUpdate")?;
    if update.selection_criteria.is_some() {
        only_known(&call, "bulkUpdate")?;
    }
    let objects = chosen(&call, update.objects(), update.selection_criteria.as_ref())?;
    let flags = update.flags.and_then(|flags| flags.flag);
    let flags = flags.filter(|flags| !flags.is_empty());
    let flags = flags.ok_or_else(|| Failure::invalid("flag"))?;
    flags.iter().try_for_each(|flag| flag_name(flag))?;
    flags.iter().try_for_each(|flag| recent(flag))?;
    let operation = match update.operation.as_deref() {
        Some("AddFlag") => Operation::AddFlags(flags),
        Some("RemoveFlag") => Operation::RemoveFlags(flags),
        Some(_) | None => {
            return Err(Failure::new(
                StatusCode::BAD_REQUEST,
                Fault::InvalidValue,
                &["operation", "AddFlag, RemoveFlag"],
            ));
        }
    };
    changed(&call, objects, operation, StatusCode::OK).await
}

/// Contract §5.2.
pub(super) async fn delete(call: Call) -> Answer {
    let delete: BulkDelete = call.read("bulkDelete")?;
    if delete.selection_criteria.is_some() {
        only_known(&call, "bulkDelete")?;
    }
    let objects = chosen(&call, delete.objects(), delete.selection_criteria.as_ref())?;
    changed(&call, objects, Operation::Delete, StatusCode::NO_CONTENT).await
}

/// That a selection has no member that nobody knows: without what it was to say, it may mean many more.
fn only_known(call: &Call, root: &str) -> Result<(), Failure> {
    let sent: serde_json::Value = call.read(root)?;
    let selection = sent.get("selectionCriteria");
    match selection.and_then(SelectionCriteria::unknown_member) {
        Some(member) => Err(Failure::invalid(&member)),
        None => Ok(()),
    }
}

/// Which objects are meant: at least one name and not too many, or a selection, and never both, lest a slip means all.
fn chosen(
    call: &Call,
    named: Option<&[Named]>,
    selected: Option<&SelectionCriteria>,
) -> Result<Objects, Failure> {
    match (named, selected) {
        (Some([]), None) => Err(Failure::invalid("objectReference")),
        (Some(named), None) if named.len() > call.limits.bulk => {
            Err(Failure::invalid("objectReference"))
        }
        (Some(named), None) => Ok(Objects::Named(named.to_vec())),
        (None, Some(criteria)) => Ok(Objects::Selected(criteria.clone())),
        (None, None) => Err(Failure::invalid("selectionCriteria")),
        (Some(_), Some(_)) => Err(Failure::invalid("objects")),
    }
}

/// What has failed for each is 200 too (product: errors); a client looks at the items.
async fn changed(
    call: &Call,
    objects: Objects,
    operation: Operation,
    success: StatusCode,
) -> Answer {
    let most = call.limits.bulk;
    let items = call
        .account
        .change_objects(&call.urls, objects, operation, most)
        .await?;
    if items.is_empty() {
        // Contract §2.8: a list has at least one response. Nothing has met the criteria.
        return Ok(no_content());
    }
    let item = |outcome| match outcome {
        Ok(resource_url) => BulkResponse {
            code: success.as_u16(),
            reason: success.canonical_reason().unwrap_or_default().to_owned(),
            success: Some(Reference {
                resource_url,
                path: None,
            }),
            failure: None,
        },
        Err(error) => failed_item(Failure::from(error)),
    };
    let response = items.into_iter().map(item).collect();
    let list = BulkResponseList { response };
    Ok(call.answer(StatusCode::OK, "bulkResponseList", &list))
}
