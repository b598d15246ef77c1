//! What folders come to, against what a direct session counts.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    bridge::Bridge,
    courier, cyrus, dovecot,
    proxy::Proxy,
    store::{COURIER, CYRUS, DOVECOT, Store},
};

const ALL: [&str; 6] = [
    "MsgCount",
    "UnreadMsgCount",
    "Size",
    "SubtreeMsgCount",
    "SubtreeUnreadMsgCount",
    "SubtreeSize",
];

fn message(octets: usize) -> Vec<u8> {
    format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(octets - 16)).into_bytes()
}

/// The attributes of a folder, those of the filter included.
async fn attributes(store: &Store, path: &str, filter: &[&str]) -> BTreeMap<String, String> {
    let folder = if path.is_empty() {
        let root = store.json("GET", "folders/operations/pathToId", None, 200);
        crate::objects::below_box(&root.await["reference"]["resourceURL"])
    } else {
        store.folder(path).await
    };
    let query: Vec<String> = filter
        .iter()
        .map(|name| format!("attrFilter={name}"))
        .collect();
    let resource = format!("{folder}?{}", query.join("&"));
    let shown = store.json("GET", &resource, None, 200).await;
    let list = shown["folder"]["attributes"]["attribute"]
        .as_array()
        .unwrap();
    let pair = |attribute: &Value| {
        let value = attribute["value"][0].as_str().unwrap().to_owned();
        (attribute["name"].as_str().unwrap().to_owned(), value)
    };
    let pairs: BTreeMap<_, _> = list.iter().map(pair).collect();
    assert_eq!(pairs.len(), list.len(), "{list:?}");
    pairs
}

/// The six numbers, `-` for what is left out.
async fn numbers(store: &Store, path: &str) -> String {
    let shown = attributes(store, path, &ALL).await;
    let shown = ALL
        .iter()
        .map(|name| shown.get(*name).map_or("-", String::as_str));
    shown.collect::<Vec<_>>().join(" ")
}

/// `a` has 100 + 200 octets, one of them read; `a/b` 400, read; `c` 50.
async fn fill(store: &Store) {
    let mut witness = store.witness().await;
    let (a, b, c) = (
        store.mailbox(&["a"]),
        store.mailbox(&["a", "b"]),
        store.mailbox(&["c"]),
    );
    for mailbox in [&a, &b, &c] {
        witness.command(&format!("CREATE {mailbox}")).await.ok();
    }
    for (mailbox, octets, flags) in [
        (&a, 100, ""),
        (&a, 200, "\\Seen"),
        (&b, 400, "\\Seen"),
        (&c, 50, ""),
    ] {
        witness.append(mailbox, &message(octets), flags, None).await;
    }
}

async fn counts(store: &Store) {
    fill(store).await;
    let name = store.kind.name;
    assert_eq!(numbers(store, "/a").await, "2 1 300 3 1 700", "{name}");
    assert_eq!(numbers(store, "/a/b").await, "1 0 400 1 0 400", "{name}");
    assert_eq!(numbers(store, "/c").await, "1 1 50 1 1 50", "{name}");
    assert_eq!(numbers(store, "").await, "0 0 0 4 2 750", "{name}");
    // What a connection has open is not counted as it was.
    store.objects("/a").await;
    let mut witness = store.witness().await;
    let a = store.mailbox(&["a"]);
    witness.append(&a, &message(1000), "", None).await;
    assert_eq!(numbers(store, "/a").await, "3 2 1300 4 2 1700", "{name}");
    store.objects("/a").await;
    witness.append(&a, &message(1000), "", None).await;
    let one = attributes(store, "/a", &["MsgCount"]).await;
    assert_eq!(one["MsgCount"], "4", "{name}");
}

