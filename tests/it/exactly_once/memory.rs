//! What an upload of any size may cost in memory, seen from outside: the peak of a process of its own.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{numbers::Numbers, upload::target};
use crate::support::{
    dovecot::{self, Account},
    http::Client,
    process::Process,
};

/// product.md §5: what an upload of 100 MB may add.
const EXTRA: u64 = 8 << 20;
const SMALL: usize = 100_000;
const LARGE: usize = 100_000_000;
const PIECE: usize = 64 * 1024;

const ROOT: &str = "--f0rm\r\nContent-Disposition: form-data; name=\"root-fields\"\r\n\
    Content-Type: application/json\r\n\r\n{\"object\":{\"parentFolderPath\":\"/INBOX\"}}\r\n\
    --f0rm\r\nContent-Disposition: form-data; name=\"attachments\"\r\n\
    Content-Type: application/octet-stream\r\n";
const END: &str = "\r\n--f0rm--\r\n";

/// How the client says how much will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// By Content-Length, of the request and of the attachment: the store can be told at once.
    Known,
    /// In chunks, so that all of it has to be there first.
    Unknown,
}

/// Bytes that no compression makes smaller, and their digest.
struct Content {
    numbers: Numbers,
    left: usize,
    digest: Context,
}

impl Content {
    fn new(length: usize) -> Self {
        Self {
            numbers: Numbers::new(7),
            left: length,
            digest: Context::new(&SHA256),
        }
    }

    fn piece(&mut self) -> Vec<u8> {
        let size = self.left.min(PIECE);
        let mut piece: Vec<u8> = Vec::with_capacity(size + 8);
        while piece.len() < size {
            piece.extend_from_slice(&self.numbers.next().to_le_bytes());
        }
        piece.truncate(size);
        self.left -= size;
        self.digest.update(&piece);
        piece
    }
}

/// Sends an object, and returns its target and the digest of what was sent.
async fn send(
    client: &Client,
    account: &Account,
    length: Length,
    octets: usize,
) -> (String, Vec<u8>) {
    let head = match length {
        Length::Known => format!("{ROOT}Content-Length: {octets}\r\n\r\n"),
        Length::Unknown => format!("{ROOT}\r\n"),
    };
    let request = client
        .request("POST", &target(account, "objects"))
        .header("Content-Type", "multipart/form-data; boundary=f0rm")
        .header("Connection", "close");
    let whole = (head.len() + octets + END.len()).to_string();
    let request = match length {
        Length::Known => request.header("Content-Length", &whole),
        Length::Unknown => request.header("Transfer-Encoding", "chunked"),
    };
    let mut stream = client.connect().await;
    stream.write_all(&request.head_with(b"")).await.unwrap();
    write(&mut stream, length, head.as_bytes()).await;
    let mut content = Content::new(octets);
    while content.left > 0 {
        write(&mut stream, length, &content.piece()).await;
    }
    write(&mut stream, length, END.as_bytes()).await;
    if length == Length::Unknown {
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let location = answer
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    let location = location.unwrap();
    let path = location[location.find("/nms/").unwrap()..].to_owned();
    (path, content.digest.finish().as_ref().to_vec())
}

async fn write(stream: &mut TcpStream, length: Length, piece: &[u8]) {
    if length == Length::Unknown {
        let size = format!("{:x}\r\n", piece.len());
        stream.write_all(size.as_bytes()).await.unwrap();
    }
    stream.write_all(piece).await.unwrap();
    if length == Length::Unknown {
        stream.write_all(b"\r\n").await.unwrap();
    }
}

/// The digest of what REST gives back. Not by `/payload`: for each window of BODY[TEXT] Dovecot reads all that is before it.
async fn shown(client: &Client, object: &str) -> Vec<u8> {
    let request = client.request("GET", &format!("{object}/payloadParts/1"));
    let mut stream = request.stream().await;
    assert_eq!(stream.head.status, 200);
    let mut digest = Context::new(&SHA256);
    loop {
        let piece = stream.piece().await;
        if piece.is_empty() {
            return digest.finish().as_ref().to_vec();
        }
        digest.update(&piece);
    }
}

/// The digest of what a direct session finds in the newest message.
async fn stored(account: &Account) -> Vec<u8> {
    let mut witness = account.witness().await;
    let newest = witness.examine("INBOX").await;
    let fetch = format!("FETCH {newest} BODY.PEEK[TEXT]");
    let reply = witness.command(&fetch).await.ok();
    let mut digest = Context::new(&SHA256);
    // Lines without their ends, of 76 characters each but the last: 57 octets.
    let mut text = Vec::with_capacity(LARGE.div_ceil(57) * 76);
    for line in reply.literal().split(|byte| *byte == b'\n') {
        text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    for some in text.chunks(76 << 14) {
        digest.update(&BASE64_STANDARD.decode(some).unwrap());
    }
    digest.finish().as_ref().to_vec()
}

async fn costs_little(length: Length, name: &str) {
    let account = dovecot::account(name);
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // The spool is beside the state.
    let state = directory.path().join("state");
    let settings = format!("[state]\nurl = \"file:{}\"\n", state.display());
    let process = Process::start(account.imap, &settings);
    let client = process.client(&account);
    send(&client, &account, length, SMALL).await;
    let before = process.peak_memory();
    let (object, digest) = send(&client, &account, length, LARGE).await;
    let extra = process.peak_memory() - before;
    assert!(extra <= EXTRA, "{extra} octets more than {before} before");
    assert!(stored(&account).await == digest, "it was stored wrong");
    assert!(shown(&client, &object).await == digest, "it is shown wrong");
    process.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_of_known_size_costs_little_memory() {
    costs_little(Length::Known, "large_known").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_of_unknown_size_costs_little_memory() {
    costs_little(Length::Unknown, "large_unknown").await;
}
