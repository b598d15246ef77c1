//! Headers, framing, and octets that are no HTTP at all.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{Attempt, BUSY, Target, WAITING, strings::strings};
use crate::support::dovecot;

/// Headers that the bridge reads.
const HEADERS: [&str; 16] = [
    "Authorization",
    "Accept",
    "Accept-Encoding",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Range",
    "Upgrade",
    "X-Forwarded-Host",
    "X-Request-Id",
];

fn head(target: &Target, method: &str, resource: &str, more: &[u8]) -> Vec<u8> {
    let token = BASE64_STANDARD.encode(format!("{}:secret", target.account.login));
    let head = format!(
        "{method} {} HTTP/1.1\r\nHost: bridge\r\nAuthorization: Basic {token}\r\nConnection: close\r\n",
        target.target(resource)
    );
    [head.as_bytes(), more, b"\r\n"].concat()
}

#[tokio::test]
async fn anything_in_a_header_is_answered() {
    let target = Target::start("hostile_headers").await;
    let mut attempts = Vec::new();
    let odd = [
        &b"*/*;q=nan"[..],
        b"application/json;q=1e309",
        b"text/html, application/xhtml+xml;q=0.9",
        b"gzip;q=0, *;q=0",
        b"bytes=0-0,5-9,99999999999999999999-",
        b"bytes=-1",
        b"bytes=9-1",
        b"100-continue",
        b"200-maybe",
        b"h2c",
        b"websocket",
        b"close, upgrade",
        b"chunked, identity",
        b"identity",
        b"-5",
        b"5, 5",
        b"18446744073709551616",
        b"Basic",
        b"Basic =",
        b"Basic AAAA",
        b"Bearer x",
        b"Digest username=\"x\"",
        b"*",
        b"\"a\", W/\"b\", c",
        b"evil.example:80@bridge",
        b"bridge, evil",
        b"[::1",
        b"a b",
    ];
    for name in HEADERS {
        for value in strings().iter().map(Vec::as_slice).chain(odd) {
            for twice in [false, value.len() % 3 == 0] {
                let line = [name.as_bytes(), b": ", value, b"\r\n"].concat();
                let more = if twice { line.repeat(2) } else { line };
                let shown = String::from_utf8_lossy(value).into_owned();
                let bytes = head(&target, "GET", &target.object, &more);
                attempts.push(Attempt::raw(format!("{name}: {shown:?} {twice}"), bytes));
            }
        }
    }
    // Many of them, and too long ones.
    for (count, size) in [
        (1, 20_000),
        (1, 40_000),
        (1, 400_000),
        (90, 10),
        (200, 10),
        (5000, 10),
    ] {
        let more = format!("X-Many: {}\r\n", "x".repeat(size)).repeat(count);
        let bytes = head(&target, "GET", &target.object, more.as_bytes());
        attempts.push(Attempt::raw(format!("{count} headers of {size}"), bytes));
    }
    target.attack(BUSY, attempts).await;
    target.end().await;
}

/// Credentials that no LOGIN could carry, or that try to be a second line.
#[tokio::test]
async fn anything_in_the_credentials_stays_an_argument() {
    let target = Target::start("hostile_credentials").await;
    let mut attempts = Vec::new();
    for string in strings() {
        // A box of its own for each: the next guess at the same one would have to wait for its turn.
        let account = dovecot::account("hostile_credentials");
        let login = account.login.as_bytes();
        let uri = format!(
            "/nms/v1/cpm/{}/folders/operations/pathToId",
            account.box_id()
        );
        for pair in [
            [login, b":", &string].concat(),
            [&string, &b":secret"[..]].concat(),
            [login, &string, b":secret"].concat(),
            string.clone(),
        ] {
            let token = BASE64_STANDARD.encode(&pair);
            let bytes = format!(
                "GET {uri} HTTP/1.1\r\nHost: bridge\r\nConnection: close\r\nAuthorization: Basic {token}\r\n\r\n"
            );
            let what = format!("{:?}", String::from_utf8_lossy(&pair));
            attempts.push(Attempt::raw(what, bytes));
        }
    }
    target.attack(WAITING, attempts).await;
    target.end().await;
}

const CHUNKED: &[u8] = b"Transfer-Encoding: chunked\r\n";

