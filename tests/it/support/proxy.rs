//! A proxy between the bridge and its store that can be told to misbehave, and to keep what the bridge says.
//!
//! A [`Fault`] is for all connections from the moment it is set. A [`Trap`] is for one command: it waits for the first of a name,
//! on whichever connection it comes, and counts from that command's first byte.

mod commands;
mod trap;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use cpm_bridge::task;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use self::commands::Commands;
pub(crate) use self::trap::{Seen, Trap};
use self::trap::{Snare, Then, Verdict};

/// What happens to what passes, from the moment it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Each piece comes this much later, both ways.
    Delay(Duration),
    /// The connection is cut after so many more bytes of the server's, counted over all connections.
    CutAfter(usize),
    /// The same for the bridge's bytes.
    CutSaidAfter(usize),
    /// The connection stays open and nothing comes from the server.
    HalfOpen,
    /// What comes up to the tagged OK comes, the tagged OK does not, and the connection is cut.
    CutBeforeTaggedOk,
    /// Each piece in two writes, both ways.
    Split,
    /// One byte at a time, each in a packet of its own, both ways.
    Drip,
    /// All connections are cut, and new ones as soon as they come.
    Away,
}

/// A running proxy; dropped, it takes no new connections.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What comes from the bridge, one entry a connection, once that is wanted.
type Record = Option<Mutex<Vec<Vec<u8>>>>;

struct Shared {
    fault: watch::Sender<Fault>,
    snare: Mutex<Snare>,
    sprung: watch::Sender<bool>,
    /// How often all faults were taken away.
    healed: AtomicU32,
    /// How often something was held back, and let go.
    held: AtomicU32,
    released: watch::Sender<u32>,
    record: Record,
    /// Words of the server's, and as long ones that the bridge sees instead.
    hidden: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToBridge,
}

