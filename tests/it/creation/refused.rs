//! What cannot be taken is named, and leaves nothing behind: no object, and no folder it would have made.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Form, assert_refused};
use crate::support::{
    bridge::Bridge,
    http::{Answer, Request},
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
    let many: Vec<String> = (0..4000).map(|number| format!("n{number}")).collect();
    store
        .refuses(json!({"flags": {"flag": many}}), "flag")
        .await;
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
async fn what_is_no_form_is_refused_as_such() {
    let store = Untouched::new("no_forms").await;
    let typed = |content_type: &str| {
        let request = store.request().header("Content-Type", content_type);
        request.raw_body("--x\r\n\r\n--x--")
    };
    for (request, status) in [
        (typed("application/json"), 415),
        (typed("multipart/mixed; boundary=x"), 415),
        (typed("multipart/form-data"), 400),
        (typed("multipart/form-data; boundary=\"\""), 400),
        (store.request(), 415),
    ] {
        let answer = request.send().await;
        assert_refused(&answer, status, "SVC0002", &["Content-Type"]);
    }
    let object = || Form::new(&json!({"object": {"parentFolderPath": "/new"}}));
    for (name, value, status) in [
        ("Content-Encoding", "gzip", 415),
        ("Accept", "text/html", 406),
    ] {
        let request = object().on(store.request()).header(name, value);
        assert_refused(&request.send().await, status, "SVC0002", &[name]);
    }
    let header =
        "Content-Disposition: form-data; name=root-fields\r\nContent-Type: application/xml";
    for document in ["<object/", "<folder/>", "<!DOCTYPE object><object/>"] {
        let form = Form::empty().part(header, document.as_bytes());
        let answer = form.on(store.request()).send().await;
        assert_refused(&answer, 400, "SVC0002", &["object"]);
    }
    store.stays_empty().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused_as_such() {
    let bridge = Bridge::builder("too_much")
        .setting("[limits]\nbody = 2000\nupload = 10000\nbulk = 3")
        .start()
        .await;
    let store = Untouched { bridge };
    let object = || Form::new(&json!({"object": {"parentFolderPath": "/new"}}));
    let document = Form::new(&json!({"object": {"correlationId": "x".repeat(3000)}}));
    for form in [document, object().attachment("text/plain", &[b'x'; 20_000])] {
        let answer = form.on(store.request()).send().await;
        assert_refused(&answer, 413, "POL0001", &["TooLarge"]);
    }
    let four = object().nothing().nothing().nothing().nothing();
    let answer = four.on(store.request()).send().await;
    assert_refused(&answer, 400, "SVC0002", &["attachments"]);
    store.stays_empty().await;
}

#[tokio::test]
async fn a_form_that_does_not_come_to_its_end_makes_nothing() {
    let store = Untouched::new("cut_off").await;
    let form = Form::new(&json!({"object": {}}));
    // In memory, and on its way to the store: its part and the request say how long it is.
    let large = vec![b'x'; 200_000];
    let length = "Content-Length: 200000\r\nContent-Type: image/jpeg\r\nContent-Disposition: form-data; name=attachments";
    for form in [
        form.clone().attachment("text/plain", b"hello"),
        form.part(length, &large),
    ] {
        let whole = form.on(store.request()).encoded();
        for left in [1, 20, whole.len() / 3] {
            let mut stream = store.bridge.client.connect().await;
            stream
                .write_all(&whole[..whole.len() - left])
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.ok();
            let answer = String::from_utf8_lossy(&answer);
            assert!(!answer.contains(" 201 "), "{left}: {answer}");
        }
    }
    store.stays_empty().await;
}
