//! Answers about messages that are odd, incomplete or wrong.

use serde_json::{Value, json};

use super::{Play, WORDS};
use crate::objects::objects_of;

const EVERYTHING: &str = "UID FETCH 7 *BODY*";
/// The payload behind its header.
const WINDOW: &str = "UID FETCH 7 *BODY.PEEK[]<68.7>*";

async fn object(play: &Play) -> Value {
    play.bridge.get(&play.object).await.expect(200).json()["object"].clone()
}

fn attribute(object: &Value, name: &str) -> Option<String> {
    let attributes = object["attributes"]["attribute"].as_array().unwrap();
    let found = attributes
        .iter()
        .find(|attribute| attribute["name"] == name)?;
    found["value"][0].as_str().map(str::to_owned)
}

/// RFC 9051 §7: a server may send any of this at any time; the rest is rude and harmless.
const UNASKED: &str = "* 3 EXISTS\n* 1 RECENT\n* 2 EXPUNGE\n* VANISHED 3,5:6\n* 5 FETCH (FLAGS (\\Seen $Label))\n\
     * 2 FETCH (UID 9 FLAGS (\\Flagged) MODSEQ (91))\n* OK [HIGHESTMODSEQ 99] Highest\n\
     * OK [ALERT] the disk is nearly full\n* NO [ALERT] nearly over quota\n* BAD who knows\n* XNEVERHEARD (of {3}\nS-raw: a\\r\\n)\\r\\n\n\
     * FLAGS (\\Seen Other)\n* CAPABILITY IMAP4rev1\n* ENABLED\n* QUOTA \"\" (STORAGE 1 2)\n* 7 FETCH (UID 99 BODY[TEXT] \"another\")\n* 1 FETCH (ENVELOPE (NIL NIL ((NIL NIL \"tel\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL))\n\
     X99 OK not yours\n+ idling";

#[tokio::test]
async fn what_nobody_asked_for_changes_no_answer() {
    let quiet = Play::start("quiet").await;
    let expected = object(&quiet).await;
    let flags = quiet
        .bridge
        .get(&format!("{}/flags", quiet.object))
        .await
        .expect(200);
    let payload = quiet
        .bridge
        .get(&format!("{}/payload", quiet.object))
        .await
        .expect(200);

    let noisy = Play::start("noisy").await;
    // What is good about these answers stands behind the noise.
    for (command, good) in [
        ("NOOP", ""),
        (
            "EXAMINE \"INBOX\"",
            "* 2 EXISTS\n* OK [UIDVALIDITY 11] valid\n",
        ),
        (
            "UID FETCH 7 *",
            "* 1 FETCH (UID 7 FLAGS (\\Answered) MODSEQ (70))\n",
        ),
        (WINDOW, "* 1 FETCH (UID 7 BODY[]<68> \"payload\")\n"),
        ("UID SEARCH *", "* ESEARCH (TAG \"{tag}\") UID ALL 7,9\n"),
    ] {
        noisy
            .store
            .answer(command, &format!("{UNASKED}\n{good}{{tag}} OK done"));
    }
    noisy.store.answer(
        EVERYTHING,
        &format!(
            "{UNASKED}\n\
             S-raw: * 1 FETCH (UID 7 FLAGS (\\\\Answered) MODSEQ (70) INTERNALDATE \"17-Jul-2026 02:44:25 +0000\" RFC822.SIZE 75\n\
             S-raw:  BODYSTRUCTURE (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 7)\n\
             S-raw:  BODY[]<0> {{75}}\\r\\nSubject: one\\r\\nContent-Type: application/octet-stream\\r\\nX-Seven: 7\\r\\n\\r\\npayload)\\r\\n\n{UNASKED}\n{{tag}} OK done"
        ),
    );
    noisy.store.answer(
        WINDOW,
        &format!("{UNASKED}\n* 1 FETCH (UID 7 BODY[]<68> \"payload\")\n{{tag}} OK done"),
    );
    for _ in 0..2 {
        let shown = object(&noisy).await;
        for member in ["attributes", "lastModSeq", "correlationId"] {
            assert_eq!(shown[member], expected[member], "{member}");
        }
        assert_eq!(shown["flags"]["flag"], json!(["\\Answered"]));
        let noisy_flags = noisy
            .bridge
            .get(&format!("{}/flags", noisy.object))
            .await
            .expect(200);
        assert_eq!(
            noisy_flags.json()["flagList"]["flag"],
            flags.json()["flagList"]["flag"]
        );
        let noisy_payload = noisy.bridge.get(&format!("{}/payload", noisy.object)).await;
        assert_eq!(noisy_payload.expect(200).body, payload.body);
        assert_eq!(objects_of(&noisy.bridge, "/INBOX").await.len(), 2);
    }
}

