//! How long a connection lives, and its channel with it.

use serde_json::{Value, json};
use tokio::time::{Duration, sleep, timeout};

use super::{PATIENCE, channel, channels, open, subscribe, target};
use crate::support::bridge::Bridge;

#[tokio::test]
async fn a_check_is_acknowledged_and_begins_the_life_anew() {
    let bridge = Bridge::builder("a_check_is_acknowledged").start().await;
    let channel = channel(&bridge).await;
    let mut socket = open(&bridge, &channel).await;
    // What has no meaning has no answer.
    for nothing in [
        "{}",
        "no",
        r#"{"connAck":{}}"#,
        r#"{"notificationList":[]}"#,
    ] {
        socket.say(nothing).await;
    }
    socket.say(r#"{"connCheck":{"checkInterval":60}}"#).await;
    let answer: Value = serde_json::from_str(&socket.text().await).unwrap();
    assert_eq!(answer, json!({"connAck": {"channelLifetime": 3600}}));
    socket.say("<connCheck/>").await;
    let answer = socket.text().await;
    assert!(
        answer.contains("connAck") && answer.contains("3600<"),
        "{answer}"
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_channel_lives_while_a_connection_is_open_and_no_longer() {
    let bridge = Bridge::builder("a_channel_lives_while").start().await;
    let asked = json!({"notificationChannel": {"channelType": "WebSockets", "channelLifetime": 1}});
    let made = bridge.client.post(&channels(&bridge), &asked).await;
    let made = made.expect(201).json();
    let made = &made["notificationChannel"];
    let channel = super::Channel {
        target: target(made["channelData"]["channelURL"].as_str().unwrap()),
        resource: target(made["resourceURL"].as_str().unwrap()),
        callback: String::new(),
    };
    let socket = open(&bridge, &channel).await;
    sleep(Duration::from_secs(3)).await;
    bridge.client.get(&channel.resource).await.expect(200);
    drop(socket);
    let gone = async {
        while bridge.client.get(&channel.resource).await.status == 200 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    bridge.client.get(&channel.resource).await.expect(404);
    bridge.stop().await;
}

#[tokio::test]
async fn a_second_connection_closes_the_first() {
    let bridge = Bridge::builder("a_second_connection_closes").start().await;
    let channel = channel(&bridge).await;
    subscribe(&bridge, &channel, "a").await;
    let first = open(&bridge, &channel).await;
    let mut second = open(&bridge, &channel).await;
    assert_eq!(first.closed().await, Some(4409));
    let message = b"Subject: a\r\n\r\nhello\r\n";
    bridge
        .witness()
        .await
        .append("INBOX", message, "", None)
        .await;
    assert_eq!(second.list().await["index"], 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_channel_that_is_deleted_closes_its_connection() {
    let bridge = Bridge::builder("a_channel_that_is_deleted").start().await;
    let channel = channel(&bridge).await;
    let socket = open(&bridge, &channel).await;
    bridge.client.delete(&channel.resource).await.expect(204);
    assert_eq!(socket.closed().await, Some(4404));
    bridge.stop().await;
}

#[tokio::test]
async fn a_drain_closes_connections_and_does_not_wait_for_those_that_stay() {
    let bridge = Bridge::builder("a_drain_closes_connections")
        .http_setting("drain = 60")
        .start()
        .await;
    let (leaving, staying) = (channel(&bridge).await, channel(&bridge).await);
    let leaving = open(&bridge, &leaving).await;
    let staying = open(&bridge, &staying).await;
    let stopped = timeout(PATIENCE, bridge.stop());
    let (stopped, code) = tokio::join!(stopped, leaving.closed());
    stopped.expect("waits for whoever says no goodbye");
    assert_eq!(code, Some(1001));
    assert_eq!(staying.closed().await, Some(1001));
}

#[tokio::test]
async fn a_connection_counts_until_it_ends() {
    let bridge = Bridge::builder("a_connection_counts_until")
        .setting("[limits]\nconnections = 1")
        .start()
        .await;
    let channel = channel(&bridge).await;
    let socket = open(&bridge, &channel).await;
    let mut request = Box::pin(bridge.client.get(&channel.resource));
    let early = timeout(Duration::from_millis(500), &mut request).await;
    assert!(early.is_err(), "there was room for two");
    drop(socket);
    timeout(PATIENCE, request).await.unwrap().expect(200);
    bridge.stop().await;
}
