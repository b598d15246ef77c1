//! Messages that are unusual or broken, each in a folder of its own, read by REST from every server.

use serde_json::Value;

use crate::{
    objects::below_box,
    support::{
        courier, cyrus,
        http::Answer,
        store::{COURIER, CYRUS, DOVECOT, Store},
    },
};

/// Octets that are read along with an object's flags and structure.
const FIRST: usize = 16 << 10;
const MULTIPART: &str =
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";

/// Stores a message; its object, and what is shown of it. `None` where the server takes no such message.
async fn stored(store: &Store, folder: &str, message: &[u8]) -> Option<(String, Value)> {
    let mailbox = store.mailbox(&[folder]);
    let mut witness = store.witness().await;
    witness.command(&format!("CREATE {mailbox}")).await.ok();
    let append = format!("APPEND {mailbox} ");
    let reply = witness.command_with_literal(&append, message, "").await;
    if store.kind == CYRUS && reply.status.starts_with("NO Message contains") {
        return None;
    }
    reply.ok();
    let object = store.objects(&format!("/{folder}")).await.remove(0);
    let shown = store.json("GET", &object, None, 200).await["object"].clone();
    Some((object, shown))
}

async fn get(store: &Store, resource: &str) -> Answer {
    store.request("GET", resource).send().await
}

fn attribute(object: &Value, name: &str) -> Option<String> {
    let attributes = object["attributes"]["attribute"].as_array().unwrap();
    let found = attributes
        .iter()
        .find(|attribute| attribute["name"] == name)?;
    found["value"][0].as_str().map(str::to_owned)
}

/// What is served must be this, and of the length that is announced.
fn is(answer: &Answer, bytes: &[u8], what: &str) {
    assert_eq!(answer.status, 200, "{what}");
    assert!(answer.body == bytes, "{what}: {} octets", answer.body.len());
    if let Some(length) = answer.header("content-length") {
        assert_eq!(length, bytes.len().to_string(), "{what}");
    }
}

fn base64(bytes: &[u8], line: usize) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(bytes).into_bytes();
    let lines = text.chunks(line);
    lines
        .map(|line| String::from_utf8(line.to_vec()).unwrap() + "\r\n")
        .collect()
}

fn part(fields: &str, body: &str) -> String {
    format!("--b\r\n{fields}\r\n{body}\r\n")
}

/// Whatever a server takes for the header or for the parts: the payload is what follows the first empty line.
async fn payloads(store: &Store) {
    let name = store.kind.name;
    let multipart = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed";
    for (folder, header, payload, has_payload) in [
        ("noblank", "Subject: x\r\nTo: y\r\n".to_owned(), "", false),
        ("empty", "Subject: x\r\n\r\n".to_owned(), "", false),
        ("noheader", "\r\n".to_owned(), "hello\r\n", false),
        ("nofield", "hello\r\nworld\r\n".to_owned(), "", false),
        (
            "message",
            "Subject: x\r\nContent-Type: message/rfc822\r\n\r\n".to_owned(),
            "Subject: inner\r\n\r\nbody\r\n",
            true,
        ),
        (
            "never",
            format!("{multipart}; boundary=never\r\n\r\n"),
            "hello\r\n--other\r\n\r\nmore\r\n",
            true,
        ),
        (
            "noboundary",
            format!("{multipart}\r\n\r\n"),
            "hello\r\n--other\r\n\r\nmore\r\n",
            true,
        ),
        (
            "onlyclose",
            format!("{multipart}; boundary=b\r\n\r\n"),
            "preamble\r\n--b--\r\n",
            true,
        ),
    ] {
        let what = format!("{name} {folder}");
        let message = format!("{header}{payload}");
        let Some((object, shown)) = stored(store, folder, message.as_bytes()).await else {
            continue;
        };
        assert_eq!(shown["payloadURL"].is_string(), has_payload, "{what}");
        assert!(shown["payloadPart"].is_null(), "{what}: {shown}");
        let served = get(store, &format!("{object}/payload")).await;
        is(&served, payload.as_bytes(), &what);
        let one = get(store, &format!("{object}/payloadParts/1")).await;
        if header.contains("multipart") {
            assert_eq!(one.status, 404, "{what}");
        } else {
            is(&one, payload.as_bytes(), &what);
        }
    }
}

