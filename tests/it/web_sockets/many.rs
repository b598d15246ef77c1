//! Many at a time.

use futures_util::StreamExt;
use tokio::time::{Duration, timeout};

use super::{channel, open, subscribe};
use crate::support::bridge::Bridge;

const MANY: usize = 1000;

#[tokio::test]
async fn an_event_reaches_the_one_of_a_thousand_that_waits_for_it() {
    let bridge = Bridge::builder("an_event_reaches_the_one")
        .setting("[limits]\nchannels_per_box = 1000\nconnections = 2000")
        .start()
        .await;
    let mut sockets = Vec::new();
    let mut chosen = None;
    for number in 0..MANY {
        let channel = channel(&bridge).await;
        sockets.push(open(&bridge, &channel).await);
        if number == MANY / 2 {
            chosen = Some(channel);
        }
    }
    subscribe(&bridge, &chosen.unwrap(), "chosen").await;
    let message = b"Subject: a\r\n\r\nhello\r\n";
    bridge
        .witness()
        .await
        .append("INBOX", message, "", None)
        .await;
    let list = sockets[MANY / 2].list().await;
    assert_eq!(list["callbackData"], "chosen");
    sockets.remove(MANY / 2);
    let others = sockets.iter_mut().map(|socket| socket.stream.next());
    let others = futures_util::future::select_all(others);
    let silence = timeout(Duration::from_millis(200), others).await;
    assert!(silence.is_err(), "somebody else was told something");
    bridge.stop().await;
}
