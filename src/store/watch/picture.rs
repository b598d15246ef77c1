//! What was seen last of a box: enough to tell, now or after a restart, what has changed since.
//!
//! Of each folder its name and place (a digest), the id it was shown with, its UIDs, and HIGHESTMODSEQ; where messages have no
//! MODSEQ, a digest of the flags of each. As bytes this is the position of a `restartToken` (contract §7.2) and what outlives the process.

use std::collections::BTreeMap;

use crate::imap::{Expected, MailboxName, UidSet};

/// Most ranges and digests that are believed of bytes; mailboxes are smaller.
const MOST: u64 = 10_000_000;
/// In front of a folder that is kept. The first format had the length of a key there, which is 5 or more.
const FORMAT: u8 = 2;

/// What was seen last of all folders of a box, by the bytes of their mailboxes' keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    pub(super) folders: BTreeMap<Vec<u8>, Pictured>,
}

/// What was seen last of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pictured {
    pub(super) standing: Standing,
    /// UIDNEXT: what has come since has this UID or a higher one (RFC 9051 §2.3.1.1).
    pub(super) uid_next: u32,
    /// HIGHESTMODSEQ; 0 where messages have none.
    pub(super) mod_seq: u64,
    /// The messages in it.
    pub(super) uids: UidSet,
    /// Without MODSEQ, a digest of the flags of each, in ascending order of UIDs.
    pub(super) flags: Vec<u32>,
}

/// A folder as a tree has it, whatever is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Digest of its name, of the folder above, and of the id it is shown with.
    pub(super) named: u32,
    /// Bytes of that id, where they are not those of its mailbox's key.
    pub(super) other: Option<Vec<u8>>,
    /// Where it was found; not known before it has been looked for in this process.
    pub(super) place: Option<Place>,
}

/// How a folder is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) mailbox: MailboxName,
    /// `None` where it cannot be opened.
    pub(super) expected: Option<Expected>,
}

impl Picture {
    /// As bytes, if these are not more than `most`.
    #[must_use]
    pub fn to_bytes(&self, most: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for (key, pictured) in &self.folders {
            pictured.write(key, &mut bytes);
            if bytes.len() > most {
                return None;
            }
        }
        Some(bytes)
    }

    /// Back from bytes; `None` when they are none of ours.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut picture = Self::default();
        while !bytes.is_empty() {
            let (key, pictured) = Pictured::read(&mut bytes)?;
            picture.folders.insert(key, pictured);
        }
        Some(picture)
    }

    /// One folder as bytes that can be kept.
    #[must_use]
    pub fn folder_bytes(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = vec![FORMAT];
        self.folders.get(key)?.write(key, &mut bytes);
        Some(bytes)
    }

    /// The keys of its folders.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.folders.keys().map(Vec::as_slice)
    }

    /// Whether it has this folder.
    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        self.folders.contains_key(key)
    }

    /// Adds a folder that was kept as bytes; `false` when they are none of ours, and it lacks what may have been seen.
    #[must_use]
    pub fn add_folder(&mut self, bytes: &[u8]) -> bool {
        let Some((&FORMAT, mut bytes)) = bytes.split_first() else {
            return false;
        };
        let read = Pictured::read(&mut bytes).filter(|_| bytes.is_empty());
        read.map(|(key, pictured)| self.folders.insert(key, pictured))
            .is_some()
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Takes note of what somebody has been told from another picture, and this one may lack: it is to be missed when it is not there at
    /// the next look.
    pub fn expect(&mut self, other: &Self) {
        for (key, seen) in &other.folders {
            let known = self.folders.entry(key.clone());
            let known = known.or_insert_with(|| Pictured {
                standing: Standing {
                    other: seen.standing.other.clone(),
                    ..Standing::default()
                },
                ..Pictured::default()
            });
            // Of what came before that one the end has been told.
            let before = UidSet::between(&[], known.uid_next);
            known.expect(&seen.uids.without(&known.uids).without(&before));
        }
    }

    /// Of which mailbox this is said, as far as names can be told apart: NOTIFY lines of Dovecot 2.3 have them in UTF-8, where all
    /// else is modified UTF-7.
    pub(super) fn key_of(&self, mailbox: &MailboxName) -> Option<&[u8]> {
        let of = |same: &dyn Fn(&MailboxName) -> bool| {
            let mut found = self.folders.iter().filter(|(_, pictured)| {
                let place = pictured.standing.place.as_ref();
                place.is_some_and(|place| same(&place.mailbox))
            });
            let first = found.next().map(|(key, _)| &key[..]);
            first.filter(|_| found.next().is_none())
        };
        let text = mailbox.to_text();
        let raw = std::str::from_utf8(mailbox.as_bytes()).ok();
        of(&|known| known == mailbox).or_else(|| {
            of(&|known| {
                let known = known.to_text();
                known == text || Some(known.as_str()) == raw
            })
        })
    }
}

