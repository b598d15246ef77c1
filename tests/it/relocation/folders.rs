//! Folders on each server.

use serde_json::{Value, json};

use super::{asking, made, move_all, refused, relocated};
use crate::support::{
    courier, cyrus,
    store::{COURIER, CYRUS, Store},
    witness::quoted,
};

const DATE: &str = "17-Jul-1996 02:44:25 +0000";

/// Folders A, A/B and A/B/C with messages in the first and the last, T, and a message in INBOX. Where UIDs can have gaps they do.
async fn filled(store: &Store) {
    let mut witness = store.witness().await;
    for levels in [&["A"][..], &["A", "B"], &["A", "B", "C"], &["T"]] {
        let mailbox = quoted(&store.mailbox(levels));
        witness.command(&format!("CREATE {mailbox}")).await.ok();
    }
    let deep = store.mailbox(&["A", "B", "C"]);
    for (mailbox, count) in [("INBOX", 1), (&store.mailbox(&["A"]), 4), (&deep, 4)] {
        for number in 0..count {
            let message = format!("Subject: {number}\r\nFrom: a@example.org\r\n\r\ntext\r\n");
            let message = message.as_bytes();
            witness.append(mailbox, message, "\\Seen", Some(DATE)).await;
        }
    }
    for mailbox in [store.mailbox(&["A"]), deep] {
        let select = format!("SELECT {}", quoted(&mailbox));
        for command in [&select, "UID STORE 2 +FLAGS (\\Deleted)", "EXPUNGE"] {
            witness.command(command).await.ok();
        }
    }
}

/// Subjects of the objects of a folder, newest first, by their ids.
async fn subjects(store: &Store, path: &str) -> Vec<(String, String)> {
    let mut subjects = Vec::new();
    for id in store.objects(path).await {
        let object = store.json("GET", &id, None, 200).await;
        let attributes = object["object"]["attributes"]["attribute"]
            .as_array()
            .unwrap();
        let subject = attributes
            .iter()
            .find(|attribute| attribute["name"] == "Subject");
        let subject = subject.unwrap()["value"][0].as_str().unwrap().to_owned();
        subjects.push((id, subject));
    }
    subjects
}

fn only_subjects(subjects: &[(String, String)]) -> Vec<&str> {
    subjects
        .iter()
        .map(|(_, subject)| subject.as_str())
        .collect()
}

async fn all(store: Store) {
    filled(&store).await;
    let name = store.kind.name;
    let [a, b, deep, target] = [
        store.folder("/A").await,
        store.folder("/A/B").await,
        store.folder("/A/B/C").await,
        store.folder("/T").await,
    ];
    let before = subjects(&store, "/A/B/C").await;
    assert_eq!(only_subjects(&before), ["3", "2", "0"], "{name}");

    // A copy is another folder, with others below it, and the same in them.
    let copied = relocated(&store, "copy", &target, &[&a], &[]).await;
    let copy = made(&copied[0]);
    assert_eq!(copied[0]["success"]["path"], "/T/A", "{name}");
    assert_eq!(copy, store.folder("/T/A").await, "{name}");
    assert_ne!(copy, a, "{name}");
    for (old, new, kept) in [
        ("/A", "/T/A", 3),
        ("/A/B", "/T/A/B", 0),
        ("/A/B/C", "/T/A/B/C", 3),
    ] {
        let (old, new) = (subjects(&store, old).await, subjects(&store, new).await);
        assert_eq!(only_subjects(&old), only_subjects(&new), "{name}");
        assert_eq!(new.len(), kept, "{name}");
        assert!(
            old.iter().zip(&new).all(|(old, new)| old.0 != new.0),
            "{name}"
        );
    }
    assert_eq!(subjects(&store, "/A/B/C").await, before, "{name}");
    let mut witness = store.witness().await;
    witness.examine(&store.mailbox(&["T", "A", "B", "C"])).await;
    let reply = witness
        .command("UID FETCH 1:* (FLAGS INTERNALDATE)")
        .await
        .ok();
    for text in reply.texts() {
        assert!(
            text.contains("\\Seen") && text.contains(DATE),
            "{name} {text}"
        );
    }
    let again = relocated(&store, "copy", &target, &[&a], &[]).await;
    let taken = (
        409,
        "SVC0005".to_owned(),
        vec!["A".to_owned(), "name".to_owned()],
    );
    assert_eq!(refused(&again[0]), taken, "{name}");

    // Moved: the same folder, its objects and all below it with their ids.
    let counter = |folder: &Value| folder["folder"]["lastModSeq"].as_u64().unwrap();
    let last = counter(&store.json("GET", &b, None, 200).await);
    let items = relocated(&store, "move", &target, &[&b, &b], &[]).await;
    assert_eq!(
        [made(&items[0]), made(&items[1])],
        [b.clone(), b.clone()],
        "{name}"
    );
    assert_eq!(items[0]["success"]["path"], "/T/B", "{name}");
    let now = store.json("GET", &format!("{b}?path=Yes"), None, 200).await;
    assert_eq!(now["folder"]["path"], "/T/B", "{name}");
    assert!(counter(&now) > last, "{name}");
    assert_eq!(store.folder("/T/B/C").await, deep, "{name}");
    assert_eq!(subjects(&store, "/T/B/C").await, before, "{name}");
    // An id that was another's UID is not that other's now.
    let gone = &before[2].0;
    move_all(&store, &a, &[gone]).await;
    assert_eq!(subjects(&store, "/T/B/C").await, before[..2], "{name}");

    into_itself(&store, &target, &copy, &b).await;
    system_folders(&store, &target, &b).await;
    store.stop().await;
}

