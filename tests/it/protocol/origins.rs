//! Web applications of other origins (product: `http.cors`).

use super::with;
use crate::support::{
    bridge::{Bridge, Builder},
    http::{Answer, Client},
};

const APP: &str = "https://app.example.net";

fn allowing(test: &str, origins: &str) -> Builder {
    let setting = format!("cors = {{ origins = {origins} }}");
    Bridge::builder(test)
        .message("INBOX", "f05-mms-plain.eml")
        .http_setting(&setting)
}

async fn start(test: &str) -> Bridge {
    allowing(test, &format!("[\"{APP}\", \"http://localhost:3000\"]"))
        .start()
        .await
}

/// What a browser asks before a script may.
async fn preflight(bridge: &Bridge, resource: &str, origin: &str) -> Answer {
    let anyone = Client::new(bridge.client.address());
    let request = anyone.request("OPTIONS", &bridge.target(resource));
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization, if-match"),
    ];
    with(request, &headers).send().await
}

/// The headers that are for browsers.
fn told(answer: &Answer) -> Vec<&str> {
    let headers = answer.headers.iter();
    headers
        .filter(|(name, _)| name.starts_with("access-control-"))
        .map(|(name, _)| name.as_str())
        .collect()
}

fn list<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.header(name).unwrap().split(", ").collect()
}

/// Whether caches are told that the answer depends on the origin.
fn varies(answer: &Answer) -> bool {
    let headers = answer.headers.iter();
    let mut values = headers.filter(|(name, _)| name == "vary");
    values.any(|(_, value)| value.split(", ").any(|name| name == "Origin"))
}

#[tokio::test]
async fn a_browser_is_told_what_a_script_may_ask_without_credentials() {
    let bridge = start("preflight").await;
    for (resource, methods) in [
        ("objects/x/flags", "GET, PUT, HEAD, OPTIONS"),
        ("objects", "POST, OPTIONS"),
        ("folders/x", "GET, DELETE, HEAD, OPTIONS"),
    ] {
        let answer = preflight(&bridge, resource, APP).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        let shown = answer.header("access-control-allow-methods");
        assert_eq!(shown, Some(methods), "{resource}");
        assert_eq!(answer.header("allow"), Some(methods));
        let headers = list(&answer, "access-control-allow-headers");
        for name in [
            "Authorization",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Range",
            "Idempotency-Key",
            "X-Request-Id",
        ] {
            assert!(headers.contains(&name), "{name}");
        }
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert!(varies(&answer));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn a_script_sees_what_it_is_answered_and_why_it_is_refused() {
    let bridge = start("cors_answers").await;
    let object = super::newest(&bridge).await;
    let nobody = Client::new(bridge.client.address());
    for (request, status) in [
        (bridge.request("GET", &object), 200),
        (bridge.request("HEAD", &object), 200),
        (bridge.request("GET", &format!("{object}/payload")), 200),
        (bridge.request("PUT", &format!("{object}/flags/kept")), 201),
        (
            bridge.request("GET", &object).header("If-None-Match", "*"),
            304,
        ),
        (
            bridge.request("GET", &object).header("Accept", "text/html"),
            406,
        ),
        (bridge.request("GET", "objects/none"), 404),
        (bridge.request("GET", "nothing"), 404),
        (bridge.request("PATCH", &object), 405),
        (
            bridge.request("POST", "folders").body("text/plain", "x"),
            415,
        ),
        (
            bridge
                .request("POST", "folders")
                .body("application/json", " ".repeat(2 << 20)),
            413,
        ),
        (nobody.request("GET", &bridge.target(&object)), 401),
    ] {
        let answer = request.clone().header("Origin", APP).send().await;
        let answer = answer.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        let exposed = list(&answer, "access-control-expose-headers");
        for name in [
            "Location",
            "ETag",
            "X-Request-Id",
            "Retry-After",
            "Content-Range",
        ] {
            assert!(exposed.contains(&name), "{name}");
        }
        assert!(varies(&answer));
    }
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_answered_as_ever() {
    let bridge = start("cors_unlisted").await;
    let object = super::newest(&bridge).await;
    let plain = bridge.get(&object).await.expect(200);
    assert_eq!(told(&plain), [""; 0]);
    assert!(varies(&plain), "a cache must not give it to a script");
    for origin in [
        "https://evil.example.net",
        "https://app.example.net.evil.org",
        "https://app.example.net:8443",
        "http://app.example.net",
        "HTTPS://APP.EXAMPLE.NET",
        "null",
        "*",
        "",
    ] {
        let request = bridge.request("GET", &object);
        let answer = request.header("Accept", "application/json");
        let answer = answer.header("Origin", origin).send().await.expect(200);
        assert_eq!(told(&answer), [""; 0], "{origin}");
        assert_eq!(answer.body, plain.body);
        let answer = preflight(&bridge, &object, origin).await.expect(204);
        assert_eq!(told(&answer), [""; 0], "{origin}");
    }
}

#[tokio::test]
async fn anybody_may_ask_where_that_is_configured() {
    let bridge = allowing("cors_anybody", "[\"*\"]").start().await;
    let object = super::newest(&bridge).await;
    for origin in [APP, "null"] {
        let request = bridge.request("GET", &object).header("Origin", origin);
        let answer = request.send().await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert!(!varies(&answer));
        let answer = preflight(&bridge, &object, origin).await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(told(&bridge.get(&object).await), [""; 0]);
}

#[tokio::test]
async fn without_configuration_browsers_are_told_nothing() {
    let bridge = Bridge::builder("cors_none").start().await;
    let answer = preflight(&bridge, "folders", APP).await.expect(204);
    assert_eq!(told(&answer), [""; 0]);
    assert!(!varies(&answer));
}
