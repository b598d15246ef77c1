//! Attributes, dates and correlators.

use super::*;

fn sent(list: &[(&str, &[&str])]) -> Sent {
    send(&draft(&attributes(list)), &[]).unwrap()
}

fn refused(list: &[(&str, &[&str])]) -> &'static str {
    let Err(Invalid(member)) = send(&draft(&attributes(list)), &[]) else {
        panic!("{list:?} was taken");
    };
    member
}

#[test]
fn each_value_is_a_field_and_order_is_kept() {
    let sent = sent(&[
        ("Subject", &["Été", "two"]),
        ("to", &["tel:+1", "sip:a@b;c=d"]),
        ("Conversation-ID", &["x"]),
        ("Cc", &["tel:+3"]),
        ("X-Empty", &[]),
        ("X-Blank", &["", "y", ""]),
        ("To", &["tel:+2"]),
        ("subject", &["three"]),
    ]);
    let expected = "Subject: =?UTF-8?B?w4l0w6k=?=\r\nSubject: two\r\nto: tel:+1, <sip:a@b;c=d>, tel:+2\r\n\
        Conversation-ID: x\r\nCc: tel:+3\r\nX-Blank: y\r\nsubject: three\r\nDate: Mon, 1 Jun 2026 10:20:30 +0000\r\n\
        X-NMS-Nonce: nonce-1\r\n";
    assert_eq!(sent.header(), expected);
    assert_eq!(sent.values("Subject"), ["Été", "two", "three"]);
    assert_eq!(sent.values("to"), ["tel:+1", "sip:a@b;c=d", "tel:+2"]);
    assert!(sent.body().is_empty());
}

#[test]
fn what_the_payload_says_is_no_attribute() {
    let sent = sent(&[
        ("content-type", &["text/html"]),
        ("Content-Transfer-Encoding", &["base64"]),
        ("MIME-Version", &["2.0"]),
        ("Content-Duration", &["3"]),
    ]);
    assert!(sent.header().starts_with("Content-Duration: 3\r\nDate: "));
}

#[test]
fn names_that_are_not_a_clients_are_refused() {
    for name in [
        "",
        "a b",
        "a:",
        "é",
        "a\r\nb",
        "Received",
        "return-path",
        "x-nms-nonce",
        "X-NMS-",
        &"n".repeat(201),
    ] {
        assert_eq!(refused(&[(name, &["x"])]), "name", "{name:?}");
    }
    assert_eq!(
        sent(&[(&"n".repeat(200), &["x"])]).values(&"n".repeat(200)),
        ["x"]
    );
    assert_eq!(sent(&[("X-NMS", &["x"])]).values("X-NMS"), ["x"]);
}

#[test]
fn controls_in_a_value_are_refused() {
    for value in [
        "a\rb", "a\nb", "a\0", "\u{1b}", "\u{7f}", "\u{9f}", "\u{ffff}",
    ] {
        for name in [
            "Subject",
            "To",
            "Message-Context",
            "Content-Disposition",
            "Direction",
            "TextContent",
        ] {
            if name == "TextContent" && value.contains(['\r', '\n']) {
                continue;
            }
            assert_eq!(
                refused(&[(name, &["x"]), (name, &[value])]),
                "value",
                "{name} {value:?}"
            );
        }
    }
    assert_eq!(sent(&[("Subject", &["a\tb"])]).values("Subject"), ["a\tb"]);
}

#[test]
fn direction_is_a_message_direction() {
    type Values = &'static [&'static str];
    type List = &'static [(&'static str, Values)];
    let cases: [(List, Values, Values); 9] = [
        (&[("Direction", &["In"])], &["received"], &["In"]),
        (&[("direction", &["OUT"])], &["sent"], &["Out"]),
        (&[("Direction", &["Sideways"])], &[], &["Sideways"]),
        (&[("Direction", &["In", "Out"])], &[], &["In", "Out"]),
        (
            &[("Message-Direction", &["Received"])],
            &["Received"],
            &["In"],
        ),
        (
            &[("Direction", &["In"]), ("Message-Direction", &["Sent"])],
            &["Sent"],
            &["Out"],
        ),
        (
            &[("Direction", &["In"]), ("Message-Direction", &["up"])],
            &["up"],
            &["In"],
        ),
        (
            &[("Direction", &["In"]), ("Message-Direction", &[""])],
            &["received"],
            &["In"],
        ),
        (&[("Direction", &[]), ("Subject", &["x"])], &[], &[]),
    ];
    for (list, message_direction, direction) in cases {
        let sent = sent(list);
        assert_eq!(
            sent.values("Message-Direction"),
            message_direction,
            "{list:?}"
        );
        assert_eq!(sent.values("Direction"), direction, "{list:?}");
    }
}

#[test]
fn fields_the_reader_reads_in_its_own_way_are_written_for_it() {
    for (name, value, field) in [
        ("Message-Context", "pager-message", "pager-message"),
        (
            "Message-Context",
            "\"pager-message\"",
            "\"\"pager-message\"\"",
        ),
        (
            "Content-Disposition",
            "attachment; filename=a.jpg",
            "attachment; filename=a.jpg",
        ),
        (
            "Content-Disposition",
            "attachment; filename=\"é.jpg\"",
            "attachment; filename*=UTF-8''%C3%A9.jpg",
        ),
        (
            "Content-Disposition",
            "Attachment;filename=é",
            "=?UTF-8?B?QXR0YWNobWVudDtmaWxlbmFtZT3DqQ==?=",
        ),
        (
            "Content-Disposition",
            "a; filename*=utf-8''b",
            "=?UTF-8?B?YTsgZmlsZW5hbWUqPXV0Zi04Jydi?=",
        ),
    ] {
        let sent = sent(&[(name, &[value])]);
        assert_eq!(sent.values(name), [value]);
        assert_eq!(sent.field(name).unwrap(), field);
    }
    assert_eq!(refused(&[("Message-Context", &[" x"])]), "value");
}

