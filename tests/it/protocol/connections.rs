//! What comes after a refusal on the same connection, and what is said before a body is asked for.

use super::with;
use crate::support::{
    bridge::Bridge,
    http::{Client, Request},
};

const FORM: &str = "multipart/form-data; boundary=x";
/// In a body that nobody wants, this is a body.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\nX-Request-Id: smuggled\r\n\r\n";

/// A bridge with small limits.
async fn small(test: &str) -> Bridge {
    Bridge::builder(test)
        .setting("[limits]\nbody = 4096\nupload = 65536")
        .start()
        .await
}

/// Requests whose bodies are refused unread, with the status.
fn refused(bridge: &Bridge) -> Vec<(Request, u16)> {
    let nobody = Client::new(bridge.client.address());
    let mut requests = Vec::new();
    for (resource, content_type, other_type) in [
        ("objects", FORM, "text/html"),
        ("objects/operations/bulkCreation", FORM, "application/json"),
        ("folders", "application/json", FORM),
    ] {
        let typed = |request: Request| request.header("Content-Type", content_type);
        let own = bridge.request("POST", resource);
        let target = bridge.target(resource);
        let elsewhere = |target: String| bridge.client.request("POST", &target);
        requests.extend([
            (typed(nobody.request("POST", &target)), 401),
            (
                typed(elsewhere(target.replace("tel:%2B1", "tel:%2B9"))),
                403,
            ),
            (typed(elsewhere(format!("{target}/none/none"))), 404),
            (typed(bridge.request("PATCH", resource)), 405),
            (own.clone().header("Content-Type", other_type), 415),
            (typed(own.clone()).header("Content-Encoding", "gzip"), 415),
        ]);
        if content_type == FORM {
            requests.push((own.header("Content-Type", "multipart/form-data"), 400));
        } else {
            requests.push((typed(own).header("Accept", "text/html"), 406));
        }
    }
    requests
}

