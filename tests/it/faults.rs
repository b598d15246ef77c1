//! What a client sees when the store is away, slow, or breaks off.

use std::time::Duration;

use crate::{
    objects::objects_of,
    support::{
        bridge::Bridge,
        proxy::{Fault, Proxy},
        scripted::{Script, Scripted},
    },
};
use tokio::time::Instant;

#[tokio::test]
async fn with_the_store_down_it_starts_says_so_and_recovers_by_itself() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let bridge = Bridge::builder("store_down").store(address).start().await;
    let answer = bridge.get("folders/operations/pathToId").await.expect(503);
    assert!(
        answer
            .header("retry-after")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            > 0
    );
    assert_eq!(
        answer.json()["requestError"]["serviceException"]["messageId"],
        "SVC2001"
    );
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    bridge.admin().get("/livez").await.expect(200);
    assert!(
        bridge
            .admin()
            .get("/readyz")
            .await
            .expect(503)
            .text()
            .starts_with("store/cpm down: ")
    );

    let dovecot = bridge.account.imap;
    let back = Proxy::start_at(address, dovecot).await;
    let returned = Instant::now();
    bridge.get("folders/operations/pathToId").await.expect(200);
    assert!(returned.elapsed() < Duration::from_secs(1));
    drop(back);
}

#[tokio::test]
async fn a_read_survives_a_connection_that_was_cut() {
    let builder = Bridge::builder("cut_reads").message("INBOX", "f05-mms-plain.eml");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let object = objects_of(&bridge, "/INBOX").await.remove(0);
    for bytes in [0, 1, 40, 200] {
        proxy.set(Fault::CutAfter(bytes));
        let outcome = bridge.get(&format!("{object}/flags")).await.status;
        proxy.set(Fault::None);
        // Cut on both attempts it is 503; never anything else, and never for long.
        assert!([200, 503].contains(&outcome), "{bytes}: {outcome}");
        bridge.get(&format!("{object}/flags")).await.expect(200);
    }
}

#[tokio::test]
async fn a_store_that_says_nothing_is_too_slow() {
    let builder = Bridge::builder("stalled");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder
        .store(proxy.address())
        .store_setting("command_timeout = 1")
        .start()
        .await;
    bridge.get("folders/operations/pathToId").await.expect(200);
    proxy.set(Fault::HalfOpen);
    let answer = bridge.get("folders/operations/pathToId").await.expect(504);
    assert_eq!(
        answer.json()["requestError"]["serviceException"]["messageId"],
        "SVC0001"
    );
    proxy.set(Fault::None);
    bridge.get("folders/operations/pathToId").await.expect(200);
}

#[tokio::test]
async fn a_store_that_has_no_room_is_busy() {
    let script = Script::new()
        .send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready")
        .expect("{tag} AUTHENTICATE PLAIN *")
        .send("{tag} NO [LIMIT] Maximum number of connections exceeded");
    let server = Scripted::start(vec![script]).await;
    let bridge = Bridge::builder("limit")
        .store(server.address())
        .start()
        .await;
    let answer = bridge.get("folders/operations/pathToId").await.expect(503);
    assert!(
        !answer.text().contains("Maximum"),
        "the server's text stays here"
    );
    server.assert_played().await;
}

#[tokio::test]
async fn a_payload_that_breaks_off_is_no_complete_answer() {
    let builder = Bridge::builder("broken_payload").folder("big");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let body = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(100_000);
    let message = format!("Subject: big\r\nContent-Type: application/octet-stream\r\n\r\n{body}");
    bridge
        .witness()
        .await
        .append("big", message.as_bytes(), "", None)
        .await;
    let object = objects_of(&bridge, "/big").await.remove(0);
    let mut stream = bridge
        .request("GET", &format!("{object}/payload"))
        .stream()
        .await;
    assert_eq!(stream.head.status, 200);
    proxy.set(Fault::CutAfter(0));
    // The test's client panics when fewer bytes come than were announced.
    let whole = cpm_bridge::task::spawn(async move { stream.rest().await }).await;
    assert!(
        whole.is_err(),
        "{} bytes passed for the whole",
        whole.map_or(0, |bytes| bytes.len())
    );
}
