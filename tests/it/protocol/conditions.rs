//! Entity tags and what depends on them (RFC 9110 §13; product: conditional requests).

use serde_json::json;

use super::{getting, newest, refusal, tag, with};
use crate::{
    objects::{folder_of, objects_of},
    support::{
        bridge::{Bridge, Builder},
        http::Answer,
        proxy::Proxy,
        repertoire::Repertoire,
    },
};

const FAILED: &str = "412 SVC0001 PreconditionFailed";

fn filled(test: &str) -> Builder {
    Bridge::builder(test).flagged("INBOX", "f05-mms-plain.eml", "\\Flagged")
}

/// GET with If-None-Match.
async fn unless(bridge: &Bridge, resource: &str, tags: &str) -> Answer {
    let headers = [("If-None-Match", tags)];
    getting(bridge, resource, &headers).send().await
}

/// Any request with If-Match; PUT of all flags sets one.
async fn when(bridge: &Bridge, method: &str, resource: &str, tags: &str) -> Answer {
    let mut request = bridge.request(method, resource).header("If-Match", tags);
    if resource.ends_with("/flags") && method == "PUT" {
        request = request.json(&json!({"flagList": {"flag": ["\\Answered"]}}));
    }
    request.send().await
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let bridge = filled("not_modified").start().await;
    let object = newest(&bridge).await;
    let folder = folder_of(&bridge, "/INBOX").await;
    for resource in [
        object.clone(),
        format!("{object}/flags"),
        format!("{object}/payload"),
        format!("{object}/payloadParts/1"),
        format!("{folder}?listFilter=All"),
    ] {
        let known = bridge.get(&resource).await.expect(200);
        let tags = format!("\"other\", W/{}", tag(&known));
        for tags in [&tag(&known), "*", &tags] {
            for method in ["GET", "HEAD"] {
                let request = bridge.request(method, &resource);
                let answer = request.header("If-None-Match", tags).send().await;
                let answer = answer.expect(304);
                assert!(answer.body.is_empty());
                for header in ["etag", "cache-control", "vary"] {
                    assert_eq!(answer.header(header), known.header(header), "{resource}");
                }
                for header in ["content-length", "content-type", "content-range"] {
                    assert_eq!(answer.header(header), None, "{resource}");
                }
            }
        }
        let other = unless(&bridge, &resource, "\"other\"").await.expect(200);
        assert_eq!(other.body, known.body);
    }
}

#[tokio::test]
async fn a_tag_begins_with_last_mod_seq_and_changes_with_the_object() {
    let bridge = filled("tag_changes").start().await;
    let object = newest(&bridge).await;
    let flags = format!("{object}/flags");
    let before = bridge.get(&object).await.expect(200);
    let last_mod_seq = before.json()["object"]["lastModSeq"].as_u64().unwrap();
    let revision = format!("\"{last_mod_seq}-");
    assert!(tag(&before).starts_with(&revision), "{}", tag(&before));
    let flags_before = bridge.get(&flags).await.expect(200);
    assert!(tag(&flags_before).starts_with(&revision));
    assert_ne!(tag(&before), tag(&flags_before));

    let mut witness = bridge.witness().await;
    witness.command("SELECT INBOX").await.ok();
    witness.command("UID STORE 1 +FLAGS (\\Seen)").await.ok();
    let after = unless(&bridge, &object, &tag(&before)).await.expect(200);
    assert_ne!(tag(&after), tag(&before));
    let flags_after = unless(&bridge, &flags, &tag(&flags_before)).await;
    assert_ne!(tag(&flags_after.expect(200)), tag(&flags_before));
}

#[tokio::test]
async fn a_folder_has_another_tag_when_its_children_or_its_name_change() {
    let bridge = filled("folder_tag").folder("Albums").start().await;
    let folder = folder_of(&bridge, "/Albums").await;
    let list = format!("{folder}?listFilter=All&path=Yes");
    let bare = tag(&bridge.get(&folder).await);
    let mut known = tag(&bridge.get(&list).await);
    assert!(!known.contains('-'), "{known}");
    let mut witness = bridge.witness().await;
    for change in [
        "CREATE Albums/one",
        "COPY 1 Albums",
        "RENAME Albums/one Albums/two",
    ] {
        witness.examine("INBOX").await;
        witness.command(change).await.ok();
        let answer = unless(&bridge, &list, &known).await;
        assert_eq!(answer.status, 200, "{change}");
        known = tag(&answer);
        unless(&bridge, &list, &known).await.expect(304);
        unless(&bridge, &folder, &bare).await.expect(304);
    }
}

