//! Requests to a server that may be gone at any moment, and somewhere else when it is back.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::diary::Diary;
use crate::support::http::{Answer, Client, Request};

/// How long a server is waited for that is away.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long is waited before it is asked again.
const AGAIN: Duration = Duration::from_millis(30);

/// The server, for all clients of a box.
#[derive(Debug, Clone)]
pub(super) struct Rest {
    box_id: String,
    client: Arc<Mutex<Client>>,
    pub(super) diary: Diary,
}

impl Rest {
    pub(super) fn new(box_id: &str, client: Client) -> Self {
        Self {
            box_id: box_id.replace('+', "%2B"),
            client: Arc::new(Mutex::new(client)),
            diary: Diary::default(),
        }
    }

    /// It is there from now on.
    pub(super) fn is_at(&self, client: Client) {
        *self.client.lock().unwrap() = client;
    }

    /// A request; what does not begin with a slash is below the box.
    pub(super) fn request(&self, method: &str, resource: &str) -> Request {
        let client = self.client.lock().unwrap().clone();
        if resource.starts_with('/') {
            return client.request(method, resource);
        }
        client.request(method, &format!("/nms/v1/cpm/{}/{resource}", self.box_id))
    }

    /// The collection of the box's notification channels.
    pub(super) fn channels(&self) -> String {
        format!("/notificationchannel/v1/{}/channels", self.box_id)
    }

    /// Asks once; `None` when no whole answer came.
    pub(super) async fn ask(&self, method: &str, resource: &str, body: &Value) -> Option<Answer> {
        let mut request = self.request(method, resource);
        if !body.is_null() {
            request = request.json(body);
        }
        exchange(request).await
    }

    /// Asks until an answer comes that is not about the server itself.
    pub(super) async fn insist(&self, method: &str, resource: &str, body: &Value) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.ask(method, resource, body).await;
            match answer {
                Some(answer) if !is_away(&answer) => return answer,
                answer => assert!(
                    begun.elapsed() < PATIENCE,
                    "{method} {resource}: {answer:?}"
                ),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Whether the same may be answered in a moment: the server or its store is away, or too slow.
pub(super) fn is_away(answer: &Answer) -> bool {
    [502, 503, 504].contains(&answer.status)
}

/// Sends a request on a connection of its own; `None` when that ends before the answer does.
pub(super) async fn exchange(request: Request) -> Option<Answer> {
    let mut stream = TcpStream::connect(request.address()).await.ok()?;
    stream.write_all(&request.encoded()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let mut answer = Answer {
        status,
        headers: lines.map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = joined(&answer.body)?;
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().unwrap();
        return (answer.body.len() == length).then_some(answer);
    }
    Some(answer)
}

/// The chunks of a body; `None` when the last is missing.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&chunks[..end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        let chunk = chunks.get(end + 2..end + 2 + size)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
        chunks = chunks.get(end + 4 + size..)?;
    }
}
