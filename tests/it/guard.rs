//! async-imap with the guard beneath it and without: every failure of its reading that was found is shown, and shown cured.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod hostile;
mod properties;
mod session;
mod typed;

use std::fmt::Debug;

use async_imap::{Client, Session};
use cpm_bridge::imap::guard::{Guard, Limits};
use cpm_bridge::imap::response::{Response, Status, Tagged, Untagged};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream};

/// A peer that knows no IMAP: it greets, accepts LOGIN, and gives each further command the next reply. `TAG` at the start
/// of a line is the command's tag. A reply that ends in `<close>` is the last. Without a reply left it says OK.
fn peer(replies: &[&[u8]]) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(256 * 1024);
    let replies: Vec<Vec<u8>> = replies.iter().map(|reply| reply.to_vec()).collect();
    cpm_bridge::task::spawn(async move {
        // The test may be done with it at any time.
        let _ = play(theirs, replies).await;
    });
    ours
}

async fn play(stream: DuplexStream, replies: Vec<Vec<u8>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK hello\r\n").await?;
    let mut replies = replies.into_iter();
    let mut line = Vec::new();
    while stream.read_until(b'\n', &mut line).await? > 0 {
        let tag = line.split(|byte| *byte == b' ').next().unwrap().to_vec();
        let is_login = line[tag.len()..].starts_with(b" LOGIN");
        let reply = if is_login { None } else { replies.next() };
        let reply = reply.unwrap_or_else(|| b"TAG OK done\r\n".to_vec());
        let closes = reply.ends_with(b"<close>");
        let text = reply.strip_suffix(b"<close>").unwrap_or(&reply);
        stream.write_all(&with_tag(text, &tag)).await?;
        stream.flush().await?;
        if closes {
            return Ok(());
        }
        line.clear();
    }
    Ok(())
}

fn with_tag(text: &[u8], tag: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let rest = line.strip_prefix(b"TAG");
        lines.extend_from_slice(rest.map_or(b"", |_| tag));
        lines.extend_from_slice(rest.unwrap_or(line));
    }
    lines
}

/// Greeting and LOGIN.
async fn log_in<T>(stream: T) -> Session<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Debug + Send,
{
    let mut client = Client::new(stream);
    assert!(client.read_response().await.unwrap().is_some());
    client.login("u", "p").await.unwrap()
}

type Guarded = Session<Guard<DuplexStream>>;

/// A session over the guard, with nothing left to pop.
async fn guarded(replies: &[&[u8]]) -> Guarded {
    let mut session = log_in(Guard::new(peer(replies), Limits::default())).await;
    while session.get_mut().pop().is_some() {}
    session
}

/// A session with the guard bypassed.
async fn bypassed(replies: &[&[u8]]) -> Session<DuplexStream> {
    log_in(peer(replies)).await
}

/// One response as the guard gives it; `None` at the end.
async fn next(session: &mut Guarded) -> std::io::Result<Option<Response>> {
    if session.read_response().await?.is_none() {
        return Ok(None);
    }
    let response = session.get_mut().pop();
    assert!(
        response.is_some(),
        "async-imap was shown what cannot be popped"
    );
    assert_eq!(
        session.get_mut().pop(),
        None,
        "more than one response a read"
    );
    Ok(response)
}

/// Runs a command to its tagged line.
async fn run(session: &mut Guarded, command: &str) -> (Vec<Untagged>, Tagged) {
    let id = session.run_command(command).await.unwrap();
    let mut untagged = Vec::new();
    loop {
        match next(session).await.unwrap().expect("closed") {
            Response::Untagged(data) => untagged.push(data),
            Response::Tagged(tagged) => {
                assert_eq!(tagged.tag, id.0);
                return (untagged, tagged);
            }
            Response::Continuation => {}
        }
    }
}

/// The untagged data of a reply that ends in OK, after which the session still works.
async fn read_guarded(data: &[u8]) -> Vec<Untagged> {
    let reply = [data, b"TAG OK done\r\n"].concat();
    let mut session = guarded(&[&reply]).await;
    let (untagged, tagged) = run(&mut session, "X").await;
    assert_eq!(tagged.status, Status::Ok);
    let (rest, tagged) = run(&mut session, "NOOP").await;
    assert_eq!((rest, tagged.status), (vec![], Status::Ok));
    assert!(!session.get_ref().has_buffered());
    untagged
}

/// What async-imap by itself makes of the same: each response as it prints, or the error that ends the session.
async fn read_bypassed(data: &[u8]) -> Result<Vec<String>, std::io::Error> {
    let reply = [data, b"TAG OK done\r\n"].concat();
    let mut session = bypassed(&[&reply]).await;
    session.run_command("X").await.unwrap();
    let mut responses = Vec::new();
    loop {
        match session.read_response().await {
            Ok(Some(response)) => {
                if matches!(response.parsed(), imap_proto::Response::Done { .. }) {
                    return Ok(responses);
                }
                responses.push(format!("{:?}", response.parsed()));
            }
            Ok(None) => panic!("closed"),
            Err(error) => {
                // The session is over: whatever the server still says is never read.
                assert!(session.read_response().await.unwrap().is_none());
                return Err(error);
            }
        }
    }
}
