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
