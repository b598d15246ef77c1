//! What a NO or BAD means, by its response code; without one by asking again, never by its text (RFC 5530 §3).

use serde_json::json;

use super::{OFFERS, Play, WORDS, bridge, no, offer, told};
use crate::{objects::objects_of, support::repertoire::Repertoire};

/// A response code to any command in a mailbox, and what the client is told.
const CODES: [(&str, &str); 15] = [
    ("[NONEXISTENT]", "404 SVC0004 Request-URI"),
    ("[NOPERM]", "403 POL0001 NotAuthorized"),
    ("[AUTHORIZATIONFAILED]", "403 POL0001 NotAuthorized"),
    ("[AUTHENTICATIONFAILED]", "401 SVC2003"),
    ("[EXPIRED]", "401 SVC2003"),
    ("[UNAVAILABLE]", "503 SVC2001"),
    ("[INUSE]", "503 SVC2001"),
    ("[LIMIT]", "503 SVC2001"),
    ("[SERVERBUG]", "502 SVC0001 502"),
    ("[CORRUPTION]", "502 SVC0001 502"),
    ("[CONTACTADMIN]", "502 SVC0001 502"),
    ("[EXPUNGEISSUED]", "502 SVC0001 502"),
    ("[CLIENTBUG]", "500 SVC0001 500"),
    ("[PARSE]", "500 SVC0001 500"),
    ("[OVERQUOTA]", "403 POL0001 OverQuota"),
];

/// What opens INBOX for reading, and for writing.
const OPENINGS: [(&str, &str, &str); 7] = [
    ("EXAMINE", "GET", ""),
    ("EXAMINE", "GET", "/flags"),
    ("EXAMINE", "GET", "/flags/%5CSeen"),
    ("EXAMINE", "GET", "/payload"),
    ("SELECT", "PUT", "/flags/%5CSeen"),
    ("SELECT", "DELETE", "/flags/%5CAnswered"),
    ("SELECT", "DELETE", ""),
];

