//! One task owns one connection: callers hand it work through a channel and await the answer.
//!
//! * A caller that leaves never leaves half a command or half an answer behind: the task finishes, or closes.
//! * The selection is forgotten *before* SELECT or EXAMINE is sent: a failed one selects nothing (RFC 9051 §6.3.2).
//! * A selection that is used again is refreshed with NOOP first, so that what is fetched is not an old view.
//! * A connection that was selected for writing is examined again when it is parked, or it would take `\Recent` from
//!   mail that arrives later.
//! * One that rests leaves its mailbox after a second: others may delete it and make it anew, and then an old view does harm.
//! * When a deadline passes the connection is closed: what the server does with the command is not known.
//! * A command that fits one write is written at once; fetches go out together with the NOOP before them (`fetch`).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a server may say more than was asked, and codes are many: what is not named does not matter here"
)]

mod driver;

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::{Instrument, Span};

use self::driver::Driver;
pub use self::driver::Message;
pub(super) use self::driver::{Looked, Wish};
use super::{
    MailboxName,
    capability::Capabilities,
    command::Command,
    connect::{Endpoint, Session},
    doorbell::{Bell, Listening},
    error::Error,
    measure::{Doing, Presence},
    response::{Code, Untagged},
    server::Held,
};
use crate::task;

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
    /// UIDNEXT when it was opened, where the server said it.
    pub uid_next: Option<u32>,
    /// HIGHESTMODSEQ, where it has one: when it was opened, or as the server has said since (RFC 7162 §3.1.2.1).
    pub highest_mod_seq: Option<u64>,
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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
    /// Boxed: a channel has room for 32 from the beginning.
    requests: mpsc::Sender<Box<Request>>,
    selected: Arc<Mutex<Option<Open>>>,
    capabilities: Arc<Capabilities>,
    presence: Arc<Presence>,
    opened: Instant,
}

/// What others may know of the open mailbox.
#[derive(Debug)]
struct Open {
    mailbox: MailboxName,
    no_mod_seq: bool,
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
    Fetch(MailboxName, Expected, Wish),
    Open(MailboxName, Expected, Mode),
    OpenAnew(MailboxName),
    Listen(Listening, Arc<Bell>, Duration),
    Append(MailboxName, Vec<Message>),
    AppendEach(MailboxName, Vec<Message>),
    Leave,
    Park,
    Close,
}

#[derive(Debug)]
enum Reply {
    Completion(Completion),
    Each(Vec<Result<Completion, Error>>),
    Selected(Selected),
    Looked(Option<Looked>),
    Nothing,
}

impl Work {
    /// What is said of work that the connection ended before.
    fn not_begun(&self) -> Error {
        match self {
            Self::Append(..) | Self::AppendEach(..) => Error::Unsent,
            _ => Error::Closed,
        }
    }
}

impl Connection {
    /// Starts the task of a session. What is held for it is given back when it is gone.
    pub(super) fn start(
        endpoint: &Endpoint,
        session: Session,
        capabilities: Arc<Capabilities>,
        held: Held,
    ) -> Self {
        let selected = Arc::new(Mutex::new(None));
        let presence = Arc::clone(&held.presence);
        let (requests, receiver) = mpsc::channel(8);
        let driver = Driver::new(endpoint, session, &capabilities, Arc::clone(&selected));
        task::spawn(driver.drive(receiver, held).instrument(Span::none()));
        Self {
            requests,
            selected,
            capabilities,
            presence,
            opened: Instant::now(),
        }
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
        self.open_now()
            .as_ref()
            .is_some_and(|open| open.mailbox == *mailbox)
    }

    /// Whether a mailbox is open on it.
    pub(super) fn has_any_open(&self) -> bool {
        self.open_now().is_some()
    }

    /// The mailbox that is open on it.
    pub(super) fn mailbox(&self) -> Option<MailboxName> {
        self.open_now().as_ref().map(|open| open.mailbox.clone())
    }

    /// Whether the messages of the mailbox that is open have a MODSEQ: the server has them, and has not said that this
    /// mailbox has none (RFC 7162 §3.1.2.2).
    pub(super) fn has_mod_seq(&self) -> bool {
        let none = self.open_now().as_ref().is_some_and(|open| open.no_mod_seq);
        self.capabilities.mod_seq() && !none
    }

    fn open_now(&self) -> MutexGuard<'_, Option<Open>> {
        self.selected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it has been open.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Counts it among those that do this.
    pub(super) fn is(&self, doing: Doing) {
        self.presence.set(doing);
    }

