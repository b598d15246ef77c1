//! `requestError` and the table of SVC and POL identifiers (contract §9.1, §9.2).

use serde::{Deserialize, Serialize};

/// What a client is told when something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestError {
    /// Resources the error is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub link: Vec<Link>,
    /// A problem of the request or of the service.
    #[serde(rename = "serviceException", skip_serializing_if = "Option::is_none")]
    pub service_exception: Option<Exception>,
    /// A rule that forbids it.
    #[serde(rename = "policyException", skip_serializing_if = "Option::is_none")]
    pub policy_exception: Option<Exception>,
}

/// A resource and what it is to the document it stands in (contract §7.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Relation, such as `folder`.
    pub rel: String,
    /// Absolute URL.
    pub href: String,
}

/// Identifier, text with its placeholders unexpanded, and what stands for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// `SVC0002`, `POL1030`, …
    #[serde(rename = "messageId")]
    pub message_id: String,
    /// English, with `%1` and `%2`.
    pub text: String,
    /// Values for the placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
}

/// The identifiers in use, each with its text. Those with SVC are service exceptions, those with POL policy exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A service error occurred.
    ServiceError,
    /// Invalid input value.
    InvalidInput,
    /// Invalid input value, with the valid ones.
    InvalidValue,
    /// Unknown resource or path.
    NoValidAddresses,
    /// Duplicate correlator, or a name that is taken.
    Duplicate,
    /// A path is needed (contract §6.5).
    PathMissing,
    /// Another request has taken this one's place (contract §8.3).
    SimultaneousRequests,
    /// No resources, try later.
    NoResources,
    /// Wrong or missing credentials.
    InvalidCredentials,
    /// An item of a list of paths that is unknown.
    Unknown,
    /// A policy error occurred.
    PolicyError,
    /// No channels of this type (contract §8.1).
    ChannelTypeUnsupported,
    /// The folder keeps its name (contract §6.2).
    RenameForbidden,
    /// Nothing can be made there (contract §6.2).
    CreationForbidden,
    /// The feature is not available.
    FeatureUnavailable,
}

impl Fault {
    /// Identifier and text.
    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::ServiceError => ("SVC0001", "A service error occurred. Error code is %1"),
            Self::InvalidInput => ("SVC0002", "Invalid input value for message part %1"),
            Self::InvalidValue => (
                "SVC0003",
                "Invalid input value for message part %1, valid values are %2",
            ),
            Self::NoValidAddresses => ("SVC0004", "No valid addresses provided in message part %1"),
            Self::Duplicate => (
                "SVC0005",
                "Correlator %1 specified in message part %2 is a duplicate",
            ),
            Self::PathMissing => (
                "SVC1009",
                "Folder's path is missing. When more than one root folder exists, folder's path must be provided",
            ),
            Self::SimultaneousRequests => {
                ("SVC1012", "Simultaneous channel requests not supported")
            }
            Self::NoResources => (
                "SVC2001",
                "No server resources available to process the request",
            ),
            Self::InvalidCredentials => ("SVC2003", "invalid access token"),
            Self::Unknown => ("SVC2008", "Unknown %1 %2"),
            Self::PolicyError => ("POL0001", "A policy error occurred. Error code is %1"),
            Self::ChannelTypeUnsupported => (
                "POL1023",
                "Notification channel type %1 not supported. Supported types: %2.",
            ),
            Self::RenameForbidden => ("POL1030", "Renaming this folder is not allowed"),
            Self::CreationForbidden => (
                "POL1031",
                "Attempt to create objects or folders under %1 is prohibited",
            ),
            Self::FeatureUnavailable => ("POL2006", "Requested feature %1 is not available"),
        }
    }

    /// The document for this fault.
    #[must_use]
    pub fn error(self, variables: &[&str]) -> RequestError {
        let (message_id, text) = self.entry();
        let exception = Exception {
            message_id: message_id.to_owned(),
            text: text.to_owned(),
            variables: variables
                .iter()
                .map(|variable| (*variable).to_owned())
                .collect(),
        };
        if message_id.starts_with("POL") {
            RequestError {
                link: Vec::new(),
                service_exception: None,
                policy_exception: Some(exception),
            }
        } else {
            RequestError {
                link: Vec::new(),
                service_exception: Some(exception),
                policy_exception: None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_and_policy_exceptions_are_told_apart_by_their_identifier() {
        let json = |error: RequestError| serde_json::to_string(&error).unwrap();
        assert_eq!(
            json(Fault::InvalidInput.error(&["name"])),
            r#"{"serviceException":{"messageId":"SVC0002","text":"Invalid input value for message part %1","variables":["name"]}}"#
        );
        assert_eq!(
            json(Fault::RenameForbidden.error(&[])),
            r#"{"policyException":{"messageId":"POL1030","text":"Renaming this folder is not allowed"}}"#
        );
        assert_eq!(
            json(Fault::ChannelTypeUnsupported.error(&["OMAPush", "LongPolling"])),
            r#"{"policyException":{"messageId":"POL1023","text":"Notification channel type %1 not supported. Supported types: %2.","variables":["OMAPush","LongPolling"]}}"#
        );
        assert_eq!(
            json(Fault::SimultaneousRequests.error(&[])),
            r#"{"serviceException":{"messageId":"SVC1012","text":"Simultaneous channel requests not supported"}}"#
        );
    }
}
