//! Notification channels, what they carry, and what keeps them alive (contract §2.11, §8).
//!
//! Of the types of channels those are known that are served; what a client says of others is never looked at.

use serde::{Deserialize, Serialize};

use super::{
    encode::Format,
    event::EventList,
    tolerant::{count, count_if_any, list, members, members_if_any, truth_if_any},
};

/// How a client gets what a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelType {
    /// It asks, and the answer waits (contract §8.3).
    LongPolling,
    /// It keeps a connection (contract §8.4).
    WebSockets,
}

impl ChannelType {
    /// The names of all, as the fault for any other lists them.
    pub const NAMES: &str = "LongPolling,WebSockets";

    /// The type of this name; letters may be in either case, as clients have them (contract §8.4).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = [
            ("LongPolling", Self::LongPolling),
            ("WebSockets", Self::WebSockets),
        ];
        let known = known
            .into_iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        known.map(|(_, channel_type)| channel_type)
    }
}

/// What a client sends to get a channel: the root element `notificationChannel` of a creation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewChannel {
    /// By which a repeated request is known again, as it was sent: [`Self::correlator`] is what it means.
    #[serde(rename = "clientCorrelator", default)]
    pub client_correlator: Option<String>,
    /// The client's own, as it was sent.
    #[serde(rename = "applicationTag", default)]
    pub application_tag: Option<String>,
    /// As written; see [`ChannelType::named`].
    #[serde(rename = "channelType", default)]
    pub channel_type: Option<String>,
    /// What is particular to the type; may be left out.
    #[serde(rename = "channelData", default, deserialize_with = "members")]
    pub channel_data: NewChannelData,
    /// Seconds; absent leaves it to the server.
    #[serde(rename = "channelLifetime", default, deserialize_with = "count_if_any")]
    pub channel_lifetime: Option<u64>,
}

impl NewChannel {
    /// By which a repeated request is known again; an empty text is none (contract §8.1).
    #[must_use]
    pub fn correlator(&self) -> Option<&str> {
        let correlator = self.client_correlator.as_deref();
        correlator.filter(|text| !text.is_empty())
    }
}

/// What a client says of a channel of one type. `channelURL` is the server's, and not read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct NewChannelData {
    /// Most notifications of one answer.
    #[serde(
        rename = "maxNotifications",
        default,
        deserialize_with = "count_if_any"
    )]
    pub max_notifications: Option<u64>,
    /// Seconds a notification may wait for others to go with it.
    #[serde(rename = "maxWaitTime", default, deserialize_with = "count_if_any")]
    pub max_wait_time: Option<u64>,
    #[serde(
        rename = "largeDataPolling",
        default,
        deserialize_with = "members_if_any"
    )]
    large_data_polling: Option<LargeDataPolling>,
}

impl NewChannelData {
    /// Whether it asks that what is too large to be pushed can be polled (contract §8.5).
    #[must_use]
    pub fn wants_large_data_polling(&self) -> bool {
        let asked = self.large_data_polling.as_ref();
        asked.is_some_and(|asked| asked.polling_enabled != Some(false))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
struct LargeDataPolling {
    #[serde(rename = "pollingEnabled", default, deserialize_with = "truth_if_any")]
    polling_enabled: Option<bool>,
}

/// The root element `notificationChannel` of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// As the client sent it, also when that was an empty text; never invented.
    #[serde(
        rename = "clientCorrelator",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub client_correlator: Option<String>,
    /// Likewise.
    #[serde(
        rename = "applicationTag",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub application_tag: Option<String>,
    /// Its type.
    #[serde(rename = "channelType")]
    pub channel_type: ChannelType,
    /// What is particular to the type; XML names the type once more in `xsi:type`.
    #[serde(rename = "channelData")]
    pub channel_data: ChannelData,
    /// Seconds.
    #[serde(rename = "channelLifetime", deserialize_with = "count")]
    pub channel_lifetime: u64,
    /// What a subscription names as its `notifyURL`.
    #[serde(rename = "callbackURL")]
    pub callback_url: String,
    /// Its URL.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

/// What there is to say of a channel of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelData {
    /// Where its notifications are to be had; for WebSockets with the scheme ws or wss.
    #[serde(rename = "channelURL")]
    pub channel_url: String,
    /// Most notifications of one answer.
    #[serde(rename = "maxNotifications", deserialize_with = "count")]
    pub max_notifications: u64,
    /// Seconds a notification may wait for others to go with it; long polling only.
    #[serde(
        rename = "maxWaitTime",
        default,
        deserialize_with = "count_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_wait_time: Option<u64>,
}

/// The root element `notificationChannelList`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelList {
    /// Zero or more.
    #[serde(rename = "notificationChannel", default, deserialize_with = "list")]
    pub notification_channel: Vec<Channel>,
    /// URL of the list.
    #[serde(rename = "resourceURL")]
    pub resource_url: String,
}