    /// Runs a command to its tagged OK.
    ///
    /// # Errors
    /// [`Error::No`], [`Error::Bad`], [`Error::Closed`], [`Error::Timeout`], [`Error::Protocol`], [`Error::Argument`].
    pub async fn run(&self, command: Command) -> Result<Completion, Error> {
        match self.request(Work::Run(command)).await? {
            Reply::Completion(completion) => Ok(completion),
            _ => Err(Error::Closed),
        }
    }

    /// Fetches from a mailbox, which is examined first unless it is open; a round trip when it is. `None` when it is not the
    /// mailbox expected.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub(super) async fn fetch(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        wish: Wish,
    ) -> Result<Option<Looked>, Error> {
        let work = Work::Fetch(mailbox.clone(), expected.clone(), wish);
        match self.request(work).await? {
            Reply::Looked(looked) => Ok(looked),
            _ => Err(Error::Closed),
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
            _ => Err(Error::Closed),
        }
    }

    /// Examines a mailbox even if it is open: what is said of it is said now.
    ///
    /// # Errors
    /// As for [`Self::run`]; no mailbox is open then.
    pub(super) async fn examine_anew(&self, mailbox: &MailboxName) -> Result<Selected, Error> {
        match self.request(Work::OpenAnew(mailbox.clone())).await? {
            Reply::Selected(selected) => Ok(selected),
            _ => Err(Error::Closed),
        }
    }

    /// Listens from now on; after so long a silence the server is asked whether it is there.
    ///
    /// # Errors
    /// As for [`Self::run`]; nothing is listened to then.
    pub(super) async fn listen(
        &self,
        listening: Listening,
        bell: Arc<Bell>,
        period: Duration,
    ) -> Result<(), Error> {
        let work = Work::Listen(listening, bell, period);
        self.request(work).await.map(|_| ())
    }

    /// Appends messages to a mailbox; several only where the server has MULTIAPPEND.
    ///
    /// # Errors
    /// As for [`Self::run`], and [`Error::Unsent`]. Whether the outcome is known tells [`Error::leaves_open`].
    pub async fn append(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        match self
            .request(Work::Append(mailbox.clone(), messages))
            .await?
        {
            Reply::Completion(completion) => Ok(completion),
            _ => Err(Error::Closed),
        }
    }

    /// Appends messages, each by a command of its own, without waiting in between. For servers with LITERAL+ only.
    ///
    /// # Errors
    /// Each as for [`Self::append`].
    pub async fn append_each(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Vec<Result<Completion, Error>> {
        let count = messages.len();
        let none = |error: Error| (0..count).map(|_| Err(error.clone())).collect();
        match self
            .request(Work::AppendEach(mailbox.clone(), messages))
            .await
        {
            Ok(Reply::Each(outcomes)) => outcomes,
            Ok(_) => none(Error::Closed),
            Err(error) => none(error),
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
        let _ = self.requests.try_send(Box::new(Request {
            work: Work::Park,
            span: Span::current(),
            reply,
        }));
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
        let not_begun = work.not_begun();
        let (reply, answer) = oneshot::channel();
        let request = Box::new(Request {
            work,
            span: Span::current(),
            reply,
        });
        self.requests.send(request).await.map_err(|_| not_begun)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

impl Selected {
    /// Takes in what the server says about the open mailbox.
    fn observe(&mut self, data: &Untagged) {
        match data {
            Untagged::Exists(count) => self.exists = *count,
            Untagged::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            // RFC 7162 §3.2.10: in place of it, once QRESYNC is enabled.
            Untagged::Vanished {
                earlier: false,
                uids,
            } => {
                let count = |range: &RangeInclusive<u32>| range.end() - range.start();
                let gone = uids.iter().map(|range| count(range).saturating_add(1));
                self.exists = self
                    .exists
                    .saturating_sub(gone.fold(0, u32::saturating_add));
            }
            Untagged::Flags(flags) => self.flags.clone_from(flags),
            Untagged::Status {
                code: Some(code), ..
            } => match code {
                Code::UidValidity(value) => self.uid_validity = *value,
                Code::PermanentFlags(flags) => self.permanent_flags = Some(flags.clone()),
                Code::MailboxId(id) => self.mailbox_id = Some(id.clone()),
                Code::UidNext(value) => self.uid_next = Some(*value),
                Code::HighestModSeq(value) => self.highest_mod_seq = Some(*value),
                Code::NoModSeq => self.no_mod_seq = true,
                Code::ReadOnly => self.read_only = true,
                _ => {}
            },
            _ => {}
        }
    }
}