#[tokio::test]
async fn each_form_has_a_tag_of_its_own_and_all_of_them_name_the_revision() {
    let bridge = filled("forms_of_a_tag").start().await;
    let object = newest(&bridge).await;
    let flag = format!("{object}/flags/kept");
    let mut known: Vec<String> = Vec::new();
    for headers in [
        [
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
        ],
        [("Accept", "application/json"), ("Accept-Encoding", "gzip")],
        [
            ("Accept", "application/xml"),
            ("Accept-Encoding", "identity"),
        ],
        [("Accept", "application/xml"), ("Accept-Encoding", "gzip")],
    ] {
        let answer = getting(&bridge, &object, &headers).send().await.expect(200);
        let own = tag(&answer);
        assert!(!known.contains(&own), "{own}");
        for (other, status) in known.iter().map(|other| (other, 200)).chain([(&own, 304)]) {
            let request = getting(&bridge, &object, &headers).header("If-None-Match", other);
            request.send().await.expect(status);
        }
        known.push(own);
    }
    let seen = &known[3];
    when(&bridge, "PUT", &flag, seen).await.expect(201);
    when(&bridge, "DELETE", &flag, seen).await.expect(412);
    let now = tag(&bridge.get(&object).await);
    when(&bridge, "DELETE", &flag, &now).await.expect(204);
}

/// What changes an object does so only in the revision that the client has seen, with or without CONDSTORE.
async fn changes_nothing_that_has_changed(bridge: Bridge) {
    let object = newest(&bridge).await;
    let mut witness = bridge.witness().await;
    witness.command("SELECT INBOX").await.ok();
    let changes = [
        ("PUT", format!("{object}/flags"), 200),
        ("PUT", format!("{object}/flags/kept"), 201),
        ("DELETE", format!("{object}/flags/kept"), 204),
        ("DELETE", object.clone(), 204),
    ];
    for (turn, (method, resource, status)) in changes.iter().enumerate() {
        let seen = tag(&bridge.get(&object).await.expect(200));
        // Another client is quicker.
        let other = format!("UID STORE 1 +FLAGS (other{turn})");
        witness.command(&other).await.ok();
        let flags = witness.flags(1).await;
        for stale in [&seen, "\"1-x\"", "\"none\"", "W/\"weak\""] {
            let answer = when(&bridge, method, resource, stale).await;
            assert_eq!(refusal(&answer), FAILED, "{method} {resource} {stale}");
        }
        assert_eq!(witness.flags(1).await, flags, "{method} {resource}");
        let now = tag(&bridge.get(&format!("{object}/flags")).await.expect(200));
        let weak = format!("W/{now}");
        when(&bridge, method, resource, &weak).await.expect(412);
        let several = format!("{seen}, {now}");
        when(&bridge, method, resource, &several)
            .await
            .expect(*status);
    }
    assert_eq!(bridge.imap_count("INBOX").await, 0);
    let gone = when(&bridge, "DELETE", &object, "\"1-x\"").await;
    assert_eq!(refusal(&gone), "404 SVC0004 Request-URI");
}

#[tokio::test]
async fn with_if_match_nothing_is_changed_that_has_changed() {
    changes_nothing_that_has_changed(filled("if_match").start().await).await;
}

#[tokio::test]
async fn with_if_match_nothing_is_changed_that_has_changed_on_a_store_without_condstore() {
    let builder = filled("if_match_without_condstore");
    let proxy = Proxy::hiding(builder.imap(), &["CONDSTORE", "QRESYNC"]).await;
    let bridge = builder.store(proxy.address()).start().await;
    changes_nothing_that_has_changed(bridge).await;
}

#[tokio::test]
async fn any_revision_will_do_for_a_star_and_none_for_its_contrary() {
    let bridge = filled("if_match_star").start().await;
    let object = newest(&bridge).await;
    let flag = format!("{object}/flags/kept");
    when(&bridge, "PUT", &flag, "*").await.expect(201);
    let seen = tag(&bridge.get(&object).await);
    for (tags, status) in [("*", 412), (seen.as_str(), 412), ("\"1-x\"", 204)] {
        let request = bridge
            .request("DELETE", &flag)
            .header("If-None-Match", tags);
        let answer = request.send().await.expect(status);
        assert!(status != 412 || refusal(&answer) == FAILED);
    }
    // What is read has to be there too, and in that revision.
    when(&bridge, "GET", &object, "*").await.expect(200);
    assert_eq!(refusal(&when(&bridge, "GET", &object, &seen).await), FAILED);
    let payload = format!("{object}/payload");
    assert_eq!(
        refusal(&when(&bridge, "GET", &payload, "\"x\"").await),
        FAILED
    );
}

#[tokio::test]
async fn conditions_that_cannot_be_read_name_their_header_and_change_nothing() {
    let bridge = filled("malformed_conditions").start().await;
    let object = newest(&bridge).await;
    for name in ["If-Match", "If-None-Match"] {
        for value in ["5", "\"5", "\"5\" \"6\"", ""] {
            for method in ["GET", "DELETE"] {
                let request = with(bridge.request(method, &object), &[(name, value)]);
                let told = refusal(&request.send().await);
                assert_eq!(told, format!("400 SVC0002 {name}"), "{method} {value}");
            }
        }
    }
    assert_eq!(bridge.imap_count("INBOX").await, 1);
}