/// The root element `notificationChannelLifetime`, as it is sent and as it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChannelLifetime {
    /// Seconds; absent from a request that leaves it to the server.
    #[serde(
        rename = "channelLifetime",
        default,
        deserialize_with = "count_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub channel_lifetime: Option<u64>,
}

/// The root element `notificationList`: in JSON always an array, also of none or one (contract §0.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationList(pub Vec<Notification>);

/// One of the documents that a channel carries, under the name of its root element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notification {
    /// Of a subscription.
    #[serde(rename = "nmsEventList")]
    EventList(EventList),
}

/// The root element `connCheck`: is the other side still there?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnCheck {
    /// Seconds until the next one is to be expected.
    #[serde(
        rename = "checkInterval",
        default,
        deserialize_with = "count_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub check_interval: Option<u64>,
    /// Seconds; only the server says it.
    #[serde(
        rename = "newChannelLifetime",
        default,
        deserialize_with = "count_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub new_channel_lifetime: Option<u64>,
}

/// The root element `connAck`: it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConnAck {
    /// Seconds; only the server says it.
    #[serde(
        rename = "channelLifetime",
        default,
        deserialize_with = "count_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub channel_lifetime: Option<u64>,
}

/// What a client says over a WebSocket (contract §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientFrame {
    /// Is to be answered with a [`ConnAck`].
    ConnCheck(ConnCheck),
    /// Answers the server's [`ConnCheck`].
    ConnAck,
}

