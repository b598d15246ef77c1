//! One box with subscriptions: its journal, where it stands, and who is told.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    BoxKey, Error, Notifications,
    journal::{Added, Journal},
    kept, measure, now,
    subscription::{List, Next, Record, Source, Subscription},
    token::{Pictures, sketch},
};
use crate::{
    nms,
    state::Note,
    store::{Account, Change, Looked, Picture, id::Seal},
};

/// See the module.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) key: BoxKey,
    /// The login of the box, for work outside a request.
    pub(super) login: String,
    pub(super) seal: Seal,
    /// Nobody is told any more.
    pub(super) ended: CancellationToken,
    /// The box may have become reachable.
    pub(super) wake: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) journal: Journal,
    /// The box as it was when the newest entry was made, and some before it.
    pub(super) pictures: Pictures,
    /// Boxed: the map has room for eleven from the first on.
    pub(super) subscriptions: BTreeMap<String, Box<Subscription>>,
    /// What subscribers have been told out of the store, and the watcher may not have seen.
    pub(super) replayed: Picture,
    /// The box, opened by whoever could.
    pub(super) account: Option<Account>,
    /// Keys of the folders of which the state keeps what was seen last.
    pub(super) folders: BTreeSet<Vec<u8>>,
    /// Requests that are about to subscribe.
    pub(super) expected: usize,
    /// Nothing is kept of it any more.
    pub(super) closed: bool,
}

impl Inner {
    /// A subscription as its GET shows it, while its time is not over.
    pub(super) fn shown(&mut self, id: &str, seal: &Seal) -> Option<nms::Subscription> {
        let now = now();
        let subscription = self.subscriptions.get_mut(id)?;
        if subscription.record.expires <= now {
            return None;
        }
        let token = subscription.token(&self.journal, &self.pictures, seal);
        Some(subscription.shown(token, now))
    }
}

