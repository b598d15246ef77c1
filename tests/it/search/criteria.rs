//! Each kind of criterion, and what is refused.

use serde_json::{Value, json};

use super::{message, one, search, subjects, urls, values, walked};
use crate::{
    folders::reason,
    objects::{below_box, folder_of},
    support::bridge::Bridge,
};

/// Messages with subjects to tell them by, in two folders.
async fn filled(test: &str) -> Bridge {
    let bridge = Bridge::builder(test)
        .folder("A")
        .folder("A/B")
        .start()
        .await;
    let mut witness = bridge.witness().await;
    for (mailbox, subject, more, text, flags) in [
        (
            "A",
            "one",
            "Date: Mon, 1 Jun 2026 10:00:00 +0200\r\nMessage-Direction: received\r\n",
            "first holiday",
            "\\Seen",
        ),
        (
            "A",
            "two",
            "Date: 1 Jun 2026 08:00:01 +0000\r\nMessage-Direction: sent\r\n",
            "second holidays",
            "$Work",
        ),
        (
            "A/B",
            "three",
            "Date: nonsense\r\nMessage-Direction: received\r\n",
            "third",
            "\\Seen \\Flagged",
        ),
        (
            "INBOX",
            "four",
            "Message-Context: Pager-Message\r\n",
            "fourth Holiday!",
            "$ReadReportSent",
        ),
    ] {
        witness
            .append(
                mailbox,
                &message(subject, more, text),
                flags,
                Some("02-Jun-2026 00:00:00 +0000"),
            )
            .await;
    }
    bridge
}

async fn found(bridge: &Bridge, criteria: &Value) -> String {
    subjects(&search(bridge, criteria).await).join(" ")
}

async fn refused(bridge: &Bridge, criteria: &Value) -> (u16, String, Vec<String>) {
    let body = json!({ "selectionCriteria": criteria });
    let answer = bridge.post("objects/operations/search", &body).await;
    let (id, variables) = reason(&answer.json());
    (answer.status, id, variables)
}

#[tokio::test]
async fn without_criteria_all_is_found_by_path_and_newest_first() {
    let bridge = filled("search_all").await;
    assert_eq!(found(&bridge, &json!({})).await, "two one three four");
    assert_eq!(
        found(&bridge, &json!({"maxEntries": 10})).await,
        "two one three four"
    );
    let list = search(&bridge, &json!({})).await;
    assert!(list.get("cursor").is_none() && list.get("creationCursor").is_none());
    for url in urls(&list) {
        let object = bridge.get(&below_box(&json!(url))).await.expect(200).json();
        let listed = list["object"].as_array().unwrap().iter();
        let mut same = listed.filter(|listed| listed["resourceURL"] == url);
        assert_eq!(same.next(), Some(&object["object"]), "as GET shows it");
    }
}

#[tokio::test]
async fn every_criterion_finds_what_the_contract_says() {
    let bridge = filled("search_each").await;
    for (kind, name, value, expected) in [
        ("Attribute", "subject", "two", "two"),
        ("Attribute", "Subject", "Two", ""),
        ("Attribute", "Subject", "tw", ""),
        ("Attribute", "Direction", "IN", "one three"),
        ("Attribute", "Message-Direction", "sent", "two"),
        ("Attribute", "message-context", "pager-message", "four"),
        ("Attribute", "From", "tel:+15550101", "two one three four"),
        ("Attribute", "From", "+15550101", ""),
        ("AllTextAttributes", "", "HOLIDAY", "two one four"),
        ("AllTextAttributes", "", "2026-06-02", "three four"),
        ("WholeWord", "", "holiday", "one four"),
        ("WholeWord", "", "first holiday", "one"),
        ("Flag", "\\Seen", "", "one three"),
        ("Flag", "\\seen", "true", "one three"),
        ("Flag", "\\Seen", "FALSE", "two four"),
        ("Flag", "$work", "true", "two"),
        ("Flag", "$Work", "false", "one three four"),
        ("Flag", "$Play", "true", ""),
        ("Flag", "\\read-report-sent", "true", "four"),
        ("Flag", "$readreportsent", "true", "four"),
        ("CreatedObjects", "", "", "two one three four"),
        ("PresetSearch", "UPOneDotO", "", "two one three four"),
        ("PresetSearch", "path", "/A", "two one three"),
        ("PresetSearch", "path", "/A/B", "three"),
        (
            "PresetSearch",
            "RemoteParty",
            "tel:+1, tel:+15550101",
            "two one three four",
        ),
        ("PresetSearch", "RemoteParty", "tel:+1", ""),
        ("PresetSearch", "NeverHeardOf", "", "two one three four"),
        (
            "Date",
            "",
            "minDate=2026-06-01T08:00:00Z",
            "two one three four",
        ),
        ("Date", "", "minDate=2026-06-01T08:00:01Z", "two three four"),
        ("Date", "", "maxDate=2026-06-01T08:00:01Z", "one"),
        (
            "Date",
            "",
            "minDate=2026-06-01T10:00:00+02:00&maxDate=2026-06-02T00:00Z",
            "two one",
        ),
        (
            "Date",
            "",
            "minDate=2026-06-01T08:00:00.5Z&maxDate=2026-06-01T08:00:01.5Z",
            "two",
        ),
    ] {
        let criteria = one(kind, name, value);
        assert_eq!(found(&bridge, &criteria).await, expected, "{criteria}");
    }
}

