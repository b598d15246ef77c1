//! Notifications: channels, subscriptions, and how what has changed in a box reaches those who have asked for it (contract §7, §8).
//!
//! * A box with subscriptions has one watcher and one journal, whichever they are and however many (`desk`, `watcher`).
//! * A list of events has its index before it is sent, and is in the state with it: whatever ends the process, the same list comes again
//!   under the same index, or the next one under the next.
//! * Nothing is told that has not happened; something may be told twice, with the same `lastModSeq`.
//! * A client that does not come costs a bounded queue, and then one `resetBox`.
//! * Everything is answered from memory; the state keeps what must outlive the process.

mod channel;
mod channels;
mod desk;
mod error;
mod journal;
mod kept;
mod measure;
mod posting;
mod socket;
mod subscription;
mod subscriptions;
mod token;
mod watcher;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::{channel::Channel, desk::Desk};
pub use self::{
    channel::Receipt,
    channels::Polled,
    error::Error,
    socket::{Broken, Closing, Heard, Said, Socket},
    subscriptions::Subscriber,
};
use crate::{
    clock,
    config::{LimitsConfig, NotificationsConfig, UnknownPreset},
    outbound::Callback,
    state::State,
    store::Store,
    task,
};

/// How often it is looked for channels and subscriptions whose time is over.
const SWEEP: Duration = Duration::from_millis(500);

/// What the room is told about its surroundings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[notifications]`.
    pub notifications: NotificationsConfig,
    /// `[limits]`.
    pub limits: LimitsConfig,
    /// What a preset search means that is not known.
    pub unknown_preset: UnknownPreset,
    /// Names of the stores whose boxes may use a channel of the same box id.
    pub channel_stores: Vec<String>,
}

/// A box of a store: both as they are called in the configuration and in URLs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BoxKey {
    pub(crate) store: String,
    pub(crate) box_id: String,
}

/// See the module.
pub struct Notifications {
    settings: Settings,
    state: Arc<dyn State>,
    stores: HashMap<String, Arc<Store>>,
    desks: Mutex<HashMap<BoxKey, Arc<Desk>>>,
    channels: Mutex<BTreeMap<String, Arc<Channel>>>,
    /// Posts to URLs of clients' own.
    callback: Callback,
    /// A box is taken up by one request at a time, so that none is taken up twice.
    opening: Mutex<HashMap<BoxKey, Weak<tokio::sync::Mutex<()>>>>,
    ending: CancellationToken,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Notifications")
            .finish_non_exhaustive()
    }
}

impl Notifications {
    /// Takes up what an earlier process has left, and begins to watch for it.
    #[must_use]
    pub fn start(
        settings: Settings,
        state: Arc<dyn State>,
        stores: impl IntoIterator<Item = Arc<Store>>,
        callback: Callback,
    ) -> Arc<Self> {
        let stores = stores.into_iter();
        let room = Arc::new(Self {
            settings,
            state,
            stores: stores
                .map(|store| (store.name().to_owned(), store))
                .collect(),
            desks: Mutex::default(),
            channels: Mutex::default(),
            callback,
            opening: Mutex::default(),
            ending: CancellationToken::new(),
        });
        measure::announce();
        room.take_up();
        task::spawn({
            let room = Arc::clone(&room);
            async move { room.sweep_on().await }
        });
        room
    }

    /// Answers all polls that wait, and watches no more; what is subscribed stays in the state.
    pub fn end(&self) {
        self.ending.cancel();
    }

    async fn sweep_on(&self) {
        loop {
            tokio::select! {
                () = self.ending.cancelled() => return,
                () = sleep(SWEEP) => self.sweep(),
            }
        }
    }

    /// Ends what is over.
    fn sweep(&self) {
        let now = now();
        let over: Vec<Arc<Channel>> = {
            let channels = self.channels();
            let over = channels.values().filter(|channel| channel.is_over(now));
            over.cloned().collect()
        };
        for channel in over {
            self.end_channel(&channel);
        }
        let desks: Vec<Arc<Desk>> = self.desks().values().cloned().collect();
        for desk in desks {
            for id in desk.over(now) {
                self.end_subscription(&desk, &id);
            }
        }
    }

    /// Held by whoever takes up a box.
    fn turn_to_open(&self, key: &BoxKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        opening.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = opening.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        opening.insert(key.clone(), Arc::downgrade(&turn));
        turn
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<BoxKey, Arc<Desk>>> {
        self.desks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channels(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of day, in milliseconds since 1970.
fn now() -> i64 {
    clock::now().timestamp_millis()
}

/// An id that nobody can guess: 122 random bits and more (RFC 9562 §5.4), twice.
fn new_id() -> String {
    let [one, other] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    BASE64_URL_SAFE_NO_PAD.encode([&one.as_bytes()[..], &other.as_bytes()[..8]].concat())
}
