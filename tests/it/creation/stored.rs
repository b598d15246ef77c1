//! What is said of an object, in the message (contract §2.3 to §2.6): flags, dates, ids and attributes.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Form, Stored, made};
use crate::support::{
    bridge::Bridge,
    courier, cyrus,
    proxy::Proxy,
    store::{COURIER, CYRUS, DOVECOT, Store},
};

/// Creates it in INBOX; the object as it is shown, and the message as it is stored.
async fn create(bridge: &Bridge, object: Value) -> (Value, Stored) {
    let form = Form::new(&json!({"object": object})).attachment("text/plain", b"hello");
    let made = made(form.on(bridge.request("POST", "objects")).send().await);
    let mut witness = bridge.witness().await;
    witness.examine("INBOX").await;
    let stored = Stored::newest(&mut witness).await;
    let object = bridge.get(&made.object).await.expect(200).json();
    (object["object"].clone(), stored)
}

fn attributes(list: &[(&str, Value)]) -> Value {
    let attribute = |(name, value): &(&str, Value)| json!({"name": name, "value": value});
    json!({"attribute": list.iter().map(attribute).collect::<Vec<_>>()})
}

fn flags(list: &Value) -> BTreeSet<&str> {
    let flags = list["flag"].as_array().unwrap().iter();
    let flags = flags.map(|flag| flag.as_str().unwrap());
    flags.filter(|flag| *flag != "\\Recent").collect()
}

#[tokio::test]
async fn flags_and_date_go_with_the_append_and_nothing_follows_it() {
    let builder = Bridge::builder("with_the_append");
    let proxy = Proxy::recording(builder.imap()).await;
    let bridge = builder.store(proxy.address()).start().await;
    let (object, stored) = create(
        &bridge,
        json!({
            "attributes": attributes(&[("Date", json!(["2026-06-01T12:20:30.75+02:00"]))]),
            "flags": {"flag": ["\\Seen", "$MDNSent", "\\Recent", "kept", "\\SEEN", "\\Read-Report-Sent"]},
        }),
    )
    .await;
    let said = proxy.said().concat();
    let said = String::from_utf8_lossy(&said);
    let append =
        " APPEND \"INBOX\" (\\Seen $MDNSent kept $ReadReportSent) \" 1-Jun-2026 12:20:30 +0200\" {";
    assert!(said.contains(append), "{said}");
    for command in [" STORE ", " SELECT ", " NOOP"] {
        assert!(!said.contains(command), "{said}");
    }
    let kept = ["$MDNSent", "$ReadReportSent", "\\Seen", "kept"];
    assert_eq!(stored.flags, kept.map(str::to_owned).into());
    assert_eq!(stored.date().to_rfc3339(), "2026-06-01T10:20:30+00:00");
    assert!(
        stored
            .text()
            .starts_with("Date: Mon, 1 Jun 2026 12:20:30 +0200\r\n")
    );
    let shown = ["$MDNSent", "\\Seen", "\\read-report-sent", "kept"];
    assert_eq!(flags(&object["flags"]), shown.into());
    let date = json!({"name": "Date", "value": ["2026-06-01T10:20:30Z"]});
    assert_eq!(object["attributes"]["attribute"][0], date);
    bridge.stop().await;
}

#[tokio::test]
async fn a_date_may_be_written_in_the_ways_clients_write_it() {
    let bridge = Bridge::builder("dates").start().await;
    for (given, header) in [
        ("2026-06-01T10:20:30Z", "Mon, 1 Jun 2026 10:20:30 +0000"),
        ("2026-06-01T10:20Z", "Mon, 1 Jun 2026 10:20:00 +0000"),
        ("2026-06-01T23:59:59-0930", "Mon, 1 Jun 2026 23:59:59 -0930"),
        (
            "Mon, 01 Jun 2026 12:20:30 +0200",
            "Mon, 1 Jun 2026 12:20:30 +0200",
        ),
        ("1 Jun 2026 10:20:30 GMT", "Mon, 1 Jun 2026 10:20:30 +0000"),
    ] {
        let (_, stored) = create(
            &bridge,
            json!({"attributes": attributes(&[("date", json!(given))])}),
        )
        .await;
        assert!(
            stored.text().starts_with(&format!("Date: {header}\r\n")),
            "{}",
            stored.text()
        );
        assert_eq!(stored.date(), DateTime::parse_from_rfc2822(header).unwrap());
    }
    bridge.stop().await;
}

