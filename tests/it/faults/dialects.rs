//! Servers that have less than is common, or only what is new.

use serde_json::{Value, json};

use super::{OFFERS, Play, bridge, no, offer, told};
use crate::{
    objects::{folder_of, objects_of},
    support::repertoire::Repertoire,
};

const ALL: &str = "LIST \"\" \"*\" RETURN *";

fn folder(parent: &str, name: &str) -> Value {
    json!({"folder": {"parentFolderPath": parent, "name": name}})
}

/// A name so long that it travels as a literal, and as which it arrived.
async fn made_with_a_literal(offers: &str) -> String {
    let play = Play::offering("long_name", offers).await;
    play.store.answer("CREATE *", &no("[CANNOT]"));
    let answer = play
        .bridge
        .post("folders", &folder("/Work", &"n".repeat(1000)))
        .await;
    assert_eq!(told(&answer), "400 SVC0002 name");
    let create = play.store.received("CREATE *").remove(0);
    play.store.assert_all_known();
    let start = create.find("Work/").unwrap();
    assert_eq!(&create[start..], format!("Work/{}", "n".repeat(1000)));
    create[..start].to_owned()
}

#[tokio::test]
async fn literals_wait_unless_the_server_says_they_need_not() {
    assert_eq!(made_with_a_literal(OFFERS).await, "CREATE {1005+}");
    let without = OFFERS.replace(" LITERAL+", "");
    assert_eq!(made_with_a_literal(&without).await, "CREATE {1005}");
    // RFC 7888 §5: up to 4096 octets need not wait, but may.
    let short_only = OFFERS.replace("LITERAL+", "LITERAL-");
    let sent = made_with_a_literal(&short_only).await;
    assert!(
        sent == "CREATE {1005}" || sent == "CREATE {1005+}",
        "{sent}"
    );
}

/// RFC 9051 §4.3: a server may refuse a literal instead of asking for it; it is not sent then.
#[tokio::test]
async fn a_literal_that_is_refused_is_not_sent() {
    for (refusal, expected) in [
        (no("[CANNOT]"), "400 SVC0002 name"),
        (no("[NOPERM]"), "403 POL0001 NotAuthorized"),
        ("{tag} BAD too long".to_owned(), "500 SVC0001 500"),
    ] {
        let play = Play::offering("literal_refused", &OFFERS.replace(" LITERAL+", "")).await;
        play.store.answer("CREATE *}", &refusal);
        let answer = play
            .bridge
            .post("folders", &folder("/Work", &"n".repeat(1000)))
            .await;
        assert_eq!(told(&answer), expected);
        let connections = play.store.connections();
        for _ in 0..3 {
            assert_eq!(play.ask("GET", &play.object).await, "200");
        }
        assert_eq!(
            play.store.connections(),
            connections,
            "the connection is in step"
        );
        play.store.assert_all_known();
    }
}

/// A server that has IMAP4rev2 and not IMAP4rev1.
async fn revision_2() -> Repertoire {
    let store = Repertoire::start("store.txt").await;
    store.greet("* OK [CAPABILITY IMAP4rev2 AUTH=PLAIN SASL-IR] ready");
    store.answer("AUTHENTICATE PLAIN *", "{tag} OK [CAPABILITY IMAP4rev2] in");
    store.answer(
        ALL,
        "* LIST () \"/\" \"INBOX\"\n* STATUS \"INBOX\" (UIDVALIDITY 11)\n\
         * LIST () \"/\" \"台北\"\n* STATUS \"台北\" (UIDVALIDITY 31)\n\
         * LIST () \"/\" \"R&D\"\n* STATUS \"R&D\" (UIDVALIDITY 32)\n{tag} OK done",
    );
    store.answer(
        "UID SEARCH RETURN (ALL) *",
        "* ESEARCH (TAG \"{tag}\") UID ALL 7,9\n{tag} OK done",
    );
    store.answer(
        "UID FETCH 7 *BODY*",
        "S-raw: * 1 FETCH (UID 7 FLAGS (\\\\Answered) INTERNALDATE \"17-Jul-2026 02:44:25 +0000\" RFC822.SIZE 20\n\
         S-raw:  BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3 1) BODY[]<0> {20}\\r\\nSubject: rev2\\r\\n\\r\\nabc)\\r\\n\n{tag} OK done",
    );
    store.answer(
        "UID FETCH 7 (UID FLAGS)",
        "* 1 FETCH (UID 7 FLAGS (\\Answered))\n{tag} OK done",
    );
    store
}