/// What is asked of UID 7, as it comes.
const ITEMS: [&str; 6] = [
    "FLAGS (\\\\Answered)",
    "MODSEQ (70)",
    "INTERNALDATE \"17-Jul-2026 02:44:25 +0000\"",
    "RFC822.SIZE 75",
    "BODYSTRUCTURE (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"7BIT\" 7)",
    "BODY[]<0> {75}\\r\\nSubject: one\\r\\nContent-Type: application/octet-stream\\r\\nX-Seven: 7\\r\\n\\r\\npayload",
];
const FLAGS_WITHOUT_UID: &str = "* 1 FETCH (FLAGS (\\Answered) MODSEQ (70))\n";

/// A line of an answer about UID 7.
fn line(items: &[&str]) -> String {
    format!("S-raw: * 1 FETCH (UID 7 {})\\r\\n\n", items.join(" "))
}

/// RFC 9051 §7.5.2: flags come once more when they change, in a line of their own.
#[tokio::test]
async fn flags_in_a_second_line_count() {
    let others = line(&ITEMS[2..]);
    for flags in [line(&ITEMS[..2]), FLAGS_WITHOUT_UID.to_owned()] {
        is_one_message(&format!("{others}{flags}")).await;
    }
}

#[tokio::test]
async fn one_message_in_several_lines_is_one_message() {
    let (flags, structure) = (line(&ITEMS[..2]), line(&ITEMS[3..5]));
    let message = line(&[ITEMS[5], ITEMS[2]]);
    for lines in [
        [&flags, &message, &structure],
        [&message, &structure, &flags],
        [&structure, &flags, &message],
        [&message, &structure, &FLAGS_WITHOUT_UID.to_owned()],
    ] {
        is_one_message(&lines.map(String::as_str).concat()).await;
    }
}

async fn is_one_message(lines: &str) {
    let play = Play::start("several_lines").await;
    play.store
        .answer(EVERYTHING, &format!("{lines}{{tag}} OK done"));
    let shown = object(&play).await;
    assert_eq!(
        attribute(&shown, "Subject").as_deref(),
        Some("one"),
        "{lines}"
    );
    assert_eq!(
        attribute(&shown, "X-Seven").as_deref(),
        Some("7"),
        "{lines}"
    );
    assert_eq!(shown["flags"]["flag"], json!(["\\Answered"]), "{lines}");
    assert_eq!(shown["lastModSeq"], json!(70), "{lines}");
    assert!(shown["payloadURL"].is_string(), "{lines}");
}

/// What is kept for ever must not be made of half an answer.
#[tokio::test]
async fn an_object_of_which_half_is_missing_is_not_shown_and_not_kept() {
    let without = |missing| {
        let others = ITEMS.into_iter().filter(|item| *item != missing);
        line(&others.collect::<Vec<_>>())
    };
    let mut halves = ITEMS.map(without).to_vec();
    halves.extend(
        [
            "* 1 FETCH (UID 7 FLAGS () MODSEQ (70) ENVELOPE (NIL NIL ((NIL NIL \"tel\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL NIL NIL NIL))\n",
            "* 1 FETCH (UID 7 MODSEQ (70) BODY[]<0> \"\")\n",
            "* 1 FETCH (UID 7 FLAGS () BODY[]<0> {4294967296}\n",
        ]
        .map(str::to_owned),
    );
    let nil = line(&ITEMS).replace("{75}\\r\\n", "NIL)\\r\\n\nS-raw: * X");
    halves.push(nil);
    for half in halves {
        let play = Play::start("half").await;
        play.store
            .answer_times(1, EVERYTHING, &format!("{half}{{tag}} OK done"));
        let told = play.ask("GET", &play.object).await;
        assert_eq!(told, "502 SVC0001 502", "{half}");
        let shown = object(&play).await;
        assert_eq!(
            attribute(&shown, "Subject").as_deref(),
            Some("one"),
            "{half}"
        );
    }
}

/// It was sent for this message, so the message is there.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_missing_object() {
    for line in [
        "* 1 FETCH (UID 7 FLAGS (\\Answered)",
        "* 1 FETCH (UID seven FLAGS () MODSEQ (70))",
        "* 1 FETCH UID 7 FLAGS () MODSEQ (70)",
        "* 1 FETCH ()",
    ] {
        let play = Play::start("unreadable").await;
        play.store
            .answer("UID FETCH *", &format!("{line}\n{{tag}} OK done"));
        for (method, rest) in [
            ("GET", ""),
            ("GET", "/flags"),
            ("PUT", "/flags/%5CSeen"),
            ("DELETE", ""),
        ] {
            let told = play.ask(method, &format!("{}{rest}", play.object)).await;
            assert_eq!(told, "502 SVC0001 502", "{method} {rest} {line}");
        }
        assert_eq!(play.store.received("UID STORE *"), [""; 0]);
    }
}

