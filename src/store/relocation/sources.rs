//! The objects of a request: what they are called, where they are, and what is known of each before anything is done.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::{
        Account, Error,
        id::{MailboxKey, ObjectId},
        identity::{ITEMS, Identity, identity_of, sets},
        locate::Located,
        structure::Seen,
    },
    Relocating,
};
use crate::imap::{self, Command, Item, fetched::by_uid, pool::Lease};

/// One object, and the entries of the request that stand for it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) id: ObjectId,
    pub(super) entries: Vec<usize>,
}

/// What was found of one.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) source: Source,
    pub(super) uid: u32,
    pub(super) identity: Identity,
    /// The highest that may have been shown of it; 0 where it is a counter of ours that tells of moves by itself.
    pub(super) last_mod_seq: u64,
    pub(super) octets: u64,
}

/// Objects of one mailbox, in the order of their UIDs.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Of one of them; all else holds for all.
    pub(super) located: Located,
    pub(super) found: Vec<Found>,
}

/// The sources in rounds: a move takes all at once, and who is named twice moves once; a copy takes each as often as it is named, and one
/// command makes one copy.
pub(super) fn rounds(kind: Relocating, named: &[(usize, ObjectId)]) -> Vec<Vec<Source>> {
    let mut rounds: Vec<Vec<Source>> = Vec::new();
    let mut times: HashMap<&ObjectId, (usize, usize)> = HashMap::new();
    for (entry, id) in named {
        let source = || Source {
            id: id.clone(),
            entries: vec![*entry],
        };
        let known = times.get(id).copied();
        let round = match (kind, known) {
            (Relocating::Move, Some((_, at))) => {
                rounds[0][at].entries.push(*entry);
                continue;
            }
            (_, known) => known.map_or(0, |(round, _)| round + 1),
        };
        if rounds.len() == round {
            rounds.push(Vec::new());
        }
        times.insert(id, (round, rounds[round].len()));
        rounds[round].push(source());
    }
    rounds
}

impl Account {
    /// The sources by the mailbox they are in; those that cannot be anywhere are left out.
    pub(super) fn by_mailbox(&self, sources: Vec<Source>) -> Vec<Vec<(Source, u32)>> {
        let mut groups: BTreeMap<MailboxKey, BTreeMap<u32, Source>> = BTreeMap::new();
        for source in sources {
            if let Some(place) = self.place_of(&source.id) {
                let group = groups.entry(place.mailbox).or_default();
                group.insert(place.uid, source);
            }
        }
        let in_order = |group: BTreeMap<u32, Source>| {
            let group = group.into_iter();
            group.map(|(uid, source)| (source, uid)).collect()
        };
        groups.into_values().map(in_order).collect()
    }

    /// Looks at the objects of one mailbox; those that are not there, or hidden, are left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such mailbox.
    pub(super) async fn looked_at(&self, group: Vec<(Source, u32)>) -> Result<Group, Error> {
        let (first, _) = group.first().ok_or(Error::NotFound)?;
        let mut again = true;
        loop {
            let (located, lease) = self.examined(&first.id).await?;
            match self.look_at_sources(&lease, &located, &group).await {
                // It changes nothing, so it may be asked twice.
                Err(imap::Error::Closed) if again => again = false,
                found => {
                    let found = found??;
                    return Ok(Group { located, found });
                }
            }
        }
    }

    /// Examines the mailbox of an object, wherever it is by now.
    async fn examined(&self, id: &ObjectId) -> Result<(Located, Lease), Error> {
        let mut finding = self.finding(id.clone());
        loop {
            let located = finding.next(self).await?;
            let examined = self.pool.examine_in(&located.mailbox, &located.expected);
            let outcome = examined.await;
            if let Some((located, (lease, _))) = finding.judge(located, outcome)? {
                return Ok((located, lease));
            }
        }
    }

    async fn look_at_sources(
        &self,
        lease: &Lease,
        located: &Located,
        group: &[(Source, u32)],
    ) -> Result<Result<Vec<Found>, Error>, imap::Error> {
        let mod_seq = lease.has_mod_seq().then_some(Item::ModSeq);
        let items: Vec<Item> = ITEMS
            .into_iter()
            .chain([Item::Fixed("FLAGS")])
            .chain(mod_seq)
            .collect();
        let uids: Vec<u32> = group.iter().map(|(_, uid)| *uid).collect();
        let mut fetched = BTreeMap::new();
        for set in sets(&uids) {
            let command = Command::new("UID FETCH")
                .uids(&set.iter().copied().collect())
                .items(&items);
            fetched.extend(by_uid(lease.run(command).await?.untagged, &set, &items)?);
        }
        let mut found = Vec::with_capacity(fetched.len());
        for (source, uid) in group {
            let Some(fetch) = fetched.remove(uid) else {
                continue;
            };
            let (identity, octets) = (identity_of(&fetch), fetch.size.unwrap_or_default());
            let Some(seen) = Seen::new(fetch) else {
                continue;
            };
            if self.visible(&seen.flags).is_err() {
                continue;
            }
            let last_mod_seq = match self.last_shown(located, source, *uid, &seen).await {
                Ok(last) => last,
                Err(error) => return Ok(Err(error)),
            };
            found.push(Found {
                source: source.clone(),
                uid: *uid,
                identity,
                last_mod_seq,
                octets,
            });
        }
        Ok(Ok(found))
    }

    /// What is shown of an object as `lastModSeq` before it is moved, where the store counts at all.
    async fn last_shown(
        &self,
        located: &Located,
        source: &Source,
        uid: u32,
        seen: &Seen,
    ) -> Result<u64, Error> {
        if !self.pool.capabilities()?.mod_seq() {
            return Ok(0);
        }
        let located = Located {
            id: source.id.clone(),
            uid,
            ..located.clone()
        };
        self.last_mod_seq(&located, seen).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uids: &[u32]) -> Vec<(usize, ObjectId)> {
        let id = |uid| ObjectId {
            mailbox: MailboxKey::uid_validity(1),
            uid,
        };
        uids.iter().copied().map(id).enumerate().collect()
    }

    fn shown(rounds: &[Vec<Source>]) -> Vec<Vec<(u32, Vec<usize>)>> {
        let source = |source: &Source| (source.id.uid, source.entries.clone());
        let round = |round: &Vec<Source>| round.iter().map(source).collect();
        rounds.iter().map(round).collect()
    }

    #[test]
    fn who_is_named_twice_moves_once_and_is_copied_twice() {
        let named = named(&[7, 8, 7, 7]);
        assert_eq!(
            shown(&rounds(Relocating::Move, &named)),
            [[(7, vec![0, 2, 3]), (8, vec![1])]]
        );
        assert_eq!(
            shown(&rounds(Relocating::Copy, &named)),
            [
                vec![(7, vec![0]), (8, vec![1])],
                vec![(7, vec![2])],
                vec![(7, vec![3])]
            ]
        );
        assert!(rounds(Relocating::Copy, &[]).is_empty());
    }
}
