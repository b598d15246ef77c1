//! Channels, what they carry, and what keeps them alive.

use cpm_bridge::nms::{
    Channel, ChannelData, ChannelLifetime, ChannelList, ChannelType, ConnAck, ConnCheck,
    Notification, NotificationList,
};
use serde_json::json;

use super::{CHANNELS, events, events_in_json, kept, reset, reset_in_json, text, written};
use crate::support::xml::{Element, assert_valid};

#[test]
fn a_list_of_notifications_is_an_array_however_many_there_are() {
    let (events, reset) = (
        Notification::EventList(events()),
        Notification::EventList(reset()),
    );
    let (events_too, reset_too) = (
        json!({"nmsEventList": events_in_json()}),
        json!({"nmsEventList": reset_in_json()}),
    );
    let mut documents = Vec::new();
    for (list, expected) in [
        (vec![], json!([])),
        (vec![events.clone()], json!([events_too])),
        (vec![events, reset], json!([events_too, reset_too])),
    ] {
        let document = json!({"notificationList": expected});
        let in_xml = written(&NotificationList(list), &document);
        let element = Element::read(std::str::from_utf8(&in_xml).unwrap());
        assert_eq!(element.name, "nc:notificationList");
        let list = element.to_json()["notificationList"].clone();
        assert_eq!(
            list.as_array().unwrap().len(),
            expected.as_array().unwrap().len()
        );
        documents.push(in_xml);
    }
    assert_valid(documents.iter().map(Vec::as_slice));
}

fn channel() -> Channel {
    Channel {
        client_correlator: text("dev7-1"),
        application_tag: text(" rcs"),
        channel_type: ChannelType::LongPolling,
        channel_data: ChannelData {
            channel_url: format!("{CHANNELS}/c-3/notifications"),
            max_notifications: 1,
            max_wait_time: Some(0),
        },
        channel_lifetime: 43200,
        callback_url: format!("{CHANNELS}/c-3/callback"),
        resource_url: format!("{CHANNELS}/c-3"),
    }
}

#[test]
fn channels_say_their_type_once_more_in_xml() {
    let polled = json!({
        "clientCorrelator": "dev7-1", "applicationTag": " rcs", "channelType": "LongPolling",
        "channelData": {"channelURL": format!("{CHANNELS}/c-3/notifications"), "maxNotifications": 1, "maxWaitTime": 0},
        "channelLifetime": 43200, "callbackURL": format!("{CHANNELS}/c-3/callback"),
        "resourceURL": format!("{CHANNELS}/c-3"),
    });
    let socket = Channel {
        client_correlator: None,
        application_tag: None,
        channel_type: ChannelType::WebSockets,
        channel_data: ChannelData {
            channel_url: "wss://nms.example.net/ws".to_owned(),
            max_notifications: 100,
            max_wait_time: None,
        },
        ..channel()
    };
    let connected = json!({
        "channelType": "WebSockets",
        "channelData": {"channelURL": "wss://nms.example.net/ws", "maxNotifications": 100},
        "channelLifetime": 43200, "callbackURL": format!("{CHANNELS}/c-3/callback"),
        "resourceURL": format!("{CHANNELS}/c-3"),
    });
    let list = |channels: Vec<Channel>| ChannelList {
        notification_channel: channels,
        resource_url: CHANNELS.to_owned(),
    };
    let documents = [
        kept(&channel(), &json!({"notificationChannel": polled})),
        kept(&socket, &json!({"notificationChannel": connected})),
        kept(
            &list(vec![channel(), socket]),
            &json!({"notificationChannelList": {
                "notificationChannel": [polled, connected], "resourceURL": CHANNELS,
            }}),
        ),
        kept(
            &list(Vec::new()),
            &json!({"notificationChannelList": {"notificationChannel": [], "resourceURL": CHANNELS}}),
        ),
    ];
    for (document, of) in documents
        .iter()
        .zip(["nc:LongPollingData", "nc:WebSocketsData"])
    {
        let document = std::str::from_utf8(document).unwrap();
        assert!(document.contains(&format!("<channelData xsi:type=\"{of}\">")));
    }
    assert_valid(documents.iter().map(Vec::as_slice));
}

#[test]
fn what_keeps_a_channel_alive_may_be_empty() {
    let check = ConnCheck {
        check_interval: Some(30),
        new_channel_lifetime: Some(60),
    };
    let ack = ConnAck {
        channel_lifetime: Some(60),
    };
    let lifetime = ChannelLifetime {
        channel_lifetime: Some(1311),
    };
    let documents = [
        kept(
            &lifetime,
            &json!({"notificationChannelLifetime": {"channelLifetime": 1311}}),
        ),
        kept(
            &ChannelLifetime::default(),
            &json!({"notificationChannelLifetime": {}}),
        ),
        kept(
            &check,
            &json!({"connCheck": {"checkInterval": 30, "newChannelLifetime": 60}}),
        ),
        kept(&ConnCheck::default(), &json!({"connCheck": {}})),
        kept(&ack, &json!({"connAck": {"channelLifetime": 60}})),
        kept(&ConnAck::default(), &json!({"connAck": {}})),
    ];
    assert_valid(documents.iter().map(Vec::as_slice));
}