#[tokio::test]
async fn dovecot_folders_are_counted_with_one_list() {
    let account = dovecot::account("counts");
    let proxy = Proxy::recording(account.imap).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    counts(&store).await;
    let said = proxy.said().concat();
    let said = String::from_utf8_lossy(&said);
    // The two that asked for MsgCount or had nothing below, and no others.
    assert_eq!(said.matches(" STATUS \"").count(), 3, "{said}");
    assert_eq!(said.matches("FETCH").count(), 0, "{said}");
}

#[tokio::test]
async fn cyrus_folders_are_counted() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    counts(&store).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_folders_are_counted_one_by_one() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    counts(&store).await;
    server.stop().await;
}

/// RFC 8438 is not everywhere.
#[tokio::test]
async fn where_the_store_does_not_add_up_sizes_the_bridge_does() {
    let account = dovecot::account("counts_without_size");
    let proxy = Proxy::hiding(account.imap, &["STATUS=SIZE", "ESEARCH"]).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    counts(&store).await;
}

#[tokio::test]
async fn names_are_taken_in_any_case_and_what_is_not_asked_for_is_not_counted() {
    let store = Store::dovecot("counts_names").await;
    fill(&store).await;
    let shown = attributes(&store, "/a", &[]).await;
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["Name"]);
    let filter = ["msgcount", "MSGCOUNT", "Unheard-of", "subtreeSIZE", ""];
    let shown = attributes(&store, "/a", &filter).await;
    let expected = [("MsgCount", "2"), ("Name", "a"), ("SubtreeSize", "700")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(shown, BTreeMap::from(expected));
    let root = attributes(&store, "", &["MsgCount"]).await;
    assert_eq!(root["Root"], "Yes");
    assert_eq!(root["MsgCount"], "0");
}

#[tokio::test]
async fn a_folder_that_is_only_a_name_has_no_objects_of_its_own() {
    let store = Store::dovecot("counts_noselect").await;
    let mut witness = store.witness().await;
    witness.command("CREATE x/y*z%").await.ok();
    witness.append("x/y*z%", &message(100), "", None).await;
    assert_eq!(numbers(&store, "/x").await, "0 0 0 1 1 100");
    assert_eq!(numbers(&store, "/x/y*z%25").await, "1 1 100 1 1 100");
}

#[tokio::test]
async fn what_is_hidden_is_not_counted() {
    for (mode, a, root) in [
        ("show", "2 1 300 3 1 700", "0 0 0 4 2 750"),
        ("hide", "1 0 200 2 0 600", "0 0 0 3 1 650"),
        ("purge", "1 0 200 2 0 600", "0 0 0 3 1 650"),
    ] {
        let bridge = Bridge::builder(&format!("counts_{mode}"))
            .setting(&format!("[objects]\ndeleted = \"{mode}\""))
            .start()
            .await;
        let (imap, login) = (bridge.account.imap, &bridge.account.login);
        let mut store = Store::new(DOVECOT, imap, imap, login).await;
        store.client = bridge.client.clone();
        fill(&store).await;
        let mut witness = store.witness().await;
        witness.command("SELECT a").await.ok();
        witness.command("STORE 1 +FLAGS (\\Deleted)").await.ok();
        assert_eq!(numbers(&store, "/a").await, a, "{mode}");
        assert_eq!(numbers(&store, "").await, root, "{mode}");
    }
}

#[tokio::test]
async fn a_filter_may_be_said_together_with_a_list() {
    let store = Store::dovecot("counts_list").await;
    fill(&store).await;
    let folder = store.folder("/a").await;
    let resource = format!("{folder}?listFilter=All&maxEntries=2&path=Yes&attrFilter=MsgCount");
    let shown = store.json("GET", &resource, None, 200).await["folder"].clone();
    assert_eq!(
        shown["attributes"]["attribute"][1],
        json!({"name": "MsgCount", "value": ["2"]})
    );
    assert_eq!(
        shown["subFolders"]["folderReference"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        shown["objects"]["objectReference"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(shown["cursor"].is_string());
}
