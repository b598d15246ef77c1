//! Objects on each server.

use serde_json::{Value, json};

use super::{made, move_all, refused, relocated};
use crate::support::{
    bridge::Bridge,
    courier, cyrus, dovecot,
    proxy::Proxy,
    store::{COURIER, CYRUS, DOVECOT, Store},
    witness::{Witness, quoted},
};

const DATE: &str = "17-Jul-1996 02:44:25 -0700";

fn fixture(name: &str) -> Vec<u8> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
    std::fs::read(directory.join(name)).unwrap()
}

/// Folders A, B and C; in A three messages of which the second and third are the same.
async fn filled(store: &Store) {
    let mut witness = store.witness().await;
    for name in ["A", "B", "C"] {
        let mailbox = quoted(&store.mailbox(&[name]));
        witness.command(&format!("CREATE {mailbox}")).await.ok();
    }
    let a = store.mailbox(&["A"]);
    for (name, flags) in [
        ("f05-mms-plain.eml", "\\Seen kept"),
        ("f28-duplicate.eml", ""),
        ("f28-duplicate.eml", "\\Flagged"),
    ] {
        witness.append(&a, &fixture(name), flags, Some(DATE)).await;
    }
}

async fn object(store: &Store, id: &str) -> Value {
    store.json("GET", id, None, 200).await["object"].clone()
}

fn mod_seq(object: &Value) -> u64 {
    object["lastModSeq"].as_u64().unwrap()
}

fn flags(object: &Value) -> Vec<String> {
    let flags = object["flags"]["flag"].as_array().unwrap().iter();
    let mut flags: Vec<String> = flags
        .map(|flag| flag.as_str().unwrap().to_owned())
        .collect();
    flags.retain(|flag| flag != "\\Recent");
    flags.sort();
    flags
}

/// Flags and INTERNALDATE of all messages of a mailbox.
async fn dated(witness: &mut Witness, mailbox: &str) -> Vec<String> {
    witness.examine(mailbox).await;
    let reply = witness.command("UID FETCH 1:* (INTERNALDATE)").await.ok();
    let texts = reply.texts().into_iter();
    texts
        .filter_map(|text| text.split_once("INTERNALDATE "))
        .map(|(_, date)| date.to_owned())
        .collect()
}

/// What holds on every server, whatever way it takes.
async fn all(store: Store) {
    filled(&store).await;
    let name = store.kind.name;
    let folders = [
        store.folder("/A").await,
        store.folder("/B").await,
        store.folder("/C").await,
    ];
    let [a, b, c] = &folders;
    let ids = store.objects("/A").await;
    let (first, second, third) = (&ids[2], &ids[1], &ids[0]);
    let before = object(&store, first).await;
    let mut last = mod_seq(&before);

    // Copies: new ids, the same content, flags and dates; a bad source is one item.
    let bad = "objects/none";
    let items = relocated(&store, "copy", b, &[], &[first, bad, third, first]).await;
    assert_eq!(
        refused(&items[1]),
        (400, "SVC0002".to_owned(), vec![store.target(bad)])
    );
    let copies = [made(&items[0]), made(&items[2]), made(&items[3])];
    let mut listed = store.objects("/B").await;
    assert_eq!(listed.len(), 3, "{name}");
    let mut expected = copies.to_vec();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected, "{name}");
    let copy = object(&store, &copies[0]).await;
    assert_eq!(copy["attributes"], before["attributes"], "{name}");
    assert_eq!(flags(&copy), flags(&before), "{name}");
    let mut witness = store.witness().await;
    let dates = dated(&mut witness, &store.mailbox(&["A"])).await;
    assert_eq!(dates, dated(&mut witness, &store.mailbox(&["B"])).await);
    assert_eq!(store.objects("/A").await, ids, "{name}: nothing has gone");

    // Moved there, on, and back: one id, and lastModSeq rises.
    for (folder, path) in [(b, "/B"), (c, "/C"), (a, "/A"), (c, "/C")] {
        move_all(&store, folder, &[first]).await;
        let now = object(&store, first).await;
        let id = first.strip_prefix("objects/").unwrap();
        assert_eq!(now["path"], format!("{path}/{id}"), "{name}");
        assert_eq!(now["attributes"], before["attributes"], "{name}");
        assert_eq!(flags(&now), flags(&before), "{name}");
        assert!(mod_seq(&now) > last, "{name} {now} {last}");
        last = mod_seq(&now);
        assert!(store.objects(path).await.contains(first), "{name}");
        // Again: it is there already.
        move_all(&store, folder, &[first]).await;
        assert_eq!(mod_seq(&object(&store, first).await), last, "{name}");
    }
    assert_eq!(store.objects("/C").await, std::slice::from_ref(first));
    assert_eq!(store.objects("/A").await, [third.clone(), second.clone()]);
    for seen in [
        format!("{first}/flags/%5CAnswered"),
        format!("{first}/flags/$Forwarded"),
    ] {
        let empty = json!({"empty": null});
        store.json("PUT", &seen, Some(empty), 201).await;
        let now = mod_seq(&object(&store, first).await);
        assert!(now > last, "{name}");
        last = now;
    }

    // From two folders at once, one of them twice, and two that look alike.
    let items = relocated(&store, "move", b, &[], &[third, first, second, first]).await;
    let moved: Vec<String> = items.iter().map(made).collect();
    assert_eq!(
        [third, first, second, first].map(String::clone).to_vec(),
        moved
    );
    assert!(flags(&object(&store, third).await).contains(&"\\Flagged".to_owned()));
    assert!(flags(&object(&store, second).await).is_empty());
    assert_eq!(store.objects("/B").await.len(), 6, "{name}");
    for empty in ["/A", "/C"] {
        assert!(store.objects(empty).await.is_empty(), "{name}");
    }
    assert!(mod_seq(&object(&store, first).await) > last, "{name}");

    folders_take_them_along(&store, first, second).await;
    store.json("DELETE", second, None, 204).await;
    store.json("GET", second, None, 404).await;
    let items = relocated(&store, "move", a, &[], &[second]).await;
    assert_eq!(refused(&items[0]).0, 400, "{name}");
    store.stop().await;
}

