//! One attachment that is no multipart, and several.

use super::*;
use crate::message::multipart::entities;

fn sent(fields: &[(&str, &str)], bytes: &[u8]) -> Sent {
    send(&draft(&[]), &[(fields, bytes)]).unwrap()
}

#[test]
fn bytes_keep_what_they_are_encoded_in_or_get_base64() {
    for (own, bytes, expected) in [
        ("", &b"abc\r\n"[..], "7bit"),
        ("8bit", b"abc", "7bit"),
        ("binary", "é".as_bytes(), "8bit"),
        ("7bit", b"a\nb", "base64"),
        ("binary", b"\0\xff\r", "base64"),
        ("x-unknown", &[b'a'; 999], "base64"),
        ("BASE64", b"AAEC\r\n/w==\r\n", "base64"),
        ("base64", b"AAEC\n/w==\n", "base64"),
        ("base64", &[b'A'; 1200], "base64"),
        ("quoted-printable", b"a=00=3D=\r\nb", "quoted-printable"),
        ("Quoted-Printable", b"a=00=3D=\nb\n", "base64"),
        ("quoted-printable", b"a=00\xe9", "base64"),
    ] {
        let fields = [
            ("content-type", "application/x"),
            ("content-transfer-encoding", own),
        ];
        let sent = sent(&fields, bytes);
        assert_eq!(
            sent.field("Content-Transfer-Encoding").unwrap(),
            expected,
            "{own} {bytes:?}"
        );
        let encoding = crate::message::TransferEncoding::parse(own);
        assert_eq!(
            sent.read().payload,
            crate::message::decode(encoding, bytes),
            "{own} {bytes:?}"
        );
        assert_eq!(sent.field("MIME-Version").unwrap(), "1.0");
    }
}

#[test]
fn the_type_is_the_attachments_own() {
    for (own, expected) in [
        (None, "application/octet-stream"),
        (Some(""), "application/octet-stream"),
        (Some("text"), "application/octet-stream"),
        (Some("te(x)t/plain"), "application/octet-stream"),
        (Some("text/plain\r\nX: y"), "application/octet-stream"),
        (Some("Text/Plain;charset=UTF-8"), "Text/Plain;charset=UTF-8"),
        (
            Some(" image/png; name=\"a  b.png\"; "),
            "image/png; name=\"a  b.png\";",
        ),
        (
            Some("image/png;\tname=\"=?utf-8?q?=C3=A9?=\""),
            "image/png; name=\"=?utf-8?q?=C3=A9?=\"",
        ),
        (
            Some("image/png; name=\"é.png\"; Size=3"),
            "image/png; name*=UTF-8''%C3%A9.png; size=3",
        ),
        (Some("text/xml; type=”a/b”"), "text/xml; type=\"a/b\""),
        (Some("message/cpim"), "message/cpim"),
    ] {
        let fields: Vec<_> = own.map(|own| ("Content-Type", own)).into_iter().collect();
        assert_eq!(
            sent(&fields, b"x").field("Content-Type").unwrap(),
            expected,
            "{own:?}"
        );
    }
    let name = "n".repeat(2000);
    let refused = send(
        &draft(&[]),
        &[(&[("Content-Type", &format!("a/b; name={name}"))], b"x")],
    );
    assert_eq!(refused.err(), Some(Invalid("Content-Type")));
    let read = sent(&[("Content-Type", "image/png; name=\"é.png\"")], b"x");
    assert_eq!(read.values("Content-Type"), ["image/png; name=\"é.png\""]);
}

