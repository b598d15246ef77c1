//! What finds a message again that was copied or moved and of which the store did not say where it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use aws_lc_rs::digest::{Context, SHA256};

use super::{
    Account, Error, objects::search, parent::Target, structure::internal_date, tree::Node,
};
use crate::{
    imap::{self, Command, Item, UidSet, fetched::by_uid, pool::Lease, response::Fetch},
    state::Moving,
};

/// Most UIDs in one command: what one COPY takes has to be looked for if its answer is lost.
const MOST_TOGETHER: usize = 1000;
/// Most octets of UIDs in one command; Courier ends at 64 kB.
const LONGEST: usize = 8000;

/// Size, dates and header of a message as a digest: equal for a message and its copies (RFC 9051 §6.4.7), and for hardly any other. The
/// messages that the bridge makes have a nonce of their own in their header.
pub(super) type Identity = [u8; 16];

/// What has to be fetched for it.
pub(super) const ITEMS: [Item; 2] = [
    Item::Fixed("UID INTERNALDATE RFC822.SIZE"),
    Item::HeaderFields("X-NMS-Nonce IMDN-Message-ID Message-ID Date From To"),
];

/// Of what was fetched; what the server left out counts as empty.
pub(super) fn identity_of(fetch: &Fetch) -> Identity {
    let mut context = Context::new(&SHA256);
    let date = fetch.internal_date.as_deref().unwrap_or_default();
    // Two spellings of one time are one.
    let date = internal_date(date).map_or_else(
        || date.as_bytes().to_vec(),
        |date| date.timestamp().to_be_bytes().to_vec(),
    );
    let fields = fetch
        .header_fields()
        .and_then(|section| section.bytes.clone())
        .unwrap_or_default();
    context.update(&fetch.size.unwrap_or_default().to_be_bytes());
    context.update(&(date.len() as u64).to_be_bytes());
    context.update(&date);
    context.update(&fields);
    let mut identity = Identity::default();
    let digest = context.finish();
    identity
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    identity
}

/// UIDs in sets that fit one command each.
pub(super) fn sets(uids: &[u32]) -> Vec<Vec<u32>> {
    let mut sets: Vec<Vec<u32>> = Vec::new();
    let mut length = 0;
    for uid in uids {
        let written = uid.checked_ilog10().map_or(1, |log| log as usize + 1) + 1;
        length += written;
        match sets.last_mut() {
            Some(last) if length <= LONGEST && last.len() < MOST_TOGETHER => last.push(*uid),
            Some(_) | None => {
                sets.push(vec![*uid]);
                length = written;
            }
        }
    }
    sets
}

/// Finds the copies of messages among new ones: of those that look alike the first is the first's. What is no longer `there`, where it was,
/// must be among them before what may only have been copied.
pub(super) fn matched(
    objects: &[Moving],
    there: &BTreeSet<u32>,
    new: &[(u32, Identity)],
    copies: &mut BTreeMap<u32, u32>,
) {
    let taken: BTreeSet<u32> = copies.values().copied().collect();
    let mut by_identity: HashMap<Identity, VecDeque<u32>> = HashMap::new();
    for (uid, identity) in new.iter().filter(|(uid, _)| !taken.contains(uid)) {
        by_identity.entry(*identity).or_default().push_back(*uid);
    }
    let (left, gone): (Vec<&Moving>, Vec<&Moving>) = objects
        .iter()
        .partition(|object| there.contains(&object.uid));
    for object in gone.into_iter().chain(left) {
        if copies.contains_key(&object.uid) {
            continue;
        }
        let alike = by_identity.get_mut(&object.identity);
        if let Some(uid) = alike.and_then(VecDeque::pop_front) {
            copies.insert(object.uid, uid);
        }
    }
}