/// SEARCH answers with ESEARCH, LIST can return STATUS, and names are UTF-8 (RFC 9051 §5.1, appendix E).
#[tokio::test]
async fn a_server_that_has_only_imap4rev2_is_read() {
    let store = revision_2().await;
    let bridge = bridge("rev2_read", &store).await;
    let object = objects_of(&bridge, "/INBOX").await.remove(1);
    assert_eq!(told(&bridge.get(&object).await), "200");
    assert_eq!(told(&bridge.get(&format!("{object}/flags")).await), "200");
    folder_of(&bridge, "/台北").await;
    folder_of(&bridge, "/R&D").await;
    store.assert_all_known();
}

#[tokio::test]
async fn a_server_that_has_only_imap4rev2_gets_names_in_utf_8() {
    let store = revision_2().await;
    let bridge = bridge("rev2_names", &store).await;
    store.answer("CREATE *", &no("[NOPERM]"));
    for name in ["été", "a&b"] {
        let answer = bridge.post("folders", &folder("/台北", name)).await;
        assert_eq!(told(&answer), "403 POL0001 NotAuthorized");
        let create = store.received("CREATE *").pop().unwrap();
        assert!(create.contains(&format!("台北/{name}")), "{create}");
    }
    store.assert_all_known();
}

/// RFC 7162 §3.1.2.2: a mailbox without MODSEQs says so, and answers BAD to whoever asks for one.
#[tokio::test]
async fn a_mailbox_without_mod_seqs_is_not_asked_for_them() {
    let play = Play::start("no_mod_seq").await;
    let opened = "* FLAGS (\\Answered \\Seen)\n* OK [PERMANENTFLAGS (\\Answered \\Seen)] kept\n* 2 EXISTS\n\
                  * OK [UIDVALIDITY 11] valid\n* OK [NOMODSEQ] none\n{tag} OK done";
    for name in ["EXAMINE", "SELECT"] {
        play.store.answer(&format!("{name} \"INBOX\""), opened);
    }
    play.store.answer(
        "UID FETCH 7 *",
        "* 1 FETCH (UID 7 FLAGS (\\Answered))\n{tag} OK done",
    );
    play.store.answer(
        "UID FETCH 7 *BODY*",
        "S-raw: * 1 FETCH (UID 7 FLAGS () INTERNALDATE \"17-Jul-2026 02:44:25 +0000\" RFC822.SIZE 20 BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3 1)\n\
         S-raw:  BODY[]<0> {20}\\r\\nSubject: none\\r\\n\\r\\nabc)\\r\\n\n{tag} OK done",
    );
    play.store
        .answer("UID FETCH *MODSEQ*", "{tag} BAD no MODSEQ here");
    play.store
        .answer("UID STORE *UNCHANGEDSINCE*", "{tag} BAD no MODSEQ here");
    assert_eq!(
        play.ask("GET", &format!("{}/flags", play.object)).await,
        "200"
    );
    let shown = play.bridge.get(&play.object).await.expect(200).json();
    assert!(shown["object"]["lastModSeq"].is_u64(), "{shown}");

    let body = json!({"flagList": {"flag": ["\\Answered", "\\Seen"]}});
    play.store.answer(
        "UID FETCH 7 (UID FLAGS)",
        "* 1 FETCH (UID 7 FLAGS (\\Answered \\Seen))\n{tag} OK done",
    );
    play.store.answer_times(
        1,
        "UID FETCH 7 (UID FLAGS)",
        "* 1 FETCH (UID 7 FLAGS (\\Answered))\n{tag} OK done",
    );
    let answer = play
        .bridge
        .put(&format!("{}/flags", play.object), &body)
        .await;
    assert_eq!(told(&answer), "200");
    assert_eq!(
        play.store.received("UID STORE *"),
        ["UID STORE 7 +FLAGS (\\Seen)"]
    );
}

