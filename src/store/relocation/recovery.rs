//! Moves that were cut off: what came of them is found out from the store, and they are brought to an end.
//!
//! An intent lies in the state from before the first effect of a move until its aliases are there. Of each of its objects the store shows:
//!
//! | where it was | where it goes | |
//! |---|---|---|
//! | gone | there | moved: its alias is made |
//! | there | there | copied: it is taken away where it was, so that nothing is doubled, and its alias is made |
//! | there | not | not moved; it may yet come, if the store is still at it: the intent is kept for a minute |
//! | gone | not | removed by others |

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use tokio::{
    sync::MutexGuard,
    time::{sleep, timeout},
};

use super::{
    super::{
        Account, Error,
        id::{MailboxKey, ObjectId},
        identity::{elsewhere, matched},
        objects::finish,
        parent::{Target, target_in},
        place::{LOOKS, SETTLED},
    },
    objects::most,
    removal::{Stayed, still_there},
};
use crate::{
    clock,
    state::{Move, Moved, Moving},
    task,
};

/// How long a move that nothing is to be seen of is remembered: longer than a store works on a command whose connection is gone.
const KEPT: TimeDelta = TimeDelta::seconds(60);
/// Changes of an object by others between the look at it and its move: they may have been shown.
const OTHERS: u64 = 256;

/// What the store shows of a move.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    /// New UIDs by old ones, of what is no longer where it was.
    pub(super) moved: BTreeMap<u32, u32>,
    /// What still is.
    pub(super) left: BTreeSet<u32>,
    /// Why, if it could not be taken away.
    pub(super) refused: Option<Error>,
}

