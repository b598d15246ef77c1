//! What others do while a search is at work.

use cpm_bridge::task;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{message, one, search, subjects, urls};
use crate::support::{
    bridge::Bridge,
    proxy::{Fault, Proxy, Trap},
    witness::Witness,
};

/// A bridge behind a proxy, in front of two folders.
async fn filled(test: &str) -> (Proxy, Bridge, Witness) {
    let builder = Bridge::builder(test).folder("A").folder("B");
    let proxy = Proxy::start(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let mut witness = bridge.witness().await;
    for (mailbox, subject) in [("A", "one"), ("A", "two"), ("A", "three"), ("B", "four")] {
        witness
            .append(mailbox, &message(subject, "", "x"), "", None)
            .await;
    }
    (proxy, bridge, witness)
}

/// Holds the next command of that name back while something else is done, and then lets the search find what it finds.
async fn held(
    (proxy, bridge, witness): &mut (Proxy, Bridge, Witness),
    command: &'static str,
    criteria: &Value,
    meanwhile: &[&str],
) -> Value {
    proxy.lay(command, Trap::HoldSaid(0), Fault::None);
    let body = json!({ "selectionCriteria": criteria });
    let request = bridge
        .request("POST", "objects/operations/search")
        .json(&body);
    let answer: JoinHandle<_> = task::spawn(request.send());
    proxy.sprung().await;
    for line in meanwhile {
        witness.command(line).await.ok();
    }
    proxy.release();
    answer.await.unwrap().expect(200).json()["objectList"].clone()
}

#[tokio::test]
async fn what_is_expunged_between_search_and_fetch_is_left_out() {
    let sorted = json!({"sortCriteria": {"criterion": [{"type": "Date"}, {"type": "Attribute", "name": "Subject"}]}});
    let by_date = json!({"sortCriteria": {"criterion": [{"type": "Date"}]}});
    for criteria in [
        json!({}),
        sorted,
        by_date,
        one("AllTextAttributes", "", "15550101"),
    ] {
        let mut place = filled("search_expunged").await;
        let gone = [
            "SELECT A",
            "UID STORE 2 +FLAGS (\\Deleted)",
            "UID EXPUNGE 2",
        ];
        let found = held(&mut place, "UID FETCH", &criteria, &gone).await;
        let mut found = subjects(&found);
        found.sort();
        assert_eq!(found, ["four", "one", "three"], "{criteria}");
        place.1.stop().await;
    }
}

#[tokio::test]
async fn a_folder_that_is_deleted_meanwhile_is_passed_over() {
    let mut place = filled("search_deleted_folder").await;
    let found = held(&mut place, "EXAMINE", &json!({}), &["DELETE A"]).await;
    assert_eq!(subjects(&found), ["four"]);
    place.1.stop().await;
}

#[tokio::test]
async fn a_folder_that_is_renamed_meanwhile_is_followed() {
    let mut place = filled("search_renamed_folder").await;
    let before = urls(&search(&place.1, &json!({})).await);
    let rename = ["RENAME A Z"];
    let found = held(
        &mut place,
        "EXAMINE",
        &one("Flag", "\\Seen", "false"),
        &rename,
    )
    .await;
    assert_eq!(urls(&found), before);
    place.1.stop().await;
}
