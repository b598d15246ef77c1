//! A reader of XML of the tests' own, strict and small, and what the same document is in JSON. It shares nothing with the
//! one it is there to check.

use std::{
    fmt::Write as _,
    io::ErrorKind,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Map, Value, json};

/// An element as it is written, its name with the prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

/// Members that can be there more than once, and so are arrays in JSON (contract §2).
pub(crate) const LISTS: [&str; 17] = [
    "attribute",
    "value",
    "flag",
    "path",
    "object",
    "folder",
    "payloadPart",
    "folderReference",
    "objectReference",
    "criterion",
    "sortCriterion",
    "response",
    "link",
    "variables",
    "nmsEvent",
    "subscription",
    "notificationChannel",
];
/// Roots that are no NMS documents (contract §2.1), with the prefix they have.
const ROOTS: [(&str, &str); 9] = [
    ("requestError", "common"),
    ("notificationChannel", "nc"),
    ("notificationChannelList", "nc"),
    ("notificationChannelLifetime", "nc"),
    ("notificationList", "nc"),
    ("longPollingRequestParameters", "nc"),
    ("largePollingNotification", "nc"),
    ("connCheck", "nc"),
    ("connAck", "nc"),
];
/// The root whose children are roots (contract §12.12).
const NOTIFICATIONS: &str = "notificationList";
pub(crate) const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Longest element that is written in one line.
const LINE: usize = 160;

impl Element {
    /// Reads a document that a server has written; panics at anything else than elements and text.
    pub(crate) fn read(document: &str) -> Self {
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let rest = document.strip_prefix(declaration);
        let mut rest = rest.unwrap_or_else(|| panic!("no declaration: {document}"));
        let mut root = element(&mut rest);
        assert_eq!(rest, "", "after the root of {document}");
        root.forget_namespaces();
        root
    }

    /// They are the schema's to judge.
    fn forget_namespaces(&mut self) {
        let own = |(name, _): &(String, String)| !name.starts_with("xmlns:");
        self.attributes.retain(own);
        self.children.iter_mut().for_each(Self::forget_namespaces);
    }

    /// The same document in XML as a server writes it.
    pub(crate) fn of_json(document: &Value) -> Self {
        let (root, content) = document.as_object().unwrap().iter().next().unwrap();
        Self::root(root, content)
    }

    fn root(root: &str, content: &Value) -> Self {
        let mut element = if root == NOTIFICATIONS {
            let notifications = content.as_array().unwrap().iter();
            let notifications = notifications.flat_map(|one| one.as_object().unwrap());
            Self {
                children: notifications
                    .map(|(root, content)| Self::root(root, content))
                    .collect(),
                ..Self::default()
            }
        } else {
            let mut elements = members(root, content);
            let element = elements.pop().unwrap();
            assert_eq!(elements, []);
            element
        };
        element.name = prefixed(root);
        element
    }

    /// The same document in JSON, as far as the names tell: scalars are all strings.
    pub(crate) fn to_json(&self) -> Value {
        let (_, root) = self.name.split_once(':').unwrap();
        json!({ root: self.content() })
    }

    fn content(&self) -> Value {
        if self.name == prefixed(NOTIFICATIONS) {
            return self.children.iter().map(Self::to_json).collect();
        }
        if self.children.is_empty() && self.attributes.is_empty() {
            return Value::from(self.text.clone());
        }
        let mut members = Map::new();
        let of_json = |(name, _): &&(String, String)| !name.starts_with("xsi:");
        for (name, value) in self.attributes.iter().filter(of_json) {
            members.insert(name.clone(), Value::from(value.clone()));
        }
        for child in &self.children {
            if LISTS.contains(&child.name.as_str()) {
                let list = members.entry(&child.name).or_insert(json!([]));
                list.as_array_mut().unwrap().push(child.content());
            } else {
                assert!(!members.contains_key(&child.name), "twice: {self:?}");
                members.insert(child.name.clone(), child.content());
            }
        }
        Value::Object(members)
    }

    /// To be read by people: an element in one line if it fits, else a line for each of its children.
    pub(crate) fn laid_out(&self, indent: &str) -> String {
        let line = self.line();
        if line.len() <= LINE || self.children.is_empty() {
            return format!("{indent}{line}\n");
        }
        let mut text = format!("{indent}{}>\n", self.tag());
        for child in &self.children {
            text += &child.laid_out(&format!("{indent}  "));
        }
        text + &format!("{indent}</{}>\n", self.name)
    }

    /// Its first tag, without the end of that.
    fn tag(&self) -> String {
        let mut text = format!("<{}", self.name);
        for (name, value) in &self.attributes {
            write!(text, " {name}=\"{}\"", escaped(value)).unwrap();
        }
        text
    }

    fn line(&self) -> String {
        let mut text = self.tag();
        if self.children.is_empty() && self.text.is_empty() {
            return text + "/>";
        }
        text.push('>');
        text += &escaped(&self.text);
        for child in &self.children {
            text += &child.line();
        }
        text + &format!("</{}>", self.name)
    }

    /// As a document that a client could send.
    pub(crate) fn document(&self) -> String {
        let mut root = self.clone();
        root.remember_namespaces();
        root.line()
    }

