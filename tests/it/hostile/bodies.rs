//! Anything in a JSON body, and bodies that are none.

use serde_json::{Value, json};

use super::{
    Attempt, Target,
    strings::{strings, texts},
};

/// Every request that takes a body: method and resource.
pub(super) fn takers(target: &Target) -> [(&'static str, String); 5] {
    [
        ("POST", "folders".to_owned()),
        ("PUT", format!("{}/folderName", target.folder)),
        ("PUT", format!("{}/flags", target.object)),
        ("POST", "folders/operations/pathToId".to_owned()),
        ("POST", "objects/operations/pathToId".to_owned()),
    ]
}

/// Bodies with a string wherever one can stand.
fn bodies(text: &str, folder_url: &str) -> Vec<(usize, Value)> {
    vec![
        (
            0,
            json!({"folder": {"parentFolderPath": "/scratch", "name": text}}),
        ),
        (
            0,
            json!({"folder": {"parentFolderPath": text, "name": "new"}}),
        ),
        (0, json!({"folder": {"parentFolder": text, "name": "new"}})),
        (
            0,
            json!({"folder": {"parentFolder": format!("{folder_url}{text}"), "name": "new"}}),
        ),
        (
            0,
            json!({"folder": {"parentFolderPath": text, "name": text, "attributes": {"attribute": [{"name": text, "value": [text]}]}}}),
        ),
        (0, json!({text: {"parentFolderPath": "/", "name": "new"}})),
        (1, json!({"name": text})),
        (1, json!({text: "new"})),
        (2, json!({"flagList": {"flag": [text]}})),
        (2, json!({"flagList": {"flag": text}})),
        (2, json!({"flagList": {"flag": ["\\Seen", text, text]}})),
        (
            3,
            json!({"pathList": {"path": [text, format!("/scratch/{text}")]}}),
        ),
        (3, json!({"pathList": {"path": text}})),
        (
            4,
            json!({"pathList": {"path": [text, format!("/scratch/{text}")]}}),
        ),
    ]
}

#[tokio::test]
async fn anything_in_a_body_is_answered_and_stays_an_argument() {
    let target = Target::start("hostile_bodies").await;
    let takers = takers(&target);
    let url = format!(
        "http://{}{}",
        target.client.address(),
        target.target("folders/")
    );
    let mut attempts = Vec::new();
    for text in texts() {
        for (taker, body) in bodies(&text, &url) {
            let (method, resource) = &takers[taker];
            let request = target.request(method, resource).json(&body);
            attempts.push(Attempt::new(
                format!("{method} {resource} {body}"),
                &request,
            ));
        }
    }
    target.attack(1, attempts).await;
    target.end().await;
}

/// JSON of the wrong kind, or none.
const MALFORMED: &[&str] = &[
    "null",
    "[]",
    "{}",
    "true",
    "0",
    "-0",
    "1e999999",
    "\"\"",
    "\"x\"",
    "{",
    "}",
    "[",
    "{\"folder\"",
    "{\"folder\":",
    "{\"folder\":null}",
    "{\"folder\":[]}",
    "{\"folder\":\"x\"}",
    "{\"folder\":{\"name\":null}}",
    "{\"folder\":{\"name\":{}},\"folder\":{\"name\":[]}}",
    "{\"folder\":{\"name\":[\"a\",\"b\"],\"parentFolderPath\":\"/\"}}",
    "{\"folder\":{\"name\":1e400,\"parentFolderPath\":\"/\"}}",
    "{\"folder\":{\"name\":true,\"parentFolderPath\":\"/\"}}",
    "{\"name\":null}",
    "{\"name\":{}}",
    "{\"name\":[]}",
    "{\"name\":9007199254740993}",
    "{\"name\":\"\\ud800\"}",
    "{\"name\":\"\\udc00\\ud800\"}",
    "{\"name\":\"\\u0000\"}",
    "{\"name\":\"\\u000d\\u000aA0009 DELETE canary\"}",
    "{\"name\":\"a\"}garbage",
    "{\"name\":\"a\"}{\"name\":\"b\"}",
    "{\"name\":'a'}",
    "{name:\"a\"}",
    "{\"name\":\"a\",}",
    "/*x*/{\"name\":\"a\"}",
    "{\"name\":\"\u{1}\"}",
    "{\"name\":\"\n\"}",
    "{\"flagList\":null}",
    "{\"flagList\":{}}",
    "{\"flagList\":{\"flag\":null}}",
    "{\"flagList\":{\"flag\":{}}}",
    "{\"flagList\":{\"flag\":[[]]}}",
    "{\"flagList\":{\"flag\":[null,1,true,{}]}}",
    "{\"pathList\":{\"path\":[]}}",
    "{\"pathList\":{\"path\":[null]}}",
    "{\"pathList\":{\"path\":{}}}",
    "{\"pathList\":{\"path\":\"\"}}",
    "\u{feff}{\"name\":\"a\"}",
    "name=a",
    "<name>a</name>",
    "--b\r\n\r\n{}\r\n--b--",
    " ",
    "\r\n",
    "\0",
];

/// The same and what is too deep, too long, or not even text.
fn malformed() -> Vec<Vec<u8>> {
    let deep = |open: &str, count: usize| open.repeat(count).into_bytes();
    let mut bodies: Vec<Vec<u8>> = MALFORMED
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    bodies.extend([
        deep("[", 100_000),
        deep("{\"folder\":", 50_000),
        deep("[{\"a\":", 50_000),
        [deep("[", 200), deep("]", 200)].concat(),
        format!("{{\"name\":{}\"a\"{}}}", "[".repeat(127), "]".repeat(127)).into_bytes(),
        format!(
            "{{\"pathList\":{{\"path\":[{}\"/\"]}}}}",
            "\"/\",".repeat(2000)
        )
        .into_bytes(),
        format!(
            "{{\"flagList\":{{\"flag\":[{}\"f\"]}}}}",
            "\"x\",".repeat(5000)
        )
        .into_bytes(),
        format!(
            "{{\"flagList\":{{\"flag\":[{}]}}}}",
            (0..3000)
                .map(|n| format!("\"k{n}\""))
                .collect::<Vec<_>>()
                .join(",")
        )
        .into_bytes(),
        format!(
            "{{{}\"name\":\"a\"}}",
            (0..20_000)
                .map(|n| format!("\"k{n}\":1,"))
                .collect::<String>()
        )
        .into_bytes(),
        format!("{{\"name\":{}}}", "9".repeat(100_000)).into_bytes(),
        format!("{{\"name\":\"{}\"}}", "n".repeat(1_000_000)).into_bytes(),
        format!("{{\"name\":\"{}\"}}", "n".repeat(1_100_000)).into_bytes(),
        b" ".repeat(900_000),
        b"{\"name\":\"a\xff\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"{\"name\":\"\xed\xa0\x80\"}".to_vec(),
        b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
    ]);
    bodies
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused() {
    let target = Target::start("hostile_malformed_bodies").await;
    let mut attempts = Vec::new();
    let other_types = [
        "application/json;charset=utf-16",
        "text/plain",
        "",
        "application/x-www-form-urlencoded",
    ];
    for (method, resource) in takers(&target) {
        for (number, body) in malformed().into_iter().chain(strings()).enumerate() {
            let content_type = match number % 5 {
                0 => other_types[number / 5 % other_types.len()],
                _ => "application/json",
            };
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let what = format!("{method} {resource} {content_type} {shown}");
            let request = target.request(method, &resource).body(content_type, body);
            attempts.push(Attempt::new(what, &request));
        }
    }
    target.attack(1, attempts).await;
    target.end().await;
}

/// A body where none is expected changes nothing about the request.
#[tokio::test]
async fn bodies_where_none_is_expected_do_no_harm() {
    let target = Target::start("hostile_unexpected_bodies").await;
    let mut attempts = Vec::new();
    for body in malformed().into_iter().filter(|body| body.len() < 100_000) {
        for (method, resource) in [
            ("GET", target.object.clone()),
            ("GET", format!("{}/payload", target.object)),
            ("PUT", format!("{}/flags/%5CSeen", target.object)),
            ("DELETE", format!("{}/flags/%5CSeen", target.object)),
            ("DELETE", "folders/nothing".to_owned()),
            ("DELETE", "objects/nothing".to_owned()),
            ("OPTIONS", target.folder.clone()),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let length = body.len().to_string();
            // Content-Length is written by hand: the test's client leaves it out where no body belongs.
            let mut bytes = target
                .request(method, &resource)
                .header("Content-Type", "application/json")
                .header("Content-Length", &length)
                .encoded();
            if method == "PUT" {
                bytes = target
                    .request(method, &resource)
                    .body("application/json", body.clone())
                    .encoded();
            } else {
                bytes.extend_from_slice(&body);
            }
            attempts.push(Attempt::raw(format!("{method} {resource} {shown}"), bytes));
        }
    }
    target.attack(1, attempts).await;
    let mut witness = target.witness().await;
    assert_eq!(
        witness.examine("scratch").await,
        1,
        "the object is still there"
    );
    target.end().await;
}
