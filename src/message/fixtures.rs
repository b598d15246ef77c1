//! Every message in `fixtures/messages` against the object written by hand for it in `fixtures/json`.
//!
//! Beside `object` such a file says how the message is stored: `folder`, `flags`, `internalDate`, and where they apply
//! `copies` (appended that often), `alsoIn` (further folders) and `literal8` (holds NUL). `object.flags` is there where
//! the flags shown differ from those stored. A part without `size` is a multipart, which has none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use chrono::DateTime;
use serde_json::{Value, json};

use super::{Attribute, ContentType, Cpim, CpimPart, Header, attributes, decode, text};

/// The default of `objects.text_content_max`.
const TEXT_CONTENT_MAX: usize = 8192;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

fn stems(name: &str, extension: &str) -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(directory(name))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file.starts_with('f') && file[1..].starts_with(char::is_numeric))
        .map(|file| file.strip_suffix(extension).unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

fn sha256(bytes: &[u8]) -> String {
    let value = digest::digest(&digest::SHA256, bytes);
    value
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Header and body at the first blank line, found without the code under test.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = message.strip_prefix(b"\r\n") {
        return (b"", body);
    }
    match message.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => (&message[..at + 4], &message[at + 4..]),
        None => (message, b""),
    }
}

fn part(part: &CpimPart, payload: &[u8]) -> Value {
    let content = decode(part.encoding, &payload[part.range.clone()]);
    let mut value = json!({
        "id": part.id, "contentType": part.content_type, "size": content.len(), "sha256": sha256(&content),
    });
    for (name, optional) in [
        ("contentId", &part.content_id),
        ("contentLocation", &part.content_location),
        ("contentDisposition", &part.content_disposition),
    ] {
        if let Some(text) = optional {
            value[name] = json!(text);
        }
    }
    value
}

fn by_name(list: &[Attribute]) -> BTreeMap<String, Value> {
    list.iter()
        .map(|attribute| (attribute.name.clone(), json!(attribute.values)))
        .collect()
}

fn check(stem: &str) {
    let message = std::fs::read(directory("messages").join(format!("{stem}.eml"))).unwrap();
    let expected = std::fs::read(directory("json").join(format!("{stem}.json"))).unwrap();
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let object = &expected["object"];
    let internal_date = expected["internalDate"].as_str().unwrap();
    let internal_date = DateTime::parse_from_rfc3339(internal_date).unwrap();

    let (head, body) = split(&message);
    let header = Header::parse(head);
    let content_type = header
        .content_type()
        .unwrap_or_else(|| ContentType::parse("text/plain").unwrap());
    let payload = if content_type.is_multipart() {
        body.to_vec()
    } else {
        decode(header.transfer_encoding(), body)
    };
    let cpim = Some(&payload)
        .filter(|_| content_type.is("message/cpim"))
        .and_then(|payload| Cpim::parse(payload));
    let plain = content_type
        .is("text/plain")
        .then(|| text(&payload, content_type.parameter("charset")));
    let shown = cpim.as_ref().and_then(Cpim::text_content).or(plain);
    let shown = shown.filter(|text| text.len() <= TEXT_CONTENT_MAX);

    let actual = attributes(
        &header,
        Some(internal_date),
        cpim.as_ref(),
        shown.as_deref(),
    );
    let wanted: BTreeMap<String, Value> = object["attributes"]["attribute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| {
            (
                attribute["name"].as_str().unwrap().to_owned(),
                attribute["value"].clone(),
            )
        })
        .collect();
    assert_eq!(by_name(&actual), wanted, "attributes of {stem}");
    assert_eq!(actual.len(), wanted.len(), "attributes of {stem}");
    assert_eq!(
        header.correlation_id().as_deref(),
        object["correlationId"].as_str(),
        "{stem}"
    );
    assert_eq!(
        header.correlation_tag().as_deref(),
        object["correlationTag"].as_str(),
        "{stem}"
    );
    assert_eq!(content_type.text, object["payloadContentType"], "{stem}");
    assert_eq!(
        sha256(&payload),
        object["payloadSha256"],
        "payload of {stem}"
    );
    if content_type.is("message/cpim") {
        let cpim = cpim.unwrap();
        let listed: Vec<Value> = cpim
            .parts()
            .iter()
            .filter(|own| own.first_level)
            .map(|own| part(own, &payload))
            .collect();
        assert_eq!(Value::from(listed), object["parts"], "parts of {stem}");
    }
}

#[test]
fn every_fixture_reads_as_its_expected_object() {
    let stems = stems("messages", ".eml");
    assert!(stems.len() >= 42, "only {} fixtures", stems.len());
    for stem in stems {
        check(&stem);
    }
}

#[test]
fn every_expected_object_has_its_fixture() {
    assert_eq!(stems("json", ".json"), stems("messages", ".eml"));
}
