//! What clients send, from bytes to an upload: forms and their quirks, bounds, and attachments on their way.

mod incoming;
mod wire;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use aws_lc_rs::digest::digest;
use futures_util::TryStreamExt;
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, SizeHint};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;
use crate::nms::{NewObject, NewObjectList, encode::Format};

const FORM: &str = "multipart/form-data; boundary=Outer7";
const MEMORY: usize = 64 * 1024;

/// An observer that keeps what it sees.
#[derive(Default)]
struct Seen(Vec<u8>);

impl Observer for Seen {
    fn push(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }
}

fn spool() -> Spool {
    Spool::new(std::env::temp_dir(), MEMORY).unwrap()
}

fn limits() -> LimitsConfig {
    LimitsConfig::default()
}

fn headers(content_type: &[u8]) -> HeaderMap {
    let value = HeaderValue::from_bytes(content_type).unwrap();
    HeaderMap::from_iter([(header::CONTENT_TYPE, value)])
}

/// A form of these parts: header lines and content of each.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (header, content) in parts {
        body.extend_from_slice(format!("--Outer7\r\n{header}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--Outer7--\r\n");
    body
}

const ROOT: &str =
    "Content-Disposition: form-data; name=\"root-fields\"\r\nContent-Type: application/json";
const ATTACHMENT: &str = "Content-Disposition: form-data; name=\"attachments\"";

fn object(format: Format, document: &[u8]) -> Result<NewObject, Failure> {
    Ok(format.read("object", document)?)
}

fn objects(format: Format, document: &[u8]) -> Result<NewObjectList, Failure> {
    Ok(format.read("objectList", document)?)
}

/// A body without an announced length.
fn chunked(pieces: Vec<Vec<u8>>) -> impl HttpBody<Data = Bytes, Error = Infallible> + Send {
    let frames = pieces
        .into_iter()
        .map(|piece| Ok(Frame::data(piece.into())));
    StreamBody::new(stream::iter(frames))
}

/// A body of what is sent, as long as somebody may send.
fn channel(
    capacity: usize,
) -> (
    mpsc::Sender<Bytes>,
    impl HttpBody<Data = Bytes, Error = Infallible> + Send + Unpin,
) {
    let (sender, receiver) = mpsc::channel(capacity);
    let frames = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Bytes>| {
        let bytes = receiver.recv().await?;
        Some((Ok(Frame::data(bytes)), receiver))
    });
    (sender, StreamBody::new(Box::pin(frames)))
}

fn whole(body: &[u8]) -> Full<Bytes> {
    Full::new(Bytes::copy_from_slice(body))
}

/// What is told to the client: status and first variable.
fn told(failure: &Failure) -> (u16, String) {
    let error = &failure.error;
    let exception = error
        .service_exception
        .as_ref()
        .or(error.policy_exception.as_ref());
    let variable = exception.and_then(|exception| exception.variables.first().cloned());
    (failure.status.as_u16(), variable.unwrap_or_default())
}

async fn receive<R>(
    content_type: &str,
    body: impl HttpBody<Data = Bytes, Error = Infallible> + Send + 'static,
    limits: &LimitsConfig,
    read: impl Fn(Format, &[u8]) -> Result<R, Failure>,
) -> Result<Upload<R, Seen>, (u16, String)> {
    let headers = headers(content_type.as_bytes());
    let spool = spool();
    let form = Form::new(&headers, body, limits, &spool).map_err(|failure| told(&failure))?;
    let upload = form.receive(read, |_| Seen::default()).await;
    upload.map_err(|failure| told(&failure))
}

async fn refused(content_type: &str, body: &[u8], limits: &LimitsConfig) -> (u16, String) {
    match receive(content_type, whole(body), limits, object).await {
        Ok(_) => panic!("received"),
        Err(told) => told,
    }
}

