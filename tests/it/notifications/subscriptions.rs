//! How subscriptions live and end (contract §7.2).

use serde_json::json;

use super::{Channel, a_box, set_flag, until_status};
use crate::objects::objects_of;

#[tokio::test]
async fn a_subscription_is_as_it_is_shown_and_ends_when_it_is_deleted() {
    let bridge = a_box("subscription").start().await;
    let channel = Channel::new(&bridge).await;
    let asked = json!({"callbackData": "d7", "duration": 600, "clientCorrelator": "", "filter": {
        "criterion": [{"type": "Flag", "name": "kept", "value": "true"}],
    }});
    let made = channel.asked(asked).await.expect(201);
    let url = made.header("location").unwrap().to_owned();
    let made = made.json();
    assert_eq!(made["nmsSubscription"]["resourceURL"], json!(url));
    assert_eq!(made["nmsSubscription"]["index"], json!(1));
    assert_eq!(made["nmsSubscription"]["duration"], json!(600));
    let resource = super::Subscription::of(&made["nmsSubscription"]).resource;
    let shown = bridge.get(&resource).await.expect(200).json();
    let listed = bridge.get("subscriptions").await.expect(200).json();
    assert_eq!(
        listed["nmsSubscriptionList"]["subscription"],
        json!([shown["nmsSubscription"]])
    );
    for (member, value) in made["nmsSubscription"].as_object().unwrap() {
        if member != "duration" {
            assert_eq!(&shown["nmsSubscription"][member], value, "{member}");
        }
    }
    let longer = json!({"nmsSubscriptionUpdate": {"duration": 1200}});
    let updated = bridge.post(&resource, &longer).await.expect(200).json();
    assert_eq!(updated["nmsSubscription"]["duration"], json!(1200));
    assert_eq!(
        updated["nmsSubscription"]["filter"],
        made["nmsSubscription"]["filter"]
    );
    bridge.delete(&resource).await.expect(204);
    for answer in [
        bridge.get(&resource).await,
        bridge.post(&resource, &longer).await,
        bridge.delete(&resource).await,
    ] {
        let error = answer.expect(404).json()["requestError"].clone();
        assert_eq!(
            error["link"],
            json!([{"rel": "NmsSubscription", "href": url}])
        );
    }
    let listed = bridge.get("subscriptions").await.expect(200).json();
    assert_eq!(listed["nmsSubscriptionList"]["subscription"], json!([]));
    set_flag(&bridge, &objects_of(&bridge, "/INBOX").await[0], "kept").await;
    assert!(channel.poll().await.is_empty());
}

#[tokio::test]
async fn a_subscription_vanishes_when_its_duration_is_over_and_makes_room() {
    let bridge = a_box("duration").setting("[limits]\nsubscriptions_per_box = 1");
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    let asked = json!({"duration": 1, "clientCorrelator": "s-1"});
    let first = channel.subscribe(asked.clone()).await;
    let refused = channel.asked(json!({})).await.expect(403).json();
    let exception = &refused["requestError"]["policyException"];
    assert_eq!(exception["variables"], json!(["TooManySubscriptions"]));
    until_status(&bridge, &first.resource, 404).await;
    // Whatever is still to be tidied up: to a client it is gone, and so is its correlator.
    let other = json!({"clientCorrelator": "s-1", "callbackData": "other"});
    let second = channel.subscribe(other).await;
    assert_ne!(second.resource, first.resource);
    bridge.get(&second.resource).await.expect(200);
    // An update keeps alive what would have ended.
    bridge.delete(&second.resource).await.expect(204);
    let third = channel.subscribe(json!({"duration": 1})).await;
    let longer = json!({"nmsSubscriptionUpdate": {"duration": 600}});
    bridge.post(&third.resource, &longer).await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(1700)).await;
    bridge.get(&third.resource).await.expect(200);
}

#[tokio::test]
async fn subscriptions_of_another_box_do_not_exist() {
    let bridge = a_box("another_box").start().await;
    let other = crate::support::dovecot::account("another_box_other");
    let channel = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({})).await;
    let theirs = bridge.client.basic(&other.login, "secret");
    let own = &bridge.account.login[1..];
    let in_their_box = |target: String| target.replace(own, &other.login[1..]);
    for resource in [&subscription.resource, &channel.resource] {
        let target = bridge.target(resource);
        theirs.get(&target).await.expect(403);
        theirs.delete(&target).await.expect(403);
        theirs.get(&in_their_box(target.clone())).await.expect(404);
        theirs.delete(&in_their_box(target)).await.expect(404);
        bridge.get(resource).await.expect(200);
    }
    let poll = channel.request();
    poll.clone().with_client(&theirs).send().await.expect(403);
    let poll = poll
        .with_client(&theirs)
        .with_target(|target| in_their_box(target.to_owned()));
    poll.send().await.expect(404);
    // Neither a channel of the other, nor the other's place, can be named.
    let notify = channel.callback.as_str().unwrap().to_owned();
    for url in [notify.clone(), in_their_box(notify)] {
        let body = json!({"nmsSubscription": {"callbackReference": {"notifyURL": url}}});
        let target = in_their_box(bridge.target("subscriptions"));
        let refused = theirs.post(&target, &body).await.expect(400).json();
        let exception = &refused["requestError"]["serviceException"];
        assert_eq!(exception["variables"], json!(["notifyURL"]));
    }
    // A token says nothing about another box.
    let channels = in_their_box(bridge.target("channels"));
    let body = json!({"notificationChannel": {"channelType": "LongPolling"}});
    let made = theirs.post(&channels, &body).await.expect(201).json();
    let body = json!({"nmsSubscription": {
        "callbackReference": {"notifyURL": made["notificationChannel"]["callbackURL"]},
        "restartToken": subscription.token,
    }});
    let target = in_their_box(bridge.target("subscriptions"));
    let refused = theirs.post(&target, &body).await.expect(400).json();
    let exception = &refused["requestError"]["serviceException"];
    assert_eq!(exception["variables"], json!(["restartToken"]));
}