#[tokio::test]
async fn a_fetch_without_data_means_that_the_object_is_gone() {
    let play = Play::start("no_data").await;
    play.store.answer("UID FETCH *", "{tag} OK done");
    for rest in [
        "",
        "/flags",
        "/flags/%5CSeen",
        "/payload",
        "/payloadParts/1",
    ] {
        let told = play.ask("GET", &format!("{}{rest}", play.object)).await;
        assert_eq!(told, "404 SVC0004 Request-URI", "{rest}");
    }
    // Another message is not this one.
    play.store.answer(
        "UID FETCH *",
        "* 2 FETCH (UID 9 FLAGS (\\Seen) MODSEQ (90))\n{tag} OK done",
    );
    let told = play.ask("GET", &format!("{}/flags", play.object)).await;
    assert_eq!(told, "404 SVC0004 Request-URI");
}

/// Courier's answer to a command that it cannot parse.
#[tokio::test]
async fn a_syntax_error_told_as_a_no_is_no_missing_object() {
    let play = Play::start("courier_syntax_error").await;
    let refusal = format!("{{tag}} NO Error in IMAP command received by server. {WORDS}");
    play.store.answer("UID FETCH *", &refusal);
    for (method, rest) in [
        ("GET", ""),
        ("GET", "/flags"),
        ("PUT", "/flags/%5CSeen"),
        ("DELETE", ""),
    ] {
        let told = play.ask(method, &format!("{}{rest}", play.object)).await;
        assert_eq!(told, "502 SVC0001 502", "{method} {rest}");
    }
}

#[tokio::test]
async fn a_payload_of_another_length_than_announced_is_no_payload() {
    for window in ["\"pay\"", "\"\"", "\"payload and much more\"", "NIL"] {
        let play = Play::start("window").await;
        play.bridge.get(&play.object).await.expect(200);
        play.store.answer(
            WINDOW,
            &format!("* 1 FETCH (UID 7 BODY[]<68> {window})\n{{tag}} OK done"),
        );
        let request = play
            .bridge
            .request("GET", &format!("{}/payload", play.object));
        let answer = play.bridge.client.raw(&request.encoded()).await;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        // Cut off is as good as refused: nobody takes it for the whole.
        let whole = head.starts_with("HTTP/1.1 200") && body.len() >= 7;
        assert!(!whole, "{window}: {answer}");
    }
}

#[tokio::test]
async fn each_object_is_listed_once_however_its_uid_is_told() {
    for found in [
        "* ESEARCH (TAG \"{tag}\") UID ALL 9,7,7,7:7,9:9",
        "* ESEARCH (TAG \"{tag}\") UID ALL 9,7",
        "* SEARCH 7 9 9 7 4294967296 -1 99999999999999999999 x",
        "* SEARCH 9\n* SEARCH 7\n* SEARCH",
    ] {
        lists_both(found).await;
    }
    let play = Play::start("range_read_backwards").await;
    // RFC 9051 §9: 9:7 is 7:9.
    let found = "* ESEARCH (TAG \"{tag}\") UID ALL 9:7\n{tag} OK done";
    play.store.answer("UID SEARCH *", found);
    assert_eq!(objects_of(&play.bridge, "/INBOX").await.len(), 3);
}

/// RFC 9051 §9: a UID is not zero.
#[tokio::test]
async fn zero_is_no_object() {
    lists_both("* ESEARCH (TAG \"{tag}\") UID ALL 0,7,9").await;
    lists_both("* SEARCH 0 7 9").await;
}

async fn lists_both(found: &str) {
    let play = Play::start("odd_numbers").await;
    play.store
        .answer("UID SEARCH *", &format!("{found}\n{{tag}} OK done"));
    let objects = objects_of(&play.bridge, "/INBOX").await;
    assert_eq!(
        objects,
        [play.newest.clone(), play.object.clone()],
        "{found}"
    );
}

#[tokio::test]
async fn data_without_bounds_are_a_fault_of_the_store() {
    let line = "x".repeat(2 << 20);
    for flood in [
        "S-raw: * 1 FETCH (UID 7 BODY[HEADER] {99999999999}\\r\\n\n".to_owned(),
        "S-raw: * 1 FETCH (UID 7 BODY[HEADER] {99999999999999999999999999}\\r\\n\n".to_owned(),
        format!("* OK {line}\n"),
        format!("* 1 FETCH (UID 7 BODYSTRUCTURE {})\n", "(".repeat(100_000)),
    ] {
        let play = Play::start("flood").await;
        play.store
            .answer(EVERYTHING, &format!("{flood}{{tag}} OK done"));
        let told = play.ask("GET", &play.object).await;
        assert_eq!(told, "502 SVC0001 502", "{}", &flood[..60]);
    }
}
