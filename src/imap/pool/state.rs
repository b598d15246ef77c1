//! What is known of the connections of an account, and what follows from it: decisions, without locks and I/O.

use std::{collections::BTreeMap, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{Lease, Slot};
use crate::{
    identity::Credentials,
    imap::{MailboxName, connection::Connection, error::Error, measure::Loss},
};

/// How long a connection may be on its way and still be what somebody who comes has to wait for.
pub(super) const STALE: Duration = Duration::from_secs(1);

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
    pub(super) idle: Vec<Member>,
    /// Lent out.
    pub(super) leased: usize,
    /// Lent out in the bulk lane.
    pub(super) bulk: usize,
    /// All there are, also those being opened or closed.
    pub(super) open: usize,
    /// Whether there is one beside them, or room kept for one, that only listens.
    pub(super) aside: bool,
    /// Being opened for those who wait: since when.
    pub(super) opening: Vec<Instant>,
    pub(super) small: BTreeMap<u64, Waiting>,
    pub(super) large: BTreeMap<u64, Waiting>,
    /// Who wants to open one with credentials of its own.
    pub(super) proof: Option<oneshot::Sender<Slot>>,
    /// One is being closed so that there is room.
    pub(super) making_room: bool,
    /// What the server allows, and until when that is believed.
    pub(super) ceiling: Option<(usize, Instant)>,
    /// Places in the queue given out.
    pub(super) places: u64,
    /// Connections opened.
    pub(super) serials: u64,
    /// The credentials the owner has proved last, and the number of that proof.
    pub(super) owner: Option<(u64, Credentials)>,
    /// Proofs so far.
    pub(super) proofs: u64,
    /// What the operator was told last, and until when it does not ask again.
    pub(super) operator_refused: Option<(Error, Instant)>,
    /// Losses that no new connection has made good yet.
    pub(super) lost: Vec<Loss>,
}

/// A connection of the account.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) connection: Connection,
    /// Counts up with each one opened.
    pub(super) serial: u64,
    /// Whether it was told to rest.
    pub(super) parked: bool,
    pub(super) opener: Opener,
}

/// Who has opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opener {
    /// The owner, with the credentials of this proof.
    Owner(u64),
    /// The operator.
    Operator,
}

/// How somebody who waits is told.
pub(super) type Grant = oneshot::Sender<Result<Lease, Error>>;
pub(super) type Refusal = (Grant, Error);

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) mailbox: Option<MailboxName>,
    /// Serial of the newest connection that will not do.
    pub(super) newer_than: u64,
    pub(super) grant: Grant,
}

impl State {
    pub(super) fn queue(&mut self, lane: Lane) -> &mut BTreeMap<u64, Waiting> {
        match lane {
            Lane::Small => &mut self.small,
            Lane::Bulk => &mut self.large,
        }
    }

    /// Whether a connection of this opener is not to be used any more: the owner has proved credentials, and may have other rights.
    pub(super) fn supersedes(&self, opener: Opener) -> bool {
        opener == Opener::Operator && self.owner.is_some()
    }

    /// Takes in that credentials were proved.
    pub(super) fn prove(&mut self, credentials: Credentials) -> Opener {
        self.proofs += 1;
        self.owner = Some((self.proofs, credentials));
        self.idle.retain(|member| member.opener != Opener::Operator);
        Opener::Owner(self.proofs)
    }

    /// Takes in how a login was refused.
    pub(super) fn refused(&mut self, opener: Opener, error: &Error, time: Duration) {
        match opener {
            Opener::Owner(number) => {
                self.owner.take_if(|(proof, _)| *proof == number);
            }
            Opener::Operator => {
                self.operator_refused = Some((error.clone(), Instant::now() + time));
            }
        }
    }

    /// Connections that work, or did when they were last seen.
    pub(super) fn usable(&self) -> usize {
        self.idle.len() + self.leased
    }

    /// How many connections there may be now.
    pub(super) fn allowed(&self, cap: usize) -> usize {
        let cap = cap - usize::from(self.aside).min(cap);
        let ceiling = self
            .ceiling
            .filter(|(_, until)| Instant::now() < *until)
            .map_or(cap, |(ceiling, _)| ceiling);
        cap.min(ceiling).max(1)
    }

    /// How many more may be lent out in the bulk lane.
    pub(super) fn bulk_room(&self, allowed: usize) -> usize {
        (allowed - 1).max(1).saturating_sub(self.bulk)
    }

    /// Whose turn it is.
    pub(super) fn next(&self, allowed: usize) -> Option<(Lane, u64)> {
        let small = self.small.keys().next().map(|place| (Lane::Small, *place));
        let large = self.large.keys().next().map(|place| (Lane::Bulk, *place));
        let large = large.filter(|_| self.bulk_room(allowed) > 0);
        [small, large]
            .into_iter()
            .flatten()
            .min_by_key(|(_, place)| *place)
    }

    /// How many could be served now if there were connections.
    pub(super) fn wanted(&self, allowed: usize) -> usize {
        self.small.len() + self.large.len().min(self.bulk_room(allowed))
    }

    /// The connection at rest that suits best: with that mailbox open, with none, or whichever has rested the least, as it
    /// is the least likely to be closed for its age.
    pub(super) fn take(
        &mut self,
        mailbox: Option<&MailboxName>,
        newer_than: u64,
    ) -> Option<Member> {
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

    pub(super) fn forget_closed(&mut self) {
        self.idle.retain(|member| !member.connection.is_closed());
    }

    /// Remembers that there can be no more connections than there are, if there are any: whether there are.
    pub(super) fn limited(&mut self, time: Duration) -> bool {
        let others = self.usable() + self.opening.len();
        if others > 0 {
            self.ceiling = Some((others, Instant::now() + time));
        }
        others > 0
    }

    /// How many connections are on their way that are worth waiting for.
    pub(super) fn coming(&self) -> usize {
        let fresh = |began: &&Instant| began.elapsed() < STALE;
        self.opening.iter().filter(fresh).count()
    }

    /// One that was on its way is not any more.
    pub(super) fn has_ended(&mut self, began: Instant) {
        if let Some(at) = self.opening.iter().position(|other| *other == began) {
            self.opening.swap_remove(at);
        }
    }

    /// Those whose place in the queue is not beyond `last`.
    pub(super) fn refuse(&mut self, last: u64, error: &Error) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for queue in [&mut self.small, &mut self.large] {
            let later = last
                .checked_add(1)
                .map_or_else(BTreeMap::new, |next| queue.split_off(&next));
            let refused = std::mem::replace(queue, later);
            refusals.extend(
                refused
                    .into_values()
                    .map(|waiting| (waiting.grant, error.clone())),
            );
        }
        refusals
    }
}

#[cfg(test)]
impl State {
    pub(super) fn waiting(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Whether nothing is under way and every connection is at rest.
    pub(super) fn is_settled(&self) -> bool {
        let under_way = self.leased + self.bulk + self.opening.len() + self.waiting();
        under_way == 0 && self.open == self.idle.len() && self.proof.is_none()
    }
}
