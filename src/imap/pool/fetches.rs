//! Merged fetches: who waits for the same of one mailbox gets it by one command.
//!
//! * With a connection at rest a fetch goes out at once, alone. Else the first to come waits for a connection in a task of
//!   its own, and who comes meanwhile joins it: whoever leaves, the others get their answer.
//! * Each gets the data of its own message only; that there is none is said on a second look at the latest.
//! * A command that is refused for the sake of one message is taken apart until that one is alone with its error.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{Lane, Lease, Pool};
use crate::{
    imap::{
        MailboxName,
        command::Item,
        connection::{Expected, Wish},
        error::Error,
        fetched::by_uid,
        measure::Loss,
        response::{Code, Fetch},
        uid_set::UidSet,
    },
    task,
};

/// Bytes of a set of UIDs in one command.
const SET: usize = 8 * 1024;
/// Messages of one batch when only what is small is fetched.
const MOST: usize = 1000;
/// The same when bytes of the messages come along, so that an answer stays small.
const MOST_WITH_BYTES: usize = 32;
/// How often one batch is taken apart.
pub(super) const SPLITS: usize = 32;

/// What is fetched from where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    pub(super) mailbox: MailboxName,
    pub(super) expected: Expected,
    pub(super) items: Arc<[Item]>,
}

/// `None` when the mailbox is not the one expected; inside it, when there is no such message.
type Found = Option<Option<Fetch>>;

/// Who waits for the data of a message.
#[derive(Debug)]
struct Waiting {
    uid: u32,
    answer: oneshot::Sender<Result<Found, Error>>,
}

/// Those that wait for a connection, by what they want. There is a task for each batch of them.
#[derive(Debug, Default)]
pub(super) struct Fetches(Mutex<HashMap<Wanted, Vec<Waiting>>>);

impl Wanted {
    pub(super) fn new(mailbox: &MailboxName, expected: &Expected, items: Arc<[Item]>) -> Self {
        Self {
            mailbox: mailbox.clone(),
            expected: expected.clone(),
            items,
        }
    }

    /// Most messages of one batch.
    fn most(&self) -> usize {
        let bytes = self.items.iter().any(|item| match item {
            Item::Partial(..) | Item::HeaderFields(_) => true,
            Item::Fixed(_) | Item::ModSeq | Item::BinarySize(_) => false,
        });
        if bytes { MOST_WITH_BYTES } else { MOST }
    }

    fn of(&self, uids: &[u32]) -> Wish {
        let set: UidSet = uids.iter().copied().collect();
        Wish {
            sets: set.split(SET),
            items: Arc::clone(&self.items),
        }
    }
}

impl Fetches {
    /// Joins those that want the same; true when there have to be one batch and one task more.
    fn join(&self, wanted: &Wanted, waiting: Waiting) -> bool {
        let mut fetches = self.fetches();
        match fetches.get_mut(wanted) {
            Some(others) => {
                others.push(waiting);
                others.len() % wanted.most() == 1
            }
            None => {
                fetches.insert(wanted.clone(), vec![waiting]);
                true
            }
        }
    }

