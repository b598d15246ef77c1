//! Searches over REST, against what is shown one by one and what a direct IMAP session sees.

mod change;
mod criteria;
mod folders;
mod hostile;
mod numbers;
mod oracle;
mod others;
mod selected;
mod wire;

use serde_json::{Value, json};

use crate::support::bridge::Bridge;

/// Searches objects.
async fn search(bridge: &Bridge, criteria: &Value) -> Value {
    let body = json!({ "selectionCriteria": criteria });
    let answer = bridge.post("objects/operations/search", &body).await;
    answer.expect(200).json()["objectList"].clone()
}

/// A search of one criterion.
fn one(kind: &str, name: &str, value: &str) -> Value {
    json!({"searchCriteria": {"criterion": [{"type": kind, "name": name, "value": value}]}})
}

/// URLs of a list of objects, in order.
fn urls(list: &Value) -> Vec<String> {
    let objects = list["object"].as_array().unwrap();
    let url = |object: &Value| object["resourceURL"].as_str().unwrap().to_owned();
    objects.iter().map(url).collect()
}

/// All pages of a search, so many entries each.
async fn walk(bridge: &Bridge, criteria: &Value, page: usize) -> Vec<Value> {
    let mut criteria = criteria.clone();
    criteria["maxEntries"] = json!(page);
    let mut found = Vec::new();
    let mut last = None;
    loop {
        let list = search(bridge, &criteria).await;
        let objects = list["object"].as_array().unwrap();
        assert!(objects.len() <= page, "{} of {page}", objects.len());
        found.extend(objects.iter().cloned());
        let Some(cursor) = list["cursor"].as_str() else {
            return found;
        };
        assert_ne!(last.as_deref(), Some(cursor), "a cursor that goes nowhere");
        criteria["fromCursor"] = json!(cursor);
        last = Some(cursor.to_owned());
    }
}

/// The same, as URLs.
async fn walked(bridge: &Bridge, criteria: &Value, page: usize) -> Vec<String> {
    let found = walk(bridge, criteria, page).await;
    let url = |object: &Value| object["resourceURL"].as_str().unwrap().to_owned();
    found.iter().map(url).collect()
}

/// The values of an attribute.
fn values(object: &Value, name: &str) -> Vec<String> {
    let attributes = object["attributes"]["attribute"].as_array().unwrap();
    let own = |attribute: &&Value| {
        let own = attribute["name"].as_str().unwrap();
        own.eq_ignore_ascii_case(name)
    };
    let found = attributes.iter().find(own);
    let values = found.and_then(|attribute| attribute["value"].as_array());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values.into_iter().flatten().map(text).collect()
}

/// Subjects of what is found, or the Date where there is none.
fn subjects(list: &Value) -> Vec<String> {
    let objects = list["object"].as_array().unwrap();
    let subject = |object: &Value| values(object, "Subject").join("");
    objects.iter().map(subject).collect()
}

/// A small message.
fn message(subject: &str, more: &str, text: &str) -> Vec<u8> {
    format!(
        "Subject: {subject}\r\nFrom: tel:+15550101\r\nTo: tel:+15550100\r\n{more}\r\n{text}\r\n"
    )
    .into_bytes()
}
