//! Whether the server can be reached, so that one that is away is not stormed, and is found again at once.
//!
//! * While it answers, a bounded number of connections are being made at a time, from the first packet to the greeting.
//! * Once it cannot be reached, somebody tries now and then, and all the others share the outcome of the next try that
//!   begins after they came. They wait for it rather than fail at once: the first request after its return succeeds.
//! * A try that hangs, as with a host that is down, does not keep others from being made: a few at a time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, timeout_at},
};

use super::super::Error;

/// Connections being made at a time while the server answers.
const AT_A_TIME: usize = 16;
/// Tries under way at a time while it does not.
const TRIES: usize = 8;
/// From one try to the next, on average.
const INTERVAL: Duration = Duration::from_millis(250);
/// The same while the last one hangs.
const INTERVAL_HANGING: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Reach {
    making: Semaphore,
    known: Mutex<Known>,
    /// Rung when there is something to look at in `known`.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// How often it has come back: what began before that says nothing about now.
    returns: u64,
    /// Tries begun while it was away, ever.
    begun: u64,
    away: Option<Away>,
}

/// What is known while the server cannot be reached.
#[derive(Debug)]
struct Away {
    under_way: usize,
    next: Instant,
    /// The last try that failed, by its number, and how.
    failed: (u64, Error),
}

/// The right to try. One that is dropped without a word is as if it had not been.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    reach: &'a Reach,
    returns: u64,
    /// Its number; `None` while the server answers, and when all is said.
    number: Option<u64>,
    _making: Option<SemaphorePermit<'a>>,
}

enum Look {
    /// It answers, since it has come back so often.
    Reachable(u64),
    /// It does not, and it is time to try.
    Try { returns: u64, number: u64 },
    /// Until then at most.
    Wait(Instant),
}

