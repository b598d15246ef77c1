//! Every message in `fixtures/messages` against the object written by hand for it in `fixtures/json`.
//!
//! Beside `object` such a file says how the message is stored: `folder`, `flags`, `internalDate`, and where they apply
//! `copies` (appended that often), `alsoIn` (further folders) and `literal8` (holds NUL). `object.flags` is there where
//! the flags shown differ from those stored. A part without `size` is a multipart, which has none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use chrono::{DateTime, FixedOffset};
use serde_json::{Value, json};

use super::{Attribute, ContentType, Cpim, CpimPart, Header, attributes, decode, text};

/// The default of `objects.text_content_max`.
const TEXT_CONTENT_MAX: usize = 8192;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

pub(super) fn stems(name: &str, extension: &str) -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(directory(name))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file.starts_with('f') && file[1..].starts_with(char::is_numeric))
        .map(|file| file.strip_suffix(extension).unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

pub(super) fn sha256(bytes: &[u8]) -> String {
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

/// A message as our own reader takes it apart.
pub(super) struct Reading {
    pub(super) header: Header,
    pub(super) content_type: ContentType,
    pub(super) payload: Vec<u8>,
    pub(super) cpim: Option<Cpim>,
    pub(super) attributes: Vec<Attribute>,
}

pub(super) fn read(message: &[u8], internal_date: DateTime<FixedOffset>) -> Reading {
    let (head, body) = split(message);
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
    let attributes = attributes(
        &header,
        Some(internal_date),
        cpim.as_ref(),
        shown.as_deref(),
    );
    Reading {
        header,
        content_type,
        payload,
        cpim,
        attributes,
    }
}

/// A message, and what is expected of it.
pub(super) fn fixture(stem: &str) -> (Vec<u8>, Value) {
    let message = std::fs::read(directory("messages").join(format!("{stem}.eml"))).unwrap();
    let expected = std::fs::read(directory("json").join(format!("{stem}.json"))).unwrap();
    (message, serde_json::from_slice(&expected).unwrap())
}

/// The attributes of an expected object.
pub(super) fn wanted(object: &Value) -> Vec<Attribute> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    object["attributes"]["attribute"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| Attribute {
            name: text(&attribute["name"]),
            values: attribute["value"]
                .as_array()
                .unwrap()
                .iter()
                .map(text)
                .collect(),
        })
        .collect()
}

fn check(stem: &str) {
    let (message, expected) = fixture(stem);
    let object = &expected["object"];
    let internal_date = expected["internalDate"].as_str().unwrap();
    let read = read(
        &message,
        DateTime::parse_from_rfc3339(internal_date).unwrap(),
    );
    let wanted = wanted(object);
    assert_eq!(
        by_name(&read.attributes),
        by_name(&wanted),
        "attributes of {stem}"
    );
    assert_eq!(read.attributes.len(), wanted.len(), "attributes of {stem}");
    assert_eq!(
        read.header.correlation_id().as_deref(),
        object["correlationId"].as_str(),
        "{stem}"
    );
    assert_eq!(
        read.header.correlation_tag().as_deref(),
        object["correlationTag"].as_str(),
        "{stem}"
    );
    assert_eq!(
        read.content_type.text, object["payloadContentType"],
        "{stem}"
    );
    assert_eq!(
        sha256(&read.payload),
        object["payloadSha256"],
        "payload of {stem}"
    );
    if read.content_type.is("message/cpim") {
        let cpim = read.cpim.unwrap();
        assert_eq!(
            cpim_parts(&cpim, &read.payload),
            object["parts"],
            "parts of {stem}"
        );
    }
}

/// The parts an object lists of a message/cpim.
pub(super) fn cpim_parts(cpim: &Cpim, payload: &[u8]) -> Value {
    let listed = cpim.parts().iter().filter(|own| own.first_level);
    listed.map(|own| part(own, payload)).collect()
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
