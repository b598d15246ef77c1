//! Values to documents and back, in JSON (contract §2.2) or XML.
//!
//! Strict in what is sent: one member named after the root element, arrays for what can repeat. Tolerant in what is taken:
//! the root member may be missing, a list may be a single value, a member that is `null` is absent at any depth, unknown
//! members are ignored. A `null` in a list is no value: to leave it out would shift the others. XML is read into what
//! the same document would be in JSON, and then as that.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::xml;

/// Roots that mean something without anything in them, and may be `null` for it (contract §2.2, §8.2 to §8.4).
const MAY_BE_EMPTY: [&str; 4] = [
    "notificationChannelLifetime",
    "longPollingRequestParameters",
    "connCheck",
    "connAck",
];

/// In which of the two forms a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"root": …}`
    Json,
    /// `<nms:root …>`
    Xml,
}

/// A body that cannot be read; names the member, or the root when no member is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Member by its contract name.
    pub part: String,
}

impl Malformed {
    fn new(part: &str) -> Self {
        Self {
            part: part.to_owned(),
        }
    }
}

impl Format {
    /// What a document without a media type is in: no JSON begins as every XML does.
    #[must_use]
    pub fn of(document: &[u8]) -> Self {
        let text = document.strip_prefix("\u{feff}".as_bytes());
        if text
            .unwrap_or(document)
            .trim_ascii_start()
            .starts_with(b"<")
        {
            Self::Xml
        } else {
            Self::Json
        }
    }

    /// The name of a document's root; `None` for what has none, in JSON also for what is not wrapped in it.
    #[must_use]
    pub fn root(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Json => {
                let document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
                let mut names = document.into_iter().map(|(name, _)| name);
                names.next().filter(|_| names.next().is_none())
            }
            Self::Xml => xml::read(bytes).map(|(name, _)| name),
        }
    }

    /// A document.
    #[must_use]
    pub fn write<T: Serialize>(self, root: &str, value: &T) -> Vec<u8> {
        match self {
            Self::Json => to_json(root, value),
            // Our types have string keys and no failing members; nothing stands for what cannot be.
            Self::Xml => {
                let value = serde_json::to_value(value).unwrap_or(Value::Null);
                xml::write(root, &value).into_bytes()
            }
        }
    }

    /// Reads a document, which in JSON may be wrapped in its root member or not.
    ///
    /// # Errors
    /// [`Malformed`] for what is no such document, or has a member of the wrong type: the innermost that is to blame.
    pub fn read<T: DeserializeOwned>(self, root: &str, bytes: &[u8]) -> Result<T, Malformed> {
        let content = match self {
            Self::Json => members_of(root, bytes)?,
            Self::Xml => match element(root, bytes)? {
                Value::Object(members) => members,
                Value::String(text) if text.trim().is_empty() => Map::new(),
                Value::Null if MAY_BE_EMPTY.contains(&root) => Map::new(),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => return Err(Malformed::new(root)),
            },
        };
        let content = without_nulls(content);
        serde_path_to_error::deserialize(Value::Object(content)).map_err(|error| {
            let innermost = error.path().iter().rev().find_map(|segment| match segment {
                Segment::Map { key } => Some(key.as_str()),
                Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
            });
            Malformed::new(innermost.unwrap_or(root))
        })
    }

    /// The text of a document that is one string: `{"name": "…"}` (contract §1.2 row 14), or in JSON only the string.
    ///
    /// # Errors
    /// [`Malformed`] when it is none.
    pub fn read_text(self, root: &str, bytes: &[u8]) -> Result<String, Malformed> {
        let document = match self {
            Self::Json => serde_json::from_slice(bytes).unwrap_or(Value::Null),
            Self::Xml => element(root, bytes)?,
        };
        let text = document.get(root).unwrap_or(&document).as_str();
        text.map(str::to_owned).ok_or_else(|| Malformed::new(root))
    }
}