/// A name, the headers that frame the body, and the body.
const FRAMINGS: &[(&str, &[u8], &[u8])] = &[
    (
        "good chunks",
        CHUNKED,
        b"14\r\n{\"flagList\":{\"flag\":\r\n8\r\n[\"$One\"]\r\n2\r\n}}\r\n0\r\n\r\n",
    ),
    (
        "a chunk that is no number",
        CHUNKED,
        b"zz\r\n{}\r\n0\r\n\r\n",
    ),
    (
        "a chunk of 2^64",
        CHUNKED,
        b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
    ),
    ("a huge chunk", CHUNKED, b"7FFFFFFFFFFFFFFF\r\n{}"),
    ("a negative chunk", CHUNKED, b"-1\r\n{}\r\n0\r\n\r\n"),
    ("a chunk without its end", CHUNKED, b"2\r\n{}0\r\n\r\n"),
    ("chunks that stop", CHUNKED, b"5\r\n{\"a\""),
    (
        "a chunk extension",
        CHUNKED,
        b"2;a=\"b\r\nc\"\r\n{}\r\n0\r\n\r\n",
    ),
    (
        "trailers",
        CHUNKED,
        b"2\r\n{}\r\n0\r\nX-Injected: yes\r\nAuthorization: none\r\n\r\n",
    ),
    ("LF only", CHUNKED, b"2\n{}\n0\n\n"),
    ("a long chunk size", CHUNKED, &[b'0'; 5000]),
    (
        "length and chunks",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ),
    (
        "two lengths",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"{}x",
    ),
    (
        "too short a length",
        b"Content-Length: 1\r\n",
        b"{}DELETE / HTTP/1.1\r\n\r\n",
    ),
    ("too long a length", b"Content-Length: 900\r\n", b"{}"),
    (
        "far too long a length",
        b"Content-Length: 99999999999\r\n",
        b"{}",
    ),
    ("a signed length", b"Content-Length: +2\r\n", b"{}"),
    ("a length in hex", b"Content-Length: 0x2\r\n", b"{}"),
    ("no length", b"", b"{}"),
    (
        "chunked twice",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"0\r\n\r\n",
    ),
    ("gzip", b"Transfer-Encoding: gzip\r\n", b"{}"),
    (
        "obs-fold",
        b"Transfer-Encoding:\r\n chunked\r\n",
        b"0\r\n\r\n",
    ),
    ("a blank before the colon", b"Content-Length : 2\r\n", b"{}"),
    (
        "expect",
        b"Expect: 100-continue\r\nContent-Length: 2\r\n",
        b"{}",
    ),
];

#[tokio::test]
async fn bodies_that_are_framed_wrongly_are_answered_or_cut_off() {
    let target = Target::start("hostile_framing").await;
    let flags = format!("{}/flags", target.object);
    let json = b"Content-Type: application/json\r\n";
    let mut attempts = Vec::new();
    for (what, framing, body) in FRAMINGS {
        for (method, resource) in [
            ("PUT", flags.as_str()),
            ("POST", "folders"),
            ("GET", &target.object),
        ] {
            let mut bytes = head(&target, method, resource, &[&json[..], framing].concat());
            bytes.extend_from_slice(body);
            attempts.push(Attempt::raw(format!("{what} to {method}"), bytes));
        }
    }
    target.attack(WAITING, attempts).await;
    target.end().await;
}

#[tokio::test]
async fn octets_that_are_no_http_harm_nobody() {
    let target = Target::start("hostile_octets").await;
    let mut attempts: Vec<Attempt> = [
        &b"\r\n\r\n\r\n\r\n"[..],
        b"\0\0\0\0\0\0\0\0",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://evil.example/nms/v1/cpm/tel:+1/folders HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"CONNECT evil.example:25 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\n\n",
        b"GET / HTTP/1.1\rHost: a\r\r",
        b"GET / HTTP/1.1\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\0: y\r\n\r\n",
        b"A0001 LOGIN a b\r\nA0002 LOGOUT\r\n",
        b"EHLO evil\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x08\x06\0\0\0\0\0abcdefgh\0\0\0\x04\0\0\0\0\0",
    ]
    .into_iter()
    .map(|bytes| Attempt::raw(format!("{:?}", String::from_utf8_lossy(bytes)), bytes))
    .collect();
    attempts.push(Attempt::raw("a long line", b"G".repeat(200_000)));
    attempts.push(Attempt::raw(
        "a long target",
        [
            &b"GET /"[..],
            &b"a".repeat(100_000),
            b" HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        .concat(),
    ));
    // Reproducible noise.
    let mut state = 0x9E37_79B9_u32;
    for round in 0..60 {
        let noise: Vec<u8> = (0..=round)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect();
        attempts.push(Attempt::raw(format!("noise {round}"), noise.clone()));
        attempts.push(Attempt::raw(
            format!("noise {round} in a header"),
            head(&target, "GET", &target.object, &noise),
        ));
    }
    target.attack(WAITING, attempts).await;
    target.resource(&target.object).await;
    target.end().await;
}
