//! What went wrong, as it concerns the mail box; `rest` turns it into a status and a `requestError`.

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
