//! Bodies of `/operations/pathToId` and the list every bulk operation answers with (contract §2.7, §2.8, §6.5).

use serde::{Deserialize, Serialize};

use super::{encode::list, fault::RequestError, folder::Reference};

/// Paths to be resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct PathList {
    /// At least one.
    #[serde(default, deserialize_with = "list")]
    pub path: Vec<String>,
}

/// One answer per item of the request, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BulkResponseList {
    /// The answers.
    pub response: Vec<BulkResponse>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BulkResponse {
    /// HTTP status of the item.
    pub code: u16,
    /// Its reason phrase.
    pub reason: String,
    /// The resource, when it went well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<Reference>,
    /// The content of a `requestError`, when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<RequestError>,
}
