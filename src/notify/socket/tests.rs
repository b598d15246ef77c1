//! How long a connection lives, by a clock that does not wait.

use std::task::{Context, Poll};

use tokio::sync::mpsc;

use super::*;
use crate::{
    config::{LimitsConfig, NotificationsConfig, UnknownPreset},
    nms::{ChannelUrls, NewChannel},
    notify::Settings,
    outbound::Callback,
    state::MemoryState,
    task,
};

/// The server's end of a connection that loses nothing.
struct Wire {
    heard: mpsc::UnboundedReceiver<Result<Heard, Broken>>,
    said: mpsc::UnboundedSender<Said>,
}

impl Stream for Wire {
    type Item = Result<Heard, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heard.poll_recv(context)
    }
}

impl Sink<Said> for Wire {
    type Error = Broken;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, said: Said) -> Result<(), Broken> {
        self.said.send(said).map_err(|_| Broken::Gone)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }
}

/// A client's end.
struct Client {
    says: mpsc::UnboundedSender<Result<Heard, Broken>>,
    hears: mpsc::UnboundedReceiver<Said>,
}

/// A channel of a room without stores.
async fn room() -> (Arc<Notifications>, String) {
    let settings = Settings {
        notifications: NotificationsConfig::default(),
        limits: LimitsConfig::default(),
        unknown_preset: UnknownPreset::default(),
        channel_stores: Vec::new(),
    };
    let state = Arc::new(MemoryState::new());
    let callback = Callback::new(&[], None).unwrap();
    let room = Notifications::start(settings, state, Vec::new(), callback);
    let urls = ChannelUrls::new("http://a", ChannelUrls::APIS[0], "tel:+1");
    let asked = NewChannel {
        channel_type: Some("WebSockets".to_owned()),
        ..NewChannel::default()
    };
    let made = room.create_channel("tel:+1", &urls, &asked).await.unwrap();
    let (_, id) = made.resource_url.rsplit_once('/').unwrap();
    (room, id.to_owned())
}

fn connect(room: &Arc<Notifications>, id: &str) -> Client {
    let (says, heard) = mpsc::unbounded_channel();
    let (said, hears) = mpsc::unbounded_channel();
    let socket = room.socket("tel:+1", id, Format::Json).unwrap();
    task::spawn(async move { socket.serve(Wire { heard, said }).await });
    Client { says, hears }
}

#[tokio::test(start_paused = true)]
async fn who_answers_no_ping_is_gone_a_minute_after_the_last_word() {
    let (room, id) = room().await;
    let mut client = connect(&room, &id);
    let begun = Instant::now();
    let ping = Said::Ping(1_u64.to_be_bytes());
    assert_eq!(client.hears.recv().await, Some(ping));
    assert!((QUIET..QUIET * 2).contains(&begun.elapsed()));
    // Words are no answer.
    let check = Bytes::from_static(br#"{"connAck":{}}"#);
    client.says.send(Ok(Heard::Text(check))).unwrap();
    let close = Said::Close(Closing::Silent);
    assert_eq!(client.hears.recv().await, Some(close));
    assert!((QUIET * 2..QUIET * 3).contains(&begun.elapsed()));
    // Nor does it stay for who says no goodbye.
    assert_eq!(client.hears.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn who_answers_every_ping_stays() {
    let (room, id) = room().await;
    let mut client = connect(&room, &id);
    for number in 1..=100_u64 {
        let content = number.to_be_bytes();
        assert_eq!(client.hears.recv().await, Some(Said::Ping(content)));
        let pong = Heard::Pong(Bytes::copy_from_slice(&content));
        client.says.send(Ok(pong)).unwrap();
    }
    room.end();
    let close = Said::Close(Closing::Draining);
    assert_eq!(client.hears.recv().await, Some(close));
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_connection_is_told_while_there_is_somebody_to_tell() {
    let (room, id) = room().await;
    for (broken, closing) in [
        (Broken::TooLarge, Some(Closing::TooLarge)),
        (Broken::NotText, Some(Closing::NotText)),
        (Broken::Protocol, Some(Closing::Protocol)),
        (Broken::Gone, None),
    ] {
        let mut client = connect(&room, &id);
        client.says.send(Err(broken)).unwrap();
        let said = client.hears.recv().await;
        assert_eq!(said, closing.map(Said::Close), "{broken:?}");
    }
}

#[tokio::test]
async fn codes_are_those_that_a_server_may_send() {
    let (room, id) = room().await;
    assert!(matches!(
        room.socket("tel:+2", &id, Format::Json),
        Err(Error::NotFound)
    ));
    for closing in [
        Closing::Draining,
        Closing::Protocol,
        Closing::Binary,
        Closing::NotText,
        Closing::TooLarge,
        Closing::Unavailable,
        Closing::Ended,
        Closing::Silent,
        Closing::Superseded,
    ] {
        // RFC 6455 §5.5, §7.4.2: a reason of 123 octets, a code that is defined or for private use.
        assert!(closing.reason().len() <= 123);
        assert!(matches!(closing.code(), 1001..=1013 | 4000..=4999));
    }
}

#[test]
fn a_pong_answers_all_pings_before_it_and_none_after_it() {
    let of = |id: &str| {
        let key = BoxKey {
            store: "cpm".to_owned(),
            box_id: "tel:+1".to_owned(),
        };
        (key, id.to_owned())
    };
    let mut on_way = OnWay::new();
    for id in ["a", "b", "c"] {
        on_way.ping();
        on_way.lists.push_back((on_way.number, of(id), 7));
    }
    let taken = |on_way: &mut OnWay, number: u64| {
        let taken = on_way.pong(&number.to_be_bytes())?;
        Some(taken.into_iter().map(|(_, id, _)| id).collect::<Vec<_>>())
    };
    assert_eq!(taken(&mut on_way, 4), None);
    assert_eq!(taken(&mut on_way, 0), None);
    let both = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(taken(&mut on_way, 2), Some(both));
    assert_eq!(taken(&mut on_way, 2), None);
    assert_eq!(on_way.pong(b"short"), None);
    assert!(on_way.awaited.is_some());
    assert_eq!(taken(&mut on_way, 3), Some(vec!["c".to_owned()]));
    assert!(on_way.awaited.is_none());
    assert_eq!(taken(&mut on_way, 3), None);
}
