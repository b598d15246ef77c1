//! XML documents to the values that JSON documents hold, and back (contract §2, §12.12).
//!
//! Only the root has a namespace; its children have none, and come in the order of the types' members. A list of notifications
//! holds roots, each with a namespace of its own. What is read may use any
//! prefix, namespace or none: the local names say which document it is, as members do in JSON, and a client's namespace of another
//! version is no reason to refuse what can be understood. No document type, and no entity but those of XML itself: a document
//! stands for what is in it and nothing else.

use std::{borrow::Cow, collections::HashSet};

use quick_xml::{
    Reader, XmlVersion,
    escape::{escape, resolve_predefined_entity},
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};

const NMS: (&str, &str) = ("nms", "urn:oma:xml:rest:netapi:nms:1");
const COMMON: (&str, &str) = ("common", "urn:oma:xml:rest:netapi:common:1");
const CHANNEL: (&str, &str) = ("nc", "urn:oma:xml:rest:netapi:notificationchannel:1");
/// Roots of the common types and of notification channels; all others are of NMS (contract §2.1).
const COMMON_ROOTS: [&str; 3] = ["requestError", "resourceReference", "versionedResourceList"];
const CHANNEL_ROOTS: [&str; 8] = [
    "notificationChannel",
    "notificationChannelList",
    "notificationChannelLifetime",
    "notificationList",
    "longPollingRequestParameters",
    "largePollingNotification",
    "connCheck",
    "connAck",
];
/// The root whose children are roots.
const NOTIFICATIONS: &str = "notificationList";
/// The element that says which type it is of (contract §2.2), and the member beside it from which that is known.
const TYPED: (&str, &str) = ("channelData", "channelType");
/// Roots in which it is.
const TYPED_ROOTS: [&str; 2] = ["notificationChannel", "notificationChannelList"];
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The element whose members are attributes (contract §2.12).
const LINK: &str = "link";
/// Elements within elements that are read; the contract has seven.
const DEEPEST: usize = 32;
/// Elements whose type is a string, so that white space at their ends is part of them; of all others it is not.
const STRINGS: [&str; 10] = [
    "name",
    "value",
    "path",
    "parentFolderPath",
    "correlationId",
    "correlationTag",
    "clientCorrelator",
    "callbackData",
    "applicationTag",
    "restartToken",
];

/// A whole document.
pub(super) fn write(root: &str, value: &Value) -> String {
    let mut document = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    root_element(&mut document, root, value);
    document
}

fn root_element(document: &mut String, root: &str, value: &Value) {
    let (prefix, namespace) = if COMMON_ROOTS.contains(&root) {
        COMMON
    } else if CHANNEL_ROOTS.contains(&root) {
        CHANNEL
    } else {
        NMS
    };
    let mut attributes = format!(" xmlns:{prefix}=\"{namespace}\"");
    if TYPED_ROOTS.contains(&root) {
        attributes += &format!(" xmlns:xsi=\"{SCHEMA_INSTANCE}\"");
    }
    let name = format!("{prefix}:{root}");
    if root == NOTIFICATIONS {
        element(document, &name, &attributes, value, roots);
    } else {
        element(document, &name, &attributes, value, content);
    }
}

/// The notifications of a list, each under the name of its root.
fn roots(document: &mut String, list: &Value) {
    let notifications = list.as_array().into_iter().flatten();
    for (root, value) in notifications.filter_map(Value::as_object).flatten() {
        root_element(document, root, value);
    }
}

fn element(
    document: &mut String,
    name: &str,
    attributes: &str,
    value: &Value,
    content: fn(&mut String, &Value),
) {
    for piece in ["<", name, attributes, ">"] {
        document.push_str(piece);
    }
    let start = document.len();
    content(document, value);
    if document.len() == start {
        document.insert(start - 1, '/');
    } else {
        for piece in ["</", name, ">"] {
            document.push_str(piece);
        }
    }
}

/// What is in an element.
fn content(document: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                member(document, members, name, value);
            }
        }
        Value::Array(values) => {
            for value in values {
                document.push_str(&text(value));
            }
        }
        plain @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            document.push_str(&text(plain));
        }
    }
}

/// One of these members: as many elements as it has values.
fn member(document: &mut String, members: &Map<String, Value>, name: &str, value: &Value) {
    match value {
        Value::Array(values) => {
            for value in values {
                member(document, members, name, value);
            }
        }
        Value::Object(link) if name == LINK => {
            let attributes: String = link
                .iter()
                .map(|(name, value)| format!(" {name}=\"{}\"", text(value)))
                .collect();
            element(document, name, &attributes, &Value::Null, content);
        }
        Value::Object(_) if name == TYPED.0 => {
            let of = members.get(TYPED.1).map(text).unwrap_or_default();
            let attribute = format!(" xsi:type=\"{}:{of}Data\"", CHANNEL.0);
            element(document, name, &attribute, value, content);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            element(document, name, "", value, content);
        }
    }
}

