//! XML that is there to do harm, and XML that only looks so.

use serde_json::json;

use super::{Attempt, Target, bodies::takers, strings::texts};
use crate::support::xml::escaped;

/// Documents of a folder's name that are none: 400, and the name stays.
#[rustfmt::skip] // A line each.
const REFUSED: &[(&str, &str)] = &[
    ("a document type", "<!DOCTYPE name><name>x</name>"),
    ("an entity", "<!DOCTYPE name [<!ENTITY e \"x\">]><name>&e;</name>"),
    ("a file as an entity", "<!DOCTYPE name [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><name>&e;</name>"),
    ("a URL as an entity", "<!DOCTYPE name [<!ENTITY e SYSTEM \"http://127.0.0.1:1/\">]><name>&e;</name>"),
    ("an outside subset", "<!DOCTYPE name SYSTEM \"http://127.0.0.1:1/x.dtd\"><name>x</name>"),
    ("a parameter entity", "<!DOCTYPE name [<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;]><name>x</name>"),
    ("a document type below the root", "<name><!DOCTYPE name>x</name>"),
    ("an entity nobody declared", "<name>&nbsp;</name>"),
    ("an entity in an attribute", "<name a=\"&e;\">x</name>"),
    ("an included file", "<name><xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"file:///etc/passwd\" parse=\"text\"/></name>"),
    ("text beside elements", "<name>x<b/>y</name>"),
    ("an attribute that is there twice", "<name a=\"1\" a=\"1\">x</name>"),
    ("an attribute without quotation marks", "<name a=1>x</name>"),
    ("two roots", "<name>x</name><name>y</name>"),
    ("another root", "<folder><name>x</name></folder>"),
    ("an end that is missing", "<name>x"),
    ("an end that is another", "<name>x</nams>"),
    ("an end that is cut", "<name>x</nam"),
    ("a tag that is cut", "<name"),
    ("a comment that does not end", "<name>x<!-- </name>"),
    ("a CDATA section that does not end", "<name><![CDATA[x</name>"),
    ("an instruction that does not end", "<?xml version=\"1.0\"<name>x</name>"),
    ("text around the root", "x<name>x</name>"),
    ("NUL", "<name>a\0b</name>"),
    ("NUL as a reference", "<name>a&#0;b</name>"),
    ("a control", "<name>a\u{1}b</name>"),
    ("a control as a reference", "<name>a&#1;b</name>"),
    ("a command", "<name>a&#13;&#10;A1 DELETE canary</name>"),
    ("a surrogate as a reference", "<name>&#xD800;</name>"),
    ("a reference beyond Unicode", "<name>&#x110000;</name>"),
    ("a reference to no number", "<name>&#x;</name>"),
    ("nil", "<name xsi:nil=\"true\">x</name>"),
    ("an encoding that is another", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><name>x</name>"),
    ("an encoding that is none", "<?xml version=\"1.0\" encoding=\"x\"?><name>x</name>"),
];

/// Documents that are odd and say `x`.
#[rustfmt::skip] // A line each.
const TAKEN: &[(&str, &str)] = &[
    ("the prefix of the contract", "<nms:name xmlns:nms=\"urn:oma:xml:rest:netapi:nms:1\">x</nms:name>"),
    ("another prefix", "<n:name xmlns:n=\"urn:oma:xml:rest:netapi:nms:1\">x</n:name>"),
    ("no prefix", "<name xmlns=\"urn:oma:xml:rest:netapi:nms:1\">x</name>"),
    ("no namespace", "<name>x</name>"),
    ("another namespace", "<n:name xmlns:n=\"urn:oma:xml:rest:netapi:nms:2\">x</n:name>"),
    ("a prefix without a namespace", "<nms:name>x</nms:name>"),
    ("a type", "<name xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"xsd:int\">x</name>"),
    ("not nil", "<name xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"false\">x</name>"),
    ("a comment inside", "<name><!-- a -->x<!-- <b> & --></name>"),
    ("instructions", "<?xml-stylesheet href=\"http://127.0.0.1:1/\"?><name>x<?php system('x') ?></name><?end?>"),
    ("CDATA", "<name><![CDATA[x]]></name>"),
    ("a reference", "<name>&#x78;</name>"),
    ("a byte order mark", "\u{feff}<name>x</name>"),
    ("UTF-8 that says so", "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<name>x</name>\n"),
    ("XML 1.1", "<?xml version=\"1.1\"?><name>x</name>"),
];

/// A document, and what it is.
type Document = (&'static str, Vec<u8>);

fn bytes((what, document): &(&'static str, &str)) -> Document {
    (what, document.as_bytes().to_vec())
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn name(content: &str) -> Vec<u8> {
    format!("<name>{content}</name>").into_bytes()
}

/// What is refused and not in UTF-8.
fn encoded() -> [Document; 3] {
    let declared = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-16\"?><name>x</name>";
    [
        (
            "Latin-1 that does not say so",
            b"<name>\xe9t\xe9</name>".to_vec(),
        ),
        ("UTF-16", utf_16("<name>x</name>")),
        ("UTF-16 that says so", utf_16(declared)),
    ]
}

/// What is refused and as much as a body may be, or more.
fn large() -> Vec<Document> {
    let levels = |count| ["<name>".repeat(count), "</name>".repeat(count)].concat();
    let names: String = (0..90_000).map(|n| format!("<a{n}/>")).collect();
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let laughs = format!("<!DOCTYPE name [<!ENTITY l0 \"lol\">{entities}]><name>&l9;</name>");
    let attributes = format!("<name {}>x</name>", "a=\"\" ".repeat(100_000));
    vec![
        ("a billion laughs", laughs.into()),
        ("levels", levels(80_000).into()),
        ("levels without an end", "<name>".repeat(170_000).into()),
        ("text", name(&"x".repeat(1_000_000))),
        ("references", name(&"&amp;".repeat(200_000))),
        ("children", name(&"<a/>".repeat(200_000))),
        ("children of many names", name(&names)),
        (
            "a long name",
            format!("<{}/>", "n".repeat(1_000_000)).into(),
        ),
        ("tags that do not begin", "<".repeat(1_000_000).into()),
        ("ampersands", name(&"&".repeat(1_000_000))),
        ("the same attribute", attributes.into()),
        ("too much", name(&"x".repeat(1_100_000))),
    ]
}

/// What is as large and says `x`.
fn large_and_good() -> [Document; 4] {
    let attributes: String = (0..70_000).map(|n| format!("a{n}=\"\" ")).collect();
    [
        ("attributes", format!("<name {attributes}>x</name>").into()),
        ("comments", name(&format!("{}x", "<!---->".repeat(140_000)))),
        (
            "empty sections",
            name(&format!("{}x", "<![CDATA[]]>".repeat(80_000))),
        ),
        (
            "white space around",
            format!("{}<name>x</name>", " ".repeat(1_000_000)).into(),
        ),
    ]
}

#[tokio::test]
async fn documents_that_are_none_are_refused_and_odd_ones_are_read() {
    let target = Target::start("hostile_xml").await;
    let resource = format!("{}/folderName", target.folder);
    let shown = || async { target.resource(&resource).await["name"].clone() };
    let refused = REFUSED.iter().map(bytes).chain(encoded()).chain(large());
    for (what, document) in refused {
        let size = document.len();
        let request = target.request("PUT", &resource);
        let answer = request.body("application/xml", document).send().await;
        let expected = if size > 1_048_576 { 413 } else { 400 };
        assert_eq!(answer.status, expected, "{what}: {answer:?}");
        assert!(
            size > 1_048_576 || answer.text().contains("<variables>name</variables>"),
            "{what}"
        );
        assert!(!answer.text().contains("root:"), "{what}");
        assert_eq!(shown().await, json!("scratch"), "{what}");
    }
    for (what, document) in TAKEN.iter().map(bytes).chain(large_and_good()) {
        let rename = json!({"name": "scratch"});
        let answer = target
            .request("PUT", &resource)
            .body("text/xml", document)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(shown().await, json!("x"), "{what}");
        target
            .client
            .put(&target.target(&resource), &rename)
            .await
            .expect(200);
    }
    target.end().await;
}

#[tokio::test]
async fn anything_in_xml_is_answered_and_stays_an_argument() {
    let target = Target::start("hostile_xml_bodies").await;
    let mut attempts = Vec::new();
    for (method, resource) in takers(&target) {
        for (what, body) in REFUSED.iter().map(bytes).chain(encoded()) {
            let request = target
                .request(method, &resource)
                .body("application/xml", body);
            attempts.push(Attempt::new(
                format!("{method} {resource} {what}"),
                &request,
            ));
        }
        for text in texts() {
            let text = escaped(&text);
            for body in [
                format!(
                    "<folder><parentFolderPath>/scratch</parentFolderPath><name>{text}</name></folder>"
                ),
                format!("<folder><parentFolder>{text}</parentFolder><name>new</name></folder>"),
                format!("<flagList><flag>{text}</flag><flag a=\"{text}\">\\Seen</flag></flagList>"),
                format!("<pathList><path>{text}</path><path>/scratch/{text}</path></pathList>"),
                format!("<name><!--{text}-->{text}</name>"),
                format!("<name>{text}"),
            ] {
                let request = target
                    .request(method, &resource)
                    .body("text/xml", body.clone());
                attempts.push(Attempt::new(
                    format!("{method} {resource} {body}"),
                    &request,
                ));
            }
        }
    }
    // One at a time: who changes the flags of one object at once gets 503.
    target.attack(1, attempts).await;
    target.end().await;
}