#[tokio::test]
async fn a_mailbox_that_is_not_opened_for_a_reason_is_told_by_that_reason() {
    let mut wrong = Vec::new();
    for (code, expected) in CODES {
        let play = Play::start("opening_refused").await;
        for name in ["EXAMINE", "SELECT"] {
            play.store.answer(&format!("{name} \"INBOX\""), &no(code));
        }
        for (_, method, rest) in OPENINGS {
            let told = play.ask(method, &format!("{}{rest}", play.object)).await;
            if told != expected {
                wrong.push(format!("{method} {rest} {code}: {told}, not {expected}"));
            }
        }
        assert_eq!(
            play.store.received("UID STORE *"),
            [""; 0],
            "nothing is written to a mailbox that is not open"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_is_told_by_the_reason() {
    let mut wrong = Vec::new();
    for (code, expected) in CODES {
        let play = Play::start("listing_refused").await;
        let folder = crate::objects::folder_of(&play.bridge, "/INBOX").await;
        for (command, what) in [("UID SEARCH *", "SEARCH"), ("EXAMINE \"INBOX\"", "EXAMINE")] {
            play.store.answer(command, &no(code));
            let told = play.ask("GET", &format!("{folder}?listFilter=All")).await;
            if told != expected {
                wrong.push(format!("{what} {code}: {told}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_fetch_that_is_refused_for_a_reason_is_told_by_that_reason() {
    let mut wrong = Vec::new();
    for (code, expected) in CODES {
        let play = Play::start("fetch_refused").await;
        play.store.answer("UID FETCH *", &no(code));
        for (_, method, rest) in OPENINGS {
            let told = play.ask(method, &format!("{}{rest}", play.object)).await;
            if told != expected {
                wrong.push(format!("{method} {rest} {code}: {told}, not {expected}"));
            }
        }
        assert_eq!(play.store.received("UID STORE *"), [""; 0]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// RFC 5530 §3: the message may have been expunged, and whoever asks again is told so.
#[tokio::test]
async fn after_an_expunge_that_got_in_the_way_an_object_is_read_again() {
    let play = Play::start("expunge_issued").await;
    let refusal = no("[EXPUNGEISSUED]");
    play.store.answer_times(1, "UID FETCH 7 *", &refusal);
    assert_eq!(
        play.ask("GET", &format!("{}/flags", play.object)).await,
        "200"
    );
    play.store.answer_times(1, "UID FETCH 7 *BODY*", &refusal);
    assert_eq!(play.ask("GET", &play.object).await, "200");
    play.store.answer("UID FETCH 7 *", "{tag} OK done");
    play.store.answer_times(1, "UID FETCH 7 *", &refusal);
    let told = play.ask("GET", &format!("{}/flags", play.object)).await;
    assert_eq!(told, "404 SVC0004 Request-URI");
}

#[tokio::test]
async fn an_object_behind_a_mailbox_that_is_unavailable_for_a_while_is_there_afterwards() {
    let play = Play::start("unavailable_for_a_while").await;
    for (name, method, rest) in OPENINGS.iter().take(5) {
        let open = format!("{name} \"INBOX\"");
        play.store.answer(&open, &no("[UNAVAILABLE]"));
        let resource = format!("{}{rest}", play.object);
        assert_eq!(play.ask(method, &resource).await, "503 SVC2001");
        play.store.withdraw(&open);
        assert_eq!(play.ask("GET", &play.object).await, "200");
        objects_of(&play.bridge, "/Work").await;
    }
}

/// RFC 5530 §3: codes are optional.
#[tokio::test]
async fn a_mailbox_that_is_not_opened_without_a_reason_is_asked_about() {
    asked_about("").await;
}

/// RFC 9051 §7.1: what is not known counts as none.
#[tokio::test]
async fn a_mailbox_that_is_not_opened_for_a_reason_nobody_knows_is_asked_about() {
    asked_about("[X-UNHEARD-OF 7 (a b)]").await;
    asked_about("[ALERT]").await;
}

async fn asked_about(code: &str) {
    for (name, method, rest) in OPENINGS {
        let asked = async |change: fn(&Play)| {
            let play = Play::start("opening_refused_without_a_reason").await;
            for name in ["EXAMINE", "SELECT"] {
                play.store.answer(&format!("{name} \"INBOX\""), &no(code));
            }
            change(&play);
            let told = play.ask(method, &format!("{}{rest}", play.object)).await;
            play.store.assert_all_known();
            told
        };
        let case = format!("{name} {code} for {method} {rest}");
        assert_eq!(asked(|_| {}).await, "502 SVC0001 502", "{case}");
        assert_eq!(
            asked(|play| play.lose("INBOX")).await,
            "404 SVC0004 Request-URI",
            "{case}: not listed"
        );
        assert_eq!(
            asked(|play| play.allow("INBOX", "l")).await,
            "403 POL0001 NotAuthorized",
            "{case}: the right r is missing"
        );
    }
}

#[tokio::test]
async fn rights_are_asked_for_only_where_there_are_rights() {
    let play = Play::offering("without_acl", &OFFERS.replace(" ACL", "")).await;
    play.store.answer("EXAMINE \"INBOX\"", &no(""));
    assert_eq!(play.ask("GET", &play.object).await, "502 SVC0001 502");
    assert_eq!(play.store.received("MYRIGHTS *"), [""; 0]);
}

#[tokio::test]
async fn a_command_that_is_not_understood_is_a_fault_of_ours() {
    let bad = format!("{{tag}} BAD {WORDS}");
    for command in ["EXAMINE \"INBOX\"", "UID FETCH *", "LIST *"] {
        let play = Play::start("not_understood").await;
        play.store.answer(command, &bad);
        let told = if command.starts_with("LIST") {
            play.ask("GET", "folders/operations/pathToId").await
        } else {
            play.ask("GET", &play.object).await
        };
        assert_eq!(told, "500 SVC0001 500", "{command}");
    }
    for command in ["SELECT \"INBOX\"", "UID STORE *"] {
        let play = Play::start("not_understood").await;
        play.store.answer(command, &bad);
        let flag = format!("{}/flags/%5CSeen", play.object);
        assert_eq!(play.ask("PUT", &flag).await, "500 SVC0001 500", "{command}");
    }
}

#[tokio::test]
async fn folders_that_cannot_be_listed_are_not_taken_for_none() {
    for (code, expected) in [
        ("", "502 SVC0001 502"),
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
    ] {
        let play = Play::start("listing_refused").await;
        play.store.answer("LIST \"\" \"*\"*", &no(code));
        for resource in [
            "folders/operations/pathToId",
            "folders/operations/pathToId?path=/INBOX",
        ] {
            assert_eq!(play.ask("GET", resource).await, expected, "{code}");
        }
        let body = json!({"folder": {"parentFolderPath": "/", "name": "New"}});
        let answer = play.bridge.post("folders", &body).await;
        assert_eq!(told(&answer), expected, "{code}");
        assert_eq!(play.store.received("CREATE *"), [""; 0]);
    }
}

/// It is asked once, and again only after it was not answered.
#[tokio::test]
async fn a_namespace_that_is_not_told_is_asked_for_again_and_one_that_is_told_is_kept() {
    for (refusal, expected) in [
        (no(""), "502 SVC0001 502"),
        (no("[UNAVAILABLE]"), "503 SVC2001"),
        (format!("{{tag}} BAD {WORDS}"), "500 SVC0001 500"),
    ] {
        let store = Repertoire::start("store.txt").await;
        offer(&store, OFFERS);
        store.answer_times(1, "NAMESPACE", &refusal);
        let bridge = bridge("namespace_refused", &store).await;
        for expected in [expected, "200", "200"] {
            let answer = bridge.get("folders/operations/pathToId").await;
            assert_eq!(told(&answer), expected, "{refusal}");
        }
        assert_eq!(store.received("NAMESPACE").len(), 2);
    }
}

/// Without LIST-STATUS each mailbox is asked for its UIDVALIDITY by itself.
#[tokio::test]
async fn a_status_that_is_refused_for_now_makes_no_object_disappear() {
    let few = OFFERS.replace(" LIST-STATUS", "");
    for (code, expected) in [
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[INUSE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
    ] {
        let play = Play::offering("status_refused", &few).await;
        let status = "STATUS \"INBOX\" *";
        play.store.answer(status, &no(code));
        // A tree read anew is wanted here, while an object may still be found by the one at hand.
        let resource = "folders/operations/pathToId?path=/INBOX";
        assert_eq!(play.ask("GET", resource).await, expected, "{code}");
        let told = play.ask("GET", &play.object).await;
        assert!(told == "200" || told == expected, "{code}: {told}");
        play.store.withdraw(status);
        assert_eq!(play.ask("GET", resource).await, "200", "{code}");
        assert_eq!(play.ask("GET", &play.object).await, "200", "{code}");
    }
}

#[tokio::test]
async fn a_mailbox_that_goes_between_list_and_status_spoils_no_listing() {
    let few = OFFERS.replace(" LIST-STATUS", "");
    for code in ["", "[NONEXISTENT]"] {
        let play = Play::offering("gone_before_status", &few).await;
        play.store.answer("STATUS \"Work\" *", &no(code));
        let told = play
            .ask("GET", "folders/operations/pathToId?path=/INBOX")
            .await;
        assert_eq!(told, "200", "{code}");
        assert_eq!(play.ask("GET", &play.object).await, "200", "{code}");
    }
}
