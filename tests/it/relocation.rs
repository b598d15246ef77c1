//! Objects and folders copied and moved (contract §6.4): on each server, in each way it has, and wherever it is cut off.

mod cut_off;
mod folders;
mod objects;
mod rights;

use serde_json::{Value, json};

use crate::{objects::below_box, support::store::Store};

/// Asks for a copy or a move; what is named is below the box.
pub(crate) fn asking(store: &Store, target: &str, folders: &[&str], objects: &[&str]) -> Value {
    let named = |resources: &[&str]| -> Vec<Value> {
        let url = |resource: &&str| json!({"resourceURL": store.target(resource)});
        resources.iter().map(url).collect()
    };
    json!({"targetSourceRef": {
        "targetRef": {"resourceURL": store.target(target)},
        "sourceRefs": {
            "folders": {"folderReference": named(folders)},
            "objects": {"objectReference": named(objects)},
        },
    }})
}

/// What became of each entry.
pub(crate) async fn relocated(
    store: &Store,
    operation: &str,
    target: &str,
    folders: &[&str],
    objects: &[&str],
) -> Vec<Value> {
    let body = asking(store, target, folders, objects);
    let resource = format!("folders/operations/{operation}ToFolder");
    let answer = store.json("POST", &resource, Some(body), 200).await;
    let items = answer["bulkResponseList"]["response"].as_array().unwrap();
    assert_eq!(items.len(), folders.len() + objects.len());
    items.clone()
}

/// Below the box, if it went well.
pub(crate) fn made(item: &Value) -> String {
    assert_eq!(item["code"], 200, "{item}");
    assert_eq!(item["reason"], "OK", "{item}");
    below_box(&item["success"]["resourceURL"])
}

/// Code, messageId and variables, if it did not.
pub(crate) fn refused(item: &Value) -> (u64, String, Vec<String>) {
    let failure = item["failure"]
        .as_object()
        .unwrap_or_else(|| panic!("{item}"));
    let exception = failure.values().find(|value| value.is_object()).unwrap();
    let variables = exception["variables"].as_array();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (
        item["code"].as_u64().unwrap(),
        text(&exception["messageId"]),
        variables.into_iter().flatten().map(text).collect(),
    )
}

/// Moves objects, all of which go.
pub(crate) async fn move_all(store: &Store, target: &str, objects: &[&str]) {
    let items = relocated(store, "move", target, &[], objects).await;
    let ids: Vec<String> = items.iter().map(made).collect();
    assert_eq!(ids, objects);
}
