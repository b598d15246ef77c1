//! Flags that the store refuses to keep, keeps changing, or says it has set, and deletions it does not do.

use serde_json::json;

use super::{OFFERS, Play, no, told};

const STORE: &str = "UID STORE 7 *";

/// A flag that INBOX lists, one it does not list yet, and one that is set.
const LISTED: &str = "flags/%5CSeen";
const NEW: &str = "flags/Unheard-of";
const SET: &str = "flags/%5CAnswered";

async fn changes(play: &Play, cases: &[(&str, &str, &str)]) {
    for (method, flag, expected) in cases {
        let told = play.ask(method, &format!("{}/{flag}", play.object)).await;
        assert_eq!(told, *expected, "{method} {flag}");
    }
}

#[tokio::test]
async fn a_flag_that_is_refused_for_a_reason_is_told_by_that_reason() {
    for (code, expected) in [
        ("[CANNOT]", "403 POL2006"),
        ("[LIMIT]", "403 POL2006"),
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
        ("[OVERQUOTA]", "403 POL0001 OverQuota"),
        ("[NONEXISTENT]", "404 SVC0004 Request-URI"),
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[INUSE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("[EXPUNGEISSUED]", "502 SVC0001 502"),
        ("[CLIENTBUG]", "500 SVC0001 500"),
    ] {
        let play = Play::start("flag_refused").await;
        play.store.answer(STORE, &no(code));
        for (method, flag) in [("PUT", LISTED), ("PUT", NEW), ("DELETE", SET)] {
            let told = play.ask(method, &format!("{}/{flag}", play.object)).await;
            // POL2006 names the feature; which word it is for a flag is not what this is about.
            assert!(told.starts_with(expected), "{method} {flag} {code}: {told}");
        }
        let body = json!({"flagList": {"flag": ["Unheard-of"]}});
        let answer = play
            .bridge
            .put(&format!("{}/flags", play.object), &body)
            .await;
        assert!(
            told(&answer).starts_with(expected),
            "{code}: {}",
            told(&answer)
        );
    }
}

#[tokio::test]
async fn a_flag_that_is_refused_without_a_reason_is_asked_about() {
    let play = Play::start("flag_refused_without_a_reason").await;
    play.store.answer(STORE, &no(""));
    changes(
        &play,
        &[
            ("PUT", LISTED, "502 SVC0001 502"),
            ("DELETE", SET, "502 SVC0001 502"),
        ],
    )
    .await;
    // RFC 9051 §7.1: a keyword that is not there yet may be one too many.
    let told = play.ask("PUT", &format!("{}/{NEW}", play.object)).await;
    assert!(told.starts_with("403 POL2006"), "{told}");

    // RFC 4314 §4: \Seen needs s, \Deleted t, all others w.
    play.allow("INBOX", "lrst");
    changes(
        &play,
        &[
            ("PUT", LISTED, "502 SVC0001 502"),
            ("PUT", "flags/%5CDeleted", "502 SVC0001 502"),
            ("PUT", "flags/%5CFlagged", "403 POL0001 NotAuthorized"),
            ("PUT", NEW, "403 POL0001 NotAuthorized"),
            ("DELETE", SET, "403 POL0001 NotAuthorized"),
        ],
    )
    .await;
    play.allow("INBOX", "lrw");
    changes(
        &play,
        &[
            ("PUT", LISTED, "403 POL0001 NotAuthorized"),
            ("PUT", "flags/%5CDeleted", "403 POL0001 NotAuthorized"),
            ("PUT", "flags/%5CFlagged", "502 SVC0001 502"),
        ],
    )
    .await;
    play.store.assert_all_known();
}

#[tokio::test]
async fn without_rights_to_ask_for_a_refusal_without_a_reason_is_the_stores_fault() {
    let play = Play::offering("flag_refused_without_acl", &OFFERS.replace(" ACL", "")).await;
    play.store.answer(STORE, &no(""));
    changes(&play, &[("PUT", LISTED, "502 SVC0001 502")]).await;
    assert_eq!(play.store.received("MYRIGHTS *"), [""; 0]);
}

/// Dovecot says OK to a flag that one has no right to set.
#[tokio::test]
async fn an_ok_that_sets_nothing_is_no_success() {
    for (rights, expected) in [
        ("lr", "403 POL0001 NotAuthorized"),
        ("lrswipkxtea", "502 SVC0001 502"),
    ] {
        let play = Play::start("ok_without_effect").await;
        play.allow("INBOX", rights);
        changes(
            &play,
            &[("PUT", LISTED, expected), ("DELETE", SET, expected)],
        )
        .await;
        let body = json!({"flagList": {"flag": ["\\Seen"]}});
        let answer = play
            .bridge
            .put(&format!("{}/flags", play.object), &body)
            .await;
        assert_eq!(told(&answer), expected);
    }
}

/// The STORE's own answer shows that it was done; what another client did right after it is another matter.
#[tokio::test]
async fn a_flag_that_another_client_takes_away_right_afterwards_was_set() {
    for (method, flag, done) in [("PUT", LISTED, "\\Answered \\Seen"), ("DELETE", SET, "")] {
        let play = Play::start("taken_away").await;
        play.store.answer(
            STORE,
            &format!("* 1 FETCH (UID 7 FLAGS ({done}) MODSEQ (71))\n{{tag}} OK done"),
        );
        play.store.answer(
            "UID FETCH 7 *",
            "* 1 FETCH (UID 7 FLAGS (\\Answered) MODSEQ (72))\n{tag} OK done",
        );
        let told = play.ask(method, &format!("{}/{flag}", play.object)).await;
        assert_eq!(told, if method == "PUT" { "201" } else { "204" });
    }
}

#[tokio::test]
async fn flags_that_others_change_all_the_time_are_given_up_after_three_attempts() {
    let play = Play::start("modified").await;
    play.store.answer(STORE, "{tag} OK [MODIFIED 7] not stored");
    let body = json!({"flagList": {"flag": ["\\Seen"]}});
    let answer = play
        .bridge
        .put(&format!("{}/flags", play.object), &body)
        .await;
    assert_eq!(told(&answer), "503 SVC2001");
    let attempts = play.store.received(STORE);
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.contains("(UNCHANGEDSINCE 70)")),
        "{attempts:?}"
    );
}

