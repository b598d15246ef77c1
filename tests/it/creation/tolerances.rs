//! What clients write instead of what the contract says (§3.2): the same object comes of it.

use serde_json::json;

use super::{Stored, made};
use crate::{
    objects::below_box,
    support::{bridge::Bridge, http::Request},
};

const TYPE: &str = "multipart/form-data; boundary=Outer7";
const OBJECT: &str = r#"{"object":{"attributes":{"attribute":[{"name":"Subject","value":["s"]},{"name":"Date","value":["2026-06-01T10:20:30Z"]}]}}}"#;
const ROOT: &str =
    "Content-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: application/json";
const ATTACHMENT: &str =
    "Content-Disposition: form-data; name=\"attachments\"\r\nContent-Type: text/plain";
/// What is stored of it, whatever it was written like.
const STORED: &str = "Subject: s\r\nDate: Mon, 1 Jun 2026 10:20:30 +0000\r\nX-NMS-Nonce: nonce\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello";

/// A form with this boundary, these headers and this document.
fn form(boundary: &str, root: &str, document: &str, attachment: &str) -> String {
    format!(
        "--{boundary}\r\n{root}\r\n\r\n{document}\r\n--{boundary}\r\n{attachment}\r\n\r\nhello\r\n--{boundary}--\r\n"
    )
}

/// Type and body of requests, and what is odd about them.
fn oddities() -> Vec<(&'static str, String, String)> {
    let usual = form("Outer7", ROOT, OBJECT, ATTACHMENT);
    let mut odd = vec![("nothing", TYPE.to_owned(), usual)];
    odd.extend(odd_types());
    odd.extend(odd_headers());
    odd.extend(odd_documents());
    odd.extend(odd_orders());
    odd
}

fn odd_types() -> Vec<(&'static str, String, String)> {
    let mut odd = Vec::new();
    for (what, content_type, boundary) in [
        (
            "curly quotes around the boundary",
            "multipart/form-data; boundary=”Outer7”",
            "Outer7",
        ),
        (
            "a semicolon behind the boundary",
            "multipart/form-data; boundary=\"Outer7\";",
            "Outer7",
        ),
        (
            "blanks and signs in the boundary",
            "multipart/form-data; boundary=\"=-a b-=\"",
            "=-a b-=",
        ),
        (
            "dashes as boundary",
            "multipart/form-data;boundary=--=-sep-=--",
            "--=-sep-=--",
        ),
        (
            "another case",
            "Multipart/Form-Data; charset=utf-8; BOUNDARY=Outer7",
            "Outer7",
        ),
    ] {
        let body = form(boundary, ROOT, OBJECT, ATTACHMENT);
        odd.push((what, content_type.to_owned(), body));
    }
    odd
}

fn odd_headers() -> Vec<(&'static str, String, String)> {
    let mut odd = Vec::new();
    let json = "Content-Type: application/json";
    for (what, root) in [
        (
            "a name without quotes",
            format!("Content-Disposition: form-data; name=root-fields\r\n{json}"),
        ),
        (
            "no blank before the name",
            format!("Content-Disposition: form-data;name=\"root-fields\"\r\n{json}"),
        ),
        (
            "curly quotes around the name",
            format!("content-disposition: form-data; name=”root-fields”\r\n{json}"),
        ),
        (
            "single quotes around the name",
            format!("Content-Disposition: form-data; name='root-fields'\r\n{json}"),
        ),
        (
            "the disposition of the TS's examples",
            format!("Content-Disposition: multipart/form-data; name=root-fields\r\n{json}"),
        ),
        (
            "a document without a type",
            "Content-Disposition: form-data; name=\"root-fields\"".to_owned(),
        ),
        (
            "a document with a charset",
            format!("{ROOT}; charset=utf-8\r\nContent-Length: 3"),
        ),
        (
            "folded fields",
            format!("{json}\r\nContent-Disposition: form-data;\r\n\tname=\"root-fields\""),
        ),
    ] {
        odd.push((
            what,
            TYPE.to_owned(),
            form("Outer7", &root, OBJECT, ATTACHMENT),
        ));
    }
    for (what, attachment) in [
        (
            "the disposition of the TS's examples",
            "Content-Disposition: multipart/form-data; name=attachments\r\nContent-Type: text/plain",
        ),
        (
            "a length that is too small",
            "Content-Type: text/plain\r\nContent-Length: 2\r\nContent-Disposition: form-data; name=\"attachments\"",
        ),
        (
            "a length that is too large",
            "Content-Type: text/plain\r\nContent-Length: 200000\r\nContent-Disposition: form-data; name=\"attachments\"",
        ),
        (
            "a length that is none",
            "Content-Type: text/plain\r\nContent-Length: many\r\nContent-Disposition: form-data; name=\"attachments\"",
        ),
        (
            "curly quotes around name and file name",
            "Content-Disposition: form-data; name=“attachments”; filename=“sms.txt”\r\nContent-Type: text/plain",
        ),
    ] {
        odd.push((
            what,
            TYPE.to_owned(),
            form("Outer7", ROOT, OBJECT, attachment),
        ));
    }
    odd
}

