//! What a bulk operation selects, and what keeps a slip from selecting too much.

use serde_json::{Value, json};

use super::{message, one, search, subjects};
use crate::{folders::reason, support::bridge::Bridge};

async fn filled(test: &str) -> Bridge {
    let bridge = Bridge::builder(test)
        .folder("A")
        .folder("A/B")
        .setting("[limits]\nbulk = 5")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    for (mailbox, subject, flags) in [
        ("A", "one", "\\Seen"),
        ("A", "two", ""),
        ("A/B", "three", "\\Seen"),
        ("INBOX", "one", ""),
        ("INBOX", "five", ""),
        ("INBOX", "six", ""),
    ] {
        let message = message(subject, "", "text");
        witness.append(mailbox, &message, flags, None).await;
    }
    bridge
}

fn update(criteria: &Value) -> Value {
    json!({"bulkUpdate": {"selectionCriteria": criteria, "flags": {"flag": ["$Marked"]}, "operation": "AddFlag"}})
}

async fn marked(bridge: &Bridge) -> String {
    let found = search(bridge, &one("Flag", "$Marked", "true")).await;
    subjects(&found).join(" ")
}

#[tokio::test]
async fn what_is_selected_is_changed_and_nothing_else() {
    let bridge = filled("selected").await;
    let mut criteria = one("Attribute", "Subject", "one");
    let answer = bridge
        .post("objects/operations/bulkUpdate", &update(&criteria))
        .await;
    let answer = answer.expect(200).json();
    let items = answer["bulkResponseList"]["response"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(marked(&bridge).await, "one one");
    criteria["searchScope"] = json!({"path": "/A"});
    let delete = json!({"bulkDelete": {"selectionCriteria": criteria}});
    bridge.post("objects/operations/bulkDelete", &delete).await;
    let left = search(&bridge, &json!({})).await;
    assert_eq!(subjects(&left).join(" "), "two three six five one");
    let scope = json!({"searchScope": {"path": "/A"}, "nonRecursiveScope": true});
    bridge
        .post("objects/operations/bulkUpdate", &update(&scope))
        .await
        .expect(200);
    assert_eq!(marked(&bridge).await, "two one");
}

/// Selections, and what is said of each.
fn refused() -> Vec<(Value, &'static str, &'static str)> {
    let unseen = |more: Value| {
        let mut criteria = one("Flag", "\\Seen", "false");
        for (name, value) in more.as_object().unwrap() {
            criteria[name] = value.clone();
        }
        criteria
    };
    vec![
        (json!({}), "SVC0002", "selectionCriteria"),
        (json!({"maxEntries": 5}), "SVC0002", "selectionCriteria"),
        (
            unseen(json!({"maxEntries": 3})),
            "SVC0002",
            "selectionCriteria",
        ),
        (
            json!({"searchScope": {"path": "/"}}),
            "SVC0002",
            "selectionCriteria",
        ),
        (
            one("Attribute", "From", "tel:+15550101"),
            "SVC0002",
            "selectionCriteria",
        ),
        (unseen(json!({"maxEntries": 0})), "SVC0002", "maxEntries"),
        (unseen(json!({"fromCursor": "x"})), "SVC0002", "fromCursor"),
        (
            unseen(json!({"sortCriteria": {"criterion": [{"type": "Date"}]}})),
            "SVC0002",
            "sortCriteria",
        ),
        (
            unseen(json!({"searchScope": {"path": "/none"}})),
            "SVC0002",
            "/none",
        ),
        (
            unseen(json!({"sortCriterion": {"type": "Date"}})),
            "SVC0002",
            "sortCriterion",
        ),
        // What every object meets bounds nothing.
        (
            one("PresetSearch", "UPOneDotO", ""),
            "SVC0002",
            "selectionCriteria",
        ),
        (
            one("PresetSearch", "path", "/"),
            "SVC0002",
            "selectionCriteria",
        ),
        (one("PresetSearch", "path", ""), "SVC0002", "value"),
        (
            one("CreatedObjects", "", ""),
            "SVC0002",
            "selectionCriteria",
        ),
        (
            one("AllTextAttributes", "", ""),
            "SVC0002",
            "selectionCriteria",
        ),
        // A slip of the pen may mean much more than was meant.
        (
            json!({"searchScope": {"path": "/A"}, "searchCriterias": {}}),
            "SVC0002",
            "searchCriterias",
        ),
        (
            json!({"searchCriteria": {"criterion": [{"type": "Flag", "name": "\\Seen", "value": "false"}], "Operator": "Not"}}),
            "SVC0002",
            "Operator",
        ),
        (one("PresetSearch", "NeverHeardOf", ""), "SVC0003", "name"),
        (one("VanishedObjects", "", ""), "SVC0003", "type"),
        (one("Colour", "", ""), "SVC0003", "type"),
    ]
}

#[tokio::test]
async fn a_selection_without_bounds_or_beyond_them_touches_nothing() {
    let bridge = filled("selected_bounds").await;
    for (criteria, id, variable) in refused() {
        let answer = bridge
            .post("objects/operations/bulkUpdate", &update(&criteria))
            .await;
        let (found, variables) = reason(&answer.expect(400).json());
        assert_eq!(
            (found.as_str(), variables[0].as_str()),
            (id, variable),
            "{criteria}"
        );
        assert_eq!(marked(&bridge).await, "", "{criteria}");
    }
    let nothing = one("Attribute", "Subject", "none of them");
    let answer = bridge
        .post("objects/operations/bulkUpdate", &update(&nothing))
        .await;
    assert_eq!(answer.status, 204, "a list has at least one response");
    let known = one("PresetSearch", "path", "/A");
    bridge
        .post("objects/operations/bulkUpdate", &update(&known))
        .await
        .expect(200);
    assert_eq!(marked(&bridge).await, "two one three");
}
