//! A store for these tests: it knows as much IMAP as a pool says, counts what it is asked, and can be told to misbehave.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream, tcp::OwnedWriteHalf},
    sync::watch,
    time::sleep,
};

use crate::task;

/// How it behaves, from the moment it is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    /// Connections of one login; more are refused with `[LIMIT]`.
    pub(super) limit: Option<usize>,
    /// Logins of those beyond the limit are never answered.
    pub(super) mute: bool,
    /// Every login is refused.
    pub(super) refuse: bool,
    /// Every login of this name is.
    pub(super) refuse_one: Option<&'static str>,
    /// A FETCH that asks for this message is refused.
    pub(super) poison: Option<u32>,
    /// Messages with a UID up to this are there.
    pub(super) last_uid: u32,
    /// Each n-th command is answered by hanging up.
    pub(super) hang_up: Option<usize>,
    /// How long a command takes.
    pub(super) takes: Duration,
}

/// What it has seen.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Connections now, by login.
    pub(super) now: HashMap<String, usize>,
    /// Most at a time, of one login and of all.
    pub(super) most_of_one: usize,
    pub(super) most_of_all: usize,
    /// Connections ever, from the TCP handshake on.
    pub(super) accepted: usize,
    /// Commands after the login, in the order they came, those in one packet in one entry.
    pub(super) packets: Vec<Vec<String>>,
    commands: usize,
}

impl Seen {
    /// Commands of this name.
    pub(super) fn commands(&self, name: &str) -> Vec<&String> {
        let commands = self.packets.iter().flatten();
        commands
            .filter(|command| command.starts_with(name))
            .collect()
    }
}

/// A running store; dropped, it takes no new connections.
pub(super) struct Store {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::task::JoinHandle<()>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    seen: Mutex<Seen>,
    /// Commands that are to wait do so while this is true.
    held: watch::Sender<bool>,
}

impl Store {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour).await
    }

    pub(super) async fn start_at(address: SocketAddr, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            seen: Mutex::default(),
            held: watch::Sender::new(false),
        });
        let serving = Arc::clone(&shared);
        let listening = task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.seen().accepted += 1;
                let shared = Arc::clone(&serving);
                task::spawn(async move { Session::serve(stream, shared).await.ok() });
            }
        });
        Self {
            address,
            shared,
            listening,
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.shared.seen().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock().unwrap());
    }

    /// From now on no FETCH is answered until it is let go.
    pub(super) fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    pub(super) fn let_go(&self) {
        self.shared.held.send_replace(false);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }
}

/// One connection.
struct Session {
    shared: Arc<Shared>,
    writer: OwnedWriteHalf,
    login: Option<String>,
    /// Messages its view of the mailbox has.
    view: u32,
    /// A NOOP that has still to bring the view up to date: like Dovecot it does so once it has run all that came at once.
    refresh: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Session {
    /// Counts no more.
    fn leave(&mut self) {
        if let Some(login) = self.login.take() {
            *self.shared.seen().now.get_mut(&login).unwrap() -= 1;
        }
    }

    async fn serve(stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut session = Self {
            shared,
            writer,
            login: None,
            view: 0,
            refresh: false,
        };
        session
            .say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready")
            .await?;
        let mut packet = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let more = reader.buffer().contains(&b'\n');
            let (tag, command) = line.trim_end().split_once(' ').unwrap();
            packet.push(command.to_owned());
            if !more {
                let packet = std::mem::take(&mut packet);
                if session.login.is_some() {
                    session.shared.seen().packets.push(packet);
                }
            }
            if !session.answer(tag, command).await? {
                return Ok(());
            }
            if !more && session.refresh {
                session.refresh = false;
                session.view = session.shared.behaviour().last_uid;
            }
        }
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.writer
            .write_all(format!("{line}\r\n").as_bytes())
            .await
    }

    /// False to hang up.
    async fn answer(&mut self, tag: &str, command: &str) -> std::io::Result<bool> {
        let behaviour = self.shared.behaviour();
        if let Some(response) = command.strip_prefix("AUTHENTICATE PLAIN ") {
            return self.log_in(tag, response, &behaviour).await;
        }
        let number = {
            let mut seen = self.shared.seen();
            seen.commands += 1;
            seen.commands
        };
        if behaviour.hang_up.is_some_and(|each| number % each == 0) {
            return Ok(false);
        }
        if !behaviour.takes.is_zero() {
            sleep(behaviour.takes).await;
        }
        match command.split_once(' ').unwrap_or((command, "")) {
            ("EXAMINE" | "SELECT", _) => {
                self.view = behaviour.last_uid;
                self.say("* OK [UIDVALIDITY 1] ok").await?;
            }
            ("STATUS", _) => self.say("* STATUS INBOX (UIDVALIDITY 1)").await?,
            ("NOOP", _) => self.refresh = true,
            ("UID", fetch) => {
                let mut held = self.shared.held.subscribe();
                held.wait_for(|held| !held).await.unwrap();
                let set = fetch.split(' ').nth(1).unwrap();
                if !self.fetch(set, &behaviour).await? {
                    self.say(&format!("{tag} NO [SERVERBUG] broken")).await?;
                    return Ok(true);
                }
            }
            ("LOGOUT", _) => {
                // Before the client can know and connect again.
                self.leave();
                self.say("* BYE").await?;
                self.say(&format!("{tag} OK")).await?;
                return Ok(false);
            }
            _ => {}
        }
        self.say(&format!("{tag} OK done")).await?;
        Ok(true)
    }

    async fn log_in(
        &mut self,
        tag: &str,
        response: &str,
        behaviour: &Behaviour,
    ) -> std::io::Result<bool> {
        let response = BASE64_STANDARD.decode(response).unwrap();
        let response = String::from_utf8(response).unwrap();
        let login = response.split('\0').nth(1).unwrap().to_owned();
        let refuse = behaviour.refuse || behaviour.refuse_one == Some(login.as_str());
        let allowed = {
            let mut seen = self.shared.seen();
            let now = seen.now.entry(login.clone()).or_default();
            let allowed = !refuse && behaviour.limit.is_none_or(|limit| *now < limit);
            if allowed {
                *now += 1;
                let now = *now;
                seen.most_of_one = seen.most_of_one.max(now);
                seen.most_of_all = seen.most_of_all.max(seen.now.values().sum());
                self.login = Some(login);
            }
            allowed
        };
        if allowed {
            self.say(&format!("{tag} OK [CAPABILITY IMAP4rev1] in"))
                .await?;
            return Ok(true);
        }
        if behaviour.mute {
            std::future::pending::<()>().await;
        }
        let code = if refuse {
            "AUTHENTICATIONFAILED"
        } else {
            "LIMIT"
        };
        self.say(&format!("{tag} NO [{code}] no")).await?;
        Ok(false)
    }

    /// False when one of them is not to be had.
    async fn fetch(&mut self, set: &str, behaviour: &Behaviour) -> std::io::Result<bool> {
        for range in set.split(',') {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let last: u32 = last.parse().unwrap();
            for uid in first.parse().unwrap()..=last.min(self.view) {
                if behaviour.poison == Some(uid) {
                    return Ok(false);
                }
                self.say(&format!("* {uid} FETCH (UID {uid} FLAGS (f{uid}))"))
                    .await?;
            }
        }
        Ok(true)
    }
}