impl Account {
    /// The messages that have come to a mailbox since it had this UIDNEXT, the first so many of them that are not known to have been moved
    /// there.
    pub(super) async fn new_messages(
        &self,
        to: &Target,
        uid_next: u32,
        most: usize,
    ) -> Result<Vec<(u32, Identity)>, Error> {
        let opened = self.pool.examine_in(&to.mailbox, &to.expected).await?;
        let (lease, _) = opened.ok_or_else(elsewhere)?;
        let command = Command::new("UID SEARCH")
            .atom("UID")
            .uids(&UidSet::from_on(uid_next));
        let mut uids = search(&lease, command).await?;
        // RFC 9051 §6.4.8: a range that begins behind the last message means that message.
        uids.retain(|uid| *uid >= uid_next);
        uids.sort_unstable();
        uids.dedup();
        let state = &self.store.state;
        let scope = self.scope();
        uids.retain(|uid| {
            let place = self.place_at(&to.key, *uid);
            state.shown(&scope, &place.to_bytes()).is_none()
        });
        uids.truncate(most);
        Ok(identities_in(&lease, &uids).await?)
    }

    /// The messages of a mailbox, the newest so many of them.
    pub(super) async fn all_messages(
        &self,
        node: &Node,
        most: usize,
    ) -> Result<Vec<(u32, Identity)>, Error> {
        let Some(expected) = &node.expected else {
            return Ok(Vec::new());
        };
        let opened = self.pool.examine_in(&node.mailbox, expected).await?;
        let (lease, selected) = opened.ok_or_else(elsewhere)?;
        if selected.exists == 0 {
            return Ok(Vec::new());
        }
        let mut uids = search(&lease, Command::new("UID SEARCH").atom("ALL")).await?;
        uids.sort_unstable();
        uids.dedup();
        let newest = uids.split_off(uids.len().saturating_sub(most));
        Ok(identities_in(&lease, &newest).await?)
    }
}

/// Those of messages of the open mailbox, in the order of their UIDs.
async fn identities_in(lease: &Lease, uids: &[u32]) -> Result<Vec<(u32, Identity)>, imap::Error> {
    let mut identities = Vec::with_capacity(uids.len());
    for set in sets(uids) {
        let command = Command::new("UID FETCH")
            .uids(&set.iter().copied().collect())
            .items(&ITEMS);
        let fetched = by_uid(lease.run(command).await?.untagged, &set, &ITEMS)?;
        let fetched = fetched.iter();
        identities.extend(fetched.map(|(uid, fetch)| (*uid, identity_of(fetch))));
    }
    Ok(identities)
}

/// A mailbox that is not where the tree has it.
pub(super) fn elsewhere() -> Error {
    Error::Unavailable("the folder is renamed or made anew".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moving(uid: u32, identity: u8) -> Moving {
        Moving {
            uid,
            identity: [identity; 16],
            last_mod_seq: 0,
        }
    }

    #[test]
    fn of_messages_that_look_alike_those_that_are_gone_come_first() {
        let objects = [moving(1, 7), moving(2, 7), moving(3, 8), moving(4, 9)];
        let there = BTreeSet::from([1, 4]);
        let new = [(20, [7; 16]), (21, [5; 16]), (22, [8; 16])];
        let mut copies = BTreeMap::new();
        matched(&objects, &there, &new, &mut copies);
        assert_eq!(copies, BTreeMap::from([(2, 20), (3, 22)]));
        matched(&objects, &there, &[(23, [7; 16])], &mut copies);
        assert_eq!(copies, BTreeMap::from([(1, 23), (2, 20), (3, 22)]));
    }

    #[test]
    fn what_is_known_is_not_taken_twice() {
        let mut copies = BTreeMap::from([(1, 20)]);
        let objects = [moving(1, 7), moving(2, 7)];
        matched(&objects, &BTreeSet::new(), &[(20, [7; 16])], &mut copies);
        assert_eq!(copies, BTreeMap::from([(1, 20)]));
    }

    #[test]
    fn sets_are_whole_and_fit_a_command() {
        let uids: Vec<u32> = (0..2500)
            .map(|number| u32::MAX - 5000 + 2 * number)
            .collect();
        let sets = sets(&uids);
        for set in &sets {
            let written: UidSet = set.iter().copied().collect();
            assert!(written.to_string().len() <= 8000 && set.len() <= 1000);
        }
        assert_eq!(sets.concat(), uids);
        assert_eq!(super::sets(&(1..=1000).collect::<Vec<_>>()).len(), 1);
        assert!(super::sets(&[]).is_empty());
    }
}
