//! Servers that say nothing, or nothing true, of the sizes of parts.

use serde_json::{Value, json};

use super::{OFFERS, Play, no};

const COLD: &str = "UID FETCH 7 *BODYSTRUCTURE*";
const TOGETHER: &str = "UID FETCH 7 *MIME*BINARY.SIZE*";
const MIME: &str = "UID FETCH 7 *MIME*";

/// Three parts of base64, of 780 octets each, in a message that is not at hand as a whole.
async fn three_parts(capabilities: &str) -> Play {
    let play = Play::offering("three_parts", capabilities).await;
    let header = "Subject: one\\r\\nContent-Type: multipart/mixed; boundary=b\\r\\n\\r\\n";
    let octets = header.replace("\\r\\n", "12").len();
    let part = "(\"IMAGE\" \"PNG\" NIL NIL NIL \"BASE64\" 780)";
    play.store.answer(
        COLD,
        &format!(
            "S-raw: * 1 FETCH (UID 7 FLAGS () MODSEQ (70) INTERNALDATE \"17-Jul-2026 02:44:25 +0000\" RFC822.SIZE 30000\n\
             S-raw:  BODYSTRUCTURE ({part}{part}{part} \"MIXED\" (\"BOUNDARY\" \"b\")) BODY[]<0> {{16384}}\\r\\n\n\
             S-raw: {header}{}\n\
             S-raw: )\\r\\n\n{{tag}} OK done",
            "x".repeat(16384 - octets)
        ),
    );
    let mimes: String = (1..=3)
        .map(|number| {
            format!(
                "S-raw:  BODY[{number}.MIME]<0> {{28}}\\r\\nContent-Type: text/html{number}\\r\\n\\r\\n\n"
            )
        })
        .collect();
    play.store.answer(
        MIME,
        &format!("S-raw: * 1 FETCH (UID 7\n{mimes}S-raw: )\\r\\n\n{{tag}} OK done"),
    );
    play.store.answer(TOGETHER, &no("[UNKNOWN-CTE]"));
    play
}

/// Type and size of each part.
async fn parts(play: &Play) -> Vec<(String, Value)> {
    let object = play.bridge.get(&play.object).await.expect(200).json();
    play.store.assert_all_known();
    let parts = object["object"]["payloadPart"].as_array().unwrap();
    parts
        .iter()
        .map(|part| {
            let content_type = part["contentType"].as_str().unwrap().to_owned();
            (content_type, part["size"].clone())
        })
        .collect()
}

fn of_sizes(sizes: [u64; 3]) -> Vec<(String, Value)> {
    (1..)
        .zip(sizes)
        .map(|(number, size)| (format!("text/html{number}"), json!(size)))
        .collect()
}

#[tokio::test]
async fn one_part_that_cannot_be_decoded_costs_the_others_no_size() {
    let play = three_parts(&format!("{OFFERS} BINARY")).await;
    for (number, size) in [(1, 568), (3, 569)] {
        let answer = format!("* 1 FETCH (UID 7 BINARY.SIZE[{number}] {size})\n{{tag}} OK done");
        let command = format!("UID FETCH 7 (UID BINARY.SIZE[{number}])");
        play.store.answer(&command, &answer);
    }
    let command = "UID FETCH 7 (UID BINARY.SIZE[2])";
    play.store.answer(command, &no("[UNKNOWN-CTE]"));
    assert_eq!(parts(&play).await, of_sizes([568, 570, 569]));
    // Now they are known.
    assert_eq!(parts(&play).await, of_sizes([568, 570, 569]));
    assert_eq!(play.store.received("UID FETCH *BINARY.SIZE*").len(), 4);
}

#[tokio::test]
async fn sizes_that_cannot_be_true_are_not_shown() {
    let play = three_parts(&format!("{OFFERS} BINARY")).await;
    let sizes = "BINARY.SIZE[1] 0 BINARY.SIZE[2] 18446744073709551595 BINARY.SIZE[3] 500";
    let mimes = "BODY[1.MIME]<0> \"\" BODY[2.MIME]<0> \"\" BODY[3.MIME]<0> \"\"";
    let answer = format!("* 1 FETCH (UID 7 {mimes} {sizes})\n{{tag}} OK done");
    play.store.answer(TOGETHER, &answer);
    let sizes = parts(&play).await.into_iter().map(|(_, size)| size);
    assert_eq!(sizes.collect::<Vec<_>>(), [570, 570, 500]);
}

#[tokio::test]
async fn who_hangs_up_on_a_question_about_sizes_is_not_asked_again() {
    let play = three_parts(&format!("{OFFERS} BINARY")).await;
    play.store.answer(TOGETHER, "<close>");
    for _ in 0..2 {
        assert_eq!(parts(&play).await, of_sizes([570, 570, 570]));
    }
    // A read is tried once more.
    assert_eq!(play.store.received("UID FETCH *BINARY.SIZE*").len(), 2);
}

#[tokio::test]
async fn who_knows_no_sizes_is_not_asked() {
    let play = three_parts(OFFERS).await;
    assert_eq!(parts(&play).await, of_sizes([570, 570, 570]));
    assert_eq!(play.store.received("UID FETCH *BINARY.SIZE*"), [""; 0]);
}