#[test]
fn of_the_form_only_the_file_name_is_kept() {
    for (own, expected) in [
        ("form-data; name=\"attachments\"", None),
        (
            "form-data;name=\"attachments\";filename=\"a b.jpg\"",
            Some("attachment; filename=\"a b.jpg\""),
        ),
        (
            "multipart/form-data; name=attachments; filename=a.jpg",
            Some("attachment; filename=a.jpg"),
        ),
        (
            "form-data; name=”attachments”; filename=”é.jpg”",
            Some("attachment; filename*=UTF-8''%C3%A9.jpg"),
        ),
        ("form-data; name=\"attachments\"; filename=\"\"", None),
        (
            "inline; filename=a.jpg; size=3; name=x",
            Some("inline; filename=a.jpg; size=3"),
        ),
        ("icon", Some("icon")),
        ("", None),
    ] {
        let fields = [("Content-Type", "image/jpeg"), ("content-disposition", own)];
        assert_eq!(
            sent(&fields, b"x").field("Content-Disposition").as_deref(),
            expected,
            "{own}"
        );
    }
    let text = [
        ("Content-Type", "text/plain"),
        (
            "Content-Disposition",
            "form-data; name=\"a\"; filename=\"sms.txt\"",
        ),
    ];
    assert_eq!(sent(&text, b"x").field("Content-Disposition"), None);
    let bad = [("Content-Disposition", "form-data; filename=\"a\0\"")];
    assert_eq!(
        send(&draft(&[]), &[(&bad, b"x")]).err(),
        Some(Invalid("Content-Disposition"))
    );
}

#[test]
fn an_attribute_comes_before_what_the_attachment_says() {
    let fields = [
        ("Content-ID", "<1@x>"),
        ("content-location", "é.jpg"),
        ("Content-Description", "=?utf-8?q?=C3=A9?="),
        ("Content-Disposition", "attachment; filename=a.jpg"),
        ("Content-Length", "1"),
        ("X-Other", "x"),
    ];
    let own = sent(&fields, b"x");
    assert_eq!(own.values("Content-ID"), ["<1@x>"]);
    assert_eq!(own.values("Content-Location"), ["é.jpg"]);
    assert_eq!(own.values("Content-Description"), ["é"]);
    assert!(!own.header().contains("Content-Length") && !own.header().contains("X-Other"));
    let said = attributes(&[
        ("content-id", &["<2@x>"]),
        ("Content-Disposition", &["inline"]),
        ("Content-Location", &[]),
    ]);
    let both = send(&draft(&said), &[(&fields, b"x")]).unwrap();
    assert_eq!(both.values("content-id"), ["<2@x>"]);
    assert_eq!(both.values("Content-Disposition"), ["inline"]);
    assert_eq!(both.values("Content-Location"), ["é.jpg"]);
    let bad = send(&draft(&[]), &[(&[("Content-ID", "a\rb")], b"x")]);
    assert_eq!(bad.err(), Some(Invalid("Content-ID")));
}

#[test]
fn bytes_nobody_has_looked_at_are_written_in_base64() {
    let header = [("Content-Type".to_owned(), "image/jpeg".to_owned())];
    let found = FoundOf::Unread(100);
    let entity = Entity {
        header: &header,
        found: &found,
    };
    let composed = compose(&draft(&[]), &[entity]).unwrap();
    let sent = written(&composed, &[&[0xff; 100]]);
    assert_eq!(sent.read().payload, [0xff; 100]);
    for kind in ["multipart/mixed", "message/cpim"] {
        let header = [("Content-Type".to_owned(), kind.to_owned())];
        let entity = Entity {
            header: &header,
            found: &found,
        };
        assert_eq!(
            compose(&draft(&[]), &[entity]).err(),
            Some(Invalid("attachments"))
        );
    }
}

#[test]
fn a_multipart_that_was_not_scanned_as_one_is_refused() {
    let header = [(
        "Content-Type".to_owned(),
        "multipart/mixed; boundary=b".to_owned(),
    )];
    let found = FoundOf::Leaf(Scan::of(b"--b--"));
    let entity = Entity {
        header: &header,
        found: &found,
    };
    assert_eq!(
        compose(&draft(&[]), &[entity]).err(),
        Some(Invalid("Content-Type"))
    );
}

/// Headers and bodies of the parts of a message.
fn parts(sent: &Sent) -> Vec<(String, Vec<u8>)> {
    let read = sent.read();
    let boundary = read.content_type.parameter("boundary").unwrap();
    let body = sent.body();
    let parts = entities(body, boundary, 100).into_iter();
    parts
        .map(|range| {
            let (header, length) = crate::message::Header::split(&body[range.clone()]);
            let content = crate::message::decode(
                header.transfer_encoding(),
                &body[range.start + length..range.end],
            );
            (
                String::from_utf8_lossy(&body[range.start..range.start + length]).into_owned(),
                content,
            )
        })
        .collect()
}

