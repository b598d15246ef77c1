//! The connections of one account: few, reused, bounded.
//!
//! * Never more connections than the account's cap and the server's cap allow, idle ones included (`slots`).
//! * A connection that has the wanted mailbox open comes first, then one with none open, then any, then a new one.
//! * Who finds none free waits for a bounded time, in the order of coming, then is told [`Error::Busy`].
//! * Fetches of one mailbox that wait are merged (`fetches`); searches go in the bulk lane (`searches`).
//! * A read that met a closed connection is run once more on a fresh one; a write never is.
//! * Connections are opened with the credentials that the owner has proved, as long as the server takes them; else by the operator,
//!   where there is one. Once the owner has proved credentials, what the operator has opened is used no more: a server may
//!   give it other rights.

mod fetches;
mod lease;
mod opening;
mod searches;
mod slots;
mod state;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

pub(super) use self::slots::Slot;
use self::{
    fetches::{Fetches, Wanted},
    state::State,
};
pub use self::{lease::Lease, state::Lane};
use super::{
    MailboxName,
    capability::Capabilities,
    command::{Command, Item},
    connection::{Completion, Expected, Message, Mode, Selected},
    doorbell::{Bell, Doorbell},
    error::Error,
    measure::Doing,
    response::{Code, Fetch},
    server::{AccountNumber, Need, Purpose, Server},
};
use crate::identity::{Authentication, ByOperator, Credentials};

/// How long a server may take to notice that a connection has ended, when it allows no more of them.
const NOTICE: Duration = Duration::from_millis(300);
/// Octets of a message to append from which on it is a transfer of its own.
const BULK_MESSAGE: u64 = 64 * 1024;

/// The connections of one account.
#[derive(Debug)]
pub struct Pool {
    server: Arc<Server>,
    account: AccountNumber,
    cap: usize,
    by_operator: Option<ByOperator>,
    capabilities: Mutex<Option<Arc<Capabilities>>>,
    state: Mutex<State>,
    fetches: Fetches,
    own_changes: Bell,
}

impl Pool {
    /// A pool without connections; nothing is opened before [`Self::prove`], or at all for [`Self::for_login`].
    #[must_use]
    pub fn new(server: Arc<Server>, cap: usize) -> Self {
        Self {
            server,
            account: AccountNumber::next(),
            cap,
            by_operator: None,
            capabilities: Mutex::new(None),
            state: Mutex::default(),
            fetches: Fetches::default(),
            own_changes: Bell::default(),
        }
    }

    /// The same for this login, which the server's operator may open too, if there is one and the login is one a store may see.
    #[must_use]
    pub fn for_login(server: Arc<Server>, cap: usize, login: &str) -> Self {
        let operator = server.operator().cloned();
        let by_operator = operator.and_then(|operator| ByOperator::new(operator, login));
        Self {
            by_operator,
            ..Self::new(server, cap)
        }
    }

