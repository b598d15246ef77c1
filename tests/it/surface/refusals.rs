//! What is refused whatever is asked, and methods that a resource does not have.

use std::fmt::Write as _;

use cpm_bridge::rest::{CHANNEL_SURFACE, SURFACE};

use super::{
    ASKED, same_as_kept,
    scene::{Ask, Scene},
};
use crate::support::{
    bridge::Bridge,
    http::{Client, Request},
    xml::assert_valid,
};

/// Changes a good request so that it is refused.
type Spoil = fn(&Scene, Request) -> Request;

/// What can be wrong with any request.
const WRONG: &[(&str, Spoil)] = &[
    ("no credentials", |scene, request| {
        request.with_client(&Client::new(scene.bridge.client.address()))
    }),
    ("a wrong password", |scene, request| {
        let login = &scene.bridge.account.login;
        request.with_client(&scene.bridge.client.basic(login, "wrong"))
    }),
    ("another scheme", |scene, request| {
        let nobody = Client::new(scene.bridge.client.address());
        let request = request.with_client(&nobody);
        request.header("Authorization", "Bearer abc")
    }),
    ("another's box", |scene, request| {
        let own = &scene.bridge.account.login[1..];
        request.with_target(|target| target.replace(own, "15559999999"))
    }),
    ("no box", |scene, request| {
        let own = &scene.bridge.account.login[1..];
        request.with_target(|target| target.replace(own, ""))
    }),
    ("an unknown store", |_, request| {
        request.with_target(|target| target.replace("/cpm/", "/none/"))
    }),
    ("another version", |_, request| {
        request.with_target(|target| target.replace("/v1/", "/v2/"))
    }),
    ("an Accept without JSON and XML", |_, request| {
        request.header("Accept", "application/pdf, image/*")
    }),
    ("an Accept that refuses JSON and XML", |_, request| {
        request.header(
            "Accept",
            "*/*, application/json;q=0, application/xml;q=0, text/*;q=0",
        )
    }),
];

/// What can be wrong with a body, where one is read.
const WRONG_BODY: &[(&str, Spoil)] = &[
    ("text", |_, request| {
        request
            .header("Content-Type", "text/plain")
            .raw_body("<x/>")
    }),
    ("XML with a document type", |_, request| {
        request.header("Accept", "application/json").body(
            "application/xml",
            "<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e;</x>",
        )
    }),
    ("a form", |_, request| {
        request
            .header("Content-Type", "multipart/form-data; boundary=x")
            .raw_body("--x--")
    }),
    ("a compressed body", |_, request| {
        request
            .header("Content-Encoding", "gzip")
            .body("application/json", "{}")
    }),
    ("nested too deep", |_, request| {
        request.body("application/json", "[".repeat(4000))
    }),
    ("no UTF-8", |_, request| {
        request.body("application/json", b"{\"name\":\"\xff\"}".as_slice())
    }),
    ("too large", |_, request| {
        request.body("application/json", " ".repeat(4097))
    }),
];

/// Each answer once, below the requests it was given to.
fn grouped(answers: Vec<(String, String)>) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (asked, answer) in answers {
        match groups.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, others)) => others.push(asked),
            None => groups.push((answer, vec![asked])),
        }
    }
    let all = groups.len() == 1;
    groups
        .iter()
        .fold(String::new(), |mut text, (answer, asked)| {
            let asked = if all {
                "whatever is asked".to_owned()
            } else {
                asked.join("\n")
            };
            write!(text, "{asked}\n\n{answer}\n").unwrap();
            text
        })
}

/// A good request for each method of each resource whose body matters or, if all are asked for, each.
fn good(with_body: bool) -> impl Iterator<Item = (&'static str, &'static str, &'static Ask)> {
    let all = ASKED
        .iter()
        .map(|(method, path, _, asks)| (*method, *path, &asks[0]));
    // PUT of one flag means the same with any body, and so does a poll.
    let any_body = |path: &str| path.ends_with("{flag}") || path.ends_with("/notifications");
    all.filter(move |(method, path, _)| {
        !with_body || (matches!(*method, "POST" | "PUT") && !any_body(path))
    })
}

