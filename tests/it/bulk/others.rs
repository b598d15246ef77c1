//! Servers that have less: Courier has no MODSEQ and no extended search, Cyrus keeps a hundred keywords.

use serde_json::Value;

use super::{DELETE, UPDATE, items, removal, update};
use crate::support::{
    courier, cyrus,
    proxy::Proxy,
    store::{COURIER, CYRUS, DOVECOT, Store},
};

const MESSAGE: &[u8] = b"Subject: x\r\n\r\nbody\r\n";

async fn ask(store: &Store, resource: &str, body: &Value) -> Vec<String> {
    items(store.request("POST", resource).json(body).send().await)
}

/// Two folders, flags in both, and one object of each taken away.
async fn changes_them(store: &Store) {
    let mut witness = store.witness().await;
    let name = store.kind.name;
    let work = store.mailbox(&["Work"]);
    witness.command(&format!("CREATE {work}")).await.ok();
    let mut objects = Vec::new();
    for (mailbox, path) in [("INBOX", "/INBOX"), (work.as_str(), "/Work")] {
        for _ in 0..3 {
            witness.append(mailbox, MESSAGE, "", None).await;
        }
        objects.extend(store.objects(path).await);
    }
    assert_eq!(objects.len(), 6, "{name}");
    let urls: Vec<String> = objects.iter().map(|object| store.target(object)).collect();
    let urls: Vec<&str> = [0, 3, 2, 5].iter().map(|at| urls[*at].as_str()).collect();
    let add = update(
        "AddFlag",
        &["\\Flagged", "$Forwarded", "\\read-report-sent"],
        &urls,
    );
    for _ in 0..2 {
        let told = ask(store, UPDATE, &add).await;
        assert!(
            told.iter().all(|item| item.starts_with("200 ")),
            "{name}: {told:?}"
        );
    }
    let remove = update("RemoveFlag", &["$forwarded"], &urls[..2]);
    let told = ask(store, UPDATE, &remove).await;
    assert!(
        told.iter().all(|item| item.starts_with("200 ")),
        "{name}: {told:?}"
    );
    for mailbox in ["INBOX", &work] {
        witness.examine(mailbox).await;
        assert_eq!(witness.search("FLAGGED").await.len(), 2, "{name}");
        assert_eq!(
            witness.search("KEYWORD $Forwarded").await.len(),
            1,
            "{name}"
        );
    }
    let told = ask(store, DELETE, &removal(&[urls[1], urls[0], urls[1]])).await;
    assert!(
        told.iter().all(|item| item.starts_with("204 ")),
        "{name}: {told:?}"
    );
    for mailbox in ["INBOX", &work] {
        assert_eq!(witness.examine(mailbox).await, 2, "{name}");
        assert_eq!(witness.search("FLAGGED").await.len(), 1, "{name}");
    }
    let told = ask(store, DELETE, &removal(&[urls[0], urls[2]])).await;
    assert!(
        told[0].starts_with("404 SVC0004 ") && told[1].starts_with("204 "),
        "{name}: {told:?}"
    );
}

#[tokio::test]
async fn courier_changes_many() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    changes_them(&store).await;
    store.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn cyrus_changes_many_and_keeps_a_hundred_keywords() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    changes_them(&store).await;
    let objects = store.objects("/INBOX").await;
    let url = store.target(&objects[0]);
    let keywords: Vec<String> = (0..150).map(|number| format!("k{number}")).collect();
    let add = |range: std::ops::Range<usize>| {
        let keywords: Vec<&str> = keywords[range].iter().map(String::as_str).collect();
        update("AddFlag", &keywords, &[&url])
    };
    let told = ask(&store, UPDATE, &add(0..80)).await;
    assert!(told[0].starts_with("200 "), "{told:?}");
    let told = ask(&store, UPDATE, &add(80..150)).await;
    assert!(told[0].starts_with("403 POL2006 "), "{told:?}");
    store.stop().await;
    server.stop().await;
}

/// RFC 9051 §6.4.3: EXPUNGE takes what others have flagged too.
#[tokio::test]
async fn without_uidplus_many_go_only_when_nobody_else_has_flagged_any() {
    let account = crate::support::dovecot::account("bulk_without_uidplus");
    let proxy = Proxy::hiding(account.imap, &["UIDPLUS"]).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    changes_them(&store).await;
    let mut witness = store.witness().await;
    witness.append("INBOX", MESSAGE, "\\Deleted", None).await;
    let objects = store.objects("/INBOX").await;
    let url = store.target(&objects[1]);
    let told = ask(&store, DELETE, &removal(&[&url])).await;
    assert_eq!(told, ["403 POL2006 DeleteObject"]);
    let count = witness.examine("INBOX").await;
    assert_eq!(
        witness.search("DELETED").await.len(),
        1,
        "nothing was flagged"
    );
    // Named, it may go too.
    let other = store.target(&objects[0]);
    let told = ask(&store, DELETE, &removal(&[&url, &other])).await;
    assert!(told.iter().all(|item| item.starts_with("204 ")), "{told:?}");
    assert_eq!(witness.examine("INBOX").await, count - 2);
}