impl ClientFrame {
    /// Reads a frame; `None` for what is none of these documents. An empty one may be `null`.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let format = Format::of(frame);
        match format.root(frame)?.as_str() {
            root @ "connCheck" => format.read(root, frame).ok().map(Self::ConnCheck),
            root @ "connAck" => {
                let read: Result<ConnAck, _> = format.read(root, frame);
                read.ok().map(|_| Self::ConnAck)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::nms::encode::Malformed;

    fn read(document: &Value) -> Result<NewChannel, Malformed> {
        Format::Json.read("notificationChannel", document.to_string().as_bytes())
    }

    #[test]
    fn a_channel_is_read_as_clients_ask_for_it() {
        let new = read(&json!({"notificationChannel": {
            "clientCorrelator": "", "applicationTag": "", "channelType": "Websockets", "x-connCheckRole": "client",
            "channelData": {"channelURL": 7, "maxNotifications": "1", "x-webhookURL": []}, "channelLifetime": "7200",
            "callbackURL": {}, "resourceURL": 7,
        }}))
        .unwrap();
        assert_eq!(
            (new.client_correlator.as_deref(), new.correlator()),
            (Some(""), None)
        );
        assert_eq!(new.application_tag.as_deref(), Some(""));
        let named = new.channel_type.as_deref().and_then(ChannelType::named);
        assert_eq!(named, Some(ChannelType::WebSockets));
        assert_eq!(new.channel_data.max_notifications, Some(1));
        assert_eq!(new.channel_data.max_wait_time, None);
        assert_eq!(new.channel_lifetime, Some(7200));
        assert!(!new.channel_data.wants_large_data_polling());
        for name in ["OMAPush", "NativeChannel", "Webhooks", "LongPolling ", ""] {
            assert_eq!(ChannelType::named(name), None, "{name}");
        }
        for nothing in [
            json!({}),
            json!({"notificationChannel": {}}),
            json!({"channelData": {}}),
        ] {
            assert_eq!(read(&nothing), Ok(NewChannel::default()));
        }
    }

    #[test]
    fn the_names_of_the_types_are_those_they_have() {
        for name in ChannelType::NAMES.split(',') {
            assert_eq!(json!(ChannelType::named(name)), name);
        }
    }

    #[test]
    fn xml_may_leave_out_what_type_the_data_is_of() {
        for data in [
            "<channelData xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"nc:LongPollingData\">",
            "<channelData>",
        ] {
            let document = format!(
                "<nc:notificationChannel xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\">
                    <applicationTag> t </applicationTag><channelType> LongPolling </channelType>
                    {data}<maxNotifications> 3 </maxNotifications>
                        <largeDataPolling/></channelData>
                </nc:notificationChannel>"
            );
            let new: NewChannel = Format::Xml
                .read("notificationChannel", document.as_bytes())
                .unwrap();
            assert_eq!(new.application_tag.as_deref(), Some(" t "));
            assert_eq!(new.channel_type.as_deref(), Some("LongPolling"));
            assert_eq!(new.channel_data.max_notifications, Some(3));
            assert!(new.channel_data.wants_large_data_polling());
        }
        let document = "<notificationChannel><channelData/></notificationChannel>";
        let new = Format::Xml.read("notificationChannel", document.as_bytes());
        assert_eq!(new, Ok(NewChannel::default()));
    }

    #[test]
    fn large_data_polling_can_be_refused_by_the_client() {
        for (asked, wants) in [
            (json!({}), true),
            (
                json!({"pollingEnabled": "true", "maxPollingNotifications": 1}),
                true,
            ),
            (json!({"pollingEnabled": false}), false),
            (json!({"pollingEnabled": "False"}), false),
        ] {
            let new = read(&json!({"channelData": {"largeDataPolling": asked}})).unwrap();
            assert_eq!(
                new.channel_data.wants_large_data_polling(),
                wants,
                "{asked}"
            );
        }
    }

    #[test]
    fn the_member_to_blame_is_named() {
        let data = |content: Value| json!({"channelData": content});
        for (document, part) in [
            (json!({"notificationChannel": []}), "notificationChannel"),
            (json!({"notificationChannel": null}), "notificationChannel"),
            (json!({"clientCorrelator": 7}), "clientCorrelator"),
            (json!({"applicationTag": ["t"]}), "applicationTag"),
            (json!({"channelType": {}}), "channelType"),
            (json!({"channelLifetime": -1}), "channelLifetime"),
            (json!({"channelLifetime": "a day"}), "channelLifetime"),
            (json!({"channelLifetime": true}), "channelLifetime"),
            (data(json!("x")), "channelData"),
            (data(json!(["https://a", 1])), "channelData"),
            (data(json!({"maxNotifications": -1})), "maxNotifications"),
            (data(json!({"maxNotifications": [1]})), "maxNotifications"),
            (data(json!({"maxWaitTime": 0.5})), "maxWaitTime"),
            (data(json!({"largeDataPolling": true})), "largeDataPolling"),
            (
                data(json!({"largeDataPolling": {"pollingEnabled": "perhaps"}})),
                "pollingEnabled",
            ),
        ] {
            let malformed = Err(Malformed {
                part: part.to_owned(),
            });
            assert_eq!(read(&document), malformed, "{document}");
        }
        let read: Result<ChannelLifetime, _> =
            Format::Json.read("notificationChannelLifetime", br#"{"channelLifetime":{}}"#);
        assert_eq!(
            read,
            Err(Malformed {
                part: "channelLifetime".to_owned()
            })
        );
    }

    #[test]
    fn a_lifetime_need_not_be_said() {
        for (body, seconds) in [
            (r#"{"notificationChannelLifetime":null}"#, None),
            (r#"{"notificationChannelLifetime":{}}"#, None),
            ("{}", None),
            (r#"{"channelLifetime":null}"#, None),
            (r#"{"channelLifetime":"7200"}"#, Some(7200)),
            (
                r#"{"notificationChannelLifetime":{"channelLifetime":0}}"#,
                Some(0),
            ),
            (r#"{"channelLifetime":1e30}"#, Some(i64::MAX.unsigned_abs())),
            ("<notificationChannelLifetime/>", None),
            (
                "<n:notificationChannelLifetime xmlns:n='x'><channelLifetime>5</channelLifetime></n:notificationChannelLifetime>",
                Some(5),
            ),
        ] {
            let format = Format::of(body.as_bytes());
            let read: ChannelLifetime = format
                .read("notificationChannelLifetime", body.as_bytes())
                .unwrap();
            assert_eq!(read.channel_lifetime, seconds, "{body}");
        }
    }

    #[test]
    fn a_frame_is_one_of_two_documents() {
        let check = |seconds| {
            Some(ClientFrame::ConnCheck(ConnCheck {
                check_interval: seconds,
                new_channel_lifetime: None,
            }))
        };
        for (frame, expected) in [
            (r#"{"connCheck":{}}"#, check(None)),
            (r#"{"connCheck":null}"#, check(None)),
            (
                r#"{"connCheck":{"checkInterval":"30","x":[]}}"#,
                check(Some(30)),
            ),
            (
                "<nc:connCheck xmlns:nc='urn:x'><checkInterval>30</checkInterval></nc:connCheck>",
                check(Some(30)),
            ),
            (r#" {"connAck":{}}"#, Some(ClientFrame::ConnAck)),
            (r#"{"connAck":null}"#, Some(ClientFrame::ConnAck)),
            ("<connAck/>", Some(ClientFrame::ConnAck)),
            (r#"{"connCheck":7}"#, None),
            (r#"{"connCheck":[]}"#, None),
            (r#"{"connCheck":{"checkInterval":{}}}"#, None),
            (r#"{"connCheck":{},"connAck":{}}"#, None),
            (r#"{"notificationList":[]}"#, None),
            (r#""connCheck""#, None),
            ("{}", None),
            ("[]", None),
            ("{", None),
            ("<connCheck>", None),
            ("", None),
        ] {
            assert_eq!(ClientFrame::read(frame.as_bytes()), expected, "{frame}");
        }
    }
}