/// Text as XML can hold it (XML 1.0 §2.2): what it cannot is shown as U+FFFD, and a CR is written so that it stays one.
fn text(value: &Value) -> Cow<'_, str> {
    let escaped = match value {
        Value::String(text) => escape(text.as_str()),
        Value::Number(number) => return number.to_string().into(),
        Value::Bool(truth) => return truth.to_string().into(),
        Value::Null | Value::Array(_) | Value::Object(_) => return "".into(),
    };
    if !escaped.contains(|character: char| character == '\r' || !is_allowed(character)) {
        return escaped;
    }
    let mut written = String::with_capacity(escaped.len() + 8);
    for character in escaped.chars() {
        match character {
            '\r' => written.push_str("&#13;"),
            character if is_allowed(character) => written.push(character),
            _ => written.push('\u{fffd}'),
        }
    }
    written.into()
}

fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// An element that has begun.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
    is_nil: bool,
}

/// The root's name without its prefix, and what is in it; `None` for what is no such document.
pub(super) fn read(bytes: &[u8]) -> Option<(String, Value)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if root.is_none() && open.len() < DEEPEST => {
                open.push(opened(&start)?);
            }
            Event::Empty(start) if root.is_none() => {
                let element = opened(&start)?;
                root = closed(&mut open, element)?;
            }
            Event::End(_) => {
                let element = open.pop()?;
                root = closed(&mut open, element)?;
            }
            Event::Text(text) => said(&mut open, &text.xml10_content())?,
            Event::CData(text) => said(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().ok()?;
                match (character, resolve_predefined_entity(&reference)) {
                    (Some(character), _) => said(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    (None, Some(text)) => said(&mut open, text)?,
                    (None, None) => return None,
                }
            }
            Event::Decl(declaration) => {
                let encoding = declaration.encoding().transpose().ok()?;
                let readable = |name: &str| {
                    ["utf-8", "us-ascii"]
                        .iter()
                        .any(|known| name.eq_ignore_ascii_case(known))
                };
                if encoding.is_some_and(|name| !readable(&name)) {
                    return None;
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return root.filter(|_| open.is_empty()),
            Event::Start(_) | Event::Empty(_) | Event::DocType(_) => return None,
        }
    }
}

fn opened(start: &BytesStart<'_>) -> Option<Open> {
    let local = start.local_name().into_inner().to_owned();
    let mut element = Open {
        members: Map::new(),
        text: String::new(),
        is_nil: false,
        name: local,
    };
    // The reader's own check for attributes that are there twice compares each with each.
    let mut seen = HashSet::new();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        if !seen.insert(attribute.key) {
            return None;
        }
        let local = attribute.key.local_name().into_inner().to_owned();
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
        if local == "nil" {
            element.is_nil = matches!(value.trim(), "true" | "1");
        } else if element.name == LINK {
            element
                .members
                .insert(local, Value::String(value.into_owned()));
        }
    }
    Some(element)
}

