//! What is asked of notification channels (contract §1.3, §8).

use super::scene::Ask;

pub(super) const GET_CHANNELS: &[Ask] = &[
    Ask::new("all of the box", "channels"),
    Ask::new("parameters that mean nothing", "channels?maxEntries=0"),
];

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const POST_CHANNELS: &[Ask] = &[
    Ask::new("one that is polled", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"dev7-1","applicationTag":"rcs","channelType":"LongPolling","channelData":{"maxNotifications":1,"maxWaitTime":0},"channelLifetime":7200}}"#),
    Ask::new("the same again", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"dev7-1","applicationTag":"rcs","channelType":"LongPolling","channelData":{"maxNotifications":1,"maxWaitTime":0},"channelLifetime":7200}}"#),
    Ask::new("another type under the same correlator", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"dev7-1","channelType":"WebSockets"}}"#),
    Ask::new("the type alone, in another case, without the root member", "channels")
        .body(r#"{"channelType":"longpolling"}"#),
    Ask::new("empty texts, a channelURL of the client's, more than is granted", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"","applicationTag":"","channelType":"LongPolling","channelData":{"channelURL":"http://{host}/x","maxNotifications":"1000","maxWaitTime":"100000"},"channelLifetime":99999999}}"#),
    Ask::new("empty texts are no correlator; no lifetime", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"","channelType":"LongPolling","channelData":{"largeDataPolling":{"pollingEnabled":false}},"channelLifetime":0}}"#),
    Ask::new("one too many", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling"}}"#),
    Ask::new("a known one is not too many", "channels")
        .body(r#"{"notificationChannel":{"clientCorrelator":"dev7-1","channelType":"LongPolling"}}"#),
    Ask::new("a type that is not there", "channels")
        .body(r#"{"notificationChannel":{"channelType":"OMAPush","channelData":{"appId":"x"}}}"#),
    Ask::new("another", "channels")
        .body(r#"{"notificationChannel":{"channelType":"NativeChannel","channelData":{"channelSubType":"GCM","registrationToken":"x"}}}"#),
    Ask::new("large data", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelData":{"largeDataPolling":{"pollingEnabled":true}}}}"#),
    Ask::new("no type", "channels").body(r#"{"notificationChannel":{"channelLifetime":60}}"#),
    Ask::new("an empty type", "channels").body(r#"{"notificationChannel":{"channelType":""}}"#),
    Ask::new("a control in the type", "channels")
        .body(r#"{"notificationChannel":{"channelType":"a\r\nb"}}"#),
    Ask::new("a lifetime that is no number", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelLifetime":"soon"}}"#),
    Ask::new("a negative lifetime", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelLifetime":-1}}"#),
    Ask::new("a number of notifications that is none", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelData":{"maxNotifications":"many"}}}"#),
    Ask::new("a wait that is no number", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelData":{"maxWaitTime":"long"}}}"#),
    Ask::new("channelData that is a text", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","channelData":"x"}}"#),
    Ask::new("a control in the correlator", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","clientCorrelator":"a\u007fb"}}"#),
    Ask::new("a control in the tag", "channels")
        .body(r#"{"notificationChannel":{"channelType":"LongPolling","applicationTag":"a\nb"}}"#),
    Ask::new("no body", "channels"),
    Ask::new("no JSON", "channels").body("channelType=LongPolling"),
    Ask::new("an array", "channels").body("[]"),
];

pub(super) const GET_CHANNEL: &[Ask] = &[
    Ask::new("one that lives", "channels/{channel}"),
    Ask::new("an unknown one", "channels/none"),
    Ask::new("a subscription's id", "channels/{subscription}"),
    Ask::new("a URL in place of the id", "channels/a%2Fb"),
];

pub(super) const DELETE_CHANNEL: &[Ask] = &[
    Ask::new("one that lives", "channels/{channel}"),
    Ask::new("once more", "channels/{channel}"),
    Ask::new("an unknown one", "channels/none"),
];

pub(super) const GET_LIFETIME: &[Ask] = &[
    Ask::new("what is left", "channels/{channel}/channelLifetime"),
    Ask::new("of an unknown channel", "channels/none/channelLifetime"),
];

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const PUT_LIFETIME: &[Ask] = &[
    Ask::new("longer", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":86400}}"#),
    Ask::new("without the root member, as a text", "channels/{channel}/channelLifetime")
        .body(r#"{"channelLifetime":"3600"}"#),
    Ask::new("longer than is granted", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":99999999}}"#),
    Ask::new("without a value", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{}}"#),
    Ask::new("0", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":0}}"#),
    Ask::new("no body", "channels/{channel}/channelLifetime"),
    Ask::new("no number", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":"long"}}"#),
    Ask::new("a negative number", "channels/{channel}/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":-5}}"#),
    Ask::new("no JSON", "channels/{channel}/channelLifetime").body("86400"),
    Ask::new("of an unknown channel", "channels/none/channelLifetime")
        .body(r#"{"notificationChannelLifetime":{"channelLifetime":86400}}"#),
];

/// Each that finds nothing waits for as long as polls do.
pub(super) const POST_NOTIFICATIONS: &[Ask] = &[
    Ask::new("what has happened", "channels/{channel}/notifications")
        .body(r#"{"longPollingRequestParameters":null}"#),
    Ask::new(
        "nothing has happened since",
        "channels/{channel}/notifications",
    )
    .body(r#"{"longPollingRequestParameters":{}}"#),
    Ask::new("no body", "channels/{channel}/notifications"),
    Ask::new("an unknown channel", "channels/none/notifications")
        .body(r#"{"longPollingRequestParameters":null}"#),
];

const UPGRADE: &[(&str, &str)] = &[
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    (
        "Sec-WebSocket-Protocol",
        "notificationchannel-netapi-rest.openmobilealliance.org",
    ),
];

pub(super) const GET_WEBSOCKET: &[Ask] = &[
    Ask::new("a handshake", "channels/{socket}/websocket").headers(UPGRADE),
    Ask::new("none", "channels/{socket}/websocket"),
    Ask::new("an old version", "channels/{socket}/websocket").headers(&[
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "8"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]),
    Ask::new("no key", "channels/{socket}/websocket").headers(&[
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
    ]),
    Ask::new(
        "two tokens",
        "channels/{socket}/websocket?access_token=a&access_token=b",
    )
    .headers(UPGRADE),
    Ask::new("a channel that is polled", "channels/{channel}/websocket").headers(UPGRADE),
    Ask::new("an unknown channel", "channels/none/websocket").headers(UPGRADE),
];