/// `{"root": value}`
fn to_json<T: Serialize>(root: &str, value: &T) -> Vec<u8> {
    let mut document = format!("{{\"{root}\":").into_bytes();
    let start = document.len();
    // As above.
    if serde_json::to_writer(&mut document, value).is_err() {
        document.truncate(start);
        document.extend_from_slice(b"null");
    }
    document.push(b'}');
    document
}

fn members_of(root: &str, bytes: &[u8]) -> Result<Map<String, Value>, Malformed> {
    let document: Value = serde_json::from_slice(bytes).map_err(|_| Malformed::new(root))?;
    let Value::Object(mut members) = document else {
        return Err(Malformed::new(root));
    };
    match members.remove(root) {
        Some(Value::Object(content)) => Ok(content),
        Some(Value::Null) if members.is_empty() && MAY_BE_EMPTY.contains(&root) => Ok(members),
        Some(_) if members.is_empty() => Err(Malformed::new(root)),
        Some(_) | None => Ok(members),
    }
}

/// What is in the root element, which must be this one.
fn element(root: &str, bytes: &[u8]) -> Result<Value, Malformed> {
    let (name, value) = xml::read(bytes).ok_or_else(|| Malformed::new(root))?;
    (name == root)
        .then_some(value)
        .ok_or_else(|| Malformed::new(root))
}

/// The members that are not `null`, at every depth; how deep that can be is the parser's limit.
fn without_nulls(members: Map<String, Value>) -> Map<String, Value> {
    let present = members.into_iter().filter(|(_, value)| !value.is_null());
    present
        .map(|(name, value)| (name, without_null_members(value)))
        .collect()
}

