//! The right to use a connection for a while.

use std::{
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::runtime::Handle;

use super::{Lane, Pool, state::Member};
use crate::{
    imap::{
        MailboxName,
        command::Command,
        connection::{Completion, Connection, Expected, Looked, Message, Mode, Selected, Wish},
        doorbell::Rings,
        error::Error,
        measure::Doing,
        response::Code,
    },
    task,
};

/// A range costs a server nothing to say: what it stands for is bounded here.
const MOST_APPENDED: usize = 10_000;

/// The right to use a connection; it goes back to the pool when this is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    member: Option<Member>,
    lane: Lane,
    in_flight: AtomicBool,
    /// What was changed by it, for those who listen.
    changed: Mutex<Rings>,
}

impl Lease {
    pub(super) fn new(pool: &Arc<Pool>, member: Member, lane: Lane) -> Self {
        member.connection.is(Doing::Busy);
        Self {
            pool: Arc::clone(pool),
            member: Some(member),
            lane,
            in_flight: AtomicBool::new(false),
            changed: Mutex::default(),
        }
    }

    /// Runs a command once.
    ///
    /// # Errors
    /// As for [`Connection::run`].
    pub async fn run(&self, command: Command) -> Result<Completion, Error> {
        if self.pool.own_changes.is_heard() {
            let member = self.member.as_ref();
            let open = member.and_then(|member| member.connection.mailbox());
            self.changes(command.changes(open));
        }
        self.using(async |connection| connection.run(command).await)
            .await
    }

    /// Appends messages once.
    ///
    /// # Errors
    /// As for [`Connection::append`].
    pub async fn append(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Completion, Error> {
        let appended = self
            .using(async |connection| connection.append(mailbox, messages).await)
            .await;
        self.appended(mailbox, &[&appended]);
        appended
    }

    /// Appends messages, each by a command of its own.
    ///
    /// # Errors
    /// [`Error::Closed`] for all, or each as for [`Connection::append_each`].
    pub(super) async fn append_each(
        &self,
        mailbox: &MailboxName,
        messages: Vec<Message>,
    ) -> Result<Vec<Result<Completion, Error>>, Error> {
        let appended = self
            .using(async |connection| Ok(connection.append_each(mailbox, messages).await))
            .await?;
        self.appended(mailbox, &appended.iter().collect::<Vec<_>>());
        Ok(appended)
    }

    /// Rings for messages that were appended, or may have been.
    fn appended(&self, mailbox: &MailboxName, outcomes: &[&Result<Completion, Error>]) {
        let mut rings = Rings::default();
        for outcome in outcomes {
            let uids = match outcome {
                Ok(Completion {
                    code: Some(Code::AppendUid(_, uids)),
                    ..
                }) => Some(uids.iter().cloned().flatten().take(MOST_APPENDED).collect()),
                Ok(_) | Err(_) => None,
            };
            rings.add(mailbox.clone(), uids);
        }
        self.changes(rings);
    }

    fn changes(&self, rings: Rings) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.merge(rings);
    }

    /// Opens a mailbox.
    ///
    /// # Errors
    /// As for [`Connection::open_mailbox`].
    pub async fn open_mailbox(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        mode: Mode,
    ) -> Result<Selected, Error> {
        self.using(async |connection| connection.open_mailbox(mailbox, expected, mode).await)
            .await
    }

    /// Examines a mailbox even if it is open.
    pub(super) async fn examine_anew(&self, mailbox: &MailboxName) -> Result<Selected, Error> {
        self.using(async |connection| connection.examine_anew(mailbox).await)
            .await
    }

    /// Leaves the open mailbox.
    pub(super) async fn leave_mailbox(&self) -> Result<(), Error> {
        self.using(async |connection| connection.leave_mailbox().await)
            .await
    }

    /// Examines a mailbox and runs a command in it, if it is the one expected.
    pub(super) async fn examine(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        command: Command,
    ) -> Result<Option<(Selected, Completion)>, Error> {
        let selected = self.open_mailbox(mailbox, expected, Mode::Examine).await?;
        if !expected.is(&selected) {
            return Ok(None);
        }
        let completion = self.run(command).await?;
        Ok(Some((selected, completion)))
    }

    /// Fetches as [`Connection::fetch`] does.
    pub(super) async fn fetch(
        &self,
        mailbox: &MailboxName,
        expected: &Expected,
        wish: Wish,
    ) -> Result<Option<Looked>, Error> {
        self.using(async |connection| connection.fetch(mailbox, expected, wish).await)
            .await
    }

    /// Whether the operator has opened it, and the owner has proved credentials since.
    pub(super) fn is_superseded(&self) -> bool {
        let opener = self.member.as_ref().map(|member| member.opener);
        opener.is_some_and(|opener| self.pool.state().supersedes(opener))
    }

    /// Whether messages of the mailbox that is open have a MODSEQ (RFC 7162 §3.1.2.2).
    #[must_use]
    pub fn has_mod_seq(&self) -> bool {
        let connection = self.member.as_ref().map(|member| &member.connection);
        connection.is_some_and(Connection::has_mod_seq)
    }

    /// Whoever leaves in the middle leaves a mark: the server still works on it.
    async fn using<T>(
        &self,
        work: impl AsyncFnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let member = self.member.as_ref().ok_or(Error::Closed)?;
        self.in_flight.store(true, Ordering::Relaxed);
        let outcome = work(&member.connection).await;
        self.in_flight.store(false, Ordering::Relaxed);
        outcome
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(member) = self.member.take() else {
            return;
        };
        let (pool, lane) = (Arc::clone(&self.pool), self.lane);
        let changed = self
            .changed
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let changed = mem::take(changed);
        if !self.in_flight.load(Ordering::Relaxed) || Handle::try_current().is_err() {
            pool.own_changes.ring(changed);
            pool.release(member, lane);
            return;
        }
        // Nobody else shall wait behind that unknowingly.
        task::spawn(async move {
            member.connection.rest().await;
            pool.own_changes.ring(changed);
            pool.release(member, lane);
        });
    }
}
