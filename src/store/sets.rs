//! Messages of one mailbox, told apart by UID: asked about in as few commands as command lines have room for.

use std::collections::BTreeMap;

use super::{Account, Error, locate::Located};
use crate::imap::{Command, Item, Selected, UidSet, fetched::by_uid, pool::Lease};

/// Longest UID set of one command, in bytes: Courier ends a connection at 64 KiB of a line, and shorter lines cost nothing.
const LONGEST_SET: usize = 8 << 10;

/// A mailbox that is open for writing, by one of its objects.
pub(super) struct Open {
    pub(super) located: Located,
    pub(super) lease: Lease,
    pub(super) selected: Selected,
}

/// Flags by UID.
pub(super) type Flags = BTreeMap<u32, Vec<String>>;

/// What became of each message: whether it is another now, or was so already.
pub(super) type Outcomes = BTreeMap<u32, Result<bool, Error>>;

impl Account {
    /// Opens the mailbox of an object for writing.
    ///
    /// # Errors
    /// As for [`Self::write_object`].
    pub(super) async fn open_for(&self, id: &str) -> Result<Open, Error> {
        let (located, lease, selected) = self.write_object(id).await?;
        Ok(Open {
            located,
            lease,
            selected,
        })
    }

    /// The flags of those of these messages that are there for REST; the others are said not to be found.
    pub(super) async fn present(
        &self,
        open: &Open,
        uids: &[u32],
        outcomes: &mut Outcomes,
    ) -> Result<Flags, Error> {
        let mut flags = flags_of(&open.lease, uids).await?;
        flags.retain(|_, flags| self.visible(flags).is_ok());
        let gone = uids.iter().filter(|uid| !flags.contains_key(uid));
        outcomes.extend(gone.map(|uid| (*uid, Err(Error::NotFound))));
        Ok(flags)
    }
}

/// What may be wrong with one is wrong with all of these.
pub(super) fn all(uids: impl IntoIterator<Item = u32>, error: &Error) -> Outcomes {
    uids.into_iter()
        .map(|uid| (uid, Err(error.clone())))
        .collect()
}

/// Sets of these UIDs, each short enough for a command.
pub(super) fn sets_of(uids: impl IntoIterator<Item = u32>) -> Vec<UidSet> {
    uids.into_iter().collect::<UidSet>().split(LONGEST_SET)
}

/// The flags of those of these messages that are in the mailbox that is open.
///
/// # Errors
/// What the store's answers mean; nothing is known of any message then.
pub(super) async fn flags_of(lease: &Lease, uids: &[u32]) -> Result<Flags, Error> {
    let items = [Item::Fixed("UID FLAGS")];
    let mut flags = Flags::new();
    for set in sets_of(uids.iter().copied()) {
        let wanted: Vec<u32> = set.uids().collect();
        let command = Command::new("UID FETCH").uids(&set).items(&items);
        let untagged = lease.run(command).await?.untagged;
        for (uid, fetch) in by_uid(untagged, &wanted, &items)? {
            flags.insert(uid, fetch.flags.unwrap_or_default());
        }
    }
    Ok(flags)
}
