//! Bounds: each is crossed, ends the connection with its name, and leaves what came before readable.

use async_imap::Client;
use cpm_bridge::imap::guard::{Bound, Guard, Limits, Violation};
use cpm_bridge::imap::response::{Response, Untagged};
use tokio::io::{AsyncWriteExt, DuplexStream};

fn small() -> Limits {
    Limits {
        line: 1000,
        literal: 500,
        response: 2000,
        depth: 5,
        search: 5000,
        ..Limits::default()
    }
}

/// A client of a server that sends this, over and over when `forever`, and never closes.
fn client_of(said: Vec<u8>, forever: bool) -> Client<Guard<DuplexStream>> {
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    cpm_bridge::task::spawn(async move {
        let mut head = &b"* 1 EXISTS\r\n"[..];
        let _ = theirs.write_all_buf(&mut head).await;
        while theirs.write_all(&said).await.is_ok() && forever {}
        std::future::pending::<()>().await;
    });
    Client::new(Guard::new(ours, small()))
}

/// The bound that ends the stream, after the responses that came before.
async fn bound(mut client: Client<Guard<DuplexStream>>) -> Bound {
    let mut popped = Vec::new();
    let error = loop {
        match client.read_response().await {
            Ok(Some(_)) => popped.extend(client.get_mut().pop()),
            Ok(None) => panic!("closed"),
            Err(error) => break error,
        }
    };
    assert_eq!(
        popped.first(),
        Some(&Response::Untagged(Untagged::Exists(1)))
    );
    let violation = Violation::of(&error).expect("the error names its cause");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(error.to_string(), violation.to_string());
    violation.what
}

async fn bound_of(said: &str) -> Bound {
    bound(client_of(said.as_bytes().to_vec(), false)).await
}

async fn bound_of_endless(start: &str, piece: &str) -> Bound {
    let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
    let (start, piece) = (start.to_owned(), piece.to_owned());
    cpm_bridge::task::spawn(async move {
        let _ = theirs.write_all(b"* 1 EXISTS\r\n").await;
        let _ = theirs.write_all(start.as_bytes()).await;
        while theirs.write_all(piece.as_bytes()).await.is_ok() {}
    });
    bound(Client::new(Guard::new(ours, small()))).await
}

#[tokio::test]
async fn a_long_line_is_a_violation_ended_or_not() {
    assert_eq!(
        bound_of(&format!("* FOO {}\r\n", "x".repeat(1000))).await,
        Bound::Line
    );
    assert_eq!(bound_of_endless("* FOO ", "x").await, Bound::Line);
    assert_eq!(bound_of_endless("", "x").await, Bound::Line);
    assert_eq!(bound_of_endless("A0001 OK ", "x").await, Bound::Line);
}

#[tokio::test]
async fn an_announced_literal_is_a_violation_before_its_first_byte() {
    for size in [
        "501",
        "4294967296",
        "18446744073709551615",
        "999999999999999999999999999",
    ] {
        assert_eq!(
            bound_of(&format!("* 1 FETCH (BODY[] {{{size}}}\r\n")).await,
            Bound::Literal
        );
        assert_eq!(
            bound_of(&format!("* 1 FETCH (BINARY[] ~{{{size}+}}\r\n")).await,
            Bound::Literal
        );
    }
}

#[tokio::test]
async fn many_small_literals_are_a_violation() {
    assert_eq!(
        bound_of_endless("* 1 FETCH (", "BODY[1] {300}\r\n").await,
        Bound::Response
    );
    assert_eq!(bound_of_endless("* FOO ", "{0}\r\n").await, Bound::Line);
}

#[tokio::test]
async fn deep_parentheses_are_a_violation() {
    assert_eq!(
        bound_of(&format!("* 1 FETCH (X {})\r\n", "(".repeat(60))).await,
        Bound::Depth
    );
}

#[tokio::test]
async fn a_search_has_a_bound_of_its_own() {
    assert_eq!(bound_of_endless("* SEARCH", " 12345").await, Bound::Search);
    assert_eq!(bound_of_endless("* SEARCH ", "1").await, Bound::Search);
    assert_eq!(
        bound_of_endless("* ESEARCH ALL 1", ",12345").await,
        Bound::Search
    );
    assert_eq!(
        bound_of_endless("* VANISHED 1", ",12345").await,
        Bound::Search
    );
    let mut client = client_of(
        format!("* SEARCH{}\r\n* 2 EXISTS\r\n", " 12345".repeat(800)).into(),
        false,
    );
    client.read_response().await.unwrap().unwrap();
    client.get_mut().pop();
    client.read_response().await.unwrap().unwrap();
    let Some(Response::Untagged(Untagged::Search { numbers, .. })) = client.get_mut().pop() else {
        panic!()
    };
    assert_eq!(numbers.len(), 800);
}

#[tokio::test]
async fn responses_nobody_pops_do_not_pile_up() {
    let client = client_of(b"* 1 EXISTS\r\n".to_vec(), true);
    let Err((async_imap::error::Error::Io(error), _)) = client.login("u", "p").await else {
        panic!()
    };
    assert_eq!(
        Violation::of(&error),
        Some(Violation {
            what: Bound::Waiting
        })
    );
}

#[tokio::test]
async fn within_the_bounds_nothing_is_a_violation() {
    let literal = "y".repeat(500);
    let line = format!(
        "* FLAGS ({})\r\n* 1 FETCH (BODY[1] {{500}}\r\n{literal} BODY[2] {{500}}\r\n{literal})\r\n* OK (((((((((((((((\r\n",
        "x ".repeat(490)
    );
    let mut client = client_of(line.into(), false);
    for _ in 0..4 {
        client.read_response().await.unwrap().unwrap();
        assert!(!matches!(
            client.get_mut().pop(),
            Some(Response::Untagged(Untagged::Other(_)))
        ));
    }
}
