//! The same round of work on Dovecot, Cyrus and Courier, so that the shape of the bridge fits them all.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    objects::below_box,
    support::{
        courier, cyrus,
        store::{COURIER, CYRUS, Store},
        witness::quoted,
    },
};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/messages")
            .join(name),
    )
    .unwrap()
}

/// Login, list, get, flag, delete.
async fn objects(store: &Store) {
    let conversation = store.mailbox(&["Default", "tel:+15550101"]);
    let mut witness = store.witness().await;
    witness
        .command(&format!("CREATE {}", quoted(&conversation)))
        .await
        .ok();
    for name in [
        "f01-sms-in.eml",
        "f05-mms-plain.eml",
        "f06-chat-1to1-in.eml",
    ] {
        witness
            .append(&conversation, &fixture(name), "", None)
            .await;
    }
    let objects = store.objects("/Default/tel:+15550101").await;
    assert_eq!(objects.len(), 3, "{}", store.kind.name);

    let object = store.json("GET", &objects[1], None, 200).await;
    let parts = object["object"]["payloadPart"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "{}", store.kind.name);
    let stored = fixture("f05-mms-plain.eml");
    let body = &stored[stored
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4..];
    let payload = store
        .client
        .get(&store.target(&format!("{}/payload", objects[1])))
        .await
        .expect(200);
    assert_eq!(payload.body, body, "{}", store.kind.name);
    for part in parts {
        let served = store
            .client
            .get(&store.target(&below_box(&part["href"])))
            .await
            .expect(200);
        if let Some(size) = part["size"].as_u64() {
            assert!(
                size.abs_diff(served.body.len() as u64) < 4,
                "{}: {part}",
                store.kind.name
            );
        }
    }
    let chat = store.json("GET", &objects[0], None, 200).await;
    assert!(
        chat.to_string().contains("TextContent"),
        "{}",
        store.kind.name
    );
    witness.examine(&conversation).await;
    assert!(
        !witness.flags(2).await.contains("\\Seen"),
        "{}: reading sets nothing",
        store.kind.name
    );

    flag_and_delete(store, &objects, &object).await;
}

/// Deletes an object if nobody has changed it, with and without CONDSTORE.
async fn delete_as_seen(store: &Store, object: &str) {
    let name = store.kind.name;
    let shown = store.request("GET", object).send().await.expect(200);
    let stale = shown.header("etag").unwrap().to_owned();
    let flag = format!("{object}/flags/%5CFlagged");
    let change = |method: &str, resource: &str, tag: &str| {
        let request = store.request(method, resource);
        request.header("If-Match", tag).send()
    };
    let put = change("PUT", &flag, &stale).await;
    assert_eq!(put.status, 201, "{name}: {}", put.text());
    let known = store.request("GET", object).header("If-None-Match", &stale);
    let shown = known.send().await.expect(200);
    let tag = shown.header("etag").unwrap().to_owned();
    for (method, resource) in [("DELETE", object), ("DELETE", &flag)] {
        let answer = change(method, resource, &stale).await;
        assert_eq!(answer.status, 412, "{name}: {method} {resource}");
    }
    let known = store.request("GET", object).header("If-None-Match", &tag);
    known.send().await.expect(304);
    let deleted = change("DELETE", object, &tag).await;
    assert_eq!(deleted.status, 204, "{name}: {}", deleted.text());
}

