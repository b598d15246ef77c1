//! How long it takes until a change is told: `cargo test --release --test it watching::numbers -- --ignored --nocapture`.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Subscriber, flags};
use crate::support::{bridge::Bridge, courier, witness::Witness};

const ROUNDS: usize = 200;

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |hundredth: usize| times[(times.len() - 1) * hundredth / 100];
    println!(
        "{what}: p50 {:.1?}, p99 {:.1?}, most {:.1?} of {}",
        at(50),
        at(99),
        at(100),
        times.len()
    );
}

/// From the answer to a write through the bridge to the answer to the poll that waits meanwhile.
async fn own_writes(what: &str, bridge: &Bridge, witness: &mut Witness) {
    let subscriber = Subscriber::subscribe(bridge).await;
    witness
        .append("INBOX", b"Subject: x\r\n\r\nx\r\n", "", None)
        .await;
    let event = subscriber.event(bridge).await;
    let url = event["changedObject"]["resourceURL"].as_str().unwrap();
    let (_, id) = url.rsplit_once('/').unwrap();
    let flag = format!("objects/{id}/flags/%5CFlagged");
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let polling = subscriber.event(bridge);
        let writing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if round % 2 == 0 {
                bridge.put(&flag, &json!({"empty": null})).await.expect(201);
            } else {
                bridge.delete(&flag).await.expect(204);
            }
            Instant::now()
        };
        let polled = async {
            let event = polling.await;
            (event, Instant::now())
        };
        let ((event, told), written) = tokio::join!(polled, writing);
        assert_eq!(flags(&event).is_empty(), round % 2 == 1, "{event}");
        times.push(told.saturating_duration_since(written));
    }
    report(what, times);
}

#[tokio::test]
#[ignore = "measures"]
async fn own_writes_on_dovecot() {
    let bridge = Bridge::builder("lag-dovecot").start().await;
    let mut witness = bridge.witness().await;
    own_writes("a write through the bridge, Dovecot", &bridge, &mut witness).await;
}

#[tokio::test]
#[ignore = "measures"]
async fn own_writes_on_courier() {
    let server = courier::start().await;
    let builder = Bridge::builder("lag-courier").store(server.imap);
    let mut witness = Witness::login(server.imap, &builder.login()).await;
    let bridge = builder.start().await;
    own_writes("a write through the bridge, Courier", &bridge, &mut witness).await;
    bridge.stop().await;
    server.stop().await;
}

/// From the push that another session gets of the same change to the answer to the poll.
#[tokio::test]
#[ignore = "measures"]
async fn changes_of_others_on_dovecot() {
    let bridge = Bridge::builder("lag-others").start().await;
    let mut witness = bridge.witness().await;
    let mut listening = bridge.witness().await;
    witness.command("CREATE Other").await.ok();
    let subscriber = Subscriber::subscribe(&bridge).await;
    listening.command("ENABLE QRESYNC").await.ok();
    listening
        .command("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName))")
        .await
        .ok();
    let mut times = Vec::new();
    for _ in 0..60 {
        let polled = async {
            subscriber.event(&bridge).await;
            Instant::now()
        };
        let pushed = async {
            while !listening.response().await.text.contains("STATUS") {}
            Instant::now()
        };
        let writing = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            witness
                .append("Other", b"Subject: x\r\n\r\nx\r\n", "", None)
                .await;
        };
        let (told, pushed, _) = tokio::join!(polled, pushed, writing);
        times.push(told.saturating_duration_since(pushed));
    }
    report("a change of another client, Dovecot, after its push", times);
}
