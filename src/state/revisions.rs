//! The counters behind `lastModSeq`: a bounded number of records, of which the one not asked for longest goes.

use std::{collections::HashMap, mem};

use super::key::Key;

/// JSON readers keep integers below 2^53 exactly (RFC 8259 §6).
pub(super) const HIGHEST: u64 = (1 << 53) - 1;

/// What was shown last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) digest: u64,
    pub(super) value: u64,
}

/// An answer, and what it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) value: u64,
    pub(super) change: Option<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// Another value was given for this key before.
    pub(super) replaces: bool,
    /// The record that had to go.
    pub(super) forgotten: Option<Key>,
}

#[derive(Debug)]
pub(super) struct Revisions {
    /// The highest value given. One counter for all boxes gives each of them rising values.
    counter: u64,
    most: usize,
    slots: Vec<Slot>,
    slot_of: HashMap<Key, usize>,
    /// Where the search for the next record to forget begins.
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    shown: Shown,
    /// Asked for since the hand passed.
    used: bool,
}

impl Revisions {
    /// Empty; values will be above the counter.
    pub(super) fn new(counter: u64, most: usize) -> Self {
        Self {
            counter: counter.min(HIGHEST),
            most,
            slots: Vec::new(),
            slot_of: HashMap::new(),
            hand: 0,
        }
    }

    /// The value for this digest.
    pub(super) fn give(&mut self, key: Key, digest: u64) -> Given {
        if let Some(slot) = self.slot_of.get(&key).map(|at| &mut self.slots[*at]) {
            slot.used = true;
            if slot.shown.digest == digest {
                return Given {
                    value: slot.shown.value,
                    change: None,
                };
            }
            self.counter = next(self.counter);
            slot.shown = Shown {
                digest,
                value: self.counter,
            };
            return self.changed(true, None);
        }
        self.counter = next(self.counter);
        let shown = Shown {
            digest,
            value: self.counter,
        };
        let forgotten = self.remember(key, shown);
        self.changed(false, forgotten)
    }

    fn changed(&self, replaces: bool, forgotten: Option<Key>) -> Given {
        Given {
            value: self.counter,
            change: Some(Change {
                replaces,
                forgotten,
            }),
        }
    }

    /// Adds a record whose key is not there; the key of the record that goes for it.
    pub(super) fn remember(&mut self, key: Key, shown: Shown) -> Option<Key> {
        let slot = Slot {
            key,
            shown,
            used: false,
        };
        if self.slots.len() < self.most {
            self.slot_of.insert(key, self.slots.len());
            self.slots.push(slot);
            return None;
        }
        while mem::take(&mut self.slots[self.hand].used) {
            self.hand = (self.hand + 1) % self.most;
        }
        let forgotten = mem::replace(&mut self.slots[self.hand], slot).key;
        self.slot_of.remove(&forgotten);
        self.slot_of.insert(key, self.hand);
        self.hand = (self.hand + 1) % self.most;
        Some(forgotten)
    }
}

fn next(counter: u64) -> u64 {
    (counter + 1).min(HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_counts_as_changed_later() {
        let mut revisions = Revisions::new(0, 100);
        let kept = revisions.give(numbered(0), 7).value;
        let lost = revisions.give(numbered(1), 7).value;
        for number in 2..1000 {
            revisions.give(numbered(number), 7);
            assert_eq!(revisions.give(numbered(0), 7).value, kept, "{number}");
        }
        assert!(revisions.give(numbered(1), 7).value > lost);
        assert_eq!((revisions.slots.len(), revisions.slot_of.len()), (100, 100));
    }

    #[test]
    fn each_record_that_goes_is_named_once() {
        let mut revisions = Revisions::new(0, 10);
        let mut forgotten: Vec<Key> = (0..25)
            .filter_map(|number| revisions.give(numbered(number), 7).change?.forgotten)
            .collect();
        forgotten.sort_unstable();
        let expected: Vec<Key> = (0..15).map(numbered).collect();
        assert_eq!(forgotten, expected);
        assert!(
            expected
                .iter()
                .all(|key| !revisions.slot_of.contains_key(key))
        );
    }

    #[test]
    fn values_end_below_2_to_the_53rd() {
        let mut revisions = Revisions::new(u64::MAX, 10);
        assert_eq!(revisions.give(numbered(0), 7).value, (1 << 53) - 1);
        assert_eq!(revisions.give(numbered(0), 8).value, (1 << 53) - 1);
    }
}