/// Headers and messages around the number of octets that are read at first, and larger ones.
async fn sizes(store: &Store) {
    let name = store.kind.name;
    let type_line = "Content-Type: application/octet-stream\r\n";
    for (number, (header, octets)) in [
        (FIRST - 1, 0),
        (FIRST, 0),
        (FIRST - 1, 1),
        (FIRST - 2, 2),
        (FIRST - 2, 3),
        (FIRST, 3),
        (FIRST + 1, 3),
        (FIRST + 2, 300_000),
        (100, FIRST - 100),
        (100, FIRST - 101),
        (100, FIRST - 99),
        (40_000, 1),
        (100, 1_500_000),
    ]
    .into_iter()
    .enumerate()
    {
        let what = format!("{name} {header}+{octets}");
        let filler = header - type_line.len() - "X: ".len() - 4;
        let lines = "y".repeat(60) + "\r\n ";
        let filler = lines.repeat(filler / 63) + &"z".repeat(filler % 63);
        let mut payload: String = ('a'..='y').cycle().take(octets).collect();
        let message = format!("{type_line}X: {filler}\r\n\r\n{payload}");
        assert_eq!(message.len(), header + octets, "{what}");
        let folder = format!("size{number}");
        let (object, shown) = stored(store, &folder, message.as_bytes()).await.unwrap();
        assert_eq!(shown["payloadURL"].is_string(), octets > 0, "{what}");
        if store.kind == COURIER && octets > 0 {
            // It ends the last line of what it is given.
            payload += "\r\n";
        }
        let unfolded = filler.replace("\r\n", "");
        assert_eq!(attribute(&shown, "X").unwrap(), unfolded, "{what}");
        for resource in ["payload", "payloadParts/1"] {
            let served = get(store, &format!("{object}/{resource}")).await;
            is(&served, payload.as_bytes(), &what);
            let length = payload.len().to_string();
            assert_eq!(served.header("content-length"), Some(&*length), "{what}");
        }
    }
}

/// What a header of more than 256 KiB has behind them the store still knows; Cyrus reads no more than we do.
async fn long_headers(store: &Store) {
    let long = format!("X: {}\r\n", ["y"; 70].concat()).repeat(4000);
    let body = "line\r\n".repeat(20_000);
    let multipart = part("", &body) + "--b--\r\n";
    for (folder, kind, rest, payload, served) in [
        (
            "longleaf",
            "image/png",
            "Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            base64(body.as_bytes(), 76),
            &body,
        ),
        (
            "longmultipart",
            "multipart/mixed",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            multipart.clone(),
            &multipart,
        ),
    ] {
        let what = format!("{} {folder}", store.kind.name);
        let message = format!("MIME-Version: 1.0\r\n{long}{rest}{payload}");
        let (object, shown) = stored(store, folder, message.as_bytes()).await.unwrap();
        assert!(shown["payloadURL"].is_string(), "{what}");
        let answer = get(store, &format!("{object}/payload")).await;
        if store.kind == CYRUS {
            is(&answer, payload.as_bytes(), &what);
            continue;
        }
        is(&answer, served.as_bytes(), &what);
        let told = attribute(&shown, "Content-Type").unwrap();
        assert!(told.starts_with(kind), "{what}: {told}");
        let told = answer.header("content-type").unwrap();
        assert!(told.starts_with(kind), "{what}: {told}");
        let parts = shown["payloadPart"].as_array().map(Vec::len);
        assert_eq!(parts, (kind == "multipart/mixed").then_some(1), "{what}");
    }
}

