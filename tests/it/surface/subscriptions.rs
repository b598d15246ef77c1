//! What is asked of subscriptions (contract §1.2 rows 19 and 20, §7.2).

use super::scene::Ask;

pub(super) const GET_SUBSCRIPTIONS: &[Ask] = &[
    Ask::new("all of the box", "subscriptions"),
    Ask::new("parameters that mean nothing", "subscriptions?maxEntries=0"),
];

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const POST_SUBSCRIPTIONS: &[Ask] = &[
    Ask::new("from now on", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","callbackData":"d7","notificationFormat":"JSON"},"duration":86400,"clientCorrelator":"s-1"}}"#),
    Ask::new("the same again", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","callbackData":"d7","notificationFormat":"JSON"},"duration":86400,"clientCorrelator":"s-1"}}"#),
    Ask::new("another one under the same correlator", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","callbackData":"d8"},"clientCorrelator":"s-1"}}"#),
    Ask::new("from a token on, whatever the host, without the root member", "subscriptions")
        .body(r#"{"callbackReference":{"notifyURL":"https://elsewhere/nc/v1/tel:+{number}/channels/{channel}/callback"},"duration":"7200","clientCorrelator":"","restartToken":"{token}"}"#),
    Ask::new("with a filter, no duration, a null", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"duration":0,"restartToken":null,"filter":{"operator":"And","criterion":[{"type":"Attribute","name":"Direction","value":"In"},{"type":"CreatedObjects","value":""}]}}}"#),
    Ask::new("longer than is granted, an empty token", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"duration":99999999,"restartToken":"","filter":{"criterion":[{"type":"PresetSearch","name":"UPOneDotO","value":""}]}}}"#),
    Ask::new("one too many", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"}}}"#),
    Ask::new("a known one is not too many", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","callbackData":"d7","notificationFormat":"JSON"},"clientCorrelator":"s-1"}}"#),
    Ask::new("no notifyURL", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"callbackData":"d7"}}}"#),
    Ask::new("no callbackReference", "subscriptions").body(r#"{"nmsSubscription":{"duration":60}}"#),
    Ask::new("an unknown channel", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/none/callback"}}}"#),
    Ask::new("a channel of another box", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"http://{host}/notificationchannel/v1/tel%3A%2B15559999999/channels/{channel}/callback"}}}"#),
    Ask::new("a channel that is not its callback", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}"}}}"#),
    Ask::new("a URL that is not allowed", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"https://app.example.net/cb"}}}"#),
    Ask::new("the admin listener", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"http://127.0.0.1:9090/"}}}"#),
    Ask::new("no URL", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"x"}}}"#),
    Ask::new("a form that is not there", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","notificationFormat":"YAML"}}}"#),
    Ask::new("a control in callbackData", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback","callbackData":"a\nb"}}}"#),
    Ask::new("a control in the correlator", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"clientCorrelator":"a\tb"}}"#),
    Ask::new("a duration that is no number", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"duration":"soon"}}"#),
    Ask::new("a negative duration", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"duration":-1}}"#),
    Ask::new("an index", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"index":1}}"#),
    Ask::new("a token that is none", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"restartToken":"v5:3001"}}"#),
    Ask::new("a token that was tampered with", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"restartToken":"{token}A"}}"#),
    Ask::new("a filter of a type that is not there", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":{"criterion":[{"type":"Colour","value":"x"}]}}}"#),
    Ask::new("a filter with an operator that is not there", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":{"operator":"Xor","criterion":[{"type":"Flag","value":"\\Seen"}]}}}"#),
    Ask::new("CreatedObjects since something", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":{"criterion":[{"type":"CreatedObjects","value":"x"}]}}}"#),
    Ask::new("a date that is none", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":{"criterion":[{"type":"Date","value":"minDate=yesterday"}]}}}"#),
    Ask::new("an attribute without its name", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":{"criterion":[{"type":"Attribute","value":"x"}]}}}"#),
    Ask::new("a filter that is a text", "subscriptions")
        .body(r#"{"nmsSubscription":{"callbackReference":{"notifyURL":"{N}/channels/{channel}/callback"},"filter":"x"}}"#),
    Ask::new("no body", "subscriptions"),
    Ask::new("no JSON", "subscriptions").body("x"),
    Ask::new("an array", "subscriptions").body("[]"),
];

pub(super) const GET_SUBSCRIPTION: &[Ask] = &[
    Ask::new("one that lives", "subscriptions/{subscription}"),
    Ask::new("an unknown one", "subscriptions/none"),
    Ask::new("a channel's id", "subscriptions/{channel}"),
    Ask::new("a blank in the id", "subscriptions/a%20b"),
];

#[rustfmt::skip] // A body in a line, to be read as one.
pub(super) const POST_SUBSCRIPTION: &[Ask] = &[
    Ask::new("another duration, from a token on", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":86400,"restartToken":"{token}"}}"#),
    Ask::new("without the root member, as a text", "subscriptions/{subscription}")
        .body(r#"{"duration":"7200"}"#),
    Ask::new("nothing", "subscriptions/{subscription}").body(r#"{"nmsSubscriptionUpdate":{}}"#),
    Ask::new("0 and an empty token", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":0,"restartToken":""}}"#),
    Ask::new("longer than is granted", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":99999999}}"#),
    Ask::new("a duration that is no number", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":"soon"}}"#),
    Ask::new("a token that is none", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":60,"restartToken":"v5:3001"}}"#),
    Ask::new("the duration is as before", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{}}"#),
    Ask::new("a token that is a number", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":{"restartToken":7}}"#),
    Ask::new("an array", "subscriptions/{subscription}")
        .body(r#"{"nmsSubscriptionUpdate":[]}"#),
    Ask::new("no JSON", "subscriptions/{subscription}").body("x"),
    Ask::new("no body", "subscriptions/{subscription}"),
    Ask::new("an unknown one", "subscriptions/none")
        .body(r#"{"nmsSubscriptionUpdate":{"duration":60}}"#),
];

pub(super) const DELETE_SUBSCRIPTION: &[Ask] = &[
    Ask::new("one that lives", "subscriptions/{subscription}"),
    Ask::new("once more", "subscriptions/{subscription}"),
    Ask::new("an unknown one", "subscriptions/none"),
];
