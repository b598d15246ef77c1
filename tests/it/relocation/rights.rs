//! What the store does not allow, and how many commands it takes to move much.

use serde_json::json;

use super::{made, refused, relocated};
use crate::support::{
    cyrus, dovecot,
    proxy::Proxy,
    store::{CYRUS, DOVECOT, Store},
    witness::Witness,
};

/// Folders A and B, and so many messages in A.
async fn filled(witness: &mut Witness, count: usize) {
    for mailbox in ["A", "B"] {
        witness.command(&format!("CREATE {mailbox}")).await.ok();
    }
    for number in 0..count {
        let message = format!("Subject: {number}\r\nFrom: a@example.org\r\n\r\nx\r\n");
        witness.append("A", message.as_bytes(), "", None).await;
    }
}

/// An object that may not leave does not, and is in one folder only; one that may not arrive does not. Rights are as they were when a
/// session of Dovecot began, so each case has a box of its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_is_not_moved_and_not_doubled() {
    for hidden in [&[][..], &["MOVE"], &["MOVE", "UIDPLUS"]] {
        for (mailbox, rights) in [("A", "lrswipkxa"), ("A", "lrswitpkxa"), ("B", "lrstekxa")] {
            let case = format!("{hidden:?} {mailbox} {rights}");
            let account = dovecot::account("not_allowed");
            let mut witness = account.witness().await;
            filled(&mut witness, 1).await;
            let set = format!("SETACL {mailbox} {} {rights}", account.login);
            witness.command(&set).await.ok();
            let proxy = Proxy::hiding(account.imap, hidden).await;
            let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
            let b = store.folder("/B").await;
            let object = store.objects("/A").await.remove(0);
            let items = relocated(&store, "move", &b, &[], &[&object]).await;
            let forbidden = (403, "POL0001".to_owned(), vec!["NotAuthorized".to_owned()]);
            assert_eq!(refused(&items[0]), forbidden, "{case}");
            let mut witness = account.witness().await;
            assert_eq!(witness.examine("B").await, 0, "{case}");
            assert_eq!(witness.examine("A").await, 1, "{case}");
            let flags = witness.flags(1).await;
            assert!(!flags.contains("\\Deleted"), "{case}");
            assert_eq!(
                store.objects("/A").await,
                std::slice::from_ref(&object),
                "{case}"
            );
            store.stop().await;
        }
    }
}

/// Without UID EXPUNGE what others have flagged would go with it.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_have_flagged_stays_and_nothing_is_moved() {
    let account = dovecot::account("others_flagged");
    let proxy = Proxy::hiding(account.imap, &["MOVE", "UIDPLUS"]).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    let mut witness = store.witness().await;
    filled(&mut witness, 2).await;
    let b = store.folder("/B").await;
    let newest = store.objects("/A").await.remove(0);
    witness.command("SELECT A").await.ok();
    witness.command("UID STORE 1 +FLAGS (\\Deleted)").await.ok();
    let items = relocated(&store, "move", &b, &[], &[&newest]).await;
    let unsupported = (403, "POL2006".to_owned(), vec!["MoveToFolder".to_owned()]);
    assert_eq!(refused(&items[0]), unsupported);
    assert_eq!(witness.examine("A").await, 2);
    assert_eq!(witness.examine("B").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_room_for_is_over_quota() {
    let account = dovecot::account("copies_over_quota");
    account.limit_storage(100).await;
    let store = Store::new(DOVECOT, account.imap, account.imap, &account.login).await;
    let mut witness = store.witness().await;
    filled(&mut witness, 1).await;
    let large = format!("Subject: large\r\n\r\n{}\r\n", "x".repeat(60_000));
    witness.append("A", large.as_bytes(), "", None).await;
    let b = store.folder("/B").await;
    let object = store.objects("/A").await.remove(0);
    let full = (403, "POL0001".to_owned(), vec!["OverQuota".to_owned()]);
    let items = relocated(&store, "copy", &b, &[], &[&object, &object]).await;
    assert_eq!(refused(&items[1]), full);
    let folder = store.folder("/A").await;
    let items = relocated(&store, "copy", &b, &[&folder], &[]).await;
    assert_eq!(refused(&items[0]), full);
}

/// Hidden objects are none.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_no_source() {
    let bridge = crate::support::bridge::Bridge::builder("hidden_source")
        .message("A", "f01-sms-in.eml")
        .folder("B")
        .setting("[objects]\ndeleted = \"hide\"")
        .start()
        .await;
    let object = crate::objects::objects_of(&bridge, "/A").await.remove(0);
    let b = crate::objects::folder_of(&bridge, "/B").await;
    let mut witness = bridge.witness().await;
    witness.command("SELECT A").await.ok();
    witness.command("UID STORE 1 +FLAGS (\\Deleted)").await.ok();
    let body = json!({
        "targetRef": {"resourceURL": bridge.target(&b)},
        "sourceRefs": {"objects": {"objectReference": [{"resourceURL": bridge.target(&object)}]}},
    });
    for operation in ["copy", "move"] {
        let resource = format!("folders/operations/{operation}ToFolder");
        let answer = bridge.post(&resource, &body).await.expect(200).json();
        let item = &answer["bulkResponseList"]["response"][0];
        let url = bridge.target(&object);
        assert_eq!(refused(item), (400, "SVC0002".to_owned(), vec![url]));
    }
    assert_eq!(bridge.imap_count("B").await, 0);
}

/// What was said to the store from some point on, command by command.
fn commands(proxy: &Proxy, skipped: usize) -> Vec<String> {
    let said: Vec<u8> = proxy.said().concat();
    let text = String::from_utf8_lossy(&said);
    let lines = text.lines().skip(skipped);
    lines
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect()
}

async fn a_thousand(store: Store, proxy: &Proxy) {
    let mut witness = store.witness().await;
    filled(&mut witness, 1000).await;
    let b = store.folder("/B").await;
    let mut ids = Vec::new();
    let mut folder = format!(
        "{}?listFilter=Objects&maxEntries=500",
        store.folder("/A").await
    );
    for _ in 0..2 {
        let page = store.json("GET", &folder, None, 200).await;
        let objects = page["folder"]["objects"]["objectReference"]
            .as_array()
            .unwrap();
        ids.extend(
            objects
                .iter()
                .map(|object| crate::objects::below_box(&object["resourceURL"])),
        );
        let cursor = page["folder"]["cursor"].as_str().unwrap_or_default();
        folder = format!("{folder}&fromCursor={cursor}");
    }
    assert_eq!(ids.len(), 1000);
    let before = commands(proxy, 0).len();
    let objects: Vec<&str> = ids.iter().map(String::as_str).collect();
    let items = relocated(&store, "move", &b, &[], &objects).await;
    assert_eq!(items.iter().map(made).collect::<Vec<_>>(), ids);
    let commands = commands(proxy, before);
    eprintln!("{} moves 1000 with {commands:?}", store.kind.name);
    assert!(commands.len() <= 9, "{commands:?}");
    assert!(commands.iter().all(|command| command.len() < 8192));
    assert_eq!(witness.examine("B").await, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_objects_are_moved_by_a_few_commands() {
    let account = dovecot::account("a_thousand");
    let proxy = Proxy::recording(account.imap).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    a_thousand(store, &proxy).await;
    let server = cyrus::start().await;
    let proxy = Proxy::recording(server.imap).await;
    let store = Store::new(CYRUS, server.imap, proxy.address(), "+15550100").await;
    a_thousand(store, &proxy).await;
    server.stop().await;
}
