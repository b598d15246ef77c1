//! A notification channel: where the event lists of subscriptions wait for their client (contract §8).
//!
//! * It belongs to a box, and lives for as long as it is used: each poll begins its life anew.
//! * One poll at a time: the older of two ends when the newer one comes.
//! * What a poll was given counts as taken when the next one comes, unless it is known by then that it did not arrive.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::BoxKey;
use crate::nms::{self, ChannelUrls};

/// Seconds a channel lives that does not say how long.
const LIFETIME: u64 = 86_400;
/// Seconds a channel lives at most without being used.
const LONGEST: u64 = 604_800;
/// Seconds that notifications wait for others at most.
const LONGEST_WAIT: u64 = 300;

/// What is kept of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) box_id: String,
    /// Base and spelling of the request that made it.
    pub(super) urls: ChannelUrls,
    pub(super) channel_type: nms::ChannelType,
    pub(super) client_correlator: Option<String>,
    pub(super) application_tag: Option<String>,
    pub(super) max_notifications: usize,
    /// Seconds; `None` when the client has not asked for it.
    pub(super) max_wait_time: Option<u64>,
    /// Seconds.
    pub(super) lifetime: u64,
    /// When it ends, in milliseconds since 1970.
    pub(super) expires: i64,
}

/// A channel that lives.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: String,
    pub(super) box_id: String,
    /// Something may be to be told.
    pub(super) wake: Notify,
    /// It is no more.
    pub(super) ended: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) record: Record,
    /// Those whose events go here, in the turn in which they are asked.
    pub(super) subscriptions: Vec<(BoxKey, String)>,
    /// The poll that waits, or the WebSocket that is open.
    pub(super) poll: Option<CancellationToken>,
    /// What was given last, and whether it has arrived.
    pub(super) given: Option<Given>,
    /// When the state was told of its life last, in milliseconds since 1970.
    pub(super) kept: i64,
}

/// Lists that were given to a poll.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) lists: Vec<(BoxKey, String, u64)>,
    pub(super) receipt: Receipt,
}

/// Tells whether an answer has been written; judged when the next poll comes (product: acknowledgement).
#[derive(Debug, Clone, Default)]
pub struct Receipt(Arc<Arrival>);

#[derive(Debug, Default)]
struct Arrival {
    written: AtomicBool,
    lost: AtomicBool,
}

impl Receipt {
    /// All of it has been handed to the connection.
    pub fn written(&self) {
        self.0.written.store(true, Ordering::Release);
    }

    /// Its connection or stream has ended in an error: whatever was written of it may not have arrived.
    pub fn lost(&self) {
        self.0.lost.store(true, Ordering::Release);
    }

    /// Whether somebody still wants to know.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether it counts as taken.
    pub(super) fn is_taken(&self) -> bool {
        self.0.written.load(Ordering::Acquire) && !self.0.lost.load(Ordering::Acquire)
    }
}

/// Seconds that are granted.
pub(super) fn granted(asked: Option<u64>) -> u64 {
    match asked {
        None | Some(0) => LIFETIME,
        Some(asked) => asked.min(LONGEST),
    }
}

impl Record {
    /// A channel as it is asked for; `lists` go into one answer at most.
    pub(super) fn new(
        asked: &nms::NewChannel,
        channel_type: nms::ChannelType,
        box_id: &str,
        urls: &ChannelUrls,
        lists: usize,
        now: i64,
    ) -> Self {
        let lifetime = granted(asked.channel_lifetime);
        let data = &asked.channel_data;
        let wanted = data.max_notifications.filter(|wanted| *wanted > 0);
        let wanted = wanted.map_or(lists, |wanted| usize::try_from(wanted).unwrap_or(lists));
        Self {
            id: super::new_id(),
            box_id: box_id.to_owned(),
            urls: urls.clone(),
            channel_type,
            client_correlator: asked.client_correlator.clone(),
            application_tag: asked.application_tag.clone(),
            max_notifications: wanted.min(lists),
            max_wait_time: data.max_wait_time.map(|seconds| seconds.min(LONGEST_WAIT)),
            lifetime,
            expires: now + milliseconds(lifetime),
        }
    }

    /// As its GET shows it.
    pub(super) fn shown(&self, now: i64) -> nms::Channel {
        let urls = &self.urls;
        let long_polling = self.channel_type == nms::ChannelType::LongPolling;
        nms::Channel {
            client_correlator: self.client_correlator.clone(),
            application_tag: self.application_tag.clone(),
            channel_type: self.channel_type,
            channel_data: nms::ChannelData {
                channel_url: if long_polling {
                    urls.notifications(&self.id)
                } else {
                    urls.web_socket(&self.id)
                },
                max_notifications: self.max_notifications as u64,
                max_wait_time: self.max_wait_time.filter(|_| long_polling),
            },
            channel_lifetime: self.left(now),
            callback_url: urls.callback(&self.id),
            resource_url: urls.channel(&self.id),
        }
    }

    /// Seconds it still lives without being used.
    pub(super) fn left(&self, now: i64) -> u64 {
        left(self.expires, now)
    }

    /// Its life begins anew.
    pub(super) fn begin_anew(&mut self, now: i64) {
        self.expires = now + milliseconds(self.lifetime);
    }
}

/// Seconds until a moment, both in milliseconds since 1970: all that is granted is said, and 0 of what is over alone.
pub(super) fn left(until: i64, now: i64) -> u64 {
    u64::try_from(until - now).map_or(0, |left| left.div_ceil(1000))
}

/// Seconds as milliseconds; what is granted is bounded.
pub(super) fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX / 2)
}

impl Channel {
    pub(super) fn new(record: Record) -> Self {
        Self {
            id: record.id.clone(),
            box_id: record.box_id.clone(),
            wake: Notify::new(),
            ended: CancellationToken::new(),
            state: Mutex::new(State {
                record,
                subscriptions: Vec::new(),
                poll: None,
                given: None,
                kept: super::now(),
            }),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its time is over; not while somebody waits.
    pub(super) fn is_over(&self, now: i64) -> bool {
        let state = self.state();
        let waited_for = state.poll.as_ref().is_some_and(|poll| !poll.is_cancelled());
        state.record.expires <= now && !waited_for
    }
}
