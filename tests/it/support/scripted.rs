//! A server that says and expects what a script tells it, and knows no IMAP.
//!
//! A script is built in the test or read from `fixtures/transcripts/*.txt`, one step a line:
//!
//! ```text
//! # a comment
//! S: * OK [CAPABILITY IMAP4rev1] ready       sent, CR LF added
//! C: {tag} LOGIN *                           expected; * is any text, {tag…} is learned here and known from here on
//! S: {tag} OK done
//! C: <literal>                               as many bytes as the last C: line announced
//! S-raw: * 1 FETCH (BODY[] {3}\r\na\x00b)     sent as it is, with \r \n \t \\ and \xHH, nothing added
//! S: <close>                                 hangs up
//! S: <stall>                                 says and reads nothing more until the client hangs up
//! S: <reset>                                 breaks the connection off, as a host does that went down (in a repertoire)
//! include: login.txt                         the steps of another transcript
//! ```

use std::{collections::HashMap, net::SocketAddr, path::Path, time::Duration};

use cpm_bridge::task;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};

use super::witness::announced_literal;

/// What one connection says and expects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    steps: Vec<Step>,
}

/// One line of a script.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Send(String),
    SendRaw(Vec<u8>),
    Expect(String),
    ExpectLiteral,
    Close,
    Stall,
    Reset,
}

impl Script {
    /// An empty script: the client is accepted and hung up on.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The script in `fixtures/transcripts/`.
    pub(crate) fn file(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/transcripts");
        let text = std::fs::read_to_string(directory.join(name))
            .unwrap_or_else(|error| panic!("fixtures/transcripts/{name}: {error}"));
        Self::parse(&text)
    }

    /// A script from its text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::new();
        for line in text.lines() {
            let (word, rest) = line.split_once(':').unwrap_or((line, ""));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            script = match (word, rest) {
                ("", _) => script,
                (comment, _) if comment.starts_with('#') => script,
                ("S", "<close>") => script.close(),
                ("S", "<stall>") => script.stall(),
                ("S", "<reset>") => script.step(Step::Reset),
                ("S", rest) => script.send(rest),
                ("S-raw", rest) => script.send_raw(&unescaped(rest)),
                ("C", "<literal>") => script.expect_literal(),
                ("C", rest) => script.expect(rest),
                ("include", rest) => script.then(Self::file(rest)),
                (_, _) => panic!("not a step: {line}"),
            };
        }
        script
    }

    /// Sends a line.
    pub(crate) fn send(self, line: &str) -> Self {
        self.step(Step::Send(line.to_owned()))
    }

    /// Sends bytes.
    pub(crate) fn send_raw(self, bytes: &[u8]) -> Self {
        self.step(Step::SendRaw(bytes.to_owned()))
    }

    /// Expects a line.
    pub(crate) fn expect(self, pattern: &str) -> Self {
        self.step(Step::Expect(pattern.to_owned()))
    }

    /// Expects the literal the line before announced.
    pub(crate) fn expect_literal(self) -> Self {
        self.step(Step::ExpectLiteral)
    }

    /// Hangs up.
    pub(crate) fn close(self) -> Self {
        self.step(Step::Close)
    }

    /// Says nothing more.
    pub(crate) fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// The steps of another script after these.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }

    /// Its steps, in order.
    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Plays the script on a stream, to its end or to the first thing that goes otherwise.
    pub(crate) async fn play(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Result<(), String> {
        let mut stream = BufReader::new(stream);
        let mut tags = HashMap::new();
        let mut literal = None;
        for (number, step) in self.steps.iter().enumerate() {
            let failed = |what: String| format!("step {}, {step:?}: {what}", number + 1);
            let io = |error: std::io::Error| failed(error.to_string());
            match step {
                Step::Send(line) => {
                    let line = substituted(line, &tags) + "\r\n";
                    stream.write_all(line.as_bytes()).await.map_err(io)?;
                }
                Step::SendRaw(bytes) => stream.write_all(bytes).await.map_err(io)?,
                Step::Expect(pattern) => {
                    let mut line = Vec::new();
                    stream.read_until(b'\n', &mut line).await.map_err(io)?;
                    let line = String::from_utf8_lossy(&line).into_owned();
                    let line = line
                        .strip_suffix("\r\n")
                        .ok_or_else(|| failed(format!("the client hung up after {line:?}")))?;
                    if !matches(pattern, line, &mut tags) {
                        return Err(failed(format!("the client said {line:?}")));
                    }
                    literal = announced_literal(line);
                }
                Step::ExpectLiteral => {
                    let size = literal.ok_or_else(|| failed("none was announced".to_owned()))?;
                    stream.read_exact(&mut vec![0; size]).await.map_err(io)?;
                }
                Step::Close => {
                    stream.shutdown().await.map_err(io)?;
                    return Ok(());
                }
                Step::Stall => {
                    tokio::io::copy(&mut stream, &mut tokio::io::sink())
                        .await
                        .ok();
                    return Ok(());
                }
                Step::Reset => {
                    return Err(failed("a script has no connection to reset".to_owned()));
                }
            }
            stream.flush().await.map_err(io)?;
        }
        Ok(())
    }
}

