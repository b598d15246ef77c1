//! What goes in comes out: each fixture is read through REST, created anew from exactly that in another folder, and read again. What
//! was stored then is read by another reader too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use mail_parser::{HeaderName, MessageParser};
use serde_json::{Value, json};

use super::{Form, Stored, made};
use crate::{
    objects::below_box,
    support::{
        courier, cyrus,
        store::{COURIER, CYRUS, Store},
        strict::{self, Entity},
        witness::quoted,
    },
};

/// Fixtures that are no CPM objects, or that REST has no way to say: made to be unreadable, or with a NUL.
const ASIDE: [&str; 8] = [
    "f14b-ft-msrp-nul",
    "f30a-hostile-header",
    "f30b-hostile-depth",
    "f30c-hostile-parts",
    "f31-8bit-header",
    "f32-nul-body",
    "f33-headerless",
    "f34-zero-length",
];
/// What does not come out as it went in, for a message cannot hold it, but comes out the same from then on: quotes that are not
/// US-ASCII in a header and a multipart that breaks off (contract §3.2), and the type of a content that is not there.
const REPAIRED: [&str; 2] = ["f15-ft-msrp-broken", "f18-sio-empty"];
/// One of each kind.
const SOME: [&str; 9] = [
    "f02-sms-out-utf8",
    "f04-mms-cpim",
    "f05-mms-plain",
    "f08-chat-group",
    "f14a-ft-msrp",
    "f19a-gso",
    "f23a-media",
    "f26-draft",
    "f27-flags",
];
const CONVERSATION: [&str; 2] = ["Default", "tel:+15550101"];

fn fixtures(directory: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures").join(directory)
}

/// All that REST can say.
fn stems() -> Vec<String> {
    let files = fs::read_dir(fixtures("messages")).unwrap();
    let stems = files.map(|file| {
        let path = file.unwrap().path();
        path.file_stem().unwrap().to_str().unwrap().to_owned()
    });
    let mut stems: Vec<String> = stems
        .filter(|stem| !ASIDE.contains(&stem.as_str()))
        .collect();
    stems.sort();
    stems
}

/// All that REST shows of an object but where it is.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    /// Without URLs and `lastModSeq`.
    object: Value,
    content_type: String,
    payload: Vec<u8>,
    parts: Vec<Vec<u8>>,
}

async fn shown(store: &Store, path: &str) -> Shown {
    let mut object = store.json("GET", path, None, 200).await["object"].take();
    let bytes = async |resource: &str| store.request("GET", resource).send().await.expect(200);
    let mut parts = Vec::new();
    for part in object["payloadPart"].as_array_mut().into_iter().flatten() {
        let href = below_box(&part["href"].take());
        assert!(href.starts_with(&format!("{path}/payloadParts/")));
        parts.push(bytes(&href).await.body);
    }
    let payload = bytes(&format!("{path}/payload")).await;
    if !object["payloadURL"].is_null() {
        object["payloadURL"] = json!("there");
    }
    let flags: BTreeSet<String> = serde_json::from_value(object["flags"]["flag"].take()).unwrap();
    let flags: Vec<&String> = flags.iter().filter(|flag| *flag != "\\Recent").collect();
    object["flags"] = json!({"flag": flags});
    for place in ["parentFolder", "resourceURL", "path", "lastModSeq"] {
        assert!(object.as_object_mut().unwrap().remove(place).is_some());
    }
    Shown {
        object,
        content_type: payload
            .header("content-type")
            .unwrap_or_default()
            .to_owned(),
        payload: payload.body,
        parts,
    }
}

/// Creates it from what was read; as a path below the box.
async fn create(store: &Store, shown: &Shown) -> String {
    let mut object = json!({"parentFolderPath": "/Anew/tel:+15550101"});
    for member in ["attributes", "flags", "correlationId", "correlationTag"] {
        object[member] = shown.object[member].clone();
    }
    let mut form = Form::new(&json!({"object": object}));
    if !shown.payload.is_empty() {
        form = form.attachment(&shown.content_type, &shown.payload);
    }
    made(form.on(store.request("POST", "objects")).send().await).object
}

/// Stores the fixtures as another IMAP client would; the objects they are, in their order.
async fn stored(store: &Store, stems: &[String]) -> Vec<String> {
    let mut witness = store.witness().await;
    let mailbox = store.mailbox(&CONVERSATION);
    let create = format!("CREATE {}", quoted(&mailbox));
    witness.command(&create).await.ok();
    for stem in stems {
        let message = fs::read(fixtures("messages").join(format!("{stem}.eml"))).unwrap();
        let expected = fs::read(fixtures("json").join(format!("{stem}.json"))).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        let flags: Vec<String> = serde_json::from_value(expected["flags"].clone()).unwrap();
        let date = expected["internalDate"].as_str().unwrap();
        let date = chrono::DateTime::parse_from_rfc3339(date).unwrap();
        let date = date.format("%d-%b-%Y %H:%M:%S %z").to_string();
        witness
            .append(&mailbox, &message, &flags.join(" "), Some(&date))
            .await;
    }
    let mut objects = store.objects("/Default/tel:+15550101").await;
    objects.reverse();
    assert_eq!(objects.len(), stems.len());
    objects
}