#[tokio::test]
async fn flags_that_another_client_changed_once_are_read_again_and_set() {
    let play = Play::start("modified_once").await;
    let flags = "UID FETCH 7 (UID FLAGS MODSEQ)";
    play.store
        .answer_times(1, STORE, "{tag} OK [MODIFIED 7] not stored");
    play.store.answer(
        flags,
        "* 1 FETCH (UID 7 FLAGS (\\Seen Other) MODSEQ (72))\n{tag} OK",
    );
    play.store.answer_times(
        1,
        flags,
        "* 1 FETCH (UID 7 FLAGS (Other) MODSEQ (71))\n{tag} OK",
    );
    play.store
        .answer_times(1, flags, "* 1 FETCH (UID 7 FLAGS () MODSEQ (70))\n{tag} OK");
    let body = json!({"flagList": {"flag": ["\\Seen", "Other"]}});
    let answer = play
        .bridge
        .put(&format!("{}/flags", play.object), &body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json()["flagList"]["flag"],
        json!(["\\Seen", "Other"])
    );
    assert_eq!(
        play.store.received(STORE),
        [
            "UID STORE 7 (UNCHANGEDSINCE 70) +FLAGS (\\Seen Other)",
            "UID STORE 7 (UNCHANGEDSINCE 71) +FLAGS (\\Seen)"
        ],
        "only what is still missing is set"
    );
}