#[test]
fn several_attachments_are_the_parts_of_a_multipart() {
    let text: Attachment<'_> = (
        &[
            ("Content-Type", "text/plain"),
            (
                "Content-Disposition",
                "form-data; name=attachments; filename=\"t.txt\"",
            ),
        ],
        "é\r\n".as_bytes(),
    );
    let image: Attachment<'_> = (
        &[("Content-Type", "image/png"), ("Content-ID", "<i>")],
        b"\0\n",
    );
    let inner: Attachment<'_> = (
        &[("Content-Type", "multipart/related; boundary=i")],
        b"--i\r\n\r\nx\n\r\n--i",
    );
    let nothing: Attachment<'_> = (&[], b"");
    let empty: Attachment<'_> = (&[("Content-Type", "a/b")], b"");
    let sent = send(&draft(&[]), &[text, nothing, image, inner, empty]).unwrap();
    assert_eq!(
        sent.field("Content-Type").unwrap(),
        "multipart/mixed; boundary=\"=_nms-part-0\""
    );
    assert_eq!(sent.field("Content-Transfer-Encoding").unwrap(), "8bit");
    let expected = [
        (
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\nContent-Disposition: attachment; filename=t.txt\r\n\r\n",
            "é\r\n",
        ),
        (
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i>\r\n\r\n",
            "\0\n",
        ),
        (
            "Content-Type: multipart/related; boundary=i\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
            "--i\r\nContent-Transfer-Encoding: base64\r\n\r\neAo=\r\n\r\n--i\r\n\r\n--i--\r\n",
        ),
        (
            "Content-Type: a/b\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
            "",
        ),
    ];
    let expected = expected.map(|(header, body)| (header.to_owned(), body.as_bytes().to_vec()));
    assert_eq!(parts(&sent), expected);
}

#[test]
fn one_that_is_left_of_several_is_alone_and_none_is_none() {
    let image: Attachment<'_> = (&[("Content-Type", "image/png")], b"x");
    let nothing: Attachment<'_> = (&[], b"");
    let typed: Attachment<'_> = (&[("Content-Type", "a/b")], b"");
    let sent = |list: &[Attachment<'_>]| send(&draft(&[]), list).unwrap();
    assert_eq!(
        sent(&[nothing, image]).field("Content-Type").unwrap(),
        "image/png"
    );
    for list in [
        &[][..],
        &[nothing],
        &[typed],
        &[nothing, typed],
        &[nothing, nothing],
    ] {
        assert_eq!(sent(list).bytes, sent(&[]).bytes);
        assert!(!sent(list).header().contains("MIME-Version"));
    }
    assert_eq!(
        sent(&[typed, typed])
            .field("Content-Transfer-Encoding")
            .unwrap(),
        "7bit"
    );
}

#[test]
fn our_boundary_is_one_that_no_part_holds() {
    let like = |digit: &str| format!("x\r\n--=_nms-part-{digit}\r\n");
    let (one, two) = (like("0"), like("1--"));
    let fields: &[(&str, &str)] = &[("Content-Type", "a/b")];
    let sent = send(
        &draft(&[]),
        &[(fields, one.as_bytes()), (fields, two.as_bytes())],
    )
    .unwrap();
    assert_eq!(
        sent.read().content_type.parameter("boundary"),
        Some("=_nms-part-2")
    );
    let all: String = (0..16).map(|digit| like(&format!("{digit:x}"))).collect();
    let refused = send(&draft(&[]), &[(fields, all.as_bytes()), (fields, b"x")]);
    assert_eq!(refused.err(), Some(Invalid("attachments")));
    // In base64 no line can be one.
    let encoded = format!("{all}\n");
    let sent = send(&draft(&[]), &[(fields, encoded.as_bytes()), (fields, b"x")]).unwrap();
    assert_eq!(parts(&sent)[0].1, encoded.as_bytes());
}