#[test]
fn the_date_is_the_clients_or_now() {
    let sent = |list: &[(&str, &[&str])]| send(&draft(&attributes(list)), &[]);
    let own = sent(&[
        ("X", &["1"]),
        ("date", &["2024-03-09T07:15:02.5+01:00"]),
        ("Y", &["2"]),
    ])
    .unwrap();
    assert_eq!(own.field("Date").unwrap(), "Sat, 9 Mar 2024 07:15:02 +0100");
    assert_eq!(own.internal_date.to_rfc3339(), "2024-03-09T07:15:02+01:00");
    assert_eq!(own.values("Date"), ["2024-03-09T06:15:02Z"]);
    let now = sent(&[("Date", &["", ""])]).unwrap();
    assert_eq!(now.internal_date.to_rfc3339(), "2026-06-01T10:20:30+00:00");
    assert_eq!(now.header().matches("Date: ").count(), 1);
    for wrong in [
        &["soon"][..],
        &["2024-03-09T07:15:02Z", "2024-03-09T07:15:02Z"],
        &["1492-10-12T00:00:00Z"],
    ] {
        assert_eq!(refused(&[("Date", wrong)]), "Date");
    }
    assert_eq!(
        refused(&[
            ("Date", &["2024-03-09T07:15:02Z"]),
            ("DATE", &["2024-03-09T07:15:02Z"])
        ]),
        "Date"
    );
}

#[test]
fn correlators_are_kept_verbatim() {
    let long = format!("x{}", "é".repeat(300));
    for id in ["mm-4471", "<a@b>", " a  b ", "=?utf-8?q?x?=", "a\tb", &long] {
        let mut draft = draft(&[]);
        (draft.correlation_id, draft.correlation_tag) = (Some(id), Some(id));
        let sent = send(&draft, &[]).unwrap();
        assert_eq!(sent.read().header.correlation_id().as_deref(), Some(id));
        assert_eq!(sent.read().header.correlation_tag().as_deref(), Some(id));
        assert_eq!(sent.read().attributes.len(), 1);
    }
    let mut draft = draft(&[]);
    (draft.correlation_id, draft.correlation_tag) = (Some(""), Some(""));
    assert!(!send(&draft, &[]).unwrap().header().contains("Correlation"));
    draft.correlation_id = Some("a\r\nSubject: b");
    assert_eq!(send(&draft, &[]).err(), Some(Invalid("correlationId")));
    (draft.correlation_id, draft.correlation_tag) = (None, Some("\0"));
    assert_eq!(send(&draft, &[]).err(), Some(Invalid("correlationTag")));
}

#[test]
fn text_content_is_the_payload_of_an_object_without_an_attachment() {
    for (text, encoding) in [
        ("ok, see you", "7bit"),
        ("two\r\nlines\t\r\n", "7bit"),
        ("é😀", "8bit"),
        ("bare\nline\rends", "base64"),
        (&"x".repeat(999), "base64"),
        (&"é ".repeat(2_000), "base64"),
    ] {
        let sent = sent(&[("textcontent", &[text])]);
        assert_eq!(sent.values("TextContent"), [text]);
        assert_eq!(sent.values("Content-Type"), ["text/plain; charset=utf-8"]);
        assert_eq!(sent.field("Content-Transfer-Encoding").unwrap(), encoding);
        assert_eq!(sent.field("MIME-Version").unwrap(), "1.0");
        let empty: Attachment<'_> = (&[("Content-Type", "text/plain")], b"");
        let beside = send(&draft(&attributes(&[("TextContent", &[text])])), &[empty]).unwrap();
        assert_eq!(beside.bytes, sent.bytes);
    }
    assert_eq!(refused(&[("TextContent", &["a", "b"])]), "value");
    assert!(
        sent(&[("TextContent", &[""])])
            .field("MIME-Version")
            .is_none()
    );
    let image: Attachment<'_> = (&[("Content-Type", "image/png")], b"x");
    let beside = send(
        &draft(&attributes(&[("TextContent", &["a", "\0"])])),
        &[image],
    )
    .unwrap();
    assert_eq!(
        (beside.values("TextContent").len(), beside.body()),
        (0, &b"x"[..])
    );
}

#[test]
fn what_a_header_can_hold_has_a_bound() {
    let many: Vec<&str> = vec!["x"; 4001];
    assert_eq!(refused(&[("X", &many)]), "attributes");
    assert_eq!(sent(&[("X", &many[1..])]).values("X").len(), 4000);
    let long = "word ".repeat(60_000);
    assert_eq!(refused(&[("X", &[long.trim_end()])]), "attributes");
    let fits = "word ".repeat(50_000);
    assert_eq!(
        sent(&[("X", &[fits.trim_end()])]).values("X"),
        [fits.trim_end()]
    );
}

#[test]
fn lines_that_look_like_fields_stay_in_their_value() {
    let value = "a: b c: d ".repeat(20);
    let value = value.trim_end();
    let sent = sent(&[("Subject", &[value]), ("To", &["tel:+1, Bcc: tel:+2"])]);
    assert_eq!(sent.values("Subject"), [value]);
    assert_eq!(sent.values("To"), ["tel:+1, Bcc: tel:+2"]);
    assert_eq!(sent.read().attributes.len(), 3);
}
