//! Flags that a store cannot keep, on real ones.

use serde_json::json;

use super::{Form, assert_refused, made};
use crate::support::{
    courier, cyrus,
    store::{COURIER, CYRUS, Store},
};

/// A flag the store does not take is named; what it was to be put on is not there.
async fn refuses_flags(store: &Store, refused: &[&[&str]]) {
    for flags in refused {
        let form = Form::new(&json!({"object": {"flags": {"flag": flags}}}));
        let answer = form.on(store.request("POST", "objects")).send().await;
        assert_refused(&answer, 403, "POL2006", &flags[..1]);
    }
    let name = store.kind.name;
    assert_eq!(store.witness().await.examine("INBOX").await, 0, "{name}");
    let form = Form::new(
        &json!({"object": {"flags": {"flag": ["$MDNSent", "we/ird:key", "\\read-report-sent"]}}}),
    );
    let answer = form.on(store.request("POST", "objects")).send().await;
    let flags = format!("{}/flags", made(answer).object);
    let flags = store.json("GET", &flags, None, 200).await;
    for flag in ["$MDNSent", "we/ird:key", "\\read-report-sent"] {
        let flags = flags["flagList"]["flag"].as_array().unwrap();
        assert!(flags.contains(&json!(flag)), "{name}: {flags:?}");
    }
}

#[tokio::test]
async fn a_flag_that_dovecot_cannot_keep_is_named() {
    let store = Store::dovecot("dovecots_flags").await;
    let long = "x".repeat(200);
    refuses_flags(&store, &[&["\\Junk"], &["\\Junk", "\\Seen"], &[&long]]).await;
    store.stop().await;
}

#[tokio::test]
async fn a_flag_that_cyrus_cannot_keep_is_named() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    refuses_flags(&store, &[&["\\Junk"]]).await;
    // A mailbox has room for a hundred keywords and some; the first for which there was none is named.
    let many: Vec<String> = (0..129).map(|number| format!("n{number}")).collect();
    let object = json!({"parentFolderPath": "/full", "flags": {"flag": many}});
    let form = Form::new(&json!({"object": object}));
    let answer = form.on(store.request("POST", "objects")).send().await;
    assert_refused(&answer, 403, "POL2006", &["n100"]);
    store.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_flag_that_courier_cannot_keep_is_named() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    refuses_flags(&store, &[&["\\Junk"]]).await;
    store.stop().await;
    server.stop().await;
}

/// What a server refuses it has to read all the same when it came unasked (RFC 7888 §4), and not as commands.
async fn reads_no_commands(store: &Store) {
    let line = "a CREATE pwned\r\n";
    let text = format!("{line}{}", line.repeat(100));
    for (flags, count) in [
        (vec!["\\Junk"], 1),
        (vec!["\\Junk"], 5),
        (vec!["", "\\Junk", ""], 3),
    ] {
        let flag = |number: usize| flags[number % flags.len()];
        let objects: Vec<_> = (0..count)
            .map(|number| match flag(number) {
                "" => json!({}),
                flag => json!({"flags": {"flag": [flag]}}),
            })
            .collect();
        let form = Form::new(&json!({"objectList": {"object": objects}}));
        let form = (0..count).fold(form, |form, _| {
            form.attachment("text/plain", text.as_bytes())
        });
        let request = store.request("POST", "objects/operations/bulkCreation");
        let answer = form.on(request).send().await;
        let refused = if flags.len() == 1 { 403 } else { 200 };
        assert_eq!(
            answer.status,
            refused,
            "{}: {}",
            store.kind.name,
            answer.text()
        );
    }
    let mut witness = store.witness().await;
    let reply = witness.command("LIST \"\" *").await.ok();
    let name = store.kind.name;
    assert_eq!(reply.texts().len(), 1, "{name}: {reply:?}");
    assert_eq!(witness.examine("INBOX").await, 2, "{name}");
}

#[tokio::test]
async fn what_dovecot_refuses_it_does_not_read_as_commands() {
    let store = Store::dovecot("no_commands").await;
    reads_no_commands(&store).await;
    store.stop().await;
}

#[tokio::test]
async fn what_cyrus_refuses_it_does_not_read_as_commands() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    reads_no_commands(&store).await;
    store.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn what_courier_refuses_it_does_not_read_as_commands() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    reads_no_commands(&store).await;
    store.stop().await;
    server.stop().await;
}
