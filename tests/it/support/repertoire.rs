//! A server that has an answer to each command, in whatever order they come and on whatever connection, and knows no IMAP.
//!
//! It is read from a transcript (`support::scripted`): what is sent before the first `C:` line is the greeting, and each `C:`
//! line, without a tag, is followed by the answer to the commands that fit it. Of several answers the last one counts, so a
//! test adds what is to go wrong. A literal is asked for and stands in the command behind its size: `CREATE {5}hello`; a `C:`
//! line that ends with `}` is for the command up to there, before its literal is asked for.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use cpm_bridge::task;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{
    scripted::{Script, Step, matches, substituted},
    witness::announced_literal,
};

/// A running server; dropped, it takes no new connections.
pub(crate) struct Repertoire {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
    commands: watch::Receiver<usize>,
    listening: JoinHandle<()>,
}

/// What it says, and what it was told.
struct Book {
    greeting: Vec<Step>,
    answers: Vec<Answer>,
    connections: usize,
    received: Vec<String>,
    unexpected: Vec<String>,
    /// How many commands were received.
    commands: watch::Sender<usize>,
}

struct Answer {
    command: String,
    steps: Vec<Step>,
    /// How often it is still given.
    left: usize,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Command,
    End,
}

impl Repertoire {
    /// Listens on a free loopback port with the repertoire of `fixtures/transcripts/`.
    pub(crate) async fn start(transcript: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, commands) = watch::channel(0);
        let book = Arc::new(Mutex::new(Book::read(Script::file(transcript), sender)));
        let shared = Arc::clone(&book);
        let listening = task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                task::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            book,
            commands,
            listening,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections are greeted so.
    pub(crate) fn greet(&self, lines: &str) {
        self.book.lock().unwrap().greeting = steps(lines);
    }

    /// From now on commands that fit are answered with these lines (what stands behind `S: `, or a whole `S-raw: ` line).
    pub(crate) fn answer(&self, command: &str, lines: &str) {
        self.answer_times(usize::MAX, command, lines);
    }

    /// The same for the next so many commands.
    pub(crate) fn answer_times(&self, times: usize, command: &str, lines: &str) {
        self.book.lock().unwrap().answers.push(Answer {
            command: command.to_owned(),
            steps: steps(lines),
            left: times,
        });
    }

    /// Withdraws the answer that was last given out for exactly this pattern.
    pub(crate) fn withdraw(&self, command: &str) {
        let answers = &mut self.book.lock().unwrap().answers;
        let last = answers.iter().rposition(|answer| answer.command == command);
        answers.remove(last.unwrap());
    }

    /// The commands so far that fit, without their tags.
    pub(crate) fn received(&self, command: &str) -> Vec<String> {
        let book = self.book.lock().unwrap();
        let fitting = book.received.iter().filter(|line| fits(command, line));
        fitting.cloned().collect()
    }

    /// Waits until a command that fits has come.
    pub(crate) async fn until_received(&self, command: &str) {
        let mut commands = self.commands.clone();
        let came = commands.wait_for(|_| !self.received(command).is_empty());
        let came = tokio::time::timeout(Duration::from_secs(60), came).await;
        came.unwrap_or_else(|_| panic!("{command} does not come"))
            .unwrap();
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.book.lock().unwrap().connections
    }

    /// Panics if a command came that there was no answer to: it got a BAD.
    pub(crate) fn assert_all_known(&self) {
        let unexpected = self.book.lock().unwrap().unexpected.clone();
        assert!(unexpected.is_empty(), "no answer to {unexpected:?}");
    }
}

impl Drop for Repertoire {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Book {
    fn read(script: Script, commands: watch::Sender<usize>) -> Self {
        let mut book = Self {
            greeting: Vec::new(),
            answers: Vec::new(),
            connections: 0,
            received: Vec::new(),
            unexpected: Vec::new(),
            commands,
        };
        for step in script.into_steps() {
            match (step, book.answers.last_mut()) {
                (Step::Expect(command), _) => book.answers.push(Answer {
                    command,
                    steps: Vec::new(),
                    left: usize::MAX,
                }),
                (step, None) => book.greeting.push(step),
                (step, Some(answer)) => answer.steps.push(step),
            }
        }
        book
    }

