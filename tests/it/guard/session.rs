//! The guard under async-imap's own business: greeting, login, SASL, STARTTLS; and answers of every size.

use async_imap::{Authenticator, Client};
use cpm_bridge::imap::guard::{Guard, Limits};
use cpm_bridge::imap::response::{Code, Response, Status, Tagged, Untagged};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{guarded, peer, read_guarded, run};

/// A client whose server has said all this already.
async fn client_of(said: &[u8]) -> (Client<Guard<DuplexStream>>, DuplexStream) {
    let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
    theirs.write_all(said).await.unwrap();
    (Client::new(Guard::new(ours, Limits::default())), theirs)
}

fn pop_all(client: &mut Client<Guard<DuplexStream>>) -> Vec<Response> {
    std::iter::from_fn(|| client.get_mut().pop()).collect()
}

#[tokio::test]
async fn every_greeting_is_told_apart() {
    for (said, status) in [
        ("* OK [CAPABILITY IMAP4rev1] hi\r\n", Status::Ok),
        ("* PREAUTH hi\r\n", Status::PreAuth),
        ("* BYE full\r\n", Status::Bye),
    ] {
        let (mut client, _server) = client_of(said.as_bytes()).await;
        assert!(client.read_response().await.unwrap().is_some());
        let [Response::Untagged(Untagged::Status { status: read, .. })] = pop_all(&mut client)[..]
        else {
            panic!()
        };
        assert_eq!(read, status);
    }
}

#[tokio::test]
async fn login_leaves_all_it_read_to_be_popped() {
    let said = b"* CAPABILITY IMAP4rev2\r\nA0001 OK [CAPABILITY IDLE] in\r\n";
    let (client, _server) = client_of(said).await;
    let mut session = client.login("u", "p").await.unwrap();
    let words = |word: &str| vec![word.to_owned()];
    assert_eq!(
        session.get_mut().pop(),
        Some(Response::Untagged(Untagged::Capability(words("IMAP4rev2"))))
    );
    assert_eq!(
        session.get_mut().pop(),
        Some(Response::Tagged(Tagged {
            tag: "A0001".to_owned(),
            status: Status::Ok,
            code: Some(Code::Capability(words("IDLE"))),
            text: "in".to_owned(),
        }))
    );
    assert_eq!(session.get_mut().pop(), None);
}

#[tokio::test]
async fn a_refused_login_keeps_its_code() {
    let (client, _server) = client_of(b"A0001 NO [AUTHENTICATIONFAILED] no\r\n").await;
    let Err((async_imap::error::Error::No(_), mut client)) = client.login("u", "p").await else {
        panic!()
    };
    let popped = pop_all(&mut client);
    assert!(matches!(
        &popped[..],
        [Response::Tagged(Tagged {
            code: Some(Code::AuthenticationFailed),
            ..
        })]
    ));
}

struct Plain;

impl Authenticator for Plain {
    type Response = Vec<u8>;

    fn process(&mut self, challenge: &[u8]) -> Vec<u8> {
        assert_eq!(challenge, b"");
        b"\0u\0p".to_vec()
    }
}

#[tokio::test]
async fn sasl_goes_on_whatever_the_challenge_says() {
    for challenge in [
        "+\r\n",
        "+ \r\n",
        "+ not base64!\r\n",
        "+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",
    ] {
        let said = format!("{challenge}A0001 OK in\r\n");
        let (client, mut server) = client_of(said.as_bytes()).await;
        let mut session = client.authenticate("PLAIN", Plain).await.unwrap();
        assert_eq!(session.get_mut().pop(), Some(Response::Continuation));
        assert!(matches!(session.get_mut().pop(), Some(Response::Tagged(_))));
        drop(session);
        let mut sent = String::new();
        server.read_to_string(&mut sent).await.unwrap();
        assert_eq!(sent, "A0001 AUTHENTICATE PLAIN\r\nAHUAcA==\r\n");
    }
}

#[tokio::test]
async fn plaintext_behind_the_answer_to_starttls_is_noticed() {
    for (injected, noticed) in [
        ("", false),
        ("* OK", true),
        ("A0002 OK\r\n", true),
        ("\n", true),
    ] {
        let said = format!("A0001 OK begin\r\n{injected}");
        let (mut client, _server) = client_of(said.as_bytes()).await;
        client
            .run_command_and_check_ok("STARTTLS", None)
            .await
            .unwrap();
        assert!(client.get_ref().has_buffered());
        assert_eq!(pop_all(&mut client).len(), 1);
        assert_eq!(client.get_ref().has_buffered(), noticed, "{injected:?}");
        let _: DuplexStream = client.into_inner().into_inner();
    }
}

