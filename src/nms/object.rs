//! Objects, their attributes, flags and payload parts (NMS §2.3 to §2.6 of the contract).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    encode::Format,
    tolerant::{list, list_if_any, list_of_members, texts},
};

/// One stored message as the contract shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Object {
    /// URL of the folder that holds the object.
    #[serde(rename = "parentFolder", skip_serializing_if = "Option::is_none")]
    pub parent_folder: Option<String>,
    /// Attributes; may be empty.
    #[serde(default)]
    pub attributes: AttributeList,
    /// Flags; may be empty.
    #[serde(default)]
    pub flags: FlagList,
    /// URL of the object itself.
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
    /// Path of the object: its folder's path and its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// URL of the whole payload; absent when there is none or when it became `TextContent`.
    #[serde(rename = "payloadURL", skip_serializing_if = "Option::is_none")]
    pub payload_url: Option<String>,
    /// First-level parts of the payload.
    #[serde(rename = "payloadPart", default, skip_serializing_if = "Vec::is_empty")]
    pub payload_part: Vec<PayloadPartInfo>,
    /// Rises with every change of the object.
    #[serde(rename = "lastModSeq", skip_serializing_if = "Option::is_none")]
    pub last_mod_seq: Option<u64>,
    /// The client's own id, else the IMDN message id.
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The client's own tag.
    #[serde(rename = "correlationTag", skip_serializing_if = "Option::is_none")]
    pub correlation_tag: Option<String>,
}

/// Attributes in the order of the header fields they come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttributeList {
    /// Zero or more attributes.
    #[serde(default, deserialize_with = "list_of_members")]
    pub attribute: Vec<Attribute>,
}

/// A name with at least one decoded value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Compared case-insensitively.
    #[serde(default)]
    pub name: String,
    /// Decoded Unicode text, in the order of the repeated fields. A client may write a single value, and numbers and
    /// booleans.
    #[serde(default, deserialize_with = "texts")]
    pub value: Vec<String>,
}

/// The complete set of flags.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FlagList {
    /// Flag names such as `\Seen` or `$Forwarded`.
    #[serde(default, deserialize_with = "list")]
    pub flag: Vec<String>,
    /// URL of the flags resource.
    #[serde(rename = "resourceURL", skip_serializing_if = "Option::is_none")]
    pub resource_url: Option<String>,
}

/// What a client sends to replace all flags. An empty list is said, never meant by leaving it out: that would take every
/// flag away for a misspelled member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewFlagList {
    /// Flag names.
    #[serde(default, deserialize_with = "list_if_any")]
    pub flag: Option<Vec<String>>,
    /// What else there is.
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl NewFlagList {
    /// The flags, if they are said. XML has no empty list: there it is one where nothing else is misspelled for it.
    #[must_use]
    pub fn said(self, format: Format) -> Option<Vec<String>> {
        let nothing_else = || self.others.keys().all(|name| name == "resourceURL");
        let empty = || (format == Format::Xml && nothing_else()).then(Vec::new);
        self.flag.or_else(empty)
    }
}

/// One first-level part of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PayloadPartInfo {
    /// Media type with its parameters.
    #[serde(rename = "contentType")]
    pub content_type: String,
    /// Content-ID without angle brackets.
    #[serde(rename = "contentId", skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    /// Content-Location.
    #[serde(rename = "contentLocation", skip_serializing_if = "Option::is_none")]
    pub content_location: Option<String>,
    /// Octets after decoding, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// URL of the decoded bytes.
    pub href: String,
    /// Content-Disposition as text.
    #[serde(rename = "contentDisposition", skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
}
