//! Objects that are gone: what was deleted through the bridge or seen to be gone by whoever watches the box, and on a store with QRESYNC
//! what others have expunged (contract §4.2, §4.7, §7.1).
//!
//! The store need not remember every expunge, nor for how long, and may name what nobody has seen (RFC 7162 §3.2.5.1): more may be
//! said than is true of messages that never were, never of one that is there.

use std::{collections::HashSet, ops::RangeInclusive};

use super::{
    Account, Error,
    census::Census,
    id::{MailboxKey, ObjectId},
    objects::{found, search},
    tree::{Node, Tree},
};
use crate::{
    imap::{self, Command, Item, UidSet, connection::Mode, pool::Lease, response::Untagged},
    nms,
};

/// Longest UID set of one command, in bytes.
const LONGEST_SET: usize = 8 << 10;
/// Most commands in one folder: one full of holes does not keep a client waiting for all of them.
const MOST_SETS: usize = 4;
/// Most objects of a folder that are remembered when it is removed.
const MOST_OF_FOLDER: usize = 10_000;

impl Account {
    /// References of objects that were deleted, at most so many: those deleted through the bridge or seen to be gone, the newest first,
    /// and by turns with them those the store tells of, folder by folder, the newest UID first, since nobody knows when that was. Never
    /// one that was moved through the bridge.
    ///
    /// # Errors
    /// What the store's answers mean.
    pub async fn vanished(
        &self,
        urls: &nms::Urls,
        most: usize,
    ) -> Result<nms::ObjectReferenceList, Error> {
        let deleted = self.store.state.buried(&self.scope(), most);
        let mut others = Vec::new();
        if self.pool.capabilities()?.vanished() {
            let tree = self.fresh_tree().await?;
            others = match self.expunged(&tree, &deleted, most).await {
                // A connection that was lost is no reason not to look.
                Err(Error::Unavailable(_)) => self.expunged(&tree, &deleted, most).await?,
                outcome => outcome?,
            };
        }
        let gone = by_turns(deleted, others);
        let objects = gone
            .iter()
            .take(most)
            .filter_map(|bytes| ObjectId::from_bytes(bytes));
        let references = objects.map(|object| nms::Reference {
            resource_url: urls.object(&self.seal.object(&object)),
            path: None,
        });
        Ok(nms::ObjectReferenceList {
            object_reference: references.collect(),
        })
    }

    /// Remembers that messages of a mailbox were deleted through the bridge.
    pub(super) fn bury(&self, key: &MailboxKey, uids: impl IntoIterator<Item = u32>) {
        let objects: Vec<Vec<u8>> = uids
            .into_iter()
            .map(|uid| self.id_of(self.place_at(key, uid)).to_bytes())
            .collect();
        self.bury_ids(&objects);
    }

    /// Remembers that objects are gone, by the bytes of their ids, whoever has deleted them.
    pub(super) fn bury_ids(&self, objects: &[Vec<u8>]) {
        if !objects.is_empty() {
            self.store.state.bury(&self.scope(), objects);
        }
    }

    /// UIDs of the objects of folders, before these are removed; of those that can be read, and not too many.
    pub(super) async fn doomed(&self, tree: &Tree, path: &str) -> Vec<(MailboxKey, Vec<u32>)> {
        let mut doomed = Vec::new();
        let mut room = MOST_OF_FOLDER;
        for (_, node) in tree.subtree(path) {
            let Some(expected) = &node.expected else {
                continue;
            };
            let Ok(command) = self.all_uids() else {
                break;
            };
            if room == 0 {
                break;
            }
            let read = self.pool.read_in(&node.mailbox, expected, command).await;
            if let Ok(Some((_, completion))) = read {
                let mut uids = found(completion.untagged);
                uids.truncate(room);
                room -= uids.len();
                doomed.push((node.key.clone(), uids));
            }
        }
        doomed
    }

    pub(super) fn all_uids(&self) -> Result<Command, Error> {
        let command = Command::new("UID SEARCH");
        Ok(if self.pool.capabilities()?.extended_search() {
            command.atom("RETURN (ALL) ALL")
        } else {
            command.atom("ALL")
        })
    }

    /// What else the store remembers of expunges (RFC 7162 §3.2.6).
    async fn expunged(
        &self,
        tree: &Tree,
        deleted: &[Vec<u8>],
        most: usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut known: HashSet<Vec<u8>> = deleted.iter().cloned().collect();
        let mut gone = Vec::new();
        let holey = self.with_holes(tree).await?;
        if holey.is_empty() {
            return Ok(gone);
        }
        let lease = self.pool.write(&[]).await?;
        lease.run(Command::new("ENABLE").atom("QRESYNC")).await?;
        for (node, uid_next) in holey {
            if gone.len() >= most {
                break;
            }
            let all = self.all_uids()?;
            for uid in expunged_of(&lease, node, uid_next, most, all).await? {
                let place = self.place_at(&node.key, uid);
                let moved = self.store.state.found(&self.scope(), &place.to_bytes());
                let object = self.id_of(place).to_bytes();
                if moved.is_none() && gone.len() < most && known.insert(object.clone()) {
                    gone.push(object);
                }
            }
        }
        Ok(gone)
    }

