//! Round trips: every fixture, and anything at all.

use std::collections::BTreeMap;

use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use serde_json::Value;

use super::super::super::fixtures::{cpim_parts, fixture, sha256, stems, wanted};
use super::*;
use crate::message::multipart::entities;
use crate::message::{ContentType, Header, TransferEncoding, decode};

/// Headers, bodies and boundaries that were made to be unreadable, or that no attribute says.
const ASIDE: [&str; 9] = [
    "f14b-ft-msrp-nul",
    "f30a-hostile-header",
    "f30b-hostile-depth",
    "f30c-hostile-parts",
    "f31-8bit-header",
    "f32-nul-body",
    "f33-headerless",
    "f34-zero-length",
    "f18-sio-empty",
];

type ByName = BTreeMap<String, Vec<String>>;

fn by_name(list: &[Attribute]) -> ByName {
    let list = list.iter();
    list.map(|attribute| {
        (
            attribute.name.to_ascii_lowercase(),
            attribute.values.clone(),
        )
    })
    .collect()
}

/// Posts an expected object as a client would that got it from another store.
fn post(object: &Value, payload: &[u8]) -> Sent {
    let attributes = wanted(object);
    let mut draft = draft(&attributes);
    draft.correlation_id = object["correlationId"].as_str();
    draft.correlation_tag = object["correlationTag"].as_str();
    let content_type = object["payloadContentType"].as_str().unwrap();
    let fields = [
        ("Content-Disposition", "form-data; name=\"attachments\""),
        ("Content-Type", content_type),
    ];
    send(&draft, &[(&fields, payload)]).unwrap()
}

/// The leaves of a body, in order: what each is and what it holds once it is decoded.
fn leaves(
    content_type: &ContentType,
    encoding: TransferEncoding,
    body: &[u8],
) -> Vec<(String, Vec<u8>)> {
    if !content_type.is_multipart() {
        return vec![(content_type.media_type.clone(), decode(encoding, body))];
    }
    let boundary = content_type.parameter("boundary").unwrap_or_default();
    let parts = entities(body, boundary, 2000);
    let close = format!("--{boundary}--");
    let mut lines = body.split(|byte| *byte == b'\n');
    if parts.is_empty() && !lines.any(|line| line.trim_ascii() == close.as_bytes()) {
        return vec![(content_type.media_type.clone(), body.to_vec())];
    }
    let plain = ContentType::parse("text/plain").unwrap();
    let inner = parts.into_iter().map(|range| {
        let (header, length) = Header::split(&body[range.clone()]);
        let own = header.content_type().unwrap_or(plain.clone());
        leaves(
            &own,
            header.transfer_encoding(),
            &body[range.start + length..range.end],
        )
    });
    inner.flatten().collect()
}

fn check(stem: &str) {
    let (message, expected) = fixture(stem);
    let object = &expected["object"];
    let original = read(&message, DateTime::UNIX_EPOCH.fixed_offset());
    let sent = post(object, &original.payload);
    let stored = sent.read();

    let mut attributes = by_name(&wanted(object));
    let mut payload = original.payload.clone();
    if stem == "f15-ft-msrp-broken" {
        // Quotes that US-ASCII has, and the close delimiter that was missing.
        let kind = "multipart/related; boundary=cpm; type=\"Application/X-CPM-File-Transfer\"";
        attributes.insert("content-type".to_owned(), vec![kind.to_owned()]);
        payload.extend(b"\r\n--cpm--\r\n");
    }
    assert_eq!(by_name(&stored.attributes), attributes, "{stem}");
    assert!(stored.payload == payload, "payload of {stem}");
    assert_eq!(
        stored.header.correlation_id().as_deref(),
        object["correlationId"].as_str(),
        "{stem}"
    );
    assert_eq!(
        stored.header.correlation_tag().as_deref(),
        object["correlationTag"].as_str(),
        "{stem}"
    );
    if let Some(cpim) = &stored.cpim {
        assert_eq!(cpim_parts(cpim, &stored.payload), object["parts"], "{stem}");
    } else if stored.content_type.is_multipart() {
        let leaves = leaves(
            &stored.content_type,
            TransferEncoding::Identity,
            &stored.payload,
        );
        let listed: Vec<Value> = leaves
            .iter()
            .map(|(_, content)| sha256(content).into())
            .collect();
        let parts = object["parts"].as_array().unwrap().iter();
        assert_eq!(
            listed,
            parts.map(|part| part["sha256"].clone()).collect::<Vec<_>>(),
            "{stem}"
        );
    }
    let other = MessageParser::default().parse(&sent.bytes).unwrap();
    assert_eq!(
        other.date().unwrap().to_timestamp(),
        sent.internal_date.timestamp(),
        "{stem}"
    );
    assert_eq!(
        other.subject(),
        attributes.get("subject").map(|values| values[0].as_str()),
        "{stem}"
    );
}

