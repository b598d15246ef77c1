//! Subscriptions and the events they bring (contract §2.10, §7).
//!
//! What a client sends is told apart from what it is answered: the first may lack anything, the second never does.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    encode::Format,
    fault::Link,
    object::FlagList,
    search::SearchCriteria,
    tolerant::{count, count_if_any, list, members, members_if_any, text_if_any},
};

/// In which form event lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NotificationFormat {
    /// `XML`
    #[serde(rename = "XML")]
    Xml,
    /// `JSON`
    #[serde(rename = "JSON")]
    Json,
}

impl From<NotificationFormat> for Format {
    fn from(format: NotificationFormat) -> Self {
        match format {
            NotificationFormat::Xml => Self::Xml,
            NotificationFormat::Json => Self::Json,
        }
    }
}

impl From<Format> for NotificationFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Xml => Self::Xml,
            Format::Json => Self::Json,
        }
    }
}

impl<'de> Deserialize<'de> for NotificationFormat {
    /// In any case of letters.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = [("xml", Self::Xml), ("json", Self::Json)];
        let known = known
            .into_iter()
            .find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        known
            .map(|(_, format)| format)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&name), &"XML or JSON"))
    }
}

/// Where event lists go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CallbackReference {
    /// URL they are posted to, or `callbackURL` of a channel; empty, which no URL is, when a client has not said it.
    #[serde(rename = "notifyURL", default)]
    pub notify_url: String,
    /// Comes back in every list.
    #[serde(
        rename = "callbackData",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub callback_data: Option<String>,
    /// Their form; absent: that of the request for the subscription (contract §9.4).
    #[serde(
        rename = "notificationFormat",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub notification_format: Option<NotificationFormat>,
}

/// What a client sends to subscribe: the root element `nmsSubscription` of a creation. `index` is not a client's to say, and
/// makes the document malformed; of `resourceURL` nothing is read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewSubscription {
    /// Where events shall go.
    #[serde(rename = "callbackReference", default, deserialize_with = "members")]
    pub callback_reference: CallbackReference,
    /// Seconds; 0 and absent leave it to the server.
    #[serde(default, deserialize_with = "count_if_any")]
    pub duration: Option<u64>,
    /// Which events; absent: all.
    #[serde(default, deserialize_with = "members_if_any")]
    pub filter: Option<SearchCriteria>,
    /// By which a repeated request is known again, as it was sent: [`Self::correlator`] is what it means.
    #[serde(rename = "clientCorrelator", default)]
    pub client_correlator: Option<String>,
    #[serde(default)]
    index: Option<Forbidden>,
    /// From where on changes are sent; absent, also when empty: from now on.
    #[serde(rename = "restartToken", default, deserialize_with = "text_if_any")]
    pub restart_token: Option<String>,
}

impl NewSubscription {
    /// By which a repeated request is known again; an empty text is none (contract §2.10).
    #[must_use]
    pub fn correlator(&self) -> Option<&str> {
        let correlator = self.client_correlator.as_deref();
        correlator.filter(|text| !text.is_empty())
    }
}

/// What a member holds that must not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Forbidden {}

impl<'de> Deserialize<'de> for Forbidden {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("not a client's to say"))
    }
}

/// The root element `nmsSubscriptionUpdate`: each member stays as it is unless it is said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct SubscriptionUpdate {
    /// Seconds from now; 0 leaves it to the server.
    #[serde(default, deserialize_with = "count_if_any")]
    pub duration: Option<u64>,
    /// From where on changes are sent again; absent, also when empty: nothing is.
    #[serde(rename = "restartToken", default, deserialize_with = "text_if_any")]
    pub restart_token: Option<String>,
}

/// The root element `nmsSubscription` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// As the client sent it.
    #[serde(rename = "callbackReference")]
    pub callback_reference: CallbackReference,
    /// Seconds it still lives.
    #[serde(deserialize_with = "count")]
    pub duration: u64,
    /// As the client sent it.
    #[serde(
        default,
        deserialize_with = "members_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub filter: Option<SearchCriteria>,
    /// As the client sent it, also when that was an empty text.
    #[serde(
        rename = "clientCorrelator",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub client_correlator: Option<String>,
    /// Its URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
    /// What the next event list will carry.
    #[serde(deserialize_with = "count")]
    pub index: u64,
    /// Where the subscription stands.
    #[serde(rename = "restartToken")]
    pub restart_token: String,
}

/// The root element `nmsSubscriptionList`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubscriptionList {
    /// Zero or more.
    #[serde(default, deserialize_with = "list")]
    pub subscription: Vec<Subscription>,
    /// URL of the list.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::nms::encode::Malformed;

    fn read(document: &Value) -> Result<NewSubscription, Malformed> {
        Format::Json.read("nmsSubscription", document.to_string().as_bytes())
    }

    #[test]
    fn a_subscription_is_read_as_clients_send_it() {
        let document = json!({"nmsSubscription": {
            "callbackReference": {"notifyURL": "https://a/cb", "callbackData": " d7", "notificationFormat": "json"},
            "duration": "86400", "clientCorrelator": "", "restartToken": "v5:3001", "resourceURL": 7, "x": {},
            "filter": {"criterion": {"type": "CreatedObjects", "value": ""}},
        }});
        let new = read(&document).unwrap();
        let callback = &new.callback_reference;
        assert_eq!(callback.notify_url, "https://a/cb");
        assert_eq!(callback.callback_data.as_deref(), Some(" d7"));
        assert_eq!(callback.notification_format, Some(NotificationFormat::Json));
        assert_eq!(new.duration, Some(86400));
        assert_eq!(
            (new.client_correlator.as_deref(), new.correlator()),
            (Some(""), None)
        );
        assert_eq!(new.restart_token.as_deref(), Some("v5:3001"));
        assert_eq!(
            serde_json::to_value(&new.filter).unwrap(),
            json!({"criterion": [{"type": "CreatedObjects", "value": ""}]})
        );
        for nothing in [
            json!({}),
            json!({"nmsSubscription": null}),
            json!({"index": null, "restartToken": ""}),
        ] {
            assert_eq!(read(&nothing), Ok(NewSubscription::default()));
        }
    }

    #[test]
    fn events_have_one_member_each() {
        let list = json!({
            "nmsEvent": [
                {"changedObject": {"parentFolder": "f", "flags": {"flag": ["\\Seen"]}, "resourceURL": "o", "lastModSeq": 7,
                    "correlationId": "mm", "correlationTag": "t"}},
                {"deletedObject": {"resourceURL": "o", "lastModSeq": 8}},
                {"changedFolder": {"parentFolder": "f", "resourceURL": "g", "name": "n", "lastModSeq": 9}},
                {"deletedFolder": {"resourceURL": "g", "lastModSeq": 10}},
                {"resetBox": {}},
            ],
            "callbackData": "d7", "index": 1, "restartToken": "v5", "link": [{"rel": "NmsSubscription", "href": "s"}],
        });
        let read: EventList = serde_json::from_value(list.clone()).unwrap();
        assert_eq!(read.nms_event[4], Event::ResetBox {});
        let written = Format::Json.write("nmsEventList", &read);
        assert_eq!(
            String::from_utf8(written).unwrap(),
            json!({"nmsEventList": list}).to_string()
        );
    }
}
