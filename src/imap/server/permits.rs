//! The cap on all connections of a server, shared by its accounts.
//!
//! * Whoever has no connection comes before who wants one more; among equals the first to ask comes first.
//! * A permit is handed over at once: it is never free while somebody waits, and who left meanwhile loses nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use super::super::Error;

/// Tells accounts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct AccountNumber(u64);

impl AccountNumber {
    /// One that nobody has yet.
    pub(in super::super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// How much a permit is needed; the lesser comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Need {
    /// For the account's only connection.
    First,
    /// For one beside others.
    More,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Permits {
    state: Mutex<State>,
    /// Rung for one connection at rest each time somebody has to wait.
    pressed: Notify,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: BTreeMap<(Need, u64), Waiting>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    account: AccountNumber,
    grant: oneshot::Sender<Permit>,
}

/// The right to one connection.
#[derive(Debug)]
pub(super) struct Permit(Arc<Permits>);

impl Permits {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: count,
                waiting: BTreeMap::new(),
                next: 0,
            }),
            pressed: Notify::new(),
        })
    }

    /// Waits for a permit; a connection at rest is asked to give way when there is none.
    ///
    /// # Errors
    /// [`Error::Busy`] at the deadline.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        account: AccountNumber,
        need: Need,
        deadline: Instant,
    ) -> Result<Permit, Error> {
        let (ticket, granted) = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit(Arc::clone(self)));
            }
            let (grant, granted) = oneshot::channel();
            let key = (need, state.next);
            state.next += 1;
            state.waiting.insert(key, Waiting { account, grant });
            (Ticket { permits: self, key }, granted)
        };
        self.pressed.notify_one();
        let permit = timeout_at(deadline, granted).await;
        drop(ticket);
        permit.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)
    }

    /// Whether another account waits.
    pub(super) fn wanted_beside(&self, account: AccountNumber) -> bool {
        let state = self.state();
        state
            .waiting
            .values()
            .any(|waiting| waiting.account != account)
    }

    /// Whether another account waits that has no connection at all.
    pub(super) fn starving_beside(&self, account: AccountNumber) -> bool {
        let state = self.state();
        state
            .waiting
            .range(..(Need::More, 0))
            .any(|(_, waiting)| waiting.account != account)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.state().free
    }
}

impl Permit {
    /// Waits until somebody waits for a permit and one connection at rest has to give way: this one. Who has waited
    /// here the longest is told first.
    pub(super) async fn wanted(&self) {
        loop {
            self.0.pressed.notified().await;
            // The ring may be older than the last answer to it.
            if !self.0.state().waiting.is_empty() {
                return;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state();
            let next = state.waiting.pop_first();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some((_, waiting)) = next {
            // Refused by who has left: then it is dropped here, and goes to the next.
            let _ = waiting.grant.send(Permit(Arc::clone(&self.0)));
        }
    }
}

/// A place in the queue, given up when this is dropped.
struct Ticket<'a> {
    permits: &'a Permits,
    key: (Need, u64),
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.permits.state().waiting.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use futures_util::poll;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    async fn at_once(permits: &Arc<Permits>) -> Result<Permit, Error> {
        permits
            .acquire(AccountNumber::next(), Need::More, soon())
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_none_comes_first_and_then_who_came_first() {
        let permits = Permits::new(1);
        let held = at_once(&permits).await.unwrap();
        let account = AccountNumber::next();
        let acquire = |need| permits.acquire(account, need, soon());
        let mut more = pin!(acquire(Need::More));
        let mut first = pin!(acquire(Need::First));
        let mut second = pin!(acquire(Need::First));
        for waiting in [&mut more, &mut first, &mut second] {
            assert!(poll!(waiting).is_pending());
        }
        drop(held);
        assert!(poll!(&mut more).is_pending());
        assert!(poll!(&mut second).is_pending());
        drop(first.await.unwrap());
        assert!(poll!(&mut more).is_pending());
        drop(second.await.unwrap());
        drop(more.await.unwrap());
        assert_eq!(permits.free(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_lost_with_who_leaves_or_waits_in_vain() {
        let permits = Permits::new(1);
        let held = at_once(&permits).await.unwrap();
        assert_eq!(at_once(&permits).await.unwrap_err(), Error::Busy);
        {
            let mut leaving = pin!(at_once(&permits));
            assert!(poll!(&mut leaving).is_pending());
        }
        {
            let mut granted = Box::pin(at_once(&permits));
            assert!(poll!(&mut granted).is_pending());
            drop(held);
            // The permit is on its way to somebody who does not come for it.
            drop(granted);
        }
        assert_eq!(permits.free(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_others_that_wait_count_as_others() {
        let permits = Permits::new(1);
        let _held = at_once(&permits).await.unwrap();
        let account = AccountNumber::next();
        let mut waiting = pin!(permits.acquire(account, Need::More, soon()));
        assert!(poll!(&mut waiting).is_pending());
        assert!(!permits.wanted_beside(account));
        let other = AccountNumber::next();
        assert!(permits.wanted_beside(other) && !permits.starving_beside(other));
        let mut starving = pin!(permits.acquire(account, Need::First, soon()));
        assert!(poll!(&mut starving).is_pending());
        assert!(permits.starving_beside(other) && !permits.starving_beside(account));
    }
}
