//! Documents of subscriptions and of notification channels: in both forms the same, valid, and read again as they were written.

mod channels;
mod properties;

use std::fmt::Debug;

use cpm_bridge::nms::{
    CallbackReference, ChangedFolder, ChangedObject, DeletedFolder, DeletedObject, Event,
    EventList, FlagList, Link, NewChannel, NewSubscription, NotificationFormat, SearchCriteria,
    SearchCriterion, Subscription, SubscriptionList, SubscriptionUpdate, encode::Format,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::support::xml::{Element, assert_valid, prefixed};

const BOX: &str = "https://nms.example.net/oma/nms/v1/cpm/tel%3A%2B15550100";
const CHANNELS: &str =
    "https://nms.example.net/oma/notificationchannel/v1/tel%3A%2B15550100/channels";

/// Writes a document in both forms; the one in XML.
fn written<T: Serialize>(value: &T, document: &Value) -> Vec<u8> {
    let root = document.as_object().unwrap().keys().next().unwrap();
    let in_json = Format::Json.write(root, value);
    assert_eq!(String::from_utf8(in_json).unwrap(), document.to_string());
    let in_xml = Format::Xml.write(root, value);
    let element = Element::read(std::str::from_utf8(&in_xml).unwrap());
    assert_eq!(
        element.laid_out(""),
        Element::of_json(document).laid_out("")
    );
    in_xml
}

/// The same for what is also read; it comes back.
fn kept<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    value: &T,
    document: &Value,
) -> Vec<u8> {
    let root = document.as_object().unwrap().keys().next().unwrap();
    let in_xml = written(value, document);
    let read: T = Format::Xml.read(root, &in_xml).unwrap();
    assert_eq!(&read, value);
    let read: T = Format::Json
        .read(root, document.to_string().as_bytes())
        .unwrap();
    assert_eq!(&read, value);
    in_xml
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn subscription() -> Subscription {
    Subscription {
        callback_reference: CallbackReference {
            notify_url: format!("{CHANNELS}/c-3/callback"),
            callback_data: text(" d7 <&"),
            notification_format: Some(NotificationFormat::Json),
        },
        duration: 86400,
        filter: Some(SearchCriteria {
            criterion: vec![
                SearchCriterion {
                    kind: text("Attribute"),
                    name: text("Direction"),
                    value: text("In"),
                },
                SearchCriterion {
                    kind: text("CreatedObjects"),
                    name: None,
                    value: text(""),
                },
            ],
            operator: text("Or"),
        }),
        client_correlator: text(""),
        resource_url: format!("{BOX}/subscriptions/s-8"),
        index: 1,
        restart_token: "v5:3001".to_owned(),
    }
}

fn subscription_in_json() -> Value {
    json!({
        "callbackReference": {
            "notifyURL": format!("{CHANNELS}/c-3/callback"), "callbackData": " d7 <&", "notificationFormat": "JSON",
        },
        "duration": 86400,
        "filter": {
            "criterion": [
                {"type": "Attribute", "name": "Direction", "value": "In"},
                {"type": "CreatedObjects", "value": ""},
            ],
            "operator": "Or",
        },
        "clientCorrelator": "",
        "resourceURL": format!("{BOX}/subscriptions/s-8"),
        "index": 1,
        "restartToken": "v5:3001",
    })
}

#[test]
fn subscriptions_are_written_in_the_order_of_the_contract() {
    let url = format!("{BOX}/subscriptions");
    let one = SubscriptionList {
        subscription: vec![subscription()],
        resource_url: url.clone(),
    };
    let none = SubscriptionList {
        subscription: Vec::new(),
        resource_url: url.clone(),
    };
    let bare = Subscription {
        callback_reference: CallbackReference {
            notify_url: "https://client.example/cb".to_owned(),
            ..CallbackReference::default()
        },
        filter: None,
        client_correlator: None,
        ..subscription()
    };
    let documents = [
        kept(
            &subscription(),
            &json!({"nmsSubscription": subscription_in_json()}),
        ),
        kept(
            &one,
            &json!({"nmsSubscriptionList": {"subscription": [subscription_in_json()], "resourceURL": url}}),
        ),
        kept(
            &none,
            &json!({"nmsSubscriptionList": {"subscription": [], "resourceURL": url}}),
        ),
        kept(
            &bare,
            &json!({"nmsSubscription": {
                "callbackReference": {"notifyURL": "https://client.example/cb"}, "duration": 86400,
                "resourceURL": format!("{BOX}/subscriptions/s-8"), "index": 1, "restartToken": "v5:3001",
            }}),
        ),
    ];
    assert_valid(documents.iter().map(Vec::as_slice));
}

fn events() -> EventList {
    EventList {
        nms_event: vec![
            Event::ChangedObject(ChangedObject {
                parent_folder: format!("{BOX}/folders/f-12"),
                flags: FlagList {
                    flag: vec!["\\Seen".to_owned()],
                    resource_url: None,
                },
                resource_url: format!("{BOX}/objects/o-9f21"),
                last_mod_seq: 3007,
                correlation_id: text("mm-4471"),
                correlation_tag: text(" "),
            }),
            Event::ChangedObject(ChangedObject {
                parent_folder: format!("{BOX}/folders/f-12"),
                flags: FlagList::default(),
                resource_url: format!("{BOX}/objects/o-7"),
                last_mod_seq: 3008,
                correlation_id: None,
                correlation_tag: None,
            }),
            Event::DeletedObject(DeletedObject {
                resource_url: format!("{BOX}/objects/o-8"),
                last_mod_seq: 3010,
                correlation_id: text("mm-1"),
                correlation_tag: text("t"),
            }),
            Event::ChangedFolder(ChangedFolder {
                parent_folder: Some(format!("{BOX}/folders/f-2")),
                resource_url: format!("{BOX}/folders/f-31"),
                name: " Chess club".to_owned(),
                last_mod_seq: 3011,
            }),
            Event::DeletedFolder(DeletedFolder {
                resource_url: format!("{BOX}/folders/f-30"),
                last_mod_seq: 3012,
            }),
        ],
        callback_data: text("d7"),
        index: 1,
        restart_token: "v5:3012".to_owned(),
        link: vec![Link {
            rel: "NmsSubscription".to_owned(),
            href: format!("{BOX}/subscriptions/s-8"),
        }],
    }
}

fn events_in_json() -> Value {
    json!({
        "nmsEvent": [
            {"changedObject": {
                "parentFolder": format!("{BOX}/folders/f-12"), "flags": {"flag": ["\\Seen"]},
                "resourceURL": format!("{BOX}/objects/o-9f21"), "lastModSeq": 3007,
                "correlationId": "mm-4471", "correlationTag": " ",
            }},
            {"changedObject": {
                "parentFolder": format!("{BOX}/folders/f-12"), "flags": {"flag": []},
                "resourceURL": format!("{BOX}/objects/o-7"), "lastModSeq": 3008,
            }},
            {"deletedObject": {
                "resourceURL": format!("{BOX}/objects/o-8"), "lastModSeq": 3010,
                "correlationId": "mm-1", "correlationTag": "t",
            }},
            {"changedFolder": {
                "parentFolder": format!("{BOX}/folders/f-2"), "resourceURL": format!("{BOX}/folders/f-31"),
                "name": " Chess club", "lastModSeq": 3011,
            }},
            {"deletedFolder": {"resourceURL": format!("{BOX}/folders/f-30"), "lastModSeq": 3012}},
        ],
        "callbackData": "d7", "index": 1, "restartToken": "v5:3012",
        "link": [{"rel": "NmsSubscription", "href": format!("{BOX}/subscriptions/s-8")}],
    })
}

fn reset() -> EventList {
    EventList {
        nms_event: vec![Event::ResetBox {}],
        index: 2,
        restart_token: "v6:0".to_owned(),
        ..EventList::default()
    }
}

fn reset_in_json() -> Value {
    json!({"nmsEvent": [{"resetBox": {}}], "index": 2, "restartToken": "v6:0"})
}

#[test]
fn an_event_says_what_there_is_now() {
    let nothing = EventList {
        index: 3,
        ..EventList::default()
    };
    let documents = [
        kept(&events(), &json!({"nmsEventList": events_in_json()})),
        kept(&reset(), &json!({"nmsEventList": reset_in_json()})),
        kept(
            &nothing,
            &json!({"nmsEventList": {"nmsEvent": [], "index": 3, "restartToken": ""}}),
        ),
    ];
    assert_valid(documents.iter().map(Vec::as_slice));
}

/// What clients send (contract §12.11), read in JSON and from its valid twin.
#[test]
fn requests_are_the_same_in_both_forms() {
    fn read<T: DeserializeOwned + PartialEq + Debug>(document: &Value, valid: &mut Vec<u8>) -> T {
        let root = document.as_object().unwrap().keys().next().unwrap();
        let in_json = Format::Json.read(root, document.to_string().as_bytes());
        *valid = Element::of_json(document).document().into_bytes();
        let in_xml: T = Format::Xml.read(root, valid).unwrap();
        assert_eq!(in_json.as_ref(), Ok(&in_xml), "{document}");
        in_xml
    }
    let mut valid = vec![Vec::new(); 4];
    let new: NewSubscription = read(
        &json!({"nmsSubscription": {
            "callbackReference": {"notifyURL": format!("{CHANNELS}/c-3/callback"), "callbackData": "d7"},
            "duration": 86400,
            "filter": {"criterion": [{"type": "VanishedObjects", "value": "x"}]},
            "clientCorrelator": "s-1", "restartToken": "v5:3001",
        }}),
        &mut valid[0],
    );
    assert_eq!(new.correlator(), Some("s-1"));
    assert_eq!(new.filter.unwrap().criterion.len(), 1);
    let update: SubscriptionUpdate = read(
        &json!({"nmsSubscriptionUpdate": {"duration": 86400, "restartToken": "v5:3011"}}),
        &mut valid[1],
    );
    assert_eq!(update.duration, Some(86400));
    let new: NewChannel = read(
        &json!({"notificationChannel": {
            "clientCorrelator": "", "applicationTag": "rcs", "channelType": "LongPolling",
            "channelData": {"maxNotifications": 1, "maxWaitTime": 5}, "channelLifetime": 86400,
        }}),
        &mut valid[2],
    );
    let data = &new.channel_data;
    assert_eq!(
        (
            data.max_notifications,
            data.max_wait_time,
            new.channel_lifetime
        ),
        (Some(1), Some(5), Some(86400))
    );
    let new: NewChannel = read(
        &json!({"notificationChannel": {
            "channelType": "OMAPush",
            "channelData": {"appId": "a", "largeDataPolling": {"pollingEnabled": true}},
        }}),
        &mut valid[3],
    );
    assert!(new.channel_data.wants_large_data_polling());
    valid.push(
        Element::of_json(&json!({"longPollingRequestParameters": {}}))
            .document()
            .into_bytes(),
    );
    assert_valid(valid.iter().map(Vec::as_slice));
}

#[test]
fn the_schema_finds_what_the_contract_forbids() {
    let root = |root: &str, content: &str| {
        let name = prefixed(root);
        let nms = "xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"";
        let nc = "xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\"";
        let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
        format!("<{name} {nms} {nc} {xsi}>{content}</{name}>")
    };
    let data = "<channelData xsi:type=\"nc:LongPollingData\"/>";
    let end = "<index>1</index><restartToken/>";
    let valid = [
        root(
            "notificationChannel",
            &format!("<channelType>LongPolling</channelType>{data}"),
        ),
        root(
            "nmsEventList",
            &format!("<nmsEvent><resetBox/></nmsEvent>{end}"),
        ),
        root(
            "notificationList",
            &format!("<nms:nmsEventList>{end}</nms:nmsEventList>"),
        ),
    ];
    assert_valid(valid.iter().map(String::as_bytes));
    for wrong in [
        root(
            "notificationChannel",
            &format!("{data}<channelType>LongPolling</channelType>"),
        ),
        root(
            "notificationChannel",
            "<channelType>LongPolling</channelType><channelData/>",
        ),
        root("notificationChannel", "<channelType>Other</channelType>"),
        root(
            "nmsEventList",
            &format!("<nmsEvent><resetBox>x</resetBox></nmsEvent>{end}"),
        ),
        root(
            "nmsEventList",
            &format!("<nmsEvent><resetBox/><resetBox/></nmsEvent>{end}"),
        ),
        root("nmsEventList", &format!("<nmsEvent/>{end}")),
        root("nmsEventList", "<restartToken/>"),
        root(
            "notificationList",
            &format!("<nmsEventList>{end}</nmsEventList>"),
        ),
        root("notificationList", "<nms:nmsEventList/>"),
    ] {
        let valid = std::panic::catch_unwind(|| assert_valid([wrong.as_bytes()]));
        assert!(valid.is_err(), "{wrong}");
    }
}
