//! The forms of contract §3.1: each as a message, and as the object it is shown as.

use serde_json::{Value, json};

use super::{Form, Stored, made};
use crate::{
    objects::below_box,
    support::{bridge::Bridge, witness::Witness},
};

/// The header of what these tests make, before what is said of the payload.
const HEAD: &str = "Subject: s\r\nDate: Mon, 1 Jun 2026 10:20:30 +0000\r\nX-NMS-Nonce: nonce\r\n";
/// Two parts, as Samsung's phones and the TS write them (contract §3.1, form b).
const PARTS: &str = "--Inner3\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Content-Disposition: form-data;name=\"attachments\";filename=\"sms.txt\"\r\n\r\nWe arrived.\r\n\
    --Inner3\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <thumbnail>\r\n\
    Content-Disposition: icon; filename=\"thumbnail_1.png\"\r\n\r\niVBORw==\r\n--Inner3--";

fn document() -> Value {
    json!({"object": {"attributes": {"attribute": [
        {"name": "Subject", "value": ["s"]},
        {"name": "Date", "value": ["2026-06-01T10:20:30Z"]},
    ]}}})
}

/// A stored message: the lines about its payload, and its body.
fn message(about: &str, body: &str) -> String {
    format!("{HEAD}MIME-Version: 1.0\r\n{about}\r\n{body}")
}

/// Creates it in INBOX; the object as it is shown, and the message as it is stored.
async fn create(bridge: &Bridge, witness: &mut Witness, form: &Form) -> (Value, String) {
    let request = bridge.request("POST", "objects");
    let made = made(form.on(request).send().await);
    assert_eq!(made.folder, "/INBOX");
    witness.examine("INBOX").await;
    // No body here has a line that begins with a blank, so this only unfolds fields.
    let text = Stored::newest(witness).await.text().replace("\r\n ", " ");
    let object = bridge.get(&made.object).await.expect(200).json();
    (object["object"].clone(), text)
}

fn value<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let attributes = object["attributes"]["attribute"].as_array().unwrap();
    let named = attributes
        .iter()
        .find(|attribute| attribute["name"] == name)?;
    Some(&named["value"])
}

