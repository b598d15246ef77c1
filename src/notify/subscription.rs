//! A subscription: whom to tell, what, and how far that has come.

use std::{collections::VecDeque, sync::Arc};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    channel::{Channel, left},
    journal::{Entry, Journal},
    token::{Pictures, Token},
};
use crate::{
    nms::{self, Urls},
    store::{Change, Filter, id::Seal},
};

/// Events of one list.
pub(super) const EVENTS: usize = 100;
/// Seconds a subscription lives that does not say how long.
const DURATION: u64 = 86_400;
/// Seconds a subscription lives at most.
const LONGEST: u64 = 604_800;

/// What is kept of a subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) store: String,
    pub(super) box_id: String,
    /// Base and spelling of the request that made it.
    pub(super) urls: Urls,
    pub(super) callback: nms::CallbackReference,
    pub(super) format: nms::NotificationFormat,
    /// The channel that its events go to; else they are posted.
    pub(super) channel: Option<String>,
    pub(super) filter: Option<nms::SearchCriteria>,
    pub(super) client_correlator: Option<String>,
    /// Digest of what was asked for.
    pub(super) asked: u64,
    /// When it was made, in milliseconds since 1970.
    pub(super) made: i64,
    /// When it ends, likewise.
    pub(super) expires: i64,
    /// What the next list will carry.
    pub(super) index: u64,
    /// Up to where the journal has been read.
    pub(super) read: u64,
    /// From where on creations are told as such.
    pub(super) live: u64,
    /// The token that all that is not in the journal is replayed from, until it has been.
    pub(super) replays: Option<String>,
    /// Whether the client has to read the box anew.
    pub(super) resets: bool,
    /// The list that is on its way; what has been taken is not.
    pub(super) outstanding: Option<List>,
    /// The last picture of the box in a token of this subscription, and the number of the journal that it was made at.
    pub(super) picture: Option<(u64, Vec<u8>)>,
}

/// A list of events with its index: it is never another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List {
    pub(super) index: u64,
    /// None of it: the box is to be read anew.
    pub(super) changes: Vec<Change>,
    pub(super) token: String,
}

/// A subscription that lives.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) record: Record,
    pub(super) filter: Option<Arc<Filter>>,
    /// What is replayed; `None` as long as it is not known yet.
    pub(super) backlog: Option<VecDeque<Change>>,
    /// Where its events wait for their client; else they are posted.
    pub(super) channel: Option<Arc<Channel>>,
    /// Something may be to be posted.
    pub(super) wake: Arc<Notify>,
    /// It is no more.
    pub(super) ended: CancellationToken,
    /// Whether the list on its way may have been seen by the client.
    pub(super) sent: bool,
    /// Counts up with each change from outside, so that what was begun before it is not ended after it.
    pub(super) edition: u64,
    /// One list is made at a time.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// What may be told next.
#[derive(Debug)]
pub(super) enum Next {
    /// Nothing has happened.
    Nothing,
    /// What is told from is not known yet.
    NotYet,
    /// This list is on its way already.
    Outstanding(List),
    /// The box is to be read anew.
    Reset,
    /// These, as far as they pass the filter: each with whether it is told as a creation. From the backlog, or up to a number of the
    /// journal.
    Some(Vec<(Change, bool)>, Source),
}

/// Where events are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// So many of the backlog.
    Backlog(usize),
    /// Up to this number of the journal.
    Journal(u64),
}

/// Seconds that are granted.
pub(super) fn granted(asked: Option<u64>) -> u64 {
    match asked {
        None | Some(0) => DURATION,
        Some(asked) => asked.min(LONGEST),
    }
}

impl Subscription {
    /// One that lives from now on.
    pub(super) fn new(
        record: Record,
        filter: Option<Filter>,
        backlog: Option<VecDeque<Change>>,
        channel: Option<Arc<Channel>>,
    ) -> Self {
        Self {
            record,
            filter: filter.map(Arc::new),
            backlog,
            channel,
            wake: Arc::default(),
            ended: CancellationToken::new(),
            // A list that an earlier process was about to send it may have sent.
            sent: true,
            edition: 0,
            turn: Arc::default(),
        }
    }

    /// Tells whoever delivers that there may be something to be told.
    pub(super) fn ring(&self) {
        match &self.channel {
            Some(channel) => channel.wake.notify_one(),
            None => self.wake.notify_one(),
        }
    }

    /// What may be told next.
    pub(super) fn next(&self, journal: &Journal) -> Next {
        if let Some(list) = &self.record.outstanding {
            return Next::Outstanding(list.clone());
        }
        if self.record.resets {
            return Next::Reset;
        }
        let Some(backlog) = &self.backlog else {
            return Next::NotYet;
        };
        if !backlog.is_empty() {
            let some: Vec<(Change, bool)> = backlog
                .iter()
                .take(EVENTS)
                .map(|change| (change.clone(), false))
                .collect();
            let source = Source::Backlog(some.len());
            return Next::Some(some, source);
        }
        if !journal.reaches(self.record.read) {
            return Next::Reset;
        }
        let some: Vec<&Entry> = journal.after(self.record.read).take(EVENTS).collect();
        let Some(last) = some.last().map(|entry| entry.number) else {
            return Next::Nothing;
        };
        let since = self.record.read.max(self.record.live);
        let created = |entry: &Entry| entry.created.is_some_and(|number| number > since);
        let some = some.into_iter();
        let some = some.map(|entry| (entry.change.clone(), created(entry)));
        Next::Some(some.collect(), Source::Journal(last))
    }