impl Reach {
    pub(super) fn new() -> Self {
        Self {
            making: Semaphore::new(AT_A_TIME),
            known: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Waits until it answers, or until it is time to try.
    ///
    /// # Errors
    /// As for [`Self::turn`].
    pub(super) async fn pass(&self, deadline: Instant) -> Result<(), Error> {
        let came_after = self.known().begun;
        loop {
            let mut changed = self.changed.subscribe();
            match self.look(came_after, false)? {
                Look::Reachable(_) | Look::Try { .. } => return Ok(()),
                Look::Wait(until) => self.wait(&mut changed, until, deadline).await?,
            }
        }
    }

    /// Waits until it makes sense to try, and for the right to.
    ///
    /// # Errors
    /// What another's try has come to; at the deadline what the last one has, or [`Error::Busy`].
    pub(super) async fn turn(&self, deadline: Instant) -> Result<Turn<'_>, Error> {
        let turn = |returns, number, making| Turn {
            reach: self,
            returns,
            number,
            _making: making,
        };
        let came_after = self.known().begun;
        loop {
            let mut changed = self.changed.subscribe();
            match self.look(came_after, true)? {
                Look::Try { returns, number } => return Ok(turn(returns, Some(number), None)),
                Look::Reachable(returns) => {
                    let making = timeout_at(deadline, self.making.acquire()).await;
                    let making = making.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
                    if self.known().away.is_none() {
                        return Ok(turn(returns, None, Some(making)));
                    }
                }
                Look::Wait(until) => self.wait(&mut changed, until, deadline).await?,
            }
        }
    }

    /// Waits for news, or for a time.
    async fn wait(
        &self,
        changed: &mut watch::Receiver<()>,
        until: Instant,
        deadline: Instant,
    ) -> Result<(), Error> {
        // The sender lives as long as `self`; news and the time are both reasons to look again.
        let _ = timeout_at(deadline.min(until), changed.changed()).await;
        if Instant::now() < deadline {
            return Ok(());
        }
        let known = self.known();
        let away = known.away.as_ref();
        Err(away.map_or(Error::Busy, |away| away.failed.1.clone()))
    }

    fn look(&self, came_after: u64, begin: bool) -> Result<Look, Error> {
        let now = Instant::now();
        let known = &mut *self.known();
        let returns = known.returns;
        let Some(away) = &mut known.away else {
            return Ok(Look::Reachable(returns));
        };
        if away.failed.0 > came_after {
            return Err(away.failed.1.clone());
        }
        if away.under_way >= TRIES {
            return Ok(Look::Wait(now + INTERVAL_HANGING));
        }
        if now < away.next {
            return Ok(Look::Wait(away.next));
        }
        if begin {
            known.begun += 1;
            away.under_way += 1;
            away.next = now + INTERVAL_HANGING;
        }
        let number = known.begun;
        Ok(Look::Try { returns, number })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The server has greeted: whoever waits may go on.
    pub(super) fn succeeded(mut self) {
        self.number = None;
        let was_away = {
            let mut known = self.reach.known();
            let was_away = known.away.take().is_some();
            known.returns += u64::from(was_away);
            was_away
        };
        if was_away {
            self.reach.changed.send_replace(());
        }
    }

    /// It could not be reached.
    pub(super) fn failed(mut self, error: &Error) {
        let number = self.number.take();
        let next = Instant::now() + jittered(INTERVAL);
        {
            let known = &mut *self.reach.known();
            if known.returns != self.returns {
                return;
            }
            let away = known.away.get_or_insert_with(|| Away {
                under_way: 0,
                next,
                failed: (0, error.clone()),
            });
            if let Some(number) = number {
                away.under_way = away.under_way.saturating_sub(1);
                away.next = next;
                if number > away.failed.0 {
                    away.failed = (number, error.clone());
                }
            }
        }
        self.reach.changed.send_replace(());
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.number.is_none() {
            return;
        }
        {
            let known = &mut *self.reach.known();
            if let Some(away) = known
                .away
                .as_mut()
                .filter(|_| known.returns == self.returns)
            {
                away.under_way = away.under_way.saturating_sub(1);
                away.next = Instant::now();
            }
        }
        self.reach.changed.send_replace(());
    }
}

/// Half to one and a half times as long, so that several bridges do not try in step.
fn jittered(interval: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    interval / 2 + interval * random / 256
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{future::join_all, poll};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn refused() -> Error {
        Error::Connect("refused".to_owned())
    }

    /// One that has just been found away.
    async fn away() -> Reach {
        let reach = Reach::new();
        reach.turn(soon()).await.unwrap().failed(&refused());
        reach
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_away_one_tries_and_the_others_share_what_comes_of_it() {
        let reach = away().await;
        let tries = std::cell::Cell::new(0);
        let outcomes = join_all((0..1000).map(|_| async {
            let turn = reach.turn(soon()).await?;
            tries.set(tries.get() + 1);
            turn.failed(&refused());
            Err::<(), _>(refused())
        }))
        .await;
        assert_eq!(tries.get(), 1);
        assert!(outcomes.iter().all(|outcome| *outcome == Err(refused())));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_after_its_return_is_let_through_within_a_second() {
        let reach = away().await;
        for _ in 0..20 {
            let turn = reach.turn(soon()).await.unwrap();
            turn.failed(&refused());
        }
        // One that began before the return hangs, and ends badly only now.
        let hanging = reach.turn(soon()).await.unwrap();
        let came = Instant::now();
        let mut request = pin!(reach.turn(soon()));
        assert!(poll!(&mut request).is_pending());
        hanging.failed(&refused());
        let turn = request.await.unwrap();
        assert!(came.elapsed() <= INTERVAL_HANGING);
        turn.succeeded();
        let at = Instant::now();
        join_all((0..AT_A_TIME).map(|_| reach.turn(soon()))).await;
        assert_eq!(at.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_bounded_in_both_states() {
        for (reach, most) in [(Reach::new(), AT_A_TIME), (away().await, TRIES)] {
            let mut held = Vec::new();
            while let Ok(turn) = reach.turn(soon()).await {
                held.push(turn);
            }
            assert_eq!(held.len(), most);
            // Given back, they can be had again.
            drop(held);
            assert!(reach.turn(soon()).await.is_ok());
        }
    }
}
