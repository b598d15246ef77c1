//! The task's side of a connection: what is asked for, one after the other.

mod append;
mod fetch;
mod listen;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tracing::{Instrument, debug};

pub use self::append::Message;
pub(in crate::imap) use self::fetch::{Looked, Wish};
use self::listen::Ear;
use super::{Completion, Expected, Mode, Open, Reply, Request, Selected, Work};
use crate::imap::{
    MailboxName,
    capability::Capabilities,
    command::{Command, Segment},
    connect::{self, Endpoint, Established, Session, next},
    error::Error,
    measure::{Commands, Loss},
    response::{Code, Response, Status, Tagged, Untagged},
    server::Held,
};

/// Most untagged responses kept of one command; far beyond what our commands ask for.
const MOST_UNTAGGED: usize = 1_000_000;

/// How long a connection at rest keeps its mailbox open: long enough for the requests of one client in a row. It may be deleted
/// and made anew by others meanwhile, and NOOP, FETCH or CLOSE in the old one cost the new one its mail (Dovecot 2.3).
const OPEN_AT_REST: Duration = Duration::from_secs(1);

/// The task's side.
pub(super) struct Driver {
    session: Established,
    literal_plus: bool,
    unselect: bool,
    vanished: bool,
    command_timeout: Duration,
    most_bytes: u64,
    /// Octets taken from the server before the command under way was sent.
    taken_before: u64,
    idle_timeout: Duration,
    selection: Option<Selected>,
    shown: Arc<Mutex<Option<Open>>>,
    /// Since when it has been at rest.
    parked: Option<Instant>,
    /// What it listens with, if it does.
    ear: Option<Ear>,
    /// Commands sent so far.
    tags: u64,
    times: Commands,
    /// Whether the server may have taken for commands what was none.
    out_of_step: bool,
}

/// Why the task ends.
enum End {
    Logout(Option<oneshot::Sender<Result<Reply, Error>>>),
    Broken(Loss),
}

impl Driver {
    pub(super) fn new(
        endpoint: &Endpoint,
        session: Session,
        capabilities: &Capabilities,
        shown: Arc<Mutex<Option<Open>>>,
    ) -> Self {
        Self {
            session: connect::established(session),
            literal_plus: capabilities.literal_plus(),
            unselect: capabilities.unselect(),
            vanished: capabilities.vanished(),
            command_timeout: endpoint.command_timeout,
            most_bytes: endpoint.limits.command,
            taken_before: 0,
            idle_timeout: endpoint.idle_timeout,
            selection: None,
            shown,
            parked: None,
            ear: None,
            tags: 0,
            times: Commands::new(&endpoint.store),
            out_of_step: false,
        }
    }

    /// Does what is asked for until the connection ends.
    pub(super) async fn drive(mut self, mut requests: mpsc::Receiver<Box<Request>>, held: Held) {
        let end = self.serve(&mut requests, &held).await;
        if let Some(ear) = &self.ear {
            ear.bell.end();
        }
        // From here on `is_closed` holds; whoever was quicker is told that nothing was sent.
        requests.close();
        while let Ok(request) = requests.try_recv() {
            let _ = request.reply.send(Err(request.work.not_begun()));
        }
        let reply = match end {
            End::Logout(reply) => Some(reply),
            End::Broken(loss) => {
                held.slot().lost(loss);
                None
            }
        };
        if let Some(reply) = reply {
            // RFC 9051 §6.1.3: the server says BYE and closes; a second is enough for that.
            let leaving = async {
                self.listen_no_more().await?;
                self.exchange(&Command::new("LOGOUT")).await
            };
            let _ = timeout(Duration::from_secs(1), leaving).await;
            if let Some(reply) = reply {
                let _ = reply.send(Ok(Reply::Nothing));
            }
        }
        drop(self.session);
        drop(held);
    }

