//! What is in a list of events (contract §7.3).

use serde_json::{Value, json};

use super::{Channel, a_box, events, set_flag, told};
use crate::objects::objects_of;

#[tokio::test]
async fn a_list_says_whose_it_is_and_an_event_all_that_an_object_is() {
    let bridge = a_box("list").start().await;
    let channel = Channel::new(&bridge).await;
    let subscription = channel
        .subscribe(json!({"callbackData": " d\u{e9}7"}))
        .await;
    let object = &objects_of(&bridge, "/INBOX").await[2];
    set_flag(&bridge, object, "\\Seen").await;
    let list = channel.list().await;
    assert_eq!(list["callbackData"], json!(" d\u{e9}7"));
    assert_eq!(list["index"], json!(1));
    assert_eq!(
        list["link"],
        json!([{"rel": "NmsSubscription", "href": subscription.url}])
    );
    assert_ne!(list["restartToken"], subscription.token);
    let shown = bridge.get(object).await.expect(200).json()["object"].clone();
    let [event] = &events(&list)[..] else {
        panic!("{list}");
    };
    assert_eq!(event.kind, "changedObject");
    for member in ["resourceURL", "parentFolder", "lastModSeq", "correlationId"] {
        assert_eq!(event.content[member], shown[member], "{member}");
    }
    assert_eq!(event.content["flags"]["flag"], shown["flags"]["flag"]);
    // Where it stands is where the list has led.
    let now = bridge.get(&subscription.resource).await.expect(200).json();
    assert_eq!(now["nmsSubscription"]["index"], json!(2));
    assert_eq!(now["nmsSubscription"]["restartToken"], list["restartToken"]);
    set_flag(&bridge, object, "kept").await;
    assert_eq!(channel.list().await["index"], json!(2));
}

#[tokio::test]
async fn several_changes_of_one_thing_are_one_event_in_the_order_of_the_last() {
    let bridge = a_box("coalesced").start().await;
    let channel = Channel::new(&bridge).await;
    let watching = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    watching.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    let [one, two, last] = &objects[..] else {
        panic!("{objects:?}");
    };
    for (object, flag) in [
        (one, "first"),
        (two, "second"),
        (one, "third"),
        (one, "\\Seen"),
    ] {
        set_flag(&bridge, object, flag).await;
        // Each is seen by itself.
        watching.until(|event| event.has_flag(flag)).await;
    }
    watching.settle("mark").await;
    let list = channel.list().await;
    let events = events(&list);
    let expected: Vec<(&str, &str)> = [two, one, last]
        .map(|object| ("changedObject", object.as_str()))
        .to_vec();
    assert_eq!(told(&events), expected);
    for flag in ["first", "third", "\\Seen"] {
        assert!(events[1].has_flag(flag), "{flag}: {list}");
    }
    assert_eq!(list["index"], json!(1));
}

#[tokio::test]
async fn urls_in_events_are_spelled_as_in_the_request_that_subscribed() {
    let bridge = a_box("event_urls").start().await;
    let channel = Channel::new(&bridge).await;
    let number = &bridge.account.login[1..];
    let target = format!("/nms/v1/cpm/tel:+{number}/subscriptions");
    let body = json!({"nmsSubscription": {"callbackReference": {"notifyURL": channel.callback}}});
    let request = bridge.client.request("POST", &target).json(&body);
    request.host("nms.example.net").send().await.expect(201);
    let object = &objects_of(&bridge, "/INBOX").await[0];
    set_flag(&bridge, object, "kept").await;
    let list = channel.list().await;
    let base = format!("http://nms.example.net/nms/v1/cpm/tel:+{number}/");
    let event = &list["nmsEvent"][0]["changedObject"];
    for url in [
        &event["resourceURL"],
        &event["parentFolder"],
        &list["link"][0]["href"],
    ] {
        let url: &Value = url;
        assert!(url.as_str().unwrap().starts_with(&base), "{url}");
    }
    assert_eq!(event["resourceURL"], json!(format!("{base}{object}")));
}

#[tokio::test]
async fn events_beyond_a_hundred_go_into_the_next_list() {
    const MANY: usize = 130;
    let bridge = a_box("many_events").start().await;
    let channel = Channel::new(&bridge).await;
    let watching = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    watching.subscribe(json!({})).await;
    let mut witness = bridge.witness().await;
    let message = super::fixture(super::SMS);
    for _ in 0..MANY {
        witness.append("INBOX", &message, "", None).await;
    }
    let objects = objects_of(&bridge, "/INBOX").await;
    let newest = &objects[0];
    watching.until(|event| event.about == *newest).await;
    let (first, second) = (channel.list().await, channel.list().await);
    assert_eq!((&first["index"], &second["index"]), (&json!(1), &json!(2)));
    let (first, second) = (events(&first), events(&second));
    assert_eq!((first.len(), second.len()), (100, MANY - 100));
    let all: Vec<&str> = first
        .iter()
        .chain(&second)
        .map(|event| event.about.as_str())
        .collect();
    let stored: Vec<&str> = objects[..MANY].iter().rev().map(String::as_str).collect();
    assert_eq!(all, stored);
}