/// The bytes of a body of so many octets, framed by length or in chunks, and the headers that say so.
fn framed(octets: usize, chunked: bool) -> (Vec<(&'static str, String)>, Vec<u8>) {
    let mut body = SMUGGLED.repeat(octets / SMUGGLED.len() + 1).into_bytes();
    body.truncate(octets);
    if !chunked {
        return (vec![("Content-Length", octets.to_string())], body);
    }
    let size = format!("{octets:x}\r\n");
    let bytes = [size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
    (vec![("Transfer-Encoding", "chunked".to_owned())], bytes)
}

/// The status lines and request ids of the answers in some bytes; a body must not look like either.
fn answers(bytes: &[u8]) -> Vec<(u16, String)> {
    let text = String::from_utf8_lossy(bytes);
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads
        .map(|head| {
            let status = head[..3].parse().unwrap();
            let id = head
                .lines()
                .find_map(|line| line.strip_prefix("x-request-id: "));
            (status, id.unwrap_or_default().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn after_a_refused_body_comes_the_next_answer_or_the_end_and_never_what_the_body_says() {
    let bridge = small("refused_bodies").await;
    let second = bridge.request("GET", "folders/operations/pathToId");
    let second = second
        .header("X-Request-Id", "second")
        .header("Connection", "close");
    let second = second.head_with(b"");
    let mut served = 0;
    for (request, status) in refused(&bridge) {
        for (octets, chunked) in [(300, false), (300, true), (50_000, false), (50_000, true)] {
            let (headers, body) = framed(octets, chunked);
            let request = request.clone().header("X-Request-Id", "first");
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value)
            });
            let bytes = [request.head_with(&body), second.clone()].concat();
            let told = answers(&bridge.client.raw(&bytes).await);
            let what = format!("{octets} {chunked} {told:?}");
            let first = (status, "first".to_owned());
            // A connection that ends with octets unread may take the answer along.
            assert!(told.is_empty() || told[0] == first, "{what}");
            assert!(!told.is_empty() || octets > 300, "{what}");
            match &told[..] {
                [] | [_] => {}
                [_, next] => {
                    assert_eq!(*next, (200, "second".to_owned()), "{what}");
                    served += 1;
                }
                _ => panic!("{what}"),
            }
        }
    }
    assert!(served > 0, "no connection outlives a refusal");
}

#[tokio::test]
async fn a_body_that_is_too_large_ends_the_connection_and_is_no_request() {
    let bridge = small("too_large_then").await;
    for (resource, content_type) in [("objects", FORM), ("folders", "application/json")] {
        for chunked in [false, true] {
            let (headers, body) = framed(100_000, chunked);
            let request = bridge
                .request("POST", resource)
                .header("Content-Type", content_type);
            let request = headers.iter().fold(request, |request, (name, value)| {
                request.header(name, value)
            });
            let answer = bridge.client.raw(&request.head_with(&body)).await;
            let told = answers(&answer);
            assert!(told.len() <= 1, "{told:?}");
            // The form's own error may come before its size is known.
            let expected = |status| [413, 400].contains(&status);
            assert!(
                told.iter().all(|(status, _)| expected(*status)),
                "{resource}: {told:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_upload_that_will_be_refused_is_not_asked_for() {
    let bridge = small("expect_upload").await;
    let mut requests = refused(&bridge);
    let large = bridge
        .request("POST", "objects")
        .header("Content-Type", FORM);
    requests.push((large.header("Content-Length", "65537"), 413));
    for (request, status) in requests {
        let mut expecting = request.header("Expect", "100-continue");
        if status != 413 {
            expecting = expecting.header("Content-Length", "9");
        }
        // Had it been asked for, this would wait for it.
        let bytes = expecting.header("Connection", "close").head_with(b"");
        let told = answers(&bridge.client.raw(&bytes).await);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, status);
    }
}

#[tokio::test]
async fn a_document_may_come_in_chunks_or_when_it_is_asked_for() {
    let bridge = small("chunked_documents").await;
    let body = r#"{"folder":{"parentFolderPath":"/","name":"NAME"}}"#;
    let request = |headers: &[(&str, &str)]| {
        let request = bridge
            .request("POST", "folders")
            .header("Connection", "close");
        with(request.header("Content-Type", "application/json"), headers)
    };
    let mut chunked = String::new();
    for piece in body.replace("NAME", "chunked").as_bytes().chunks(5) {
        let piece = std::str::from_utf8(piece).unwrap();
        chunked += &format!("{:X};extension=\"x\"\r\n{piece}\r\n", piece.len());
    }
    chunked += "0\r\nTrailer: nothing\r\n\r\n";
    let bytes = request(&[("Transfer-Encoding", "chunked")]).head_with(chunked.as_bytes());
    let told = answers(&bridge.client.raw(&bytes).await);
    assert_eq!(told[0].0, 201, "{told:?}");

    let body = body.replace("NAME", "asked");
    let length = body.len().to_string();
    let headers = [
        ("Expect", "100-continue"),
        ("Content-Length", length.as_str()),
    ];
    let bytes = request(&headers).head_with(body.as_bytes());
    let told = answers(&bridge.client.raw(&bytes).await);
    let statuses: Vec<u16> = told.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [100, 201]);
}

/// RFC 9112 §6.3: a length that is said twice, or in two ways, is an attempt to be understood in two ways.
#[tokio::test]
async fn a_body_of_two_lengths_is_refused() {
    let bridge = small("two_lengths").await;
    for headers in [
        [("Content-Length", "5"), ("Content-Length", "66")],
        [("Content-Length", "x"), ("X", "x")],
        [("Transfer-Encoding", "gzip"), ("Content-Length", "5")],
        [("Transfer-Encoding", "chunked, identity"), ("X", "x")],
    ] {
        let request = with(bridge.request("POST", "folders"), &headers);
        let bytes = request.head_with(format!("hello{SMUGGLED}").as_bytes());
        let told = answers(&bridge.client.raw(&bytes).await);
        assert!(
            told.len() <= 1 && told.iter().all(|told| told.0 == 400),
            "{headers:?}: {told:?}"
        );
    }
}
