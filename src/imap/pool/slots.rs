//! Who gets which connection of an account, and when one is opened.
//!
//! * A connection counts from before its socket is made until after it is gone ([`Slot`]); there are never more than the cap.
//! * Who wants one is served in the order of coming; [`Lane::Bulk`] only while a connection is left for the others.
//! * Connections are opened by tasks of their own. Whichever comes first, one that is released or one that was opened,
//!   serves the first in the queue; who leaves disturbs nobody, and all who wait share what comes of a login.
//! * Where the server allows fewer connections than the cap, that is remembered for a while.
//! * What is decided here under the lock is done after it; nothing waits.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{Lease, Pool};
use crate::{
    imap::{
        MailboxName,
        connection::Connection,
        error::Error,
        measure::{self, Doing, Loss},
        response::Code,
        server::{AccountNumber, Need, Purpose},
    },
    task,
};

/// How long a server's smaller cap is believed; then one more connection is tried.
const CEILING_LIMIT: Duration = Duration::from_secs(60);
/// The same when it only did not answer: so does one that has no process left for the login.
const CEILING_MUTE: Duration = Duration::from_secs(10);
/// The same when it could not be reached at all.
const CEILING_AWAY: Duration = Duration::from_secs(1);
/// What an account may use its only connection for while another has none and its own requests queue up.
const SLICE: Duration = Duration::from_millis(100);

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Commands that are over soon.
    Small,
    /// Transfers that take a while: they leave a connection to the others, unless there is only one.
    Bulk,
}

/// The connections of one account, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct State {
    /// At rest; the longest first.
    idle: Vec<Member>,
    /// Lent out.
    leased: usize,
    /// Lent out in the bulk lane.
    bulk: usize,
    /// All there are, also those being opened or closed.
    open: usize,
    /// Being opened for those who wait.
    opening: usize,
    small: BTreeMap<u64, Waiting>,
    large: BTreeMap<u64, Waiting>,
    /// Who wants to open one with credentials of its own.
    proof: Option<oneshot::Sender<Slot>>,
    /// One is being closed so that there is room.
    making_room: bool,
    /// What the server allows, and until when that is believed.
    ceiling: Option<(usize, Instant)>,
    /// Places in the queue given out.
    places: u64,
    /// Connections opened.
    serials: u64,
    /// Losses that no new connection has made good yet.
    lost: Vec<Loss>,
}

/// A connection of the account.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Connection,
    /// Counts up with each one opened.
    serial: u64,
    /// Whether it was told to rest.
    parked: bool,
}

#[derive(Debug)]
struct Waiting {
    mailbox: Option<MailboxName>,
    /// Serial of the newest connection that will not do.
    newer_than: u64,
    grant: oneshot::Sender<Result<Lease, Error>>,
}

/// The room for one connection, until this is dropped.
#[derive(Debug)]
pub(in crate::imap) struct Slot {
    pool: Weak<Pool>,
    account: AccountNumber,
}

impl Slot {
    /// Whose it is.
    pub(in crate::imap) fn account(&self) -> AccountNumber {
        self.account
    }

    /// The connection was lost, not closed.
    pub(in crate::imap) fn lost(&self, loss: Loss) {
        if let Some(pool) = self.pool.upgrade() {
            let mut state = pool.state();
            if state.lost.len() < pool.cap {
                state.lost.push(loss);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.change(|state| {
                state.open -= 1;
                state.making_room = false;
            });
        }
    }
}

/// What was decided and is still to be done.
#[derive(Default)]
struct Todo {
    leases: Vec<(oneshot::Sender<Result<Lease, Error>>, Lease)>,
    refusals: Vec<(oneshot::Sender<Result<Lease, Error>>, Error)>,
    proof: Option<(oneshot::Sender<Slot>, Slot)>,
    openings: Vec<Slot>,
}

/// A place in the queue, given up when this is dropped.
struct Place<'a> {
    pool: &'a Pool,
    lane: Lane,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        state.queue(self.lane).remove(&self.number);
    }
}

/// A connection on its way; one that is dropped half-way was lost.
struct Opening {
    pool: Arc<Pool>,
    over: bool,
}

