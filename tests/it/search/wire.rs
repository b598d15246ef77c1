//! What a search costs the store, and what it leaves there.

use std::collections::BTreeMap;

use serde_json::json;

use super::{message, one, search, subjects, walked};
use crate::support::{bridge::Bridge, proxy::Proxy, witness::Witness};

/// Commands that the bridge has sent, by name, and on how many connections.
fn said(proxy: &Proxy) -> (BTreeMap<String, usize>, usize) {
    let mut names = BTreeMap::new();
    let connections = proxy.said();
    for said in &connections {
        for line in String::from_utf8_lossy(said).lines() {
            let mut words = line.split(' ').skip(1);
            let name = match words.next() {
                Some("UID") => format!("UID {}", words.next().unwrap_or_default()),
                Some(name) => name.to_owned(),
                None => continue,
            };
            *names.entry(name).or_default() += 1;
        }
    }
    (names, connections.len())
}

/// All lines of searches that the bridge has sent.
fn searches(proxy: &Proxy) -> Vec<String> {
    let said = proxy.said().concat();
    let text = String::from_utf8_lossy(&said);
    let search = |line: &&str| line.contains(" UID SEARCH ");
    text.lines().filter(search).map(str::to_owned).collect()
}

async fn make_folders(witness: &mut Witness, count: usize, every: usize) {
    for number in 0..count {
        witness.command(&format!("CREATE f{number:04}")).await.ok();
        if number % every == 0 {
            let text = message(&format!("m{number}"), "", "x");
            witness
                .append(&format!("f{number:04}"), &text, "", None)
                .await;
        }
    }
}

#[tokio::test]
async fn a_thousand_folders_are_answered_page_by_page_on_few_connections() {
    let builder = Bridge::builder("search_folders");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    make_folders(&mut bridge.witness().await, 1000, 2).await;
    let first = search(&bridge, &json!({"maxEntries": 20})).await;
    assert_eq!(subjects(&first).len(), 20);
    assert!(first["cursor"].is_string());
    let (names, _) = said(&proxy);
    assert!(names["UID SEARCH"] <= 21, "{names:?}");
    assert!(names["EXAMINE"] <= 21, "{names:?}");
    let all = walked(&bridge, &json!({}), 400).await;
    assert_eq!(all.len(), 500);
    let before = said(&proxy).0;
    // Nothing new anywhere: one look at the counts tells.
    let created = search(&bridge, &one("CreatedObjects", "", "")).await;
    let middle = said(&proxy).0;
    let since = created["creationCursor"].as_str().unwrap();
    let none = search(&bridge, &one("CreatedObjects", "", since)).await;
    assert_eq!(subjects(&none).len(), 0);
    let after = said(&proxy).0;
    assert_eq!(middle["UID SEARCH"], after["UID SEARCH"]);
    assert!(before["UID SEARCH"] < middle["UID SEARCH"]);
    // Nothing anywhere: each folder is asked once, and no folder in vain for ever.
    let nowhere = walked(&bridge, &one("Attribute", "Subject", "nowhere"), 10).await;
    assert_eq!(nowhere.len(), 0);
    let (names, connections) = said(&proxy);
    assert!(
        names["UID SEARCH"] - after["UID SEARCH"] <= 501,
        "{names:?}"
    );
    assert!(connections <= 4, "{connections}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_search_leaves_nothing_behind() {
    let builder = Bridge::builder("search_traces");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let mut witness = bridge.witness().await;
    for number in 0..3 {
        witness
            .append(
                "INBOX",
                &message(&format!("m{number}"), "", "text"),
                "",
                None,
            )
            .await;
    }
    let flags = async |witness: &mut Witness| {
        let reply = witness.command("EXAMINE INBOX").await.ok();
        let texts = reply.texts();
        let flags: Vec<String> = texts
            .iter()
            .filter(|text| text.contains("FLAGS"))
            .map(|text| (*text).to_owned())
            .collect();
        flags
    };
    let before = flags(&mut witness).await;
    for name in ["$NeverUsed", "Neither", "\\Unheard", "\\read-report-sent"] {
        for value in ["true", "false"] {
            let found = search(&bridge, &one("Flag", name, value)).await;
            assert_eq!(subjects(&found).len(), if value == "true" { 0 } else { 3 });
        }
    }
    search(&bridge, &one("WholeWord", "", "text")).await;
    let sorted = json!({"sortCriteria": {"criterion": [{"type": "Date"}]}});
    search(&bridge, &sorted).await;
    // A session of its own: Dovecot shows keywords that it has learned of.
    let mut fresh = bridge.witness().await;
    assert_eq!(flags(&mut fresh).await, before, "no keyword was made");
    assert!(
        searches(&proxy)
            .iter()
            .all(|line| !line.contains("KEYWORD"))
    );
    assert_eq!(
        fresh.flags(1).await.into_iter().collect::<Vec<_>>(),
        ["\\Recent"]
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_keyword_that_another_session_has_just_made_is_found() {
    let bridge = Bridge::builder("search_keyword").start().await;
    let mut witness = bridge.witness().await;
    witness
        .append("INBOX", &message("a", "", "x"), "", None)
        .await;
    let fresh = one("Flag", "$Fresh", "true");
    assert_eq!(subjects(&search(&bridge, &fresh).await).len(), 0);
    witness.command("SELECT INBOX").await.ok();
    witness.command("UID STORE 1 +FLAGS ($Fresh)").await.ok();
    assert_eq!(subjects(&search(&bridge, &fresh).await), ["a"]);
}

#[tokio::test]
async fn a_search_is_one_bounded_command_for_a_folder() {
    let builder = Bridge::builder("search_bounded").folder("A");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let mut witness = bridge.witness().await;
    for mailbox in ["A", "INBOX"] {
        witness
            .append(mailbox, &message("a", "", "x"), "", None)
            .await;
    }
    let long: Vec<_> = (0..250)
        .map(|number| json!({"type": "Attribute", "name": "Subject", "value": format!("{number} {}", "word".repeat(300))}))
        .collect();
    for operator in ["And", "Or", "Not"] {
        let before = searches(&proxy).len();
        let criteria = json!({"searchCriteria": {"operator": operator, "criterion": long}});
        let found = search(&bridge, &criteria).await;
        assert_eq!(
            subjects(&found).len(),
            if operator == "Not" { 2 } else { 0 }
        );
        let lines = searches(&proxy).split_off(before);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|line| line.len() < 8 * 1024));
    }
    bridge.stop().await;
}