/// A listener with one script for each connection, in the order they come.
pub(crate) struct Scripted {
    address: SocketAddr,
    outcomes: watch::Receiver<Vec<Option<Result<(), String>>>>,
    listening: JoinHandle<()>,
}

impl Scripted {
    /// Listens on a free loopback port; connections beyond the scripts are refused.
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, outcomes) = watch::channel(vec![None; scripts.len()]);
        let listening = task::spawn(async move {
            for (number, script) in scripts.into_iter().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let told = told.clone();
                task::spawn(async move {
                    let outcome = script.play(stream).await;
                    told.send_modify(|outcomes| outcomes[number] = Some(outcome));
                });
            }
        });
        Self {
            address,
            outcomes,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went otherwise than the scripts have it; a script not begun or not at its end counts.
    ///
    /// What the client has caused may not have been noticed yet, so this waits for it up to a second.
    pub(crate) async fn mismatches(&self) -> Vec<String> {
        let mut outcomes = self.outcomes.clone();
        let all = outcomes.wait_for(|outcomes| outcomes.iter().all(Option::is_some));
        tokio::time::timeout(Duration::from_secs(1), all).await.ok();
        let outcomes = self.outcomes.borrow();
        let told = outcomes.iter().enumerate().filter_map(|(number, outcome)| {
            let what = match outcome {
                Some(Ok(())) => return None,
                Some(Err(what)) => what,
                None => "not played to its end",
            };
            Some(format!("connection {}: {what}", number + 1))
        });
        told.collect()
    }

    /// Panics unless every script was played to its end.
    pub(crate) async fn assert_played(&self) {
        let mismatches = self.mismatches().await;
        assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Whether a line is what the pattern wants; learns the tags in it if so.
pub(super) fn matches(pattern: &str, line: &str, tags: &mut HashMap<String, String>) -> bool {
    let mut learned = tags.clone();
    let pattern = match pattern.split_once('}') {
        // A tag can only be learned at the beginning of a line.
        Some((name, rest)) if name.starts_with("{tag") => {
            let Some((tag, _)) = line.split_once(' ') else {
                return false;
            };
            learned.insert(format!("{name}}}"), tag.to_owned());
            format!("{tag}{rest}")
        }
        _ => pattern.to_owned(),
    };
    let pieces: Vec<&str> = pattern.split('*').collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    let fits = if pieces.len() == 1 {
        line == pattern
    } else {
        let inner = line
            .strip_prefix(first)
            .and_then(|rest| rest.strip_suffix(last));
        inner.is_some_and(|inner| {
            let mut rest = inner;
            pieces[1..pieces.len() - 1].iter().all(|piece| {
                let found = rest.split_once(piece);
                rest = found.map_or("", |(_, after)| after);
                found.is_some()
            })
        })
    };
    if fits {
        *tags = learned;
    }
    fits
}

pub(super) fn substituted(line: &str, tags: &HashMap<String, String>) -> String {
    tags.iter().fold(line.to_owned(), |line, (name, tag)| {
        line.replace(name.as_str(), tag)
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => panic!("unknown escape {other:?} in {text}"),
        });
    }
    bytes
}