#[test]
fn every_fixture_survives_being_posted() {
    let stems = stems("messages", ".eml");
    assert!(
        ASIDE
            .iter()
            .all(|aside| stems.iter().any(|stem| stem == aside))
    );
    let mut checked = 0;
    for stem in stems.iter().filter(|stem| !ASIDE.contains(&stem.as_str())) {
        check(stem);
        checked += 1;
    }
    assert!(checked >= 33, "only {checked}");
}

#[test]
fn an_object_without_a_payload_keeps_all_but_its_type() {
    let (_, expected) = fixture("f18-sio-empty");
    let sent = post(&expected["object"], b"");
    let mut attributes = by_name(&wanted(&expected["object"]));
    attributes.remove("content-type");
    assert_eq!(by_name(&sent.read().attributes), attributes);
}

#[test]
fn texts_survive_as_text_content_alone() {
    let mut checked = 0;
    for stem in stems("messages", ".eml") {
        let (_, expected) = fixture(&stem);
        let object = &expected["object"];
        let posted: Vec<Attribute> = wanted(object);
        let essence = object["payloadContentType"]
            .as_str()
            .unwrap()
            .to_ascii_lowercase();
        if object["payload"] == true
            || !essence.starts_with("text/plain")
            || ASIDE.contains(&stem.as_str())
        {
            continue;
        }
        let sent = send(&draft(&posted), &[]).unwrap();
        let mut attributes = by_name(&posted);
        attributes.insert(
            "content-type".to_owned(),
            vec!["text/plain; charset=utf-8".to_owned()],
        );
        assert_eq!(by_name(&sent.read().attributes), attributes, "{stem}");
        checked += 1;
    }
    assert!(checked >= 3, "only {checked}");
}

fn any_attributes() -> impl Strategy<Value = Vec<Attribute>> {
    let name = prop_oneof![
        "[A-Za-z][A-Za-z0-9-]{0,20}",
        proptest::sample::select(vec![
            "From",
            "to",
            "Cc",
            "BCC",
            "Subject",
            "Message-Context",
            "Content-Disposition",
            "Content-ID",
            "Message-ID",
            "DateTime",
        ])
        .prop_map(str::to_owned),
    ];
    let value = prop_oneof![
        "[ -~]{0,80}",
        "[ a=?\t\"<>,;]{0,20}",
        "\\PC{0,60}",
        "[a-z ]{900,1100}",
        "[\r\n\0a]{1,3}",
    ];
    let values = proptest::collection::vec(value, 0..4);
    proptest::collection::vec(
        (name, values).prop_map(|(name, values)| Attribute { name, values }),
        0..6,
    )
}

/// What the reader is to show: each name once as first written, without empty values.
fn shown(attributes: &[Attribute]) -> ByName {
    let mut shown = ByName::new();
    for attribute in attributes {
        let values = attribute
            .values
            .iter()
            .filter(|value| !value.is_empty())
            .cloned();
        shown
            .entry(attribute.name.to_ascii_lowercase())
            .or_default()
            .extend(values);
    }
    shown.retain(|_, values| !values.is_empty());
    shown
}

