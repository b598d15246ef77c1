//! One attachment that is a multipart (contract §3.1 form b), with all that clients do to it.

use super::*;

fn send_as(content_type: &str, body: &[u8]) -> Result<Sent, Invalid> {
    send(&draft(&[]), &[(&[("Content-Type", content_type)], body)])
}

fn stored(content_type: &str, body: &str) -> (String, String) {
    let sent = send_as(content_type, body.as_bytes()).unwrap();
    assert_eq!(sent.read().payload, sent.body());
    (
        sent.field("Content-Type").unwrap(),
        String::from_utf8(sent.body().to_vec()).unwrap(),
    )
}

#[test]
fn what_is_safe_is_kept_byte_for_byte() {
    let body = "preamble\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\
        Content-Disposition: form-data;name=\"attachments\";filename=\"sms.txt\"\r\nContent-Length: 99\r\n\r\none\r\n\
        --b  \r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\ntwo\r\n--i--\r\n--b--\r\nepilogue";
    for kind in [
        "multipart/related; boundary=b; start=\"<1>\"; type=\"text/xml\"",
        "Multipart/Mixed;Boundary=\"b\";",
    ] {
        assert_eq!(stored(kind, body), (kind.to_owned(), body.to_owned()));
    }
    let sent = send_as(
        "multipart/mixed; boundary=b",
        &[body.as_bytes(), "é".as_bytes()].concat(),
    )
    .unwrap();
    assert_eq!(sent.field("Content-Transfer-Encoding").unwrap(), "8bit");
    assert!(sent.body().starts_with(body.as_bytes()));
}

#[test]
fn the_type_gets_the_boundary_that_is_used() {
    let body = "--=-sep-=\r\n\r\nx\r\n--=-sep-=--\r\n";
    for kind in [
        "multipart/mixed",
        "multipart/mixed;",
        "multipart/mixed; boundary=”=-sep-=”;",
        "multipart/mixed; boundary==-sep-=",
        "multipart/mixed; boundary=\"=-sep-= \"",
        "multipart/mixed; boundary*=utf-8''%3D-sep-%3D",
        "multipart/mixed; boundary=\"=-sep-=\"; boundary=other",
    ] {
        let expected = "multipart/mixed; boundary=\"=-sep-=\"".to_owned();
        assert_eq!(stored(kind, body), (expected, body.to_owned()), "{kind}");
    }
    let kind = "multipart/related; start=\"<1>\"; type=”text/xml”";
    assert_eq!(
        stored(kind, body).0,
        "multipart/related; start=\"<1>\"; type=\"text/xml\"; boundary=\"=-sep-=\""
    );
}

#[test]
fn boundaries_of_dashes_and_blanks_are_kept() {
    for boundary in ["--=-sep-=--", "----", "a b", "'()+_,-./:=?"] {
        let kind = format!("multipart/mixed; boundary=\"{boundary}\"");
        let body = format!("--{boundary}\r\n\r\nx\r\n--{boundary}--\r\n");
        assert_eq!(stored(&kind, &body), (kind, body));
    }
    for boundary in ["é".to_owned(), "b".repeat(71)] {
        let kind = format!("multipart/mixed; boundary=\"{boundary}\"");
        let body = format!("--{boundary}\r\n\r\nx\r\n--{boundary}--\r\n");
        assert_eq!(
            send_as(&kind, body.as_bytes()).err(),
            Some(Invalid("Content-Type")),
            "{boundary}"
        );
    }
}

#[test]
fn a_missing_close_delimiter_is_added() {
    for (body, added) in [
        ("--b\r\n\r\none\r\n--b\r\n\r\ntwo", "\r\n--b--\r\n"),
        ("--b\r\n\r\none\r\n", "\r\n--b--\r\n"),
        ("--b\r\nA: 1", "\r\n\r\n--b--\r\n"),
        ("--b\r\n\r\none\r\n--b", "\r\n\r\n--b--\r\n"),
        ("--b\r\n\r\none\r\n--b--", ""),
        ("--b--", ""),
    ] {
        assert_eq!(
            stored("multipart/mixed; boundary=b", body).1,
            format!("{body}{added}")
        );
    }
}

