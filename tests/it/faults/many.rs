//! Changes of many objects that the store does by half, or says it has done.

use super::{OFFERS, Play, no};
use crate::bulk::{DELETE, UPDATE, items, removal, update};

const FETCH: &str = "UID FETCH 7,9 *";
const STORE: &str = "UID STORE 7,9 *";

/// Both objects, as a request names them.
fn both(play: &Play) -> [String; 2] {
    [&play.object, &play.newest].map(|object| play.bridge.target(object))
}

async fn add(play: &Play, flag: &str) -> Vec<String> {
    let urls = both(play);
    let body = update("AddFlag", &[flag], &[&urls[0], &urls[1]]);
    items(play.bridge.post(UPDATE, &body).await)
}

async fn remove(play: &Play) -> Vec<String> {
    let urls = both(play);
    let body = removal(&[&urls[0], &urls[1]]);
    items(play.bridge.post(DELETE, &body).await)
}

/// What the two have been told, without their URLs.
fn codes(told: &[String]) -> Vec<&str> {
    let success = |told: &&str| told.starts_with("20");
    let told = told.iter().map(String::as_str);
    told.map(|told| if success(&told) { &told[..3] } else { told })
        .collect()
}

async fn play(test: &str, seven: &str, nine: &str) -> Play {
    let play = Play::start(test).await;
    show(&play, seven, nine);
    play
}

/// From now on the flags of both are these; `-` for one that is gone.
fn show(play: &Play, seven: &str, nine: &str) {
    let line = |number: u32, uid: u32, flags: &str| match flags {
        "-" => String::new(),
        flags => format!("* {number} FETCH (UID {uid} FLAGS ({flags}))\n"),
    };
    let (seven, nine) = (line(1, 7, seven), line(2, 9, nine));
    play.store
        .answer(FETCH, &format!("{seven}{nine}{{tag}} OK"));
    play.store
        .answer("UID FETCH 7 *", &format!("{seven}{{tag}} OK"));
    play.store
        .answer("UID FETCH 9 *", &format!("{nine}{{tag}} OK"));
}

#[tokio::test]
async fn an_ok_that_sets_nothing_is_no_success_of_any() {
    for (rights, expected) in [
        ("lr", "403 POL0001 NotAuthorized"),
        ("lrswipkxtea", "502 SVC0001 502"),
    ] {
        let play = play("many_without_effect", "", "").await;
        play.allow("INBOX", rights);
        assert_eq!(codes(&add(&play, "\\Seen").await), [expected; 2]);
        assert_eq!(
            play.store.received("UID STORE *"),
            ["UID STORE 7,9 +FLAGS (\\Seen)"; 3]
        );
        assert_eq!(play.store.received("MYRIGHTS *").len(), 1);
    }
}

#[tokio::test]
async fn each_is_judged_by_what_is_shown_of_it() {
    let play = play("many_by_half", "", "").await;
    // One is shown to be done, the other was expunged by another client meanwhile.
    play.store.answer(
        STORE,
        "* 1 FETCH (UID 7 FLAGS (\\Seen))\n* 2 EXPUNGE\n{tag} OK",
    );
    play.store.answer("UID FETCH 9 *", "{tag} OK");
    let told = add(&play, "\\Seen").await;
    assert!(told[0].starts_with("200 "), "{told:?}");
    assert!(told[1].starts_with("404 SVC0004 "), "{told:?}");
}

/// Nobody has asked for MODIFIED without UNCHANGEDSINCE (RFC 7162 §3.1.3); what is so is looked at.
#[tokio::test]
async fn one_that_is_left_out_is_tried_again() {
    let play = play("many_modified", "", "").await;
    play.store.answer(
        "UID STORE 9 *",
        "* 2 FETCH (UID 9 FLAGS (\\Seen))\n{tag} OK",
    );
    play.store.answer(
        STORE,
        "* 1 FETCH (UID 7 FLAGS (\\Seen))\n{tag} OK [MODIFIED 9] not all",
    );
    assert_eq!(codes(&add(&play, "\\Seen").await), ["200"; 2]);
    let stored = play.store.received("UID STORE *");
    assert_eq!(
        stored,
        [
            "UID STORE 7,9 +FLAGS (\\Seen)",
            "UID STORE 9 +FLAGS (\\Seen)"
        ]
    );
}

