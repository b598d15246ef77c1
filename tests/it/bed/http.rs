//! The HTTP client, against scripts.

use serde_json::json;

use crate::support::{
    http::Client,
    scripted::{Script, Scripted},
};

/// A script that takes a request without a body, or with this one, and answers.
fn answering(request: &str, body: &str, answer: &str) -> Script {
    let lines = request.lines().fold(Script::new(), Script::expect);
    let lines = match body {
        "" => lines,
        body => lines.expect(body),
    };
    lines.send_raw(answer.as_bytes()).close()
}

#[tokio::test]
async fn a_request_is_what_was_asked_for_and_the_answer_is_read_by_its_length() {
    let request = "GET /a?b=c HTTP/1.1\nHost: 127.0.0.1:*\nAuthorization: Basic KzE6cw==\n\
                   Accept: application/json\nConnection: close\n\n";
    let answer = "HTTP/1.1 200 OK\r\nX-Name: Value\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    let server = Scripted::start(vec![answering(request, "", answer)]).await;
    let client = Client::new(server.address()).basic("+1", "s");
    let answer = client.get("/a?b=c").await.expect(200);
    assert_eq!(answer.header("x-name"), Some("Value"));
    assert_eq!(answer.json(), json!({"a": 1}));
    assert_eq!(answer.text(), r#"{"a":1}"#);
    server.assert_played().await;
}

#[tokio::test]
async fn chunks_are_read_one_at_a_time() {
    let script = Script::new()
        .send_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .stall();
    let server = Scripted::start(vec![script]).await;
    let request = Client::new(server.address()).request("GET", "/");
    let mut streaming = request.stream().await;
    assert_eq!(streaming.head.status, 200);
    assert_eq!(streaming.piece().await, b"abc");
    assert_eq!(streaming.rest().await, b"de");
}

#[tokio::test]
async fn bodies_carry_their_length_and_other_methods_have_none() {
    let framed = |method: &str| {
        let request = format!(
            "{method} /x HTTP/1.1\nHost: *\nContent-Type: application/json\n\
             Accept: application/json\nContent-Length: 4\nConnection: close\n\n"
        );
        // The body is four bytes without a line end, so the script answers before it has read them.
        answering(
            &request,
            "",
            "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
        )
    };
    let deleting = answering(
        "DELETE /x HTTP/1.1\nHost: *\nConnection: close\n\n",
        "",
        "HTTP/1.1 204 No Content\r\n\r\n",
    );
    let server = Scripted::start(vec![framed("POST"), framed("PUT"), deleting]).await;
    let client = Client::new(server.address());
    client.post("/x", &json!(true)).await.expect(201);
    client.put("/x", &json!(true)).await.expect(201);
    client.delete("/x").await.expect(204);
    server.assert_played().await;
}

#[tokio::test]
async fn raw_bytes_are_sent_as_they_are() {
    let script = Script::new()
        .expect("GARBAGE")
        .send("HTTP/1.1 400 Bad Request")
        .close();
    let server = Scripted::start(vec![script]).await;
    let answer = Client::new(server.address()).raw(b"GARBAGE\r\n").await;
    assert_eq!(answer, b"HTTP/1.1 400 Bad Request\r\n");
    assert_eq!(Client::new(server.address()).address(), server.address());
}
