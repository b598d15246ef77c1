//! Lines that end a session of async-imap, panic or abort, or are read wrong.

use std::process::Command;

use cpm_bridge::imap::MailboxName;
use cpm_bridge::imap::response::{
    Code, ExtendedSearch, MailboxStatus, Status, Unreadable, Untagged,
};

use super::{read_bypassed, read_guarded};

fn other(name: &str) -> Untagged {
    Untagged::Other(name.to_owned())
}

/// The line kills the session without the guard; with it, it is read and the session goes on.
async fn kills_only_without_the_guard(line: &[u8]) -> Untagged {
    assert!(
        read_bypassed(line).await.is_err(),
        "async-imap can read this by itself: {}",
        String::from_utf8_lossy(line)
    );
    let mut untagged = read_guarded(line).await;
    assert_eq!(untagged.len(), 1);
    untagged.remove(0)
}

#[tokio::test]
async fn esearch_is_read() {
    assert_eq!(
        kills_only_without_the_guard(b"* ESEARCH (TAG \"A0002\") UID COUNT 3 ALL 4,7:8\r\n").await,
        Untagged::ExtendedSearch(ExtendedSearch {
            tag: Some("A0002".to_owned()),
            uid: true,
            count: Some(3),
            all: vec![4..=4, 7..=8],
            ..ExtendedSearch::default()
        })
    );
}

#[tokio::test]
async fn search_with_mod_seq_is_read() {
    assert_eq!(
        kills_only_without_the_guard(b"* SEARCH 2 5 6 (MODSEQ 917162500)\r\n").await,
        Untagged::Search {
            numbers: vec![2, 5, 6],
            mod_seq: Some(917_162_500)
        }
    );
}

#[tokio::test]
async fn namespace_is_read() {
    let untagged =
        kills_only_without_the_guard(b"* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n").await;
    let Untagged::Namespace(namespace) = untagged else {
        panic!("{untagged:?}")
    };
    assert_eq!(namespace.personal, [(b"INBOX.".to_vec(), Some(b'.'))]);
}

#[tokio::test]
async fn lines_nobody_asked_for_are_passed_over() {
    for (line, name) in [
        (&b"* THREAD (2)(3 6 (4 23)(44 7 96))\r\n"[..], "THREAD"),
        (
            b"* GENURLAUTH \"imap://u@h/INBOX;urlauth=anonymous:internal:91\"\r\n",
            "GENURLAUTH",
        ),
        (b"* URLFETCH \"imap://u@h/x\" {3}\r\na\r\n\r\n", "URLFETCH"),
        (b"* LANGUAGE (EN)\r\n", "LANGUAGE"),
        (b"* METADATA INBOX (/shared/comment \"x\")\r\n", "METADATA"),
        (b"* FOO bar\r\n", "FOO"),
    ] {
        assert_eq!(kills_only_without_the_guard(line).await, other(name));
    }
}

#[tokio::test]
async fn binary_sections_are_read() {
    let line = b"* 1 FETCH (UID 4 BINARY[1]<0> ~{8}\r\n\0\xff)\r\n* 9 BINARY.SIZE[1] 12)\r\n";
    let Untagged::Fetch(fetch) = kills_only_without_the_guard(line).await else {
        panic!()
    };
    assert_eq!(fetch.uid, Some(4));
    assert_eq!(fetch.binary_sizes, [("1".to_owned(), 12)]);
    let [section] = &fetch.sections[..] else {
        panic!()
    };
    assert!(section.binary);
    assert_eq!((section.name.as_str(), section.origin), ("1", Some(0)));
    assert_eq!(section.bytes.as_deref(), Some(&b"\0\xff)\r\n* 9"[..]));
    let size_alone = b"* 1 FETCH (BINARY.SIZE[1] 12)\r\n";
    assert!(read_bypassed(size_alone).await.is_err());
}

#[tokio::test]
async fn annotations_are_passed_over() {
    let line = b"* 12 FETCH (UID 7 ANNOTATION (/comment (value.priv \"x\" value.shared NIL)))\r\n";
    let Untagged::Fetch(fetch) = kills_only_without_the_guard(line).await else {
        panic!()
    };
    assert_eq!((fetch.number, fetch.uid), (12, Some(7)));
}

#[tokio::test]
async fn status_items_are_read_or_passed_over() {
    for item in ["SIZE 7", "DELETED 2", "MAILBOXID (F-9)"] {
        let line = format!("* STATUS \"a\" (MESSAGES 3 {item})\r\n");
        let untagged = kills_only_without_the_guard(line.as_bytes()).await;
        assert_eq!(
            untagged,
            Untagged::MailboxStatus(MailboxStatus {
                mailbox: Some(MailboxName::from_wire(*b"a")),
                messages: Some(3),
                size: item.starts_with("SIZE").then_some(7),
                mailbox_id: item.starts_with("MAILBOXID").then(|| "F-9".to_owned()),
                ..MailboxStatus::default()
            })
        );
    }
}

#[tokio::test]
async fn extended_list_data_is_read() {
    let line =
        b"* LIST () \"/\" \"new\" (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"old\"))\r\n";
    let Untagged::List(entry) = kills_only_without_the_guard(line).await else {
        panic!()
    };
    assert_eq!(entry.mailbox, Some(MailboxName::from_wire(*b"new")));
    assert_eq!(entry.old_name, Some(MailboxName::from_wire(*b"old")));
}