#[tokio::test]
async fn a_read_that_was_given_up_loses_nothing() {
    let (mut client, mut server) = client_of(b"* 3 EXI").await;
    for _ in 0..3 {
        tokio::select! {
            biased;
            _ = client.read_response() => panic!("incomplete"),
            () = tokio::task::yield_now() => {}
        }
    }
    server.write_all(b"STS\r\n").await.unwrap();
    client.read_response().await.unwrap().unwrap();
    assert_eq!(
        pop_all(&mut client),
        [Response::Untagged(Untagged::Exists(3))]
    );
}

#[tokio::test]
async fn a_million_uids_come_in_pieces_that_each_byte_is_read_once_for() {
    let mut line = "* SEARCH".to_owned();
    for uid in 1..=1_000_000 {
        line.push_str(&format!(" {uid}"));
    }
    line.push_str("\r\n");
    let untagged = read_guarded(line.as_bytes()).await;
    // Pieces of a fixed length: work and stand-ins grow with the line and no faster.
    assert_eq!(untagged.len(), 1_000_000_usize.div_ceil(8192));
    let mut uids = Vec::new();
    for data in untagged {
        let Untagged::Search { numbers, .. } = data else {
            panic!()
        };
        uids.extend(numbers);
    }
    assert!(uids.into_iter().eq(1..=1_000_000));
}

#[tokio::test]
async fn a_million_uids_of_an_extended_search_are_one_response() {
    let ranges: Vec<String> = (0..500_000)
        .map(|number| (number * 4 + 1).to_string())
        .collect();
    let line = format!("* ESEARCH UID ALL {}\r\n", ranges.join(","));
    assert!(line.len() > Limits::default().line);
    let mut untagged = read_guarded(line.as_bytes()).await;
    let Some(Untagged::ExtendedSearch(search)) = untagged.pop() else {
        panic!()
    };
    assert_eq!((untagged.len(), search.all.len()), (0, 500_000));
}

#[tokio::test]
async fn literals_of_every_size_come_whole() {
    for size in [0, 1, 4095, 65_536, 1_000_000, 4 * 1024 * 1024] {
        let body: Vec<u8> = (0..size)
            .map(|at: usize| (at % 251).to_le_bytes()[0])
            .collect();
        let head = format!("* 1 FETCH (BODY[] {{{size}}}\r\n");
        let line = [head.as_bytes(), &body, b" UID 7)\r\n* 2 EXISTS\r\n"].concat();
        let mut untagged = read_guarded(&line).await;
        assert_eq!(untagged.pop(), Some(Untagged::Exists(2)));
        let Some(Untagged::Fetch(fetch)) = untagged.pop() else {
            panic!()
        };
        assert_eq!(fetch.uid, Some(7));
        assert!(
            fetch.sections[0].bytes.as_deref() == Some(&body[..]),
            "{size}"
        );
    }
}

#[tokio::test]
async fn pipelined_commands_are_told_apart_by_tag() {
    let mut session = guarded(&[b"* 1 EXISTS\r\nTAG OK\r\n", b"TAG NO\r\n"]).await;
    let first = session.run_command("X").await.unwrap();
    let (untagged, tagged) = {
        session.run_command("Y").await.unwrap();
        // `run` would wait for its own tag; these two were sent before anything was read.
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(super::next(&mut session).await.unwrap().unwrap());
        }
        (seen.remove(0), seen)
    };
    assert_eq!(untagged, Response::Untagged(Untagged::Exists(1)));
    assert!(
        matches!(&tagged[0], Response::Tagged(line) if line.tag == first.0 && line.status == Status::Ok)
    );
    assert!(matches!(&tagged[1], Response::Tagged(line) if line.status == Status::No));
    assert_eq!(run(&mut session, "NOOP").await.1.status, Status::Ok);
}

#[tokio::test]
async fn nothing_of_the_mail_is_in_the_debug_output() {
    let mut session = guarded(&[b"* 1 FETCH (BODY[] {6}\r\nsecret)\r\n"]).await;
    session.run_command("X").await.unwrap();
    session.read_response().await.unwrap();
    let guard = Guard::new(peer(&[]), Limits::default());
    assert!(!format!("{:?}{guard:?}", session.get_ref()).contains("secret"));
}
