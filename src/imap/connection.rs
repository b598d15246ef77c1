//! One task owns one connection: callers hand it work through a channel and await the answer.
//!
//! * A caller that leaves never leaves half a command or half an answer behind: the task finishes, or closes.
//! * The selection is forgotten *before* SELECT or EXAMINE is sent: a failed one selects nothing (RFC 9051 §6.3.2).
//! * A selection that is used again is refreshed with NOOP first, so that what is fetched is not an old view.
//! * A connection that was selected for writing is examined again when it is parked, or it would take `\Recent` from
//!   mail that arrives later.
//! * When a deadline passes the connection is closed: what the server does with the command is not known.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

mod append;

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, sleep, timeout},
};
use tracing::{Instrument, Span, debug};

use super::{
    MailboxName,
    capability::Capabilities,
    command::Command,
    connect::{self, Endpoint, Session, next},
    error::Error,
    response::{Code, Response, Status, Tagged, Untagged},
};
use crate::{identity::Credentials, task};

pub use append::Message;

/// Most untagged responses kept of one command; far beyond what our commands ask for.
const MOST_UNTAGGED: usize = 1_000_000;

/// What a command brought, its tagged OK seen.
#[derive(Debug, Default)]
pub struct Completion {
    /// Response code of the tagged OK: APPENDUID, COPYUID, MODIFIED, …
    pub code: Option<Code>,
    /// Untagged data, in the server's order; also what was not asked for.
    pub untagged: Vec<Untagged>,
}

/// A mailbox as the server opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Its name.
    pub mailbox: MailboxName,
    /// How it was asked for.
    pub mode: Mode,
    /// UIDVALIDITY; 0 when the server did not say.
    pub uid_validity: u32,
    /// MAILBOXID (RFC 8474 §4.2), where the server said it.
    pub mailbox_id: Option<String>,
    /// Messages in it.
    pub exists: u32,
    /// Flags that can be kept; `None` when the server did not say.
    pub permanent_flags: Option<Vec<String>>,
    /// Flags in use.
    pub flags: Vec<String>,
    /// Whether messages have no MODSEQ here (RFC 7162 §3.1.2.2).
    pub no_mod_seq: bool,
    /// Whether it is open for reading only, by choice or by the server's.
    pub read_only: bool,
}

/// What a mailbox must answer to be the one that is meant, whatever its name is by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// UIDVALIDITY.
    pub uid_validity: u32,
    /// MAILBOXID, where the server has them.
    pub mailbox_id: Option<String>,
}

impl Expected {
    /// Whether this is the mailbox.
    #[must_use]
    pub fn is(&self, selected: &Selected) -> bool {
        let same_id = match (&self.mailbox_id, &selected.mailbox_id) {
            (Some(expected), Some(found)) => expected == found,
            _ => true,
        };
        self.uid_validity == selected.uid_validity && same_id
    }
}

/// Whether a mailbox is opened to read or to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// EXAMINE: nothing changes, not even `\Recent`.
    Examine,
    /// SELECT.
    Select,
}

/// A connection, by the channel to its task.
#[derive(Debug)]
pub struct Connection {
    requests: mpsc::Sender<Request>,
    selected: Arc<Mutex<Option<MailboxName>>>,
    capabilities: Arc<Capabilities>,
}

/// What a parked connection gives way to.
#[derive(Debug, Clone)]
pub struct Yielding {
    /// Rung when another account needs a connection and none is left.
    pub pressure: Arc<Notify>,
}

#[derive(Debug)]
struct Request {
    work: Work,
    span: Span,
    reply: oneshot::Sender<Result<Reply, Error>>,
}

#[derive(Debug)]
enum Work {
    Run(Command),
    Open(MailboxName, Expected, Mode),
    Append(MailboxName, Vec<Message>),
    Leave,
    Park,
    Close,
}

#[derive(Debug)]
enum Reply {
    Completion(Completion),
    Selected(Selected),
    Nothing,
}