/// Types, names and ids are the sender's, also of parts that do not come with the first octets.
async fn part_headers(store: &Store) {
    let what = store.kind.name;
    let named = "name*=UTF-8''%c3%a4.png";
    let image = format!(
        "Content-Type: image/png; {named}\r\nContent-Disposition: attachment;\r\n file{named}\r\n\
         Content-ID: <a@b>\r\nContent-Location: c\r\nContent-Transfer-Encoding: base64\r\n"
    );
    let nested = part("Content-Type: text/plain\r\n", "inner").replace("--b", "--c")
        + "--c\r\n\r\nbare\r\n--c--";
    let related = "Content-Type: multipart/related; boundary=c\r\nContent-ID: <m@x>\r\n";
    let message = |padding: usize| {
        [
            MULTIPART,
            &part("Content-Type: text/plain\r\n", "hi"),
            &part(&image, "aGFsbG8="),
            &part(
                "Content-Type: text/plain;\r\n charset=\"utf-8\"\r\n",
                &"p".repeat(padding),
            ),
            &part("", "no header"),
            &part(related, &nested),
            "--b--\r\n",
        ]
        .concat()
    };
    for padding in [10, 2 * FIRST] {
        let message = message(padding);
        let folder = format!("parts{padding}");
        let (object, shown) = stored(store, &folder, message.as_bytes()).await.unwrap();
        let parts = shown["payloadPart"].as_array().unwrap();
        let types: Vec<&str> = parts
            .iter()
            .map(|part| part["contentType"].as_str().unwrap())
            .collect();
        let expected = [
            "text/plain",
            "image/png; name=\"ä.png\"",
            "text/plain; charset=\"utf-8\"",
            "text/plain",
            "multipart/related; boundary=c",
        ];
        assert_eq!(types, expected, "{what}");
        let image = &parts[1];
        assert_eq!(
            image["contentDisposition"],
            "attachment; filename=\"ä.png\""
        );
        assert_eq!(
            (&image["contentId"], &image["contentLocation"]),
            (&"a@b".into(), &"c".into())
        );
        assert_eq!(parts[4]["contentId"], "m@x", "{what}");
        for (id, content_type, body) in [
            ("1", "text/plain", "hi"),
            ("2", "image/png; name*=UTF-8''%C3%A4.png", "hallo"),
            ("4", "text/plain", "no header"),
            ("5.1", "text/plain", "inner"),
            ("5.2", "text/plain", "bare"),
        ] {
            let served = get(store, &format!("{object}/payloadParts/{id}")).await;
            is(&served, body.as_bytes(), &format!("{what} {id}"));
            assert_eq!(
                served.header("content-type"),
                Some(content_type),
                "{what} {id}"
            );
        }
    }
}

/// A size is that of what is served, or as near as base64 lets it be known; never nothing of something.
async fn part_sizes(store: &Store) {
    let what = store.kind.name;
    let encoded = |kind: &str, encoding: &str, body: &str| {
        let fields = format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n");
        part(&fields, body.trim_end())
    };
    let image = vec![7; 2 * FIRST];
    for (folder, parts) in [
        (
            "small",
            vec![encoded("image/png", "base64", &base64(&image[..100], 76))],
        ),
        (
            "padding",
            (0..3)
                .map(|more| encoded("image/png", "base64", &base64(&image[more..], 76)))
                .collect(),
        ),
        (
            "wrapped",
            vec![
                encoded(
                    "message/rfc822",
                    "base64",
                    &base64(b"Subject: x\r\n\r\nhi\r\n", 76),
                ),
                encoded("image/png", "base64", &base64(&image, 60)),
                encoded("text/plain", "quoted-printable", &"=41=\r\n".repeat(9)),
            ],
        ),
        (
            "undecodable",
            vec![
                encoded("image/png", "base64", &base64(&image, 76)),
                encoded("image/png", "x-uuencode", "begin"),
                encoded("image/png", "base64", &base64(&image[..500], 76)),
            ],
        ),
        // Dovecot hangs up on who asks it how large that is.
        (
            "cut",
            vec![
                encoded("image/png", "base64", &base64(&image, 76)),
                encoded("image/png", "base64", "aGFsbG"),
            ],
        ),
        (
            "undecodablesmall",
            vec![
                encoded("image/png", "x-uuencode", "begin"),
                encoded("image/png", "base64", &base64(&image[..500], 60)),
            ],
        ),
    ] {
        let message = format!("{MULTIPART}{}--b--\r\n", parts.concat());
        let (_, shown) = stored(store, folder, message.as_bytes()).await.unwrap();
        let listed = shown["payloadPart"].as_array().unwrap();
        assert_eq!(listed.len(), parts.len(), "{what} {folder}");
        for part in listed {
            let served = get(store, &below_box(&part["href"])).await.body.len();
            let size = part["size"]
                .as_u64()
                .map(|size| usize::try_from(size).unwrap());
            let exact = message.len() <= FIRST && store.kind != COURIER;
            // Lines of 60 characters are taken for lines of 76.
            let off = if exact { 0 } else { 2 + served / 100 };
            assert!(!exact || size.is_some(), "{what} {folder}: {part}");
            if let Some(size) = size {
                assert!(
                    size > 0 && size.abs_diff(served) <= off,
                    "{what} {folder}: {part} {served}"
                );
            }
        }
    }
}

