//! What was there at one moment: for each folder the UID that its next object was to get (RFC 9051 §2.3.1.1). What has that UID or a
//! later one came afterwards, and so did all that is in a folder that is not among them.

use std::collections::BTreeMap;

use crate::store::{
    census::Census,
    id::{MailboxKey, Seal, fingerprint},
    tree::Tree,
};

/// Octets of a digest of a folder; a thousand folders of one box hardly ever share one.
const DIGEST: usize = 6;
/// Keeps a `creationCursor` from being read as anything else.
const PURPOSE: &str = "creation cursor";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot(BTreeMap<[u8; DIGEST], u32>);

impl Snapshot {
    /// What is there now.
    pub(super) fn of(tree: &Tree, census: &Census) -> Self {
        let mut snapshot = Self::default();
        for (_, node) in tree.subtree("") {
            if let Some(uid_next) = census.of(node).and_then(|status| status.uid_next) {
                snapshot.add(&node.key, uid_next);
            }
        }
        snapshot
    }

    /// Adds a folder.
    pub(super) fn add(&mut self, key: &MailboxKey, uid_next: u32) {
        self.0.insert(digest_of(key), uid_next);
    }

    /// The first UID that came afterwards.
    pub(super) fn first(&self, key: &MailboxKey) -> u32 {
        self.0.get(&digest_of(key)).copied().unwrap_or(1)
    }

    /// As text for a client.
    pub(super) fn write(&self, seal: &Seal) -> String {
        seal.write(PURPOSE, &self.to_bytes())
    }

    /// Back from text; `None` when it is none of this box.
    pub(super) fn read(seal: &Seal, text: &str) -> Option<Self> {
        Self::from_bytes(&seal.read(PURPOSE, text)?)
    }

    /// As bytes: digest and number of each folder, the number seven bits at a time, lowest first.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * (DIGEST + 3));
        for (digest, uid_next) in &self.0 {
            bytes.extend_from_slice(digest);
            let mut left = *uid_next;
            loop {
                let low = u8::try_from(left & 0x7f).unwrap_or_default();
                left >>= 7;
                bytes.push(low | if left > 0 { 0x80 } else { 0 });
                if left == 0 {
                    break;
                }
            }
        }
        bytes
    }

    /// Back from bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut folders = BTreeMap::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (digest, numbers) = rest.split_first_chunk::<DIGEST>()?;
            let length = numbers.iter().position(|byte| byte & 0x80 == 0)? + 1;
            let (number, more) = numbers.split_at(length);
            let number = number.iter().rev().try_fold(0_u64, |sum, byte| {
                (sum < 1 << 32).then_some(sum << 7 | u64::from(byte & 0x7f))
            })?;
            folders.insert(*digest, u32::try_from(number).ok()?);
            rest = more;
        }
        Some(Self(folders))
    }
}

fn digest_of(key: &MailboxKey) -> [u8; DIGEST] {
    let digest = fingerprint(&key.to_bytes()).to_be_bytes();
    let mut short = [0; DIGEST];
    short.copy_from_slice(&digest[..DIGEST]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_snapshot_comes_back(folders in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..20)) {
            let mut snapshot = Snapshot::default();
            for (uid_validity, uid_next) in folders {
                snapshot.add(&MailboxKey::uid_validity(uid_validity), uid_next);
            }
            let seal = Seal::new("cpm", "tel:+15550100");
            prop_assert_eq!(Snapshot::read(&seal, &snapshot.write(&seal)), Some(snapshot.clone()));
            prop_assert_eq!(Snapshot::read(&Seal::new("cpm", "tel:+15550101"), &snapshot.write(&seal)), None);
        }

        #[test]
        fn any_bytes_are_a_snapshot_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Snapshot::from_bytes(&bytes);
        }
    }

    #[test]
    fn all_of_a_folder_that_was_not_there_came_afterwards() {
        let mut snapshot = Snapshot::default();
        let (old, new) = (MailboxKey::uid_validity(7), MailboxKey::uid_validity(8));
        snapshot.add(&old, 12);
        assert_eq!((snapshot.first(&old), snapshot.first(&new)), (12, 1));
    }
}
