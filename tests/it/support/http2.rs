//! An HTTP/2 client written by hand (RFC 9113), so that a test decides how much of an answer is taken.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;
/// RFC 9113 §6.5.2: `SETTINGS_INITIAL_WINDOW_SIZE`.
const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];

/// A connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    authority: String,
    next: u32,
}

/// What the server says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// An answer has begun; whether its status is 200.
    Head { stream: u32, ok: bool },
    /// Some of its body.
    Data { stream: u32, bytes: Vec<u8> },
    /// It has ended well.
    End { stream: u32 },
    /// It was reset, for this reason.
    Reset { stream: u32, reason: u32 },
}

impl Connection {
    /// Connects; each stream may send so many octets before it is given more.
    pub(crate) async fn open(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self {
            stream: BufReader::new(stream),
            authority: address.to_string(),
            next: 1,
        };
        let setting = [&INITIAL_WINDOW_SIZE[..], &window.to_be_bytes()].concat();
        connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        connection.send(SETTINGS, 0, 0, &setting).await;
        connection
    }

    /// GET; the stream on which its answer comes.
    pub(crate) async fn get(&mut self, target: &str, authorization: &str) -> u32 {
        // RFC 7541 §6: two indexed fields, then literals that nobody keeps.
        let mut block = vec![0x82, 0x86];
        for (name, value) in [(4, target), (1, &self.authority), (23, authorization)] {
            literal(&mut block, name, value);
        }
        let stream = self.next;
        self.next += 2;
        self.send(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
            .await;
        stream
    }

    /// Lets a stream send more, and the connection too.
    pub(crate) async fn take(&mut self, stream: u32, octets: u32) {
        for stream in [0, stream] {
            self.send(WINDOW_UPDATE, 0, stream, &octets.to_be_bytes())
                .await;
        }
    }

    /// What comes next about any stream.
    pub(crate) async fn event(&mut self) -> Event {
        let mut ended = None;
        loop {
            if let Some(stream) = ended.take() {
                return Event::End { stream };
            }
            let (kind, flags, stream, payload) = self.frame().await;
            match kind {
                DATA if payload.is_empty() && flags & END_STREAM != 0 => ended = Some(stream),
                DATA => {
                    return Event::Data {
                        stream,
                        bytes: payload,
                    };
                }
                HEADERS => {
                    let ok = payload.first() == Some(&0x88);
                    return Event::Head { stream, ok };
                }
                RST_STREAM => {
                    let reason = u32::from_be_bytes(payload.try_into().unwrap());
                    return Event::Reset { stream, reason };
                }
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload).await,
                GOAWAY => panic!("the connection ends: {payload:?}"),
                _ => {}
            }
        }
    }

    async fn frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.unwrap();
        (head[3], head[4], stream, payload)
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.write(&[&head, payload].concat()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}

/// RFC 7541 §6.2.2: a field whose name has this index, not kept and not compressed.
fn literal(block: &mut Vec<u8>, name: u8, value: &str) {
    if name < 15 {
        block.push(name);
    } else {
        block.extend([15, name - 15]);
    }
    let length = value.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        let rest = length - 127;
        block.extend([
            127,
            u8::try_from(rest % 128).unwrap() | 128,
            u8::try_from(rest / 128).unwrap(),
        ]);
    }
    block.extend(value.as_bytes());
}