impl Account {
    /// Objects of an account are copied and moved one request at a time, and after all that was begun has come to an end.
    pub(super) async fn turn_to_move(&self) -> Result<MutexGuard<'_, ()>, Error> {
        let turn = timeout(self.store.server.wait(), self.shared.moving.lock());
        let turn = turn.await.map_err(|_| Error::Busy)?;
        self.resolve_all().await?;
        Ok(turn)
    }

    /// Waits until all that is being moved has come to an end: from then on ids tell what they did before.
    ///
    /// Not for who has the turn to change folders: who moves objects may want it.
    pub(in super::super) async fn settled(&self) -> Result<(), Error> {
        if self.store.state.moves(&self.scope()).is_empty() {
            return Ok(());
        }
        let account = self.clone();
        finish(task::spawn(async move {
            Box::pin(account.turn_to_move()).await.map(drop)
        }))
        .await
    }

    /// The same for moves that an earlier process left, or that lost their connection; not for one that is under way.
    pub(in super::super) async fn finish_moves(&self) -> Result<(), Error> {
        if self.store.state.moves(&self.scope()).is_empty() {
            return Ok(());
        }
        let account = self.clone();
        finish(task::spawn(async move {
            let Ok(_turn) = account.shared.moving.try_lock() else {
                return Ok(());
            };
            Box::pin(account.resolve_all()).await
        }))
        .await
    }

    /// Whether an object that was not found at a place is at another by now.
    pub(in super::super) async fn moved_since(
        &self,
        id: &ObjectId,
        place: Option<&ObjectId>,
    ) -> Result<bool, Error> {
        self.settled().await?;
        Ok(self.place_of(id).as_ref() != place)
    }

    /// What is done to an object, done again when it was not found and is elsewhere by now.
    ///
    /// # Errors
    /// Of what is done.
    pub(in super::super) async fn where_it_is<T, F>(
        &self,
        id: &str,
        attempt: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let object = self.seal.read_object(id).ok_or(Error::NotFound)?;
        let place = self.place_of(&object);
        match attempt().await {
            Err(Error::NotFound) if self.moved_since(&object, place.as_ref()).await? => {
                attempt().await
            }
            outcome => outcome,
        }
    }

    /// Commits what is about to be moved.
    pub(super) async fn intend_move(&self, intent: &Move) -> Result<(), Error> {
        let (state, scope) = (&self.store.state, self.scope());
        state.intend_move(&scope, intent.clone());
        let committed = state.commit().await;
        // Nothing has begun.
        Ok(committed.inspect_err(|_| state.conclude_move(&scope, &intent.id, &[]))?)
    }

    /// Says what came of a move. What is `open` may yet be moved and stays intended.
    pub(super) fn conclude_move(
        &self,
        intent: &Move,
        moved: &BTreeMap<u32, u32>,
        open: &BTreeSet<u32>,
    ) {
        let key = |bytes: &[u8]| MailboxKey::from_bytes(bytes);
        let (Some(from), Some(to)) = (key(&intent.from), key(&intent.to)) else {
            return;
        };
        let alias = |object: &Moving| {
            let place = |mailbox: &MailboxKey, uid| ObjectId {
                mailbox: mailbox.clone(),
                uid,
            };
            let new = *moved.get(&object.uid)?;
            Some(Moved {
                shown: self.id_of(place(&from, object.uid)).to_bytes(),
                found: place(&to, new).to_bytes(),
                offset: offset(object, intent),
            })
        };
        let aliases: Vec<Moved> = intent.objects.iter().filter_map(alias).collect();
        let (state, scope) = (&self.store.state, self.scope());
        state.conclude_move(&scope, &intent.id, &aliases);
        let still_open = |object: &&Moving| open.contains(&object.uid);
        let objects: Vec<Moving> = intent.objects.iter().filter(still_open).cloned().collect();
        if !objects.is_empty() {
            let rest = Move {
                objects,
                ..intent.clone()
            };
            state.intend_move(&scope, rest);
        }
    }

    /// Finds out what came of all moves that were begun. For who has the turn to move.
    async fn resolve_all(&self) -> Result<(), Error> {
        let intents = self.store.state.moves(&self.scope());
        if intents.is_empty() {
            return Ok(());
        }
        for intent in intents {
            // What an earlier process sent was sent before this one began.
            let sent = intent.at.max(self.store.since);
            let is_young = |age| clock::now() < sent.checked_add_signed(age).unwrap_or(sent);
            let waits = match is_young(SETTLED) {
                true => &LOOKS[..],
                false => &LOOKS[..1],
            };
            match self.resolve(&intent, waits).await {
                Ok(resolved) => {
                    let open = match is_young(KEPT) {
                        true => resolved.left,
                        false => BTreeSet::new(),
                    };
                    self.conclude_move(&intent, &resolved.moved, &open);
                }
                Err(error) if error.is_for_now() || is_young(KEPT) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "what came of a move cannot be found out");
                    self.conclude_move(&intent, &BTreeMap::new(), &BTreeSet::new());
                }
            }
        }
        Ok(self.store.state.commit().await?)
    }

    async fn resolve(&self, intent: &Move, waits: &[Duration]) -> Result<Resolved, Error> {
        let tree = {
            // In the middle of a RENAME a mailbox may be listed under neither name.
            let _turn = self.turn_to_change().await?;
            self.fresh_tree().await?
        };
        let target = |called: &[u8]| {
            let key = self.mailbox_of_place(&MailboxKey::from_bytes(called)?)?;
            let path = tree.path(&key)?;
            target_in(&tree, path, path, false)
        };
        let (from, to) = (target(&intent.from), target(&intent.to));
        let known = BTreeMap::new();
        self.resolved(from.as_ref(), to.as_ref(), intent, known, waits)
            .await
    }

    /// What came of a move, once it has come to an end: what was copied and is still where it was is taken away there. `known` are those
    /// that the store has said of where they are.
    pub(super) async fn resolved(
        &self,
        from: Option<&Target>,
        to: Option<&Target>,
        intent: &Move,
        known: BTreeMap<u32, u32>,
        waits: &[Duration],
    ) -> Result<Resolved, Error> {
        let mut copies = known.clone();
        let mut there = BTreeSet::new();
        for wait in waits {
            sleep(*wait).await;
            // In this order: what goes meanwhile is seen where it comes to.
            there = match from {
                Some(from) => self.left_behind(from, &intent.objects).await?,
                None => BTreeSet::new(),
            };
            let found = |copies: &BTreeMap<u32, u32>| {
                let mut objects = intent.objects.iter();
                objects.all(|object| copies.contains_key(&object.uid))
            };
            if let Some(to) = to.filter(|_| !found(&copies)) {
                let new = self.new_messages(to, intent.uid_next, most(&intent.objects));
                matched(&intent.objects, &there, &new.await?, &mut copies);
            }
            if found(&copies) {
                break;
            }
        }
        let doubled: Vec<u32> = there
            .iter()
            .copied()
            .filter(|uid| copies.contains_key(uid))
            .collect();
        let mut refused = None;
        if let (false, Some(from), Some(to)) = (doubled.is_empty(), from, to)
            && let Some((stayed, error)) = self.take_away(from, to, &doubled, &known).await?
        {
            copies.retain(|uid, _| !stayed.contains(uid));
            refused = Some(error);
        }
        there.retain(|uid| !copies.contains_key(uid));
        Ok(Resolved {
            moved: copies,
            left: there,
            refused,
        })
    }

    /// Takes away what was copied, where it was; where that is refused, the copies, as far as the store has said which they are.
    async fn take_away(
        &self,
        from: &Target,
        to: &Target,
        doubled: &[u32],
        known: &BTreeMap<u32, u32>,
    ) -> Result<Option<Stayed>, Error> {
        let Some((stayed, error)) = self.delete_from(from, doubled).await? else {
            return Ok(None);
        };
        let copies: Vec<u32> = stayed
            .iter()
            .filter_map(|uid| known.get(uid).copied())
            .collect();
        let undone = match copies.len() == stayed.len() {
            true => self.delete_from(to, &copies).await?.is_none(),
            false => false,
        };
        if !undone {
            tracing::error!(%error, "a message that should have been moved is in both folders");
        }
        Ok(Some((stayed, error)))
    }

    async fn delete_from(&self, mailbox: &Target, uids: &[u32]) -> Result<Option<Stayed>, Error> {
        let opened = self.pool.write_in(&mailbox.mailbox, &mailbox.expected);
        let (lease, _) = opened.await?.ok_or_else(elsewhere)?;
        let mut sorted = uids.to_vec();
        sorted.sort_unstable();
        self.delete_messages(&lease, &mailbox.mailbox, &sorted)
            .await
    }

    /// Which objects are where they were.
    async fn left_behind(&self, from: &Target, objects: &[Moving]) -> Result<BTreeSet<u32>, Error> {
        let opened = self.pool.examine_in(&from.mailbox, &from.expected).await?;
        let (lease, _) = opened.ok_or_else(elsewhere)?;
        let uids: Vec<u32> = objects.iter().map(|object| object.uid).collect();
        Ok(still_there(&lease, &uids).await?)
    }
}

/// What `lastModSeq` will be above the store's count: enough for the next value to be above all that may have been shown. The target gives
/// what is new there more than its HIGHESTMODSEQ (RFC 7162 §3.1.1).
fn offset(object: &Moving, intent: &Move) -> u64 {
    if object.last_mod_seq == 0 {
        return 0;
    }
    let shown = object.last_mod_seq.saturating_add(OTHERS);
    shown.saturating_sub(intent.mod_seq)
}