impl Pictured {
    /// Bytes of the id that the folder of this key was shown with.
    pub(super) fn shown<'a>(&'a self, key: &'a [u8]) -> &'a [u8] {
        self.standing.other.as_deref().unwrap_or(key)
    }

    /// Messages that have not been looked at, and are to be missed when they are not there.
    pub(super) fn expect(&mut self, uids: &UidSet) {
        if self.mod_seq == 0 {
            // No flags have this digest.
            let unknown = uids.uids().map(|uid| (uid, 0));
            let all = unknown.chain(self.digests());
            self.flags = all.collect::<BTreeMap<u32, u32>>().into_values().collect();
        }
        let ranges = self.uids.ranges().iter().chain(uids.ranges());
        self.uids = UidSet::from_ranges(ranges.cloned());
    }

    /// Without MODSEQ, the digest of each message's flags.
    pub(super) fn digests(&self) -> BTreeMap<u32, u32> {
        self.uids.uids().zip(self.flags.iter().copied()).collect()
    }

    fn write(&self, key: &[u8], bytes: &mut Vec<u8>) {
        let Standing { named, other, .. } = &self.standing;
        write_number(bytes, (key.len() as u64) << 1 | u64::from(other.is_some()));
        bytes.extend_from_slice(key);
        if let Some(other) = other {
            write_number(bytes, other.len() as u64);
            bytes.extend_from_slice(other);
        }
        bytes.extend_from_slice(&named.to_be_bytes());
        write_number(bytes, self.uid_next.into());
        write_number(bytes, self.mod_seq);
        let ranges = self.uids.ranges();
        write_number(bytes, ranges.len() as u64);
        let mut before = 0;
        for range in ranges {
            write_number(bytes, (range.start() - before).into());
            write_number(bytes, (range.end() - range.start()).into());
            before = *range.end();
        }
        write_number(bytes, self.flags.len() as u64);
        for digest in &self.flags {
            bytes.extend_from_slice(&digest.to_be_bytes());
        }
    }

    fn read(bytes: &mut &[u8]) -> Option<(Vec<u8>, Self)> {
        let number = read_number(bytes)?;
        let key = read_octets(bytes, number >> 1)?;
        let other = if number & 1 == 1 {
            let length = read_number(bytes)?;
            Some(read_octets(bytes, length)?)
        } else {
            None
        };
        let named = read_u32(bytes)?;
        let uid_next = u32::try_from(read_number(bytes)?).ok()?;
        let mod_seq = read_number(bytes)?;
        let count = read_number(bytes).filter(|count| *count <= MOST)?;
        let mut ranges = Vec::new();
        let mut before: u32 = 0;
        for _ in 0..count {
            let start = before.checked_add(u32::try_from(read_number(bytes)?).ok()?)?;
            let end = start.checked_add(u32::try_from(read_number(bytes)?).ok()?)?;
            ranges.push(start..=end);
            before = end;
        }
        let count = read_number(bytes).filter(|count| *count <= MOST)?;
        let mut flags = Vec::new();
        for _ in 0..count {
            flags.push(read_u32(bytes)?);
        }
        let uids = UidSet::from_ranges(ranges);
        if !flags.is_empty() && flags.len() as u64 != uids.count() {
            return None;
        }
        let pictured = Self {
            standing: Standing {
                named,
                other,
                place: None,
            },
            uid_next,
            mod_seq,
            uids,
            flags,
        };
        Some((key, pictured))
    }
}

