//! What a first page costs, beside what the same search and sort cost a session of its own:
//! `cargo test --release --test it search::numbers -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{change::append_all, one, search};
use crate::support::bridge::Bridge;

const MANY: usize = 100_000;
const ROUNDS: u32 = 5;

/// The middle of some durations.
fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "measures"]
async fn first_pages_of_a_large_folder() {
    let bridge = Bridge::builder("search_numbers")
        .folder("Many")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    for first in (0..MANY).step_by(2000) {
        append_all(&mut witness, "Many", first..first + 2000).await;
    }
    witness.examine("Many").await;
    let scope = |mut criteria: Value| {
        criteria["searchScope"] = json!({"path": "/Many"});
        criteria["maxEntries"] = json!(50);
        criteria
    };
    let by_date = |mut criteria: Value| {
        criteria["sortCriteria"] = json!({"criterion": [{"type": "Date"}]});
        criteria
    };
    let items = "(FLAGS MODSEQ INTERNALDATE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[1]<0.8192>)";
    let unseen = one("Flag", "\\Seen", "false");
    let subject = one("Attribute", "Subject", "n77777");
    for (name, raw, criteria) in [
        ("all", "UID SEARCH RETURN (ALL) ALL", json!({})),
        ("unseen", "UID SEARCH RETURN (ALL) UNSEEN", unseen.clone()),
        ("subject", "UID SEARCH RETURN (ALL) SUBJECT n77777", subject),
        (
            "by date",
            "UID SORT (REVERSE DATE) UTF-8 ALL",
            by_date(json!({})),
        ),
        (
            "unseen by date",
            "UID SORT (REVERSE DATE) UTF-8 UNSEEN",
            by_date(unseen),
        ),
    ] {
        let criteria = scope(criteria);
        let (mut raws, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let started = Instant::now();
            witness.command(raw).await.ok();
            witness
                .command(&format!("UID FETCH 1:50 {items}"))
                .await
                .ok();
            let first = started.elapsed();
            let started = Instant::now();
            search(&bridge, &criteria).await;
            let own = started.elapsed();
            if round == 0 {
                println!("{name}: cold {first:?} raw, {own:?} ours");
            } else {
                raws.push(first);
                ours.push(own);
            }
        }
        let (raw, own) = (middle(raws), middle(ours));
        println!(
            "{name}: {raw:?} raw, {own:?} ours, {:.2}",
            own.as_secs_f64() / raw.as_secs_f64()
        );
    }
    bridge.stop().await;
}
