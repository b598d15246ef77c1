//! A second witness: a direct IMAP session that shares no code with the bridge.
//!
//! It sends what it is told and returns what comes back, literals set apart, and panics when the connection is lost.

use std::{collections::BTreeSet, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// One session.
pub(crate) struct Witness {
    stream: BufReader<TcpStream>,
    tag: u32,
}

/// One untagged response; each literal is `{n}` in the text and stands, in order, beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untagged {
    pub(crate) text: String,
    pub(crate) literals: Vec<Vec<u8>>,
}

/// What one command brought.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) untagged: Vec<Untagged>,
    /// The tagged line without its tag: `OK …`, `NO …` or `BAD …`.
    pub(crate) status: String,
}

impl Reply {
    /// Panics unless the command succeeded.
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.starts_with("OK"), "{self:?}");
        self
    }

    /// The texts of the untagged responses.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.untagged
            .iter()
            .map(|response| response.text.as_str())
            .collect()
    }

    /// The first literal of all.
    pub(crate) fn literal(&self) -> &[u8] {
        self.untagged
            .iter()
            .flat_map(|response| &response.literals)
            .next()
            .unwrap_or_else(|| panic!("no literal in {self:?}"))
    }
}

impl Witness {
    /// Connects and reads the greeting.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .unwrap_or_else(|error| panic!("witness at {address}: {error}"));
        stream.set_nodelay(true).unwrap();
        let mut witness = Self {
            stream: BufReader::new(stream),
            tag: 0,
        };
        let greeting = witness.response().await;
        assert!(greeting.text.starts_with("* OK"), "{greeting:?}");
        witness
    }

    /// Connects and logs in with the password all test accounts have.
    pub(crate) async fn login(address: SocketAddr, user: &str) -> Self {
        let mut witness = Self::connect(address).await;
        let login = format!("LOGIN {} \"secret\"", quoted(user));
        witness.command(&login).await.ok();
        witness
    }

    /// Sends one line and reads up to its tagged answer.
    pub(crate) async fn command(&mut self, line: &str) -> Reply {
        let tag = self.send_tagged(line).await;
        self.reply(&tag).await
    }

    /// Sends a line that ends before a literal, the literal when the server asks for it, and what follows it.
    pub(crate) async fn command_with_literal(
        &mut self,
        start: &str,
        literal: &[u8],
        rest: &str,
    ) -> Reply {
        let line = format!("{start}{{{}}}", literal.len());
        let tag = self.send_tagged(&line).await;
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await;
            if response.text.starts_with('+') {
                break;
            }
            if let Some(status) = response.text.strip_prefix(&format!("{tag} ")) {
                let status = status.to_owned();
                return Reply { untagged, status };
            }
            untagged.push(response);
        }
        self.stream.write_all(literal).await.unwrap();
        self.send(rest).await;
        let mut reply = self.reply(&tag).await;
        untagged.append(&mut reply.untagged);
        Reply { untagged, ..reply }
    }

    /// Appends a message and returns its UID (0 where the server has no UIDPLUS).
    pub(crate) async fn append(
        &mut self,
        mailbox: &str,
        message: &[u8],
        flags: &str,
        internal_date: Option<&str>,
    ) -> u32 {
        let date = internal_date.map_or(String::new(), |date| format!("\"{date}\" "));
        let start = format!("APPEND {} ({flags}) {date}", quoted(mailbox));
        let reply = self.command_with_literal(&start, message, "").await.ok();
        match reply.status.split_once("[APPENDUID ") {
            Some((_, code)) => {
                let (numbers, _) = code.split_once(']').unwrap();
                numbers.split(' ').nth(1).unwrap().parse().unwrap()
            }
            None => 0,
        }
    }

    /// Opens a mailbox for reading only, which leaves `\Recent` alone, and returns how many messages it has.
    pub(crate) async fn examine(&mut self, mailbox: &str) -> u32 {
        let reply = self
            .command(&format!("EXAMINE {}", quoted(mailbox)))
            .await
            .ok();
        let count = reply.texts().iter().find_map(|text| {
            text.strip_prefix("* ")?
                .strip_suffix(" EXISTS")?
                .parse()
                .ok()
        });
        count.unwrap_or_else(|| panic!("no EXISTS in {reply:?}"))
    }

    /// The message as stored; its mailbox is open.
    pub(crate) async fn message(&mut self, uid: u32) -> Vec<u8> {
        let reply = self
            .command(&format!("UID FETCH {uid} (BODY.PEEK[])"))
            .await;
        reply.ok().literal().to_vec()
    }

    /// The flags of a message, `\Recent` included; its mailbox is open.
    pub(crate) async fn flags(&mut self, uid: u32) -> BTreeSet<String> {
        let reply = self.command(&format!("UID FETCH {uid} (FLAGS)")).await.ok();
        let flags = reply.texts().iter().find_map(|text| {
            let (_, rest) = text.split_once("FLAGS (")?;
            let (flags, _) = rest.split_once(')')?;
            Some(flags.split_whitespace().map(str::to_owned).collect())
        });
        flags.unwrap_or_else(|| panic!("no FLAGS in {reply:?}"))
    }

    /// The UIDs a search finds; the mailbox is open.
    pub(crate) async fn search(&mut self, keys: &str) -> Vec<u32> {
        let reply = self.command(&format!("UID SEARCH {keys}")).await.ok();
        let mut found: Vec<u32> = reply
            .texts()
            .iter()
            .filter_map(|text| text.strip_prefix("* SEARCH"))
            .flat_map(str::split_whitespace)
            .map(|uid| uid.parse().unwrap())
            .collect();
        found.sort_unstable();
        found
    }

    /// Sends a line as it is, for commands such as IDLE's DONE.
    pub(crate) async fn send(&mut self, line: &str) {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .unwrap();
    }

    /// The next response of the server, whatever it is.
    pub(crate) async fn response(&mut self) -> Untagged {
        let mut response = Untagged {
            text: String::new(),
            literals: Vec::new(),
        };
        loop {
            let mut line = Vec::new();
            self.stream.read_until(b'\n', &mut line).await.unwrap();
            assert!(
                line.ends_with(b"\r\n"),
                "the server hung up after {response:?} {line:?}"
            );
            let line = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
            response.text.push_str(&line);
            let Some(size) = announced_literal(&line) else {
                return response;
            };
            let mut literal = vec![0; size];
            self.stream.read_exact(&mut literal).await.unwrap();
            response.literals.push(literal);
        }
    }

    async fn send_tagged(&mut self, line: &str) -> String {
        self.tag += 1;
        let tag = format!("w{}", self.tag);
        self.send(&format!("{tag} {line}")).await;
        tag
    }

    async fn reply(&mut self, tag: &str) -> Reply {
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await;
            match response.text.strip_prefix(&format!("{tag} ")) {
                Some(status) => {
                    let status = status.to_owned();
                    return Reply { untagged, status };
                }
                None => untagged.push(response),
            }
        }
    }
}

/// A quoted string; mailbox names are in modified UTF-7 already.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The size of the literal a line ends with.
pub(crate) fn announced_literal(line: &str) -> Option<usize> {
    let (_, size) = line.strip_suffix('}')?.rsplit_once('{')?;
    size.strip_suffix('+').unwrap_or(size).parse().ok()
}
