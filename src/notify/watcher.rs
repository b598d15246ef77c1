//! The task that watches a box: it is rung, by the store or by what the bridge writes, and looks; and it looks now and then unasked.
//!
//! * It listens before it looks for the first time, so that nothing falls in between.
//! * A look that fails is made again from the same picture, after a while, on whatever connection there is then.
//! * Without credentials it sleeps until somebody brings some; what has happened meanwhile is found by the first look.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use super::{Error, Notifications, desk::Desk, token::Token};
use crate::{
    identity::BoxId,
    store::{self, AGAIN, Account, Doorbell, Listening, Looked, Picture, Rings},
    task,
};

/// The shortest time between two looks that nothing has asked for, where the store does not tell of all mailboxes.
const SOON: Duration = Duration::from_secs(5);
/// The same after something has happened where it does: Dovecot 2.3 may never tell a RENAME that comes just after it has told a CREATE.
const AFTER_PUSH: Duration = Duration::from_secs(1);
/// How long is waited after the first failure; twice as long after each more.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest of these.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a mailbox is listened to before another is.
const SETTLED: Duration = Duration::from_secs(10);
/// How long a store that tells nothing unasked is believed to stay so.
const NEVER: Duration = Duration::from_secs(3600);

struct Watcher {
    room: Arc<Notifications>,
    desk: Arc<Desk>,
    picture: Picture,
    /// Key of the folder in which something has changed last.
    near: Option<Vec<u8>>,
}

/// What a box is heard by, while it can be reached.
struct Hearing {
    doorbell: Option<Doorbell>,
    /// Since when it listens to its mailbox.
    since: Instant,
    /// When it is looked next, whatever happens.
    next: Instant,
    /// Until then after that.
    interval: Duration,
    /// Looks since flags were compared, where they have to be.
    looks: u32,
    /// When another doorbell is tried, and how long after that the next.
    retry: (Instant, Duration),
}

impl Notifications {
    /// Watches a box, of which this was seen last, until nobody is told of it any more.
    pub(super) fn watch(self: &Arc<Self>, desk: Arc<Desk>, picture: Picture) {
        let (room, ended) = (Arc::clone(self), desk.ended.clone());
        let mut watcher = Watcher {
            room: Arc::clone(self),
            desk,
            picture,
            near: None,
        };
        task::spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = room.ending.cancelled() => {}
                () = watcher.watch_on() => {}
            }
            let account = watcher.desk.inner().account.take();
            if let Some(account) = account {
                account.own_changes().ignore();
            }
        });
    }
}

