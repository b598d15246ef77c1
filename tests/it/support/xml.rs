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
pub(crate) const LISTS: [&str; 14] = [
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
];
/// Roots that are no NMS documents (contract §2.1).
const COMMON: [&str; 1] = ["requestError"];
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
        // Namespaces are the schema's to judge.
        let own = |(name, _): &(String, String)| !name.starts_with("xmlns:");
        root.attributes.retain(own);
        root
    }

    /// The same document in XML as a server writes it.
    pub(crate) fn of_json(document: &Value) -> Self {
        let (root, content) = document.as_object().unwrap().iter().next().unwrap();
        let mut elements = members(root, content);
        let mut element = elements.pop().unwrap();
        assert_eq!(elements, []);
        let common = COMMON.contains(&root.as_str());
        element.name = format!("{}:{root}", if common { "common" } else { "nms" });
        element
    }

    /// The same document in JSON, as far as the names tell: scalars are all strings.
    pub(crate) fn to_json(&self) -> Value {
        let (_, root) = self.name.split_once(':').unwrap();
        json!({ root: self.content() })
    }

    fn content(&self) -> Value {
        if self.children.is_empty() && self.attributes.is_empty() {
            return Value::from(self.text.clone());
        }
        let mut members = Map::new();
        for (name, value) in &self.attributes {
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
        let mut text = format!("{indent}<{}>\n", self.name);
        for child in &self.children {
            text += &child.laid_out(&format!("{indent}  "));
        }
        text + &format!("{indent}</{}>\n", self.name)
    }

    fn line(&self) -> String {
        let mut text = format!("<{}", self.name);
        for (name, value) in &self.attributes {
            write!(text, " {name}=\"{}\"", escaped(value)).unwrap();
        }
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
        let (prefix, _) = self.name.split_once(':').unwrap();
        let mut root = self.clone();
        let namespace = format!("urn:oma:xml:rest:netapi:{prefix}:1");
        root.attributes
            .insert(0, (format!("xmlns:{prefix}"), namespace));
        root.line()
    }
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
            } else {
                element.children.extend(members(member, value));
            }
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
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/xml/nms.xsd");
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