impl Connection {
    /// Connects, logs in, and starts the task. The permit is given back when the connection is gone.
    ///
    /// # Errors
    /// As for [`connect::probe`], and [`Error::Login`].
    pub async fn open(
        endpoint: &Endpoint,
        credentials: &Credentials,
        yielding: Yielding,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Error> {
        let (session, capabilities) = connect::login(endpoint, credentials).await?;
        let capabilities = Arc::new(capabilities);
        let selected = Arc::new(Mutex::new(None));
        let (requests, receiver) = mpsc::channel(8);
        let driver = Driver {
            session,
            literal_plus: capabilities.literal_plus(),
            command_timeout: endpoint.command_timeout,
            most_bytes: endpoint.limits.command,
            idle_timeout: endpoint.idle_timeout,
            selection: None,
            shown: Arc::clone(&selected),
            parked: false,
            yielding,
        };
        task::spawn(driver.drive(receiver, permit).instrument(Span::none()));
        Ok(Self {
            requests,
            selected,
            capabilities,
        })
    }

    /// What this server can do.
    #[must_use]
    pub fn capabilities(&self) -> &Arc<Capabilities> {
        &self.capabilities
    }

    /// Whether the connection is gone, or going.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Whether this mailbox is open on it.
    #[must_use]
    pub fn has_open(&self, mailbox: &MailboxName) -> bool {
        self.selected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            == Some(mailbox)
    }

    /// Runs a command to its tagged OK.
    ///
    /// # Errors
    /// [`Error::No`], [`Error::Bad`], [`Error::Closed`], [`Error::Timeout`], [`Error::Protocol`], [`Error::Argument`].
    pub async fn run(&self, command: Command) -> Result<Completion, Error> {
        match self.request(Work::Run(command)).await? {
            Reply::Completion(completion) => Ok(completion),
            Reply::Selected(_) | Reply::Nothing => Err(Error::Closed),
        }
    }

    /// Opens a mailbox, or refreshes it when it is open in that mode already and the one expected. What is open then need
    /// not be what was expected: the caller compares.
    ///
    /// # Errors
    /// As for [`Self::run`]; no mailbox is open then.
    pub async fn open_mailbox(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        mode: Mode,
    ) -> Result<Selected, Error> {
        match self
            .request(Work::Open(mailbox.clone(), expected.clone(), mode))
            .await?
        {
            Reply::Selected(selected) => Ok(selected),
            Reply::Completion(_) | Reply::Nothing => Err(Error::Closed),
        }
    }

    /// Appends messages to a mailbox; several only where the server has MULTIAPPEND.
    ///
    /// # Errors
    /// As for [`Self::run`], and [`Error::Unsent`]. After [`Error::Closed`] and [`Error::Timeout`] the outcome is not known.
    pub async fn append(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        if self.is_closed() {
            return Err(Error::Unsent);
        }
        match self
            .request(Work::Append(mailbox.clone(), messages))
            .await?
        {
            Reply::Completion(completion) => Ok(completion),
            Reply::Selected(_) | Reply::Nothing => Err(Error::Closed),
        }
    }

    /// Leaves the open mailbox, if any, so that it can be deleted or renamed.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub async fn leave_mailbox(&self) -> Result<(), Error> {
        self.request(Work::Leave).await.map(|_| ())
    }

    /// Puts the connection at rest, without waiting for it: a mailbox open for writing is examined instead.
    pub fn park(&self) {
        let (reply, _) = oneshot::channel();
        let _ = self.requests.try_send(Request {
            work: Work::Park,
            span: Span::current(),
            reply,
        });
    }

    /// Waits until all that was asked before is done, and the connection at rest.
    pub async fn rest(&self) {
        let _ = self.request(Work::Park).await;
    }

    /// Logs out and waits until the connection is gone.
    pub async fn close(&self) {
        let _ = self.request(Work::Close).await;
    }

    async fn request(&self, work: Work) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            work,
            span: Span::current(),
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// The task's side.
struct Driver {
    session: Session,
    literal_plus: bool,
    command_timeout: Duration,
    most_bytes: u64,
    idle_timeout: Duration,
    selection: Option<Selected>,
    shown: Arc<Mutex<Option<MailboxName>>>,
    parked: bool,
    yielding: Yielding,
}

/// Why the task ends.
enum End {
    Logout(Option<oneshot::Sender<Result<Reply, Error>>>),
    Broken,
}

impl Driver {
    async fn drive(mut self, mut requests: mpsc::Receiver<Request>, permit: OwnedSemaphorePermit) {
        let end = self.serve(&mut requests).await;
        // From here on `is_closed` holds; whoever was quicker is told that nothing was sent.
        requests.close();
        while let Ok(request) = requests.try_recv() {
            let error = match request.work {
                Work::Append(..) => Error::Unsent,
                _ => Error::Closed,
            };
            let _ = request.reply.send(Err(error));
        }
        if let End::Logout(reply) = end {
            // RFC 9051 §6.1.3: the server says BYE and closes; a second is enough for that.
            let _ = timeout(
                Duration::from_secs(1),
                self.exchange(&Command::new("LOGOUT")),
            )
            .await;
            if let Some(reply) = reply {
                let _ = reply.send(Ok(Reply::Nothing));
            }
        }
        drop(self.session);
        drop(permit);
    }

