use super::super::MailboxName;
use super::super::response::{
    BodyStructure, ExtendedSearch, Fetch, Leaf, ListEntry, MailboxStatus, Section,
};
use super::*;

fn read(line: impl AsRef<[u8]>) -> Response {
    let frame = Bytes::copy_from_slice(line.as_ref());
    response(&frame, &Limits::default()).unwrap()
}

fn untagged(line: impl AsRef<[u8]>) -> Untagged {
    let Response::Untagged(untagged) = read(line) else {
        panic!("not untagged")
    };
    untagged
}

fn fetch(line: impl AsRef<[u8]>) -> Fetch {
    let Untagged::Fetch(fetch) = untagged(line) else {
        panic!("no FETCH")
    };
    *fetch
}

fn code_of(inside: &str) -> Option<Code> {
    let Response::Tagged(tagged) = read(format!("A0001 NO [{inside}] text\r\n")) else {
        panic!("not tagged")
    };
    assert_eq!((tagged.status, tagged.text.as_str()), (Status::No, "text"));
    tagged.code
}

fn other(name: &str) -> Untagged {
    Untagged::Other(name.to_owned())
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn name(wire: impl AsRef<[u8]>) -> Option<MailboxName> {
    Some(MailboxName::from_wire(wire.as_ref()))
}

#[test]
fn tagged_lines_have_tag_status_code_and_text() {
    assert_eq!(
        read("A0012 no [OVERQUOTA] Full {5}\r\n"),
        Response::Tagged(Tagged {
            tag: "A0012".to_owned(),
            status: Status::No,
            code: Some(Code::OverQuota),
            text: "Full {5}".to_owned(),
        })
    );
    assert_eq!(
        read("x.1 OK\n"),
        Response::Tagged(Tagged {
            tag: "x.1".to_owned(),
            status: Status::Ok,
            code: None,
            text: String::new(),
        })
    );
}

#[test]
fn a_line_with_our_tag_ends_its_command_whatever_it_says() {
    assert_eq!(
        read("A0001 WAT\r\n"),
        Response::Tagged(Tagged {
            tag: "A0001".to_owned(),
            status: Status::Bad,
            code: None,
            text: String::new(),
        })
    );
    assert_eq!(read("Dear Sir\r\n"), Response::Untagged(other("?")));
}

#[test]
fn continuations_need_no_space() {
    assert_eq!(read("+\r\n"), Response::Continuation);
    assert_eq!(read("+ VXNlcg==\r\n"), Response::Continuation);
    assert_eq!(read("+OK go\r\n"), Response::Continuation);
}

#[test]
fn codes_with_data() {
    for (inside, code) in [
        (
            "APPENDUID 38505 3955:3957,4000",
            Code::AppendUid(38505, vec![3955..=3957, 4000..=4000]),
        ),
        (
            "COPYUID 9 304,320:319 3956:3958",
            Code::CopyUid(9, vec![304..=304, 319..=320], vec![3956..=3958]),
        ),
        (
            "HIGHESTMODSEQ 18446744073709551615",
            Code::HighestModSeq(u64::MAX),
        ),
        (
            "MAILBOXID (F2212ea87-6097)",
            Code::MailboxId("F2212ea87-6097".to_owned()),
        ),
        ("MODIFIED 7,9", Code::Modified(vec![7..=7, 9..=9])),
        (
            "PERMANENTFLAGS (\\Seen $x \\*)",
            Code::PermanentFlags(strings(&["\\Seen", "$x", "\\*"])),
        ),
        (
            "CAPABILITY IMAP4rev1 AUTH=PLAIN",
            Code::Capability(strings(&["IMAP4rev1", "AUTH=PLAIN"])),
        ),
        ("UIDNEXT 5", Code::UidNext(5)),
        ("uidvalidity 4294967295", Code::UidValidity(u32::MAX)),
        ("BADCHARSET (UTF-8 {3}", Code::BadCharset),
        ("UNKNOWN-CTE", Code::UnknownCte),
    ] {
        assert_eq!(code_of(inside), Some(code), "{inside}");
    }
}

#[test]
fn codes_that_are_unknown_or_do_not_parse_keep_their_name() {
    for (inside, kept) in [
        ("UNSEEN 4", "UNSEEN"),
        ("urlmech INTERNAL", "URLMECH"),
        ("UIDNEXT 4294967296", "UIDNEXT"),
        ("COPYUID 9 1:2", "COPYUID"),
        ("APPENDUID 1 *", "APPENDUID"),
        ("MAILBOXID (a\u{1}b)", "MAILBOXID"),
        ("\u{e9}t\u{e9}", "?"),
    ] {
        assert_eq!(
            code_of(inside),
            Some(Code::Other(kept.to_owned())),
            "{inside}"
        );
    }
    assert_eq!(code_of(""), None);
}

#[test]
fn text_is_cut_and_has_no_controls() {
    let Untagged::Status { code, text, .. } = untagged(format!(
        "* OK [ALERT]\u{e9}\u{1b}[2J{}\r\n",
        "x".repeat(9000)
    )) else {
        panic!()
    };
    assert_eq!(code, Some(Code::Alert));
    assert!(text.starts_with("\u{e9}\u{fffd}[2Jx"), "{text}");
    assert_eq!(text.chars().count(), 200);
}

#[test]
fn an_unclosed_code_is_none() {
    assert_eq!(
        untagged("* OK [ALERT forgot\r\n"),
        Untagged::Status {
            status: Status::Ok,
            code: None,
            text: "ALERT forgot".to_owned()
        }
    );
}

#[test]
fn mailbox_names_come_as_atom_quoted_or_literal() {
    for written in [
        "a\\\"b",
        "\"a\\\\\\\"b\"",
        "{4}\r\na\\\"b",
        "{4+}\r\na\\\"b",
    ] {
        let Untagged::List(entry) =
            untagged(format!("* LIST (\\HasChildren) \"\\\\\" {written}\r\n"))
        else {
            panic!("{written}")
        };
        assert_eq!(
            entry,
            ListEntry {
                attributes: strings(&["\\HasChildren"]),
                separator: Some(b'\\'),
                mailbox: name("a\\\"b"),
                old_name: None,
            }
        );
    }
    let Untagged::List(entry) = untagged(b"* lsub () NIL \"\xe9 b)\"\r\n") else {
        panic!()
    };
    assert_eq!((entry.separator, entry.mailbox), (None, name(b"\xe9 b)")));
}

#[test]
fn extended_list_data_is_read_or_passed_over() {
    let Untagged::List(entry) = untagged(
        "* LIST () \"/\" new (\"CHILDINFO\" (\"SUBSCRIBED\") X ((1 {1}\r\n)) 2) \"oldname\" (\"o\\\"ld\"))\r\n",
    ) else {
        panic!()
    };
    assert_eq!(
        (entry.mailbox, entry.old_name),
        (name("new"), name("o\"ld"))
    );
    let Untagged::List(entry) = untagged("* LIST () \"/\" new (broken ((\r\n") else {
        panic!()
    };
    assert_eq!(entry.mailbox, name("new"));
}

#[test]
fn status_keeps_what_it_knows() {
    assert_eq!(
        untagged(
            "* STATUS \"in box\" (MESSAGES 3 X-NEW (1 (2)) UIDNEXT 4294967296 UNSEEN 1 SIZE 5000000000 DELETED 2 MAILBOXID (F-1_a) HIGHESTMODSEQ 7 UIDVALIDITY 9)  \r\n"
        ),
        Untagged::MailboxStatus(MailboxStatus {
            mailbox: name("in box"),
            messages: Some(3),
            uid_next: None,
            uid_validity: Some(9),
            unseen: Some(1),
            highest_mod_seq: Some(7),
            mailbox_id: Some("F-1_a".to_owned()),
            size: Some(5_000_000_000),
        })
    );
    assert_eq!(
        untagged("* STATUS {1}\r\na ()\r\n"),
        Untagged::MailboxStatus(MailboxStatus {
            mailbox: name("a"),
            ..MailboxStatus::default()
        })
    );
}

#[test]
fn a_mailbox_id_of_random_bytes_is_dropped_alone() {
    for garbage in [&b"\x01\xff\"\x7f("[..], b"", b"a b", b"((", b"{3}", b"\\"] {
        let line = [
            &b"* STATUS a (MESSAGES 3 MAILBOXID ("[..],
            garbage,
            b") UNSEEN 2)\r\n",
        ]
        .concat();
        let Untagged::MailboxStatus(status) = untagged(line) else {
            panic!("{garbage:?}")
        };
        assert_eq!(
            (status.messages, status.mailbox_id, status.unseen),
            (Some(3), None, Some(2)),
            "{garbage:?}"
        );
    }
}

#[test]
fn extended_search_elements_come_in_any_order() {
    assert_eq!(
        untagged(
            "* ESEARCH (TAG \"A\\\"1\") UID COUNT 12 X-REL (1 2) PARTIAL (1:5 1:5) ALL 10,9:7 MIN 1 MAX 12 MODSEQ 3\r\n"
        ),
        Untagged::ExtendedSearch(ExtendedSearch {
            tag: Some("A\"1".to_owned()),
            uid: true,
            min: Some(1),
            max: Some(12),
            count: Some(12),
            all: vec![10..=10, 7..=9],
            mod_seq: Some(3),
        })
    );
    assert_eq!(
        untagged("* ESEARCH\r\n"),
        Untagged::ExtendedSearch(ExtendedSearch::default())
    );
    assert_eq!(untagged("* ESEARCH UID ALL 1:x\r\n"), other("ESEARCH"));
}

#[test]
fn rights_and_quotas_are_read() {
    assert_eq!(
        untagged("* MYRIGHTS \"a b\" lrswipkxte\r\n"),
        Untagged::MyRights("lrswipkxte".to_owned())
    );
    assert_eq!(untagged("* MYRIGHTS INBOX\r\n"), other("MYRIGHTS"));
    assert_eq!(
        untagged("* QUOTA \"User quota\" (STORAGE 54 100 MESSAGE 0 5)\r\n"),
        Untagged::Quota(vec![
            ("STORAGE".to_owned(), 54, 100),
            ("MESSAGE".to_owned(), 0, 5)
        ])
    );
    assert_eq!(
        untagged("* QUOTA INBOX ()\r\n"),
        Untagged::Quota(Vec::new())
    );
    assert_eq!(untagged("* QUOTA INBOX (STORAGE x 1)\r\n"), other("QUOTA"));
}

#[test]
fn vanished_namespace_id_and_lists_of_words() {
    assert_eq!(
        untagged("* VANISHED (EARLIER) 300:310,405\r\n"),
        Untagged::Vanished {
            earlier: true,
            uids: vec![300..=310, 405..=405]
        }
    );
    assert_eq!(
        untagged("* VANISHED 4\r\n"),
        Untagged::Vanished {
            earlier: false,
            uids: vec![4..=4]
        }
    );
    let Untagged::Namespace(namespace) = untagged(
        "* NAMESPACE ((\"\" \"/\")(\"#mh\" NIL \"X\" (\"a\"))) NIL ((\"a\\\\b\" \".\"))\r\n",
    ) else {
        panic!()
    };
    assert_eq!(
        namespace.personal,
        [(vec![], Some(b'/')), (b"#mh".to_vec(), None)]
    );
    assert_eq!(namespace.other, []);
    assert_eq!(namespace.shared, [(b"a\\b".to_vec(), Some(b'.'))]);
    assert_eq!(
        untagged("* ID (\"name\" \"Cy\\\"rus\" \"os\" NIL)\r\n"),
        Untagged::Id(vec![
            ("name".to_owned(), Some("Cy\"rus".to_owned())),
            ("os".to_owned(), None)
        ])
    );
    assert_eq!(untagged("* ID NIL\r\n"), Untagged::Id(vec![]));
    assert_eq!(
        untagged("* CAPABILITY a  b \r\n"),
        Untagged::Capability(strings(&["a", "b"]))
    );
    assert_eq!(untagged("* ENABLED\r\n"), Untagged::Enabled(vec![]));
    assert_eq!(
        untagged("* FLAGS (\\Seen a:/+.)\r\n"),
        Untagged::Flags(strings(&["\\Seen", "a:/+."]))
    );
}

#[test]
fn numbered_lines() {
    assert_eq!(untagged("* 23 exists\n"), Untagged::Exists(23));
    assert_eq!(untagged("* 5 RECENT\r\n"), Untagged::Recent(5));
    assert_eq!(untagged("*  4 EXPUNGE \r\n"), Untagged::Expunge(4));
    assert_eq!(untagged("* 4294967296 EXPUNGE\r\n"), other("EXPUNGE"));
    assert_eq!(untagged("* 1 COPY\r\n"), other("COPY"));
}

#[test]
fn unknown_lines_keep_a_name_only_if_it_looks_like_one() {
    assert_eq!(untagged("* thread (1 2)\r\n"), other("THREAD"));
    assert_eq!(untagged("* \r\n"), other("?"));
    assert_eq!(untagged("\r\n"), other("?"));
    assert_eq!(untagged("*\r\n"), other("?"));
    assert_eq!(untagged(b"* \xff\xfe secret\r\n"), other("?"));
    assert_eq!(untagged(format!("* {}\r\n", "A".repeat(100))), other("?"));
}

#[test]
fn fetch_items_come_in_any_order_and_case() {
    assert_eq!(
        fetch(
            "* 12 FETCH (flags (\\Seen $a) uid 7 MODSEQ (624140003) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 5000000000 EMAILID (M6d99) )\r\n"
        ),
        Fetch {
            number: 12,
            uid: Some(7),
            flags: Some(strings(&["\\Seen", "$a"])),
            mod_seq: Some(624_140_003),
            internal_date: Some("17-Jul-1996 02:44:25 -0700".to_owned()),
            size: Some(5_000_000_000),
            email_id: Some("M6d99".to_owned()),
            ..Fetch::default()
        }
    );
}

#[test]
fn unknown_fetch_items_are_skipped_with_their_value() {
    let fetch = fetch(
        "* 1 FETCH (ENVELOPE (\"a(\" {3}\r\n))( NIL (((x)))) ANNOTATION (/c (value.priv \"x\")) X-GM-LABELS (\"\\\\Inbox\" a) PREVIEW NIL UID 9 X-LAST)\r\n",
    );
    assert_eq!(fetch.uid, Some(9));
}

#[test]
fn numbers_that_do_not_fit_drop_their_item() {
    let fetch = fetch("* 1 FETCH (RFC822.SIZE -1 MODSEQ (18446744073709551616) FLAGS (a))\r\n");
    assert_eq!((fetch.size, fetch.mod_seq), (None, None));
    assert_eq!(fetch.flags, Some(strings(&["a"])));
}

#[test]
fn sections_are_named_by_what_stands_in_the_brackets() {
    let fetch = fetch(
        "* 1 FETCH (BODY[HEADER.FIELDS (From \"X-]y\")] {2}\r\nhi BODY[1.2]<512> \"q\\\"\" BINARY[1]<0> ~{3}\r\n\0\r\n BINARY[2] {1}\r\n( BODY[9] NIL BODY[] {0}\r\n BINARY.SIZE[1.1] 12 BODY[3] odd)\r\n",
    );
    let section = |binary, name: &str, origin, bytes: Option<&'static [u8]>| Section {
        binary,
        name: name.to_owned(),
        origin,
        bytes: bytes.map(Bytes::from_static),
    };
    assert_eq!(
        fetch.sections,
        [
            section(false, "HEADER.FIELDS (FROM X-]Y)", None, Some(b"hi")),
            section(false, "1.2", Some(512), Some(b"q\"")),
            section(true, "1", Some(0), Some(b"\0\r\n")),
            section(true, "2", None, Some(b"(")),
            section(false, "9", None, None),
            section(false, "", None, Some(b"")),
        ]
    );
    assert_eq!(fetch.binary_sizes, [("1.1".to_owned(), 12)]);
}