    /// Mailboxes that have fewer messages than they have given out UIDs, each with its UIDNEXT.
    async fn with_holes<'a>(&self, tree: &'a Tree) -> Result<Vec<(&'a Node, u32)>, Error> {
        let census = Census::take(&self.pool, tree).await?;
        let holey = tree.subtree("").filter_map(|(_, node)| {
            let status = census.of(node)?;
            let uid_next = status.uid_next?;
            let has_holes = uid_next.saturating_sub(1) > status.messages?;
            has_holes.then_some((node, uid_next))
        });
        Ok(holey.collect())
    }
}

/// One of each in turn, then what is left of either: neither keeps the other out of a short list.
fn by_turns<T>(one: Vec<T>, other: Vec<T>) -> Vec<T> {
    let mut both = Vec::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        let before = both.len();
        both.extend(one.next());
        both.extend(other.next());
        if both.len() == before {
            return both;
        }
    }
}

/// UIDs of a mailbox that the store says were expunged, the newest first; none when it is not the one that is meant.
///
/// Asked is only for UIDs that are not there: whoever asks for all is told of every message that has ever changed as well.
async fn expunged_of(
    lease: &Lease,
    node: &Node,
    uid_next: u32,
    most: usize,
    all: Command,
) -> Result<Vec<u32>, Error> {
    let Some(expected) = &node.expected else {
        return Ok(Vec::new());
    };
    let opened = lease.open_mailbox(&node.mailbox, expected, Mode::Examine);
    match opened.await {
        Ok(selected) if expected.is(&selected) && lease.has_mod_seq() => {}
        Ok(_) | Err(imap::Error::No { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let mut there = search(lease, all).await?;
    there.sort_unstable();
    let mut gone = Vec::new();
    let sets = UidSet::between(&there, uid_next).split(LONGEST_SET);
    for set in sets.iter().rev().take(MOST_SETS) {
        let items = [Item::Fixed("UID")];
        let command = Command::new("UID FETCH").uids(set).items(&items);
        let command = command.atom("(CHANGEDSINCE 1 VANISHED)");
        let untagged = lease.run(command).await?.untagged;
        gone.extend(newest(untagged, &there, uid_next, most - gone.len()));
        if gone.len() >= most {
            break;
        }
    }
    Ok(gone)
}

/// What has vanished, the newest first, each once, and nothing that is there or was never given out.
fn newest(untagged: Vec<Untagged>, there: &[u32], uid_next: u32, most: usize) -> Vec<u32> {
    let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
    for data in untagged {
        if let Untagged::Vanished { uids, .. } = data {
            ranges.extend(uids);
        }
    }
    ranges.sort_unstable_by_key(|range| std::cmp::Reverse(*range.end()));
    let mut below = uid_next;
    let mut gone = Vec::new();
    for range in ranges {
        for uid in (*range.start()..=*range.end().min(&below.saturating_sub(1))).rev() {
            if gone.len() >= most || uid == 0 {
                break;
            }
            below = uid;
            if there.binary_search(&uid).is_err() {
                gone.push(uid);
            }
        }
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_or_never_was_has_not_vanished() {
        let vanished = |uids: Vec<RangeInclusive<u32>>| Untagged::Vanished {
            earlier: true,
            uids,
        };
        let gone = |most| {
            let untagged = vec![
                vanished(vec![1..=3, 7..=u32::MAX]),
                Untagged::Exists(4),
                vanished(vec![0..=0, 3..=5, 2..=3]),
            ];
            newest(untagged, &[2, 8], 10, most)
        };
        assert_eq!(gone(100), [9, 7, 5, 4, 3, 1]);
        assert_eq!(gone(3), [9, 7, 5]);
        assert_eq!(newest(vec![vanished(vec![1..=9])], &[], 1, 9), [0; 0]);
    }

    #[test]
    fn neither_list_keeps_the_other_out() {
        assert_eq!(by_turns(vec![1, 3, 5], vec![2]), [1, 2, 3, 5]);
        assert_eq!(by_turns(vec![1], vec![2, 4, 6]), [1, 2, 4, 6]);
        assert!(by_turns::<u8>(Vec::new(), Vec::new()).is_empty());
    }
}