    /// Logs in afresh: the proof that the credentials are good. The connection stays for the work to come, and the
    /// credentials for the connections to come. Those the operator has opened end, in use ones when they are given back.
    /// For one caller at a time.
    ///
    /// # Errors
    /// [`Error::Login`] when the server refuses them; else why it could not be asked.
    pub async fn prove(self: &Arc<Self>, credentials: Credentials) -> Result<(), Error> {
        let deadline = Instant::now() + self.server.wait();
        let authentication = Authentication::Owner(credentials.clone());
        loop {
            let slot = self.slot(deadline).await?;
            let need = self.need();
            // Boxed: the handshake's state is large and lives only here.
            let open = self.server.open(
                slot,
                need,
                &authentication,
                Purpose::Proof,
                || true,
                deadline,
            );
            let outcome = Box::pin(open).await;
            if outcome.is_err() {
                self.follow_up();
            }
            match outcome {
                Ok(connection) => {
                    self.enter_proved(connection, credentials);
                    return Ok(());
                }
                // One of those there are has to end first.
                Err(Error::Login(Some(Code::Limit)))
                    if self.limited() && Instant::now() + NOTICE < deadline =>
                {
                    sleep(NOTICE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the owner has proved credentials that the server takes, as far as is known.
    #[must_use]
    pub fn has_credentials(&self) -> bool {
        self.state().owner.is_some()
    }

    /// Makes sure that somebody has logged in, for work that no request of the owner's has begun.
    ///
    /// # Errors
    /// [`Error::Login`] without an operator and without credentials, [`Error::Operator`] and [`Error::Overlooked`] when the
    /// operator does not open the box, [`Error::Busy`], and why the server could not be asked.
    pub async fn connect(self: &Arc<Self>) -> Result<(), Error> {
        self.authentication()?;
        if self.capabilities().is_err() {
            self.lease(Lane::Small, None, 0).await?;
        }
        Ok(())
    }

    /// What the server can do for this account, as the last login showed.
    ///
    /// # Errors
    /// [`Error::Login`] before anybody has logged in.
    pub fn capabilities(&self) -> Result<Arc<Capabilities>, Error> {
        self.capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(Error::Login(None))
    }

    /// Runs a command that needs no mailbox, such as LIST or STATUS. It must change nothing: it may be run twice.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn read(self: &Arc<Self>, command: Command) -> Result<Completion, Error> {
        let lease = self.lease(Lane::Small, None, 0).await?;
        match lease.run(command.clone()).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        self.afresh(lease, None).await?.run(command).await
    }

    /// The same on a connection that has no mailbox open: of the one that is open a server may tell what it was (Dovecot does,
    /// RFC 9051 §6.3.11).
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn read_outside(self: &Arc<Self>, command: Command) -> Result<Completion, Error> {
        let read = async |lease: &Lease| {
            lease.leave_mailbox().await?;
            lease.run(command.clone()).await
        };
        let lease = self.lease(Lane::Small, None, 0).await?;
        match read(&lease).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        read(&self.afresh(lease, None).await?).await
    }

    /// Examines a mailbox and runs a command in it that changes nothing: it may be run twice. `None` when it is not
    /// the mailbox expected; nothing was run then.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn read_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        command: Command,
    ) -> Result<Option<(Selected, Completion)>, Error> {
        let lease = self.lease(Lane::Small, Some(mailbox), 0).await?;
        match lease.examine(mailbox, expected, command.clone()).await {
            Err(Error::Closed) => {}
            outcome => return outcome,
        }
        self.afresh(lease, Some(mailbox))
            .await?
            .examine(mailbox, expected, command)
            .await
    }

    /// Fetches from a message, together with whoever waits for the same of this mailbox. `None` when it is not the
    /// mailbox expected; inside it, when it has no such message.
    ///
    /// The items must include the UID. All that the server said of the message is in one value, later over earlier.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn fetch(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        uid: u32,
        items: Arc<[Item]>,
    ) -> Result<Option<Option<Fetch>>, Error> {
        let wanted = Wanted::new(mailbox, expected, items);
        self.fetch_merged(wanted, uid).await
    }

    /// The same alone, for parts of a message that nobody else is likely to want.
    ///
    /// # Errors
    /// As for [`Self::fetch`].
    pub async fn fetch_alone(
        self: &Arc<Self>,
        lane: Lane,
        mailbox: &MailboxName,
        expected: &Expected,
        uid: u32,
        items: Arc<[Item]>,
    ) -> Result<Option<Option<Fetch>>, Error> {
        let wanted = Wanted::new(mailbox, expected, items);
        let lease = self.lease(lane, Some(mailbox), 0).await?;
        self.fetch_one(lease, lane, &wanted, uid).await
    }

    /// Appends messages to a mailbox, once; several only where the server has MULTIAPPEND (RFC 3502).
    ///
    /// # Errors
    /// As for [`Lease::append`], and [`Error::Busy`].
    pub async fn append(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        self.lease(lane_of(&messages), None, 0)
            .await?
            .append(mailbox, messages)
            .await
    }

    /// Appends messages to a mailbox, each by a command of its own, without waiting in between (LITERAL+ only).
    ///
    /// # Errors
    /// [`Error::Busy`] for all, or each as for [`Lease::append`].
    pub async fn append_each(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Vec<Result<Completion, Error>>, Error> {
        self.lease(lane_of(&messages), None, 0)
            .await?
            .append_each(mailbox, messages)
            .await
    }

    /// A connection with the mailbox open for writing, `None` when it is not the mailbox expected. Only this step is repeated
    /// when the connection found was closed.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn write_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<(Lease, Selected)>, Error> {
        self.open_in(mailbox, expected, Mode::Select).await
    }

    /// The same with the mailbox examined, for what changes nothing in it and must not be run twice.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn examine_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<(Lease, Selected)>, Error> {
        self.open_in(mailbox, expected, Mode::Examine).await
    }

    async fn open_in(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
        mode: Mode,
    ) -> Result<Option<(Lease, Selected)>, Error> {
        let mut lease = self.lease(Lane::Small, Some(mailbox), 0).await?;
        let selected = match lease.open_mailbox(mailbox, expected, mode).await {
            Err(Error::Closed) => {
                lease = self.afresh(lease, Some(mailbox)).await?;
                lease.open_mailbox(mailbox, expected, mode).await?
            }
            outcome => outcome?,
        };
        Ok(expected.is(&selected).then_some((lease, selected)))
    }

    /// A connection for commands that change the tree of mailboxes, alive a moment ago and with none open. Those at rest
    /// leave the mailboxes that are `affected`, lest they stand in the way.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn write(self: &Arc<Self>, affected: &[MailboxName]) -> Result<Lease, Error> {
        let mut lease = self.lease(Lane::Small, None, 0).await?;
        let probe = async |lease: &Lease| {
            lease.leave_mailbox().await?;
            lease.run(Command::new("NOOP")).await
        };
        if let Err(Error::Closed | Error::No { .. }) = probe(&lease).await {
            lease = self.afresh(lease, None).await?;
        }
        for connection in self.take_out(affected) {
            connection.close().await;
        }
        Ok(lease)
    }