async fn round(store: &Store, stems: &[String]) {
    let objects = stored(store, stems).await;
    let mut witness = store.witness().await;
    let mut wrong = Vec::new();
    for (stem, object) in stems.iter().zip(&objects) {
        let mut before = shown(store, object).await;
        let mut after = shown(store, &create(store, &before).await).await;
        if REPAIRED.contains(&stem.as_str()) {
            assert_ne!(before, after, "{stem}");
            before = after;
            after = shown(store, &create(store, &before).await).await;
        }
        wrong.extend(
            differences(&before, &after)
                .into_iter()
                .map(|difference| format!("{stem}: {difference}")),
        );
        let mailbox = store.mailbox(&["Anew", CONVERSATION[1]]);
        witness.examine(&mailbox).await;
        let stored = Stored::newest(&mut witness).await;
        let read = strict::read(&stored.bytes);
        match read {
            Ok(entity) => wrong.extend(disagreements(stem, &entity, &after)),
            Err(broken) => wrong.push(format!("{stem}: {broken}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: {}",
        store.kind.name,
        wrong.join("\n")
    );
}

/// What is another in the second. The order of attributes means nothing.
fn differences(before: &Shown, after: &Shown) -> Vec<String> {
    let mut wrong = Vec::new();
    let members = |shown: &Shown| -> BTreeMap<String, Value> {
        let mut object = shown.object.clone();
        let attributes = object["attributes"]["attribute"].take();
        let attributes = attributes.as_array().unwrap().iter();
        let attributes: BTreeMap<String, Value> = attributes
            .map(|attribute| {
                let name = attribute["name"].as_str().unwrap().to_ascii_lowercase();
                (name, attribute["value"].clone())
            })
            .collect();
        let members = object.as_object().unwrap().clone().into_iter();
        members.chain(attributes).collect()
    };
    let (one, other) = (members(before), members(after));
    for name in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
        if one.get(name) != other.get(name) {
            wrong.push(format!(
                "{name}: {:?}, then {:?}",
                one.get(name),
                other.get(name)
            ));
        }
    }
    if before.content_type != after.content_type {
        wrong.push(format!(
            "{}, then {}",
            before.content_type, after.content_type
        ));
    }
    let octets = |shown: &Shown| {
        let payload = std::iter::once(&shown.payload);
        payload.chain(&shown.parts).cloned().collect::<Vec<_>>()
    };
    for (index, (one, other)) in octets(before).iter().zip(octets(after)).enumerate() {
        if *one != other {
            let [one, other] =
                [one, &other].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            wrong.push(format!("octets of {index}: {one:?}, then {other:?}"));
        }
    }
    wrong
}

/// What the strict reader finds in a stored message and REST does not show, or shows otherwise.
fn disagreements(stem: &str, entity: &Entity, shown: &Shown) -> Vec<String> {
    let mut wrong = Vec::new();
    if entity.content != shown.payload {
        wrong.push(format!("{stem}: the payload"));
    }
    if !entity.parts.is_empty() {
        let parts: Vec<&[u8]> = entity.parts.iter().map(|part| &part.content[..]).collect();
        if parts != shown.parts {
            wrong.push(format!("{stem}: the parts"));
        }
    }
    let attributes = shown.object["attributes"]["attribute"].as_array().unwrap();
    for attribute in attributes {
        let name = attribute["name"].as_str().unwrap();
        let fields = entity.all(name);
        let values: Vec<&str> = attribute["value"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap())
            .collect();
        // Those without a field are of the content.
        let agrees = match name {
            _ if fields.is_empty() => true,
            "Date" => true,
            "From" | "To" | "Cc" | "Bcc" => values.len() == 1 || fields[0].contains(values[0]),
            _ => fields
                .iter()
                .map(|field| decoded(field))
                .eq(values.iter().map(|value| (*value).to_owned())),
        };
        if !agrees {
            let fields: Vec<String> = fields.iter().map(|field| decoded(field)).collect();
            wrong.push(format!("{stem}: {name}: {fields:?}, and {values:?}"));
        }
    }
    wrong
}

/// The text of an unstructured field (RFC 2047).
fn decoded(field: &str) -> String {
    let message = format!("Date: 1\r\nSubject: {field}\r\n\r\n");
    let parser = MessageParser::new().header_text(HeaderName::Subject);
    let message = parser.parse_headers(message.as_bytes()).unwrap();
    message.subject().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn every_fixture_comes_out_as_it_went_in() {
    let stems = stems();
    assert!(stems.len() >= 34, "{stems:?}");
    let store = Store::dovecot("round").await;
    round(&store, &stems).await;
    store.stop().await;
}

#[tokio::test]
async fn what_goes_into_cyrus_comes_out_as_it_went_in() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    round(&store, &SOME.map(str::to_owned)).await;
    store.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn what_goes_into_courier_comes_out_as_it_went_in() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    round(&store, &SOME.map(str::to_owned)).await;
    store.stop().await;
    server.stop().await;
}