#[test]
fn a_large_section_shares_its_buffer_and_a_small_one_does_not() {
    let line = |size: usize| {
        let head = format!("* 1 FETCH (BODY[] {{{size}}}\r\n");
        let frame = Bytes::from([head.as_bytes(), &vec![b'x'; size], b")\r\n"].concat());
        let parsed = response(&frame, &Limits::default()).unwrap();
        let Response::Untagged(Untagged::Fetch(fetch)) = parsed else {
            panic!()
        };
        let section = fetch.sections[0].bytes.clone().unwrap();
        assert_eq!(section.len(), size);
        section.as_ptr() == frame[head.len()..].as_ptr()
    };
    assert!(line(100_000));
    assert!(!line(100));
}

#[test]
fn a_broken_fetch_is_no_half_fetch() {
    for line in [
        "* 1 FETCH (UID 3\r\n",
        "* 1 FETCH UID 3\r\n",
        "* 1 FETCH (BODY[ UID 3)\r\n",
        "* 1 FETCH (UID 3 X \"open)\r\n",
        "* 1 FETCH ()\r\n",
        "* 1 FETCH (UID 0)\r\n",
        "* 1 FETCH (UID seven FLAGS ())\r\n",
        "* 1 FETCH (UID 4294967296)\r\n",
        "* 4294967296 FETCH (UID 3)\r\n",
    ] {
        assert_eq!(untagged(line), other("FETCH"), "{line}");
    }
}