#[tokio::test]
async fn operators_and_scopes_narrow_it() {
    let bridge = filled("search_scopes").await;
    let seen = json!({"type": "Flag", "name": "\\Seen", "value": "true"});
    let incoming = json!({"type": "Attribute", "name": "Direction", "value": "In"});
    let flagged = json!({"type": "Flag", "name": "\\Flagged", "value": "true"});
    let criteria = |operator: &str, criterion: &[&Value]| json!({"searchCriteria": {"operator": operator, "criterion": criterion}});
    let both = [&seen, &flagged];
    assert_eq!(found(&bridge, &criteria("And", &both)).await, "three");
    assert_eq!(found(&bridge, &criteria("Or", &both)).await, "one three");
    assert_eq!(
        found(&bridge, &criteria("Not", &both)).await,
        "two one four"
    );
    assert_eq!(
        found(&bridge, &criteria("Not", &[&incoming, &flagged])).await,
        "two one four"
    );
    let a = folder_of(&bridge, "/A").await;
    let elsewhere = format!("https://elsewhere:99{}", bridge.target(&a));
    for (scope, expected) in [
        (json!({"path": "/A"}), "two one three"),
        (json!({"resourceURL": bridge.target(&a)}), "two one three"),
        (
            json!({"resourceURL": elsewhere, "path": "/INBOX"}),
            "two one three",
        ),
        (json!({"path": "/"}), "two one three four"),
        (json!({"path": "/INBOX"}), "four"),
    ] {
        let criteria = json!({"searchScope": scope});
        assert_eq!(found(&bridge, &criteria).await, expected, "{criteria}");
    }
    let narrow = json!({"searchScope": {"path": "/A"}, "nonRecursiveScope": "true"});
    assert_eq!(found(&bridge, &narrow).await, "two one");
}

