//! What cannot be taken is named, and leaves nothing behind: no object, and no folder it would have made.

use serde_json::{Value, json};

use super::{Form, assert_refused};
use crate::support::{
    bridge::Bridge,
    courier, cyrus,
    http::{Answer, Request},
    store::{COURIER, CYRUS, Store},
};

/// Controls that no text of an object may hold.
const CONTROLS: [&str; 7] = [
    "\r",
    "\n",
    "\r\nBcc: tel:+1",
    "\0",
    "\u{1b}",
    "\u{7f}",
    "\u{85}",
];

/// A bridge in front of a box that is to stay empty.
struct Untouched {
    bridge: Bridge,
}

impl Untouched {
    async fn new(test: &str) -> Self {
        let bridge = Bridge::builder(test).start().await;
        Self { bridge }
    }

    fn request(&self) -> Request {
        self.bridge.request("POST", "objects")
    }

    /// Asks for an object with these members in a folder that is not there.
    async fn ask(&self, members: Value) -> Answer {
        let mut object = json!({"parentFolderPath": "/new/folder"});
        let members = members.as_object().unwrap().clone();
        object.as_object_mut().unwrap().extend(members);
        let form = Form::new(&json!({"object": object})).attachment("text/plain", b"hello");
        form.on(self.request()).send().await
    }

    async fn refuses(&self, members: Value, part: &str) {
        let answer = self.ask(members).await;
        assert_refused(&answer, 400, "SVC0002", &[part]);
    }

    async fn refuses_attribute(&self, name: &str, value: &str, part: &str) {
        let attribute = json!({"name": name, "value": [value]});
        let members = json!({"attributes": {"attribute": [attribute]}});
        self.refuses(members, part).await;
    }

    /// INBOX is all there is, and there is nothing in it.
    async fn stays_empty(self) {
        let mut witness = self.bridge.witness().await;
        let reply = witness.command("LIST \"\" *").await.ok();
        assert_eq!(reply.texts().len(), 1, "{reply:?}");
        assert_eq!(witness.examine("INBOX").await, 0);
        self.bridge.stop().await;
    }
}

