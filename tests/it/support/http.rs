//! An HTTP/1.1 client written by hand, so that a test decides when bytes are sent and when they are read.

use std::net::SocketAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Requests to one server, with the same credentials.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    authorization: Option<String>,
}

/// A request being written.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Request {
    client: Client,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// An answer whose body is read as slowly as the test likes.
pub(crate) struct Streaming {
    /// Status and headers; the body is empty.
    pub(crate) head: Answer,
    stream: BufReader<TcpStream>,
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Client {
    /// Without credentials.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            authorization: None,
        }
    }

    /// The same client with Basic credentials.
    pub(crate) fn basic(&self, user: &str, password: &str) -> Self {
        let token = STANDARD.encode(format!("{user}:{password}"));
        Self {
            address: self.address,
            authorization: Some(format!("Basic {token}")),
        }
    }

    /// What it says of itself.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request; the target is sent as it is.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        let mut headers = vec![("Host".to_owned(), self.address.to_string())];
        if let Some(authorization) = &self.authorization {
            headers.push(("Authorization".to_owned(), authorization.clone()));
        }
        Request {
            client: self.clone(),
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: Vec::new(),
        }
    }

    /// GET, the answer in JSON.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        let request = self.request("GET", target);
        request.header("Accept", "application/json").send().await
    }

    /// POST of JSON.
    pub(crate) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.request("POST", target).json(body).send().await
    }

    /// PUT of JSON.
    pub(crate) async fn put(&self, target: &str, body: &Value) -> Answer {
        self.request("PUT", target).json(body).send().await
    }

    /// DELETE.
    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.request("DELETE", target).send().await
    }

    /// Sends bytes on a connection of their own and returns all that comes back until it is closed.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        // The server may answer and hang up before it has read everything.
        stream.write_all(bytes).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        answer
    }

    /// A bare connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address)
            .await
            .unwrap_or_else(|error| panic!("http at {}: {error}", self.address));
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Request {
    /// Where it goes.
    pub(crate) fn address(&self) -> SocketAddr {
        self.client.address
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body of this type.
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    /// A body whose type, if it has one, is said elsewhere.
    pub(crate) fn raw_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request by another client.
    pub(crate) fn with_client(mut self, client: &Client) -> Self {
        self.headers
            .retain(|(name, _)| !["Host", "Authorization"].contains(&name.as_str()));
        let mut headers = client.request("", "").headers;
        headers.append(&mut self.headers);
        Self {
            client: client.clone(),
            headers,
            ..self
        }
    }

    /// The same request with another Host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.headers.retain(|(name, _)| name != "Host");
        self.header("Host", host)
    }

    /// The same request to another target.
    pub(crate) fn with_target(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.target = change(&self.target);
        self
    }

    /// A JSON body, and the answer in JSON too.
    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
            .header("Accept", "application/json")
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(crate) async fn send(self) -> Answer {
        let mut streaming = self.stream().await;
        let body = streaming.rest().await;
        Answer {
            body,
            ..streaming.head
        }
    }

    /// Sends it and reads no further than the headers of the answer.
    pub(crate) async fn stream(self) -> Streaming {
        let mut stream = self.client.connect().await;
        stream.write_all(&self.encoded()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let head = read_head(&mut stream).await;
        let bodiless = self.method == "HEAD" || [101, 204, 304].contains(&head.status);
        let framing = if bodiless {
            Framing::Length(0)
        } else if head.header("transfer-encoding") == Some("chunked") {
            Framing::Chunked
        } else {
            let length = head.header("content-length");
            length.map_or(Framing::UntilClosed, |length| {
                Framing::Length(length.parse().unwrap())
            })
        };
        Streaming {
            head,
            stream,
            framing,
        }
    }

    /// Its line and headers as they are, and these bytes.
    pub(crate) fn head_with(&self, body: &[u8]) -> Vec<u8> {
        [self.head().as_bytes(), b"\r\n", body].concat()
    }

    fn head(&self) -> String {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text
    }

    /// The bytes it is on the wire.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let mut text = self.head();
        if !self.body.is_empty() || ["POST", "PUT"].contains(&self.method.as_str()) {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        let mut bytes = (text + "Connection: close\r\n\r\n").into_bytes();
        bytes.extend(&self.body);
        bytes
    }
}

impl Answer {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let wanted = name.to_ascii_lowercase();
        let found = self.headers.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Panics unless the status is this one.
    pub(crate) fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        self
    }
}

impl Streaming {
    /// The next piece of the body: a chunk, or what has come; nothing at its end.
    pub(crate) async fn piece(&mut self) -> Vec<u8> {
        match self.framing {
            Framing::Chunked => self.chunk().await,
            Framing::Length(left) => {
                let piece = self.some(left).await;
                assert!(left == 0 || !piece.is_empty(), "{left} bytes are missing");
                self.framing = Framing::Length(left - piece.len());
                piece
            }
            Framing::UntilClosed => self.some(usize::MAX).await,
        }
    }

    /// All that is left of the body.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let piece = self.piece().await;
            if piece.is_empty() {
                return body;
            }
            body.extend(piece);
        }
    }

    async fn some(&mut self, most: usize) -> Vec<u8> {
        let mut piece = vec![0; most.min(16 * 1024)];
        let size = self.stream.read(&mut piece).await.unwrap();
        piece.truncate(size);
        piece
    }

    async fn chunk(&mut self) -> Vec<u8> {
        let line = read_line(&mut self.stream).await;
        let size = usize::from_str_radix(&line, 16).unwrap();
        let mut chunk = vec![0; size];
        self.stream.read_exact(&mut chunk).await.unwrap();
        assert_eq!(read_line(&mut self.stream).await, "");
        if size == 0 {
            self.framing = Framing::Length(0);
        }
        chunk
    }
}

async fn read_head(stream: &mut BufReader<TcpStream>) -> Answer {
    let line = read_line(stream).await;
    let status = line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Answer {
        status,
        headers,
        body: Vec::new(),
    }
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    let line = line.strip_suffix("\r\n");
    line.expect("the server hung up").to_owned()
}
