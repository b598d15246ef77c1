//! The XML twin of what is asked in JSON, made without the code that reads it.

use serde_json::Value;

use super::scene::Ask;
use crate::support::xml::{Element, LISTS, SCHEMA_INSTANCE, is_allowed, prefixed};

/// Roots of what resources are sent, by the end of their path (contract §1.2).
const ROOTS: [(&str, &str); 18] = [
    ("objects", "object"),
    ("bulkCreation", "objectList"),
    ("flags", "flagList"),
    ("pathToId", "pathList"),
    ("objects/operations/search", "selectionCriteria"),
    ("folders/operations/search", "selectionCriteria"),
    ("bulkUpdate", "bulkUpdate"),
    ("bulkDelete", "bulkDelete"),
    ("folders", "folder"),
    ("folderName", "name"),
    ("copyToFolder", "targetSourceRef"),
    ("moveToFolder", "targetSourceRef"),
    ("channels", "notificationChannel"),
    ("channelLifetime", "notificationChannelLifetime"),
    ("notifications", "longPollingRequestParameters"),
    ("subscriptions", "nmsSubscription"),
    ("subscriptions/{subscription}", "nmsSubscriptionUpdate"),
    ("subscriptions/none", "nmsSubscriptionUpdate"),
];
/// Members of which numbers and truth values are taken; of others they are as wrong as an element would be.
const SCALARS: [&str; 10] = [
    "value",
    "maxEntries",
    "nonRecursiveScope",
    "lastModSeq",
    "duration",
    "index",
    "channelLifetime",
    "maxNotifications",
    "maxWaitTime",
    "pollingEnabled",
];
/// Roots that are sent to say nothing.
const NOTHING: [&str; 2] = ["empty", "longPollingRequestParameters"];
/// What introduces a document in a form.
const IN_FORM: &str = "Content-Type: application/json\r\n\r\n";

/// What is sent in place of something in JSON.
pub(super) struct Twin {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// The twin of an ask; `None` where XML has no way to say the same.
pub(super) fn twin(ask: &Ask) -> Option<Twin> {
    let mut headers = Vec::new();
    for (name, value) in ask.headers {
        let value = value.replace("application/json", "application/xml");
        headers.push(((*name).to_owned(), value));
    }
    let said = |wanted: &str| ask.headers.iter().find(|(name, _)| *name == wanted);
    let media_type = said("Content-Type").map_or("application/json", |(_, value)| *value);
    let body = match ask.body {
        Some(body) if media_type.starts_with("application/json") => Some(document(ask, body)?),
        Some(body) if media_type.starts_with("multipart/form-data") => Some(form(ask, body)?),
        body => body.map(str::to_owned),
    };
    if said("Content-Type").is_none() && body.is_some() {
        headers.push(("Content-Type".to_owned(), "application/xml".to_owned()));
    }
    if said("Accept").is_none() {
        headers.push(("Accept".to_owned(), "application/xml".to_owned()));
    }
    Some(Twin { headers, body })
}

/// A form whose document is in XML.
fn form(ask: &Ask, body: &str) -> Option<String> {
    let Some((before, rest)) = body.split_once(IN_FORM) else {
        return Some(body.to_owned());
    };
    let (json, after) = rest.split_once("\r\n--Outer7")?;
    let xml = document(ask, json)?;
    let header = IN_FORM.replace("json", "xml");
    Some(format!("{before}{header}{xml}\r\n--Outer7{after}"))
}

/// A document; what is no JSON is no XML either and stays as it is.
fn document(ask: &Ask, body: &str) -> Option<String> {
    let Ok(value) = serde_json::from_str::<Value>(body) else {
        return Some(body.to_owned());
    };
    let path = ask.target.split('?').next().unwrap();
    let fits = |(end, _): &&(&str, &str)| path == *end || path.ends_with(&format!("/{end}"));
    let known = ROOTS.iter().find(fits);
    // What others are sent means nothing.
    let root = known.map_or("empty", |(_, root)| *root);
    let content = match &value {
        Value::Object(members) => members.get(root).unwrap_or(&value),
        Value::String(_) if root == "name" => &value,
        _ if NOTHING.contains(&root) => &Value::Null,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return None;
        }
    };
    let mut element = Element {
        name: prefixed(root),
        ..Element::default()
    };
    fill(&mut element, root, content)?;
    Some(element.document())
}

/// Puts a value into an element that is there for it.
fn fill(element: &mut Element, name: &str, value: &Value) -> Option<()> {
    match value {
        Value::Null if NOTHING.contains(&name) => {}
        Value::Null => {
            let nil = [("xmlns:xsi", SCHEMA_INSTANCE), ("xsi:nil", "true")];
            element.attributes = nil
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
        }
        Value::String(text) => {
            if !text.chars().all(is_allowed) {
                return None;
            }
            element.text.clone_from(text);
        }
        Value::Bool(_) | Value::Number(_) if SCALARS.contains(&name) => {
            element.text = value.to_string()
        }
        Value::Bool(_) | Value::Number(_) => element.children.push(Element {
            name: "number".to_owned(),
            text: value.to_string(),
            ..Element::default()
        }),
        Value::Object(members) => {
            for (name, value) in members {
                element.children.extend(elements(name, value)?);
            }
        }
        // As a member it would be several elements; this one is there already.
        Value::Array(_) => return None,
    }
    Some(())
}

/// The elements a member is.
fn elements(name: &str, value: &Value) -> Option<Vec<Element>> {
    let values = match value {
        Value::Array(values) if LISTS.contains(&name) || values.len() > 1 => {
            // A list has no gaps in XML.
            if values.iter().any(Value::is_null) {
                return None;
            }
            &values[..]
        }
        // A list of one is the same as the one, and there is no list in place of something else.
        Value::Array(_) => return None,
        // A list is no element of its own.
        Value::Null if LISTS.contains(&name) => return None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(value)
        }
    };
    let filled = |value| {
        let mut element = Element {
            name: name.to_owned(),
            ..Element::default()
        };
        fill(&mut element, name, value)?;
        Some(element)
    };
    values.iter().map(filled).collect()
}
