//! Criteria that nobody in earnest would send.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::message;
use crate::support::bridge::Bridge;

async fn status(bridge: &Bridge, resource: &str, body: &Value) -> u16 {
    let answer = bridge.post(resource, body).await;
    assert!(
        answer.status < 500,
        "{} to {body}: {}",
        answer.status,
        answer.text()
    );
    answer.status
}

async fn filled(test: &str) -> Bridge {
    let bridge = Bridge::builder(test)
        .message("INBOX", "f30b-hostile-depth.eml")
        .message("INBOX", "f30c-hostile-parts.eml")
        .message("INBOX", "f33-headerless.eml")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    witness
        .append("INBOX", &message("a", "", "x"), "", None)
        .await;
    bridge
}

#[tokio::test]
async fn criteria_however_long_deep_or_many_are_answered_or_refused() {
    let bridge = filled("search_hostile").await;
    let criterion = json!({"type": "Attribute", "name": "Subject", "value": "x"});
    let many: Vec<Value> = std::iter::repeat_n(criterion.clone(), 10_000).collect();
    let body = |criteria: Value| json!({"selectionCriteria": {"searchCriteria": criteria}});
    for resource in ["objects/operations/search", "folders/operations/search"] {
        assert_eq!(
            status(&bridge, resource, &body(json!({"criterion": many}))).await,
            400
        );
        let mut deep = json!({"criterion": criterion});
        for _ in 0..100 {
            deep = json!({"criterion": [deep]});
        }
        status(&bridge, resource, &body(deep)).await;
        for length in [1000, 100_000, 900_000] {
            for kind in [
                "Attribute",
                "AllTextAttributes",
                "WholeWord",
                "PresetSearch",
                "Date",
                "CreatedObjects",
                "Flag",
            ] {
                let long = "é\"\\(".repeat(length / 4);
                let criteria =
                    json!({"criterion": {"type": kind, "name": "Subject", "value": long}});
                status(&bridge, resource, &body(criteria)).await;
                let long = "x".repeat(length);
                let criteria = json!({"criterion": {"type": kind, "name": long, "value": "x"}});
                status(&bridge, resource, &body(criteria)).await;
            }
        }
        for cursor in ["", "AAAA", "=", "é", &"A".repeat(100_000)] {
            let body = json!({"selectionCriteria": {"fromCursor": cursor}});
            assert_eq!(status(&bridge, resource, &body).await, 400);
        }
        for entries in [
            json!("1e3"),
            json!(1.5),
            json!({}),
            json!("99999999999999999999999"),
        ] {
            let body = json!({"selectionCriteria": {"maxEntries": entries}});
            status(&bridge, resource, &body).await;
        }
    }
    bridge.stop().await;
}

#[test]
fn any_words_in_criteria_are_answered_or_refused() {
    let runtime = Runtime::new().unwrap();
    let bridge = runtime.block_on(filled("search_words_any"));
    let text = prop_oneof![
        any::<String>(),
        "[\"\\\\{}()%*&+,/~.\\[\\]\\r\\n\\x00\\t a-c1-3]{0,16}",
        "[!-~]{0,20}",
        "\\PC{0,40}",
        Just("ALL\r\nA1 LOGOUT".to_owned()),
        "(min|max)Date=[0-9TZ:+.-]{0,30}",
    ];
    let kind = prop_oneof![
        3 => proptest::sample::select(&["Date", "Attribute", "AllTextAttributes", "WholeWord", "Flag", "CreatedObjects", "PresetSearch"][..])
            .prop_map(str::to_owned),
        1 => text.clone(),
    ];
    let criterion = (kind, text.clone(), text.clone())
        .prop_map(|(kind, name, value)| json!({"type": kind, "name": name, "value": value}));
    let operator = proptest::sample::select(&["And", "Or", "Not", "Xor"][..]);
    let criteria = (proptest::collection::vec(criterion, 0..4), operator, text)
        .prop_map(|(criterion, operator, name)| {
            json!({"selectionCriteria": {"searchCriteria": {"criterion": criterion, "operator": operator},
                "sortCriteria": {"criterion": [{"type": "Attribute", "name": name}]}}})
        });
    let config = Config {
        cases: 200,
        failure_persistence: None,
        max_shrink_iters: 50,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&criteria, |body| {
            for resource in ["objects/operations/search", "folders/operations/search"] {
                let answer = runtime.block_on(bridge.post(resource, &body));
                prop_assert!(
                    matches!(answer.status, 200 | 400 | 403),
                    "{} {}",
                    answer.status,
                    answer.text()
                );
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(bridge.stop());
}