    /// Goes on behind what was taken.
    pub(super) fn take(&mut self, source: Source) {
        match source {
            Source::Backlog(count) => {
                if let Some(backlog) = &mut self.backlog {
                    backlog.drain(..count.min(backlog.len()));
                }
            }
            Source::Journal(number) => self.record.read = number,
        }
    }

    /// Makes the next list. Nothing else has that index.
    pub(super) fn make(&mut self, changes: Vec<Change>, token: String) -> List {
        let list = List {
            index: self.record.index,
            changes,
            token,
        };
        self.record.index += 1;
        self.record.outstanding = Some(list.clone());
        self.sent = false;
        list
    }

    /// The list of that index was taken.
    pub(super) fn taken(&mut self, index: u64) -> bool {
        let outstanding = &mut self.record.outstanding;
        let taken = outstanding.take_if(|list| list.index == index).is_some();
        let replayed = self.backlog.as_ref().is_some_and(VecDeque::is_empty);
        if taken && replayed {
            self.record.replays = None;
        }
        taken
    }

    /// Where the subscription stands.
    pub(super) fn token(&mut self, journal: &Journal, pictures: &Pictures, seal: &Seal) -> String {
        let replayed = self.backlog.as_ref().is_some_and(VecDeque::is_empty);
        if let Some(replays) = self.record.replays.as_ref().filter(|_| !replayed) {
            return replays.clone();
        }
        let number = self.record.read;
        if let Some(picture) = pictures.at(number) {
            self.record.picture = Some((number, picture.to_vec()));
        }
        // An older one would do for what is still there, but not for what has come and gone since.
        let picture = self.record.picture.as_ref();
        let picture = picture.filter(|(at, _)| *at == number);
        let picture = picture.map(|(_, picture)| picture.clone());
        let token = Token {
            journal: journal.id,
            number,
            picture,
        };
        token.write(seal)
    }

    /// As its GET shows it.
    pub(super) fn shown(&self, token: String, now: i64) -> nms::Subscription {
        let record = &self.record;
        nms::Subscription {
            callback_reference: record.callback.clone(),
            duration: left(record.expires, now),
            filter: record.filter.clone(),
            client_correlator: record.client_correlator.clone(),
            resource_url: record.urls.subscription(&record.id),
            index: record.index,
            restart_token: token,
        }
    }
}

impl List {
    /// The document that is sent.
    pub(super) fn shown(&self, record: &Record, seal: &Seal) -> nms::EventList {
        let events = self.changes.iter();
        let events = events.filter_map(|change| change.event(seal, &record.urls));
        let mut nms_event: Vec<nms::Event> = events.collect();
        if nms_event.is_empty() {
            nms_event.push(nms::Event::ResetBox {});
        }
        nms::EventList {
            nms_event,
            callback_data: record.callback.callback_data.clone(),
            index: self.index,
            restart_token: self.token.clone(),
            link: vec![nms::Link {
                rel: "NmsSubscription".to_owned(),
                href: record.urls.subscription(&record.id),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::store::Gone;

    fn changed(journal: &mut Journal) {
        let id = journal.head().to_be_bytes().to_vec();
        let gone = Gone {
            id,
            last_mod_seq: 1,
            correlation_id: None,
            correlation_tag: None,
        };
        journal.add(vec![Change::ObjectGone(gone)], Instant::now());
    }

    #[test]
    fn a_token_has_the_picture_of_where_it_stands_or_none() {
        let seal = Seal::new("cpm", "tel:+1");
        let mut journal = Journal::new(10);
        let urls = Urls::new("http://x", "cpm", "tel:+1");
        let record = serde_json::json!({
            "id": "s", "store": "cpm", "box_id": "tel:+1", "urls": urls,
            "callback": {"notifyURL": "http://x"}, "format": "JSON", "channel": null, "filter": null,
            "client_correlator": null, "asked": 0, "made": 0, "expires": 0, "index": 1, "read": 0, "live": 0,
            "replays": null, "resets": false, "outstanding": null, "picture": null,
        });
        let record = serde_json::from_value(record).unwrap();
        let mut subscription = Subscription::new(record, None, Some(VecDeque::new()), None);
        let mut pictures = Pictures::default();
        let mut stands = |read, pictures: &Pictures, journal: &Journal| {
            subscription.record.read = read;
            let token = subscription.token(journal, pictures, &seal);
            let token = Token::read(&token, &seal).unwrap();
            (token.number, token.picture)
        };
        pictures.add(0, Some(b"first".to_vec()));
        changed(&mut journal);
        changed(&mut journal);
        pictures.add(2, Some(b"second".to_vec()));
        assert_eq!(stands(0, &pictures, &journal), (0, Some(b"first".to_vec())));
        assert_eq!(stands(1, &pictures, &journal), (1, None));
        assert_eq!(
            stands(2, &pictures, &journal),
            (2, Some(b"second".to_vec()))
        );
        // It is not forgotten, whatever happens to the box.
        let none = Pictures::default();
        assert_eq!(stands(2, &none, &journal), (2, Some(b"second".to_vec())));
    }
}
