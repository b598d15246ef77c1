//! What clients do with subscriptions: make them, look at them, change and end them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tokio::time::sleep;

use super::{
    BoxKey, Error, Notifications,
    channel::{Channel, milliseconds},
    desk::{Desk, Inner},
    journal::Journal,
    kept, new_id, now,
    subscription::{Record, Subscription, granted},
    token::Token,
    watcher,
};
use crate::{
    identity::BoxId,
    nms::{self, ChannelUrls, NotificationFormat, Urls},
    state::Note,
    store::{
        AGAIN, Account, Change, Filter, LOOKS,
        id::{Seal, fingerprint},
    },
};

/// Longest text of a client's that is kept, in bytes.
const LONGEST: usize = 4096;

/// Who subscribes: a box, opened by its owner.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The box as the store has it.
    pub account: Account,
    /// Its store's name.
    pub store: String,
    /// Its id.
    pub box_id: String,
    /// Base and spelling of the request.
    pub urls: Urls,
}

/// From where on a subscription is told.
struct Start {
    read: u64,
    backlog: VecDeque<Change>,
    replays: Option<String>,
    resets: bool,
    picture: Option<(u64, Vec<u8>)>,
}

impl Subscriber {
    fn key(&self) -> BoxKey {
        BoxKey {
            store: self.store.clone(),
            box_id: self.box_id.clone(),
        }
    }
}

impl Notifications {
    /// Subscribes, or finds what was subscribed under the same correlator (contract §7.2). `format` is that of the request.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] with the member, [`Error::Conflict`], [`Error::TooMany`], [`Error::State`]; what a filter lacks, and what the
    /// store's answers mean.
    pub async fn subscribe(
        self: &Arc<Self>,
        subscriber: &Subscriber,
        asked: nms::NewSubscription,
        format: NotificationFormat,
    ) -> Result<nms::Subscription, Error> {
        let callback = &asked.callback_reference;
        valid_text("callbackData", callback.callback_data.as_deref())?;
        valid_text("clientCorrelator", asked.client_correlator.as_deref())?;
        let channel = self.destination(subscriber, &callback.notify_url)?;
        let seal = Seal::new(&subscriber.store, &subscriber.box_id);
        let filter = asked.filter.as_ref();
        let filter = filter.map(|asked| Filter::read(asked, self.settings.unknown_preset, &seal));
        let filter = filter.transpose()?;
        let token = asked.restart_token.as_deref();
        let token = token.map(|text| read_token(text, &seal)).transpose()?;
        let expected = Box::pin(self.desk_of(subscriber)).await?;
        let desk = &expected.desk;
        if let Some(known) = desk.inner().correlated(&asked, &desk.seal)? {
            return Ok(known);
        }
        let start = match token {
            None => None,
            Some(token) => Some(Box::pin(self.start_at(desk, subscriber, token)).await?),
        };
        let record = Record {
            id: new_id(),
            store: subscriber.store.clone(),
            box_id: subscriber.box_id.clone(),
            urls: subscriber.urls.clone(),
            format: callback.notification_format.unwrap_or(format),
            callback: asked.callback_reference.clone(),
            channel: channel.as_ref().map(|channel| channel.id.clone()),
            filter: asked.filter.clone(),
            client_correlator: asked.client_correlator.clone(),
            asked: digest_of(&asked),
            made: now(),
            expires: now() + milliseconds(granted(asked.duration)),
            index: 1,
            read: 0,
            live: 0,
            replays: None,
            resets: false,
            outstanding: None,
            picture: None,
        };
        let id = record.id.clone();
        let shown = {
            let mut inner = desk.inner();
            // Another request with the same correlator may have been quicker.
            if let Some(known) = inner.correlated(&asked, &desk.seal)? {
                return Ok(known);
            }
            if inner.alive(now()).count() >= self.settings.limits.subscriptions_per_box {
                return Err(Error::TooMany("TooManySubscriptions"));
            }
            inner.account = Some(subscriber.account.clone());
            let mut subscription =
                Subscription::new(record, filter, Some(VecDeque::new()), channel.clone());
            subscription.begin(start, inner.journal.head());
            let token = asked
                .restart_token
                .clone()
                .unwrap_or_else(|| subscription.token(&inner.journal, &inner.pictures, &desk.seal));
            let shown = subscription.shown(token, now());
            let note = kept::subscription(&subscription.record, true);
            self.state.keep(vec![note]);
            inner
                .subscriptions
                .insert(id.clone(), Box::new(subscription));
            shown
        };
        self.bind(desk, channel.as_ref(), &id);
        desk.wake.notify_one();
        self.state.commit().await?;
        Ok(shown)
    }

