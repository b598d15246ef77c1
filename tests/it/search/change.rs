//! Walks over pages while other sessions come and go with messages.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};

use super::{message, search, values};
use crate::support::{bridge::Bridge, witness::Witness};

/// Objects at the beginning.
const MANY: usize = 10_000;
/// Of them vanish, and as many arrive.
const CHANGES: usize = 1000;
/// Entries of a page.
const PAGE: usize = 500;

/// A number that looks like any other.
fn scattered(number: usize) -> usize {
    number.wrapping_mul(2_654_435_761) % 1_000_003
}

/// A message with its number as subject, at a date that its number scatters.
fn numbered(number: usize) -> Vec<u8> {
    let second = scattered(number);
    let date = chrono::DateTime::from_timestamp(1_700_000_000 + i64::try_from(second).unwrap(), 0)
        .unwrap();
    message(
        &format!("n{number}"),
        &format!("Date: {}\r\n", date.to_rfc2822()),
        "x",
    )
}

/// Appends messages by one command (RFC 3502, RFC 7888).
pub(super) async fn append_all(
    witness: &mut Witness,
    mailbox: &str,
    numbers: impl Iterator<Item = usize>,
) {
    let mut command = format!("APPEND {mailbox}");
    for number in numbers {
        let message = String::from_utf8(numbered(number)).unwrap();
        write!(command, " {{{}+}}\r\n{message}", message.len()).unwrap();
    }
    witness.command(&command).await.ok();
}

/// Takes messages away for good.
async fn expunge(witness: &mut Witness, uids: &[usize]) {
    let set: Vec<String> = uids.iter().map(ToString::to_string).collect();
    let set = set.join(",");
    witness
        .command(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"))
        .await
        .ok();
    witness.command(&format!("UID EXPUNGE {set}")).await.ok();
}

/// Walks over all of a folder while it changes between the pages: how often each number was seen.
async fn walk(bridge: &Bridge, criteria: &Value) -> BTreeMap<usize, usize> {
    let mut witness = bridge.witness().await;
    witness.command("SELECT Many").await.ok();
    let mut criteria = criteria.clone();
    criteria["maxEntries"] = json!(PAGE);
    criteria["searchScope"] = json!({"path": "/Many"});
    let steps = MANY / PAGE;
    let each = CHANGES / steps;
    let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
    for step in 0.. {
        let list = search(bridge, &criteria).await;
        for object in list["object"].as_array().unwrap() {
            let subject = values(object, "Subject").join("");
            *seen.entry(subject[1..].parse().unwrap()).or_default() += 1;
        }
        let Some(cursor) = list["cursor"].as_str() else {
            break;
        };
        criteria["fromCursor"] = json!(cursor);
        if step < steps {
            // A message's UID is its number and one: every tenth vanishes, everywhere, while others arrive.
            let gone: Vec<usize> = (0..each)
                .map(|index| 1 + 10 * (index * steps + step))
                .collect();
            expunge(&mut witness, &gone).await;
            let first = MANY + step * each;
            append_all(&mut witness, "Many", first..first + each).await;
        }
    }
    seen
}

/// What stayed is seen once, and nothing twice.
async fn is_seen_once(test: &str, criteria: Value) {
    let bridge = Bridge::builder(test).folder("Many").start().await;
    let mut witness = bridge.witness().await;
    for first in (0..MANY).step_by(1000) {
        append_all(&mut witness, "Many", first..first + 1000).await;
    }
    assert_eq!(
        bridge.imap_count("Many").await,
        u32::try_from(MANY).unwrap()
    );
    let seen = walk(&bridge, &criteria).await;
    assert_eq!(
        bridge.imap_count("Many").await,
        u32::try_from(MANY).unwrap()
    );
    for number in (0..MANY).filter(|number| number % 10 != 0) {
        assert_eq!(seen.get(&number), Some(&1), "{number}");
    }
    let again = seen.iter().find(|(_, times)| **times > 1);
    assert_eq!(again, None, "seen again");
    bridge.stop().await;
}

#[tokio::test]
async fn what_stays_while_others_come_and_go_is_seen_once() {
    is_seen_once("search_change", json!({})).await;
}

#[tokio::test]
async fn what_stays_is_seen_once_in_the_order_of_dates_too() {
    let sort = json!({"sortCriteria": {"criterion": [{"type": "Date", "order": "Ascending"}]}});
    is_seen_once("search_change_dates", sort).await;
}