    /// A command has come.
    fn receive(&mut self, command: String) {
        self.received.push(command);
        self.commands.send_replace(self.received.len());
    }

    /// What to say to a command, or to one that stops before a literal; the latter may have no answer.
    fn answer_to(&mut self, command: &str, before_literal: bool) -> Option<Vec<Step>> {
        let answer = self.answers.iter_mut().rev().find(|answer| {
            let for_beginning = answer.command.ends_with('}');
            answer.left > 0 && for_beginning == before_literal && fits(&answer.command, command)
        })?;
        answer.left -= 1;
        Some(answer.steps.clone())
    }
}

async fn serve(stream: TcpStream, book: Arc<Mutex<Book>>) {
    let mut stream = BufReader::new(stream);
    let greeting = {
        let mut book = book.lock().unwrap();
        book.connections += 1;
        book.greeting.clone()
    };
    let mut next = say(&mut stream, "*", &greeting).await;
    while next == Next::Command {
        next = answer(&mut stream, &book).await.unwrap_or(Next::End);
    }
}

/// Reads one command and answers it; `None` when the client hangs up.
async fn answer(stream: &mut BufReader<TcpStream>, book: &Mutex<Book>) -> Option<Next> {
    let line = read_line(stream).await?;
    let (tag, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
    let (tag, mut command) = (tag.to_owned(), rest.to_owned());
    while let Some(size) = announced_literal(&command) {
        let waits = !command.ends_with("+}");
        let refusal = book.lock().unwrap().answer_to(&command, true);
        if let Some(steps) = refusal.filter(|_| waits) {
            book.lock().unwrap().receive(command);
            return Some(say(stream, &tag, &steps).await);
        }
        if waits {
            stream.write_all(b"+ go\r\n").await.ok()?;
        }
        let mut literal = vec![0; size];
        stream.read_exact(&mut literal).await.ok()?;
        command.push_str(&String::from_utf8_lossy(&literal));
        command.push_str(&read_line(stream).await?);
    }
    let steps = {
        let mut book = book.lock().unwrap();
        book.receive(command.clone());
        let steps = book.answer_to(&command, false);
        if steps.is_none() {
            book.unexpected.push(command);
        }
        steps.unwrap_or_else(|| vec![Step::Send("{tag} BAD not in the repertoire".to_owned())])
    };
    Some(say(stream, &tag, &steps).await)
}

async fn say(stream: &mut BufReader<TcpStream>, tag: &str, steps: &[Step]) -> Next {
    let tags = HashMap::from([("{tag}".to_owned(), tag.to_owned())]);
    for step in steps {
        let said = match step {
            Step::Send(line) => {
                let line = substituted(line, &tags) + "\r\n";
                stream.write_all(line.as_bytes()).await
            }
            Step::SendRaw(bytes) => stream.write_all(bytes).await,
            Step::Close => {
                stream.shutdown().await.ok();
                return Next::End;
            }
            Step::Stall => {
                tokio::io::copy(stream, &mut tokio::io::sink()).await.ok();
                return Next::End;
            }
            Step::Reset => {
                stream.get_ref().set_zero_linger().unwrap();
                return Next::End;
            }
            Step::Expect(_) | Step::ExpectLiteral => panic!("{step:?} in an answer"),
        };
        if said.is_err() {
            return Next::End;
        }
    }
    Next::Command
}

async fn read_line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line).await.ok()?;
    let line = line.strip_suffix(b"\r\n")?;
    Some(String::from_utf8_lossy(line).into_owned())
}

fn steps(lines: &str) -> Vec<Step> {
    let step = |line: &str| match line {
        raw if raw.starts_with("S-raw: ") => format!("{raw}\n"),
        line => format!("S: {line}\n"),
    };
    let text: String = lines.lines().map(step).collect();
    Script::parse(&text).into_steps()
}

fn fits(pattern: &str, command: &str) -> bool {
    matches(pattern, command, &mut HashMap::new())
}
