//! The same on each of the servers.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::{message, one, subjects};
use crate::support::{
    courier, cyrus,
    store::{COURIER, CYRUS, Store},
};

async fn search(store: &Store, criteria: &Value) -> Value {
    let body = json!({ "selectionCriteria": criteria });
    let found = store
        .json("POST", "objects/operations/search", Some(body), 200)
        .await;
    found["objectList"].clone()
}

async fn found(store: &Store, criteria: &Value) -> String {
    subjects(&search(store, criteria).await).join(" ")
}

const CPIM: &str = "From: <tel:+15550103>\r\nTo: <tel:+15550100>\r\nDateTime: 2026-06-01T12:00:00Z\r\n\r\n\
    Content-Type: text/plain\r\n\r\nwrapped words";
/// Whether it is in A or in A/B, subject, more of the header, text, flags.
#[rustfmt::skip] // A line each, to be read as the table it is.
const MESSAGES: [(bool, &str, &str, &str, &str); 4] = [
    (true, "one", "Date: Mon, 1 Jun 2026 10:00:00 +0200\r\nMessage-Direction: received\r\n", "first holiday", "\\Seen"),
    (true, "two", "Date: 1 Jun 2026 08:00:01 +0000\r\nMessage-Direction: sent\r\nCc: sip:bob@example.com\r\n", "second", "$Work"),
    (false, "three", "Date: nonsense\r\nMessage-Context: pager-message\r\n", "third", "\\Seen \\Flagged"),
    (false, "four", "Date: 3 Jun 2026 00:00:00 +0000\r\nContent-Type: message/cpim\r\n", CPIM, ""),
];
const DATES: &str = "minDate=2026-06-01T08:00:01Z&maxDate=2026-06-02T00:00:01Z";

/// What is asked, and the subjects of what is found.
#[rustfmt::skip] // A line each, to be read as the table it is.
fn asked() -> Vec<(Value, &'static str)> {
    let not_both = json!([{"type": "Flag", "name": "\\Seen", "value": "true"}, {"type": "Flag", "name": "\\Flagged", "value": "true"}]);
    vec![
        (json!({}), "two one four three"),
        (one("Attribute", "Subject", "two"), "two"),
        (one("Attribute", "From", "tel:+15550101"), "two one four three"),
        (one("Attribute", "Cc", "sip:bob@example.com"), "two"),
        (one("Attribute", "Direction", "in"), "one"),
        (one("Attribute", "Message-Context", "PAGER-MESSAGE"), "three"),
        (one("Attribute", "DateTime", "2026-06-01T12:00:00Z"), "four"),
        (one("AllTextAttributes", "", "HOLI"), "one"),
        (one("WholeWord", "", "wrapped"), "four"),
        (one("WholeWord", "", "holiday"), "one"),
        (one("Flag", "\\Seen", "true"), "one three"),
        (one("Flag", "$Work", "true"), "two"),
        (one("Flag", "$Work", "false"), "one four three"),
        (one("Flag", "$None", "true"), ""),
        (one("Date", "", DATES), "two three"),
        (json!({"sortCriteria": {"criterion": [{"type": "Date", "order": "Ascending"}]}}), "one two three four"),
        (json!({"sortCriteria": {"criterion": [{"type": "Attribute", "name": "Subject"}]}}), "two three one four"),
        (json!({"searchCriteria": {"operator": "Not", "criterion": not_both}}), "two one four"),
    ]
}

/// All pages of one entry.
async fn by_one(store: &Store, criteria: &Value) -> String {
    let mut pages = Vec::new();
    let mut page = criteria.clone();
    page["maxEntries"] = json!(1);
    loop {
        let list = search(store, &page).await;
        pages.extend(subjects(&list));
        let Some(cursor) = list["cursor"].as_str() else {
            return pages.join(" ");
        };
        page["fromCursor"] = json!(cursor);
    }
}

async fn all(store: Store) {
    let mut witness = store.witness().await;
    let (a, b) = (store.mailbox(&["A"]), store.mailbox(&["A", "B"]));
    for mailbox in [&a, &b] {
        witness.command(&format!("CREATE \"{mailbox}\"")).await.ok();
    }
    for (in_a, subject, more, text, flags) in MESSAGES {
        let mailbox = if in_a { &a } else { &b };
        let message = message(subject, more, text);
        let arrived = Some("02-Jun-2026 00:00:00 +0000");
        witness.append(mailbox, &message, flags, arrived).await;
    }
    let in_a = |mut criteria: Value| {
        criteria["searchScope"] = json!({"path": "/A"});
        criteria
    };
    let name = store.kind.name;
    for (criteria, expected) in asked() {
        let criteria = in_a(criteria);
        assert_eq!(
            found(&store, &criteria).await,
            expected,
            "{name} {criteria}"
        );
        assert_eq!(
            by_one(&store, &criteria).await,
            expected,
            "{name} {criteria}"
        );
    }
    let created = search(&store, &in_a(one("CreatedObjects", "", ""))).await;
    let since = created["creationCursor"].as_str().unwrap().to_owned();
    assert_eq!(
        found(&store, &in_a(one("CreatedObjects", "", &since))).await,
        ""
    );
    witness
        .append(&a, &message("five", "", "x"), "", None)
        .await;
    // Courier tells of new mail at the next NOOP.
    assert_eq!(
        found(&store, &in_a(one("CreatedObjects", "", &since))).await,
        "five"
    );
    fixtures(&store).await;
    store.stop().await;
}

/// Every value of every object of all fixtures finds that object.
async fn fixtures(store: &Store) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/messages");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut witness = store.witness().await;
    let mailbox = store.mailbox(&["Fixtures"]);
    witness.command(&format!("CREATE \"{mailbox}\"")).await.ok();
    for file in files {
        let message = std::fs::read(file).unwrap();
        let start = format!("APPEND \"{mailbox}\" ");
        // Some are too odd for one server or the other.
        witness.command_with_literal(&start, &message, "").await;
    }
    let scope = json!({"path": "/Fixtures"});
    let all = search(store, &json!({"searchScope": scope})).await;
    let all = all["object"].as_array().unwrap();
    assert!(all.len() > 30, "{}", all.len());
    let mut tried = BTreeSet::new();
    for object in all {
        for attribute in object["attributes"]["attribute"].as_array().unwrap() {
            let name = attribute["name"].as_str().unwrap();
            for value in attribute["value"].as_array().unwrap() {
                let value = value.as_str().unwrap();
                if value.contains(char::is_control) || name == "Date" {
                    continue;
                }
                if !tried.insert((name.to_owned(), value.to_owned())) {
                    continue;
                }
                // A search of all text costs a server much.
                let anywhere = tried.len() % 6 == 0;
                let both = [
                    one("Attribute", name, value),
                    one("AllTextAttributes", "", value),
                ];
                for mut criteria in both.into_iter().take(1 + usize::from(anywhere)) {
                    criteria["searchScope"] = scope.clone();
                    let found = search(store, &criteria).await;
                    let has = |found: &Value| found["resourceURL"] == object["resourceURL"];
                    let objects = found["object"].as_array().unwrap();
                    assert!(objects.iter().any(has), "{} {criteria}", store.kind.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn dovecot_finds_it() {
    all(Store::dovecot("search_dovecot").await).await;
}

#[tokio::test]
async fn cyrus_finds_it() {
    let server = cyrus::start().await;
    all(Store::new(CYRUS, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_finds_it() {
    let server = courier::start().await;
    all(Store::new(COURIER, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}
