//! What a client is told, once and in order, or again.

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::AsyncReadExt,
    time::{Duration, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{PATIENCE, channel, open, subscribe, try_open, upgrade};
use crate::support::bridge::Bridge;

const MESSAGE: &[u8] = b"Subject: a\r\n\r\nhello\r\n";

#[tokio::test]
async fn events_arrive_in_order_one_list_to_a_frame() {
    let bridge = Bridge::builder("events_arrive_in_order").start().await;
    let channel = channel(&bridge).await;
    subscribe(&bridge, &channel, "mine").await;
    let mut socket = open(&bridge, &channel).await;
    let mut witness = bridge.witness().await;
    let mut last = 0;
    for index in 1..=3 {
        witness.append("INBOX", MESSAGE, "", None).await;
        let list = socket.list().await;
        assert_eq!(list["index"], index);
        assert_eq!(list["callbackData"], "mine");
        let events = list["nmsEvent"].as_array().unwrap();
        let changed = events.iter().find_map(|event| event.get("changedObject"));
        let sequence = changed.unwrap()["lastModSeq"].as_u64().unwrap();
        assert!(sequence > last);
        last = sequence;
        socket.acknowledge().await;
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_list_that_was_not_acknowledged_comes_again_as_it_was() {
    let bridge = Bridge::builder("a_list_that_was_not_acknowledged")
        .start()
        .await;
    let channel = channel(&bridge).await;
    subscribe(&bridge, &channel, "a").await;
    let mut witness = bridge.witness().await;
    witness.append("INBOX", MESSAGE, "", None).await;
    let mut first = open(&bridge, &channel).await;
    // Its ping is never read, so never answered.
    let list = first.list().await;
    drop(first);
    witness.append("INBOX", MESSAGE, "", None).await;
    let mut second = open(&bridge, &channel).await;
    assert_eq!(second.list().await, list);
    second.acknowledge().await;
    let next = second.list().await;
    assert_eq!(next["index"], 2);
    second.acknowledge().await;
    // What comes back after the pong shows that it has been read.
    second.say(r#"{"connCheck":{}}"#).await;
    second.text().await;
    let mut third = open(&bridge, &channel).await;
    witness.append("INBOX", MESSAGE, "", None).await;
    assert_eq!(third.list().await["index"], 3);
    bridge.stop().await;
}

#[tokio::test]
async fn lists_of_several_subscriptions_do_not_wait_for_each_other() {
    let bridge = Bridge::builder("lists_of_several_subscriptions")
        .start()
        .await;
    let channel = channel(&bridge).await;
    for data in ["a", "b", "c"] {
        subscribe(&bridge, &channel, data).await;
    }
    let socket = open(&bridge, &channel).await;
    bridge
        .witness()
        .await
        .append("INBOX", MESSAGE, "", None)
        .await;
    // Bare: no ping is answered.
    let mut stream = socket.stream.into_inner();
    let mut told = Vec::new();
    let has = |told: &[u8], data: &str| {
        let wanted = format!("\"callbackData\":\"{data}\"");
        String::from_utf8_lossy(told).contains(&wanted)
    };
    while !["a", "b", "c"].iter().all(|data| has(&told, data)) {
        let read = timeout(PATIENCE, stream.read_buf(&mut told)).await;
        assert_ne!(read.unwrap().unwrap(), 0);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_client_that_would_rather_have_xml_gets_it() {
    let bridge = Bridge::builder("a_client_that_would_rather").start().await;
    let channel = channel(&bridge).await;
    subscribe(&bridge, &channel, "a").await;
    let authorization = bridge.client.authorization().unwrap();
    let headers = [
        ("Authorization", authorization),
        ("Accept", "application/xml"),
    ];
    let opened = try_open(&bridge, upgrade(&bridge, &channel.target, &headers)).await;
    let mut socket = opened.unwrap();
    bridge
        .witness()
        .await
        .append("INBOX", MESSAGE, "", None)
        .await;
    let text = socket.text().await;
    assert!(text.contains(":notificationList"), "{text}");
    assert!(text.contains("nmsEventList"), "{text}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_hinders_nobody() {
    let bridge = Bridge::builder("a_client_that_takes_nothing").start().await;
    let (stalled, live) = (channel(&bridge).await, channel(&bridge).await);
    subscribe(&bridge, &stalled, "stalled").await;
    subscribe(&bridge, &live, "live").await;
    let _stalled = open(&bridge, &stalled).await;
    let mut live = open(&bridge, &live).await;
    let mut witness = bridge.witness().await;
    for index in 1..=5 {
        witness.append("INBOX", MESSAGE, "", None).await;
        assert_eq!(live.list().await["index"], index);
        live.acknowledge().await;
    }
    bridge.stop().await;
}

#[tokio::test]
async fn pongs_that_answer_nothing_take_nothing() {
    let bridge = Bridge::builder("pongs_that_answer_nothing").start().await;
    let channel = channel(&bridge).await;
    subscribe(&bridge, &channel, "a").await;
    let mut socket = open(&bridge, &channel).await;
    let mut witness = bridge.witness().await;
    witness.append("INBOX", MESSAGE, "", None).await;
    let list = socket.list().await;
    for content in [
        &b""[..],
        b"x",
        &u64::MAX.to_be_bytes(),
        &0_u64.to_be_bytes(),
    ] {
        let pong = Message::Pong(content.to_vec().into());
        socket.stream.send(pong).await.unwrap();
    }
    socket.say(r#"{"connCheck":{}}"#).await;
    // Read without the library's own pong: nothing is flushed between the two.
    let ping = socket.message().await;
    assert!(ping.is_ping());
    drop(socket);
    let mut again = open(&bridge, &channel).await;
    assert_eq!(again.list().await, list);
    again.acknowledge().await;
    let silence = timeout(Duration::from_secs(1), again.stream.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    bridge.stop().await;
}
