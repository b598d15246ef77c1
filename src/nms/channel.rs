//! Notification channels, what they carry, and what keeps them alive (contract §2.11, §8).
//!
//! Of the types of channels those are known that are served; what a client says of others is never looked at.

use serde::{Deserialize, Serialize};

use super::{
    encode::Format,
    subscription::EventList,
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
