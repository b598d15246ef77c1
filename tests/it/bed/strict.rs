//! The strict reader.

use crate::support::strict::read;

const HEAD: &str = "Date: Mon, 1 Jun 2026 10:20:30 +0000\r\nMIME-Version: 1.0\r\n";

fn outcome(rest: &str) -> Result<(), String> {
    read(format!("{HEAD}{rest}").as_bytes()).map(drop)
}

#[test]
fn what_keeps_the_rules_is_read() {
    let message = read(
        format!(
            "{HEAD}Subject: a\r\n b\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n--a b\r\n\r\none\r\n--a b \r\nContent-Type: image/png; n=\"\\\"\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\nAP8=\r\n\r\n--a b\r\nContent-Type: text/plain\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9=\r\nt\r\n\r\n--a b\r\n\r\n\r\n--a b--"
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!(message.all("subject"), ["a b"]);
    let contents: Vec<&[u8]> = message.parts.iter().map(|part| &part.content[..]).collect();
    assert_eq!(contents, [&b"one"[..], b"\0\xff", "ét\r\n".as_bytes(), b""]);
}

#[test]
fn what_breaks_one_is_not() {
    let multipart = "Content-Type: multipart/mixed; boundary=b\r\n";
    for (what, rest) in [
        ("a NUL", "\r\n\0".to_owned()),
        ("a lone CR or LF", "\r\na\nb".to_owned()),
        ("a lone CR or LF", "\r\na\rb".to_owned()),
        ("a line of 999", format!("\r\n{}", "x".repeat(999))),
        ("8-bit octets in a header", "Subject: é\r\n\r\n".to_owned()),
        (
            "8-bit octets in 7bit",
            "Content-Transfer-Encoding: 7bit\r\n\r\né".to_owned(),
        ),
        ("8-bit octets without", "\r\né".to_owned()),
        ("a line of blanks", "Subject: a\r\n \r\n\r\n".to_owned()),
        ("no field", "Subject\r\n\r\n".to_owned()),
        ("no name of a field", "a b: c\r\n\r\n".to_owned()),
        ("a control", "Subject: \u{7f}\r\n\r\n".to_owned()),
        (
            "subject twice",
            "Subject: a\r\nsubject: b\r\n\r\n".to_owned(),
        ),
        ("date twice", HEAD.replace("MIME-Version: 1.0\r\n", "\r\n")),
        ("a header without an end", "Subject: a\r\n".to_owned()),
        ("no Content-Type", "Content-Type: text\r\n\r\n".to_owned()),
        ("no Content-Type", "Content-Type: a/b; c\r\n\r\n".to_owned()),
        ("no Content-Type", "Content-Type: a/b;\r\n\r\n".to_owned()),
        ("c twice", "Content-Type: a/b; c=1; C=2\r\n\r\n".to_owned()),
        (
            "a multipart without",
            "Content-Type: multipart/mixed\r\n\r\nx".to_owned(),
        ),
        ("no close delimiter", format!("{multipart}\r\n--b\r\n\r\nx")),
        ("no part", format!("{multipart}\r\n--b--")),
        (
            "a multipart in base64",
            format!("{multipart}Content-Transfer-Encoding: base64\r\n\r\n--b--"),
        ),
        (
            "no encoding",
            "Content-Transfer-Encoding: x\r\n\r\n".to_owned(),
        ),
        (
            "Invalid",
            "Content-Transfer-Encoding: base64\r\n\r\na*\r\n".to_owned(),
        ),
        (
            "=X",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n=XY\r\n".to_owned(),
        ),
    ] {
        let outcome = outcome(&rest).unwrap_err();
        assert!(outcome.contains(what), "{what}: {outcome}");
    }
    assert!(read(b"Subject: x\r\n\r\n").unwrap_err().contains("0 dates"));
    let version = read(b"Date: Mon, 1 Jun 2026 10:20:30 +0000\r\nContent-Type: a/b\r\n\r\n");
    assert!(version.unwrap_err().contains("MIME-Version"));
}