    /// All that is subscribed of a box, the oldest first.
    #[must_use]
    pub fn subscriptions(&self, subscriber: &Subscriber) -> Vec<nms::Subscription> {
        let Some(desk) = self.known_desk(subscriber) else {
            return Vec::new();
        };
        let mut inner = desk.inner();
        let records = inner.subscriptions.values();
        let records = records.map(|subscription| &subscription.record);
        let mut ids: Vec<(i64, String)> = records
            .map(|record| (record.made, record.id.clone()))
            .collect();
        ids.sort();
        ids.iter()
            .filter_map(|(_, id)| inner.shown(id, &desk.seal))
            .collect()
    }

    /// What is subscribed.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn subscription(
        &self,
        subscriber: &Subscriber,
        id: &str,
    ) -> Result<nms::Subscription, Error> {
        let desk = self.known_desk(subscriber).ok_or(Error::NotFound)?;
        let shown = desk.inner().shown(id, &desk.seal);
        shown.ok_or(Error::NotFound)
    }

    /// Gives a subscription another duration, tells it again from a token on, or both (contract §7.2).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::InvalidInput`] `restartToken`, [`Error::State`], what the store's answers mean.
    pub async fn update_subscription(
        &self,
        subscriber: &Subscriber,
        id: &str,
        asked: &nms::SubscriptionUpdate,
    ) -> Result<nms::Subscription, Error> {
        let desk = self.known_desk(subscriber).ok_or(Error::NotFound)?;
        if desk.inner().shown(id, &desk.seal).is_none() {
            return Err(Error::NotFound);
        }
        let token = asked.restart_token.as_deref();
        let start = match token.map(|text| read_token(text, &desk.seal)) {
            None => None,
            Some(token) => Some(Box::pin(self.start_at(&desk, subscriber, token?)).await?),
        };
        let shown = {
            let mut inner = desk.inner();
            inner.account = Some(subscriber.account.clone());
            let head = inner.journal.head();
            let subscription = inner.subscriptions.get_mut(id).ok_or(Error::NotFound)?;
            if asked.duration.is_some() {
                subscription.record.expires = now() + milliseconds(granted(asked.duration));
            }
            if start.is_some() {
                subscription.begin(start, head);
            }
            subscription.ring();
            let record = &subscription.record;
            self.state.keep(vec![kept::subscription(record, true)]);
            let shown = inner.shown(id, &desk.seal).ok_or(Error::NotFound)?;
            match &asked.restart_token {
                Some(token) => nms::Subscription {
                    restart_token: token.clone(),
                    ..shown
                },
                None => shown,
            }
        };
        desk.wake.notify_one();
        self.state.commit().await?;
        Ok(shown)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::State`].
    pub async fn unsubscribe(&self, subscriber: &Subscriber, id: &str) -> Result<(), Error> {
        let desk = self.known_desk(subscriber).ok_or(Error::NotFound)?;
        if !self.end_subscription(&desk, id) {
            return Err(Error::NotFound);
        }
        Ok(self.state.commit().await?)
    }

    /// Ends a subscription, and with the last one all that is known of the box; whether there was one.
    pub(super) fn end_subscription(&self, desk: &Arc<Desk>, id: &str) -> bool {
        // Held until the box is forgotten: whoever takes it up again does so after that.
        let mut desks = self.desks();
        let mut inner = desk.inner();
        let Some(subscription) = inner.subscriptions.remove(id) else {
            return false;
        };
        subscription.ended.cancel();
        if let Some(channel) = &subscription.channel {
            let mut state = channel.state();
            state.subscriptions.retain(|(_, other)| other != id);
        }
        let mut notes = vec![kept::no_subscription(id)];
        notes.extend(close_unused(desk, &mut inner, &mut desks));
        self.state.keep(notes);
        true
    }

    /// One request less is about to subscribe.
    fn expect_no_more(&self, desk: &Arc<Desk>) {
        let mut desks = self.desks();
        let mut inner = desk.inner();
        inner.expected -= 1;
        let notes = close_unused(desk, &mut inner, &mut desks);
        self.state.keep(notes);
    }

    /// The box of somebody who subscribes, taken up if nobody has before: from then on what changes is heard of.
    async fn desk_of(self: &Arc<Self>, subscriber: &Subscriber) -> Result<Expected, Error> {
        let turn = self.turn_to_open(&subscriber.key());
        let _turn = turn.lock().await;
        if let Some(expected) = self.expected(subscriber) {
            return Ok(expected);
        }
        let account = &subscriber.account;
        let picture = account.picture().await?;
        let journal = Journal::new(self.settings.limits.queue);
        let login = account.login().to_owned();
        let desk = Arc::new(Desk::new(subscriber.key(), login, journal));
        desk.begin(self, account.clone(), &picture);
        desk.inner().expected = 1;
        self.desks().insert(subscriber.key(), Arc::clone(&desk));
        self.watch(Arc::clone(&desk), picture);
        let room = Arc::clone(self);
        Ok(Expected { room, desk })
    }

    /// The box, if it has been taken up; it stays so for as long as somebody is about to subscribe.
    fn expected(self: &Arc<Self>, subscriber: &Subscriber) -> Option<Expected> {
        let desks = self.desks();
        let desk = Arc::clone(desks.get(&subscriber.key())?);
        desk.inner().expected += 1;
        let room = Arc::clone(self);
        Some(Expected { room, desk })
    }

    fn known_desk(&self, subscriber: &Subscriber) -> Option<Arc<Desk>> {
        self.desks().get(&subscriber.key()).cloned()
    }

    /// Where events go: a channel of the same box, or a URL that they may be posted to.
    fn destination(
        &self,
        subscriber: &Subscriber,
        notify_url: &str,
    ) -> Result<Option<Arc<Channel>>, Error> {
        let invalid = || Error::InvalidInput("notifyURL".to_owned());
        if let Some((box_text, id)) = ChannelUrls::of_callback(notify_url) {
            let box_id = BoxId::parse(&box_text).map_err(|_| invalid())?;
            let own = box_id.as_str() == subscriber.box_id;
            let shares = &self.settings.channel_stores;
            let channel = self.channel_of(Some(&subscriber.box_id), &id);
            if own
                && shares.contains(&subscriber.store)
                && let Ok(channel) = channel
            {
                return Ok(Some(channel));
            }
            return Err(invalid());
        }
        match self.callback.permits(notify_url) {
            Ok(()) => Ok(None),
            Err(_) => Err(invalid()),
        }
    }

    /// From a token on: out of the journal where that still knows, else out of the store.
    async fn start_at(
        &self,
        desk: &Desk,
        subscriber: &Subscriber,
        token: Token,
    ) -> Result<Start, Error> {
        let head = {
            let inner = desk.inner();
            if token.journal == inner.journal.id && inner.journal.reaches(token.number) {
                return Ok(Start {
                    read: token.number,
                    backlog: VecDeque::new(),
                    replays: None,
                    resets: false,
                    picture: token.picture.map(|picture| (token.number, picture)),
                });
            }
            inner.journal.head()
        };
        let replayed = match token.picture(desk.aliases(self)) {
            None => None,
            Some(picture) => self.replayed(desk, &subscriber.account, picture).await?,
        };
        Ok(Start {
            read: head,
            resets: replayed.is_none(),
            replays: replayed.is_some().then(|| token.write(&desk.seal)),
            backlog: replayed.unwrap_or_default(),
            picture: None,
        })
    }

    /// What has changed since a picture; `None` when that is more than a queue holds, or when the box does not keep still.
    pub(super) async fn replayed(
        &self,
        desk: &Desk,
        account: &Account,
        mut picture: crate::store::Picture,
    ) -> Result<Option<VecDeque<Change>>, Error> {
        let most = self.settings.limits.queue;
        let mut replayed: VecDeque<Change> = VecDeque::new();
        for _ in 0..LOOKS {
            let looked = account
                .changes_since(&mut picture, &watcher::everything(), most, true)
                .await?;
            let newer: HashSet<&[u8]> = looked.changes.iter().map(Change::entity).collect();
            replayed.retain(|change| !newer.contains(change.entity()));
            replayed.extend(looked.changes);
            if looked.too_many || replayed.len() > most {
                return Ok(None);
            }
            if !looked.again {
                desk.inner().replayed.expect(&picture);
                return Ok(Some(replayed));
            }
            sleep(AGAIN).await;
        }
        Ok(None)
    }

    /// From now on what it is told goes where it shall.
    fn bind(self: &Arc<Self>, desk: &Arc<Desk>, channel: Option<&Arc<Channel>>, id: &str) {
        match channel {
            Some(channel) => {
                let entry = (desk.key.clone(), id.to_owned());
                channel.state().subscriptions.push(entry);
                if channel.ended.is_cancelled() {
                    // Ended while this was made.
                    self.end_subscription(desk, id);
                }
                channel.wake.notify_one();
            }
            None => self.post_for(desk, id),
        }
    }
}

/// A box that is taken up, for as long as a request is about to subscribe to it.
struct Expected {
    room: Arc<Notifications>,
    desk: Arc<Desk>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.room.expect_no_more(&self.desk);
    }
}

/// Ends a box that nobody is told of and nobody will be; the notes that forget it. Whoever takes it up again does so after that.
fn close_unused(
    desk: &Arc<Desk>,
    inner: &mut Inner,
    desks: &mut HashMap<BoxKey, Arc<Desk>>,
) -> Vec<Note> {
    if !inner.subscriptions.is_empty() || inner.expected > 0 || inner.closed {
        return Vec::new();
    }
    inner.closed = true;
    desk.ended.cancel();
    desks.remove(&desk.key);
    kept::no_box(&desk.key, &inner.journal, &inner.folders)
}

impl Inner {
    /// Subscriptions whose time is not over; the others are gone for clients, whenever they are tidied up.
    fn alive(&self, now: i64) -> impl Iterator<Item = &Subscription> {
        let all = self.subscriptions.values().map(Box::as_ref);
        all.filter(move |subscription| subscription.record.expires > now)
    }

    /// What was subscribed under the same correlator.
    fn correlated(
        &mut self,
        asked: &nms::NewSubscription,
        seal: &Seal,
    ) -> Result<Option<nms::Subscription>, Error> {
        let Some(correlator) = asked.correlator() else {
            return Ok(None);
        };
        let known = self
            .alive(now())
            .find(|known| known.record.client_correlator.as_deref() == Some(correlator))
            .map(|known| (known.record.id.clone(), known.record.asked));
        let Some((id, known)) = known else {
            return Ok(None);
        };
        if known != digest_of(asked) {
            let member = "clientCorrelator".to_owned();
            return Err(Error::Conflict(correlator.to_owned(), member));
        }
        Ok(self.shown(&id, seal))
    }
}

impl Subscription {
    /// Begins where it is said, or now; what was on its way is not any more.
    fn begin(&mut self, start: Option<Start>, head: u64) {
        let start = start.unwrap_or(Start {
            read: head,
            backlog: VecDeque::new(),
            replays: None,
            resets: false,
            picture: None,
        });
        self.edition += 1;
        // An index that the client cannot have seen is still free.
        if self.record.outstanding.take().is_some() && !self.sent {
            self.record.index -= 1;
        }
        self.record.read = start.read;
        self.record.live = head;
        self.record.replays = start.replays;
        self.record.resets = start.resets;
        self.record.picture = start.picture;
        self.backlog = Some(start.backlog);
    }
}

fn read_token(text: &str, seal: &Seal) -> Result<Token, Error> {
    Token::read(text, seal).ok_or_else(|| Error::InvalidInput("restartToken".to_owned()))
}

/// What was asked for, but for the token: who asks again may have a newer one.
fn digest_of(asked: &nms::NewSubscription) -> u64 {
    let callback = &asked.callback_reference;
    let said = (
        &callback.notify_url,
        &callback.callback_data,
        callback.notification_format,
        &asked.filter,
    );
    fingerprint(&serde_json::to_vec(&said).unwrap_or_default())
}

/// A text of a client's that is kept and said back: without controls, and not too long.
pub(super) fn valid_text(member: &str, text: Option<&str>) -> Result<(), Error> {
    if text.is_some_and(|text| text.len() > LONGEST) {
        return Err(Error::InvalidInput(member.to_owned()));
    }
    without_controls(member, text)
}

pub(super) fn without_controls(member: &str, text: Option<&str>) -> Result<(), Error> {
    if text.is_some_and(|text| text.contains(char::is_control)) {
        return Err(Error::InvalidInput(member.to_owned()));
    }
    Ok(())
}
