//! Objects in a look: what has been read of a mailbox as changes, and which of those that are no longer where they were are gone for good.

use super::{
    super::{
        Change, Gone, ObjectNow, key_of,
        mailbox::{Message, Read},
        picture::{Pictured, Standing},
    },
    Look,
};
use crate::{
    imap::UidSet,
    store::{
        Error, flags,
        id::{MailboxKey, ObjectId},
    },
};

/// How much what is gone is above all that the store has counted: it may have been shown, since the last look, with what a folder counted
/// that is gone too, or above an alias that ended with a process. It never comes back under that id.
const UNSEEN: u64 = 1 << 20;
/// Most objects that are gone whose correlation is looked for.
const MOST_CORRELATED: usize = 1000;

impl Look<'_> {
    /// Messages that are no longer in their mailbox.
    pub(super) fn went(&mut self, key: &MailboxKey, uids: &UidSet, mod_seq: u64) {
        if self.asked.silent || self.too_many {
            return;
        }
        let room = self
            .asked
            .most
            .saturating_sub(self.changes.len() + self.gone.len());
        if uids.count() > room as u64 {
            self.too_many = true;
            return;
        }
        let gone = uids.uids().map(|uid| (key.clone(), uid, mod_seq));
        self.gone.extend(gone);
    }

    /// What has been read of a mailbox becomes changes, and its picture.
    pub(super) async fn take_in(
        &mut self,
        key: &[u8],
        known: &Pictured,
        read: Read,
        standing: Standing,
    ) -> Result<(), Error> {
        let Read { now, changed, gone } = read;
        let mailbox = key_of(key)?;
        // What is being moved is shown by the ids it had.
        self.account.settled().await?;
        let now = Pictured { standing, ..now };
        let mut changed: Vec<(u32, Message)> = changed.into_iter().collect();
        changed.sort_by_key(|(uid, message)| (message.mod_seq, *uid));
        for (uid, message) in changed {
            let parent = now.shown(key).to_vec();
            let change = self.object(&mailbox, uid, known, message, parent);
            self.add(change);
        }
        self.went(&mailbox, &gone, now.mod_seq);
        if self.picture.folders.get(key) != Some(&now) {
            self.now.insert(key.to_vec(), Some(now));
        }
        Ok(())
    }

    fn object(
        &self,
        key: &MailboxKey,
        uid: u32,
        known: &Pictured,
        message: Message,
        parent: Vec<u8>,
    ) -> Change {
        let account = self.account;
        let place = account.place_at(key, uid);
        let id = account.id_of(place.clone());
        // What was told from another picture only is new here.
        let new = uid >= known.uid_next || !known.uids.contains(uid);
        let created = id == place && new;
        let Message {
            flags,
            mod_seq,
            correlation_id,
            correlation_tag,
        } = message;
        let (scope, bytes) = (account.scope(), id.to_bytes());
        let last_mod_seq = match mod_seq {
            Some(mod_seq) => {
                let offset = account.store.state.offset(&scope, &bytes);
                mod_seq.saturating_add(offset)
            }
            None => {
                let digest = account.state_digest(&id, key, &flags);
                account.store.state.revision(&scope, &bytes, digest).value
            }
        };
        if account.visible(&flags).is_err() {
            return Change::ObjectGone(Gone {
                id: bytes,
                last_mod_seq,
                correlation_id,
                correlation_tag,
            });
        }
        Change::Object(ObjectNow {
            id: bytes,
            parent,
            flags: flags.iter().map(|flag| flags::shown(flag)).collect(),
            last_mod_seq,
            correlation_id,
            correlation_tag,
            created,
        })
    }

    /// Of the messages that are no longer where they were those that are nowhere.
    pub(super) async fn objects_gone(&mut self) -> Result<(), Error> {
        if self.gone.is_empty() {
            return Ok(());
        }
        self.account.settled().await?;
        if !self.whole && self.gone.iter().any(|gone| self.leads_outside(gone)) {
            Box::pin(self.everything()).await?;
            self.account.settled().await?;
        }
        let gone = std::mem::take(&mut self.gone);
        let mut buried = Vec::new();
        for (at, (key, uid, mod_seq)) in gone.into_iter().enumerate() {
            let place = self.account.place_at(&key, uid);
            let id = self.account.id_of(place.clone());
            if self.is_elsewhere(&id, &place) {
                continue;
            }
            let change = self.object_gone(&key, uid, &id, mod_seq, at).await;
            self.add(change);
            buried.push(id.to_bytes());
        }
        // Where the store itself does not tell of expunges, or the folder is gone that could, nobody else knows.
        self.account.bury_ids(&buried);
        Ok(())
    }

    /// Whether the bridge has moved it to a folder that has not been seen yet.
    fn leads_outside(&self, (key, uid, _): &(MailboxKey, u32, u64)) -> bool {
        let place = self.account.place_at(key, *uid);
        let new = self.account.place_of(&self.account.id_of(place.clone()));
        let new = new.filter(|new| *new != place);
        let key = new.and_then(|new| self.account.mailbox_of_place(&new.mailbox));
        key.is_some_and(|key| self.known(&key.to_bytes()).is_none())
    }

    async fn object_gone(
        &self,
        key: &MailboxKey,
        uid: u32,
        id: &ObjectId,
        mod_seq: u64,
        at: usize,
    ) -> Change {
        let account = self.account;
        let bytes = id.to_bytes();
        let last_mod_seq = if mod_seq > 1 {
            let offset = account.store.state.offset(&account.scope(), &bytes);
            mod_seq.saturating_add(offset).saturating_add(UNSEEN)
        } else {
            self.revision_of_gone(&bytes)
        };
        let structure = if at < MOST_CORRELATED {
            account.known_structure(key, uid).await
        } else {
            None
        };
        Change::ObjectGone(Gone {
            id: bytes,
            last_mod_seq,
            correlation_id: structure
                .as_ref()
                .and_then(|known| known.correlation_id.clone()),
            correlation_tag: structure
                .as_ref()
                .and_then(|known| known.correlation_tag.clone()),
        })
    }

    /// Whether the object of an id that is no longer in its place is in another: the bridge has moved it. Where that has not been
    /// looked into yet the object is expected from now on, so that its end is noticed too.
    fn is_elsewhere(&mut self, id: &ObjectId, place: &ObjectId) -> bool {
        let Some(new) = self.account.place_of(id).filter(|new| new != place) else {
            return false;
        };
        let Some(key) = self.account.mailbox_of_place(&new.mailbox) else {
            return false;
        };
        let key = key.to_bytes();
        let Some(known) = self.known(&key) else {
            return false;
        };
        if known.uids.contains(new.uid) {
            return true;
        }
        if new.uid < known.uid_next {
            return false;
        }
        let mut expecting = known.clone();
        expecting.expect(&UidSet::one(new.uid));
        self.now.insert(key, Some(expecting));
        true
    }
}
