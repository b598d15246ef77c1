//! Real requests over loopback, through hyper: what the client is asked for, and what is left of those who leave.

use std::{net::SocketAddr, sync::Arc};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::rest::http::failure;

/// Counts octets, and shows by its count of references whether an upload is still under way.
struct Counted {
    octets: u64,
    _under_way: Arc<()>,
}

impl Observer for Counted {
    fn push(&mut self, octets: &[u8]) {
        self.octets += u64::try_from(octets.len()).unwrap();
    }
}

/// A server that answers uploads with how many octets the attachments had.
async fn server(limits: LimitsConfig, spool: Spool, mark: Arc<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::new((limits, spool, mark));
    crate::task::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = Arc::clone(&shared);
            crate::task::spawn(async move {
                let service = service_fn(|request: Request<hyper::body::Incoming>| {
                    let shared = Arc::clone(&shared);
                    async move { Ok::<_, Infallible>(answer(request, &shared).await) }
                });
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    shared: &(LimitsConfig, Spool, Arc<()>),
) -> Response<crate::rest::Body> {
    let (limits, spool, mark) = shared;
    let (parts, body) = request.into_parts();
    let counted = |_: &[(String, String)]| Counted {
        octets: 0,
        _under_way: Arc::clone(mark),
    };
    let outcome = match Form::new(&parts.headers, body, limits, spool) {
        Ok(form) => form.receive(object, counted).await,
        Err(failure) => Err(failure),
    };
    let upload = match outcome {
        Ok(upload) => upload,
        Err(refused) => return failure(&refused, Format::Json),
    };
    let mut octets = 0;
    for attachment in upload.attachments {
        octets += match attachment.content {
            Content::Received(received) => {
                assert_eq!(received.scan.octets, received.blob.len());
                received.blob.len()
            }
            Content::Incoming(incoming) => {
                let (mut pieces, told) = incoming.stream();
                let mut octets = 0;
                while let Some(piece) = pieces.next().await {
                    match piece {
                        Ok(piece) => octets += u64::try_from(piece.len()).unwrap(),
                        Err(_) => return failure(told.get().unwrap(), Format::Json),
                    }
                }
                octets
            }
        };
    }
    let body = Full::new(Bytes::from(format!("{octets} octets")));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

async fn plain_server() -> SocketAddr {
    server(limits(), spool(), Arc::default()).await
}

/// The head of a request with these further header lines.
fn head(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM}\r\n{lines}\r\n")
}

/// Reads until the text is there, or the connection is closed.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut octets = [0; 1024];
    while !text.contains(wanted) {
        match stream.read(&mut octets).await {
            Ok(read) if read > 0 => text += std::str::from_utf8(&octets[..read]).unwrap(),
            _ => break,
        }
    }
    text
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let mut stream = TcpStream::connect(plain_server().await).await.unwrap();
    let large = vec![b'x'; MEMORY + 1];
    let length = format!("{ATTACHMENT}\r\nContent-Length: {}", large.len());
    for (attachment, content) in [(ATTACHMENT, &b"one"[..]), (&length, &large)] {
        let body = form(&[(ROOT, b"{}"), (attachment, content)]);
        let lines = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
        stream.write_all(head(&lines).as_bytes()).await.unwrap();
        let text = read_until(&mut stream, "\r\n\r\n").await;
        assert_eq!(text, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(&body).await.unwrap();
        let text = read_until(&mut stream, " octets").await;
        assert!(
            text.ends_with(&format!("{} octets", content.len())),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let address = plain_server().await;
    let too_large = limits().upload + 1;
    for (head, status) in [
        (
            head(&format!(
                "Expect: 100-continue\r\nContent-Length: {too_large}\r\n"
            )),
            "413",
        ),
        (
            head("Expect: 100-continue\r\nContent-Length: 10\r\n").replace("form-data", "mixed"),
            "415",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let text = read_until(&mut stream, "requestError").await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
    }
}

#[tokio::test]
async fn one_connection_takes_one_upload_after_the_other() {
    let mut stream = TcpStream::connect(plain_server().await).await.unwrap();
    let body = [
        &form(&[(ROOT, b"{}"), (ATTACHMENT, b"one")])[..],
        b"epilogue",
    ]
    .concat();
    for _ in 0..3 {
        let lines = format!("Content-Length: {}\r\n", body.len());
        stream
            .write_all(&[head(&lines).as_bytes(), &body].concat())
            .await
            .unwrap();
        assert!(
            read_until(&mut stream, " octets")
                .await
                .ends_with("3 octets")
        );
        // A chunk for each octet.
        let mut request = head("Transfer-Encoding: chunked\r\n").into_bytes();
        for octet in &body {
            request.extend_from_slice(&[b'1', b'\r', b'\n', *octet, b'\r', b'\n']);
        }
        request.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
        stream.write_all(&request).await.unwrap();
        assert!(
            read_until(&mut stream, " octets")
                .await
                .ends_with("3 octets")
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path().to_owned(), MEMORY).unwrap();
    let mark = Arc::new(());
    let address = server(limits(), spool, Arc::clone(&mark)).await;
    let idle = Arc::strong_count(&mark);
    let large = vec![b'x'; 4 * MEMORY];
    let body = form(&[(ROOT, b"{}"), (ATTACHMENT, &large)]);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let lines = format!("Content-Length: {}\r\n", body.len());
    let sent = [head(&lines).as_bytes(), &body[..body.len() - 10]].concat();
    stream.write_all(&sent).await.unwrap();
    while Arc::strong_count(&mark) == idle || spooled(&directory) == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while Arc::strong_count(&mark) > idle || spooled(&directory) > 0 {
        tokio::task::yield_now().await;
    }
}

/// Files of this process that were in the directory and have no name.
fn spooled(directory: &tempfile::TempDir) -> usize {
    let prefix = directory.path().join("cpm-bridge-spool-");
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| {
            target
                .to_string_lossy()
                .starts_with(&*prefix.to_string_lossy())
        })
        .count()
}

/// A frame of HTTP/2 (RFC 9113 §4.1) on the first stream, or on the connection.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [
        &[0, length[0], length[1], kind, flags, 0, 0, 0, stream][..],
        payload,
    ]
    .concat()
}

#[tokio::test]
async fn http_2_uploads_are_received_too() {
    let body = form(&[(ROOT, b"{}"), (ATTACHMENT, b"one")]);
    let length = body.len().to_string();
    // RFC 7541 §6: POST, http, / from the table, then literals under names of the table.
    let mut fields = vec![0x83, 0x86, 0x84];
    for (name, value) in [(&[1][..], "a"), (&[0x0f, 16], FORM), (&[0x0f, 13], &length)] {
        fields.extend_from_slice(name);
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend_from_slice(value.as_bytes());
    }
    let (first, second) = body.split_at(20);
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &frame(4, 0, 0, b"")[..],
        &frame(1, 4, 1, &fields),
        &frame(0, 0, 1, first),
        &frame(0, 1, 1, second),
    ];
    let mut stream = TcpStream::connect(plain_server().await).await.unwrap();
    stream.write_all(&request.concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(8).any(|octets| octets == b"3 octets") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
}

const HUNDRED_MEGABYTES: usize = 100_000_000;
/// What one upload may add to the most memory ever resident, kB.
const GROWTH: u64 = 8 * 1024;

#[test]
fn a_large_upload_costs_little_memory() {
    let exe = std::env::current_exe().unwrap();
    let alone = "rest::upload::tests::wire::a_large_upload_in_a_process_of_its_own";
    let output = std::process::Command::new(exe)
        .args([alone, "--exact", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "a_large_upload_costs_little_memory runs it where nothing else does"]
async fn a_large_upload_in_a_process_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::new(directory.path().to_owned(), MEMORY).unwrap();
    let address = server(limits(), spool, Arc::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for known in [false, true] {
        upload_of(&mut stream, 2 * MEMORY, known).await;
        let before = most_resident();
        upload_of(&mut stream, HUNDRED_MEGABYTES, known).await;
        let growth = most_resident() - before;
        println!("known length: {known}, growth: {growth} kB");
        assert!(growth <= GROWTH, "{growth} kB");
    }
}

/// Sends octets as they are wanted, without having them all.
async fn upload_of(stream: &mut TcpStream, octets: usize, known: bool) {
    let length = format!("{ATTACHMENT}\r\nContent-Length: {octets}");
    let attachment = if known { &length } else { ATTACHMENT };
    let empty = form(&[(ROOT, b"{}"), (attachment, b"")]);
    let close = "\r\n--Outer7--\r\n".len();
    let (begin, end) = empty.split_at(empty.len() - close);
    let lines = format!("Content-Length: {}\r\n", empty.len() + octets);
    stream
        .write_all(&[head(&lines).as_bytes(), begin].concat())
        .await
        .unwrap();
    let piece: Vec<u8> = (0..MEMORY)
        .map(|at| u8::try_from(at % 256).unwrap())
        .collect();
    let mut left = octets;
    while left > 0 {
        let now = left.min(piece.len());
        stream.write_all(&piece[..now]).await.unwrap();
        left -= now;
    }
    stream.write_all(end).await.unwrap();
    let text = read_until(stream, " octets").await;
    assert!(text.ends_with(&format!("{octets} octets")), "{text}");
}

/// The most memory this process ever had resident, kB.
fn most_resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