#[tokio::test]
async fn order_is_by_date_or_attributes_in_either_spelling() {
    let bridge = filled("search_order").await;
    let sort = |spelling: &str, criteria: Value| {
        let criteria = if spelling == "sortCriteria" {
            json!({"criterion": criteria})
        } else {
            criteria
        };
        json!({ spelling: criteria })
    };
    for spelling in ["sortCriteria", "sortCriterion"] {
        for (criteria, expected) in [
            (
                json!([{"type": "Date", "order": "Ascending"}]),
                "one two three four",
            ),
            (
                json!([{"type": "Date", "order": "Descending"}]),
                "three four two one",
            ),
            (json!([{"type": "Date"}]), "three four two one"),
            (
                json!([{"type": "Attribute", "name": "subject"}]),
                "two three one four",
            ),
            (
                json!([{"type": "Attribute", "name": "Subject", "order": "Ascending"}]),
                "four one three two",
            ),
            (
                json!([{"type": "Attribute", "name": "Direction"}, {"type": "Date", "order": "Ascending"}]),
                "two one three four",
            ),
            (
                json!([{"type": "Attribute", "name": "Direction", "order": "Ascending"}, {"type": "Date"}]),
                "three one two four",
            ),
        ] {
            let criteria = sort(spelling, criteria);
            assert_eq!(found(&bridge, &criteria).await, expected, "{criteria}");
            for page in [1, 2, 3] {
                let pages = walked(&bridge, &criteria, page).await;
                assert_eq!(
                    pages,
                    urls(&search(&bridge, &criteria).await),
                    "{criteria} {page}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let bridge = filled("search_wrong").await;
    let svc2 = |part: &str| (400, "SVC0002".to_owned(), vec![part.to_owned()]);
    for (criteria, expected) in [
        (one("Date", "", "minDate=yesterday"), svc2("value")),
        (one("Date", "", ""), svc2("value")),
        (one("Date", "", "from=2026-06-01T00:00:00Z"), svc2("value")),
        (one("Attribute", "", "x"), svc2("name")),
        (
            json!({"searchCriteria": {"criterion": [{"type": "Attribute", "name": "To"}]}}),
            svc2("value"),
        ),
        (one("Attribute", "To\r\n", "x"), svc2("name")),
        (one("Attribute", "To", "x\u{0}"), svc2("value")),
        (one("Flag", "a b", "true"), svc2("name")),
        (one("Flag", "\\Seen", "perhaps"), svc2("value")),
        (one("CreatedObjects", "", "garbage"), svc2("value")),
        (one("WholeWord", "", ""), svc2("value")),
        (one("PresetSearch", "", ""), svc2("name")),
        (
            json!({"searchCriteria": {"criterion": []}}),
            svc2("criterion"),
        ),
        (json!({"maxEntries": 0}), svc2("maxEntries")),
        (json!({"maxEntries": -5}), svc2("maxEntries")),
        (json!({"maxEntries": "many"}), svc2("maxEntries")),
        (json!({"fromCursor": "garbage"}), svc2("fromCursor")),
        (json!({"searchScope": {"path": "/none"}}), svc2("/none")),
        (
            json!({"searchScope": {"resourceURL": "http://x/folders/y"}}),
            svc2("http://x/folders/y"),
        ),
        (json!({"searchScope": {}}), svc2("searchScope")),
        (
            json!({"sortCriteria": {"criterion": [{"type": "Attribute"}]}}),
            svc2("name"),
        ),
        (
            json!({"searchCriteria": {"operator": "Not", "criterion": [{"type": "VanishedObjects", "value": ""}]}}),
            svc2("operator"),
        ),
        (
            json!({"searchCriteria": {"criterion": [{"type": "VanishedObjects", "value": ""},
                {"type": "Flag", "name": "\\Seen", "value": ""}]}}),
            svc2("criterion"),
        ),
    ] {
        assert_eq!(refused(&bridge, &criteria).await, expected, "{criteria}");
    }
    for (criteria, part, valid) in [
        (
            one("PurgedObject", "", ""),
            "type",
            "Date, Attribute, AllTextAttributes",
        ),
        (
            json!({"searchCriteria": {"operator": "Xor", "criterion": [{"type": "Flag"}]}}),
            "operator",
            "And, Or, Not",
        ),
        (
            json!({"sortCriteria": {"criterion": [{"type": "Size"}]}}),
            "type",
            "Date, Attribute",
        ),
        (
            json!({"sortCriteria": {"criterion": [{"type": "Date", "order": "Up"}]}}),
            "order",
            "Ascending, Descending",
        ),
    ] {
        let (status, id, variables) = refused(&bridge, &criteria).await;
        assert_eq!((status, id.as_str()), (400, "SVC0003"), "{criteria}");
        assert_eq!(variables[0], part);
        assert!(variables[1].starts_with(valid), "{variables:?}");
    }
}

#[tokio::test]
async fn an_unknown_preset_may_be_refused() {
    let bridge = Bridge::builder("search_preset")
        .setting("[search]\nunknown_preset = \"refuse\"")
        .start()
        .await;
    let unknown = one("PresetSearch", "NeverHeardOf", "");
    assert_eq!(
        refused(&bridge, &unknown).await,
        (403, "POL2006".to_owned(), vec!["NeverHeardOf".to_owned()])
    );
    search(&bridge, &one("PresetSearch", "UPOneDotO", "")).await;
}

#[tokio::test]
async fn a_cursor_is_of_one_search_and_outlives_the_process() {
    let bridge = filled("search_cursor").await;
    let criteria = json!({"maxEntries": 1, "searchScope": {"path": "/A"}});
    let first = search(&bridge, &criteria).await;
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let mut next = criteria.clone();
    next["fromCursor"] = json!(cursor);
    next["maxEntries"] = json!(9);
    let login = bridge.account.login.clone();
    let rest = search(&bridge, &next).await;
    assert_eq!(subjects(&rest), ["one", "three"]);
    for (member, value) in [
        ("searchScope", json!({"path": "/A/B"})),
        ("nonRecursiveScope", json!(true)),
        ("sortCriteria", json!({"criterion": [{"type": "Date"}]})),
        (
            "searchCriteria",
            json!({"criterion": [{"type": "Flag", "name": "x", "value": ""}]}),
        ),
        ("fromCursor", json!(format!("A{cursor}"))),
        ("fromCursor", json!("")),
    ] {
        let mut other = next.clone();
        other[member] = value;
        let (status, id, variables) = refused(&bridge, &other).await;
        assert_eq!(
            (status, id.as_str(), &variables[..]),
            (400, "SVC0002", &["fromCursor".to_owned()][..]),
            "{member}"
        );
    }
    // Another process in front of the same box.
    let imap = bridge.account.imap;
    bridge.stop().await;
    let again =
        crate::support::store::Store::new(crate::support::store::DOVECOT, imap, imap, &login).await;
    let body = json!({"selectionCriteria": next});
    let found = again
        .json("POST", "objects/operations/search", Some(body), 200)
        .await;
    assert_eq!(subjects(&found["objectList"]), ["one", "three"]);
    again.stop().await;
}

#[tokio::test]
async fn what_was_created_since_is_found_whichever_answer_said_so() {
    let bridge = filled("search_created").await;
    let created = |value: &str| one("CreatedObjects", "", value);
    let mut all = created("");
    all["maxEntries"] = json!(3);
    let first = search(&bridge, &all).await;
    let mut witness = bridge.witness().await;
    witness
        .append("A", &message("new", "", "x"), "", None)
        .await;
    all["fromCursor"] = first["cursor"].clone();
    let last = search(&bridge, &all).await;
    assert_eq!(subjects(&last), ["four"]);
    assert!(last.get("cursor").is_none());
    for list in [&first, &last] {
        let since = list["creationCursor"].as_str().unwrap();
        let new = search(&bridge, &created(since)).await;
        assert_eq!(subjects(&new), ["new"]);
        let later = new["creationCursor"].as_str().unwrap();
        assert_eq!(found(&bridge, &created(later)).await, "");
    }
    let since = last["creationCursor"].as_str().unwrap();
    let not = json!({"searchCriteria": {"operator": "Not", "criterion": [{"type": "CreatedObjects", "value": since}]}});
    assert_eq!(found(&bridge, &not).await, "two one three four");
    // All of a folder that is new.
    witness.command("CREATE C").await.ok();
    witness
        .append("C", &message("newest", "", "x"), "", None)
        .await;
    assert_eq!(found(&bridge, &created(since)).await, "new newest");
}

#[tokio::test]
async fn objects_flagged_deleted_are_found_only_where_they_are_shown() {
    for (deleted, expected) in [("show", "b a"), ("hide", "a")] {
        let bridge = Bridge::builder("search_deleted")
            .setting(&format!("[objects]\ndeleted = \"{deleted}\""))
            .start()
            .await;
        let mut witness = bridge.witness().await;
        witness
            .append("INBOX", &message("a", "", "x"), "", None)
            .await;
        witness
            .append("INBOX", &message("b", "", "x"), "\\Deleted", None)
            .await;
        assert_eq!(found(&bridge, &json!({})).await, expected);
        assert_eq!(
            found(&bridge, &one("AllTextAttributes", "", "15550101")).await,
            expected
        );
        let sorted = json!({"sortCriteria": {"criterion": [{"type": "Date"}]}});
        assert_eq!(found(&bridge, &sorted).await.len(), expected.len());
    }
}

#[tokio::test]
async fn words_are_found_in_the_texts_of_any_payload_and_not_in_their_header_lines() {
    let bridge = Bridge::builder("search_words")
        .message("INBOX", "f04-mms-cpim.eml")
        .message("INBOX", "f06-chat-1to1-in.eml")
        .message("INBOX", "f05-mms-plain.eml")
        .start()
        .await;
    let multipart = b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\
        Content-Transfer-Encoding: base64\r\nX-Secret: hidden\r\n\r\naW5zaWRlIHRoZSBwYXJ0\r\n--x\r\nContent-Type: image/png\r\n\r\ninside\r\n--x--\r\n";
    bridge
        .witness()
        .await
        .append("INBOX", multipart, "", None)
        .await;
    let found = search(&bridge, &one("WholeWord", "", "inside")).await;
    assert_eq!(subjects(&found), ["parts"]);
    for absent in ["hidden", "insid", "Content-Transfer-Encoding"] {
        assert_eq!(
            subjects(&search(&bridge, &one("WholeWord", "", absent)).await).len(),
            0,
            "{absent}"
        );
    }
    let chat = search(&bridge, &json!({})).await;
    let texts: Vec<String> = chat["object"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|object| values(object, "TextContent"))
        .collect();
    let word = texts[0].split_whitespace().next().unwrap().to_owned();
    let found = search(&bridge, &one("WholeWord", "", &word)).await;
    assert_eq!(found["object"].as_array().unwrap().len(), 1, "{word}");
}