    /// The first batch.
    fn take(&self, wanted: &Wanted) -> Vec<Waiting> {
        let mut fetches = self.fetches();
        let Some(others) = fetches.get_mut(wanted) else {
            return Vec::new();
        };
        let batch = others.drain(..others.len().min(wanted.most())).collect();
        if others.is_empty() {
            fetches.remove(wanted);
        }
        batch
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.fetches().values().map(Vec::len).sum()
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<Wanted, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// Fetches from one message, by a command of its own or together with others.
    pub(super) async fn fetch_merged(
        self: &Arc<Self>,
        wanted: Wanted,
        uid: u32,
    ) -> Result<Found, Error> {
        if let Some(lease) = self.lease_now(&wanted.mailbox) {
            return self.fetch_one(lease, Lane::Small, &wanted, uid).await;
        }
        let (answer, answered) = oneshot::channel();
        if self.fetches.join(&wanted, Waiting { uid, answer }) {
            let pool = Arc::clone(self);
            task::spawn(async move { Box::pin(pool.lead(&wanted)).await });
        }
        answered.await.map_err(|_| Error::Closed)?
    }

    /// Fetches from one message on this connection; once more on a fresh one should it turn out to be closed.
    pub(super) async fn fetch_one(
        self: &Arc<Self>,
        lease: Lease,
        lane: Lane,
        wanted: &Wanted,
        uid: u32,
    ) -> Result<Found, Error> {
        let (_, outcome) = self.look(lease, lane, wanted, &[uid]).await;
        Ok(outcome?.map(|mut found| found.remove(&uid)))
    }

    /// Serves one batch.
    async fn lead(self: Arc<Self>, wanted: &Wanted) {
        let mut lease = self.lease(Lane::Small, Some(&wanted.mailbox), 0).await;
        let mut batch = self.fetches.take(wanted);
        // An owner's request may have joined since the operator's connection was granted.
        if lease.as_ref().is_ok_and(Lease::is_superseded) {
            drop(lease);
            lease = self.lease(Lane::Small, Some(&wanted.mailbox), 0).await;
        }
        batch.retain(|waiting| !waiting.answer.is_closed());
        if batch.is_empty() {
            return;
        }
        match lease {
            Ok(lease) => self.serve(lease, wanted, batch).await,
            Err(error) => answer(batch, Err(error)),
        }
    }

    /// Answers all of a batch.
    async fn serve(self: &Arc<Self>, lease: Lease, wanted: &Wanted, mut batch: Vec<Waiting>) {
        batch.sort_by_key(|waiting| waiting.uid);
        let mut sets = vec![batch];
        let mut lease = Some(lease);
        let mut splits = 0;
        while let Some(mut set) = sets.pop() {
            let mut uids: Vec<u32> = set.iter().map(|waiting| waiting.uid).collect();
            uids.dedup();
            let connection = match lease.take() {
                Some(lease) => Ok(lease),
                None => self.lease(Lane::Small, Some(&wanted.mailbox), 0).await,
            };
            let outcome = match connection {
                Ok(connection) => {
                    let (left, outcome) = self.look(connection, Lane::Small, wanted, &uids).await;
                    lease = left.filter(|_| !outcome.as_ref().is_err_and(ends_connection));
                    outcome
                }
                Err(error) => Err(error),
            };
            let splits_up = outcome.as_ref().is_err_and(may_be_one_message);
            if splits_up && uids.len() > 1 && splits < SPLITS {
                let half = uids[uids.len() / 2];
                let middle = set.partition_point(|waiting| waiting.uid < half);
                splits += 1;
                sets.push(set.split_off(middle));
                sets.push(set);
            } else {
                answer(set, outcome);
            }
        }
    }

    /// Looks for messages, once more on a fresh connection when this one turns out to be closed. The connection comes
    /// back unless it is gone.
    pub(super) async fn look(
        self: &Arc<Self>,
        lease: Lease,
        lane: Lane,
        wanted: &Wanted,
        uids: &[u32],
    ) -> (Option<Lease>, Result<Option<BTreeMap<u32, Fetch>>, Error>) {
        match look_on(&lease, wanted, uids).await {
            Err(Error::Closed) => {}
            outcome => return (Some(lease), outcome),
        }
        let newest = self.newest();
        drop(lease);
        match self.lease(lane, Some(&wanted.mailbox), newest).await {
            Ok(lease) => {
                let outcome = look_on(&lease, wanted, uids).await;
                (Some(lease), outcome)
            }
            Err(error) => (None, Err(error)),
        }
    }
}

/// Looks for messages; a second time for those that the first look has not found, unless its view was new.
async fn look_on(
    lease: &Lease,
    wanted: &Wanted,
    uids: &[u32],
) -> Result<Option<BTreeMap<u32, Fetch>>, Error> {
    let look = async |uids: &[u32]| {
        lease
            .fetch(&wanted.mailbox, &wanted.expected, wanted.of(uids))
            .await
    };
    let looked = match look(uids).await {
        // RFC 9051 §7.1: some of them are gone; now the server has said which.
        Err(Error::No {
            code: Some(Code::ExpungeIssued),
            ..
        }) => look(uids).await,
        outcome => outcome,
    };
    let Some(looked) = looked? else {
        return Ok(None);
    };
    let mut found = by_uid(looked.untagged, uids, &looked.items)?;
    let missing: Vec<u32> = uids
        .iter()
        .copied()
        .filter(|uid| !looked.fresh && !found.contains_key(uid))
        .collect();
    if !missing.is_empty() {
        match look(&missing).await? {
            Some(looked) => {
                found.append(&mut by_uid(looked.untagged, &missing, &looked.items)?);
            }
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// Whether one message alone may be the reason why a command for many failed.
pub(super) fn may_be_one_message(error: &Error) -> bool {
    match error {
        Error::No { command, .. } | Error::Bad(command) => *command == "UID FETCH",
        Error::Protocol(_) => true,
        Error::Closed
        | Error::Unsent
        | Error::Timeout
        | Error::Connect(_)
        | Error::Login(_)
        | Error::Operator(_)
        | Error::Overlooked(_)
        | Error::Unsupported(_)
        | Error::Argument
        | Error::Busy => false,
    }
}

pub(super) fn ends_connection(error: &Error) -> bool {
    Loss::of(error).is_some()
}

/// Tells each its own; the batch is in the order of UIDs.
fn answer(batch: Vec<Waiting>, outcome: Result<Option<BTreeMap<u32, Fetch>>, Error>) {
    let mut outcome = outcome;
    let mut batch = batch.into_iter().peekable();
    while let Some(Waiting { uid, answer }) = batch.next() {
        let again = batch.peek().is_some_and(|next| next.uid == uid);
        let own = match &mut outcome {
            Ok(Some(found)) if again => Ok(Some(found.get(&uid).cloned())),
            Ok(Some(found)) => Ok(Some(found.remove(&uid))),
            Ok(None) => Ok(None),
            Err(error) => Err(error.clone()),
        };
        // Whoever has left does not want it any more.
        let _ = answer.send(own);
    }
}
