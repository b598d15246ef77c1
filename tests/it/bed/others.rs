//! The servers that are unpacked.

use crate::support::{courier, cyrus, witness::Witness};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

#[tokio::test]
async fn cyrus_takes_any_user_and_keeps_a_message() {
    let server = cyrus::start().await;
    let mut witness = Witness::login(server.imap, "+15550177").await;
    let uid = witness.append("INBOX", MESSAGE, r"\Seen", None).await;
    assert_eq!(witness.examine("INBOX").await, 1);
    assert_eq!(witness.message(uid).await, MESSAGE);
    let namespace = witness.command("NAMESPACE").await.ok();
    assert!(
        namespace.texts()[0].contains(r#"("Other Users/" "/")"#),
        "{namespace:?}"
    );
    let mut stranger = Witness::connect(server.imap).await;
    let refused = stranger.command("LOGIN +15550177 wrong").await;
    assert!(refused.status.starts_with("NO "), "{refused:?}");
    server.stop().await;
}

#[tokio::test]
async fn courier_keeps_a_message_below_its_own_prefix_and_pushes_another() {
    let server = courier::start().await;
    let mut witness = Witness::login(server.imap, "+15550177").await;
    witness.command("CREATE INBOX.Default").await.ok();
    let uid = witness
        .append("INBOX.Default", MESSAGE, r"\Seen", None)
        .await;
    assert_eq!(witness.examine("INBOX.Default").await, 1);
    assert_eq!(witness.message(uid).await, MESSAGE);
    witness.send("w99 IDLE").await;
    assert!(witness.response().await.text.starts_with('+'));
    let mut other = Witness::login(server.imap, "+15550177").await;
    other.append("INBOX.Default", MESSAGE, "", None).await;
    while witness.response().await.text != "* 2 EXISTS" {}
    server.stop().await;
}

#[tokio::test]
async fn courier_refuses_a_wrong_password_and_separates_users() {
    let server = courier::start().await;
    let mut stranger = Witness::connect(server.imap).await;
    stranger.command("CAPABILITY").await.ok();
    let refused = stranger.command(r#"LOGIN "+15550177" "wrong""#).await;
    assert_eq!(refused.status, "NO Login failed.");
    let mut one = Witness::login(server.imap, r#"tel:+1 "5""#).await;
    one.append("INBOX", MESSAGE, "", None).await;
    let mut other = Witness::login(server.imap, "tel:+2").await;
    assert_eq!(other.examine("INBOX").await, 0);
    server.stop().await;
}
