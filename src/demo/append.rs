//! As much IMAP as it takes to put messages into boxes: LOGIN, CREATE, SEARCH and APPEND on a plain connection.
//!
//! The bridge's own client does not append whole messages to strange folders, and the demo should fill the store as
//! any other client of it would.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// A session of one user.
pub(super) struct Session {
    stream: BufReader<TcpStream>,
    commands: u32,
}

/// What one command brought.
struct Reply {
    lines: Vec<String>,
    status: String,
}

impl Session {
    pub(super) async fn login(address: SocketAddr, user: &str, password: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut session = Self {
            stream: BufReader::new(stream),
            commands: 0,
        };
        session.line().await?;
        let login = format!("LOGIN \"{user}\" \"{password}\"");
        session.command(&login).await?.ok()?;
        Ok(session)
    }

    /// Makes a mailbox unless it is there.
    pub(super) async fn create(&mut self, mailbox: &str) -> io::Result<()> {
        let reply = self.command(&format!("CREATE \"{mailbox}\"")).await?;
        if reply.status.starts_with("NO [ALREADYEXISTS]") {
            return Ok(());
        }
        reply.ok().map(drop)
    }

    /// Whether the mailbox has a message with this Message-ID; reading only, so that `\Recent` stays.
    pub(super) async fn has(&mut self, mailbox: &str, message_id: &str) -> io::Result<bool> {
        self.command(&format!("EXAMINE \"{mailbox}\""))
            .await?
            .ok()?;
        let search = format!("SEARCH HEADER Message-ID \"{message_id}\"");
        let reply = self.command(&search).await?.ok()?;
        let found = reply.lines.iter().any(|line| {
            line.strip_prefix("* SEARCH")
                .is_some_and(|numbers| !numbers.trim().is_empty())
        });
        Ok(found)
    }

    pub(super) async fn append(
        &mut self,
        mailbox: &str,
        flags: &str,
        date: &str,
        message: &[u8],
    ) -> io::Result<()> {
        let size = message.len();
        let start = format!("APPEND \"{mailbox}\" ({flags}) \"{date}\" {{{size}}}");
        let tag = self.send(&start).await?;
        loop {
            let line = self.line().await?;
            if line.starts_with('+') {
                break;
            }
            if let Some(status) = line.strip_prefix(&tag) {
                return Err(io::Error::other(status.to_owned()));
            }
        }
        self.stream.write_all(message).await?;
        self.stream.write_all(b"\r\n").await?;
        self.reply(&tag).await?.ok().map(drop)
    }

    async fn command(&mut self, command: &str) -> io::Result<Reply> {
        let tag = self.send(command).await?;
        self.reply(&tag).await
    }

    async fn send(&mut self, command: &str) -> io::Result<String> {
        self.commands += 1;
        let tag = format!("d{} ", self.commands);
        let line = format!("{tag}{command}\r\n");
        self.stream.write_all(line.as_bytes()).await?;
        Ok(tag)
    }

    async fn reply(&mut self, tag: &str) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if let Some(status) = line.strip_prefix(tag) {
                let status = status.to_owned();
                return Ok(Reply { lines, status });
            }
            lines.push(line);
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Reply {
    fn ok(self) -> io::Result<Self> {
        if self.status.starts_with("OK") {
            Ok(self)
        } else {
            Err(io::Error::other(self.status))
        }
    }
}