/// The attachments' octets, when digest, observer and blob agree.
async fn contents<R>(upload: Upload<R, Seen>) -> Vec<Vec<u8>> {
    let mut contents = Vec::new();
    for attachment in upload.attachments {
        let Content::Received(received) = attachment.content else {
            panic!("not received");
        };
        let all = received.blob.read(0..received.blob.len());
        let octets = all.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(received.scan.0, octets);
        assert_eq!(digest(&SHA256, &octets).as_ref(), received.digest);
        contents.push(octets);
    }
    contents
}

async fn received(content_type: &str, body: &[u8]) -> (NewObject, Vec<Vec<u8>>) {
    let upload = receive(content_type, whole(body), &limits(), object).await;
    let mut upload = upload.unwrap_or_else(|told| panic!("{told:?}"));
    let root = std::mem::take(&mut upload.root);
    (root, contents(upload).await)
}

#[tokio::test]
async fn the_forms_of_the_contract_are_received() {
    let inner =
        b"--Inner3\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nWe arrived.\r\n--Inner3--\r\n";
    let inner_type = format!("{ATTACHMENT}\r\nContent-Type: multipart/mixed; boundary=Inner3");
    let text_type = format!("{ATTACHMENT}; filename=\"sms.txt\"\r\nContent-Type: text/plain");
    let empty_type = format!("{ATTACHMENT}\r\nContent-Length: 0");
    let root = (ROOT, &br#"{"object":{"correlationId":"mm-4471"}}"#[..]);
    for (parts, expected) in [
        (
            vec![root, (&text_type, b"ok, see you")],
            vec![&b"ok, see you"[..]],
        ),
        (vec![root, (&inner_type, inner)], vec![&inner[..]]),
        (vec![root], vec![]),
        (vec![root, (&empty_type, b"")], vec![&b""[..]]),
        (
            vec![root, (&text_type, b"one"), (ATTACHMENT, b"\0\r\n\xff")],
            vec![&b"one"[..], b"\0\r\n\xff"],
        ),
        (vec![(&text_type, b"first"), root], vec![&b"first"[..]]),
    ] {
        let (object, contents) = received(FORM, &form(&parts)).await;
        assert_eq!(object.correlation_id.as_deref(), Some("mm-4471"));
        assert_eq!(contents, expected);
    }
}

#[tokio::test]
async fn an_attachment_keeps_its_own_header() {
    let header = format!(
        "{ATTACHMENT}; filename=\"é;.txt\"\r\nContent-Type: multipart/related;\r\n type=”a/b”\r\nContent-ID: <1>"
    );
    let body = form(&[(ROOT, b"{}"), (&header, b"x")]);
    let upload = receive(FORM, whole(&body), &limits(), object).await;
    let upload = upload.unwrap_or_else(|told| panic!("{told:?}"));
    let expected = [
        (
            "Content-Disposition",
            "form-data; name=\"attachments\"; filename=\"é;.txt\"",
        ),
        ("Content-Type", "multipart/related; type=”a/b”"),
        ("Content-ID", "<1>"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(upload.attachments[0].header, expected);
}

#[tokio::test]
async fn what_clients_write_wrongly_is_understood() {
    let body = |root: &str, attachment: &str| {
        let root = format!("Content-Disposition: {root}");
        let attachment = format!("Content-Disposition: {attachment}");
        form(&[(&root, br#"{"correlationId":"a"}"#), (&attachment, b"one")])
    };
    let plain = body(
        "form-data; name=root-fields",
        "form-data;name=\"attachments\"",
    );
    for (content_type, body) in [
        (FORM, plain.clone()),
        (
            FORM,
            body(
                "multipart/form-data; name=”root-fields”",
                "multipart/form-data; name=“attachments”",
            ),
        ),
        (
            FORM,
            body(
                "form-data; name='root-fields'",
                "form-data; name=attachments; filename=x;",
            ),
        ),
        ("Multipart/Form-Data;boundary=\"Outer7\";", plain.clone()),
        ("multipart/form-data; boundary=”Outer7”;", plain.clone()),
        (
            "multipart/form-data; charset=utf-8; boundary=Outer7 ",
            plain.clone(),
        ),
        (FORM, [&b"preamble\r\n"[..], &plain, b"epilogue"].concat()),
        (
            FORM,
            plain
                .iter()
                .copied()
                .filter(|octet| *octet != b'\r')
                .collect(),
        ),
    ] {
        let (object, contents) = received(content_type, &body).await;
        assert_eq!(
            object.correlation_id.as_deref(),
            Some("a"),
            "{content_type}"
        );
        assert_eq!(contents, [b"one"], "{content_type}");
    }
    for boundary in ["--", "--=-sep-=--", "a b", "'()+_,-./:=?"] {
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let body = String::from_utf8(plain.clone())
            .unwrap()
            .replace("Outer7", boundary);
        let (_, contents) = received(&content_type, body.as_bytes()).await;
        assert_eq!(contents, [b"one"], "{boundary}");
    }
    // Typographic quotes outside of UTF-8.
    let headers = headers(b"multipart/form-data; boundary=\x93Outer7\x94");
    assert!(Form::new(&headers, whole(&plain), &limits(), &spool()).is_ok());
}

#[tokio::test]
async fn attachments_of_many_objects_come_in_their_order() {
    let large = vec![b'l'; MEMORY];
    let empty = format!("{ATTACHMENT}\r\nContent-Length: 0");
    let body = form(&[
        (
            ROOT,
            br#"{"objectList":{"object":[{},{},{},{"correlationId":"4"}]}}"#,
        ),
        (ATTACHMENT, b"one"),
        (&empty, b""),
        (ATTACHMENT, &large),
        (ATTACHMENT, b"four"),
    ]);
    let upload = receive(FORM, whole(&body), &limits(), objects).await;
    let upload = upload.unwrap_or_else(|told| panic!("{told:?}"));
    assert_eq!(upload.root.object.len(), 4);
    assert_eq!(contents(upload).await, [&b"one"[..], b"", &large, b"four"]);
}

#[tokio::test]
async fn what_cannot_be_received_is_answered_with_what_is_to_blame() {
    let root = (ROOT, &b"{}"[..]);
    let xml = (
        &ROOT.replace("json", "xml")[..],
        &b"<!DOCTYPE object><object/>"[..],
    );
    let one = (ATTACHMENT, &b"one"[..]);
    let limits = limits();
    for (content_type, body, status, part) in [
        ("", form(&[root]), 415, "Content-Type"),
        ("application/json", b"{}".to_vec(), 415, "Content-Type"),
        (
            "multipart/mixed; boundary=Outer7",
            form(&[root]),
            415,
            "Content-Type",
        ),
        ("multipart/form-data", form(&[root]), 400, "Content-Type"),
        (
            "multipart/form-data; boundary=\"\"",
            form(&[root]),
            400,
            "Content-Type",
        ),
        (
            "multipart/form-data; boundary=other",
            form(&[root]),
            400,
            "root-fields",
        ),
        (FORM, form(&[]), 400, "root-fields"),
        (FORM, Vec::new(), 400, "root-fields"),
        (FORM, form(&[one]), 400, "root-fields"),
        (FORM, form(&[root, one, root]), 400, "root-fields"),
        (FORM, form(&[xml, one]), 400, "object"),
        (FORM, form(&[(ROOT, b"{"), one]), 400, "object"),
        (
            FORM,
            form(&[(ROOT, br#"{"flags":{"flag":7}}"#), one]),
            400,
            "flag",
        ),
        (
            FORM,
            form(&[root, ("Content-Type: text/plain", b"x")]),
            400,
            "Content-Disposition",
        ),
        (
            FORM,
            form(&[root, (&ATTACHMENT.replace("attachments", "file"), b"x")]),
            400,
            "Content-Disposition",
        ),
        (
            FORM,
            form(&[root, (&format!("{ATTACHMENT}\r\nContent-ID: a\0b"), b"x")]),
            400,
            "Content-ID",
        ),
        (
            FORM,
            form(&[root, (&format!("{ATTACHMENT}\r\nno field"), b"x")]),
            400,
            "Content-Disposition",
        ),
    ] {
        let told = refused(content_type, &body, &limits).await;
        assert_eq!(told, (status, part.to_owned()), "{content_type}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_received() {
    let body = form(&[(ROOT, b"{}"), (ATTACHMENT, b"one")]);
    let complete = body.len() - "\r\n".len();
    for end in 0..complete {
        let (status, _) = refused(FORM, &body[..end], &limits()).await;
        assert_eq!(status, 400, "{end}");
    }
    assert_eq!(received(FORM, &body[..complete]).await.1, [b"one"]);
    let (status, part) = refused(FORM, &body[..complete - 1], &limits()).await;
    assert_eq!((status, &part[..]), (400, "attachments"));
}

#[tokio::test]
async fn every_bound_is_kept() {
    let limits = LimitsConfig {
        body: 2048,
        upload: 100_000,
        bulk: 3,
        ..limits()
    };
    let root = (ROOT, &b"{}"[..]);
    let one = (ATTACHMENT, &b"one"[..]);
    let large = [&b"{}"[..], &[b' '; 2046]].concat();
    let too_large_root = [&large[..], b" "].concat();
    let many_fields = format!("{ATTACHMENT}{}", "\r\nA: 1".repeat(32));
    let long_field = format!("{ATTACHMENT}\r\nA: {}", "x".repeat(16 * 1024));
    let long_enough = format!("{ATTACHMENT}\r\nA: {}", "x".repeat(1000));
    let attachments = (400, "attachments".to_owned());
    let too_large = (413, "TooLarge".to_owned());
    let disposition = (400, "Content-Disposition".to_owned());
    let huge = vec![0; 100_000];
    for (parts, expected) in [
        (vec![root, one, one, one], None),
        (vec![root, one, one, one, one], Some(&attachments)),
        (vec![(ROOT, &large[..]), one], None),
        (vec![(ROOT, &too_large_root[..]), one], Some(&too_large)),
        (vec![root, (&many_fields, b"x")], Some(&disposition)),
        (vec![root, (&long_field, b"x")], Some(&disposition)),
        (vec![root, (&long_enough, b"x")], None),
        // The headers of all parts together.
        (
            vec![root, (&long_enough, b"x"), (&long_enough, b"x")],
            Some(&too_large),
        ),
        (vec![root, (ATTACHMENT, &huge)], Some(&too_large)),
    ] {
        let body = form(&parts);
        let announced = receive(FORM, whole(&body), &limits, object).await;
        let pieces = body.chunks(1000).map(<[u8]>::to_vec).collect();
        let counted = receive(FORM, chunked(pieces), &limits, object).await;
        for outcome in [announced, counted] {
            assert_eq!(outcome.err().as_ref(), expected);
        }
    }
}

/// A body that must not be asked for anything.
struct Untouched(u64);

impl HttpBody for Untouched {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was asked for");
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[test]
fn the_head_is_judged_before_the_body_is_asked_for() {
    let (limits, spool) = (limits(), spool());
    let judged = |content_type: &str, length| {
        let headers = headers(content_type.as_bytes());
        let form = Form::new(&headers, Untouched(length), &limits, &spool);
        form.map(|_| ()).map_err(|failure| told(&failure))
    };
    assert_eq!(judged(FORM, limits.upload), Ok(()));
    assert_eq!(
        judged(FORM, limits.upload + 1),
        Err((413, "TooLarge".to_owned()))
    );
    assert_eq!(
        judged("text/plain", 1),
        Err((415, "Content-Type".to_owned()))
    );
    let mut compressed = headers(FORM.as_bytes());
    compressed.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    for (headers, part) in [
        (compressed, "Content-Encoding"),
        (HeaderMap::new(), "Content-Type"),
    ] {
        let form = Form::new(&headers, Untouched(1), &limits, &spool);
        let refused = form.err().map(|failure| told(&failure));
        assert_eq!(refused, Some((415, part.to_owned())));
    }
}

#[tokio::test]
async fn a_client_that_stalls_is_given_up() {
    let limits = LimitsConfig {
        body_timeout: 1,
        ..limits()
    };
    let body = form(&[(ROOT, b"{}"), (ATTACHMENT, b"one")]);
    for sent in [0, 10, body.len() - 20, body.len()] {
        let (sender, channel) = channel(1);
        sender
            .send(Bytes::copy_from_slice(&body[..sent]))
            .await
            .unwrap();
        let outcome = receive(FORM, channel, &limits, object).await;
        assert_eq!(outcome.err(), Some((408, "408".to_owned())), "{sent}");
    }
}

#[tokio::test]
async fn a_disk_that_fails_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path().to_owned(), MEMORY).unwrap();
    drop(directory);
    let body = form(&[(ROOT, b"{}"), (ATTACHMENT, &vec![0; MEMORY + 1])]);
    let limits = limits();
    let form = Form::new(&headers(FORM.as_bytes()), whole(&body), &limits, &spool).unwrap();
    let failed = form.receive(object, |_| Seen::default()).await;
    let failure = failed.err().unwrap();
    assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
    let response = crate::rest::http::failure(&failure, Format::Json);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        text.contains("SVC2001") && !text.contains("directory"),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_cutting_gives_the_same_upload(
        attachments in proptest::collection::vec(
            proptest::collection::vec(proptest::sample::select(vec!["\r\n", "--Outer", "--Outer7", "\r", "7--", "x", "\0"]), 0..30),
            0..5,
        ),
        cuts in proptest::collection::vec(any::<usize>(), 0..20),
    ) {
        // A content that begins as a delimiter would is none.
        let attachments: Vec<String> = attachments.iter().map(|tokens| format!("x{}", tokens.concat().replace("\n--Outer7", "\n--Outer8"))).collect();
        let mut parts = vec![(ROOT, &b"{}"[..])];
        parts.extend(attachments.iter().map(|content| (ATTACHMENT, content.as_bytes())));
        let body = form(&parts);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % body.len()).chain([0, body.len()]).collect();
        at.sort_unstable();
        let pieces = at.windows(2).map(|pair| body[pair[0]..pair[1]].to_vec()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let found = runtime.block_on(async {
            let upload = receive(FORM, chunked(pieces), &limits(), object).await;
            contents(upload.unwrap_or_else(|told| panic!("{told:?}"))).await
        });
        let found: Vec<String> = found.into_iter().map(|octets| String::from_utf8(octets).unwrap()).collect();
        prop_assert_eq!(found, attachments);
    }

    #[test]
    fn hostile_bytes_are_an_answer(
        tokens in proptest::collection::vec(proptest::sample::select(vec![
            "--Outer7", "--Outer7\r\n", "\r\n--Outer7\r\n", "\r\n--Outer7--", "\r\n\r\n", "\r", "\n", "x", "{", "}", "{}", "\0", "é",
            "Content-Disposition: form-data; name=root-fields\r\n\r\n", "Content-Disposition: form-data; name=attachments\r\n\r\n",
            "Content-Disposition:", "Content-Length: 99999999999999999999999\r\n", "Content-Length: 70000\r\n", ";", "=", "\"", "name",
        ]), 0..40),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        content_type in "multipart/form-data;[ -~é”]{0,30}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for body in [tokens.concat().as_bytes(), &bytes[..]] {
                for content_type in [FORM, &content_type[..]] {
                    if let Err((status, _)) = receive(content_type, whole(body), &limits(), object).await {
                        assert!([400, 413, 415].contains(&status), "{status}");
                    }
                }
            }
        });
    }
}