fn odd_documents() -> Vec<(&'static str, String, String)> {
    let unwrapped = &OBJECT[r#"{"object":"#.len()..OBJECT.len() - 1];
    let documents = [
        ("no root member", unwrapped.to_owned()),
        (
            "values that are no lists",
            r#"{"object":{"attributes":{"attribute":[{"name":"Subject","value":"s"},{"name":"Date","value":"2026-06-01T10:20:30Z"}]}}}"#.to_owned(),
        ),
        (
            "members that only the server sets",
            OBJECT.replace(
                r#"{"object":{"#,
                r#"{"object":{"resourceURL":"http://a/objects/1","path":7,"payloadURL":"x","payloadPart":[],"lastModSeq":1,"#,
            ),
        ),
        (
            "members that are null, empty or unknown",
            OBJECT.replace(
                r#"{"object":{"#,
                r#"{"object":{"parentFolder":null,"flags":null,"correlationId":"","clientCorrelator":"","x-more":{},"#,
            ),
        ),
        (
            "blanks and a line end around the document",
            format!("\r\n {OBJECT}\r\n"),
        ),
        ("attributes without a value", OBJECT.replace(
            r#""attribute":["#,
            r#""attribute":[{"name":"Cc","value":[]},{"name":"Bcc"},{"name":"To","value":[""]},"#,
        )),
    ];
    let documents = documents.into_iter();
    documents
        .map(|(what, document)| {
            let body = form("Outer7", ROOT, &document, ATTACHMENT);
            (what, TYPE.to_owned(), body)
        })
        .collect()
}

fn odd_orders() -> Vec<(&'static str, String, String)> {
    let usual = form("Outer7", ROOT, OBJECT, ATTACHMENT);
    let reversed = format!(
        "--Outer7\r\n{ATTACHMENT}\r\n\r\nhello\r\n--Outer7\r\n{ROOT}\r\n\r\n{OBJECT}\r\n--Outer7--"
    );
    let lines = usual.replace("\r\n", "\n");
    let around = format!("preamble\r\n{usual}epilogue\r\n--Outer7\r\n");
    let padded = usual.replace("--Outer7\r\n", "--Outer7 \t\r\n");
    [
        ("the document behind the attachment", reversed),
        ("line feeds for line ends", lines),
        ("text around the parts", around),
        ("blanks behind the boundary", padded),
    ]
    .map(|(what, body)| (what, TYPE.to_owned(), body))
    .into()
}

#[tokio::test]
async fn what_is_written_oddly_makes_the_same_object() {
    let bridge = Bridge::builder("tolerances").start().await;
    let mut witness = bridge.witness().await;
    for (what, content_type, body) in oddities() {
        let request = bridge.request("POST", "objects");
        let request = request.header("MIME-Version", "1.0");
        let answer = request.body(&content_type, body).send().await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
        made(answer);
        witness.examine("INBOX").await;
        assert_eq!(Stored::newest(&mut witness).await.text(), STORED, "{what}");
    }
    let count = u32::try_from(oddities().len()).unwrap();
    assert_eq!(bridge.imap_count("INBOX").await, count);
    bridge.stop().await;
}

#[tokio::test]
async fn the_body_may_come_in_chunks_or_when_it_is_asked_for() {
    let bridge = Bridge::builder("chunks").start().await;
    let body = form("Outer7", ROOT, OBJECT, ATTACHMENT);
    let request = || -> Request {
        let request = bridge.request("POST", "objects");
        request
            .header("Content-Type", TYPE)
            .header("Connection", "close")
    };
    let mut chunked = String::new();
    for piece in body.as_bytes().chunks(7) {
        let piece = std::str::from_utf8(piece).unwrap();
        chunked += &format!("{:x}\r\n{piece}\r\n", piece.len());
    }
    chunked += "0\r\n\r\n";
    let bytes = request()
        .header("Transfer-Encoding", "chunked")
        .head_with(chunked.as_bytes());
    let answer = bridge.client.raw(&bytes).await;
    assert!(answer.starts_with(b"HTTP/1.1 201 "), "{answer:?}");

    let expecting = request()
        .header("Expect", "100-continue")
        .header("Content-Length", &body.len().to_string());
    let answer = bridge
        .client
        .raw(&expecting.head_with(body.as_bytes()))
        .await;
    let answer = String::from_utf8(answer).unwrap();
    let answer = answer
        .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");

    let mut witness = bridge.witness().await;
    assert_eq!(witness.examine("INBOX").await, 2);
    assert_eq!(Stored::newest(&mut witness).await.text(), STORED);
    bridge.stop().await;
}

#[tokio::test]
async fn an_inner_multipart_may_be_as_odd_as_it_likes() {
    let bridge = Bridge::builder("odd_inner").start().await;
    let parts = "--{b}\r\nContent-Type: text/plain\r\nContent-Disposition: inline; filename=t.txt\r\n\r\none\r\n\
        --{b}\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Length: 999\r\n\r\nt=77o\r\n\
        --{b}\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\nFile-Icon: cid:thumbnail\r\n\r\nthree";
    for (what, content_type, boundary, end) in [
        (
            "nothing",
            "multipart/mixed; boundary=Inner3",
            "Inner3",
            "\r\n--Inner3--\r\n",
        ),
        ("no end", "multipart/mixed; boundary=Inner3", "Inner3", ""),
        (
            "no line end behind the end",
            "multipart/mixed; boundary=Inner3",
            "Inner3",
            "\r\n--Inner3--",
        ),
        (
            "curly quotes",
            "multipart/related; boundary=”Inner3”; type=”text/plain”",
            "Inner3",
            "\r\n--Inner3--",
        ),
        (
            "a semicolon too many",
            "multipart/mixed;boundary=\"Inner3\";",
            "Inner3",
            "\r\n--Inner3--",
        ),
        (
            "dashes as boundary",
            "multipart/mixed; boundary=\"--=-sep-=--\"",
            "--=-sep-=--",
            "\r\n----=-sep-=----",
        ),
        (
            "the outer boundary and more",
            "multipart/mixed; boundary=Outer7x",
            "Outer7x",
            "\r\n--Outer7x--",
        ),
    ] {
        let inner = parts.replace("{b}", boundary) + end;
        let header = format!(
            "Content-Disposition: form-data; name=attachments\r\nContent-Type: {content_type}"
        );
        let body = form("Outer7", ROOT, OBJECT, &header).replace("hello", &inner);
        let request = bridge.request("POST", "objects");
        let answer = request.body(TYPE, body).send().await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
        let object = bridge.get(&made(answer).object).await.expect(200).json();
        let parts = object["object"]["payloadPart"].as_array().unwrap().clone();
        assert_eq!(parts.len(), 3, "{what}: {object}");
        for (part, content) in parts.iter().zip(["one", "two", "three"]) {
            let served = bridge.get(&below_box(&part["href"])).await.expect(200);
            assert_eq!(served.text(), content, "{what}");
            if !part["size"].is_null() {
                assert_eq!(part["size"], json!(served.body.len()), "{what}");
            }
        }
    }
    bridge.stop().await;
}