#[tokio::test]
async fn a_short_text_becomes_text_content_in_whatever_way_it_comes() {
    let bridge = Bridge::builder("short_text").start().await;
    let mut witness = bridge.witness().await;
    let mut with_text = document();
    let attributes = with_text["object"]["attributes"]["attribute"].as_array_mut();
    attributes
        .unwrap()
        .push(json!({"name": "TextContent", "value": ["héllo\r\n\tyou"]}));
    let utf8 = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";
    let sms = "Content-Disposition: form-data; name=\"attachments\"; filename=\"sms.txt\"\r\nContent-Type: text/plain";
    for (form, text, stored) in [
        (
            Form::new(&document()).part(sms, b"hello"),
            "hello",
            message(
                "Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n",
                "hello",
            ),
        ),
        (
            Form::new(&document())
                .attachment("text/plain; charset=utf-8", "héllo\r\n\tyou".as_bytes()),
            "héllo\r\n\tyou",
            message(utf8, "héllo\r\n\tyou"),
        ),
        (
            Form::new(&with_text),
            "héllo\r\n\tyou",
            message(utf8, "héllo\r\n\tyou"),
        ),
        (
            Form::new(&with_text).nothing(),
            "héllo\r\n\tyou",
            message(utf8, "héllo\r\n\tyou"),
        ),
        // Where there is an attachment, that is the payload.
        (
            Form::new(&with_text).attachment("text/plain", b"hello"),
            "hello",
            message(
                "Content-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n",
                "hello",
            ),
        ),
        // A line break alone is no line end in a message (RFC 5322 §2.3), so it goes in base64 and comes out as it was.
        (
            Form::new(&document()).attachment("text/plain", b"a\nb"),
            "a\nb",
            message(
                "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n",
                "YQpi\r\n",
            ),
        ),
    ] {
        let (object, text_stored) = create(&bridge, &mut witness, &form).await;
        assert_eq!(text_stored, stored);
        assert_eq!(value(&object, "TextContent"), Some(&json!([text])));
        assert_eq!(object["payloadURL"], Value::Null);
        assert_eq!(object["payloadPart"], Value::Null);
        let payload = bridge
            .get(&format!("{}/payload", below_box(&object["resourceURL"])))
            .await;
        assert_eq!(payload.expect(200).text(), text);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_single_part_is_the_payload() {
    let bridge = Bridge::builder("single_part").start().await;
    let mut witness = bridge.witness().await;
    let cpim = "From: <sip:a@example.com>\r\n\r\nContent-Type: text/plain\r\n\r\nhi";
    let long = "line\r\n".repeat(2000);
    for (content_type, content, encoding, body) in [
        (
            "image/jpeg",
            &b"\xff\xd8\xff\0\n"[..],
            "base64",
            "/9j/AAo=\r\n",
        ),
        ("message/cpim", cpim.as_bytes(), "7bit", cpim),
        (
            "text/plain; charset=us-ascii",
            long.as_bytes(),
            "7bit",
            &long,
        ),
        (
            "application/xml; a=\"b;c\"",
            "<é/>".as_bytes(),
            "8bit",
            "<é/>",
        ),
    ] {
        let form = Form::new(&document()).attachment(content_type, content);
        let (object, stored) = create(&bridge, &mut witness, &form).await;
        let about =
            format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n");
        assert_eq!(stored, message(&about, body));
        assert_eq!(value(&object, "Content-Type"), Some(&json!([content_type])));
        let payload = bridge.get(&below_box(&object["payloadURL"])).await;
        let payload = payload.expect(200);
        assert_eq!(payload.header("content-type"), Some(content_type));
        assert_eq!(payload.body, content);
    }
    let typeless = "Content-Disposition: form-data; name=\"attachments\"";
    let form = Form::new(&document()).part(typeless, b"?");
    let (object, _) = create(&bridge, &mut witness, &form).await;
    let octets = json!(["application/octet-stream"]);
    assert_eq!(value(&object, "Content-Type"), Some(&octets));
    bridge.stop().await;
}

#[tokio::test]
async fn a_multipart_is_kept_as_it_is_and_its_parts_are_listed() {
    let bridge = Bridge::builder("multipart").start().await;
    let mut witness = bridge.witness().await;
    for content_type in [
        "multipart/mixed; boundary=Inner3",
        "multipart/related; start=\"<a>\"; type=\"text/plain\"; boundary=\"Inner3\"",
    ] {
        let form = Form::new(&document()).attachment(content_type, PARTS.as_bytes());
        let (object, stored) = create(&bridge, &mut witness, &form).await;
        let about = format!("Content-Type: {content_type}\r\nContent-Transfer-Encoding: 7bit\r\n");
        assert_eq!(stored, message(&about, PARTS));
        assert_eq!(value(&object, "Content-Type"), Some(&json!([content_type])));
        let payload = bridge.get(&below_box(&object["payloadURL"])).await;
        assert_eq!(payload.expect(200).text(), PARTS);
        let parts = object["payloadPart"].as_array().unwrap();
        let expected: [(&str, &[u8]); 2] = [
            ("text/plain; charset=utf-8", b"We arrived."),
            ("image/png", b"\x89PNG"),
        ];
        assert_eq!(parts.len(), expected.len());
        for (part, (content_type, content)) in parts.iter().zip(expected) {
            assert_eq!(part["contentType"], content_type);
            assert_eq!(part["size"], content.len());
            let served = bridge.get(&below_box(&part["href"])).await.expect(200);
            assert_eq!(served.body, content);
        }
        assert_eq!(parts[1]["contentId"], "thumbnail");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn an_object_may_have_no_payload() {
    let bridge = Bridge::builder("no_payload").start().await;
    let mut witness = bridge.witness().await;
    for form in [
        Form::new(&document()),
        Form::new(&document()).nothing(),
        Form::new(&document()).part("Content-Disposition: form-data; name=\"attachments\"", b""),
    ] {
        let (object, stored) = create(&bridge, &mut witness, &form).await;
        assert_eq!(stored, format!("{HEAD}\r\n"));
        assert_eq!(object["payloadURL"], Value::Null);
        assert_eq!(object["payloadPart"], Value::Null);
        assert_eq!(value(&object, "Content-Type"), None);
    }
    bridge.stop().await;
}

#[tokio::test]
async fn several_attachments_become_one_multipart_in_their_order() {
    let bridge = Bridge::builder("several_attachments").start().await;
    let mut witness = bridge.witness().await;
    let picture = "Content-Disposition: form-data; name=\"attachments\"; filename=\"é.jpg\"\r\n\
        Content-Type: image/jpeg\r\nContent-ID: <p>";
    let empty = "Content-Disposition: form-data; name=\"attachments\"; filename=\"empty\"\r\nContent-Type: text/plain";
    let form = Form::new(&document())
        .attachment("text/plain", b"--=_nms-part-0\r\nhello")
        .part(picture, b"\0\xff")
        .part(empty, b"");
    let (object, stored) = create(&bridge, &mut witness, &form).await;
    let about = "Content-Type: multipart/mixed; boundary=\"=_nms-part-1\"\r\nContent-Transfer-Encoding: 7bit\r\n";
    let body = "--=_nms-part-1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        --=_nms-part-0\r\nhello\r\n\
        --=_nms-part-1\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <p>\r\n\
        Content-Disposition: attachment; filename*=UTF-8''%C3%A9.jpg\r\n\r\nAP8=\r\n\r\n\
        --=_nms-part-1\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\
        Content-Disposition: attachment; filename=empty\r\n\r\n\r\n\
        --=_nms-part-1--\r\n";
    assert_eq!(stored, message(about, body));
    let parts = object["payloadPart"].as_array().unwrap();
    for (part, content) in parts
        .iter()
        .zip([&b"--=_nms-part-0\r\nhello"[..], b"\0\xff", b""])
    {
        let served = bridge.get(&below_box(&part["href"])).await.expect(200);
        assert_eq!(served.body, content);
    }
    assert_eq!(parts.len(), 3);
    bridge.stop().await;
}