impl Opening {
    fn end(mut self, outcome: Result<Connection, Error>) {
        self.over = true;
        match outcome {
            Ok(connection) => {
                self.pool.state().opening -= 1;
                self.pool.enter(connection);
            }
            Err(error) => self.pool.not_opened(&error),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.over {
            self.pool.not_opened(&Error::Closed);
        }
    }
}

impl Pool {
    /// Waits for a connection newer than `newer_than`, best one with this mailbox open.
    ///
    /// # Errors
    /// [`Error::Busy`] when none comes free in time; what a login came to that was made for those who wait.
    pub(super) async fn lease(
        self: &Arc<Self>,
        lane: Lane,
        mailbox: Option<&MailboxName>,
        newer_than: u64,
    ) -> Result<Lease, Error> {
        let started = Instant::now();
        let (grant, granted) = oneshot::channel();
        let number = self.change(|state| {
            state.places += 1;
            let place = state.places;
            let waiting = Waiting {
                mailbox: mailbox.cloned(),
                newer_than,
                grant,
            };
            state.queue(lane).insert(place, waiting);
            place
        });
        let place = Place {
            pool: self,
            lane,
            number,
        };
        let outcome = timeout_at(started + self.server.wait(), granted).await;
        drop(place);
        measure::waited(started.elapsed());
        outcome.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?
    }

    /// A connection for a small command if one is at rest and nobody waits.
    pub(super) fn lease_now(self: &Arc<Self>, mailbox: &MailboxName) -> Option<Lease> {
        let mut state = self.state();
        if !(state.small.is_empty() && state.large.is_empty()) {
            return None;
        }
        state.forget_closed();
        let member = state.take(Some(mailbox), 0)?;
        state.leased += 1;
        drop(state);
        measure::waited(Duration::ZERO);
        Some(Lease::new(self, member, Lane::Small))
    }

    /// Serial of the newest connection there has been.
    pub(super) fn newest(&self) -> u64 {
        self.state().serials
    }

    /// Waits for room to open a connection; one at rest, or the next to be released, is closed for it if need be.
    /// For one caller at a time.
    ///
    /// # Errors
    /// [`Error::Busy`] at the deadline.
    pub(super) async fn slot(self: &Arc<Self>, deadline: Instant) -> Result<Slot, Error> {
        let (grant, granted) = oneshot::channel();
        self.change(|state| state.proof = Some(grant));
        let slot = timeout_at(deadline, granted).await;
        slot.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }

    /// How much the account needs a connection.
    pub(super) fn need(&self) -> Need {
        if self.state().usable() == 0 {
            Need::First
        } else {
            Need::More
        }
    }

    /// Takes in a connection that was opened.
    pub(super) fn enter(self: &Arc<Self>, connection: Connection) {
        *self
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(connection.capabilities()));
        self.change(|state| {
            if let Some(loss) = state.lost.pop() {
                measure::reconnected(self.server.name(), loss);
            }
            state.serials += 1;
            state.idle.push(Member {
                connection,
                serial: state.serials,
                parked: false,
            });
        });
    }

    /// Takes back a connection.
    pub(super) fn release(self: &Arc<Self>, member: Member, lane: Lane) {
        self.change(|state| {
            state.leased -= 1;
            if lane == Lane::Bulk {
                state.bulk -= 1;
            }
            // A connection that is dropped logs out.
            if member.connection.is_closed() || self.gives_way(state, &member) {
                return;
            }
            if state.proof.is_some() && state.open >= self.allowed(state) && !state.making_room {
                state.making_room = true;
                return;
            }
            state.idle.push(member);
        });
    }