/// The middle one of three objects, as it was when it was read.
async fn flag_and_delete(store: &Store, objects: &[String], object: &Value) {
    let seen = format!("{}/flags/%5CSeen", objects[1]);
    store
        .json("PUT", &seen, Some(json!({"empty": null})), 201)
        .await;
    store
        .json("PUT", &seen, Some(json!({"empty": null})), 204)
        .await;
    let after = store.json("GET", &objects[1], None, 200).await;
    assert!(
        after["object"]["lastModSeq"].as_u64() > object["object"]["lastModSeq"].as_u64(),
        "{}",
        store.kind.name
    );
    store
        .json(
            "PUT",
            &format!("{}/flags", objects[1]),
            Some(json!({"flag": ["\\read-report-sent"]})),
            200,
        )
        .await;
    store.json("GET", &seen, None, 404).await;
    store
        .json(
            "GET",
            &format!("{}/flags/%5Cread-report-sent", objects[1]),
            None,
            204,
        )
        .await;

    delete_as_seen(store, &objects[1]).await;
    store.json("GET", &objects[1], None, 404).await;
    assert_eq!(
        store.objects("/Default/tel:+15550101").await,
        [objects[0].clone(), objects[2].clone()],
        "{}",
        store.kind.name
    );
}

/// Create, rename with ids kept, remove.
async fn folders(store: &Store) {
    let create =
        |parent: &str, name: &str| json!({"folder": {"parentFolderPath": parent, "name": name}});
    store
        .json(
            "POST",
            "folders",
            Some(create("/Default", "jdoe@ex.com")),
            201,
        )
        .await;
    store
        .json(
            "POST",
            "folders",
            Some(create("/Default", "jdoe@ex.com")),
            409,
        )
        .await;
    let made = store
        .json(
            "POST",
            "folders",
            Some(create("/Default/jdoe@ex.com", "sub")),
            201,
        )
        .await;
    let sub = below_box(&made["reference"]["resourceURL"]);
    let top = store.folder("/Default/jdoe@ex.com").await;
    let wire = if store.kind.separator == '.' {
        "jdoe@ex%2Ecom"
    } else {
        "jdoe@ex.com"
    };
    let mailbox = store.mailbox(&["Default", wire, "sub"]);
    store
        .witness()
        .await
        .append(&mailbox, &fixture("f01-sms-in.eml"), "", None)
        .await;
    let object = store.objects("/Default/jdoe@ex.com/sub").await.remove(0);

    store
        .json(
            "PUT",
            &format!("{top}/folderName"),
            Some(json!({"name": "other name"})),
            200,
        )
        .await;
    for (id, path) in [
        (&top, "/Default/other name"),
        (&sub, "/Default/other name/sub"),
    ] {
        let shown = store
            .json("GET", &format!("{id}?path=Yes"), None, 200)
            .await;
        assert_eq!(shown["folder"]["path"], path, "{}", store.kind.name);
    }
    let shown = store.json("GET", &object, None, 200).await;
    assert_eq!(
        below_box(&shown["object"]["parentFolder"]),
        sub,
        "{}",
        store.kind.name
    );
    assert_eq!(
        store.objects("/Default/other name/sub").await,
        std::slice::from_ref(&object),
        "{}",
        store.kind.name
    );

    remove(store, &top, [&top, &sub, &object]).await;
}

/// A folder goes with all that is in it; the root stays, and a wrong password learns nothing.
async fn remove(store: &Store, top: &str, inside: [&String; 3]) {
    store.json("DELETE", top, None, 204).await;
    for id in inside {
        store.json("GET", id, None, 404).await;
    }
    let root = store
        .json("GET", "folders/operations/pathToId", None, 200)
        .await;
    let root = below_box(&root["reference"]["resourceURL"]);
    store.json("DELETE", &root, None, 403).await;
    store
        .client
        .basic(&store.login, "wrong")
        .get(&store.target(&root))
        .await
        .expect(401);
}

async fn round(store: Store) {
    objects(&store).await;
    folders(&store).await;
    store.stop().await;
}

#[tokio::test]
async fn dovecot_serves_the_round() {
    round(Store::dovecot("smoke").await).await;
}

#[tokio::test]
async fn cyrus_serves_the_round() {
    let server = cyrus::start().await;
    round(Store::new(CYRUS, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_serves_the_round() {
    let server = courier::start().await;
    round(Store::new(COURIER, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}