#[tokio::test]
async fn what_is_wrong_with_any_request_is_refused_by_every_resource_alike() {
    let mut scene = Scene::new("refusals").await;
    scene.subscribe().await;
    let mut text = String::new();
    for (what, spoil) in WRONG {
        let mut answers = Vec::new();
        for (method, path, ask) in good(false) {
            let request = scene.request(method, ask);
            let spoilt = spoil(&scene, request.clone());
            // A channel is of no store.
            if spoilt.encoded() == request.encoded() {
                continue;
            }
            let answer = scene.send(spoilt).await;
            // What is served is served as ever.
            let written = if answer.status < 300 {
                format!("{}\n", answer.status)
            } else {
                scene.written(&answer)
            };
            answers.push((format!("{method} {path}"), written));
        }
        write!(text, "## {what}\n{}", grouped(answers)).unwrap();
    }
    same_as_kept("refused_everywhere", &text);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_by_every_resource_that_reads_one() {
    let mut scene = Scene::new("refused_bodies").await;
    scene.subscribe().await;
    let mut text = String::new();
    for (what, spoil) in WRONG_BODY {
        let mut answers = Vec::new();
        for (method, path, ask) in good(true) {
            let request = spoil(&scene, scene.request(method, &ask.without_body()));
            let answer = scene.send(request).await;
            assert!(answer.status >= 400, "{method} {path}: {what}: {answer:?}");
            answers.push((format!("{method} {path}"), scene.written(&answer)));
        }
        write!(text, "## {what}\n{}", grouped(answers)).unwrap();
    }
    same_as_kept("refused_bodies", &text);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_xml_too() {
    let mut scene = Scene::new("refused_in_xml").await;
    scene.subscribe().await;
    let mut documents = Vec::new();
    let everywhere = WRONG.iter().map(|wrong| (false, wrong));
    let bodies = WRONG_BODY.iter().map(|wrong| (true, wrong));
    for (with_body, (what, spoil)) in everywhere.chain(bodies) {
        for (method, path, ask) in good(with_body) {
            let request = scene.request(method, &ask.without_body());
            if spoil(&scene, request.clone()).encoded() == request.encoded() {
                continue;
            }
            let in_json = scene.send(spoil(&scene, request.clone())).await;
            // One more that is taken makes another request of what is wrong with Accept.
            if in_json.status < 300 || what.starts_with("an Accept") {
                continue;
            }
            let request = request.header("Accept", "application/xml");
            let in_xml = scene.send(spoil(&scene, request)).await;
            assert_eq!(in_xml.status, in_json.status, "{method} {path}: {what}");
            let said = [&in_json, &in_xml].map(|answer| scene.element(answer));
            assert_eq!(said[0], said[1], "{method} {path}: {what}");
            if !what.contains("document type") {
                let media_type = in_xml.header("content-type");
                assert_eq!(
                    media_type,
                    Some("application/xml"),
                    "{method} {path}: {what}"
                );
                documents.push(in_xml.body);
            }
        }
    }
    assert_valid(documents.iter().map(Vec::as_slice));
}

#[tokio::test]
async fn a_body_that_will_be_refused_is_not_asked_for() {
    let scene = Scene::new("expect_continue").await;
    let request = scene.bridge.request("POST", "folders");
    let request = request.header("Expect", "100-continue");
    for (headers, status) in [
        (
            [("Content-Type", "text/html"), ("Content-Length", "9")],
            "415",
        ),
        (
            [
                ("Content-Type", "application/json"),
                ("Content-Length", "9999"),
            ],
            "413",
        ),
        ([("Accept", "text/html"), ("Content-Length", "9")], "406"),
    ] {
        let [one, other] = headers;
        let request = request
            .clone()
            .header(one.0, one.1)
            .header(other.0, other.1);
        // Had it been asked for, this would wait for it.
        let answer = scene.bridge.client.raw(&request.head_with(b"")).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cut_off_when_it_is_too_large() {
    let scene = Scene::new("chunked_too_large").await;
    let request = scene.bridge.request("POST", "folders");
    let request = request.header("Transfer-Encoding", "chunked");
    let chunk = format!("800\r\n{}\r\n", " ".repeat(0x800));
    let bytes = request.head_with(format!("{}0\r\n\r\n", chunk.repeat(3)).as_bytes());
    let answer = scene.bridge.client.raw(&bytes).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"TooLarge\""), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_allowed() {
    let bridge = Bridge::builder("stalled_body").setting("[limits]\nbody_timeout = 1");
    let scene = Scene::of(bridge.start().await).await;
    let request = scene.bridge.request("POST", "folders");
    let bytes = request.header("Content-Length", "10").head_with(b"{");
    let answer = scene.bridge.client.raw(&bytes).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let error = r#"{"requestError":{"serviceException":{"messageId":"SVC0001","text":"A service error occurred. Error code is %1","variables":["408"]}}}"#;
    assert!(answer.ends_with(error), "{answer}");
}

#[tokio::test]
async fn methods_that_a_resource_does_not_have_are_refused_with_those_it_has() {
    let scene = Scene::new("methods").await;
    // What a resource has is no secret.
    let anyone = Client::new(scene.bridge.client.address());
    let mut text = String::new();
    for (path, _, _, methods) in SURFACE.into_iter().chain(CHANNEL_SURFACE) {
        let target = scene.bridge.target(&path[1..].replace(['{', '}'], ""));
        let options = anyone.request("OPTIONS", &target).send().await.expect(204);
        let allow = options.header("allow").unwrap().to_owned();
        writeln!(text, "{path}: {allow}").unwrap();
        for method in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "SEARCH",
        ] {
            let has = methods.contains(&method) || (method == "HEAD" && methods.contains(&"GET"));
            let listed = allow.split(", ").any(|listed| listed == method);
            assert_eq!(listed, has, "{method} {path}");
            let answer = anyone.request(method, &target).send().await;
            if has {
                // Who knows a channel's id may keep it alive (contract §8.2); nobody knows this one.
                let alive = method == "PUT" && path.ends_with("/channelLifetime");
                answer.expect(if alive { 404 } else { 401 });
                continue;
            }
            assert_eq!(
                answer.header("allow"),
                Some(allow.as_str()),
                "{method} {path}"
            );
            let answer = answer.expect(405);
            if method != "HEAD" {
                let exception = &answer.json()["requestError"]["serviceException"];
                assert_eq!(exception["messageId"], "SVC0001");
                assert_eq!(exception["variables"], serde_json::json!(["405"]));
            }
        }
    }
    same_as_kept("allowed_methods", &text);
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let mut scene = Scene::new("head").await;
    scene.subscribe().await;
    for (method, path, _, asks) in ASKED {
        // A handshake is a GET and nothing else (RFC 6455 §4.1).
        if *method != "GET" || path.ends_with("/websocket") {
            continue;
        }
        for ask in *asks {
            scene.ask("GET", ask).await;
            let get = scene.request("GET", ask).send().await;
            let head = scene.request("HEAD", ask).send().await;
            assert_eq!(head.status, get.status, "{ask:?}");
            assert_eq!(head.body, b"", "{ask:?}");
            // hyper says so of a body whose length it does not know; there is none here.
            let ignored = ["date", "x-request-id", "transfer-encoding"];
            let headers = |answer: &crate::support::http::Answer| {
                let kept = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| !ignored.contains(&name.as_str()));
                kept.cloned().collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(headers(&head), headers(&get), "{ask:?}");
        }
    }
}

#[tokio::test]
async fn with_several_roots_there_is_no_folder_without_a_path() {
    const ASKS: &[(&str, Ask)] = &[
        ("GET", Ask::new("no path", "folders/operations/pathToId")),
        (
            "GET",
            Ask::new("an empty path", "folders/operations/pathToId?path="),
        ),
        (
            "GET",
            Ask::new(
                "outside the roots",
                "folders/operations/pathToId?path=/Elsewhere",
            ),
        ),
        (
            "POST",
            Ask::new("a list", "folders/operations/pathToId")
                .body(r#"{"pathList":{"path":["","/Default"]}}"#),
        ),
        (
            "POST",
            Ask::new("to be made in a root the store lacks", "folders")
                .body(r#"{"folder":{"parentFolderPath":"/RCSMessageStore","name":"x"}}"#),
        ),
        (
            "POST",
            Ask::new("to be made outside the roots", "folders")
                .body(r#"{"folder":{"parentFolderPath":"/Elsewhere","name":"x"}}"#),
        ),
        (
            "POST",
            Ask::new("to be made above the roots", "folders")
                .body(r#"{"folder":{"parentFolderPath":"/","name":"x"}}"#),
        ),
        (
            "GET",
            Ask::new("a root", "folders/{root}?listFilter=All&path=Yes"),
        ),
        (
            "PUT",
            Ask::new("a root's name", "folders/{root}/folderName").body(r#"{"name":"x"}"#),
        ),
        ("DELETE", Ask::new("a root to be removed", "folders/{root}")),
    ];
    let bridge = Bridge::builder("several_roots")
        .folder("Default/a")
        .folder("Elsewhere")
        .store_setting("roots = [\"Default\", \"RCSMessageStore\"]\ndefault_folder = \"Default\"");
    let mut scene = Scene::of(bridge.start().await).await;
    for (name, path) in [("root", "/Default"), ("a", "/Default/a")] {
        let folder = crate::objects::folder_of(&scene.bridge, path).await;
        scene.rename(name, folder.rsplit('/').next().unwrap());
    }
    let mut text = Vec::new();
    for (method, ask) in ASKS {
        text.push(scene.ask(method, ask).await.1);
    }
    same_as_kept("several_roots", &text.join("\n"));
}
