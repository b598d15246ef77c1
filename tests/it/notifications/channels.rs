//! How channels live and end (contract §8.2).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Channel, a_box, until_status};
use crate::support::{bridge::Bridge, http::Client};

/// Seconds a channel still lives.
async fn lifetime(channel: &Channel<'_>) -> u64 {
    let resource = format!("{}/channelLifetime", channel.resource);
    let shown = channel.bridge.get(&resource).await.expect(200).json();
    shown["notificationChannelLifetime"]["channelLifetime"]
        .as_u64()
        .unwrap()
}

fn seconds(lifetime: u64) -> Value {
    json!({"notificationChannelLifetime": {"channelLifetime": lifetime}})
}

#[tokio::test]
async fn each_poll_begins_the_life_of_a_channel_anew() {
    let bridge = a_box("lifetime").start().await;
    let channel = Channel::with(&bridge, json!({}), 4).await;
    sleep(Duration::from_millis(1200)).await;
    assert!(lifetime(&channel).await <= 3);
    assert!(channel.poll().await.is_empty());
    // A whole second went by in the poll.
    let left = lifetime(&channel).await;
    assert!(left >= 3, "{left}");
    // One that somebody waits at is not over, however short it lives.
    let brief = Channel::with(&bridge, json!({}), 1).await;
    for _ in 0..2 {
        assert!(brief.poll().await.is_empty());
    }
    bridge.get(&brief.resource).await.expect(200);
}

#[tokio::test]
async fn a_channel_that_is_over_is_not_found_anywhere() {
    let bridge = a_box("expired").setting("[limits]\nchannels_per_box = 1");
    let bridge = bridge.start().await;
    let channel = Channel::with(&bridge, json!({}), 1).await;
    let subscription = channel.subscribe(json!({})).await;
    let body = json!({"notificationChannel": {"channelType": "LongPolling"}});
    bridge.post("channels", &body).await.expect(403);
    until_status(&bridge, &channel.resource, 404).await;
    // Whatever is still to be tidied up.
    let lifetime = format!("{}/channelLifetime", channel.resource);
    bridge.get(&lifetime).await.expect(404);
    bridge.put(&lifetime, &seconds(60)).await.expect(404);
    let anyone = Client::new(bridge.client.address());
    let target = bridge.target(&lifetime);
    anyone.put(&target, &seconds(60)).await.expect(404);
    channel.request().send().await.expect(404);
    let listed = bridge.get("channels").await.expect(200).json();
    let listed = &listed["notificationChannelList"]["notificationChannel"];
    assert_eq!(*listed, json!([]));
    let refused = channel.asked(json!({})).await.expect(400).json();
    let exception = &refused["requestError"]["serviceException"];
    assert_eq!(exception["variables"], json!(["notifyURL"]));
    bridge.post("channels", &body).await.expect(201);
    until_status(&bridge, &subscription.resource, 404).await;
}