/// The store of a repertoire, and its object with UID 7 at MODSEQ 70.
async fn scripted(test: &str) -> (Repertoire, Bridge, String) {
    let store = Repertoire::start("store.txt").await;
    let bridge = Bridge::builder(test).store(store.address()).start().await;
    let object = objects_of(&bridge, "/INBOX").await.remove(1);
    (store, bridge, object)
}

#[tokio::test]
async fn who_is_overtaken_between_look_and_store_is_told_so_and_not_tried_again() {
    for (method, resource) in [
        ("PUT", "/flags"),
        ("PUT", "/flags/%5CSeen"),
        ("DELETE", "/flags/%5CAnswered"),
        ("DELETE", ""),
    ] {
        let (store, bridge, object) = scripted("overtaken").await;
        store.answer("UID STORE 7 *", "{tag} OK [MODIFIED 7] not stored");
        let resource = format!("{object}{resource}");
        let answer = if resource.ends_with("/flags") {
            let request = bridge
                .request(method, &resource)
                .header("If-Match", "\"70-x\"");
            let body = json!({"flagList": {"flag": ["\\Seen"]}});
            request.json(&body).send().await
        } else {
            when(&bridge, method, &resource, "\"70-x\"").await
        };
        assert_eq!(refusal(&answer), FAILED, "{method} {resource}");
        let stores = store.received("UID STORE *");
        assert_eq!(stores.len(), 1, "{stores:?}");
        assert!(
            stores[0].starts_with("UID STORE 7 (UNCHANGEDSINCE 70) "),
            "{stores:?}"
        );
        assert_eq!(store.received("UID EXPUNGE *"), [""; 0]);
    }
}

#[tokio::test]
async fn a_replacement_that_has_begun_in_the_right_revision_is_brought_to_its_end() {
    let (store, bridge, object) = scripted("overtaken_half_way").await;
    let look = "UID FETCH 7 (UID FLAGS MODSEQ)";
    let fetched = |flags: &str, mod_seq: u32| {
        format!("* 1 FETCH (UID 7 FLAGS ({flags}) MODSEQ ({mod_seq}))\n{{tag}} OK done")
    };
    // Once the look for the second half has found another's change, and what is left is done in spite of it.
    store.answer("UID STORE 7 *-FLAGS (\\Answered*)", &fetched("\\Seen", 74));
    store.answer_times(
        1,
        "UID STORE 7 *-FLAGS (\\Answered*)",
        "{tag} OK [MODIFIED 7] no",
    );
    store.answer(
        "UID STORE 7 *+FLAGS (\\Seen)",
        &fetched("\\Answered \\Seen", 71),
    );
    store.answer_times(1, look, &fetched("\\Answered \\Seen other", 73));
    store.answer_times(1, look, &fetched("\\Answered", 70));
    let request = bridge.request("PUT", &format!("{object}/flags"));
    let body = json!({"flagList": {"flag": ["\\Seen"]}});
    let answer = request
        .header("If-Match", "\"70-x\"")
        .json(&body)
        .send()
        .await;
    assert_eq!(
        answer.expect(200).json()["flagList"]["flag"],
        json!(["\\Seen"])
    );
    assert_eq!(
        store.received("UID STORE *"),
        [
            "UID STORE 7 (UNCHANGEDSINCE 70) +FLAGS (\\Seen)",
            "UID STORE 7 (UNCHANGEDSINCE 71) -FLAGS (\\Answered)",
            "UID STORE 7 (UNCHANGEDSINCE 73) -FLAGS (\\Answered other)",
        ]
    );
}

/// A removal that is cut off after the object was flagged `\Deleted`: status, how often it was expunged, given its flags by then.
async fn cut_off(flags_then: &str) -> (u16, usize) {
    let (store, bridge, object) = scripted("cut_off").await;
    let look = "UID FETCH 7 (UID FLAGS)";
    let fetched = |flags: &str| format!("* 1 FETCH (UID 7 FLAGS ({flags}))\n{{tag}} OK done");
    store.answer(look, "{tag} OK done");
    store.answer_times(1, look, &fetched(flags_then));
    store.answer_times(1, look, &fetched("\\Answered"));
    store.answer("UID STORE 7 *", "{tag} OK done");
    store.answer_times(1, "UID EXPUNGE 7", "<close>");
    let answer = when(&bridge, "DELETE", &object, "\"70-x\"").await;
    let stores = store.received("UID STORE *");
    assert!(stores[0].contains("(UNCHANGEDSINCE 70)"), "{stores:?}");
    (answer.status, store.received("UID EXPUNGE 7").len())
}

#[tokio::test]
async fn a_removal_that_is_cut_off_goes_on_unless_another_has_changed_the_object() {
    assert_eq!(cut_off("\\Deleted \\Answered").await, (204, 2));
    assert_eq!(cut_off("\\Answered").await, (204, 2));
    // Before the removal began or after: nobody can say, so that it is not finished.
    assert_eq!(cut_off("\\Deleted \\Answered \\Seen").await, (503, 1));
    assert_eq!(cut_off("\\Seen").await, (503, 1));
}
