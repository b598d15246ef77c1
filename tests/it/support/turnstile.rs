//! What passes between the bridge and its store, counted on the store's side.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use cpm_bridge::task;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

/// What was counted so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count {
    /// Connections that are used now, from the first word of the client to its end.
    pub(crate) open: usize,
    /// Most of them at a time.
    pub(crate) most: usize,
    /// All there were.
    pub(crate) connections: usize,
    /// Lines the client has said, without their tags.
    pub(crate) lines: Vec<String>,
}

impl Count {
    /// Commands of this name.
    pub(crate) fn commands(&self, name: &str) -> usize {
        let named = |line: &&String| line.starts_with(name);
        self.lines.iter().filter(named).count()
    }
}

/// A running proxy that counts; dropped, it cuts what passes through it.
pub(crate) struct Turnstile {
    address: SocketAddr,
    count: Arc<Mutex<Count>>,
    listening: JoinHandle<()>,
}

impl Turnstile {
    /// In front of this server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), server).await
    }

    /// The same at an address of the caller's.
    pub(crate) async fn start_at(address: SocketAddr, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(Mutex::new(Count::default()));
        let shared = Arc::clone(&count);
        let listening = task::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                sessions.spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            count,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was counted so far.
    pub(crate) fn count(&self) -> Count {
        self.count.lock().unwrap().clone()
    }
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, count: Arc<Mutex<Count>>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let back = async {
        tokio::io::copy(&mut from_server, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    };
    tokio::join!(back, forth(from_client, to_server, &count));
}

async fn forth(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, count: &Mutex<Count>) {
    let mut buffer = vec![0; 64 * 1024];
    let mut line = Vec::new();
    let mut begun = false;
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        {
            let mut count = count.lock().unwrap();
            if !begun {
                begun = true;
                count.connections += 1;
                count.open += 1;
                count.most = count.most.max(count.open);
            }
            for byte in &buffer[..size] {
                if *byte != b'\n' {
                    line.push(*byte);
                    continue;
                }
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let command = text.split_once(' ').map(|(_, rest)| rest.to_owned());
                count.lines.push(command.unwrap_or(text));
                line.clear();
            }
        }
        if to.write_all(&buffer[..size]).await.is_err() {
            break;
        }
    }
    if begun {
        count.lock().unwrap().open -= 1;
    }
    to.shutdown().await.ok();
}
