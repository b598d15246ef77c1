//! Polls: one at a time, and how much goes into an answer (contract §2.11, §8.3).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{Channel, PATIENCE, SMS, a_box, events, set_flag};
use crate::{objects::objects_of, support::bridge::Bridge};

#[tokio::test]
async fn of_two_polls_the_older_one_ends_and_the_newer_one_is_answered() {
    let bridge = Bridge::builder("two_polls").message("INBOX", SMS);
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let object = &objects_of(&bridge, "/INBOX").await[0];
    let older = cpm_bridge::task::spawn(channel.request().send());
    sleep(Duration::from_millis(500)).await;
    let newer = cpm_bridge::task::spawn(channel.request().send());
    let refused = timeout(PATIENCE, older).await.unwrap().unwrap();
    let exception = &refused.expect(409).json()["requestError"]["serviceException"];
    assert_eq!(exception["messageId"], "SVC1012");
    set_flag(&bridge, object, "kept").await;
    let answer = timeout(PATIENCE, newer).await.unwrap().unwrap();
    let lists = answer.expect(200).json();
    let list = &lists["notificationList"][0]["nmsEventList"];
    assert_eq!(
        super::told(&events(list)),
        [("changedObject", object.as_str())]
    );
}

#[tokio::test]
async fn subscriptions_to_one_channel_take_turns() {
    let bridge = a_box("turns").start().await;
    let channel = Channel::new(&bridge).await;
    for data in ["one", "two", "three"] {
        channel.subscribe(json!({"callbackData": data})).await;
    }
    let object = &objects_of(&bridge, "/INBOX").await[0];
    for round in 1..=2 {
        set_flag(&bridge, object, &format!("round{round}")).await;
        let mut heard = Vec::new();
        for _ in 0..3 {
            let list = channel.list().await;
            assert_eq!(list["index"], json!(round), "{list}");
            let [event] = &events(&list)[..] else {
                panic!("{list}");
            };
            assert!(event.has_flag(&format!("round{round}")));
            heard.push(list["callbackData"].as_str().unwrap().to_owned());
        }
        heard.sort();
        assert_eq!(heard, ["one", "three", "two"]);
    }
}

/// How many lists are in the answers until those of all subscriptions have come.
async fn sizes(channel: &Channel<'_>, all: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < all {
        sizes.push(channel.poll().await.len());
    }
    sizes
}

#[tokio::test]
async fn no_more_lists_go_into_an_answer_than_are_asked_for_and_granted() {
    let bridge = a_box("several_lists").start().await;
    let watching = Channel::new(&bridge).await;
    watching.subscribe(json!({})).await;
    for (most, expected) in [
        (json!({"maxNotifications": 2}), vec![2, 2]),
        (json!({"maxNotifications": 3}), vec![3, 1]),
        (json!({"maxNotifications": 100}), vec![3, 1]),
        (json!({}), vec![3, 1]),
        (json!({"maxNotifications": 1}), vec![1, 1, 1, 1]),
    ] {
        let channel = Channel::with(&bridge, most.clone(), 600).await;
        for _ in 0..4 {
            channel.subscribe(json!({})).await;
        }
        watching
            .settle(&format!("flag{}", most["maxNotifications"]).replace('"', ""))
            .await;
        assert_eq!(sizes(&channel, 4).await, expected, "{most}");
        bridge.delete(&channel.resource).await.expect(204);
    }
}

#[tokio::test]
async fn what_happens_while_the_first_change_may_wait_goes_with_it() {
    let bridge = Bridge::builder("wait_time")
        .message("INBOX", SMS)
        .message("INBOX", super::MMS);
    let bridge = bridge.start().await;
    let data = json!({"maxNotifications": 1, "maxWaitTime": 2});
    let channel = Channel::with(&bridge, data, 600).await;
    channel.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    let (list, ()) = tokio::join!(channel.list(), async {
        for object in &objects {
            set_flag(&bridge, object, "kept").await;
            // Looked at one by one, told together.
            sleep(Duration::from_millis(300)).await;
        }
    });
    let told: Vec<Value> = events(&list)
        .iter()
        .map(|event| json!(event.about))
        .collect();
    assert_eq!(told, [json!(objects[0]), json!(objects[1])]);
}

#[tokio::test]
async fn a_poll_that_waits_when_the_service_stops_is_answered_with_an_empty_list() {
    let bridge = Bridge::builder("stopped_poll").message("INBOX", SMS);
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let waiting = cpm_bridge::task::spawn(channel.request().send());
    sleep(Duration::from_millis(300)).await;
    bridge.stop().await;
    let answer = timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(answer.expect(200).json(), json!({"notificationList": []}));
}