#[tokio::test]
async fn capabilities_without_imap4rev1_are_read() {
    assert_eq!(
        kills_only_without_the_guard(b"* CAPABILITY IMAP4rev2 IDLE\r\n").await,
        Untagged::Capability(vec!["IMAP4rev2".to_owned(), "IDLE".to_owned()])
    );
}

/// Whether the bytes make the task that reads them panic, without the guard.
async fn panics_without_the_guard(line: &'static [u8]) -> bool {
    let task = cpm_bridge::task::spawn(async move { read_bypassed(line).await.map(drop) });
    task.await.is_err_and(|error| error.is_panic())
}

#[tokio::test]
async fn a_code_followed_by_a_letter_beyond_ascii_does_not_panic() {
    let line = "* OK [ALERT]\u{e9}\r\n".as_bytes();
    assert!(panics_without_the_guard(line).await);
    assert_eq!(
        read_guarded(line).await,
        [Untagged::Status {
            status: Status::Ok,
            code: Some(Code::Alert),
            text: "\u{e9}".to_owned()
        }]
    );
}

#[tokio::test]
async fn metadata_that_is_not_utf8_does_not_panic() {
    let line = b"* METADATA \"INBOX\" (/shared/comment \"\xff\")\r\n";
    assert!(panics_without_the_guard(line).await);
    assert_eq!(read_guarded(line).await, [other("METADATA")]);
}

/// A structure of so many parts inside each other.
fn nested(depth: usize) -> Vec<u8> {
    let leaf = "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)";
    let structure = "(".repeat(depth) + leaf + &" \"mixed\")".repeat(depth);
    format!("* 1 FETCH (UID 5 BODYSTRUCTURE {structure})\r\n").into_bytes()
}

/// Deep enough for the stack of a worker, and within what the guard lets through.
const DEEP: usize = 900;
const ABORT: &str = "CPM_BRIDGE_TEST_ABORT";

#[tokio::test]
async fn a_deeply_nested_structure_is_left_out_and_the_session_goes_on() {
    let mut untagged = read_guarded(&nested(DEEP)).await;
    let Some(Untagged::Fetch(fetch)) = untagged.pop() else {
        panic!()
    };
    assert_eq!(
        (fetch.uid, fetch.body_structure),
        (Some(5), Some(Err(Unreadable)))
    );
}

#[test]
fn a_deeply_nested_structure_aborts_the_process_without_the_guard() {
    if std::env::var_os(ABORT).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        // tokio's workers have as much.
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let reader = small.spawn(move || runtime.block_on(read_bypassed(&nested(DEEP))));
        let _ = reader.unwrap().join();
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "guard::hostile::a_deeply_nested_structure_aborts_the_process_without_the_guard",
        ])
        .env(ABORT, "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("overflowed its stack"), "{errors}");
}

#[tokio::test]
async fn quoted_strings_are_unescaped() {
    let line = b"* LIST () \"/\" \"a\\\"b\\\\c\"\r\n";
    let Untagged::List(entry) = read_guarded(line).await.remove(0) else {
        panic!()
    };
    assert_eq!(entry.mailbox, Some(MailboxName::from_wire(*b"a\"b\\c")));
    // Without the guard the backslashes are taken for part of the name.
    let seen = read_bypassed(line).await.unwrap();
    let wrong = format!("{:?}", "a\\\"b\\\\c");
    assert!(seen[0].contains(&wrong), "{seen:?}");
}

#[tokio::test]
async fn text_that_looks_like_the_start_of_a_literal_is_text() {
    let untagged = read_guarded(b"* OK [PARSE] near {40}\r\n+ {40}\r\n* NO {40}\r\n").await;
    assert_eq!(untagged.len(), 2);
    // A code that is not closed yet goes on behind its literal.
    let mut untagged = read_guarded(b"* OK [X {3}\r\n\r\n] y] text\r\n").await;
    let Some(Untagged::Status { code, .. }) = untagged.pop() else {
        panic!()
    };
    assert_eq!(
        (untagged.len(), code),
        (0, Some(Code::Other("X".to_owned())))
    );
}

#[tokio::test]
async fn all_of_it_in_one_answer_leaves_the_session_usable() {
    let lines = "* ESEARCH UID\r\n* OK [ALERT]\u{e9}\r\n* METADATA \"INBOX\" (/a \"x\")\r\n* 1 FETCH (BINARY[1] ~{2}\r\n)( UID 3)\r\n* FOO\r\n\r\nmail text\r\n";
    let untagged = read_guarded(lines.as_bytes()).await;
    assert_eq!(untagged.len(), 7);
    assert!(matches!(&untagged[3], Untagged::Fetch(fetch) if fetch.uid == Some(3)));
    assert_eq!(untagged[4..], [other("FOO"), other("?"), other("?")]);
}

#[tokio::test]
async fn an_error_does_not_carry_the_mail() {
    let error = read_bypassed(b"* 1 FETCH (BINARY[1] ~{6}\r\nsecret)\r\n")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("secret"));
    let untagged = read_guarded(b"* 1 FETCH (BINARY[1] ~{6}\r\nsecret\r\nsecret\r\n").await;
    assert_eq!(untagged, [other("FETCH"), other("?")]);
}