    /// Closes those at rest that have one of these mailboxes open.
    pub(super) fn take_out(&self, mailboxes: &[MailboxName]) -> Vec<Connection> {
        let mut state = self.state();
        let (inside, outside) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|member| {
                mailboxes
                    .iter()
                    .any(|mailbox| member.connection.has_open(mailbox))
            });
        state.idle = outside;
        let inside: Vec<Member> = inside;
        inside.into_iter().map(|member| member.connection).collect()
    }

    /// All that are at rest, to be closed.
    pub(super) fn take_out_all(&self) -> Vec<Connection> {
        let idle = std::mem::take(&mut self.state().idle);
        idle.into_iter().map(|member| member.connection).collect()
    }

    /// The server allows no more connections than there are, if there are any: whether there are.
    pub(super) fn limited(&self) -> bool {
        self.state().limited(CEILING_LIMIT)
    }

    /// Changes what is known, and does what follows from it.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let (outcome, todo) = {
            let mut state = self.state();
            let outcome = change(&mut state);
            (outcome, self.settle(&mut state, Vec::new()))
        };
        self.carry_out(todo);
        outcome
    }

    fn settle(
        self: &Arc<Self>,
        state: &mut State,
        refusals: Vec<(oneshot::Sender<Result<Lease, Error>>, Error)>,
    ) -> Todo {
        let mut todo = Todo {
            refusals,
            ..Todo::default()
        };
        state.forget_closed();
        let allowed = self.allowed(state);
        state.proof.take_if(|proof| proof.is_closed());
        if state.open < allowed
            && let Some(proof) = state.proof.take()
        {
            todo.proof = Some((proof, self.new_slot(state)));
        }
        while let Some((lane, place)) = state.next(allowed) {
            let Some(waiting) = state.queue(lane).remove(&place) else {
                break;
            };
            if waiting.grant.is_closed() {
                continue;
            }
            let Some(member) = state.take(waiting.mailbox.as_ref(), waiting.newer_than) else {
                state.queue(lane).insert(place, waiting);
                break;
            };
            state.leased += 1;
            state.bulk += usize::from(lane == Lane::Bulk);
            todo.leases
                .push((waiting.grant, Lease::new(self, member, lane)));
        }
        let wanted = state.wanted(allowed);
        while state.opening < wanted && state.open < allowed {
            state.opening += 1;
            todo.openings.push(self.new_slot(state));
        }
        // What is at rest now will not do, and there is no room for another.
        let in_vain = state.proof.is_some() || (wanted > 0 && state.opening == 0);
        if in_vain && state.open >= allowed && !state.making_room && !state.idle.is_empty() {
            state.making_room = true;
            state.idle.remove(0);
        }
        self.put_to_rest(state);
        todo
    }

    /// Those that nobody has taken: they rest, or end when another account needs a connection.
    fn put_to_rest(&self, state: &mut State) {
        if state.idle.iter().all(|member| member.parked) {
            return;
        }
        let wanted = self.server.wanted_beside(self.account);
        state.idle.retain(|member| member.parked || !wanted);
        for member in state.idle.iter_mut().filter(|member| !member.parked) {
            member.parked = true;
            member.connection.park();
            member.connection.is(Doing::Idle);
        }
    }

    fn carry_out(self: &Arc<Self>, todo: Todo) {
        for slot in todo.openings {
            self.open_for_those_who_wait(slot);
        }
        // Whoever has left meanwhile gives back what it does not take.
        if let Some((proof, slot)) = todo.proof {
            drop(proof.send(slot));
        }
        for (grant, lease) in todo.leases {
            drop(grant.send(Ok(lease)));
        }
        for (grant, error) in todo.refusals {
            drop(grant.send(Err(error)));
        }
    }

    fn open_for_those_who_wait(self: &Arc<Self>, slot: Slot) {
        // Without a runtime the process is ending, and nobody waits.
        if Handle::try_current().is_err() {
            return;
        }
        let opening = Opening {
            pool: Arc::clone(self),
            over: false,
        };
        task::spawn(async move {
            let outcome = opening.pool.open(slot).await;
            opening.end(outcome);
        });
    }

    async fn open(self: &Arc<Self>, slot: Slot) -> Result<Connection, Error> {
        let credentials = self.credentials().ok_or(Error::Login(None))?;
        let deadline = Instant::now() + self.server.wait();
        let needed = || {
            let state = self.state();
            state.wanted(self.allowed(&state)) > 0
        };
        // Boxed: the handshake's state is large and lives only here.
        Box::pin(self.server.open(
            slot,
            self.need(),
            &credentials,
            Purpose::Work,
            needed,
            deadline,
        ))
        .await
    }

    /// A connection for those who wait came to nothing. While there are others they wait for those.
    fn not_opened(self: &Arc<Self>, error: &Error) {
        let todo = {
            let mut state = self.state();
            state.opening -= 1;
            let wait_for_others = match error {
                Error::Login(Some(Code::Limit)) => state.limited(CEILING_LIMIT),
                Error::Timeout | Error::Closed | Error::Protocol(_) => state.limited(CEILING_MUTE),
                Error::Connect(_) => state.limited(CEILING_AWAY),
                // Only the time is up, and theirs will be soon.
                Error::Busy => true,
                Error::Login(_)
                | Error::No { .. }
                | Error::Bad(_)
                | Error::Unsent
                | Error::Unsupported(_)
                | Error::Argument => false,
            };
            let refusals = if wait_for_others {
                Vec::new()
            } else {
                state.refuse_all(error)
            };
            self.settle(&mut state, refusals)
        };
        self.carry_out(todo);
    }

    /// Whether a connection just released is to be closed although its own account could use it.
    fn gives_way(&self, state: &State, member: &Member) -> bool {
        let last = state.usable() == 0;
        (!last || member.connection.age() > SLICE) && self.server.starving_beside(self.account)
    }

    /// How many connections there may be now.
    fn allowed(&self, state: &State) -> usize {
        let ceiling = state
            .ceiling
            .filter(|(_, until)| Instant::now() < *until)
            .map_or(self.cap, |(ceiling, _)| ceiling);
        self.cap.min(ceiling).max(1)
    }

    fn new_slot(self: &Arc<Self>, state: &mut State) -> Slot {
        state.open += 1;
        Slot {
            pool: Arc::downgrade(self),
            account: self.account,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn queue(&mut self, lane: Lane) -> &mut BTreeMap<u64, Waiting> {
        match lane {
            Lane::Small => &mut self.small,
            Lane::Bulk => &mut self.large,
        }
    }

    /// Connections that work, or did when they were last seen.
    fn usable(&self) -> usize {
        self.idle.len() + self.leased
    }

    /// How many more may be lent out in the bulk lane.
    fn bulk_room(&self, allowed: usize) -> usize {
        (allowed - 1).max(1).saturating_sub(self.bulk)
    }

    /// Whose turn it is.
    fn next(&self, allowed: usize) -> Option<(Lane, u64)> {
        let small = self.small.keys().next().map(|place| (Lane::Small, *place));
        let large = self.large.keys().next().map(|place| (Lane::Bulk, *place));
        let large = large.filter(|_| self.bulk_room(allowed) > 0);
        [small, large]
            .into_iter()
            .flatten()
            .min_by_key(|(_, place)| *place)
    }

    /// How many could be served now if there were connections.
    fn wanted(&self, allowed: usize) -> usize {
        self.small.len() + self.large.len().min(self.bulk_room(allowed))
    }

    /// The connection at rest that suits best: with that mailbox open, with none, or whichever has rested the least, as it
    /// is the least likely to be closed for its age.
    fn take(&mut self, mailbox: Option<&MailboxName>, newer_than: u64) -> Option<Member> {
        let mut best = None;
        for (at, member) in self.idle.iter().enumerate() {
            if member.serial <= newer_than {
                continue;
            }
            let suits = match mailbox {
                Some(mailbox) if member.connection.has_open(mailbox) => 2,
                _ => u8::from(!member.connection.has_any_open()),
            };
            best = best.max(Some((suits, at)));
        }
        let mut member = best.map(|(_, at)| self.idle.remove(at))?;
        member.parked = false;
        Some(member)
    }

    fn forget_closed(&mut self) {
        self.idle.retain(|member| !member.connection.is_closed());
    }

    /// Remembers that there can be no more connections than there are, if there are any: whether there are.
    fn limited(&mut self, time: Duration) -> bool {
        let others = self.usable() + self.opening;
        if others > 0 {
            self.ceiling = Some((others, Instant::now() + time));
        }
        others > 0
    }

    fn refuse_all(&mut self, error: &Error) -> Vec<(oneshot::Sender<Result<Lease, Error>>, Error)> {
        let waiting = std::mem::take(&mut self.small)
            .into_values()
            .chain(std::mem::take(&mut self.large).into_values());
        waiting
            .map(|waiting| (waiting.grant, error.clone()))
            .collect()
    }
}