impl Desk {
    pub(super) fn new(key: BoxKey, login: String, journal: Journal) -> Self {
        Self {
            seal: Seal::new(&key.store, &key.box_id),
            key,
            login,
            ended: CancellationToken::new(),
            wake: Notify::new(),
            inner: Mutex::new(Inner {
                journal,
                pictures: Pictures::default(),
                subscriptions: BTreeMap::new(),
                replayed: Picture::default(),
                account: None,
                folders: BTreeSet::new(),
                expected: 0,
                closed: false,
            }),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with a box as it is.
    pub(super) fn begin(&self, room: &Notifications, account: Account, picture: &Picture) {
        let keys: Vec<Vec<u8>> = picture.keys().map(<[u8]>::to_vec).collect();
        let mut inner = self.inner();
        inner.account = Some(account);
        let head = inner.journal.head();
        inner.pictures.add(head, self.sketch(room, picture));
        let mut notes = kept::folders(&self.key, picture, &keys);
        notes.push(kept::journal(&self.key, &self.login, &inner.journal));
        inner.folders.extend(keys);
        room.state.keep(notes);
    }

    /// What tells the aliases of the box (`State::aliases`).
    pub(super) fn aliases(&self, room: &Notifications) -> Option<u64> {
        let account = format!("{}/{}", self.key.store, self.login);
        room.state.aliases(&account)
    }

    fn sketch(&self, room: &Notifications, picture: &Picture) -> Option<Vec<u8>> {
        sketch(picture, self.aliases(room))
    }

    /// Goes on with what an earlier process has seen.
    pub(super) fn go_on(&self, room: &Notifications, picture: &Picture) {
        let mut inner = self.inner();
        let head = inner.journal.head();
        inner.pictures.add(head, self.sketch(room, picture));
        inner.folders = picture.keys().map(<[u8]>::to_vec).collect();
    }

    /// Whether there is something to be told that is not on its way.
    pub(super) fn has_news(&self, id: &str) -> bool {
        let inner = self.inner();
        let subscription = inner.subscriptions.get(id);
        subscription.is_some_and(|subscription| {
            matches!(
                subscription.next(&inner.journal),
                Next::Some(..) | Next::Reset
            )
        })
    }

    /// What ends the posting of a subscription, and what wakes it.
    pub(super) fn poster(&self, id: &str) -> Option<(CancellationToken, Arc<Notify>)> {
        let inner = self.inner();
        let subscription = inner.subscriptions.get(id)?;
        Some((subscription.ended.clone(), Arc::clone(&subscription.wake)))
    }

    /// Ids of the subscriptions whose time is over.
    pub(super) fn over(&self, now: i64) -> Vec<String> {
        let inner = self.inner();
        let over = inner.subscriptions.values();
        let over = over.filter(|subscription| subscription.record.expires <= now);
        over.map(|subscription| subscription.record.id.clone())
            .collect()
    }

    /// What a look has found becomes entries, and is on its way to the state in one piece with the picture it leaves.
    pub(super) fn take_in(
        &self,
        room: &Notifications,
        looked: Looked,
        picture: &Picture,
        heard: Instant,
    ) {
        let Looked {
            changes,
            too_many,
            folders,
            ..
        } = looked;
        if changes.is_empty() && !too_many && folders.is_empty() {
            return;
        }
        let mut inner = self.inner();
        if inner.closed {
            return;
        }
        let Added { mut touched, count } = if too_many {
            measure::overflowed();
            inner.journal.overflow()
        } else {
            inner.journal.add(changes, heard)
        };
        if count > 0 || !folders.is_empty() {
            let head = inner.journal.head();
            inner.pictures.add(head, self.sketch(room, picture));
        }
        let read = inner.subscriptions.values();
        let read = read.map(|subscription| subscription.record.read).min();
        touched.extend(inner.journal.trim(read.unwrap_or(u64::MAX)));
        for folder in &folders {
            if picture.has(folder) {
                inner.folders.insert(folder.clone());
            } else {
                inner.folders.remove(folder);
            }
        }
        let mut notes: Vec<Note> = kept::entries(&self.key, &inner.journal, touched);
        notes.extend(kept::folders(&self.key, picture, &folders));
        notes.push(kept::journal(&self.key, &self.login, &inner.journal));
        room.state.keep(notes);
        if count > 0 {
            inner.subscriptions.values().for_each(|each| each.ring());
        }
    }

    /// Waits until something has been told that the watcher may not have seen.
    pub(super) async fn replayed(&self) {
        while self.inner().replayed.is_empty() {
            self.wake.notified().await;
        }
    }

    /// Tells all who deliver that they may try again.
    pub(super) fn ring_all(&self) {
        let inner = self.inner();
        inner.subscriptions.values().for_each(|each| each.ring());
    }

    /// The next list of a subscription: the one that is on its way, or a new one, in the state before it is returned.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such subscription, [`Error::State`] when it cannot be kept, what the store's answers mean when
    /// a filter cannot be held against what has changed.
    pub(super) async fn next_list(
        &self,
        room: &Notifications,
        id: &str,
    ) -> Result<Option<(List, Record)>, Error> {
        let turn = {
            let inner = self.inner();
            let subscription = inner.subscriptions.get(id).ok_or(Error::NotFound)?;
            Arc::clone(&subscription.turn)
        };
        let _turn = turn.lock().await;
        let Some(list) = self.make_list(room, id).await? else {
            return Ok(None);
        };
        room.state.commit().await?;
        let mut inner = self.inner();
        let subscription = inner.subscriptions.get_mut(id).ok_or(Error::NotFound)?;
        // Updated meanwhile: that list is none any more.
        let outstanding = subscription.record.outstanding.as_ref();
        if outstanding != Some(&list) {
            subscription.ring();
            return Ok(None);
        }
        if !subscription.sent {
            subscription.sent = true;
            measure::told(&list.changes);
        }
        Ok(Some((list, subscription.record.clone())))
    }

    async fn make_list(&self, room: &Notifications, id: &str) -> Result<Option<List>, Error> {
        loop {
            let (next, filter, edition, account) = {
                let inner = self.inner();
                let subscription = inner.subscriptions.get(id).ok_or(Error::NotFound)?;
                let next = subscription.next(&inner.journal);
                let filter = subscription.filter.clone();
                let account = inner.account.clone();
                (next, filter, subscription.edition, account)
            };
            let (candidates, source) = match next {
                Next::Nothing | Next::NotYet => return Ok(None),
                Next::Outstanding(list) => return Ok(Some(list)),
                Next::Reset => return self.reset(room, id).map(Some),
                Next::Some(candidates, source) => (candidates, source),
            };
            let mut passing = Vec::with_capacity(candidates.len());
            for (change, created) in candidates {
                let passes = match (&filter, &account) {
                    (None, _) => true,
                    (Some(filter), Some(account)) => {
                        Box::pin(account.passes(filter, &change, created)).await?
                    }
                    // It is asked for as soon as the box can be opened.
                    (Some(_), None) => return Ok(None),
                };
                if passes {
                    passing.push(change);
                }
            }
            let list = self.list(room, id, edition, source, passing)?;
            if let Some(list) = list {
                return Ok(Some(list));
            }
        }
    }

    /// The list of what has passed; `None` when that is nothing, or when the subscription is another than when it was read.
    fn list(
        &self,
        room: &Notifications,
        id: &str,
        edition: u64,
        source: Source,
        passing: Vec<Change>,
    ) -> Result<Option<List>, Error> {
        let mut inner = self.inner();
        let Inner {
            journal,
            pictures,
            subscriptions,
            ..
        } = &mut *inner;
        let subscription = subscriptions.get_mut(id).ok_or(Error::NotFound)?;
        if subscription.edition != edition {
            return Ok(None);
        }
        let since = subscription.record.read;
        subscription.take(source);
        if passing.is_empty() {
            room.state
                .keep(vec![kept::subscription(&subscription.record, false)]);
            return Ok(None);
        }
        if let Source::Journal(until) = source {
            let told = journal.after(since);
            let told = told.take_while(|entry| entry.number <= until);
            for heard in told.filter_map(|entry| entry.heard) {
                measure::lag(heard.elapsed());
            }
        }
        let token = subscription.token(journal, pictures, &self.seal);
        let list = subscription.make(passing, token);
        room.state
            .keep(vec![kept::subscription(&subscription.record, true)]);
        Ok(Some(list))
    }

    /// The list that says that the box is to be read anew, and where it stands now.
    fn reset(&self, room: &Notifications, id: &str) -> Result<List, Error> {
        let mut inner = self.inner();
        let Inner {
            journal,
            pictures,
            subscriptions,
            ..
        } = &mut *inner;
        let subscription = subscriptions.get_mut(id).ok_or(Error::NotFound)?;
        subscription.record.resets = false;
        subscription.record.replays = None;
        subscription.backlog = Some(VecDeque::new());
        subscription.record.read = journal.head();
        let token = subscription.token(journal, pictures, &self.seal);
        let list = subscription.make(Vec::new(), token);
        room.state
            .keep(vec![kept::subscription(&subscription.record, true)]);
        warn!(target: "notify", "a subscription has missed more than its queue holds: the box is to be read anew");
        Ok(list)
    }

    /// A list was taken: the next one may be made.
    pub(super) fn taken(&self, room: &Notifications, id: &str, index: u64) {
        let mut inner = self.inner();
        if let Some(subscription) = inner.subscriptions.get_mut(id)
            && subscription.taken(index)
        {
            // Forgotten by a kill, it comes again.
            room.state
                .keep(vec![kept::subscription(&subscription.record, false)]);
        }
    }
}
