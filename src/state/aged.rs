//! Records of which the oldest go when there are too many, or too many bytes of them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::key::Key;

/// What is kept so.
pub(super) trait Record {
    /// When it came to be, in microseconds since 1970.
    fn at(&self) -> i64;
    /// Bytes it takes, roughly.
    fn weight(&self) -> usize;
}

#[derive(Debug)]
pub(super) struct Aged<R> {
    by_key: HashMap<Key, Arc<R>>,
    by_age: BTreeSet<(i64, Key)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

impl<R: Record> Aged<R> {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            by_key: HashMap::new(),
            by_age: BTreeSet::new(),
            bytes: 0,
            most,
            most_bytes,
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<R>> {
        self.by_key.get(key)
    }

    /// Adds a record or replaces it; what had to go for it, which may be itself.
    pub(super) fn insert(&mut self, key: Key, record: Arc<R>) -> Vec<(Key, Arc<R>)> {
        self.remove(&key);
        self.bytes += record.weight();
        self.by_age.insert((record.at(), key));
        self.by_key.insert(key, record);
        let mut forgotten = Vec::new();
        while self.by_key.len() > self.most || self.bytes > self.most_bytes {
            let Some(oldest) = self.remove_oldest(i64::MAX) else {
                break;
            };
            forgotten.push(oldest);
        }
        forgotten
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<R>> {
        let record = self.by_key.remove(key)?;
        self.by_age.remove(&(record.at(), *key));
        self.bytes -= record.weight();
        Some(record)
    }

    /// Removes the oldest record, if it is older than a time.
    pub(super) fn remove_oldest(&mut self, than: i64) -> Option<(Key, Arc<R>)> {
        let (_, key) = *self.by_age.first().filter(|(at, _)| *at < than)?;
        Some((key, self.remove(&key)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Sized(i64, usize);

    impl Record for Sized {
        fn at(&self) -> i64 {
            self.0
        }
        fn weight(&self) -> usize {
            self.1
        }
    }

    fn keys(records: &[(Key, Arc<Sized>)]) -> Vec<u8> {
        records.iter().map(|(key, _)| key[0]).collect()
    }

    #[test]
    fn the_oldest_go_by_number_and_by_bytes() {
        let mut aged = Aged::new(3, 100);
        for (number, at) in [(1, 30), (2, 10), (3, 20)] {
            let forgotten = aged.insert([number; 16], Arc::new(Sized(at, 20)));
            assert!(forgotten.is_empty());
        }
        assert_eq!(keys(&aged.insert([4; 16], Arc::new(Sized(40, 20)))), [2]);
        assert_eq!(keys(&aged.insert([1; 16], Arc::new(Sized(50, 90)))), [3, 4]);
        assert_eq!(
            keys(&aged.insert([5; 16], Arc::new(Sized(60, 101)))),
            [1, 5]
        );
        assert_eq!(
            (aged.bytes, aged.by_key.len(), aged.by_age.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn only_what_is_older_is_removed_as_such() {
        let mut aged = Aged::new(3, 100);
        aged.insert([1; 16], Arc::new(Sized(10, 1)));
        assert_eq!(aged.remove_oldest(10), None);
        assert_eq!(
            aged.remove_oldest(11),
            Some(([1; 16], Arc::new(Sized(10, 1))))
        );
    }
}