fn without_null_members(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(without_nulls(members)),
        Value::Array(values) => {
            Value::Array(values.into_iter().map(without_null_members).collect())
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nms::{FlagList, NewFlagList, NewFolder, NewObjectList, Object, PathList};

    fn malformed<T>(part: &str) -> Result<T, Malformed> {
        Err(Malformed {
            part: part.to_owned(),
        })
    }

    #[test]
    fn bodies_are_read_wrapped_and_unwrapped() {
        for body in [
            r#"{"pathList":{"path":["/a"]}}"#,
            r#"{"path":["/a"]}"#,
            r#"{"path":"/a","x":1}"#,
        ] {
            let read: PathList = Format::Json.read("pathList", body.as_bytes()).unwrap();
            assert_eq!(read.path, ["/a"], "{body}");
        }
    }

    #[test]
    fn null_is_absent_and_unknown_members_do_not_matter() {
        let body = br#"{"folder":{"name":"x","parentFolder":null,"attributes":{"attribute":[]},"foo":{}}}"#;
        let read: NewFolder = Format::Json.read("folder", body).unwrap();
        assert_eq!(
            (read.name.as_deref(), read.parent_folder),
            (Some("x"), None)
        );
    }

    #[test]
    fn null_is_absent_at_any_depth_but_not_in_a_list() {
        let body = br#"{"object":{"attributes":{"attribute":[{"name":"Subject","value":["x"],"more":null}]},
            "flags":{"flag":null},"path":null}}"#;
        let read: Object = Format::Json.read("object", body).unwrap();
        assert_eq!(read.attributes.attribute.len(), 1);
        assert_eq!(read.flags, FlagList::default());
        let read: Result<PathList, _> = Format::Json.read("pathList", br#"{"path":["/a",null]}"#);
        assert_eq!(read, malformed("path"));
    }

    #[test]
    fn a_list_of_flags_is_empty_in_xml_when_nothing_stands_in_its_place() {
        let flags = |content: &str| {
            let body = format!("<flagList>{content}</flagList>");
            let read: NewFlagList = Format::Xml.read("flagList", body.as_bytes()).unwrap();
            read.said(Format::Xml)
        };
        assert_eq!(flags(""), Some(vec![]));
        assert_eq!(
            flags("<resourceURL>http://a/flags</resourceURL>"),
            Some(vec![])
        );
        assert_eq!(
            flags("<flag>\\Seen</flag>"),
            Some(vec!["\\Seen".to_owned()])
        );
        assert_eq!(flags("<flags>\\Seen</flags>"), None);
        let read: NewFlagList = Format::Json.read("flagList", b"{}").unwrap();
        assert_eq!(read.said(Format::Json), None);
    }

    #[test]
    fn what_is_in_a_list_may_be_an_empty_element() {
        for (body, objects) in [("<object/>", 1), ("<object/><object> </object>", 2)] {
            let body = format!("<objectList>{body}</objectList>");
            let read: NewObjectList = Format::Xml.read("objectList", body.as_bytes()).unwrap();
            assert_eq!(read.object, vec![crate::nms::NewObject::default(); objects]);
        }
        let read: Result<NewObjectList, _> =
            Format::Xml.read("objectList", b"<objectList><object>x</object></objectList>");
        assert_eq!(read, malformed("object"));
    }

    #[test]
    fn a_root_may_be_null_where_nothing_means_something() {
        let nil = |root: &str| format!("<{root} xmlns:xsi='x' xsi:nil='true'/>");
        for (format, root, body, may) in [
            (
                Format::Json,
                "connAck",
                r#"{"connAck":null}"#.to_owned(),
                true,
            ),
            (Format::Xml, "connAck", nil("connAck"), true),
            (Format::Json, "connAck", "null".to_owned(), false),
            (
                Format::Json,
                "folder",
                r#"{"folder":null}"#.to_owned(),
                false,
            ),
            (Format::Xml, "folder", nil("folder"), false),
        ] {
            let read: Result<NewFolder, _> = format.read(root, body.as_bytes());
            let expected = if may {
                Ok(NewFolder::default())
            } else {
                malformed(root)
            };
            assert_eq!(read, expected, "{body}");
        }
    }

    #[test]
    fn a_root_has_a_name_where_there_is_one() {
        for (format, body, root) in [
            (Format::Json, r#"{"folder":null}"#, Some("folder")),
            (Format::Json, r#"{"name":"x"}"#, Some("name")),
            (Format::Xml, "<n:folder xmlns:n='x'/>", Some("folder")),
            (Format::Json, r#"{"name":"x","path":"y"}"#, None),
            (Format::Json, "{}", None),
            (Format::Json, "[]", None),
            (Format::Json, "", None),
            (Format::Xml, "x", None),
        ] {
            assert_eq!(format.root(body.as_bytes()).as_deref(), root, "{body}");
        }
    }

    #[test]
    fn a_text_may_stand_alone() {
        for body in [r#"{"name":"x"}"#, r#"{"name":"x","more":1}"#, r#""x""#] {
            assert_eq!(
                Format::Json.read_text("name", body.as_bytes()).unwrap(),
                "x"
            );
        }
        for body in [
            r#"{"name":null}"#,
            r#"{"nam":"x"}"#,
            "null",
            "7",
            r#"["x"]"#,
            "",
        ] {
            assert_eq!(
                Format::Json.read_text("name", body.as_bytes()),
                malformed("name")
            );
        }
    }

    #[test]
    fn the_member_to_blame_is_named() {
        let read: Result<NewFolder, _> = Format::Json.read("folder", br#"{"folder":{"name":7}}"#);
        assert_eq!(read, malformed("name"));
        let body = br#"{"attributes":{"attribute":[{"name":"a","value":["x"]},{"name":{},"value":["x"]}]}}"#;
        let read: Result<Object, _> = Format::Json.read("object", body);
        assert_eq!(read, malformed("name"));
        for body in [
            &b"[]"[..],
            b"",
            b"{",
            b"\"x\"",
            br#"{"flagList":[]}"#,
            &[b'['; 100_000][..],
        ] {
            let read: Result<FlagList, _> = Format::Json.read("flagList", body);
            assert_eq!(read, malformed("flagList"));
        }
        assert_eq!(
            Format::Json.read_text("name", br#"{"name":["x"]}"#),
            malformed("name")
        );
    }
}