async fn byte_order_mark(store: &Store) {
    for (folder, field, body) in [
        (
            "mark8",
            "Content-Type: text/plain; charset=utf-8\r\n",
            &b"\xef\xbb\xbfh\xc3\xa9"[..],
        ),
        ("marknone", "", b"\xef\xbb\xbfh\xc3\xa9"),
    ] {
        let message = [field.as_bytes(), b"Subject: x\r\n\r\n", body].concat();
        let (object, shown) = stored(store, folder, &message).await.unwrap();
        // Courier ends the line.
        let text = attribute(&shown, "TextContent").unwrap();
        assert_eq!(text.trim_end(), "hé", "{folder}");
        let payload = get(store, &format!("{object}/payload")).await.expect(200);
        assert!(payload.body.starts_with(body), "{folder}");
    }
}

async fn all(store: Store) {
    payloads(&store).await;
    sizes(&store).await;
    long_headers(&store).await;
    part_headers(&store).await;
    part_sizes(&store).await;
    byte_order_mark(&store).await;
    store.stop().await;
}

#[tokio::test]
async fn dovecot_has_odd_messages() {
    let store = Store::dovecot("odd_messages").await;
    assert_eq!(store.kind, DOVECOT);
    all(store).await;
}

#[tokio::test]
async fn cyrus_has_odd_messages() {
    let server = cyrus::start().await;
    all(Store::new(CYRUS, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

#[tokio::test]
async fn courier_has_odd_messages() {
    let server = courier::start().await;
    all(Store::new(COURIER, server.imap, server.imap, "+15550100").await).await;
    server.stop().await;
}

/// RFC 3862: what is searched for parts is bounded, what is served is not.
#[tokio::test]
async fn what_a_large_cpim_message_wraps_is_served_whole() {
    let store = Store::dovecot("large_cpim").await;
    let body = "0123456789abcdef".repeat(600_000);
    let cpim = format!(
        "From: <tel:+1>\r\nDateTime: 2026-06-01T10:20:30Z\r\n\r\nContent-Type: image/png\r\n\r\n{body}"
    );
    let message = format!("Subject: x\r\nContent-Type: message/cpim\r\n\r\n{cpim}");
    let (object, shown) = stored(&store, "cpim", message.as_bytes()).await.unwrap();
    let part = &shown["payloadPart"][0];
    assert_eq!(part["contentType"], "image/png");
    let served = get(&store, &below_box(&part["href"])).await;
    is(&served, body.as_bytes(), "1~1");
    assert!(part["size"].is_null(), "{part}");
    let payload = get(&store, &format!("{object}/payload")).await;
    is(&payload, cpim.as_bytes(), "all of it");
}
