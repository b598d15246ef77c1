//! Attachments that are handed on while they are coming in.

use futures_util::FutureExt;

use super::*;

const LENGTH: usize = MEMORY + 1;
const CLOSE: &str = "\r\n--Outer7--";

/// Document, then an attachment that announces its length, then what is behind it.
fn announcing(length: usize, content: &[u8], behind: &str) -> Vec<u8> {
    let mut body = form(&[(ROOT, br#"{"correlationId":"a"}"#)]);
    body.truncate(body.len() - "--Outer7--\r\n".len());
    let header = format!("--Outer7\r\n{ATTACHMENT}\r\nContent-Length: {length}\r\n\r\n");
    body.extend_from_slice(header.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(behind.as_bytes());
    body
}

async fn upload(body: &[u8]) -> Upload<NewObject, Seen> {
    let upload = receive(FORM, whole(body), &limits(), object).await;
    upload.unwrap_or_else(|told| panic!("{told:?}"))
}

/// The attachment, which must be the only one and on its way.
fn incoming(upload: Upload<NewObject, Seen>) -> Box<Incoming> {
    assert_eq!(upload.attachments.len(), 1);
    match upload.attachments.into_iter().next().unwrap().content {
        Content::Incoming(incoming) => incoming,
        Content::Received(_) => panic!("received"),
    }
}

/// All octets of the stream, or how many there were before it failed and with what.
async fn read(incoming: Box<Incoming>) -> Result<Vec<u8>, (usize, (u16, String))> {
    let (mut stream, failure) = incoming.stream();
    let mut octets = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => octets.extend_from_slice(&piece),
            Err(_) => return Err((octets.len(), told(failure.get().unwrap()))),
        }
    }
    assert_eq!(failure.get(), None);
    Ok(octets)
}

#[tokio::test]
async fn a_last_attachment_of_known_length_is_handed_on() {
    let content: Vec<u8> = (0..LENGTH)
        .map(|at| u8::try_from(at % 256).unwrap())
        .collect();
    for behind in [CLOSE, "\r\n--Outer7--\r\n"] {
        let upload = upload(&announcing(LENGTH, &content, behind)).await;
        assert_eq!(upload.root.correlation_id.as_deref(), Some("a"));
        let incoming = incoming(upload);
        assert_eq!(incoming.length(), u64::try_from(LENGTH).unwrap());
        assert_eq!(read(incoming).await.unwrap(), content);
    }
    let lines = announcing(LENGTH, &vec![b'x'; LENGTH], CLOSE);
    let lines: Vec<u8> = lines.into_iter().filter(|octet| *octet != b'\r').collect();
    assert_eq!(
        read(incoming(upload(&lines).await)).await.unwrap().len(),
        LENGTH
    );
}

#[tokio::test]
async fn what_is_not_known_for_certain_is_received_first() {
    let content = vec![b'x'; LENGTH];
    let two = format!("\r\n--Outer7\r\n{ATTACHMENT}\r\n\r\ntwo{CLOSE}");
    for (body, count) in [
        // Memory is the better place for it.
        (announcing(MEMORY, &content[1..], CLOSE), 1),
        // Its own length disagrees with the request's, and then does not count (contract §3.2).
        (announcing(LENGTH - 1, &content, CLOSE), 1),
        (announcing(LENGTH + 1, &content, CLOSE), 1),
        (announcing(LENGTH, &content, "\r\n--Outer7-- \r\n"), 1),
        (
            announcing(LENGTH, &content, "\r\n--Outer7--\r\nepilogue"),
            1,
        ),
        // It is not the last.
        (announcing(LENGTH, &content, &two), 2),
    ] {
        assert_eq!(contents(upload(&body).await).await.len(), count);
    }
    // The request says no length.
    let body = announcing(LENGTH, &content, CLOSE);
    let pieces = body.chunks(10_000).map(<[u8]>::to_vec).collect();
    let unannounced = receive(FORM, chunked(pieces), &limits(), object).await;
    assert_eq!(contents(unannounced.ok().unwrap()).await, [&content[..]]);
    // The document comes behind it.
    let length = format!("{ATTACHMENT}\r\nContent-Length: {LENGTH}");
    let body = form(&[(&length, &content), (ROOT, b"{}")]);
    assert_eq!(contents(upload(&body).await).await, [content]);
}

#[tokio::test]
async fn another_length_than_announced_never_ends_well() {
    let attachments = (400, "attachments".to_owned());
    let content = vec![b'x'; LENGTH];
    let within = |early: &str| {
        let mut content = content.clone();
        content[100..100 + early.len()].copy_from_slice(early.as_bytes());
        announcing(LENGTH, &content, CLOSE)
    };
    for body in [
        // Octets in place of the delimiter.
        announcing(LENGTH, &content, &"x".repeat(CLOSE.len())),
        // Delimiters before the length is reached.
        within("\r\n--Outer7--\r\n"),
        within(&format!("\r\n--Outer7\r\n{ATTACHMENT}\r\n\r\n")),
        // A delimiter in its place, but not the last.
        announcing(LENGTH, &content, "\r\n--Outer7\r\n"),
    ] {
        let outcome = read(incoming(upload(&body).await)).await;
        let Err((octets, told)) = outcome else {
            panic!("read to the end");
        };
        assert!(octets < LENGTH && told == attachments, "{octets} {told:?}");
    }
}

#[tokio::test]
async fn the_last_piece_waits_for_the_delimiter() {
    let content = vec![b'x'; LENGTH];
    let body = Bytes::from(announcing(LENGTH, &content, CLOSE));
    let (sender, channel) = channel(4);
    let announced = Announced(channel, u64::try_from(body.len()).unwrap());
    let before = body.len() - CLOSE.len();
    sender.send(body.slice(..before)).await.unwrap();
    let upload = receive(FORM, announced, &limits(), object).await;
    let (mut stream, _) = incoming(upload.ok().unwrap()).stream();
    let mut octets = 0;
    while let Some(piece) = stream.next().now_or_never() {
        octets += piece.unwrap().unwrap().len();
    }
    assert!((1..LENGTH).contains(&octets), "{octets}");
    sender.send(body.slice(before..)).await.unwrap();
    drop(sender);
    while let Some(piece) = stream.next().await {
        octets += piece.unwrap().len();
    }
    assert_eq!(octets, LENGTH);
}

#[tokio::test]
async fn nothing_is_asked_of_the_client_before_it_is_wanted() {
    let content = vec![b'x'; 20 * MEMORY];
    let body = Bytes::from(announcing(content.len(), &content, CLOSE));
    let (sender, channel) = channel(1);
    let announced = Announced(channel, u64::try_from(body.len()).unwrap());
    let starts = (0..body.len()).step_by(MEMORY / 2);
    let mut pieces = starts.map(|at| body.slice(at..body.len().min(at + MEMORY / 2)));
    sender.send(pieces.next().unwrap()).await.unwrap();
    let upload = receive(FORM, announced, &limits(), object).await;
    let (mut stream, _) = incoming(upload.ok().unwrap()).stream();
    // One piece fits into the channel, the next waits for the reader.
    let mut waits = 0;
    for piece in pieces {
        while sender.try_send(piece.clone()).is_err() {
            waits += 1;
            assert!(stream.next().await.unwrap().is_ok());
        }
    }
    assert!(waits >= 30, "{waits}");
}

#[tokio::test]
async fn who_needs_to_know_an_attachment_first_receives_it() {
    let content = vec![b'x'; LENGTH];
    let taken = incoming(upload(&announcing(LENGTH, &content, CLOSE)).await);
    let received = taken.receive(&spool(), Seen::default()).await.ok().unwrap();
    assert_eq!(received.blob.len(), u64::try_from(LENGTH).unwrap());
    assert_eq!(received.digest, digest(&SHA256, &content).as_ref());
    assert_eq!(received.scan.0, content);
    let longer = announcing(LENGTH, &content, &"x".repeat(CLOSE.len()));
    let longer = incoming(upload(&longer).await);
    let failed = longer.receive(&spool(), Seen::default()).await;
    assert_eq!(
        told(&failed.err().unwrap()),
        (400, "attachments".to_owned())
    );
}

/// A body with an announced length.
struct Announced<B>(B, u64);

impl<B: HttpBody + Unpin> HttpBody for Announced<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1)
    }
}