impl Watcher {
    async fn watch_on(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let account = self.account().await;
            let ended = Box::pin(self.watch_by(&account)).await;
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            if matches!(
                ended,
                store::Error::Unauthenticated | store::Error::Forbidden
            ) {
                // Whoever opens it next does so with other credentials.
                self.desk.inner().account = None;
            } else {
                warn!(error = %ended, "a box cannot be watched just now");
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.desk.wake.notified() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The box, as soon as it can be opened: by whom, is the store's to say.
    async fn account(&self) -> Account {
        let mut pause = FIRST_PAUSE;
        loop {
            let known = self.desk.inner().account.clone();
            if let Some(account) = known {
                return account;
            }
            match self.opened().await {
                Ok(account) => {
                    self.desk.inner().account = Some(account.clone());
                    return account;
                }
                Err(store::Error::Unauthenticated) => self.until_somebody_comes().await,
                Err(store::Error::Busy) => debug!("no connection is free to watch a box"),
                Err(error) => warn!(%error, "a box cannot be opened just now"),
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.desk.wake.notified() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn opened(&self) -> Result<Account, store::Error> {
        let gone = || store::Error::Internal("a box of no store".to_owned());
        let store = self.room.stores.get(&self.desk.key.store);
        let store = store.ok_or_else(gone)?;
        let box_id = BoxId::parse(&self.desk.key.box_id).map_err(|_| gone())?;
        Box::pin(store.open_outside(&box_id, &self.desk.login)).await
    }

    /// Nobody can open the box: not before its owner comes.
    async fn until_somebody_comes(&self) {
        debug!("a box is not watched before its owner opens it");
        if let Some(store) = self.room.stores.get(&self.desk.key.store) {
            tokio::select! {
                () = store.proved(&self.desk.login) => {}
                () = self.desk.wake.notified() => {}
            }
        }
    }

    /// Watches as long as the box can be reached; why it cannot any more.
    async fn watch_by(&mut self, account: &Account) -> store::Error {
        account.own_changes().listen();
        // Apart, as all but the waiting: most boxes are silent.
        let mut hearing = Box::pin(self.hearing(account)).await;
        if let Err(error) = Box::pin(self.look(account, &everything(), true)).await {
            return error;
        }
        if let Err(error) = Box::pin(self.replay(account)).await {
            return error;
        }
        // What could not be told before may be told now.
        self.desk.ring_all();
        loop {
            let (rings, heard) = self.rung(account, &mut hearing).await;
            let due = rings.is_none();
            let thorough = due && hearing.is_thorough(account);
            let rings = rings.unwrap_or_else(everything);
            let looking = self.look_at(account, &rings, thorough, heard);
            let looked = match Box::pin(looking).await {
                Ok(looked) => looked,
                Err(error) => return error,
            };
            let (active, again) = looked;
            self.set_next(&mut hearing, due, active, again);
            if let Err(error) = Box::pin(self.move_on(account, &mut hearing)).await {
                return error;
            }
        }
    }

    async fn hearing(&self, account: &Account) -> Hearing {
        let period = Duration::from_secs(self.room.settings.notifications.idle);
        let near = self.near.as_deref();
        let doorbell = account.doorbell(&self.picture, near, period).await;
        let doorbell = doorbell.inspect_err(|error| debug!(%error, "nothing is told unasked"));
        let never = matches!(doorbell, Err(store::Error::Unsupported(_)));
        let mut hearing = Hearing {
            doorbell: doorbell.ok(),
            since: Instant::now(),
            next: Instant::now(),
            interval: SOON,
            looks: 0,
            retry: (Instant::now(), FIRST_PAUSE),
        };
        hearing.interval = hearing.shortest().min(self.longest());
        hearing.next += hearing.interval;
        if never {
            hearing.retry = (Instant::now() + NEVER, NEVER);
        }
        hearing
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(self.room.settings.notifications.poll)
    }

    /// Waits until something rings; `None` when it is time for a look of its own.
    async fn rung(&self, account: &Account, hearing: &mut Hearing) -> (Option<Rings>, Instant) {
        let doorbell = hearing.doorbell.take();
        let from_store = async {
            match &doorbell {
                Some(doorbell) => doorbell.rung().await,
                None => std::future::pending().await,
            }
        };
        let rings = tokio::select! {
            rings = account.own_changes().rung() => rings,
            rings = from_store => match rings {
                Some(rings) => Some(rings),
                None => {
                    // It has ended: another look, and another doorbell with it.
                    return (None, Instant::now());
                }
            },
            () = self.desk.replayed() => Some(everything()),
            () = sleep_until(hearing.next) => None,
        };
        hearing.doorbell = doorbell;
        (rings, Instant::now())
    }

    async fn look(
        &mut self,
        account: &Account,
        rings: &Rings,
        thorough: bool,
    ) -> Result<(), store::Error> {
        self.look_at(account, rings, thorough, Instant::now())
            .await
            .map(drop)
    }

    /// Looks, and hands over what is found; whether there was anything, and whether another look is due.
    async fn look_at(
        &mut self,
        account: &Account,
        rings: &Rings,
        thorough: bool,
        heard: Instant,
    ) -> Result<(bool, bool), store::Error> {
        let most = self.room.settings.limits.queue;
        let replayed = std::mem::take(&mut self.desk.inner().replayed);
        self.picture.expect(&replayed);
        let looked = account.changes_since(&mut self.picture, rings, most, thorough);
        let looked: Looked = Box::pin(looked).await?;
        let active = !looked.changes.is_empty() || looked.too_many;
        if active && let Some(folder) = looked.folders.last() {
            self.near = Some(folder.clone());
        }
        let again = looked.again;
        self.desk.take_in(&self.room, looked, &self.picture, heard);
        Ok((active, again))
    }

    fn set_next(&self, hearing: &mut Hearing, due: bool, active: bool, again: bool) {
        let longest = self.longest();
        if active {
            hearing.interval = hearing.shortest().min(longest);
        } else if due {
            hearing.interval = (hearing.interval * hearing.patience()).min(longest);
        }
        if due || active {
            hearing.next = Instant::now() + hearing.interval;
        }
        if again {
            hearing.next = Instant::now() + AGAIN;
        }
    }

    /// A doorbell that has ended is replaced; one that hears of one mailbox follows what happens.
    async fn move_on(
        &mut self,
        account: &Account,
        hearing: &mut Hearing,
    ) -> Result<(), store::Error> {
        let Some(doorbell) = &mut hearing.doorbell else {
            return self.replace(account, hearing).await;
        };
        let Listening::Idle(open) = doorbell.listening() else {
            return Ok(());
        };
        let Some(near) = &self.near else {
            return Ok(());
        };
        let mailbox = account.mailbox_of(&self.picture, near);
        if *open == mailbox || hearing.since.elapsed() < SETTLED {
            return Ok(());
        }
        let mut rings = Rings::default();
        rings.add(open.clone(), None);
        rings.add(mailbox.clone(), None);
        hearing.since = Instant::now();
        if doorbell.listen_to(&mailbox).await.is_err() {
            hearing.doorbell = None;
        }
        self.look(account, &rings, false).await
    }

    /// Another doorbell, if it is time to try that.
    async fn replace(
        &mut self,
        account: &Account,
        hearing: &mut Hearing,
    ) -> Result<(), store::Error> {
        let (due, pause) = hearing.retry;
        if due > Instant::now() {
            hearing.next = hearing.next.min(due);
            return Ok(());
        }
        let another = self.hearing(account).await;
        if another.doorbell.is_none() {
            let pause = (pause * 2).min(LONGEST_PAUSE).max(another.retry.1);
            hearing.retry = (Instant::now() + pause, pause);
            return Ok(());
        }
        hearing.doorbell = another.doorbell;
        hearing.since = another.since;
        hearing.retry = another.retry;
        // What happened before it listened nobody has told.
        self.look(account, &everything(), false).await
    }

    /// What an earlier process had begun to tell from a token is found out again.
    async fn replay(&self, account: &Account) -> Result<(), store::Error> {
        let unknown: Vec<(String, Option<Picture>)> = {
            let inner = self.desk.inner();
            let unknown = inner.subscriptions.values();
            let unknown = unknown.filter(|subscription| subscription.backlog.is_none());
            let aliases = self.desk.aliases(&self.room);
            let picture = |text: &str| Token::read(text, &self.desk.seal)?.picture(aliases);
            unknown
                .map(|subscription| {
                    let replays = subscription.record.replays.as_deref();
                    (subscription.record.id.clone(), replays.and_then(picture))
                })
                .collect()
        };
        for (id, picture) in unknown {
            let replayed = match picture {
                Some(picture) => match self.room.replayed(&self.desk, account, picture).await {
                    Ok(replayed) => replayed,
                    Err(Error::Store(error)) => return Err(error),
                    Err(error) => return Err(store::Error::Internal(error.to_string())),
                },
                None => None,
            };
            let mut inner = self.desk.inner();
            if let Some(subscription) = inner.subscriptions.get_mut(&id) {
                subscription.record.resets |= replayed.is_none();
                subscription.backlog = Some(replayed.unwrap_or_default());
            }
        }
        Ok(())
    }
}

impl Hearing {
    /// How soon after something has happened it is looked again.
    fn shortest(&self) -> Duration {
        if self.hears_of_all() {
            AFTER_PUSH
        } else {
            SOON
        }
    }

    /// How much longer each time nothing has happened.
    fn patience(&self) -> u32 {
        if self.hears_of_all() { 8 } else { 2 }
    }

    fn hears_of_all(&self) -> bool {
        let doorbell = self.doorbell.as_ref();
        doorbell.is_some_and(|doorbell| *doorbell.listening() == Listening::Notify)
    }

    /// Whether flags are compared where the store does not say which have changed: that reads them all, so not every time.
    fn is_thorough(&mut self, account: &Account) -> bool {
        self.looks += 1;
        let tells = account.tells_changes().unwrap_or(false);
        !tells && self.looks.is_multiple_of(3)
    }
}

/// For a look at all there is.
pub(super) fn everything() -> Rings {
    Rings {
        all: true,
        ..Rings::default()
    }
}