/// Seven bits an octet, the lowest first; the last has its highest bit clear.
fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let octet = *take(bytes, 1)?.first()?;
        number |= u64::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            return Some(number);
        }
    }
    None
}

fn read_octets(bytes: &mut &[u8], length: u64) -> Option<Vec<u8>> {
    Some(take(bytes, usize::try_from(length).ok()?)?.to_vec())
}

fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(bytes, 4)?.try_into().ok()?))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pictured() -> impl Strategy<Value = Pictured> {
        let uids = prop::collection::btree_set(1_u32.., 0..20);
        let other = prop::option::of(prop::collection::vec(any::<u8>(), 0..20));
        (any::<(u32, u32, u64, bool)>(), uids, other).prop_map(
            |((named, uid_next, mod_seq, with_flags), uids, other)| Pictured {
                standing: Standing {
                    named,
                    other,
                    place: None,
                },
                uid_next,
                mod_seq,
                flags: if with_flags {
                    uids.iter().map(|uid| uid ^ 7).collect()
                } else {
                    Vec::new()
                },
                uids: uids.into_iter().collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn pictures_come_back_from_their_bytes(
            folders in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 1..20), pictured(), 0..8)
        ) {
            let picture = Picture { folders };
            let bytes = picture.to_bytes(usize::MAX).unwrap();
            let read = Picture::from_bytes(&bytes);
            prop_assert_eq!(read.as_ref(), Some(&picture));
            let mut one_by_one = Picture::default();
            for key in picture.folders.keys() {
                prop_assert!(one_by_one.add_folder(&picture.folder_bytes(key).unwrap()));
            }
            prop_assert_eq!(one_by_one, picture);
        }

        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(picture) = Picture::from_bytes(&bytes) {
                let again = picture.to_bytes(usize::MAX).unwrap();
                prop_assert_eq!(Picture::from_bytes(&again), Some(picture));
            }
        }
    }

    #[test]
    fn a_box_of_many_folders_is_not_written_to_its_end() {
        let folder = |number: u32| (number.to_be_bytes().to_vec(), Pictured::default());
        let picture = Picture {
            folders: (0..1000).map(folder).collect(),
        };
        assert_eq!(picture.to_bytes(3000), None);
    }

    #[test]
    fn what_is_kept_is_read_whole_or_not_at_all() {
        let key = vec![1, 2, 3, 4, 5];
        let picture = Picture {
            folders: [(key.clone(), Pictured::default())].into(),
        };
        let bytes = picture.folder_bytes(&key).unwrap();
        let longer = [&bytes[..], &[0]].concat();
        for other in [&[][..], &bytes[1..], &bytes[..bytes.len() - 1], &longer] {
            let mut read = Picture::default();
            assert!(!read.add_folder(other), "{other:?}");
            assert_eq!(read, Picture::default());
        }
    }

    #[test]
    fn names_are_known_in_either_encoding() {
        let folder = |key: u8, mailbox: &[u8]| {
            let place = Place {
                mailbox: MailboxName::from_wire(mailbox),
                expected: None,
            };
            let standing = Standing {
                place: Some(place),
                ..Standing::default()
            };
            let pictured = Pictured {
                standing,
                ..Pictured::default()
            };
            (vec![key], pictured)
        };
        let picture = Picture {
            folders: [folder(1, b"sip:conf&-1@x"), folder(2, b"&AOk-t&AOk-")].into(),
        };
        let key = |name: &str| {
            let key = picture.key_of(&MailboxName::from_wire(name));
            key.map(|key| key[0])
        };
        assert_eq!(key("sip:conf&-1@x"), Some(1));
        assert_eq!(key("sip:conf&1@x"), Some(1));
        assert_eq!(key("\u{e9}t\u{e9}"), Some(2));
        assert_eq!(key("other"), None);
    }
}
