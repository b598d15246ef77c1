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

/// Whatever is renamed between two pages: before the cursor, behind it, or where it stands.
#[tokio::test]
async fn folders_that_are_renamed_between_pages_are_neither_left_out_nor_taken_twice() {
    let bridge = Bridge::builder("search_renamed_between_pages")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    for mailbox in ["B", "C", "D", "E"] {
        witness.command(&format!("CREATE {mailbox}")).await.ok();
        for number in 0..3 {
            let subject = format!("{mailbox}{number}");
            let message = message(&subject, "", "x");
            witness.append(mailbox, &message, "", None).await;
        }
    }
    let mut all: Vec<String> = ["B", "C", "D", "E"]
        .iter()
        .flat_map(|mailbox| (0..3).map(move |number| format!("{mailbox}{number}")))
        .collect();
    all.sort();
    // A page of four stops in C, one of five as well, one of six between C and D.
    for (size, renames) in [
        (4, ["E A", "B Z", "A E", "Z B"]),
        (5, ["C A", "E B/E", "A C", "B/E E"]),
        (6, ["D A", "C Z", "A D", "Z C"]),
        (2, ["C Z", "Z A", "A C", "D A"]),
        (2, ["A D", "E A", "D C/D", "A E"]),
    ] {
        let mut found = Vec::new();
        let mut criteria = json!({ "maxEntries": size });
        let mut renames = renames.iter();
        loop {
            let page = search(&bridge, &criteria).await;
            found.extend(subjects(&page));
            if page["cursor"].is_null() {
                break;
            }
            criteria["fromCursor"] = page["cursor"].clone();
            if let Some(rename) = renames.next() {
                witness.command(&format!("RENAME {rename}")).await.ok();
            }
        }
        for rename in renames {
            witness.command(&format!("RENAME {rename}")).await.ok();
        }
        found.sort();
        assert_eq!(found, all, "{size}");
    }
    bridge.stop().await;
}