    async fn serve(&mut self, requests: &mut mpsc::Receiver<Request>) -> End {
        loop {
            let rest = sleep(self.idle_timeout);
            let pressure = Arc::clone(&self.yielding.pressure);
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
                    Ok(_) => continue,
                    Err(_) => return End::Broken,
                },
                () = pressure.notified(), if self.parked => return End::Logout(None),
                () = rest, if self.parked => return End::Logout(None),
            };
            if let Work::Close = request.work {
                return End::Logout(Some(request.reply));
            }
            let outcome = self.perform(request.work).instrument(request.span).await;
            let broken = matches!(
                outcome,
                Err(Error::Closed | Error::Unsent | Error::Timeout | Error::Protocol(_))
            );
            let _ = request.reply.send(outcome);
            if broken {
                return End::Broken;
            }
        }
    }

    async fn perform(&mut self, work: Work) -> Result<Reply, Error> {
        self.parked = matches!(work, Work::Park);
        match work {
            Work::Run(command) => self.execute(&command).await.map(Reply::Completion),
            Work::Open(mailbox, expected, mode) => self
                .open(mailbox, &expected, mode)
                .await
                .map(Reply::Selected),
            Work::Append(mailbox, messages) => {
                self.append(&mailbox, messages).await.map(Reply::Completion)
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
        if selected.mode == Mode::Select {
            // RFC 9051 §6.4.1: CLOSE expunges unless the mailbox was examined.
            self.reopen(selected.mailbox, Mode::Examine).await?;
        }
        self.show(None);
        self.execute(&Command::new("CLOSE")).await.map(|_| ())
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
            selection.as_ref().map(|selected| selected.mailbox.clone());
        self.selection = selection;
    }

    fn observe(&mut self, data: &Untagged) {
        if let Some(selected) = &mut self.selection {
            selected.observe(data);
        }
    }

    /// Runs one command under the deadline; logged by name only.
    async fn execute(&mut self, command: &Command) -> Result<Completion, Error> {
        let started = Instant::now();
        let deadline = self.command_timeout;
        let outcome = timeout(deadline, self.exchange(command))
            .await
            .unwrap_or(Err(Error::Timeout));
        self.log(command.name(), started, outcome.as_ref().err());
        outcome
    }

    #[expect(
        clippy::unused_self,
        reason = "each line of a connection goes through here"
    )]
    fn log(&self, command: &'static str, started: Instant, error: Option<&Error>) {
        debug!(
            imap.command = command,
            imap.result = error.map_or("OK".to_owned(), ToString::to_string),
            imap.microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
    }

    async fn exchange(&mut self, command: &Command) -> Result<Completion, Error> {
        if command.is_refused() {
            return Err(Error::Argument);
        }
        let mut segments = command.segments(self.literal_plus).into_iter().peekable();
        let first = segments.next().ok_or(Error::Argument)?;
        let before = self.session.get_ref().taken();
        let tag = self.send_first(&first.bytes).await?;
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
                    self.send(&segment.bytes, last).await?;
                }
                Response::Untagged(data) => {
                    self.observe(&data);
                    let bytes = self.session.get_ref().taken() - before;
                    if completion.untagged.len() >= MOST_UNTAGGED || bytes > self.most_bytes {
                        return Err(Error::Protocol(
                            "more untagged data than any command asks for".to_owned(),
                        ));
                    }
                    completion.untagged.push(data);
                }
            }
        }
    }

    /// Sends the first segment by way of async-imap, which gives the tag and ends the line; the rest of the segment follows.
    async fn send_first(&mut self, bytes: &[u8]) -> Result<String, Error> {
        let (line, rest) = match bytes.windows(2).position(|pair| pair == b"\r\n") {
            Some(at) => (&bytes[..at], Some(&bytes[at + 2..])),
            None => (bytes, None),
        };
        let line = std::str::from_utf8(line).map_err(|_| Error::Argument)?;
        let tag = self
            .session
            .run_command(line)
            .await
            .map_err(|_| Error::Closed)?;
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            self.send(rest, true).await?;
        }
        Ok(tag.0)
    }

    fn send(&mut self, bytes: &[u8], last: bool) -> impl Future<Output = Result<(), Error>> {
        let mut whole = bytes.to_vec();
        if last {
            whole.extend_from_slice(b"\r\n");
        }
        let guard = self.session.get_mut();
        async move {
            guard
                .write_all(&whole)
                .await
                .map_err(|error| connect::read_error(&error))?;
            guard
                .flush()
                .await
                .map_err(|error| connect::read_error(&error))
        }
    }
}

impl Selected {
    /// Takes in what the server says about the open mailbox.
    fn observe(&mut self, data: &Untagged) {
        match data {
            Untagged::Exists(count) => self.exists = *count,
            Untagged::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            Untagged::Flags(flags) => self.flags.clone_from(flags),
            Untagged::Status {
                code: Some(code), ..
            } => match code {
                Code::UidValidity(value) => self.uid_validity = *value,
                Code::PermanentFlags(flags) => self.permanent_flags = Some(flags.clone()),
                Code::MailboxId(id) => self.mailbox_id = Some(id.clone()),
                Code::NoModSeq => self.no_mod_seq = true,
                Code::ReadOnly => self.read_only = true,
                _ => {}
            },
            _ => {}
        }
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
            code: tagged.code,
        }),
        Status::Bad | Status::PreAuth | Status::Bye => Err(Error::Bad(name)),
    }
}