#[tokio::test]
async fn a_mailbox_that_opens_for_reading_only_takes_no_flags() {
    for ok in [
        "{tag} OK [READ-ONLY] done",
        "* OK [READ-ONLY] only\n{tag} OK done",
    ] {
        let play = Play::start("read_only").await;
        play.store.answer(
            "SELECT \"INBOX\"",
            &format!(
                "* FLAGS (\\Seen)\n* OK [PERMANENTFLAGS ()] none\n* OK [UIDVALIDITY 11] valid\n{ok}"
            ),
        );
        let told = play
            .ask("PUT", &format!("{}/flags/%5CSeen", play.object))
            .await;
        assert_eq!(told, "403 POL0001 NotAuthorized");
        assert_eq!(play.store.received("UID STORE *"), [""; 0]);
    }
}

#[tokio::test]
async fn a_flag_that_the_mailbox_cannot_keep_is_not_sent() {
    let play = Play::start("permanent_flags").await;
    play.store.answer(
        "SELECT \"INBOX\"",
        "* FLAGS (\\Seen \\Answered $Label)\n* OK [PERMANENTFLAGS (\\Answered $Label)] kept\n* OK [UIDVALIDITY 11] valid\n{tag} OK done",
    );
    for flag in ["%5CSeen", "Unheard-of", "%5CDeleted"] {
        let told = play
            .ask("PUT", &format!("{}/flags/{flag}", play.object))
            .await;
        assert!(told.starts_with("403 POL2006"), "{flag}: {told}");
    }
    assert_eq!(play.store.received("UID STORE *"), [""; 0]);
    // RFC 9051 §7.1: without PERMANENTFLAGS all can be changed permanently.
    play.store.answer(
        "SELECT \"INBOX\"",
        "* FLAGS (\\Seen)\n* OK [UIDVALIDITY 11] valid\n{tag} OK done",
    );
    play.ask("PUT", &format!("{}/flags/%5CSeen", play.object))
        .await;
    assert_ne!(play.store.received("UID STORE *"), [""; 0]);
}

#[tokio::test]
async fn a_server_without_levels_has_no_folders_in_folders() {
    let store = Repertoire::start("store.txt").await;
    offer(&store, OFFERS);
    store.answer(
        "NAMESPACE",
        "* NAMESPACE ((\"\" NIL)) NIL NIL\n{tag} OK done",
    );
    store.answer(
        ALL,
        "* LIST () NIL \"INBOX\"\n* STATUS \"INBOX\" (UIDVALIDITY 11)\n* LIST () NIL \"a.b\"\n* STATUS \"a.b\" (UIDVALIDITY 12)\n{tag} OK done",
    );
    let bridge = bridge("no_levels", &store).await;
    folder_of(&bridge, "/a.b").await;
    let answer = bridge.post("folders", &folder("/a.b", "c")).await;
    assert_eq!(answer.status / 100, 4, "{}", told(&answer));
    assert_eq!(store.received("CREATE *"), [""; 0]);
}

#[tokio::test]
async fn a_namespace_that_says_nothing_is_asked_for_with_list() {
    for namespace in ["* NAMESPACE NIL NIL NIL\n", "* NAMESPACE ((\n", ""] {
        let store = Repertoire::start("store.txt").await;
        offer(&store, OFFERS);
        store.answer("NAMESPACE", &format!("{namespace}{{tag}} OK done"));
        store.answer(
            "LIST \"\" \"\"",
            "* LIST (\\Noselect) \"/\" \"\"\n{tag} OK done",
        );
        let bridge = bridge("no_namespace", &store).await;
        assert_eq!(objects_of(&bridge, "/INBOX").await.len(), 2, "{namespace}");
        store.assert_all_known();
    }
}