/// A date that no store can hold is the object's all the same.
async fn holds_any_date(store: &Store) {
    for date in [
        "1900-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
        "1970-01-01T13:00:00-11:00",
        "2038-01-18T03:14:07Z",
        "2038-01-19T03:14:08Z",
        "9999-12-31T23:59:59Z",
    ] {
        let attributes = attributes(&[("Date", json!(date))]);
        let form = Form::new(&json!({"object": {"attributes": attributes}}));
        let answer = form.on(store.request("POST", "objects")).send().await;
        let object = store.json("GET", &made(answer).object, None, 200).await;
        let shown = &object["object"]["attributes"]["attribute"][0];
        let [shown, given] = [shown["value"][0].as_str().unwrap(), date]
            .map(|date| DateTime::parse_from_rfc3339(date).unwrap());
        let name = store.kind.name;
        assert_eq!(shown, given, "{name}");
        let mut witness = store.witness().await;
        witness.examine("INBOX").await;
        let held = Stored::newest(&mut witness).await.date().timestamp();
        let nearest = given.timestamp().clamp(86_400, 0x7fff_ffff - 86_400);
        // Dovecot takes what is to come for now.
        let now = Utc::now().timestamp();
        let held_as_now = store.kind == DOVECOT && nearest > now && (now - held) < 3600;
        assert!(held == nearest || held_as_now, "{name}: {date}: {held}");
    }
}

#[tokio::test]
async fn dovecot_holds_any_date() {
    let store = Store::dovecot("any_date").await;
    holds_any_date(&store).await;
    store.stop().await;
}

#[tokio::test]
async fn cyrus_and_courier_hold_any_date() {
    let (cyrus, courier) = (cyrus::start().await, courier::start().await);
    for (kind, imap) in [(CYRUS, cyrus.imap), (COURIER, courier.imap)] {
        let store = Store::new(kind, imap, imap, "+15550100").await;
        holds_any_date(&store).await;
        store.stop().await;
    }
    cyrus.stop().await;
    courier.stop().await;
}

#[tokio::test]
async fn an_object_without_a_date_is_of_now() {
    let bridge = Bridge::builder("now").start().await;
    let before = Utc::now().timestamp();
    let (object, stored) = create(&bridge, json!({})).await;
    let after = Utc::now().timestamp();
    let text = stored.text();
    let header = text
        .lines()
        .find_map(|line| line.strip_prefix("Date: "))
        .unwrap();
    let header = DateTime::parse_from_rfc2822(header).unwrap();
    assert_eq!(stored.date(), header);
    assert!((before..=after).contains(&header.timestamp()), "{header}");
    let shown = &object["attributes"]["attribute"][0];
    assert_eq!(shown["name"], "Date");
    let shown = DateTime::parse_from_rfc3339(shown["value"][0].as_str().unwrap()).unwrap();
    assert_eq!(shown, header);
    bridge.stop().await;
}

#[tokio::test]
async fn the_clients_own_ids_come_back_as_they_were_given() {
    let bridge = Bridge::builder("own_ids").start().await;
    let imdn = attributes(&[("IMDN-Message-ID", json!(["imdn-1"]))]);
    for id in [
        "mm-4471",
        "<a b>;\"c\" =?utf-8?q?x?=",
        "  Ünï=cödé 🎈  ",
        &"x".repeat(2000),
    ] {
        let object = json!({"attributes": imdn, "correlationId": id, "correlationTag": id});
        let (object, _) = create(&bridge, object).await;
        assert_eq!(object["correlationId"], id);
        assert_eq!(object["correlationTag"], id);
    }
    for none in [Value::Null, json!("")] {
        let object = json!({"attributes": imdn, "correlationId": none, "correlationTag": none});
        let (object, stored) = create(&bridge, object).await;
        assert_eq!(object["correlationId"], "imdn-1");
        assert_eq!(object["correlationTag"], Value::Null);
        assert!(!stored.text().contains("X-NMS-Correlation"));
    }
    let (object, _) = create(&bridge, json!({"clientCorrelator": "cc"})).await;
    assert_eq!(object["correlationId"], Value::Null);
    bridge.stop().await;
}