proptest! {
    #[test]
    fn any_attributes_and_bytes_come_back(attributes in any_attributes(), id in "\\PC{0,40}",
        bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 1..300), "[a-zé\r\n=]{1,300}".prop_map(String::into_bytes)]) {
        let mut draft = draft(&attributes);
        draft.correlation_id = Some(&id);
        let fields = [("Content-Type", "application/x-any"), ("Content-Transfer-Encoding", "binary")];
        let sent = match send(&draft, &[(&fields, &bytes)]) {
            Ok(sent) => sent,
            Err(Invalid(member)) => {
                let controls = |text: &String| text.contains(|c: char| (c.is_control() && c != '\t') || ('\u{fffe}'..='\u{ffff}').contains(&c));
                let context = attributes.iter().any(|attribute| attribute.name.eq_ignore_ascii_case("Message-Context"));
                prop_assert!(context || attributes.iter().any(|attribute| attribute.values.iter().any(controls)));
                prop_assert_eq!(member, "value");
                return Ok(());
            }
        };
        let stored = sent.read();
        let mut expected = shown(&attributes);
        expected.insert("date".to_owned(), vec!["2026-06-01T10:20:30Z".to_owned()]);
        expected.insert("content-type".to_owned(), vec!["application/x-any".to_owned()]);
        prop_assert_eq!(by_name(&stored.attributes), expected);
        prop_assert_eq!(&stored.payload, &bytes);
        prop_assert_eq!(stored.header.correlation_id().unwrap_or_default(), id);
        let other = MessageParser::default().parse(&sent.bytes).unwrap();
        prop_assert_eq!(other.parts[0].contents(), &bytes[..]);
        prop_assert_eq!(other.content_type().map(|own| own.ctype()), Some("application"));
    }

    #[test]
    fn any_multipart_keeps_its_leaves(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "--b\r\n", "--b\n", "--b--\r\n", "\r\n", "\n", "\r", "x", "é", "\0", "--", "A: 1\r\n", "Content-Type: text/plain\n",
        "Content-Type: multipart/mixed; boundary=c\r\n\r\n", "--c\r\n", "--c\n", "--c--\r\n",
        "Content-Transfer-Encoding: base64\r\n", "Content-Transfer-Encoding: quoted-printable\n", "QUJD", "=41"]), 0..40)) {
        let body = format!("--b\r\n\r\n{}", pieces.concat());
        let kind = "multipart/mixed; boundary=b";
        let Ok(sent) = send(&draft(&[]), &[(&[("Content-Type", kind)], body.as_bytes())]) else {
            // A multipart inside without parts, and not safe.
            prop_assert!(body.contains("boundary=c"));
            return Ok(());
        };
        let kind = ContentType::parse(kind).unwrap();
        let before = leaves(&kind, TransferEncoding::Identity, body.as_bytes());
        let after = leaves(&kind, TransferEncoding::Identity, sent.body());
        prop_assert_eq!(&after, &before);
        prop_assert_eq!(sent.field("Content-Type").unwrap(), "multipart/mixed; boundary=b");
        if Scan::of(body.as_bytes()).safe {
            prop_assert!(sent.body().starts_with(body.as_bytes()));
        }
    }

    #[test]
    fn any_attachments_are_parts(attachments in proptest::collection::vec(
        prop_oneof![proptest::collection::vec(any::<u8>(), 1..60), "(--=_nms-part-[01]|\r\n|x){1,9}".prop_map(String::into_bytes)], 2..5)) {
        let fields = [("Content-Type", "application/x-any")];
        let list: Vec<Attachment<'_>> = attachments.iter().map(|bytes| (&fields[..], &bytes[..])).collect();
        let sent = send(&draft(&[]), &list).unwrap();
        let other = MessageParser::default().parse(&sent.bytes).unwrap();
        let parts: Vec<&[u8]> = other.parts[1..].iter().map(|part| part.contents()).collect();
        prop_assert_eq!(parts, attachments.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let stored = sent.read();
        let leaves = leaves(&stored.content_type, TransferEncoding::Identity, sent.body());
        prop_assert_eq!(leaves.into_iter().map(|(_, content)| content).collect::<Vec<_>>(), attachments);
    }
}