impl Proxy {
    /// Listens on a free loopback port, without a fault.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), server).await
    }

    /// The same at an address of the caller's.
    pub(crate) async fn start_at(address: SocketAddr, server: SocketAddr) -> Self {
        Self::listen(address, server, None, &[]).await
    }

    /// The same, and keeps what the bridge says.
    pub(crate) async fn recording(server: SocketAddr) -> Self {
        let record = Some(Mutex::default());
        Self::listen("127.0.0.1:0".parse().unwrap(), server, record, &[]).await
    }

    /// The same, and the server seems to lack these capabilities; without UIDPLUS it does not say APPENDUID and COPYUID either.
    pub(crate) async fn hiding(server: SocketAddr, capabilities: &[&str]) -> Self {
        let free = "127.0.0.1:0".parse().unwrap();
        Self::listen(free, server, None, capabilities).await
    }

    async fn listen(
        address: SocketAddr,
        server: SocketAddr,
        record: Record,
        hidden: &[&str],
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let uids: &[&str] = match hidden.contains(&"UIDPLUS") {
            true => &["APPENDUID", "COPYUID"],
            false => &[],
        };
        let masked = |word: &&str| (word.as_bytes().to_vec(), vec![b'X'; word.len()]);
        let shared = Arc::new(Shared {
            fault: watch::Sender::default(),
            snare: Mutex::default(),
            sprung: watch::Sender::default(),
            healed: AtomicU32::default(),
            held: AtomicU32::default(),
            released: watch::Sender::default(),
            record,
            hidden: hidden.iter().chain(uids).map(masked).collect(),
        });
        let all = Arc::clone(&shared);
        let listening = task::spawn(async move {
            for number in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                if *all.fault.borrow() == Fault::Away {
                    continue;
                }
                let Ok(server) = TcpStream::connect(server).await else {
                    continue;
                };
                let connection = Arc::new(Connection::new(number, Arc::clone(&all)));
                task::spawn(connection.pass(client, server));
            }
        });
        Self {
            address,
            shared,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the bridge has said on each connection; a recording proxy only.
    pub(crate) fn said(&self) -> Vec<Vec<u8>> {
        self.shared.record.as_ref().unwrap().lock().unwrap().clone()
    }

    /// From now on, for all connections.
    pub(crate) fn set(&self, fault: Fault) {
        self.shared.fault.send_replace(fault);
    }

    /// For the next command of this name; when it springs, the fault is `then`.
    pub(crate) fn lay(&self, command: &'static str, trap: Trap, then: Fault) {
        self.shared.sprung.send_replace(false);
        *self.shared.snare.lock().unwrap() = Snare::new(command, trap, then);
    }

    /// Waits until the trap has sprung: all has come that passes.
    pub(crate) async fn sprung(&self) {
        let mut sprung = self.shared.sprung.subscribe();
        sprung.wait_for(|sprung| *sprung).await.unwrap();
    }

    /// Whether the trap has sprung.
    pub(crate) fn has_sprung(&self) -> bool {
        *self.shared.sprung.borrow()
    }

    /// What has passed since the command came that the trap was laid for, on its connection.
    pub(crate) fn seen(&self) -> Seen {
        self.shared.snare.lock().unwrap().seen.clone()
    }

    /// Lets what was held back longest go on to the server, whether or not the bridge is still there.
    pub(crate) fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// No fault, no trap.
    pub(crate) fn heal(&self) {
        let mut snare = self.shared.snare.lock().unwrap();
        *snare = Snare::default();
        self.shared.healed.fetch_add(1, Ordering::Relaxed);
        self.set(Fault::None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

struct Connection {
    number: usize,
    shared: Arc<Shared>,
    cut: watch::Sender<bool>,
}

impl Connection {
    fn new(number: usize, shared: Arc<Shared>) -> Self {
        Self {
            number,
            shared,
            cut: watch::Sender::default(),
        }
    }

    async fn pass(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let this = Arc::clone(&self);
        task::spawn(async move { this.forward(from_client, to_server).await });
        self.answer(from_server, to_client).await;
    }

    async fn forward(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let entry = self.shared.record.as_ref().map(|record| {
            let mut record = record.lock().unwrap();
            record.push(Vec::new());
            (self.shared.record.as_ref().unwrap(), record.len() - 1)
        });
        let mut commands = Commands::default();
        let mut buffer = vec![0; 16 * 1024];
        'connection: while let Some(size) = self.read(&mut from, &mut buffer).await {
            if let Some((record, entry)) = entry {
                record.lock().unwrap()[entry].extend_from_slice(&buffer[..size]);
            }
            for (bytes, command) in commands.cut_up(&buffer[..size]) {
                if let Some(command) = command {
                    let mut snare = self.shared.snare.lock().unwrap();
                    snare.meet(self.number, &command);
                }
                if !self.send(Way::ToServer, &bytes, &mut to).await {
                    break 'connection;
                }
            }
        }
        self.end(from, to).await;
    }

    async fn answer(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 16 * 1024];
        while let Some(size) = self.read(&mut from, &mut buffer).await {
            let piece = &mut buffer[..size];
            for (word, mask) in &self.shared.hidden {
                replace(piece, word, mask);
            }
            if !self.send(Way::ToBridge, piece, &mut to).await {
                break;
            }
        }
        self.end(from, to).await;
    }

    /// More from one side; `None` when it has ended or the connection was cut.
    async fn read(&self, from: &mut OwnedReadHalf, buffer: &mut [u8]) -> Option<usize> {
        let (mut cut, mut fault) = (self.cut.subscribe(), self.shared.fault.subscribe());
        tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => None,
            _ = fault.wait_for(|fault| *fault == Fault::Away) => None,
            read = from.read(buffer) => read.ok().filter(|size| *size > 0),
        }
    }

    /// Tells the other side that there is nothing more, and lets this side say what it likes until it has noticed.
    async fn end(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        to.shutdown().await.ok();
        tokio::io::copy(&mut from, &mut tokio::io::sink())
            .await
            .ok();
    }

    /// Passes on what may pass; false when nothing more will.
    async fn send(&self, way: Way, piece: &[u8], to: &mut OwnedWriteHalf) -> bool {
        let healed = self.shared.healed.load(Ordering::Relaxed);
        let Verdict {
            passes,
            then,
            springs,
        } = self.verdict(way, piece);
        let (piece, rest) = piece.split_at(passes);
        if self.deliver(piece, to).await.is_err() {
            return false;
        }
        if let Some(fault) = springs {
            // First, so that nobody who notices a cut comes back before it. What passed last may have been all that the test waited
            // for: a fault that it has taken away since does not come.
            let _snare = self.shared.snare.lock().unwrap();
            if self.shared.healed.load(Ordering::Relaxed) == healed {
                self.shared.fault.send_replace(fault);
            }
            self.shared.sprung.send_replace(true);
        }
        match then {
            Then::GoOn | Then::Drop => true,
            Then::Cut => {
                to.shutdown().await.ok();
                self.cut.send_replace(true);
                false
            }
            Then::Hold => {
                let turn = self.shared.held.fetch_add(1, Ordering::Relaxed);
                let mut released = self.shared.released.subscribe();
                released.wait_for(|count| *count > turn).await.unwrap();
                self.deliver(rest, to).await.is_ok()
            }
        }
    }

    async fn deliver(&self, piece: &[u8], to: &mut OwnedWriteHalf) -> std::io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        let fault = self.shared.fault.borrow().clone();
        deliver(to, piece, &fault).await
    }

    fn verdict(&self, way: Way, piece: &[u8]) -> Verdict {
        let mut snare = self.shared.snare.lock().unwrap();
        if let Some(verdict) = snare.verdict(self.number, way, piece) {
            return verdict;
        }
        let mut verdict = Verdict::new(piece.len(), Then::GoOn);
        self.shared.fault.send_if_modified(|fault| {
            match (&mut *fault, way) {
                (Fault::CutAfter(left), Way::ToBridge)
                | (Fault::CutSaidAfter(left), Way::ToServer) => {
                    if *left < piece.len() {
                        verdict = Verdict::new(*left, Then::Cut);
                    } else {
                        *left -= piece.len();
                    }
                }
                (Fault::HalfOpen, Way::ToBridge) => verdict = Verdict::new(0, Then::Drop),
                (Fault::CutBeforeTaggedOk, Way::ToBridge) => {
                    if let Some(start) = trap::tagged_ok(piece) {
                        verdict = Verdict::new(start, Then::Cut);
                    }
                }
                (_, _) => {}
            }
            // Nobody has to be told how much is left.
            false
        });
        verdict
    }
}

async fn deliver(to: &mut OwnedWriteHalf, piece: &[u8], fault: &Fault) -> std::io::Result<()> {
    let size = match fault {
        Fault::Drip => 1,
        Fault::Split => piece.len().div_ceil(2),
        Fault::Delay(time) => {
            tokio::time::sleep(*time).await;
            piece.len()
        }
        Fault::None
        | Fault::CutAfter(_)
        | Fault::CutSaidAfter(_)
        | Fault::HalfOpen
        | Fault::CutBeforeTaggedOk
        | Fault::Away => piece.len(),
    };
    for part in piece.chunks(size) {
        to.write_all(part).await?;
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Servers write the lines that have these words in one piece.
fn replace(piece: &mut [u8], word: &[u8], with: &[u8]) {
    let mut at = 0;
    while let Some(found) = position(&piece[at..], word) {
        piece[at + found..at + found + word.len()].copy_from_slice(with);
        at += found + word.len();
    }
}

fn position(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}
