//! Who gets which connection of an account, and when one is opened.
//!
//! * A connection counts from before its socket is made until after it is gone ([`Slot`]); there are never more than the cap.
//! * Who wants one is served in the order of coming; [`Lane::Bulk`] only while a connection is left for the others.
//! * Connections are opened by tasks of their own. Whichever comes first, one that is released or one that was opened,
//!   serves the first in the queue; who leaves disturbs nobody, and all who waited when it began share what comes of it.
//! * Where the server allows fewer connections than the cap, that is remembered for a while.
//! * What is decided here under the lock is done after it; nothing waits.

use std::{
    sync::{Arc, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Lease, Pool,
    opening::Opening,
    state::{Grant, Lane, Member, Opener, Refusal, STALE, State, Waiting},
};
use crate::{
    identity::Credentials,
    imap::{
        MailboxName,
        connection::Connection,
        error::Error,
        measure::{self, Doing, Loss},
        server::{AccountNumber, Need},
    },
};

/// What an account may use its only connection for while another has none and its own requests queue up.
const SLICE: Duration = Duration::from_millis(100);

/// How often it is looked whether there is room for a connection aside.
const ROOM: Duration = Duration::from_millis(50);

/// The room for one connection, until this is dropped. What follows from that is seen to by the connection, if there was
/// one; else by whoever was to open it, who knows what has come of it.
#[derive(Debug)]
pub(in crate::imap) struct Slot {
    pool: Weak<Pool>,
    account: AccountNumber,
    filled: bool,
    /// Whether it is that of a doorbell, which counts apart.
    aside: bool,
}

impl Slot {
    /// Whose it is.
    pub(in crate::imap) fn account(&self) -> AccountNumber {
        self.account
    }

    /// There is a connection in it now.
    pub(in crate::imap) fn fill(&mut self) {
        self.filled = true;
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
            {
                let mut state = pool.state();
                if self.aside {
                    state.aside = false;
                } else {
                    state.open -= 1;
                    state.making_room = false;
                }
            }
            if self.filled || self.aside {
                pool.follow_up();
            }
        }
    }
}

/// What was decided and is still to be done.
#[derive(Default)]
pub(super) struct Todo {
    leases: Vec<(Grant, Lease)>,
    refusals: Vec<Refusal>,
    proof: Option<(oneshot::Sender<Slot>, Slot)>,
    openings: Vec<(Opening, Slot)>,
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
        let deadline = started + self.server.wait();
        let outcome = self.granted(granted, deadline).await;
        drop(place);
        measure::waited(started.elapsed());
        outcome
    }

    async fn granted(
        self: &Arc<Self>,
        mut granted: oneshot::Receiver<Result<Lease, Error>>,
        deadline: Instant,
    ) -> Result<Lease, Error> {
        loop {
            let look_again = deadline.min(Instant::now() + STALE);
            match timeout_at(look_again, &mut granted).await {
                Ok(outcome) => return outcome.map_err(|_| Error::Busy)?,
                Err(_) if Instant::now() >= deadline => return Err(Error::Busy),
                // What was on its way may not come after all.
                Err(_) => self.follow_up(),
            }
        }
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
    pub(super) fn enter(self: &Arc<Self>, connection: Connection, opener: Opener) {
        self.enter_as(connection, |_| opener);
    }

    /// Takes in a connection that was opened with credentials of the owner's, and these.
    pub(super) fn enter_proved(self: &Arc<Self>, connection: Connection, proved: Credentials) {
        self.enter_as(connection, |state| state.prove(proved));
    }

    fn enter_as(
        self: &Arc<Self>,
        connection: Connection,
        opener: impl FnOnce(&mut State) -> Opener,
    ) {
        *self
            .capabilities
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(connection.capabilities()));
        self.change(|state| {
            let opener = opener(state);
            if state.supersedes(opener) {
                return;
            }
            if let Some(loss) = state.lost.pop() {
                measure::reconnected(self.server.name(), loss);
            }
            state.serials += 1;
            state.idle.push(Member {
                connection,
                serial: state.serials,
                parked: false,
                opener,
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
            let over = member.connection.is_closed() || state.supersedes(member.opener);
            if over || self.gives_way(state, &member) {
                return;
            }
            if state.proof.is_some() && state.open >= state.allowed(self.cap) && !state.making_room
            {
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

    /// Does what follows from what has changed already.
    pub(super) fn follow_up(self: &Arc<Self>) {
        self.change(|_| ());
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

    pub(super) fn settle(self: &Arc<Self>, state: &mut State, refusals: Vec<Refusal>) -> Todo {
        let mut todo = Todo {
            refusals,
            ..Todo::default()
        };
        state.forget_closed();
        let allowed = state.allowed(self.cap);
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
        let mut coming = state.coming();
        while coming < wanted && state.open < allowed {
            coming += 1;
            todo.openings.push(self.new_opening(state));
        }
        // What is at rest now will not do, and there is no room for another.
        let in_vain = state.proof.is_some() || (wanted > 0 && coming == 0);
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

    pub(super) fn carry_out(self: &Arc<Self>, todo: Todo) {
        for (opening, slot) in todo.openings {
            opening.begin(slot);
        }
        // Whoever has left meanwhile gives back what it does not take.
        if let Some((proof, slot)) = todo.proof
            && let Err(slot) = proof.send(slot)
        {
            drop(slot);
            self.follow_up();
        }
        for (grant, lease) in todo.leases {
            drop(grant.send(Ok(lease)));
        }
        for (grant, error) in todo.refusals {
            drop(grant.send(Err(error)));
        }
    }

    /// Whether a connection just released is to be closed although its own account could use it.
    fn gives_way(&self, state: &State, member: &Member) -> bool {
        let last = state.usable() == 0;
        (!last || member.connection.age() > SLICE) && self.server.starving_beside(self.account)
    }

    pub(super) fn new_slot(self: &Arc<Self>, state: &mut State) -> Slot {
        state.open += 1;
        Slot {
            pool: Arc::downgrade(self),
            account: self.account,
            filled: false,
            aside: false,
        }
    }

    /// Room for a connection that serves nobody who asks: the only one of its kind, and only where one is left for the others.
    /// One at rest is closed for it, or it waits for one that is not.
    ///
    /// # Errors
    /// [`Error::Busy`] when there can be none, or not before the deadline.
    pub(super) async fn slot_aside(self: &Arc<Self>, deadline: Instant) -> Result<Slot, Error> {
        let slot = {
            let mut state = self.state();
            if self.cap < 2 || state.aside {
                return Err(Error::Busy);
            }
            state.aside = true;
            Slot {
                pool: Arc::downgrade(self),
                account: self.account,
                filled: false,
                aside: true,
            }
        };
        loop {
            let surplus = {
                let mut state = self.state();
                state.forget_closed();
                if state.open < self.cap {
                    return Ok(slot);
                }
                let at_rest = !state.idle.is_empty();
                at_rest.then(|| state.idle.remove(0))
            };
            match surplus {
                Some(member) => member.connection.close().await,
                None if Instant::now() >= deadline => return Err(Error::Busy),
                None => sleep(ROOM).await,
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