    /// A mailbox examined even if it is open, so that what is said of it is said now. `None` when it is not the one expected.
    ///
    /// # Errors
    /// As for [`Lease::run`], and [`Error::Busy`].
    pub async fn examine_anew(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        expected: &Expected,
    ) -> Result<Option<(Lease, Selected)>, Error> {
        let mut lease = self.lease(Lane::Small, Some(mailbox), 0).await?;
        let selected = match lease.examine_anew(mailbox).await {
            Err(Error::Closed) => {
                lease = self.afresh(lease, Some(mailbox)).await?;
                lease.examine_anew(mailbox).await?
            }
            outcome => outcome?,
        };
        Ok(expected.is(&selected).then_some((lease, selected)))
    }

    /// Rings for whatever is changed through this pool, once that is done.
    #[must_use]
    pub fn own_changes(&self) -> &Bell {
        &self.own_changes
    }

    /// A connection of its own that listens: to all mailboxes where the server can tell of them, else to this one. After a
    /// `period` of silence the server is asked whether it is there.
    ///
    /// # Errors
    /// [`Error::Busy`] when the account has no room for one, or has one already; [`Error::Unsupported`] when the server tells
    /// nothing unasked; as for [`Lease::run`] else.
    pub async fn doorbell(
        self: &Arc<Self>,
        mailbox: &MailboxName,
        period: Duration,
    ) -> Result<Doorbell, Error> {
        let deadline = Instant::now() + self.server.wait();
        let slot = self.slot_aside(deadline).await?;
        let (connection, _) = self
            .open_with_what_there_is(slot, Need::More, || true, deadline)
            .await?;
        connection.is(Doing::Idle);
        Doorbell::start(connection, mailbox.clone(), period).await
    }

    /// Logs out on every connection at rest.
    pub async fn close(&self) {
        let idle = self.take_out_all();
        futures_util::future::join_all(idle.iter().map(|connection| connection.close())).await;
    }

    /// A connection in place of one that was closed, opened after that was noticed.
    async fn afresh(
        self: &Arc<Self>,
        closed: Lease,
        mailbox: Option<&MailboxName>,
    ) -> Result<Lease, Error> {
        let newest = self.newest();
        drop(closed);
        self.lease(Lane::Small, mailbox, newest).await
    }
}

/// Large messages are bulk: small commands shall not queue behind them.
fn lane_of(messages: &[Message]) -> Lane {
    let octets = messages
        .iter()
        .fold(0_u64, |sum, message| sum.saturating_add(message.octets));
    if octets > BULK_MESSAGE {
        Lane::Bulk
    } else {
        Lane::Small
    }
}
