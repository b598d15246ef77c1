//! What went wrong, as it concerns the mail box; `rest` turns it into a status and a `requestError`.

use crate::{
    imap::{self, response::Code},
    state,
};

/// A failed operation on a box.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object, folder or part named by the request does not exist (404 SVC0004 `Request-URI`).
    #[error("not found")]
    NotFound,
    /// No object or folder has this path (404 SVC0004, the path).
    #[error("no such path")]
    UnknownPath(String),
    /// A path that is not well formed, in a list of paths (400 SVC0002, the path).
    #[error("malformed path")]
    MalformedPath(String),
    /// A part of the request has a value the box cannot take (400 SVC0002); names the part, or holds the value where the contract says so.
    #[error("invalid input for {0}")]
    InvalidInput(String),
    /// The same with the list of what would be valid (400 SVC0003).
    #[error("invalid value for {0}, valid are {1}")]
    InvalidValue(String, String),
    /// More than one root, so a path is needed (400 SVC1009).
    #[error("more than one root: a path is needed")]
    PathRequired,
    /// A sibling has that name (409 SVC0005): the value and its member.
    #[error("{1} is taken")]
    Conflict(String, String),
    /// The store refused the credentials (401).
    #[error("credentials refused")]
    Unauthenticated,
    /// The store does not allow it to this user (403 POL0001 `NotAuthorized`).
    #[error("not allowed by the store")]
    Forbidden,
    /// INBOX and roots can not be deleted or moved (403 POL0001 `SystemFolder`).
    #[error("a system folder")]
    SystemFolder,
    /// INBOX and roots can not be renamed (403 POL1030).
    #[error("renaming this folder is not allowed")]
    RenameForbidden,
    /// Nothing may be created under this path or URL (403 POL1031).
    #[error("creation under {0} is prohibited")]
    CreationForbidden(String),
    /// Neither the store nor the bridge can do it (403 POL2006): the feature.
    #[error("{0} is not available")]
    Unsupported(String),
    /// The box is full (403 POL0001 `OverQuota`).
    #[error("over quota")]
    QuotaExceeded,
    /// The store refuses the size (413 POL0001 `TooLarge`).
    #[error("too large for the store")]
    TooLarge,
    /// A condition of the request no longer holds (412).
    #[error("precondition failed")]
    PreconditionFailed,
    /// No connection is free within the wait allowed (503 + Retry-After).
    #[error("no connection free")]
    Busy,
    /// The store is away or said so (503 + Retry-After).
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The store misbehaved (502).
    #[error("store misbehaved: {0}")]
    Upstream(String),
    /// The store was too slow (504).
    #[error("store too slow")]
    Timeout,
    /// Our own fault (500).
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Whether the store did not answer, so that whatever is asked next would wait as long.
    pub(super) fn is_for_now(&self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable(_) | Self::Timeout)
    }
}

/// What the server or the wire did, as it concerns the box. A NO without a code is for the operation to explain: here it
/// counts as a misbehaving store.
impl From<imap::Error> for Error {
    fn from(error: imap::Error) -> Self {
        match error {
            imap::Error::No { command, code } => refused(command, code.as_ref()),
            imap::Error::Login(code) => {
                login_refused(code.as_ref()).unwrap_or(Self::Unauthenticated)
            }
            // Never Unauthenticated: nothing is wrong with what the client has presented.
            imap::Error::Operator(ref code) => {
                login_refused(code.as_ref()).unwrap_or_else(|| Self::Upstream(error.to_string()))
            }
            imap::Error::Overlooked(_) => Self::Upstream(error.to_string()),
            imap::Error::Bad(command) => {
                Self::Internal(format!("{command} not understood by the store"))
            }
            imap::Error::Argument => Self::Internal("an argument that cannot be sent".to_owned()),
            imap::Error::Unsent => Self::Unavailable("not all could be sent".to_owned()),
            imap::Error::Closed => Self::Unavailable("the store closed the connection".to_owned()),
            imap::Error::Connect(reason) => Self::Unavailable(reason),
            imap::Error::Timeout => Self::Timeout,
            imap::Error::Unsupported(what) => Self::Unsupported(what.to_owned()),
            imap::Error::Protocol(what) => Self::Upstream(what),
            imap::Error::Busy => Self::Busy,
        }
    }
}

/// A refused login whose code says more than that.
fn login_refused(code: Option<&Code>) -> Option<Error> {
    match code {
        Some(Code::Limit) => Some(Error::Busy),
        Some(Code::AuthorizationFailed) => Some(Error::Forbidden),
        Some(Code::Unavailable | Code::InUse | Code::ServerBug | Code::ContactAdmin) => {
            let what = "the store cannot check the login now".to_owned();
            Some(Error::Unavailable(what))
        }
        _ => None,
    }
}

/// What was said may not outlive the process: it is done all the same, and asking again is what helps.
impl From<state::Error> for Error {
    fn from(error: state::Error) -> Self {
        match error {
            state::Error::Unwritable(_) | state::Error::Closed => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

/// RFC 5530 and the codes of the extensions. Conflicts and bad names are given their value where the name is known.
fn refused(command: &'static str, code: Option<&Code>) -> Error {
    let Some(code) = code else {
        return Error::Upstream(format!("{command} refused without a reason"));
    };
    match code {
        Code::NonExistent => Error::NotFound,
        Code::NoPerm | Code::AuthorizationFailed => Error::Forbidden,
        Code::AuthenticationFailed | Code::Expired | Code::PrivacyRequired => {
            Error::Unauthenticated
        }
        Code::OverQuota => Error::QuotaExceeded,
        Code::TooBig => Error::TooLarge,
        Code::TryCreate => Error::InvalidInput("parentFolder".to_owned()),
        Code::AlreadyExists | Code::HasChildren => {
            Error::Conflict(String::new(), "name".to_owned())
        }
        Code::Cannot => Error::InvalidInput("name".to_owned()),
        Code::BadCharset | Code::BadUrl => Error::InvalidInput("value".to_owned()),
        Code::InUse | Code::Unavailable | Code::Limit => {
            Error::Unavailable(format!("{command} refused for now"))
        }
        Code::ClientBug | Code::Parse => {
            Error::Internal(format!("{command} not understood by the store"))
        }
        Code::Alert
        | Code::AppendUid(..)
        | Code::Capability(_)
        | Code::Closed
        | Code::ContactAdmin
        | Code::CopyUid(..)
        | Code::Corruption
        | Code::ExpungeIssued
        | Code::HighestModSeq(_)
        | Code::MailboxId(_)
        | Code::Modified(_)
        | Code::NoModSeq
        | Code::PermanentFlags(_)
        | Code::ReadOnly
        | Code::ReadWrite
        | Code::ServerBug
        | Code::UidNext(_)
        | Code::UidNotSticky
        | Code::UidValidity(_)
        | Code::UnknownCte
        | Code::Other(_) => Error::Upstream(format!("{command} refused: {code:?}")),
    }
}