    async fn serve(&mut self, requests: &mut mpsc::Receiver<Box<Request>>, held: &Held) -> End {
        loop {
            let open_at_rest = self.selection.is_some() && OPEN_AT_REST < self.idle_timeout;
            let rest = if open_at_rest {
                OPEN_AT_REST
            } else {
                self.idle_timeout
            };
            let rested = sleep_until(self.parked.unwrap_or_else(Instant::now) + rest);
            let silent = sleep_until(self.ear.as_ref().map_or_else(Instant::now, Ear::patience));
            let request = tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(request) => request,
                    None => return End::Logout(None),
                },
                // Between commands the server may still speak: new mail, or BYE and the end.
                response = next(&mut self.session) => match response {
                    Ok(Response::Untagged(data)) => {
                        self.observe(&data);
                        continue;
                    }
                    // The server has ended an IDLE of its own accord: it tells nothing any more.
                    Ok(Response::Tagged(tagged)) if self.idles_as(&tagged.tag) => {
                        return End::Broken(Loss::Closed);
                    }
                    Ok(_) => continue,
                    Err(error) => return End::Broken(Loss::of(&error).unwrap_or(Loss::Closed)),
                },
                () = held.wanted(), if self.parked.is_some() || self.ear.is_some() => {
                    return End::Logout(None);
                }
                () = silent, if self.ear.is_some() => match self.listen_anew().await {
                    Ok(()) => continue,
                    Err(error) => return End::Broken(Loss::of(&error).unwrap_or(Loss::Protocol)),
                },
                () = rested, if self.parked.is_some() => {
                    if !open_at_rest {
                        return End::Logout(None);
                    }
                    match self.leave().await {
                        Ok(()) | Err(Error::No { .. }) => continue,
                        Err(error) => return End::Broken(Loss::of(&error).unwrap_or(Loss::Protocol)),
                    }
                }
            };
            let Request { work, span, reply } = *request;
            if let Work::Close = work {
                return End::Logout(Some(reply));
            }
            // Apart: most connections are at rest.
            let outcome = Box::pin(self.perform(work)).instrument(span).await;
            let loss = match &outcome {
                Ok(Reply::Each(outcomes)) => outcomes
                    .iter()
                    .find_map(|outcome| outcome.as_ref().err().and_then(Loss::of)),
                outcome => outcome.as_ref().err().and_then(Loss::of),
            };
            let loss = loss.or(self.out_of_step.then_some(Loss::Protocol));
            if loss.is_some() {
                // Whoever is told so finds it closed.
                requests.close();
            }
            let _ = reply.send(outcome);
            if let Some(loss) = loss {
                return End::Broken(loss);
            }
        }
    }

    async fn perform(&mut self, work: Work) -> Result<Reply, Error> {
        self.parked = None;
        self.listen_no_more().await?;
        match work {
            Work::Run(command) => self.execute(&command).await.map(Reply::Completion),
            Work::Fetch(mailbox, expected, wish) => self
                .fetch(mailbox, &expected, wish)
                .await
                .map(Reply::Looked),
            Work::Open(mailbox, expected, mode) => self
                .open(mailbox, &expected, mode)
                .await
                .map(Reply::Selected),
            Work::OpenAnew(mailbox) => self
                .reopen(mailbox, Mode::Examine)
                .await
                .map(Reply::Selected),
            Work::Listen(listening, bell, period) => self
                .listen(listening, bell, period)
                .await
                .map(|()| Reply::Nothing),
            Work::Append(mailbox, messages) => {
                self.append(&mailbox, messages).await.map(Reply::Completion)
            }
            Work::AppendEach(mailbox, messages) => {
                Ok(Reply::Each(self.append_each(&mailbox, messages).await))
            }
            Work::Leave => self.leave().await.map(|()| Reply::Nothing),
            Work::Park => {
                if let Some(selected) = self
                    .selection
                    .take_if(|selected| selected.mode == Mode::Select)
                {
                    // A mailbox that cannot be examined now is simply not open any more.
                    match self.reopen(selected.mailbox, Mode::Examine).await {
                        Ok(_) | Err(Error::No { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                self.parked = Some(Instant::now());
                Ok(Reply::Nothing)
            }
            Work::Close => Ok(Reply::Nothing),
        }
    }

    async fn open(
        &mut self,
        mailbox: MailboxName,
        expected: &Expected,
        mode: Mode,
    ) -> Result<Selected, Error> {
        let open = self.selection.as_ref().filter(|selected| {
            selected.mailbox == mailbox && selected.mode == mode && expected.is(selected)
        });
        if open.is_some() {
            self.execute(&Command::new("NOOP")).await?;
            return self.selection.clone().ok_or(Error::Closed);
        }
        self.reopen(mailbox, mode).await
    }

    async fn leave(&mut self) -> Result<(), Error> {
        let Some(selected) = self.selection.clone() else {
            return Ok(());
        };
        let command = if self.unselect {
            "UNSELECT"
        } else {
            if selected.mode == Mode::Select {
                // RFC 9051 §6.4.1: CLOSE expunges unless the mailbox was examined.
                self.reopen(selected.mailbox, Mode::Examine).await?;
            }
            "CLOSE"
        };
        self.show(None);
        self.execute(&Command::new(command)).await.map(|_| ())
    }

    async fn reopen(&mut self, mailbox: MailboxName, mode: Mode) -> Result<Selected, Error> {
        self.show(None);
        let name = match mode {
            Mode::Examine => "EXAMINE",
            Mode::Select => "SELECT",
        };
        let completion = self.execute(&Command::new(name).mailbox(&mailbox)).await?;
        let mut selected = Selected {
            mailbox,
            mode,
            uid_validity: 0,
            mailbox_id: None,
            exists: 0,
            uid_next: None,
            highest_mod_seq: None,
            permanent_flags: None,
            flags: Vec::new(),
            no_mod_seq: false,
            read_only: mode == Mode::Examine || completion.code == Some(Code::ReadOnly),
        };
        completion
            .untagged
            .iter()
            .for_each(|data| selected.observe(data));
        self.show(Some(selected.clone()));
        Ok(selected)
    }

    fn show(&mut self, selection: Option<Selected>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) =
            selection.as_ref().map(|selected| Open {
                mailbox: selected.mailbox.clone(),
                no_mod_seq: selected.no_mod_seq,
            });
        self.selection = selection;
    }

    fn observe(&mut self, data: &Untagged) {
        if let Some(selected) = &mut self.selection {
            selected.observe(data);
        }
        if let Some(ear) = &self.ear {
            ear.bell.hear(data, self.selection.as_ref());
        }
    }

    /// Keeps what the server says while a command runs, as much as any command can ask for.
    fn keep(&mut self, data: Untagged, untagged: &mut Vec<Untagged>) -> Result<(), Error> {
        self.observe(&data);
        let bytes = self.session.get_ref().taken() - self.taken_before;
        if untagged.len() >= MOST_UNTAGGED || bytes > self.most_bytes {
            let what = "more untagged data than any command asks for";
            return Err(Error::Protocol(what.to_owned()));
        }
        untagged.push(data);
        Ok(())
    }

    /// Runs one command under the deadline; logged by name only.
    async fn execute(&mut self, command: &Command) -> Result<Completion, Error> {
        let started = Instant::now();
        let deadline = self.command_timeout;
        let outcome = timeout(deadline, self.exchange(command))
            .await
            .unwrap_or(Err(Error::Timeout));
        self.note(command.name(), &outcome, started);
        outcome
    }

    /// Logs and times a command that has ended.
    fn note<T>(&mut self, command: &'static str, outcome: &Result<T, Error>, started: Instant) {
        let duration = started.elapsed();
        debug!(
            imap.command = command,
            imap.result = outcome
                .as_ref()
                .err()
                .map_or("OK".to_owned(), ToString::to_string),
            imap.microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        );
        self.times.record(command, outcome, duration);
    }

    async fn exchange(&mut self, command: &Command) -> Result<Completion, Error> {
        if command.is_refused() {
            return Err(Error::Argument);
        }
        let mut segments = command.segments(self.literal_plus).into_iter().peekable();
        let first = segments.next().ok_or(Error::Argument)?;
        let tag = self.send_first(&first).await?;
        let mut completion = Completion::default();
        loop {
            match next(&mut self.session).await? {
                Response::Tagged(tagged) if tagged.tag == tag => {
                    return finish(command.name(), tagged, completion);
                }
                // A tag that is not ours answers nothing we asked.
                Response::Tagged(_) => {}
                Response::Continuation => {
                    let Some(segment) = segments.next() else {
                        continue;
                    };
                    let last = segments.peek().is_none();
                    self.send(segment.bytes, last).await?;
                }
                Response::Untagged(data) => self.keep(data, &mut completion.untagged)?,
            }
        }
    }

    /// Sends the first segment of a command; its tag.
    async fn send_first(&mut self, first: &Segment) -> Result<String, Error> {
        self.taken_before = self.session.get_ref().taken();
        let tag = self.next_tag();
        let mut line = format!("{tag} ").into_bytes();
        line.extend_from_slice(&first.bytes);
        self.send(line, !first.wait).await?;
        Ok(tag)
    }

    /// A tag of our own: async-imap would write tag, command and line end in pieces, and each piece is a packet.
    fn next_tag(&mut self) -> String {
        self.tags += 1;
        format!("C{}", self.tags)
    }

    async fn send(&mut self, mut bytes: Vec<u8>, ends: bool) -> Result<(), Error> {
        // What waits for the server to ask for a literal ends in its own line end.
        if ends {
            bytes.extend_from_slice(b"\r\n");
        }
        let guard = self.session.get_mut();
        let written = async {
            guard.write_all(&bytes).await?;
            guard.flush().await
        };
        written.await.map_err(|error| connect::read_error(&error))
    }
}

fn finish(name: &'static str, tagged: Tagged, completion: Completion) -> Result<Completion, Error> {
    match tagged.status {
        Status::Ok => Ok(Completion {
            code: tagged.code,
            ..completion
        }),
        Status::No => Err(Error::No {
            command: name,
            code: tagged.code.filter(Code::is_reason),
        }),
        Status::Bad | Status::PreAuth | Status::Bye => Err(Error::Bad(name)),
    }
}