#[tokio::test]
async fn a_flag_of_an_object_that_is_gone_is_not_stored() {
    let play = Play::start("gone_before_store").await;
    play.store.answer("UID FETCH 7 *", "{tag} OK done");
    for (method, flag) in [("PUT", LISTED), ("DELETE", SET), ("GET", SET)] {
        let told = play.ask(method, &format!("{}/{flag}", play.object)).await;
        assert_eq!(told, "404 SVC0004 Request-URI", "{method}");
    }
    assert_eq!(
        play.ask("DELETE", &play.object).await,
        "404 SVC0004 Request-URI"
    );
    assert_eq!(play.store.received(STORE), [""; 0]);
}

#[tokio::test]
async fn a_deletion_that_is_refused_for_a_reason_is_told_by_that_reason() {
    for (code, expected) in [
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
        ("[UNAVAILABLE]", "503 SVC2001"),
        ("[INUSE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("[CLIENTBUG]", "500 SVC0001 500"),
    ] {
        for command in [STORE, "UID EXPUNGE 7"] {
            let play = Play::start("deletion_refused").await;
            play.store.answer(command, &no(code));
            assert_eq!(
                play.ask("DELETE", &play.object).await,
                expected,
                "{command} {code}"
            );
        }
    }
}

/// RFC 4314 §4: to flag needs t, to expunge e.
#[tokio::test]
async fn a_deletion_that_is_refused_without_a_reason_is_asked_about() {
    for (rights, flagged, expunged) in [
        ("lrswite", "502 SVC0001 502", "502 SVC0001 502"),
        ("lrswit", "502 SVC0001 502", "403 POL0001 NotAuthorized"),
        ("lrswie", "403 POL0001 NotAuthorized", "502 SVC0001 502"),
    ] {
        for (command, expected) in [(STORE, flagged), ("UID EXPUNGE 7", expunged)] {
            let play = Play::start("deletion_refused_without_a_reason").await;
            play.store.answer(command, &no(""));
            play.allow("INBOX", rights);
            assert_eq!(
                play.ask("DELETE", &play.object).await,
                expected,
                "{command} {rights}"
            );
        }
    }
}

#[tokio::test]
async fn an_object_that_stays_after_an_ok_is_not_deleted_and_its_flag_is_taken_back() {
    let play = Play::start("expunge_without_effect").await;
    play.store.answer(
        "UID FETCH 7 *",
        "* 1 FETCH (UID 7 FLAGS (\\Answered \\Deleted) MODSEQ (71))\n{tag} OK",
    );
    play.store.answer_times(
        1,
        "UID FETCH 7 *",
        "* 1 FETCH (UID 7 FLAGS (\\Answered) MODSEQ (70))\n{tag} OK",
    );
    let told = play.ask("DELETE", &play.object).await;
    assert!(told.starts_with("403") || told.starts_with("502"), "{told}");
    assert_eq!(
        play.store
            .received("UID *STORE 7 *")
            .first()
            .map(String::as_str),
        Some("UID STORE 7 +FLAGS (\\Deleted)")
    );
    assert_eq!(
        play.store
            .received("UID *STORE 7 *")
            .last()
            .map(String::as_str),
        Some("UID STORE 7 -FLAGS (\\Deleted)")
    );
}

#[tokio::test]
async fn without_uidplus_nothing_is_expunged_while_others_have_flagged_messages() {
    let play = Play::offering("guarded_expunge", &OFFERS.replace(" UIDPLUS", "")).await;
    play.store.answer(
        "UID SEARCH *DELETED*",
        "* ESEARCH (TAG \"{tag}\") UID ALL 9\n{tag} OK",
    );
    assert!(
        play.ask("DELETE", &play.object)
            .await
            .starts_with("403 POL2006")
    );
    assert_eq!(play.store.received("EXPUNGE"), [""; 0]);
    assert_eq!(play.store.received(STORE), [""; 0]);
}