#[tokio::test]
async fn who_knows_a_channel_may_keep_it_alive_and_nothing_else() {
    let bridge = a_box("keep_alive").start().await;
    let channel = Channel::with(&bridge, json!({}), 60).await;
    let resource = format!("{}/channelLifetime", channel.resource);
    let target = bridge.target(&resource);
    let anyone = Client::new(bridge.client.address());
    let granted = anyone.put(&target, &seconds(120)).await.expect(200);
    assert_eq!(granted.json(), seconds(120));
    let left = lifetime(&channel).await;
    assert!((100..=120).contains(&left), "{left}");
    let in_xml = anyone.request("PUT", &target).body(
        "application/xml",
        "<nc:notificationChannelLifetime xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\">\
         <channelLifetime>240</channelLifetime></nc:notificationChannelLifetime>",
    );
    let granted = in_xml.send().await.expect(200);
    assert_eq!(granted.header("content-type"), Some("application/xml"));
    assert!(
        granted
            .text()
            .contains("<channelLifetime>240</channelLifetime>")
    );
    let empty = anyone.request("PUT", &target).send().await.expect(200);
    assert_eq!(empty.json(), seconds(86400));
    // Who says something has to be right.
    let wrong = bridge.client.basic(&bridge.account.login, "wrong");
    wrong.put(&target, &seconds(60)).await.expect(401);
    let elsewhere = target.replace(&bridge.account.login[1..], "15559999999");
    anyone.put(&elsewhere, &seconds(60)).await.expect(404);
    bridge
        .client
        .put(&elsewhere, &seconds(60))
        .await
        .expect(403);
    let no_number = json!({"notificationChannelLifetime": {"channelLifetime": "x"}});
    anyone.put(&target, &no_number).await.expect(400);
    let too_large = anyone
        .request("PUT", &target)
        .body("application/json", vec![b' '; 2 << 20]);
    too_large.send().await.expect(413);
    for (method, resource) in [
        ("GET", resource.clone()),
        ("GET", channel.resource.clone()),
        ("DELETE", channel.resource.clone()),
        ("POST", format!("{}/notifications", channel.resource)),
    ] {
        let request = anyone.request(method, &bridge.target(&resource));
        request.send().await.expect(401);
    }
    bridge.get(&channel.resource).await.expect(200);
}

#[tokio::test]
async fn the_other_name_of_the_api_is_in_its_urls_and_leads_to_the_same_channels() {
    let bridge = a_box("nc").start().await;
    let other = |resource: &str| bridge.target(resource).replace("notificationchannel", "nc");
    let body = json!({"notificationChannel": {"channelType": "LongPolling"}});
    let made = bridge
        .client
        .post(&other("channels"), &body)
        .await
        .expect(201);
    let location = made.header("location").unwrap();
    let base = format!("http://{}{}", bridge.client.address(), other("channels/"));
    let id = location.strip_prefix(&base).unwrap();
    let made = &made.json()["notificationChannel"];
    assert_eq!(made["callbackURL"], json!(format!("{location}/callback")));
    let channel_url = &made["channelData"]["channelURL"];
    assert_eq!(*channel_url, json!(format!("{location}/notifications")));
    let channel = Channel {
        bridge: &bridge,
        resource: format!("channels/{id}"),
        callback: made["callbackURL"].clone(),
    };
    bridge.get(&channel.resource).await.expect(200);
    channel.subscribe(json!({})).await;
    let object = &crate::objects::objects_of(&bridge, "/INBOX").await[0];
    super::set_flag(&bridge, object, "kept").await;
    let poll = channel
        .request()
        .with_target(|target| target.replace("notificationchannel", "nc"));
    let lists = poll.send().await.expect(200).json();
    assert_eq!(lists["notificationList"].as_array().unwrap().len(), 1);
    let listed = bridge.client.get(&other("channels")).await.expect(200);
    let url = &listed.json()["notificationChannelList"]["resourceURL"];
    assert_eq!(*url, json!(base.trim_end_matches('/')));
    bridge
        .client
        .delete(&other(&channel.resource))
        .await
        .expect(204);
    bridge.get(&channel.resource).await.expect(404);
}

#[tokio::test]
async fn a_channel_takes_its_poll_and_its_subscriptions_with_it() {
    let bridge = Bridge::builder("deleted_channel").message("INBOX", super::SMS);
    let bridge = bridge.start().await;
    let channel = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({})).await;
    let waiting = cpm_bridge::task::spawn(channel.request().send());
    sleep(Duration::from_millis(300)).await;
    bridge.delete(&channel.resource).await.expect(204);
    // At once, and not after the fifty seconds of a poll.
    let answer = tokio::time::timeout(super::PATIENCE, waiting).await;
    answer.unwrap().unwrap().expect(404);
    bridge.get(&subscription.resource).await.expect(404);
    bridge.delete(&channel.resource).await.expect(404);
}
