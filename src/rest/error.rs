//! From [`store::Error`] to status and `requestError`: the one place where that is decided, and where faults of the store are logged.

use http::StatusCode;
use tracing::{error, warn};

use crate::{
    nms::{Fault, RequestError, encode::Malformed},
    store,
};

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) error: Box<RequestError>,
}

/// Seconds a client should wait before it tries again.
pub(crate) const RETRY_AFTER: u32 = 5;

impl Failure {
    pub(crate) fn new(status: StatusCode, fault: Fault, variables: &[&str]) -> Self {
        Self {
            status,
            error: Box::new(fault.error(variables)),
        }
    }

    /// 400 SVC0002 with the offending part.
    pub(crate) fn invalid(part: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Fault::InvalidInput, &[part])
    }

    /// 404 SVC0004 with the path, or `Request-URI`.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, Fault::NoValidAddresses, &[what])
    }

    /// 403 POL0001 with a code.
    pub(crate) fn forbidden(code: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Fault::PolicyError, &[code])
    }

    /// 401 SVC2003.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Fault::InvalidCredentials, &[])
    }

    /// SVC0001 with the status as code.
    pub(crate) fn service(status: StatusCode) -> Self {
        Self::new(status, Fault::ServiceError, &[status.as_str()])
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::invalid(&malformed.part)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        let unavailable = || Self::new(StatusCode::SERVICE_UNAVAILABLE, Fault::NoResources, &[]);
        match error {
            E::NotFound => Self::not_found("Request-URI"),
            E::UnknownPath(path) | E::MalformedPath(path) => Self::not_found(&path),
            E::InvalidInput(part) => Self::invalid(&part),
            E::InvalidValue(part, valid) => Self::new(
                StatusCode::BAD_REQUEST,
                Fault::InvalidValue,
                &[&part, &valid],
            ),
            E::PathRequired => Self::new(StatusCode::BAD_REQUEST, Fault::PathMissing, &[]),
            E::Conflict(value, member) => {
                Self::new(StatusCode::CONFLICT, Fault::Duplicate, &[&value, &member])
            }
            E::Unauthenticated => Self::unauthenticated(),
            E::Forbidden => Self::forbidden("NotAuthorized"),
            E::SystemFolder => Self::forbidden("SystemFolder"),
            E::RenameForbidden => Self::new(StatusCode::FORBIDDEN, Fault::RenameForbidden, &[]),
            E::CreationForbidden(target) => {
                Self::new(StatusCode::FORBIDDEN, Fault::CreationForbidden, &[&target])
            }
            E::Unsupported(feature) => Self::new(
                StatusCode::FORBIDDEN,
                Fault::FeatureUnavailable,
                &[&feature],
            ),
            E::QuotaExceeded => Self::forbidden("OverQuota"),
            E::TooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Fault::PolicyError,
                &["TooLarge"],
            ),
            E::PreconditionFailed => Self::new(
                StatusCode::PRECONDITION_FAILED,
                Fault::ServiceError,
                &["PreconditionFailed"],
            ),
            E::Busy => unavailable(),
            E::Unavailable(reason) => {
                warn!(reason, "store unavailable");
                unavailable()
            }
            E::Upstream(reason) => {
                error!(reason, "store misbehaved");
                Self::service(StatusCode::BAD_GATEWAY)
            }
            E::Timeout => {
                warn!("store too slow");
                Self::service(StatusCode::GATEWAY_TIMEOUT)
            }
            E::Internal(reason) => {
                error!(reason, "internal error");
                Self::service(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_the_store_never_leaves() {
        for error in [
            store::Error::Unavailable("10.0.0.7 refused".to_owned()),
            store::Error::Upstream("NO mailbox of bob".to_owned()),
            store::Error::Internal("secret".to_owned()),
        ] {
            let failure = Failure::from(error);
            let document = format!("{:?}", failure.error);
            assert!(
                !document.contains("10.0.0.7")
                    && !document.contains("bob")
                    && !document.contains("secret")
            );
        }
    }

    #[test]
    fn statuses_are_those_of_the_table() {
        let status = |error| Failure::from(error).status.as_u16();
        assert_eq!(status(store::Error::NotFound), 404);
        assert_eq!(
            status(store::Error::Conflict(String::new(), String::new())),
            409
        );
        assert_eq!(status(store::Error::Busy), 503);
        assert_eq!(status(store::Error::Timeout), 504);
        assert_eq!(status(store::Error::TooLarge), 413);
    }
}
