//! Objects and their flags (contract §1.2 rows 2 to 4 and 8).

use http::{Method, Response, StatusCode};

use super::{
    Call,
    error::Failure,
    http::{Body, located, no_content},
    representation::{Validator, validated},
};
use crate::{
    nms::{BulkResponse, BulkResponseList, Fault, NewFlagList, PathList, Reference},
    store,
};

type Answer = Result<Response<Body>, Failure>;

/// The flag that is the store's alone.
const RECENT: &str = "\\Recent";

pub(super) async fn object(call: Call, id: String) -> Answer {
    if call.method == Method::DELETE {
        let precondition = call.conditions.precondition();
        call.account.delete_object(&id, precondition).await?;
        return Ok(no_content());
    }
    let object = call.account.object(&call.urls, &id).await?;
    let response = call.answer(StatusCode::OK, "object", &object);
    let validator = object.last_mod_seq.map(Validator::Revision);
    Ok(validated(response, validator.unwrap_or(Validator::Whole)))
}

pub(super) async fn flags(call: Call, id: String) -> Answer {
    if call.method == Method::PUT {
        let wanted: NewFlagList = call.read("flagList")?;
        let wanted = wanted
            .said(call.sent)
            .ok_or_else(|| Failure::invalid("flag"))?;
        wanted.iter().try_for_each(|flag| flag_name(flag))?;
        let precondition = call.conditions.precondition();
        let account = &call.account;
        let flags = account.put_flags(&call.urls, &id, &wanted, precondition);
        return Ok(call.answer(StatusCode::OK, "flagList", &flags.await?));
    }
    let (flags, last_mod_seq) = call.account.flags(&call.urls, &id).await?;
    let response = call.answer(StatusCode::OK, "flagList", &flags);
    Ok(validated(response, Validator::Revision(last_mod_seq)))
}

/// Contract §5: 201 newly set, 204 set already or removed, 404 with `empty` for a flag that is not set.
pub(super) async fn flag(call: Call, id: String, flag: String) -> Answer {
    flag_name(&flag)?;
    if call.method != Method::GET && call.method != Method::HEAD {
        recent(&flag)?;
    }
    if call.method == Method::PUT {
        let precondition = call.conditions.precondition();
        let newly = call.account.put_flag(&id, &flag, precondition).await?;
        let url = call.urls.flag(&id, &flag);
        return Ok(if newly {
            located(call.empty(StatusCode::CREATED), &url)
        } else {
            no_content()
        });
    }
    let was_set = if call.method == Method::DELETE {
        let precondition = call.conditions.precondition();
        call.account.delete_flag(&id, &flag, precondition).await?
    } else {
        call.account.flag(&id, &flag).await?
    };
    Ok(if was_set {
        no_content()
    } else {
        call.empty(StatusCode::NOT_FOUND)
    })
}

pub(super) async fn path_to_id(call: Call) -> Answer {
    if call.method != Method::POST {
        let path = call.parameter("path")?.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| Failure::not_found("path"))?;
        let reference = call.account.object_by_path(&call.urls, &path).await?;
        return Ok(call.answer(StatusCode::OK, "reference", &reference));
    }
    let mut list = BulkResponseList::default();
    for path in paths(&call)? {
        list.response.push(item(
            &path,
            call.account.object_by_path(&call.urls, &path).await,
        )?);
    }
    Ok(call.answer(StatusCode::OK, "bulkResponseList", &list))
}

/// The paths of a list, at least one and not too many.
pub(super) fn paths(call: &Call) -> Result<Vec<String>, Failure> {
    let list: PathList = call.read("pathList")?;
    if list.path.is_empty() || list.path.len() > call.limits.bulk {
        return Err(Failure::invalid("path"));
    }
    Ok(list.path)
}

/// One item of a list of paths (contract §6.5); what is wrong with the store or the credentials is wrong with the whole
/// request.
pub(super) fn item(
    path: &str,
    outcome: Result<Reference, store::Error>,
) -> Result<BulkResponse, Failure> {
    let failure = match outcome {
        Ok(reference) => {
            return Ok(BulkResponse {
                code: 200,
                reason: "OK".to_owned(),
                success: Some(reference),
                failure: None,
            });
        }
        Err(store::Error::MalformedPath(_)) => Failure::invalid(path),
        Err(store::Error::UnknownPath(_)) => {
            Failure::new(StatusCode::NOT_FOUND, Fault::Unknown, &["path", path])
        }
        Err(error) => Failure::from(error),
    };
    if failure.status.is_server_error() || failure.status == StatusCode::UNAUTHORIZED {
        return Err(failure);
    }
    Ok(failed_item(failure))
}

/// An item of a list of outcomes that is no success.
pub(super) fn failed_item(failure: Failure) -> BulkResponse {
    let reason = failure.status.canonical_reason().unwrap_or_default();
    BulkResponse {
        code: failure.status.as_u16(),
        reason: reason.to_owned(),
        success: None,
        failure: Some(*failure.error),
    }
}

/// Refuses to change the flag that is the store's alone.
pub(super) fn recent(flag: &str) -> Result<(), Failure> {
    if flag.eq_ignore_ascii_case(RECENT) {
        let (status, fault) = (StatusCode::FORBIDDEN, Fault::FeatureUnavailable);
        return Err(Failure::new(status, fault, &[RECENT]));
    }
    Ok(())
}

/// RFC 9051 §9: an atom, or `\` and an atom.
pub(super) fn flag_name(flag: &str) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_one_path_is_said_of_it_and_what_is_wrong_with_the_store_of_all() {
        let code = |error| item("/a", Err(error)).map(|item| item.code);
        assert_eq!(code(store::Error::UnknownPath(String::new())), Ok(404));
        assert_eq!(code(store::Error::MalformedPath(String::new())), Ok(400));
        assert_eq!(code(store::Error::Forbidden), Ok(403));
        for (error, status) in [
            (store::Error::Unauthenticated, 401),
            (store::Error::Busy, 503),
            (store::Error::Timeout, 504),
        ] {
            let failure = code(error).unwrap_err();
            assert_eq!(failure.status.as_u16(), status);
        }
    }

    #[test]
    fn a_flag_is_an_atom_with_or_without_a_backslash() {
        for flag in ["\\Seen", "$MDNSent", "x'y+z", "a", &"a".repeat(200)] {
            assert_eq!(flag_name(flag), Ok(()), "{flag}");
        }
        let long = "a".repeat(201);
        for flag in [
            "", "\\", "\\\\Seen", "a b", "a\r\n", "a\0", "a(b", "a)", "a{1}", "a%", "a*", "\\*",
            "a\"", "a]", "\u{e9}", &long,
        ] {
            assert_eq!(flag_name(flag), Err(Failure::invalid("flag")), "{flag}");
        }
    }
}
