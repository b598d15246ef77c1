//! Lists of events, as subscriptions bring them (contract §2.10, §7.3).
//!
//! They are read again only from where they are kept until a client has taken them.

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    fault::Link,
    object::FlagList,
    tolerant::{count, list, members},
};

/// The root element `nmsEventList`: what one notification brings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventList {
    /// In the order of the changes.
    #[serde(rename = "nmsEvent", default, deserialize_with = "list")]
    pub nms_event: Vec<Event>,
    /// That of the subscription.
    #[serde(
        rename = "callbackData",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub callback_data: Option<String>,
    /// From 1, one more for each list of the subscription (contract §7.3).
    #[serde(deserialize_with = "count")]
    pub index: u64,
    /// Where the box stands after this list.
    #[serde(rename = "restartToken")]
    pub restart_token: String,
    /// The subscription, with rel `NmsSubscription` (contract §7.4).
    #[serde(
        default,
        deserialize_with = "list",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub link: Vec<Link>,
}

/// What has happened to one thing; says all of its present state (contract §7.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Created, or its flags or folder changed.
    #[serde(rename = "changedObject")]
    ChangedObject(ChangedObject),
    /// No longer there.
    #[serde(rename = "deletedObject")]
    DeletedObject(DeletedObject),
    /// Created, or its name or parent changed.
    #[serde(rename = "changedFolder")]
    ChangedFolder(ChangedFolder),
    /// No longer there.
    #[serde(rename = "deletedFolder")]
    DeletedFolder(DeletedFolder),
    /// All that is known of the box is void. `{}`, not `null`, which some clients do not see (contract §2.10).
    #[serde(rename = "resetBox", deserialize_with = "no_members")]
    ResetBox {},
}

/// A container that has nothing in it.
fn no_members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    #[derive(Deserialize)]
    struct Nothing {}
    members(deserializer).map(|Nothing {}| ())
}

/// An object as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedObject {
    /// URL of the folder that holds it.
    #[serde(rename = "parentFolder")]
    pub parent_folder: String,
    /// All of its flags.
    #[serde(deserialize_with = "members")]
    pub flags: FlagList,
    /// Its URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// Above all that were shown of it before.
    #[serde(rename = "lastModSeq", deserialize_with = "count")]
    pub last_mod_seq: u64,
    /// The client's own id, else the IMDN message id.
    #[serde(
        rename = "correlationId",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub correlation_id: Option<String>,
    /// The client's own tag.
    #[serde(
        rename = "correlationTag",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub correlation_tag: Option<String>,
}

/// An object that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedObject {
    /// The URL it had.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// Above all that were shown of it before.
    #[serde(rename = "lastModSeq", deserialize_with = "count")]
    pub last_mod_seq: u64,
    /// As in [`ChangedObject`], where it is still known.
    #[serde(
        rename = "correlationId",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub correlation_id: Option<String>,
    /// Likewise.
    #[serde(
        rename = "correlationTag",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub correlation_tag: Option<String>,
}

/// A folder as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFolder {
    /// URL of the folder above; absent on a root.
    #[serde(
        rename = "parentFolder",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub parent_folder: Option<String>,
    /// Its URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// Its name; empty for a root that is the whole box.
    pub name: String,
    /// Above all that were shown of it before.
    #[serde(rename = "lastModSeq", deserialize_with = "count")]
    pub last_mod_seq: u64,
}

/// A folder that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedFolder {
    /// The URL it had.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// Above all that were shown of it before.
    #[serde(rename = "lastModSeq", deserialize_with = "count")]
    pub last_mod_seq: u64,
}
