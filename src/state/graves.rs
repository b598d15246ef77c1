//! Objects that were deleted, the newest first: bounded for each account, so that one that deletes a lot takes nothing from the
//! others, and in all.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::Arc,
};

use super::{
    aged::{Aged, Record},
    key::Key,
};

/// Deleted objects kept, some 250 bytes each.
const MOST: usize = 500_000;
/// Those of one account.
const MOST_OF_ONE: usize = 10_000;
/// Bytes of them: ids are short.
const MOST_BYTES: usize = 256 << 20;

/// An object that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grave {
    /// When, in microseconds since 1970.
    pub(super) at: i64,
    /// Key of the account.
    pub(super) account: Key,
    /// Bytes of the object's id.
    pub(super) object: Vec<u8>,
}

impl Record for Grave {
    fn at(&self) -> i64 {
        self.at
    }

    fn weight(&self) -> usize {
        mem::size_of::<Self>() + self.object.len()
    }
}

#[derive(Debug)]
pub(super) struct Graves {
    all: Aged<Grave>,
    /// Time and key, by account.
    of_account: HashMap<Key, BTreeSet<(i64, Key)>>,
}

impl Graves {
    pub(super) fn new() -> Self {
        Self {
            all: Aged::new(MOST, MOST_BYTES),
            of_account: HashMap::new(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Grave>> {
        self.all.get(key)
    }

    /// Adds one or replaces it; the keys of those that had to go for it.
    pub(super) fn insert(&mut self, key: Key, grave: Arc<Grave>) -> Vec<Key> {
        self.remove(&key);
        let account = grave.account;
        self.of_account
            .entry(account)
            .or_default()
            .insert((grave.at, key));
        let mut gone: Vec<(Key, Arc<Grave>)> = self.all.insert(key, grave);
        let own = self.of_account.get(&account);
        if let Some((_, oldest)) = own
            .filter(|own| own.len() > MOST_OF_ONE)
            .and_then(BTreeSet::first)
            .copied()
        {
            gone.extend(self.all.remove(&oldest).map(|grave| (oldest, grave)));
        }
        for (key, grave) in &gone {
            self.leave(key, grave);
        }
        gone.into_iter().map(|(key, _)| key).collect()
    }

    /// Removes the oldest, if it is older than a time.
    pub(super) fn remove_oldest(&mut self, than: i64) -> Option<Key> {
        let (key, grave) = self.all.remove_oldest(than)?;
        self.leave(&key, &grave);
        Some(key)
    }

    /// The newest of an account, the newest first, none from before a time.
    pub(super) fn newest(&self, account: &Key, since: i64, most: usize) -> Vec<Vec<u8>> {
        let own = self.of_account.get(account);
        let own = own.into_iter().flatten().rev();
        own.take_while(|(at, _)| *at >= since)
            .filter_map(|(_, key)| Some(self.all.get(key)?.object.clone()))
            .take(most)
            .collect()
    }

    fn remove(&mut self, key: &Key) {
        if let Some(grave) = self.all.remove(key) {
            self.leave(key, &grave);
        }
    }

    fn leave(&mut self, key: &Key, grave: &Grave) {
        if let Some(own) = self.of_account.get_mut(&grave.account) {
            own.remove(&(grave.at, *key));
            if own.is_empty() {
                self.of_account.remove(&grave.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        let mut key = Key::default();
        key[..4].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn grave(account: u32, at: i64) -> Arc<Grave> {
        Arc::new(Grave {
            at,
            account: key(account),
            object: at.to_be_bytes().to_vec(),
        })
    }

    #[test]
    fn the_newest_of_an_account_come_first() {
        let mut graves = Graves::new();
        for (number, account, at) in [(1, 7, 10), (2, 8, 20), (3, 7, 30), (4, 7, 20)] {
            assert_eq!(graves.insert(key(number), grave(account, at)), [[0; 16]; 0]);
        }
        let newest = |graves: &Graves, since, most| -> Vec<i64> {
            let objects = graves.newest(&key(7), since, most).into_iter();
            objects
                .map(|object| i64::from_be_bytes(object.try_into().unwrap()))
                .collect()
        };
        assert_eq!(newest(&graves, 0, 9), [30, 20, 10]);
        assert_eq!(newest(&graves, 20, 9), [30, 20]);
        assert_eq!(newest(&graves, 0, 1), [30]);
        graves.insert(key(3), grave(7, 15));
        assert_eq!(newest(&graves, 0, 9), [20, 15, 10]);
        assert_eq!(graves.remove_oldest(11), Some(key(1)));
        assert_eq!(graves.remove_oldest(11), None);
        assert_eq!(newest(&graves, 0, 9), [20, 15]);
    }

    #[test]
    fn an_account_that_deletes_a_lot_forgets_its_own() {
        let mut graves = Graves::new();
        graves.insert(key(0), grave(8, 0));
        for number in 1..=MOST_OF_ONE {
            let number = u32::try_from(number).unwrap();
            assert!(
                graves
                    .insert(key(number), grave(7, i64::from(number)))
                    .is_empty()
            );
        }
        let gone = graves.insert(key(u32::MAX), grave(7, i64::from(u32::MAX)));
        assert_eq!(gone, [key(1)]);
        assert_eq!(graves.newest(&key(7), 0, usize::MAX).len(), MOST_OF_ONE);
        assert_eq!(graves.newest(&key(8), 0, 9).len(), 1);
    }
}