#[tokio::test]
async fn what_was_done_before_a_refusal_was_done() {
    for (code, expected) in [
        ("[CANNOT]", "403 POL2006 Unheard-of"),
        ("[NOPERM]", "403 POL0001 NotAuthorized"),
        ("[OVERQUOTA]", "403 POL0001 OverQuota"),
        ("[INUSE]", "503 SVC2001"),
        ("[SERVERBUG]", "502 SVC0001 502"),
        ("", "403 POL2006 Unheard-of"),
    ] {
        let play = play("many_refused", "Unheard-of", "").await;
        play.store.answer_times(
            1,
            FETCH,
            "* 1 FETCH (UID 7 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\n{tag} OK",
        );
        play.store.answer(STORE, &no(code));
        assert_eq!(
            codes(&add(&play, "Unheard-of").await),
            ["200", expected],
            "{code}"
        );
        assert_eq!(play.store.received("UID STORE *").len(), 1);
        play.store.assert_all_known();
    }
}

#[tokio::test]
async fn nobody_is_asked_to_set_what_is_set() {
    let play = play("many_set", "\\Seen", "\\SEEN other").await;
    assert_eq!(codes(&add(&play, "\\Seen").await), ["200"; 2]);
    assert_eq!(play.store.received("UID STORE *"), [""; 0]);
}

#[tokio::test]
async fn those_that_stay_after_an_expunge_get_their_flag_taken_back() {
    // Before, after, which are unflagged again, and what they are told.
    for (before, after, again, told) in [
        (["", ""], ["\\Deleted", "\\Deleted"], "7,9", ["502", "502"]),
        (
            ["", "\\Deleted"],
            ["\\Deleted", "\\Deleted"],
            "7",
            ["502", "502"],
        ),
        (["", ""], ["-", "\\Deleted"], "9", ["204", "502"]),
        (["\\Deleted", ""], ["\\Deleted", "-"], "", ["502", "204"]),
    ] {
        let play = play("many_stay", after[0], after[1]).await;
        let line = format!(
            "* 1 FETCH (UID 7 FLAGS ({}))\n* 2 FETCH (UID 9 FLAGS ({}))\n{{tag}} OK",
            before[0], before[1]
        );
        play.store.answer_times(1, FETCH, &line);
        let answers = remove(&play).await;
        let codes: Vec<&str> = answers.iter().map(|answer| &answer[..3]).collect();
        assert_eq!(codes, told, "{answers:?}");
        let mut expected = vec!["UID STORE 7,9 +FLAGS (\\Deleted)".to_owned()];
        if !again.is_empty() {
            expected.push(format!("UID STORE {again} -FLAGS (\\Deleted)"));
        }
        assert_eq!(play.store.received("UID STORE *"), expected);
        assert_eq!(play.store.received("UID EXPUNGE *"), ["UID EXPUNGE 7,9"]);
    }
}

#[tokio::test]
async fn what_may_be_flagged_and_not_expunged_is_forbidden() {
    let play = play("many_no_expunge", "\\Deleted", "\\Deleted").await;
    play.store.answer_times(
        1,
        FETCH,
        "* 1 FETCH (UID 7 FLAGS ())\n* 2 FETCH (UID 9 FLAGS ())\n{tag} OK",
    );
    play.store.answer("UID EXPUNGE *", &no(""));
    play.allow("INBOX", "lrswit");
    assert_eq!(
        codes(&remove(&play).await),
        ["403 POL0001 NotAuthorized"; 2]
    );
    let stored = play.store.received("UID STORE *");
    assert_eq!(stored.last().unwrap(), "UID STORE 7,9 -FLAGS (\\Deleted)");
}

/// Dovecot says OK to a flag one may not set; what is not flagged is not expunged.
#[tokio::test]
async fn what_may_not_be_flagged_is_forbidden() {
    let play = play("many_no_flag", "", "").await;
    play.allow("INBOX", "lrswie");
    assert_eq!(
        codes(&remove(&play).await),
        ["403 POL0001 NotAuthorized"; 2]
    );
}

#[tokio::test]
async fn without_uidplus_no_message_of_others_is_expunged() {
    let play = Play::offering("many_guarded", &OFFERS.replace(" UIDPLUS", "")).await;
    show(&play, "", "");
    let search = "UID SEARCH *DELETED*";
    play.store
        .answer(search, "* ESEARCH (TAG \"{tag}\") UID ALL 9,12\n{tag} OK");
    let told = remove(&play).await;
    assert_eq!(codes(&told), ["403 POL2006 DeleteObject"; 2]);
    assert_eq!(play.store.received("EXPUNGE"), [""; 0]);
    assert_eq!(play.store.received("UID STORE *"), [""; 0]);
}

#[tokio::test]
async fn a_mailbox_that_is_gone_is_told_of_each() {
    let play = Play::start("many_gone").await;
    play.lose("INBOX");
    play.store.answer("SELECT \"INBOX\"", &no("[NONEXISTENT]"));
    for told in [remove(&play).await, add(&play, "\\Seen").await] {
        assert!(
            told.iter().all(|told| told.starts_with("404 SVC0004 ")),
            "{told:?}"
        );
    }
    assert_eq!(play.store.received("UID STORE *"), [""; 0]);
}
