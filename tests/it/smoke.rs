//! The same round of work on Dovecot, Cyrus and Courier, so that the shape of the bridge fits them all.

use std::{net::SocketAddr, path::Path};

use cpm_bridge::demo::service::{self, Service};
use serde_json::{Value, json};

use crate::{
    objects::below_box,
    support::{
        courier, cyrus, dovecot,
        http::Client,
        witness::{Witness, quoted},
    },
};

/// A box on some server, by REST and by IMAP.
struct Store {
    name: &'static str,
    service: Service,
    client: Client,
    login: String,
    imap: SocketAddr,
    /// Personal prefix and separator, as a client of this server knows them.
    prefix: &'static str,
    separator: char,
}

impl Store {
    async fn new(
        name: &'static str,
        imap: SocketAddr,
        login: &str,
        prefix: &'static str,
        separator: char,
    ) -> Self {
        let configuration = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[stores]]\nname = \"cpm\"\nhost = \"{}\"\nport = {}\ntls = \"off\"\n",
            imap.ip(),
            imap.port()
        );
        let service = service::start(&configuration).await.unwrap();
        let client = Client::new(service.http).basic(login, "secret");
        Self {
            name,
            service,
            client,
            login: login.to_owned(),
            imap,
            prefix,
            separator,
        }
    }

    fn target(&self, resource: &str) -> String {
        format!(
            "/nms/v1/cpm/tel:{}/{resource}",
            self.login.replace('+', "%2B")
        )
    }

    async fn json(&self, method: &str, resource: &str, body: Option<Value>, status: u16) -> Value {
        let mut request = self.client.request(method, &self.target(resource));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await;
        assert_eq!(
            answer.status,
            status,
            "{} {method} {resource}: {}",
            self.name,
            answer.text()
        );
        if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        }
    }

    fn mailbox(&self, levels: &[&str]) -> String {
        format!(
            "{}{}",
            self.prefix,
            levels.join(&self.separator.to_string())
        )
    }

    async fn witness(&self) -> Witness {
        Witness::login(self.imap, &self.login).await
    }

    async fn folder(&self, path: &str) -> String {
        let path = path
            .replace('+', "%2B")
            .replace('&', "%26")
            .replace(' ', "%20");
        let found = self
            .json(
                "GET",
                &format!("folders/operations/pathToId?path={path}"),
                None,
                200,
            )
            .await;
        below_box(&found["reference"]["resourceURL"])
    }

    async fn objects(&self, path: &str) -> Vec<String> {
        let folder = self.folder(path).await;
        let listed = self
            .json("GET", &format!("{folder}?listFilter=All"), None, 200)
            .await;
        let references = listed["folder"]["objects"]["objectReference"]
            .as_array()
            .unwrap();
        references
            .iter()
            .map(|reference| below_box(&reference["resourceURL"]))
            .collect()
    }
}

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
    assert_eq!(objects.len(), 3, "{}", store.name);

    let object = store.json("GET", &objects[1], None, 200).await;
    let parts = object["object"]["payloadPart"].as_array().unwrap();
    assert_eq!(parts.len(), 3, "{}", store.name);
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
    assert_eq!(payload.body, body, "{}", store.name);
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
                store.name
            );
        }
    }
    let chat = store.json("GET", &objects[0], None, 200).await;
    assert!(chat.to_string().contains("TextContent"), "{}", store.name);
    witness.examine(&conversation).await;
    assert!(
        !witness.flags(2).await.contains("\\Seen"),
        "{}: reading sets nothing",
        store.name
    );

    flag_and_delete(store, &objects, &object).await;
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
        store.name
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

    store.json("DELETE", &objects[1], None, 204).await;
    store.json("GET", &objects[1], None, 404).await;
    assert_eq!(
        store.objects("/Default/tel:+15550101").await,
        [objects[0].clone(), objects[2].clone()],
        "{}",
        store.name
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
    let wire = if store.separator == '.' {
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
        assert_eq!(shown["folder"]["path"], path, "{}", store.name);
    }
    let shown = store.json("GET", &object, None, 200).await;
    assert_eq!(
        below_box(&shown["object"]["parentFolder"]),
        sub,
        "{}",
        store.name
    );
    assert_eq!(
        store.objects("/Default/other name/sub").await,
        std::slice::from_ref(&object),
        "{}",
        store.name
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
    store.service.stop().await;
}

#[tokio::test]
async fn dovecot_serves_the_round() {
    let account = dovecot::account("smoke");
    round(Store::new("Dovecot", account.imap, &account.login, "", '/').await).await;
}

#[tokio::test]
async fn cyrus_serves_the_round() {
    let server = cyrus::start().await;
    round(Store::new("Cyrus", server.imap, "+15550100", "", '/').await).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_serves_the_round() {
    let server = courier::start().await;
    round(Store::new("Courier", server.imap, "+15550100", "INBOX.", '.').await).await;
    server.stop().await;
}