#[tokio::test]
async fn names_of_attributes_are_those_of_header_fields() {
    let store = Untouched::new("bad_names").await;
    let long = "x".repeat(201);
    for name in [
        "",
        "a b",
        "a:",
        "a:b",
        " a",
        "é",
        "a\tb",
        &long,
        "Received",
        "return-path",
        "X-NMS-Nonce",
        "x-nms-correlation-id",
        "X-NMS-",
    ] {
        store.refuses_attribute(name, "x", "name").await;
    }
    for control in CONTROLS {
        store
            .refuses_attribute(&format!("X{control}"), "x", "name")
            .await;
    }
    for attribute in [json!({"value": ["x"]}), json!({"name": 7, "value": ["x"]})] {
        let members = json!({"attributes": {"attribute": [attribute]}});
        store.refuses(members, "name").await;
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn nothing_can_be_put_behind_a_value() {
    let store = Untouched::new("bad_values").await;
    for name in [
        "Subject",
        "To",
        "From",
        "X-Own",
        "Message-Context",
        "Direction",
        "Content-Disposition",
        "Content-ID",
    ] {
        for control in CONTROLS {
            let value = format!("a{control}b");
            store.refuses_attribute(name, &value, "value").await;
        }
    }
    for value in [json!([{}]), json!({"a": 1}), json!([["x"]])] {
        let members = json!({"attributes": {"attribute": [{"name": "Subject", "value": value}]}});
        store.refuses(members, "value").await;
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn a_text_may_have_lines_and_nothing_else_that_is_a_control() {
    let store = Untouched::new("bad_texts").await;
    for text in [json!("a\0"), json!("a\u{1b}[1m"), json!(["one", "two"])] {
        let attribute = json!({"name": "TextContent", "value": text});
        let object = json!({"parentFolderPath": "/new", "attributes": {"attribute": [attribute]}});
        let form = Form::new(&json!({"object": object}));
        let answer = form.on(store.request()).send().await;
        assert_refused(&answer, 400, "SVC0002", &["value"]);
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn a_date_is_one_and_of_our_time() {
    let store = Untouched::new("bad_dates").await;
    for date in [
        "yesterday",
        "2026-06-01",
        "2026-06-01T10:20:30",
        "2026-02-30T10:20:30Z",
        "1899-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2026-06-01T10:20:30+25:00",
        "2026-06-01T10:20:30Z\r\nBcc: x",
        "1780309230",
    ] {
        store.refuses_attribute("Date", date, "Date").await;
    }
    let two = json!({"name": "Date", "value": ["2026-06-01T10:20:30Z", "2026-06-01T10:20:30Z"]});
    store
        .refuses(json!({"attributes": {"attribute": [two]}}), "Date")
        .await;
    store.stays_empty().await;
}

#[tokio::test]
async fn a_flag_is_one_of_imap() {
    let store = Untouched::new("bad_flags").await;
    let long = "x".repeat(201);
    for flag in [
        "",
        "\\",
        "\\\\Seen",
        "a b",
        "(a)",
        "a]",
        "a{1}",
        "%",
        "*",
        "\\*",
        "a\"",
        "é",
        &long,
        "a\r\nA1 LOGOUT",
        "a\0",
    ] {
        store
            .refuses(json!({"flags": {"flag": ["\\Seen", flag]}}), "flag")
            .await;
    }
    store.refuses(json!({"flags": {"flag": [7]}}), "flag").await;
    store.refuses(json!({"flags": ["\\Seen"]}), "flags").await;
    store.stays_empty().await;
}

#[tokio::test]
async fn ids_and_keys_hold_no_controls_and_have_a_bound() {
    let store = Untouched::new("bad_ids").await;
    for member in ["correlationId", "correlationTag", "clientCorrelator"] {
        for control in CONTROLS {
            store
                .refuses(json!({(member): format!("a{control}b")}), member)
                .await;
        }
        store.refuses(json!({(member): {}}), member).await;
    }
    let long = "x".repeat(1025);
    store
        .refuses(json!({"clientCorrelator": long}), "clientCorrelator")
        .await;
    let form = Form::new(&json!({"object": {"parentFolderPath": "/new"}}));
    let keyed = |key: &str| form.on(store.request()).header("Idempotency-Key", key);
    for request in [
        keyed("a").header("idempotency-key", "b"),
        keyed("a").header("Idempotency-Key", "a"),
        keyed(&long),
        keyed("é"),
        keyed("a\u{1}"),
    ] {
        let bytes = request.header("Connection", "close").encoded();
        let answer = store.bridge.client.raw(&bytes).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        // A control is refused by the HTTP library, with no word of ours.
        assert!(
            answer.contains("[\"Idempotency-Key\"]") || answer.contains("content-length: 0"),
            "{answer}"
        );
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_named() {
    let store = Untouched::new("bad_forms").await;
    let object = || Form::new(&json!({"object": {"parentFolderPath": "/new"}}));
    let root = "Content-Disposition: form-data; name=\"root-fields\"";
    let attachment = "Content-Disposition: form-data; name=\"attachments\"";
    for (form, part) in [
        (Form::empty(), "root-fields"),
        (Form::empty().attachment("text/plain", b"x"), "root-fields"),
        (object().part(root, b"{}"), "root-fields"),
        (Form::empty().part(root, b"{\"object\":"), "object"),
        (Form::empty().part(root, b"{\"object\":\"\xff\"}"), "object"),
        (Form::empty().part(root, b"[]"), "object"),
        (Form::empty().part(root, b""), "object"),
        (
            Form::empty().part(root, "[".repeat(100_000).as_bytes()),
            "object",
        ),
        (
            object().part("Content-Disposition: form-data; name=\"file\"", b"x"),
            "Content-Disposition",
        ),
        (
            object().part("Content-Disposition: form-data", b"x"),
            "Content-Disposition",
        ),
        (
            object().part("Content-Type: text/plain", b"x"),
            "Content-Disposition",
        ),
        (object().part("no field", b"x"), "Content-Disposition"),
        (
            object().part(&format!("{attachment}; filename=\"a\0\""), b"x"),
            "Content-Disposition",
        ),
        (
            object().part(
                &format!("{attachment}\r\nContent-Type: text/plain; a=\"\x01\""),
                b"x",
            ),
            "Content-Type",
        ),
        (
            object().part(&format!("{attachment}\r\nX-Own: a\rb"), b"x"),
            "X-Own",
        ),
        (
            object().attachment("multipart/mixed", b"no parts"),
            "Content-Type",
        ),
        (
            object().attachment("multipart/mixed; boundary=b", b"no parts"),
            "Content-Type",
        ),
        (
            object().attachment("multipart/mixed; boundary=\"é\"", "--é\r\n\r\nx".as_bytes()),
            "Content-Type",
        ),
    ] {
        let answer = form.on(store.request()).send().await;
        assert_eq!(answer.status, 400, "{part}: {}", answer.text());
        assert_refused(&answer, 400, "SVC0002", &[part]);
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn what_is_no_form_or_too_much_is_refused_as_such() {
    let bridge = Bridge::builder("no_forms")
        .setting("[limits]\nbody = 2000\nupload = 10000\nbulk = 3")
        .start()
        .await;
    let store = Untouched { bridge };
    let object = || Form::new(&json!({"object": {"parentFolderPath": "/new"}}));
    let typed = |content_type: &str| {
        let request = store.request().header("Content-Type", content_type);
        request.raw_body("--x\r\n\r\n--x--")
    };
    let root = "Content-Disposition: form-data; name=root-fields\r\nContent-Type: ";
    let xml =
        |content_type: &str| Form::empty().part(&format!("{root}{content_type}"), b"<object/>");
    for (request, status, id, variable) in [
        (typed("application/json"), 415, "SVC0002", "Content-Type"),
        (
            typed("multipart/mixed; boundary=x"),
            415,
            "SVC0002",
            "Content-Type",
        ),
        (typed("multipart/form-data"), 400, "SVC0002", "Content-Type"),
        (
            typed("multipart/form-data; boundary=\"\""),
            400,
            "SVC0002",
            "Content-Type",
        ),
        (store.request(), 415, "SVC0002", "Content-Type"),
        (
            object()
                .on(store.request())
                .header("Content-Encoding", "gzip"),
            415,
            "SVC0002",
            "Content-Encoding",
        ),
        (
            xml("application/xml").on(store.request()),
            415,
            "SVC0002",
            "Content-Type",
        ),
        (
            xml("application/vnd.oma+xml; charset=utf-8").on(store.request()),
            415,
            "SVC0002",
            "Content-Type",
        ),
        (
            object()
                .on(store.request())
                .header("Accept", "application/xml"),
            406,
            "SVC0002",
            "Accept",
        ),
        (
            Form::new(&json!({"object": {"correlationId": "x".repeat(3000)}})).on(store.request()),
            413,
            "POL0001",
            "TooLarge",
        ),
        (
            object()
                .attachment("text/plain", &[b'x'; 20_000])
                .on(store.request()),
            413,
            "POL0001",
            "TooLarge",
        ),
        (
            object()
                .nothing()
                .nothing()
                .nothing()
                .nothing()
                .on(store.request()),
            400,
            "SVC0002",
            "attachments",
        ),
    ] {
        let answer = request.send().await;
        assert_refused(&answer, status, id, &[variable]);
    }
    let mut cut = object()
        .attachment("text/plain", b"hello")
        .on(store.request())
        .encoded();
    cut.truncate(cut.len() - 20);
    let mut stream = store.bridge.client.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, &cut)
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::shutdown(&mut stream)
        .await
        .unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)
        .await
        .ok();
    assert!(!String::from_utf8_lossy(&answer).contains(" 201 "));
    store.stays_empty().await;
}

/// A flag the store does not take is named; what it was to be put on is not there.
async fn refuses_flags(store: &Store, refused: &[&[&str]]) {
    for flags in refused {
        let form = Form::new(&json!({"object": {"flags": {"flag": flags}}}));
        let answer = form.on(store.request("POST", "objects")).send().await;
        assert_refused(&answer, 403, "POL2006", &flags[..1]);
    }
    let name = store.kind.name;
    assert_eq!(store.witness().await.examine("INBOX").await, 0, "{name}");
    let form = Form::new(
        &json!({"object": {"flags": {"flag": ["$MDNSent", "we/ird:key", "\\read-report-sent"]}}}),
    );
    let answer = form.on(store.request("POST", "objects")).send().await;
    let flags = format!("{}/flags", super::made(answer).object);
    let flags = store.json("GET", &flags, None, 200).await;
    for flag in ["$MDNSent", "we/ird:key", "\\read-report-sent"] {
        let flags = flags["flagList"]["flag"].as_array().unwrap();
        assert!(flags.contains(&json!(flag)), "{name}: {flags:?}");
    }
}

#[tokio::test]
async fn a_flag_that_dovecot_cannot_keep_is_named() {
    let store = Store::dovecot("dovecots_flags").await;
    let long = "x".repeat(200);
    refuses_flags(&store, &[&["\\Junk"], &["\\Junk", "\\Seen"], &[&long]]).await;
    store.stop().await;
}

#[tokio::test]
async fn a_flag_that_cyrus_cannot_keep_is_named() {
    let server = cyrus::start().await;
    let store = Store::new(CYRUS, server.imap, server.imap, "+15550100").await;
    refuses_flags(&store, &[&["\\Junk"]]).await;
    // A mailbox has room for a hundred keywords and some; the first for which there was none is named.
    let many: Vec<String> = (0..129).map(|number| format!("n{number}")).collect();
    let object = json!({"parentFolderPath": "/full", "flags": {"flag": many}});
    let form = Form::new(&json!({"object": object}));
    let answer = form.on(store.request("POST", "objects")).send().await;
    assert_refused(&answer, 403, "POL2006", &["n100"]);
    store.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_flag_that_courier_cannot_keep_is_named() {
    let server = courier::start().await;
    let store = Store::new(COURIER, server.imap, server.imap, "+15550100").await;
    refuses_flags(&store, &[&["\\Junk"]]).await;
    store.stop().await;
    server.stop().await;
}
