//! Objects, their flags and payloads (contract §1.2 rows 2 to 6 and 8).

use http::{Method, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, empty, json, located, no_content, payload},
};
use crate::{
    nms::{
        BulkResponse, BulkResponseList, Fault, NewFlagList, PathList, Reference, encode::from_json,
    },
    store,
};

type Answer = Result<Response<Body>, Failure>;

/// The flag that is the store's alone.
const RECENT: &str = "\\Recent";

pub(super) async fn object(call: Call, id: String) -> Answer {
    if call.method == Method::DELETE {
        call.account.delete_object(&id).await?;
        return Ok(no_content());
    }
    let object = call.account.object(&call.urls, &id).await?;
    Ok(json(StatusCode::OK, "object", &object))
}

pub(super) async fn flags(call: Call, id: String) -> Answer {
    let flags = if call.method == Method::PUT {
        let wanted: NewFlagList = from_json("flagList", &call.body)?;
        let wanted = wanted.flag.ok_or_else(|| Failure::invalid("flag"))?;
        wanted.iter().try_for_each(|flag| flag_name(flag))?;
        call.account.put_flags(&call.urls, &id, &wanted).await?
    } else {
        call.account.flags(&call.urls, &id).await?
    };
    Ok(json(StatusCode::OK, "flagList", &flags))
}

/// Contract §5: 201 newly set, 204 set already or removed, 404 with `empty` for a flag that is not set.
pub(super) async fn flag(call: Call, id: String, flag: String) -> Answer {
    flag_name(&flag)?;
    if call.method != Method::GET
        && call.method != Method::HEAD
        && flag.eq_ignore_ascii_case(RECENT)
    {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            Fault::FeatureUnavailable,
            &[RECENT],
        ));
    }
    if call.method == Method::PUT {
        let newly = call.account.put_flag(&id, &flag).await?;
        let url = call.urls.flag(&id, &flag);
        return Ok(if newly {
            located(empty(StatusCode::CREATED), &url)
        } else {
            no_content()
        });
    }
    let was_set = if call.method == Method::DELETE {
        call.account.delete_flag(&id, &flag).await?
    } else {
        call.account.flag(&id, &flag).await?
    };
    Ok(if was_set {
        no_content()
    } else {
        empty(StatusCode::NOT_FOUND)
    })
}

pub(super) async fn whole_payload(call: Call, id: String) -> Answer {
    let stream = call.account.payload(&id).await?;
    Ok(payload(stream))
}

pub(super) async fn payload_part(call: Call, id: String, part: String) -> Answer {
    let stream = call.account.payload_part(&id, &part).await?;
    Ok(payload(stream))
}

pub(super) async fn path_to_id(call: Call) -> Answer {
    if call.method != Method::POST {
        let path = call.parameter("path").unwrap_or_default();
        let reference = call.account.object_by_path(&call.urls, &path).await?;
        return Ok(json(StatusCode::OK, "reference", &reference));
    }
    let mut list = BulkResponseList::default();
    for path in paths(&call)? {
        list.response.push(item(
            &path,
            call.account.object_by_path(&call.urls, &path).await,
        )?);
    }
    Ok(json(StatusCode::OK, "bulkResponseList", &list))
}

/// The paths of a list, at least one and not too many.
pub(super) fn paths(call: &Call) -> Result<Vec<String>, Failure> {
    let list: PathList = from_json("pathList", &call.body)?;
    if list.path.is_empty() || list.path.len() > call.limits.bulk {
        return Err(Failure::invalid("path"));
    }
    Ok(list.path)
}

/// One item of a list of paths (contract §6.5); what is wrong with the store is wrong with the whole request.
pub(super) fn item(
    path: &str,
    outcome: Result<Reference, store::Error>,
) -> Result<BulkResponse, Failure> {
    let failed = |status: StatusCode, fault: Fault, variables: &[&str]| BulkResponse {
        code: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        success: None,
        failure: Some(fault.error(variables)),
    };
    match outcome {
        Ok(reference) => Ok(BulkResponse {
            code: 200,
            reason: "OK".to_owned(),
            success: Some(reference),
            failure: None,
        }),
        Err(store::Error::MalformedPath(_)) => Ok(failed(
            StatusCode::BAD_REQUEST,
            Fault::InvalidInput,
            &[path],
        )),
        Err(store::Error::UnknownPath(_)) => Ok(failed(
            StatusCode::NOT_FOUND,
            Fault::Unknown,
            &["path", path],
        )),
        Err(error) => Err(error.into()),
    }
}

/// RFC 9051 §9: an atom, or `\` and an atom.
fn flag_name(flag: &str) -> Result<(), Failure> {
    let atom = flag.strip_prefix('\\').unwrap_or(flag);
    let valid = !atom.is_empty()
        && flag.len() <= 200
        && atom
            .bytes()
            .all(|byte| matches!(byte, b'!'..=b'~') && !b"(){%*\"\\]".contains(&byte));
    if valid {
        Ok(())
    } else {
        Err(Failure::invalid("flag"))
    }
}
