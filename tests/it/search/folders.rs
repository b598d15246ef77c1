//! Searches for folders.

use serde_json::{Value, json};

use super::{message, one, values};
use crate::{folders::reason, objects::below_box, support::bridge::Bridge};

async fn found(bridge: &Bridge, criteria: &Value) -> Value {
    let body = json!({ "selectionCriteria": criteria });
    let answer = bridge.post("folders/operations/search", &body).await;
    answer.expect(200).json()["folderList"].clone()
}

fn paths(list: &Value) -> Vec<String> {
    let folders = list["folder"].as_array().unwrap();
    let path = |folder: &Value| folder["path"].as_str().unwrap_or("(root)").to_owned();
    folders.iter().map(path).collect()
}

async fn filled(test: &str) -> Bridge {
    let bridge = Bridge::builder(test)
        .folder("A")
        .folder("A/b")
        .folder("A/b/A")
        .folder("A-b")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    witness.append("A", &message("a", "", "x"), "", None).await;
    bridge
}

#[tokio::test]
async fn folders_are_found_by_what_they_are_shown_with() {
    let bridge = filled("search_for_folders").await;
    for (criteria, expected) in [
        (json!({}), "(root) /A /A-b /A/b /A/b/A /INBOX"),
        (one("Attribute", "name", "A"), "/A /A/b/A"),
        (one("Attribute", "Name", "a"), ""),
        (one("AllTextAttributes", "", "B"), "/A-b /A/b /INBOX"),
        (one("PresetSearch", "path", "/A"), "/A /A/b /A/b/A"),
        (
            one("PresetSearch", "UPOneDotO", ""),
            "(root) /A /A-b /A/b /A/b/A /INBOX",
        ),
        (one("Date", "", "minDate=1970-01-01T00:00:00Z"), ""),
        (json!({"searchScope": {"path": "/A"}}), "/A/b /A/b/A"),
        (
            json!({"searchScope": {"path": "/A"}, "nonRecursiveScope": true}),
            "/A/b",
        ),
        (
            json!({"searchScope": {"path": "/"}, "nonRecursiveScope": true}),
            "/A /A-b /INBOX",
        ),
        (
            json!({"sortCriteria": {"criterion": [{"type": "Attribute", "name": "Name"}]}}),
            "/A/b /INBOX /A-b /A /A/b/A (root)",
        ),
    ] {
        assert_eq!(
            paths(&found(&bridge, &criteria).await).join(" "),
            expected,
            "{criteria}"
        );
        for entries in [1, 2] {
            let mut page = criteria.clone();
            page["maxEntries"] = json!(entries);
            let mut pages = Vec::new();
            loop {
                let list = found(&bridge, &page).await;
                pages.extend(paths(&list));
                let Some(cursor) = list["cursor"].as_str() else {
                    break;
                };
                page["fromCursor"] = json!(cursor);
            }
            assert_eq!(pages.join(" "), expected, "{criteria} by {entries}");
        }
    }
}

#[tokio::test]
async fn a_found_folder_is_the_folder_that_is_there() {
    let bridge = filled("search_folder_shown").await;
    let list = found(&bridge, &one("Attribute", "Name", "b")).await;
    let folder = &list["folder"][0];
    let url = below_box(&folder["resourceURL"]);
    let shown = bridge
        .get(&format!("{url}?path=Yes"))
        .await
        .expect(200)
        .json();
    assert_eq!(*folder, shown["folder"]);
    // A root comes with what is in it.
    let roots = found(&bridge, &one("Attribute", "Root", "Yes")).await;
    let root = &roots["folder"][0];
    assert_eq!(values(root, "Root"), ["Yes"]);
    let url = below_box(&root["resourceURL"]);
    let shown = bridge
        .get(&format!("{url}?path=Yes&listFilter=All"))
        .await
        .expect(200)
        .json();
    assert_eq!(*root, shown["folder"]);
}

#[tokio::test]
async fn every_configured_root_is_found_with_its_objects() {
    let bridge = Bridge::builder("search_roots")
        .folder("Elsewhere")
        .message("Default", "f01-sms-in.eml")
        .store_setting("roots = [\"Default\", \"Missing\"]\ndefault_folder = \"Default\"")
        .start()
        .await;
    let roots = found(&bridge, &one("Attribute", "root", "Yes")).await;
    assert_eq!(paths(&roots), ["/Default", "/Missing"]);
    let objects = &roots["folder"][0]["objects"]["objectReference"];
    assert_eq!(objects.as_array().unwrap().len(), 1);
    assert_eq!(
        paths(&found(&bridge, &json!({})).await),
        ["/Default", "/Missing"]
    );
}

#[tokio::test]
async fn what_folders_do_not_have_is_refused() {
    let bridge = filled("search_folder_wrong").await;
    for kind in [
        "Flag",
        "WholeWord",
        "CreatedObjects",
        "VanishedObjects",
        "Colour",
    ] {
        let body = json!({"selectionCriteria": one(kind, "x", "x")});
        let answer = bridge
            .post("folders/operations/search", &body)
            .await
            .expect(400);
        let (id, variables) = reason(&answer.json());
        assert_eq!(id, "SVC0003", "{kind}");
        assert_eq!(
            variables,
            ["type", "Date, Attribute, AllTextAttributes, PresetSearch"]
        );
    }
}
