//! What clients do with channels: make them, look at them, keep them alive, end them, and wait at them.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    BoxKey, Error, Notifications, Receipt,
    channel::{Channel, Given, Record, granted, milliseconds},
    kept, measure, now,
    subscription::{List, Record as Subscribed},
    subscriptions::{valid_text, without_controls},
};
use crate::nms::{self, ChannelType, ChannelUrls};

/// How long is waited before what could not be told is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// What a poll has come to.
#[derive(Debug)]
pub enum Polled {
    /// These, under a receipt that says whether they have arrived.
    Lists(Vec<nms::EventList>, Receipt),
    /// Nothing has happened in all the time.
    Nothing,
}

/// A list to be given, and what is needed to say that it was taken.
pub(super) struct Found {
    pub(super) key: BoxKey,
    pub(super) list: List,
    pub(super) record: Subscribed,
}

impl Notifications {
    /// Makes a channel of a box, or finds the one that was made under the same correlator (contract §8.1).
    ///
    /// # Errors
    /// [`Error::InvalidInput`], [`Error::ChannelType`], [`Error::Unsupported`] `LargeDataPolling`, [`Error::Conflict`] when something else
    /// was made under that correlator, [`Error::TooMany`], [`Error::State`].
    pub async fn create_channel(
        &self,
        box_id: &str,
        urls: &ChannelUrls,
        asked: &nms::NewChannel,
    ) -> Result<nms::Channel, Error> {
        let name = asked.channel_type.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(Error::InvalidInput("channelType".to_owned()));
        }
        without_controls("channelType", Some(name))?;
        let channel_type =
            ChannelType::named(name).ok_or_else(|| Error::ChannelType(name.to_owned()))?;
        if asked.channel_data.wants_large_data_polling() {
            return Err(Error::Unsupported("LargeDataPolling"));
        }
        valid_text("clientCorrelator", asked.client_correlator.as_deref())?;
        valid_text("applicationTag", asked.application_tag.as_deref())?;
        let lists = self.settings.notifications.lists;
        let record = Record::new(asked, channel_type, box_id, urls, lists, now());
        {
            let mut channels = self.channels();
            let now = now();
            let own = channels.values().filter(|channel| channel.box_id == box_id);
            // What is over is gone for clients, whenever it is tidied up.
            let own: Vec<&Arc<Channel>> = own.filter(|channel| !channel.is_over(now)).collect();
            if let Some(correlator) = asked.correlator() {
                let same = own.iter().find(|channel| {
                    let state = channel.state();
                    state.record.client_correlator.as_deref() == Some(correlator)
                });
                if let Some(same) = same {
                    let state = same.state();
                    if state.record.channel_type != channel_type {
                        let member = "clientCorrelator".to_owned();
                        return Err(Error::Conflict(correlator.to_owned(), member));
                    }
                    return Ok(state.record.shown(now));
                }
            }
            if own.len() >= self.settings.limits.channels_per_box {
                return Err(Error::TooMany("TooManyChannels"));
            }
            let channel = Channel::new(record.clone());
            channels.insert(record.id.clone(), Arc::new(channel));
            measure::channels(channels.len());
        }
        self.state.keep(vec![kept::channel(&record, true)]);
        self.state.commit().await?;
        Ok(record.shown(now()))
    }

    /// All channels of a box.
    #[must_use]
    pub fn channels_of(&self, box_id: &str) -> Vec<nms::Channel> {
        let now = now();
        let channels = self.channels();
        let own = channels.values().filter(|channel| channel.box_id == box_id);
        let own = own.filter(|channel| !channel.is_over(now));
        own.map(|channel| channel.state().record.shown(now))
            .collect()
    }

    /// A channel.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn channel(&self, box_id: &str, id: &str) -> Result<nms::Channel, Error> {
        let channel = self.channel_of(Some(box_id), id)?;
        let shown = channel.state().record.shown(now());
        Ok(shown)
    }

    /// Ends a channel, and what is subscribed to it: there is nobody left to tell.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn delete_channel(&self, box_id: &str, id: &str) -> Result<(), Error> {
        let channel = self.channel_of(Some(box_id), id)?;
        self.end_channel(&channel);
        Ok(self.state.commit().await?)
    }

    /// Seconds a channel still lives (contract §8.2).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn lifetime(&self, box_id: &str, id: &str) -> Result<u64, Error> {
        let channel = self.channel_of(Some(box_id), id)?;
        let left = channel.state().record.left(now());
        Ok(left)
    }

    /// Gives a channel another lifetime, which begins now; the seconds granted. Who knows its id may do so: nobody can guess it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn set_lifetime(
        &self,
        box_id: Option<&str>,
        id: &str,
        asked: Option<u64>,
    ) -> Result<u64, Error> {
        let channel = self.channel_of(box_id, id)?;
        let lifetime = granted(asked);
        {
            let mut state = channel.state();
            state.record.lifetime = lifetime;
            state.record.begin_anew(now());
            state.kept = now();
        }
        self.keep_channel(&channel);
        Ok(lifetime)
    }

    /// The life of a channel that is used begins anew; seconds it has. The state is told now and then: lifetimes are not waited
    /// for, and a kill brings back one that is shorter by an eighth at most.
    pub(super) fn used(&self, channel: &Channel) -> u64 {
        let (lifetime, due) = {
            let mut state = channel.state();
            let now = now();
            state.record.begin_anew(now);
            let lifetime = state.record.lifetime;
            let due = now - state.kept >= milliseconds(lifetime) / 8;
            if due {
                state.kept = now;
            }
            (lifetime, due)
        };
        if due {
            self.keep_channel(channel);
        }
        lifetime
    }

    /// Tells the state how long a channel lives, unless it is no more.
    fn keep_channel(&self, channel: &Channel) {
        // Whoever ends a channel takes it out first: under this lock what is kept here comes before that it is gone, or not at all.
        let channels = self.channels();
        if channels.contains_key(&channel.id) {
            let record = &channel.state().record;
            self.state.keep(vec![kept::channel(record, false)]);
        }
    }

    /// A channel that lives; of this box, if one is named.
    pub(super) fn channel_of(&self, box_id: Option<&str>, id: &str) -> Result<Arc<Channel>, Error> {
        let channel = self.channels().get(id).cloned();
        let channel = channel.filter(|channel| {
            box_id.is_none_or(|box_id| channel.box_id == box_id) && !channel.is_over(now())
        });
        channel.ok_or(Error::NotFound)
    }

    pub(super) fn end_channel(&self, channel: &Arc<Channel>) {
        let mut channels = self.channels();
        channels.remove(&channel.id);
        measure::channels(channels.len());
        drop(channels);
        channel.ended.cancel();
        self.state.keep(vec![kept::no_channel(&channel.id)]);
        let subscriptions = std::mem::take(&mut channel.state().subscriptions);
        for (key, id) in subscriptions {
            let desk = self.desks().get(&key).cloned();
            if let Some(desk) = desk {
                self.end_subscription(&desk, &id);
            }
        }
    }

    /// Waits at a channel until there is something to be told, or the time is up (contract §8.3).
    ///
    /// # Errors
    /// [`Error::NotFound`], also when the channel ends meanwhile; [`Error::Superseded`] when another poll comes; [`Error::Unsupported`] at
    /// one that is not polled; [`Error::State`].
    pub async fn poll(&self, box_id: &str, id: &str) -> Result<Polled, Error> {
        let channel = self.channel_of(Some(box_id), id)?;
        let parked = measure::Parked::new();
        let turn = self.begin_poll(&channel)?;
        let deadline = Instant::now() + Duration::from_secs(self.settings.notifications.long_poll);
        let polled = tokio::select! {
            biased;
            () = channel.ended.cancelled() => Err(Error::NotFound),
            () = turn.token.cancelled() => Err(Error::Superseded),
            polled = self.wait_at(&channel, &turn.token) => polled,
            () = sleep_until(deadline) => Ok(Polled::Nothing),
            () = self.ending.cancelled() => Ok(Polled::Nothing),
        };
        drop(parked);
        polled
    }

    /// Ends an older poll, and judges what that was given.
    fn begin_poll<'a>(&self, channel: &'a Arc<Channel>) -> Result<Turn<'a>, Error> {
        let token = CancellationToken::new();
        let given = {
            let mut state = channel.state();
            if state.record.channel_type != ChannelType::LongPolling {
                return Err(Error::Unsupported("LongPolling"));
            }
            if let Some(older) = state.poll.replace(token.clone()) {
                older.cancel();
            }
            state.given.take()
        };
        if let Some(Given { lists, receipt }) = given
            && receipt.is_taken()
        {
            self.taken(&lists);
        }
        self.used(channel);
        Ok(Turn { channel, token })
    }

    pub(super) fn taken(&self, lists: &[(BoxKey, String, u64)]) {
        for (key, id, index) in lists {
            let desk = self.desks().get(key).cloned();
            if let Some(desk) = desk {
                desk.taken(self, id, *index);
            }
        }
    }

    async fn wait_at(
        &self,
        channel: &Arc<Channel>,
        token: &CancellationToken,
    ) -> Result<Polled, Error> {
        let mut waited = false;
        loop {
            let wait = channel.state().record.max_wait_time.unwrap_or(0);
            // Within the time of the poll.
            let wait = wait.min(self.settings.notifications.long_poll.saturating_sub(1));
            if wait > 0 && !waited && self.has_news(channel) {
                waited = true;
                // Contract §2.11: whatever comes meanwhile goes with it.
                sleep(Duration::from_secs(wait)).await;
            }
            let (found, failed) = Box::pin(self.collect(channel, &[])).await?;
            if !found.is_empty() {
                return self.give(channel, token, found);
            }
            tokio::select! {
                () = channel.wake.notified() => {}
                () = sleep(AGAIN), if failed => {}
            }
        }
    }

    /// Whether there is something that no poll has been given.
    fn has_news(&self, channel: &Channel) -> bool {
        let subscriptions = channel.state().subscriptions.clone();
        subscriptions.iter().any(|(key, id)| {
            let desk = self.desks().get(key).cloned();
            desk.is_some_and(|desk| desk.has_news(id))
        })
    }

    /// The next lists of as many subscriptions as go into one answer, without those whose list is `on_way`; whether something could
    /// not be told just now.
    pub(super) async fn collect(
        &self,
        channel: &Arc<Channel>,
        on_way: &[(BoxKey, String)],
    ) -> Result<(Vec<Found>, bool), Error> {
        let (subscriptions, most) = {
            let mut state = channel.state();
            let subscriptions = state.subscriptions.clone();
            if !state.subscriptions.is_empty() {
                state.subscriptions.rotate_left(1);
            }
            (subscriptions, state.record.max_notifications.max(1))
        };
        let mut found = Vec::new();
        let mut failed = false;
        let waiting = subscriptions.into_iter();
        for (key, id) in waiting.filter(|subscription| !on_way.contains(subscription)) {
            if found.len() >= most {
                // It is asked again as soon as these are taken.
                break;
            }
            let desk = self.desks().get(&key).cloned();
            let Some(desk) = desk else {
                continue;
            };
            match desk.next_list(self, &id).await {
                Ok(Some((list, record))) => found.push(Found { key, list, record }),
                Ok(None) | Err(Error::NotFound) => {}
                Err(error @ Error::State(_)) => return Err(error),
                Err(error) => {
                    warn!(%error, "a filter cannot be held against what has changed");
                    failed = true;
                }
            }
        }
        Ok((found, failed))
    }

    /// Gives lists to the poll, unless another has come meanwhile: then they are that one's.
    fn give(
        &self,
        channel: &Arc<Channel>,
        token: &CancellationToken,
        found: Vec<Found>,
    ) -> Result<Polled, Error> {
        let receipt = Receipt::default();
        let mut lists = Vec::with_capacity(found.len());
        let mut given = Vec::with_capacity(found.len());
        for Found { key, list, record } in found {
            let desk = self.desks().get(&key).cloned();
            if let Some(desk) = desk {
                lists.push(list.shown(&record, &desk.seal));
                given.push((key, record.id, list.index));
            }
        }
        let mut state = channel.state();
        if token.is_cancelled() {
            channel.wake.notify_one();
            return Err(Error::Superseded);
        }
        state.given = Some(Given {
            lists: given,
            receipt: receipt.clone(),
        });
        Ok(Polled::Lists(lists, receipt))
    }
}

/// The right to wait at a channel, until this is dropped or another poll comes.
pub(super) struct Turn<'a> {
    channel: &'a Arc<Channel>,
    pub(super) token: CancellationToken,
}

impl<'a> Turn<'a> {
    /// The right of a connection to a channel: whoever had it before has it no more.
    pub(super) fn take(channel: &'a Arc<Channel>) -> Self {
        let token = CancellationToken::new();
        let mut state = channel.state();
        if let Some(older) = state.poll.replace(token.clone()) {
            older.cancel();
        }
        state.record.begin_anew(now());
        drop(state);
        Self { channel, token }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.token.cancel();
        self.channel.state().record.begin_anew(now());
    }
}