/// Objects that live by aliases, in folders that are renamed and moved, in any order.
async fn folders_take_them_along(store: &Store, first: &str, second: &str) {
    let name = store.kind.name;
    let (a, b) = (store.folder("/A").await, store.folder("/B").await);
    let rename = async |folder: &str, name: &str| {
        let resource = format!("{folder}/folderName");
        let body = Some(json!({"name": name}));
        store.json("PUT", &resource, body, 200).await;
    };
    rename(&b, "B2").await;
    assert_eq!(store.objects("/B2").await.len(), 6, "{name}");
    move_all(store, &a, &[first]).await;
    rename(&a, "A2").await;
    move_all(store, &b, &[first]).await;
    let moved = relocated(store, "move", &a, &[&b], &[]).await;
    assert_eq!(made(&moved[0]), b, "{name}");
    let now = object(store, first).await;
    let id = first.strip_prefix("objects/").unwrap();
    assert_eq!(now["path"], format!("/A2/B2/{id}"), "{name}");
    let listed = store.objects("/A2/B2").await;
    assert!(listed.iter().any(|listed| listed == first), "{name}");
    rename(&b, "B").await;
    move_all(store, &a, &[second, first]).await;
    let payload = store
        .request("GET", &format!("{first}/payload"))
        .send()
        .await;
    payload.expect(200);
    assert_eq!(store.objects("/A2").await.len(), 2, "{name}");
}

/// In front of a Dovecot that seems to lack these.
async fn without(test: &str, hidden: &[&str]) -> Store {
    let account = dovecot::account(test);
    let proxy = Proxy::hiding(account.imap, hidden).await;
    let store = Store::new(DOVECOT, account.imap, proxy.address(), &account.login).await;
    // It goes on listening for as long as the test runs.
    std::mem::forget(proxy);
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_copied_and_moved_on_dovecot() {
    all(Store::dovecot("relocated").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_without_move() {
    all(without("without_move", &["MOVE"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_without_uidplus() {
    all(without("without_uidplus", &["UIDPLUS"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_without_either() {
    all(without("without_either", &["MOVE", "UIDPLUS"]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_without_mod_seq() {
    all(without("without_mod_seq", &["CONDSTORE", "QRESYNC"]).await).await;
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

#[tokio::test]
async fn a_moved_object_was_created_when_it_was_created() {
    let bridge = Bridge::builder("moved_created")
        .message("A", "f01-sms-in.eml")
        .folder("B")
        .start()
        .await;
    let created = async |since: &str, operator: &str| {
        let criterion = json!({"type": "CreatedObjects", "value": since});
        let criteria = json!({"criterion": [criterion], "operator": operator});
        let asked = json!({"selectionCriteria": {"searchCriteria": criteria}});
        let answer = bridge.post("objects/operations/search", &asked).await;
        let list = answer.expect(200).json()["objectList"].clone();
        let cursor = list["creationCursor"].as_str().unwrap().to_owned();
        (list["object"].as_array().unwrap().len(), cursor)
    };
    let (count, before) = created("", "And").await;
    assert_eq!(count, 1);
    let object = crate::objects::objects_of(&bridge, "/A").await.remove(0);
    let target = crate::objects::folder_of(&bridge, "/B").await;
    let moving = json!({"targetSourceRef": {
        "targetRef": {"resourceURL": bridge.target(&target)},
        "sourceRefs": {"objects": {"objectReference": [{"resourceURL": bridge.target(&object)}]}},
    }});
    let moved = bridge
        .post("folders/operations/moveToFolder", &moving)
        .await;
    assert_eq!(
        moved.expect(200).json()["bulkResponseList"]["response"][0]["code"],
        200
    );
    assert_eq!(created(&before, "And").await.0, 0);
    assert_eq!(created(&before, "Not").await.0, 1);
    let copied = bridge
        .post("folders/operations/copyToFolder", &moving)
        .await;
    copied.expect(200);
    assert_eq!(created(&before, "And").await.0, 1);
}