#[test]
fn only_parts_that_are_not_safe_are_rewritten() {
    let body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"é.txt\"\r\n\
        content-transfer-encoding:\r\n binary\r\nContent-Length: 3\r\nFile-Icon: cid:t\r\n\r\na\nb\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nsafe é\r\n\
        --b\r\n\r\n\0\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA\nEC\r\n--b--\r\nepilogue";
    let expected = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"é.txt\"\r\n\
        File-Icon: cid:t\r\nContent-Transfer-Encoding: base64\r\n\r\nYQpi\r\n\r\n\
        --b\r\nContent-Type: text/plain\r\n\r\nsafe é\r\n\
        --b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n\r\n\
        --b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n\r\n--b--\r\nepilogue";
    assert_eq!(stored("multipart/mixed; boundary=b", body).1, expected);
}

#[test]
fn other_line_ends_become_crlf_around_the_parts_but_not_in_them() {
    let body = "pre\namble\n--b\nContent-Type: text/plain;\n charset=utf-8\n\none\n--b\n\nt\nwo\n--b\n--b\nA: 1\n--b--\nepi\n";
    let expected = "--b\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\none\r\n--b\r\n\
        Content-Transfer-Encoding: base64\r\n\r\ndAp3bw==\r\n\r\n--b\r\n--b\r\nA: 1\r\n--b--\r\n";
    assert_eq!(stored("multipart/mixed; boundary=b", body).1, expected);
}

#[test]
fn inside_a_multipart_inside_only_its_leaves_are_rewritten() {
    let body = "--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\n\nsafe\n--i\r\n\r\nn\not\r\n--i--\r\n--b--\r\n";
    let expected = "--b\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\nsafe\r\n--i\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nbgpvdA==\r\n\r\n--i--\r\n--b--\r\n";
    assert_eq!(stored("multipart/mixed; boundary=b", body).1, expected);
}

#[test]
fn fields_no_line_can_hold_are_written_anew_or_left_out() {
    let name = "n".repeat(900);
    let long = "w ".repeat(600);
    let body = format!(
        "--b\r\nContent-Type: image/png; name=\"é\";{}x={name}\r\nX-Long: {long}e\r\n{}\r\nX-Bad: a\0b\r\n\r\nx\r\n--b--",
        " ".repeat(200),
        "j".repeat(1000),
    );
    let expected = format!(
        "--b\r\nContent-Type: image/png; name*=UTF-8''%C3%A9;\r\n x={name}\r\nX-Long: {}\r\nX-Bad: =?UTF-8?B?Ye+/vWI=?=\r\n\r\nx\r\n--b--",
        folded_like(&long),
    );
    assert_eq!(stored("multipart/mixed; boundary=b", &body).1, expected);
}

fn folded_like(long: &str) -> String {
    let field = super::super::field::text("X-Long", &format!("{long}e")).unwrap();
    field["X-Long: ".len()..].trim_end().to_owned()
}

#[test]
fn what_cannot_be_put_right_is_refused() {
    for (body, member) in [
        ("no delimiter".to_owned(), "Content-Type"),
        (
            "--b\r\nContent-Type: multipart/mixed\r\n\r\na\nb\r\n--b--".to_owned(),
            "Content-Type",
        ),
        (
            format!("{}\n--b--", "--b\r\n\r\nx\r\n".repeat(1001)),
            "attachments",
        ),
        (
            format!("--b\r\nA: {}\r\n\r\nx\n\r\n--b--", "x\r\n ".repeat(20_000)),
            "attachments",
        ),
    ] {
        let refused = send_as("multipart/mixed; boundary=b", body.as_bytes());
        assert_eq!(refused.err(), Some(Invalid(member)));
    }
    let shut = "--b\r\nContent-Type: multipart/mixed\r\n\r\nsafe\r\n--b--";
    assert_eq!(stored("multipart/mixed; boundary=b", shut).1, shut);
    let many = format!("{}--b--", "--b\r\n\r\nx\r\n".repeat(1001));
    assert_eq!(stored("multipart/mixed; boundary=b", &many).1, many);
}