fn structure(written: &str) -> Option<BodyStructure> {
    let fetch = fetch(format!("* 1 FETCH (BODYSTRUCTURE {written} UID 3)\r\n"));
    assert_eq!(fetch.uid, Some(3));
    fetch.body_structure.and_then(Result::ok)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_leaf_has_its_parameters_and_extension_data() {
    let read = structure(
        "(\"TEXT\" \"Plain\" (\"CHARSET\" \"utf-8\" \"Name\" \"a\\\"b\") \"<id@x>\" NIL \"Base64\" 1152 23 NIL (\"ATTACHMENT\" (\"FileName\" {3}\r\n\\x))) (\"en\" \"de\") \"http://x\" (future 1))",
    );
    assert_eq!(
        read,
        Some(BodyStructure::Leaf(Box::new(Leaf {
            media_type: "text".to_owned(),
            subtype: "plain".to_owned(),
            parameters: pairs(&[("charset", "utf-8"), ("name", "a\"b")]),
            id: Some("<id@x>".to_owned()),
            encoding: "base64".to_owned(),
            octets: 1152,
            disposition: Some(("attachment".to_owned(), pairs(&[("filename", "\\x)")]))),
            location: Some("http://x".to_owned()),
            message: None,
        })))
    );
}

#[test]
fn a_multipart_may_lack_its_extension_data() {
    let part = "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)";
    for extension in [
        "",
        " (\"BOUNDARY\" \"x\")",
        " (\"BOUNDARY\" \"x\") NIL NIL NIL 7",
    ] {
        let read = structure(&format!("({part} {part} \"RELATED\"{extension})"));
        let Some(BodyStructure::Multipart {
            subtype,
            parameters,
            parts,
        }) = read
        else {
            panic!("{extension}")
        };
        assert_eq!((subtype.as_str(), parts.len()), ("related", 2));
        assert_eq!(parameters.is_empty(), extension.is_empty());
    }
}

#[test]
fn a_message_part_has_the_structure_inside() {
    let envelope = "(NIL \"s\" ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL NIL)";
    let inner = "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)(\"image\" \"gif\" NIL NIL NIL \"base64\" 9) \"mixed\")";
    for subtype in ["RFC822", "global"] {
        let read = structure(&format!(
            "(\"MESSAGE\" \"{subtype}\" NIL NIL NIL \"7BIT\" 300 {envelope} {inner} 12 NIL (\"inline\" NIL))"
        ));
        let Some(BodyStructure::Leaf(leaf)) = read else {
            panic!()
        };
        assert!(
            matches!(&leaf.message, Some(BodyStructure::Multipart { parts, .. }) if parts.len() == 2)
        );
        assert_eq!(leaf.disposition, Some(("inline".to_owned(), vec![])));
    }
    // RFC 9051 §7.5.2: other message types are basic.
    let read = structure("(\"message\" \"cpim\" NIL NIL NIL \"7bit\" 300 NIL (\"inline\" NIL))");
    assert!(matches!(read, Some(BodyStructure::Leaf(leaf)) if leaf.disposition.is_some()));
}

#[test]
fn a_broken_structure_is_none_and_the_rest_is_kept() {
    for broken in [
        "NIL",
        "()",
        "(\"text\")",
        "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1))",
        "\"x\"",
    ] {
        assert_eq!(structure(broken), None, "{broken}");
    }
}

#[test]
fn structure_is_read_to_a_bounded_depth() {
    let leaf = "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)";
    let nested = |depth: usize| "(".repeat(depth) + leaf + &" \"mixed\")".repeat(depth);
    assert!(structure(&nested(99)).is_some());
    assert_eq!(structure(&nested(100)), None);
    assert_eq!(structure(&nested(500)), None);
}

#[test]
fn absurd_nesting_is_a_violation() {
    let deep = format!(
        "* 1 FETCH (X {}{})\r\n",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    assert_eq!(
        response(&Bytes::from(deep), &Limits::default()),
        Err(Violation { what: Bound::Depth })
    );
}