    /// What [`Self::forget_namespaces`] has forgotten: each root's, and that of `xsi` where it is needed.
    fn remember_namespaces(&mut self) {
        self.children.iter_mut().for_each(Self::remember_namespaces);
        let mut declared = Vec::new();
        if let Some((prefix, _)) = self.name.split_once(':') {
            let namespace = format!("urn:oma:xml:rest:netapi:{prefix}:1");
            let namespace = namespace.replace(":nc:", ":notificationchannel:");
            declared.push((format!("xmlns:{prefix}"), namespace));
        }
        if self.attributes.iter().any(|(name, _)| name == "xsi:type") {
            declared.push(("xmlns:xsi".to_owned(), SCHEMA_INSTANCE.to_owned()));
        }
        self.attributes.splice(..0, declared);
    }
}

/// The name of a root with its prefix.
pub(crate) fn prefixed(root: &str) -> String {
    let other = ROOTS.iter().find(|(name, _)| *name == root);
    format!("{}:{root}", other.map_or("nms", |(_, prefix)| prefix))
}

/// Text as it stands between tags and in quotation marks.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let text = text.replace('>', "&gt;").replace('"', "&quot;");
    text.replace('\r', "&#13;")
        .replace('\n', "&#10;")
        .replace('\t', "&#9;")
}

/// Whether XML has this character (XML 1.0 §2.2).
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// What a member of JSON is: one element, or as many as a list has.
fn members(name: &str, value: &Value) -> Vec<Element> {
    if let Some(values) = value.as_array() {
        return values
            .iter()
            .flat_map(|value| members(name, value))
            .collect();
    }
    let mut element = Element {
        name: name.to_owned(),
        ..Element::default()
    };
    if let Some(content) = value.as_object() {
        for (member, value) in content {
            if name == "link" {
                let text = value.as_str().unwrap().to_owned();
                element.attributes.push((member.clone(), text));
                continue;
            }
            let mut children = members(member, value);
            if member == "channelData" {
                // Contract §2.2.
                let of = format!("nc:{}Data", content["channelType"].as_str().unwrap());
                children[0].attributes.push(("xsi:type".to_owned(), of));
            }
            element.children.extend(children);
        }
    } else {
        let shown = |character| {
            if is_allowed(character) {
                character
            } else {
                '\u{fffd}'
            }
        };
        element.text = scalar(value).chars().map(shown).collect();
    }
    vec![element]
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => panic!("{value} is no scalar"),
    }
}

fn element(rest: &mut &str) -> Element {
    *rest = rest
        .strip_prefix('<')
        .unwrap_or_else(|| panic!("no element: {rest}"));
    let (tag, after) = rest.split_once('>').unwrap();
    *rest = after;
    let (tag, is_empty) = tag
        .strip_suffix('/')
        .map_or((tag, false), |tag| (tag, true));
    let (name, mut said) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(
        !name.is_empty() && !name.contains(['!', '?', '/', '<']),
        "{tag}"
    );
    let mut element = Element {
        name: name.to_owned(),
        ..Element::default()
    };
    while !said.is_empty() {
        let (name, value) = said.split_once("=\"").unwrap();
        let (value, others) = value.split_once('"').unwrap();
        element
            .attributes
            .push((name.trim().to_owned(), unescaped(value)));
        said = others;
    }
    if is_empty {
        return element;
    }
    let end = format!("</{name}>");
    loop {
        let (text, _) = rest.split_at(rest.find('<').unwrap());
        element.text += &unescaped(text);
        *rest = &rest[text.len()..];
        if let Some(after) = rest.strip_prefix(&end) {
            *rest = after;
            break;
        }
        element.children.push(self::element(rest));
    }
    assert!(
        element.children.is_empty() || element.text.is_empty(),
        "{element:?}"
    );
    element
}

fn unescaped(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (reference, after) = piece.split_once(';').unwrap();
        plain.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "#13" => '\r',
            _ => panic!("&{reference};"),
        });
        plain += after;
    }
    plain
}

/// Panics unless all of these documents are valid against the schema in `fixtures/xml`.
pub(crate) fn assert_valid<'a>(documents: impl IntoIterator<Item = &'a [u8]>) {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let file = directory.path().join(format!("{index:03}.xml"));
        std::fs::write(&file, document).unwrap();
        files.push(file);
    }
    if files.is_empty() {
        return;
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/xml/notificationchannel.xsd");
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(schema);
    let output = xmllint.args(&files).stdin(Stdio::null()).output();
    if let Err(error) = &output {
        let missing = error.kind() == ErrorKind::NotFound;
        assert!(
            !missing,
            "xmllint is needed for this test: apt-get install libxml2-utils"
        );
    }
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let wrong: Vec<_> = said
        .lines()
        .filter(|line| !line.ends_with(" validates"))
        .collect();
    let shown = |index: usize| std::fs::read_to_string(&files[index]).unwrap_or_default();
    let first = (0..files.len()).find(|index| said.contains(&format!("{index:03}.xml fails")));
    assert!(
        output.status.success(),
        "{}\n{}",
        wrong.join("\n"),
        first.map_or_else(String::new, shown)
    );
}

#[test]
fn what_is_not_valid_is_found() {
    let name =
        |text: &str| format!("<n:name xmlns:n=\"urn:oma:xml:rest:netapi:nms:1\">{text}</n:name>");
    assert_valid([name("a").as_bytes(), name("").as_bytes()]);
    for wrong in [name("<a/>"), "<name>a</name>".to_owned(), "x".to_owned()] {
        let valid = std::panic::catch_unwind(|| assert_valid([wrong.as_bytes()]));
        assert!(valid.is_err(), "{wrong}");
    }
}
