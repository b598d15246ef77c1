//! Values to JSON documents and back (contract §2.2).
//!
//! Strict in what is sent: one member named after the root element, arrays for what can repeat. Tolerant in what is taken:
//! the root member may be missing, a list may be a single value, a member that is `null` is absent at any depth, unknown
//! members are ignored. A `null` in a list is no value: to leave it out would shift the others.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A body that cannot be read; names the member, or the root when no member is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Member by its contract name.
    pub part: String,
}

/// `{"root": value}`
#[must_use]
pub fn to_json<T: Serialize>(root: &str, value: &T) -> Vec<u8> {
    let mut document = format!("{{\"{root}\":").into_bytes();
    let start = document.len();
    // Our types have string keys and no failing members; `null` stands for what cannot be.
    if serde_json::to_writer(&mut document, value).is_err() {
        document.truncate(start);
        document.extend_from_slice(b"null");
    }
    document.push(b'}');
    document
}

/// Reads a body that may be wrapped in its root member or not.
///
/// # Errors
/// [`Malformed`] for what is no JSON object, or has a member of the wrong type.
pub fn from_json<T: DeserializeOwned>(root: &str, bytes: &[u8]) -> Result<T, Malformed> {
    let malformed = |part: &str| Malformed {
        part: part.to_owned(),
    };
    let document: Value = serde_json::from_slice(bytes).map_err(|_| malformed(root))?;
    let Value::Object(mut members) = document else {
        return Err(malformed(root));
    };
    let content = match members.remove(root) {
        Some(Value::Object(content)) => content,
        Some(_) if members.is_empty() => return Err(malformed(root)),
        Some(_) | None => members,
    };
    let content = without_nulls(content);
    let blame = content.clone();
    serde_json::from_value(Value::Object(content)).map_err(|_| {
        // The first member that alone does not fit is the one to name.
        let culprit = blame.into_iter().find_map(|(name, value)| {
            let alone = Value::Object(std::iter::once((name.clone(), value)).collect());
            serde_json::from_value::<T>(alone).is_err().then_some(name)
        });
        malformed(culprit.as_deref().unwrap_or(root))
    })
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

/// The text of a document that is one string: `{"name": "…"}` (contract §1.2 row 14), or only the string.
///
/// # Errors
/// [`Malformed`] when it is none.
pub fn text_from_json(root: &str, bytes: &[u8]) -> Result<String, Malformed> {
    let document = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let text = document.get(root).unwrap_or(&document).as_str();
    text.map(str::to_owned).ok_or_else(|| Malformed {
        part: root.to_owned(),
    })
}

/// A list, or the one value of it.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(value) => vec![value],
        OneOrMany::Many(values) => values,
    })
}

/// The same for a list whose absence means something else than its being empty.
pub(super) fn one_or_many_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    one_or_many(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nms::{FlagList, NewFolder, Object, PathList};

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
            let read: PathList = from_json("pathList", body.as_bytes()).unwrap();
            assert_eq!(read.path, ["/a"], "{body}");
        }
    }

    #[test]
    fn null_is_absent_and_unknown_members_do_not_matter() {
        let body = br#"{"folder":{"name":"x","parentFolder":null,"attributes":{"attribute":[]},"foo":{}}}"#;
        let read: NewFolder = from_json("folder", body).unwrap();
        assert_eq!(
            (read.name.as_deref(), read.parent_folder),
            (Some("x"), None)
        );
    }

    #[test]
    fn null_is_absent_at_any_depth_but_not_in_a_list() {
        let body = br#"{"object":{"attributes":{"attribute":[{"name":"Subject","value":["x"],"more":null}]},
            "flags":{"flag":null},"path":null}}"#;
        let read: Object = from_json("object", body).unwrap();
        assert_eq!(read.attributes.attribute.len(), 1);
        assert_eq!(read.flags, FlagList::default());
        let read: Result<PathList, _> = from_json("pathList", br#"{"path":["/a",null]}"#);
        assert_eq!(read, malformed("path"));
    }

    #[test]
    fn a_text_may_stand_alone() {
        for body in [r#"{"name":"x"}"#, r#"{"name":"x","more":1}"#, r#""x""#] {
            assert_eq!(text_from_json("name", body.as_bytes()).unwrap(), "x");
        }
        for body in [
            r#"{"name":null}"#,
            r#"{"nam":"x"}"#,
            "null",
            "7",
            r#"["x"]"#,
            "",
        ] {
            assert_eq!(text_from_json("name", body.as_bytes()), malformed("name"));
        }
    }

    #[test]
    fn the_member_to_blame_is_named() {
        let read: Result<NewFolder, _> = from_json("folder", br#"{"folder":{"name":7}}"#);
        assert_eq!(read, malformed("name"));
        for body in [
            &b"[]"[..],
            b"",
            b"{",
            b"\"x\"",
            br#"{"flagList":[]}"#,
            &[b'['; 100_000][..],
        ] {
            let read: Result<FlagList, _> = from_json("flagList", body);
            assert_eq!(read, malformed("flagList"));
        }
        assert_eq!(
            text_from_json("name", br#"{"name":["x"]}"#),
            malformed("name")
        );
    }
}
