//! What was given counts as taken or not when the next poll comes (product: acknowledgement).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use super::{Channel, a_box, events, set_flag};
use crate::objects::objects_of;

/// A poll on a connection that stays open.
async fn poll_on(channel: &Channel<'_>) -> TcpStream {
    let mut stream = channel.bridge.client.connect().await;
    let request = channel.request().raw_body("").header("Content-Length", "0");
    stream.write_all(&request.head_with(b"")).await.unwrap();
    stream
}

/// Ends a connection on which an answer has come that nobody has read: the other side is told by a reset.
async fn cut_unread(stream: TcpStream) {
    let mut first = [0];
    assert_eq!(stream.peek(&mut first).await.unwrap(), 1);
    drop(stream);
    // The other side needs a moment to hear of it.
    sleep(Duration::from_millis(200)).await;
}

#[tokio::test]
async fn a_list_whose_connection_broke_comes_again_as_it_was() {
    let bridge = a_box("cut_answer").start().await;
    let channel = Channel::new(&bridge).await;
    let watching = Channel::new(&bridge).await;
    channel.subscribe(json!({"callbackData": "d7"})).await;
    watching.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    set_flag(&bridge, &objects[0], "kept").await;
    cut_unread(poll_on(&channel).await).await;
    // What happens meanwhile changes nothing of what that list is.
    set_flag(&bridge, &objects[0], "later").await;
    watching.until(|event| event.has_flag("later")).await;
    cut_unread(poll_on(&channel).await).await;
    let list = channel.list().await;
    assert_eq!(list["index"], json!(1));
    let [event] = &events(&list)[..] else {
        panic!("{list}");
    };
    assert!(event.is("changedObject", &objects[0]));
    assert!(event.has_flag("kept") && !event.has_flag("later"), "{list}");
    let next = channel.list().await;
    assert_eq!(next["index"], json!(2));
    assert!(events(&next)[0].has_flag("later"), "{next}");
}

#[tokio::test]
async fn an_answer_that_was_read_counts_as_taken() {
    let bridge = a_box("read_answer").start().await;
    let channel = Channel::new(&bridge).await;
    let subscription = channel.subscribe(json!({})).await;
    let objects = objects_of(&bridge, "/INBOX").await;
    // On one connection that is kept, and ended in peace.
    let mut stream = channel.bridge.client.connect().await;
    for (number, object) in objects.iter().enumerate() {
        set_flag(&bridge, object, "kept").await;
        let request = channel.request().raw_body("").header("Content-Length", "0");
        let list = loop {
            stream.write_all(&request.head_with(b"")).await.unwrap();
            let lists = read_document(&mut stream).await["notificationList"].clone();
            if let Some(list) = lists.get(0) {
                break list["nmsEventList"].clone();
            }
        };
        assert_eq!(list["index"], json!(number + 1));
        assert!(events(&list)[0].is("changedObject", object), "{list}");
    }
    drop(stream);
    sleep(Duration::from_millis(200)).await;
    assert!(channel.poll().await.is_empty());
    let shown = bridge.get(&subscription.resource).await.expect(200).json();
    assert_eq!(shown["nmsSubscription"]["index"], json!(objects.len() + 1));
}

/// The document of the next answer; it says how long it is.
async fn read_document(stream: &mut TcpStream) -> Value {
    let mut answer = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_ascii_lowercase();
        let length = length
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return serde_json::from_str(body).unwrap();
        }
    }
}

#[tokio::test]
async fn who_hangs_up_while_waiting_misses_nothing() {
    let bridge = a_box("hung_up").start().await;
    let channel = Channel::new(&bridge).await;
    channel.subscribe(json!({})).await;
    let object = &objects_of(&bridge, "/INBOX").await[0];
    let stream = poll_on(&channel).await;
    sleep(Duration::from_millis(200)).await;
    drop(stream);
    set_flag(&bridge, object, "kept").await;
    let list = channel.list().await;
    assert_eq!(list["index"], json!(1));
    assert!(events(&list)[0].has_flag("kept"));
}