/// Puts an element into the one around it; the root, if there is none.
fn closed(open: &mut [Open], element: Open) -> Option<Option<(String, Value)>> {
    let Open {
        name,
        members,
        text,
        is_nil,
    } = element;
    let value = if is_nil {
        Value::Null
    } else if members.is_empty() {
        let is_string = STRINGS.contains(&name.as_str());
        Value::String(if is_string {
            text
        } else {
            text.trim().to_owned()
        })
    } else if text.trim().is_empty() {
        Value::Object(members)
    } else {
        return None;
    };
    let Some(around) = open.last_mut() else {
        return Some(Some((name, value)));
    };
    match around.members.get_mut(&name) {
        None => {
            around.members.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
    Some(None)
}

/// Adds to the text of the innermost element; around the root there is white space alone.
fn said(open: &mut [Open], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::nms::{Fault, Link, encode::Format};

    fn value(document: &str) -> Option<Value> {
        read(document.as_bytes()).map(|(_, value)| value)
    }

    #[test]
    fn what_repeats_is_a_list_and_only_the_root_has_a_namespace() {
        let folder = json!({
            "attributes": {"attribute": [{"name": "a<b", "value": ["1", "\r\u{1}]]>"]}]},
            "path": null, "lastModSeq": 7, "flags": {"flag": []},
        });
        assert_eq!(
            write("folder", &folder),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<nms:folder xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"><attributes>\
             <attribute><name>a&lt;b</name><value>1</value><value>&#13;\u{fffd}]]&gt;</value></attribute></attributes>\
             <path/><lastModSeq>7</lastModSeq><flags/></nms:folder>"
        );
    }

    #[test]
    fn a_link_has_attributes_and_a_fault_is_of_the_common_types() {
        let mut error = Fault::NoValidAddresses.error(&["Request-URI"]);
        error.link.push(Link {
            rel: "folder".to_owned(),
            href: "http://a/?x=\"1\"&y".to_owned(),
        });
        let text = String::from_utf8(Format::Xml.write("requestError", &error)).unwrap();
        let (_, element) = text.split_once('\n').unwrap();
        assert_eq!(
            element,
            "<common:requestError xmlns:common=\"urn:oma:xml:rest:netapi:common:1\">\
             <link rel=\"folder\" href=\"http://a/?x=&quot;1&quot;&amp;y\"/>\
             <serviceException><messageId>SVC0004</messageId>\
             <text>No valid addresses provided in message part %1</text><variables>Request-URI</variables>\
             </serviceException></common:requestError>"
        );
    }

    /// As in contract §12.12.
    #[test]
    fn what_is_in_a_list_of_notifications_has_a_namespace_of_its_own() {
        let list = json!([
            {"nmsEventList": {"nmsEvent": [{"resetBox": {}}], "index": 1, "link": [{"rel": "NmsSubscription", "href": "s"}]}},
            {"nmsEventList": {"nmsEvent": []}},
        ]);
        let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
            <nc:notificationList xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\"";
        assert_eq!(
            write("notificationList", &list),
            format!(
                "{start}><nms:nmsEventList xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"><nmsEvent><resetBox/></nmsEvent>\
                 <index>1</index><link rel=\"NmsSubscription\" href=\"s\"/></nms:nmsEventList>\
                 <nms:nmsEventList xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\"/></nc:notificationList>"
            )
        );
        assert_eq!(write("notificationList", &json!([])), format!("{start}/>"));
    }

    /// Likewise.
    #[test]
    fn the_data_of_a_channel_say_which_type_they_are_of() {
        let channel = json!({"channelType": "LongPolling", "channelData": {"maxNotifications": 1}});
        assert_eq!(
            write("notificationChannel", &channel),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <nc:notificationChannel xmlns:nc=\"urn:oma:xml:rest:netapi:notificationchannel:1\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><channelType>LongPolling</channelType>\
             <channelData xsi:type=\"nc:LongPollingData\"><maxNotifications>1</maxNotifications></channelData>\
             </nc:notificationChannel>"
        );
    }

    #[test]
    fn any_prefix_or_none_is_read_and_white_space_only_matters_in_strings() {
        let expected = json!({"type": "Date", "name": " n ", "value": "x", "order": "", "more": {"a": ["1", "2"]}});
        let content = "<type>\n Date </type><name> n </name><!-- c --><value><![CDATA[x]]></value>\
                       <order/><more><a>1</a><a>2</a></more>";
        for document in [
            format!("<r>{content}</r>"),
            format!(
                "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<n:r xmlns:n=\"urn:x\">{content}</n:r>\n"
            ),
            format!("<r xmlns=\"urn:oma:xml:rest:netapi:nms:1\"><?pi x?>{content}</r><!-- end -->"),
        ] {
            assert_eq!(value(&document), Some(expected.clone()), "{document}");
        }
        let nil = "<r xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><path xsi:nil=\"true\"/></r>";
        assert_eq!(value(nil), Some(json!({"path": null})));
        assert_eq!(value("<r>&lt;&#233;&#x41;</r>"), Some(json!("<\u{e9}A")));
        assert_eq!(
            value("<r><link rel='a' href='b&amp;c'/></r>"),
            Some(json!({"link": {"rel": "a", "href": "b&c"}}))
        );
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(value(&deep(DEEPEST)).is_some());
        for document in [
            "",
            "x",
            "<r>",
            "<r></x>",
            "<r/><r/>",
            "<r/>x",
            "<r>&unknown;</r>",
            "<!DOCTYPE r [<!ENTITY e \"x\">]><r>&e;</r>",
            "<!DOCTYPE r SYSTEM \"http://127.0.0.1/\"><r/>",
            "<?xml version='1.0' encoding='utf-16'?><r/>",
            "<r>text<a/></r>",
            "<r><a>1</a>text</r>",
            "<r a='1",
            "<r a='1' b='' a='1'/>",
            "<link rel=\"&e;\"/>",
            &deep(DEEPEST + 1),
            &"<a>".repeat(100_000),
        ] {
            assert_eq!(value(document), None, "{document:.80}");
        }
        assert_eq!(read(b"<r>\xff</r>"), None);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_far_as_xml_can_hold_it(text in ".*", name in "[a-z]{1,8}") {
            let document = write("name", &json!({name.clone(): text, "value": text}));
            let (_, value) = read(document.as_bytes()).unwrap();
            let held: String = text.chars().map(|character| if is_allowed(character) { character } else { '\u{fffd}' }).collect();
            prop_assert_eq!(&value["value"], &Value::from(held.clone()));
            if !STRINGS.contains(&name.as_str()) && name != LINK {
                prop_assert_eq!(&value[&name], &Value::from(held.trim()));
            }
        }

        #[test]
        fn no_bytes_do_harm(text in "(<[/!?]?[a-z:]{0,3}( [a-z]=['\"]?)?[/>]?|&#?[x0-9a-z]*;?|[a-z]|\\]\\]>|<!\\[CDATA\\[){0,40}") {
            if let Some((name, _)) = read(text.as_bytes()) {
                prop_assert!(text.contains(&name));
            }
        }
    }
}
