//! From [`store::Error`] to status and `requestError`: the one place where that is decided, and where faults of the store are logged.

use std::io;

use http::StatusCode;
use tracing::{error, warn};

use crate::{
    nms::{Fault, Link, RequestError, encode::Malformed},
    store,
};

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) error: Box<RequestError>,
    /// Octets of what a range was asked of that it does not have (RFC 9110 §14.4).
    pub(crate) complete_length: Option<u64>,
}

/// Seconds a client should wait before it tries again.
pub(crate) const RETRY_AFTER: u32 = 5;

impl Failure {
    pub(crate) fn new(status: StatusCode, fault: Fault, variables: &[&str]) -> Self {
        Self {
            status,
            error: Box::new(fault.error(variables)),
            complete_length: None,
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

    /// 413 POL0001.
    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Fault::PolicyError,
            &["TooLarge"],
        )
    }

    /// 415 SVC0002 with the header that says so.
    pub(crate) fn unsupported_media_type(header: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Fault::InvalidInput,
            &[header],
        )
    }

    /// 503 SVC2001.
    fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Fault::NoResources, &[])
    }

    /// 416 SVC0002 `Range`, with how many octets there are.
    pub(crate) fn range_not_satisfiable(complete_length: u64) -> Self {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        Self {
            complete_length: Some(complete_length),
            ..Self::new(status, Fault::InvalidInput, &["Range"])
        }
    }

    /// With the resource it is about (contract §7.4).
    pub(crate) fn linked(mut self, rel: &str, href: &str) -> Self {
        self.error.link.push(Link {
            rel: rel.to_owned(),
            href: href.to_owned(),
        });
        self
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

/// The spool: what fails there is the disk's fault, and another's turn may come.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        error!(%error, "spool failed");
        Self::unavailable()
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
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
            E::TooLarge => Self::too_large(),
            E::PreconditionFailed => Self::new(
                StatusCode::PRECONDITION_FAILED,
                Fault::ServiceError,
                &["PreconditionFailed"],
            ),
            E::Busy => Self::unavailable(),
            E::Unavailable(reason) => {
                warn!(reason, "store unavailable");
                Self::unavailable()
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