/// A folder is not moved or copied into itself or below itself.
async fn into_itself(store: &Store, target: &str, copy: &str, b: &str) {
    let before = store.objects("/T/B/C").await;
    for operation in ["move", "copy"] {
        for into in [target, copy, b] {
            let items = relocated(store, operation, into, &[target], &[]).await;
            let url = store.target(target);
            let expected = (400, "SVC0002".to_owned(), vec![url]);
            assert_eq!(refused(&items[0]), expected, "{operation} {into}");
        }
    }
    assert_eq!(store.objects("/T/B/C").await, before);
}

/// INBOX and roots.
async fn system_folders(store: &Store, target: &str, b: &str) {
    let name = store.kind.name;
    let inbox = store.folder("/INBOX").await;
    let root = store.folder("/").await;
    let system = (403, "POL0001".to_owned(), vec!["SystemFolder".to_owned()]);
    let items = relocated(store, "move", target, &[&inbox, &root], &[]).await;
    for item in &items {
        assert_eq!(refused(item), system, "{name}");
    }
    let items = relocated(store, "copy", target, &[&inbox, &root], &[]).await;
    made(&items[0]);
    assert_eq!(subjects(store, "/T/INBOX").await.len(), 1, "{name}");
    assert_eq!(subjects(store, "/INBOX").await.len(), 1, "{name}");
    let expected = (400, "SVC0002".to_owned(), vec![store.target(&root)]);
    assert_eq!(refused(&items[1]), expected, "{name}");
    // The root that is the whole box takes folders, and no objects.
    let items = relocated(store, "move", &root, &[b], &[]).await;
    assert_eq!(made(&items[0]), *b, "{name}");
    assert_eq!(store.folder("/B").await, *b, "{name}");
    let object = store.objects("/INBOX").await.remove(0);
    for operation in ["move", "copy"] {
        let body = asking(store, &root, &[b], &[&object]);
        let resource = format!("folders/operations/{operation}ToFolder");
        let answer = store.json("POST", &resource, Some(body), 403).await;
        let exception = &answer["requestError"]["policyException"];
        assert_eq!(exception["messageId"], "POL1031", "{name}");
        assert_eq!(
            exception["variables"],
            json!([store.target(&root)]),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_are_copied_and_moved_on_dovecot() {
    all(Store::dovecot("folders_relocated").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_on_cyrus() {
    let server = cyrus::start().await;
    all(Store::new(CYRUS, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_on_courier() {
    let server = courier::start().await;
    all(Store::new(COURIER, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

/// It keeps its id when it becomes one for objects.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_folders_takes_the_first_object() {
    let store = Store::dovecot("takes_the_first").await;
    let mut witness = store.witness().await;
    witness.command("CREATE N/below").await.ok();
    let message = b"Subject: x\r\n\r\ny\r\n";
    witness.append("INBOX", message, "", None).await;
    let folder = store.folder("/N").await;
    let object = store.objects("/INBOX").await.remove(0);
    let items = relocated(&store, "move", &folder, &[], &["objects/none"]).await;
    assert_eq!(refused(&items[0]).0, 400);
    let listed = witness.command("LIST \"\" N").await.ok();
    assert!(
        listed.texts()[0].contains("\\Noselect"),
        "nothing was to be put there"
    );
    move_all(&store, &folder, &[&object]).await;
    assert_eq!(store.folder("/N").await, folder);
    assert_eq!(store.objects("/N").await, [object]);
}

/// Where UIDs begin anew, an id is that of the message it was, or nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_rename_on_courier_shows_no_other_message() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    filled(&store).await;
    let a = store.folder("/A").await;
    let before = subjects(&store, "/A").await;
    let (newest, _) = &before[0];
    store.json("DELETE", newest, None, 204).await;
    for name in ["A2", "A3", "A"] {
        let body = Some(json!({"name": name}));
        store
            .json("PUT", &format!("{a}/folderName"), body, 200)
            .await;
        let path = format!("/{name}");
        assert_eq!(subjects(&store, &path).await, before[1..], "{name}");
        store.json("GET", newest, None, 404).await;
    }
    let mut witness = store.witness().await;
    let message = b"Subject: new\r\n\r\nx\r\n";
    witness
        .append(&store.mailbox(&["A"]), message, "", None)
        .await;
    let after = subjects(&store, "/A").await;
    assert_eq!(after[1..], before[1..]);
    assert_eq!(after[0].1, "new");
    assert!(before.iter().all(|(id, _)| *id != after[0].0));
    store.json("GET", newest, None, 404).await;
    store.stop().await;
    server.stop().await;
}