#[tokio::test]
async fn attributes_become_header_fields_and_come_back() {
    let bridge = Bridge::builder("attributes").start().await;
    let long = "word ".repeat(100) + "end";
    let given = [
        ("From", json!(["tel:+15550142"])),
        (
            "To",
            json!([
                "tel:+15550177",
                "sip:ana;x=1@example.com",
                "Ann <ann@example.com>",
                "sip:a,b@example.com"
            ]),
        ),
        ("cc", json!(["+15550178"])),
        ("Subject", json!(["Plage – été"])),
        ("Message-Context", json!(["multimedia-message"])),
        (
            "Conversation-ID",
            json!(["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]),
        ),
        ("IMDN-Message-ID", json!(["<a@b>"])),
        ("X-Long", json!([long])),
        ("X-Word", json!(["x".repeat(3000)])),
        (
            "X-Several",
            json!(["one", "two", "=?utf-8?q?three?=", " four ", "a\tb"]),
        ),
        ("UDH", json!(["050003"])),
    ];
    let (object, stored) = create(&bridge, json!({"attributes": attributes(&given)})).await;
    let header = stored.text();
    let header = header.split("\r\n\r\n").next().unwrap();
    assert!(header.is_ascii());
    assert!(header.lines().all(|line| line.len() <= 998), "{header}");
    let shown = object["attributes"]["attribute"].as_array().unwrap();
    let value = |name: &str| {
        shown
            .iter()
            .find(|shown| shown["name"] == name)
            .map(|shown| &shown["value"])
    };
    for (name, expected) in &given {
        assert_eq!(value(name), Some(expected), "{name}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn the_direction_is_known_under_both_its_names() {
    let bridge = Bridge::builder("direction").start().await;
    for (given, field, shown) in [
        (json!(["In"]), "received", "In"),
        (json!(["OUT"]), "sent", "Out"),
        (json!("in"), "received", "In"),
    ] {
        let object = json!({"attributes": attributes(&[("Direction", given)])});
        let (object, stored) = create(&bridge, object).await;
        assert!(
            stored
                .text()
                .contains(&format!("Message-Direction: {field}\r\n"))
        );
        assert!(!stored.text().contains("\r\nDirection:"));
        let shown_attributes = object["attributes"]["attribute"].as_array().unwrap();
        assert!(shown_attributes.contains(&json!({"name": "Direction", "value": [shown]})));
        assert!(shown_attributes.contains(&json!({"name": "Message-Direction", "value": [field]})));
    }
    bridge.stop().await;
}

#[tokio::test]
async fn what_the_payload_is_no_attribute_says() {
    let bridge = Bridge::builder("structure").start().await;
    let (object, stored) = create(
        &bridge,
        json!({"attributes": attributes(&[
            ("Date", json!("2026-06-01T10:20:30Z")),
            ("Content-Type", json!("multipart/mixed; boundary=b")),
            ("content-transfer-encoding", json!("base64")),
            ("MIME-Version", json!("2.0")),
            ("TextContent", json!("another text")),
            ("Content-Disposition", json!("attachment; filename=\"é.txt\"")),
        ])}),
    )
    .await;
    let expected = "Date: Mon, 1 Jun 2026 10:20:30 +0000\r\n\
        Content-Disposition: attachment; filename*=UTF-8''%C3%A9.txt\r\nX-NMS-Nonce: nonce\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello";
    assert_eq!(stored.text(), expected);
    let shown = object["attributes"]["attribute"].as_array().unwrap();
    for (name, value) in [
        ("Content-Type", "text/plain"),
        ("TextContent", "hello"),
        ("Content-Disposition", "attachment; filename=\"é.txt\""),
    ] {
        let attribute = json!({"name": name, "value": [value]});
        assert!(shown.contains(&attribute), "{shown:?}");
    }
    bridge.stop().await;
}
