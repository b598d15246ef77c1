//! A proxy between the bridge and its store that can be told to misbehave, and to keep what the bridge says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use cpm_bridge::task;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// What happens to the server's bytes on their way to the bridge, from the moment it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Each piece comes this much later.
    Delay(Duration),
    /// The connection is cut after so many more bytes, counted over all connections.
    CutAfter(usize),
    /// The connection stays open and nothing comes.
    HalfOpen,
    /// What comes up to the tagged OK comes, the tagged OK does not, and the connection is cut.
    CutBeforeTaggedOk,
    /// One byte at a time, each in a packet of its own.
    Drip,
}

/// A running proxy; dropped, it takes no new connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    fault: Arc<Mutex<Fault>>,
    record: Record,
    listening: JoinHandle<()>,
}

/// What came from the bridge, one entry a connection, once that is wanted.
type Record = Option<Arc<Mutex<Vec<Vec<u8>>>>>;

impl Proxy {
    /// Listens on a free loopback port, without a fault.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), server, None).await
    }

    /// The same at an address of the caller's.
    pub(crate) async fn start_at(address: SocketAddr, server: SocketAddr) -> Self {
        Self::listen(address, server, None).await
    }

    /// The same, and keeps what the bridge says.
    pub(crate) async fn recording(server: SocketAddr) -> Self {
        let record = Some(Arc::default());
        Self::listen("127.0.0.1:0".parse().unwrap(), server, record).await
    }

    async fn listen(address: SocketAddr, server: SocketAddr, record: Record) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = Arc::new(Mutex::new(Fault::None));
        let (shared, kept) = (Arc::clone(&fault), record.clone());
        let listening = task::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(server).await else {
                    continue;
                };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                task::spawn(forward(from_client, to_server, kept.clone()));
                task::spawn(answer(from_server, to_client, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            fault,
            record,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the bridge has said on each connection; a recording proxy only.
    pub(crate) fn said(&self) -> Vec<Vec<u8>> {
        self.record.as_ref().unwrap().lock().unwrap().clone()
    }

    /// From now on, for all connections.
    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, record: Record) {
    let connection = record.as_ref().map(|record| {
        let mut record = record.lock().unwrap();
        record.push(Vec::new());
        record.len() - 1
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        if let (Some(record), Some(connection)) = (&record, connection) {
            record.lock().unwrap()[connection].extend_from_slice(&buffer[..size]);
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fault: Arc<Mutex<Fault>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        let piece = &buffer[..size];
        let now = fault.lock().unwrap().clone();
        let written = match now {
            Fault::None => to.write_all(piece).await,
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                to.write_all(piece).await
            }
            Fault::HalfOpen => continue,
            Fault::Drip => drip(&mut to, piece).await,
            Fault::CutAfter(left) if left >= size => {
                *fault.lock().unwrap() = Fault::CutAfter(left - size);
                to.write_all(piece).await
            }
            Fault::CutAfter(left) => {
                to.write_all(&piece[..left]).await.ok();
                return;
            }
            Fault::CutBeforeTaggedOk => match tagged_ok(piece) {
                Some(start) => {
                    to.write_all(&piece[..start]).await.ok();
                    return;
                }
                None => to.write_all(piece).await,
            },
        };
        if written.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}

async fn drip(to: &mut OwnedWriteHalf, piece: &[u8]) -> std::io::Result<()> {
    for byte in piece {
        to.write_all(&[*byte]).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Where the first line begins that is a tagged OK; servers write it in one piece with its line end.
fn tagged_ok(piece: &[u8]) -> Option<usize> {
    let mut start = 0;
    for line in piece.split_inclusive(|byte| *byte == b'\n') {
        let mut words = line.split(|byte| *byte == b' ');
        let tag = words.next().unwrap_or_default();
        if tag != b"*" && tag != b"+" && words.next() == Some(b"OK") {
            return Some(start);
        }
        start += line.len();
    }
    None
}
