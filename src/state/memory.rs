//! State that lives as long as the process.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::State;
use crate::clock;

/// Records kept in the younger half; the older half holds as many again.
const MOST_REVISIONS: usize = 250_000;

/// Aliases kept; a box that is renamed this often has other worries.
const MOST_ALIASES: usize = 250_000;

/// `state.url = "memory:"`.
#[derive(Debug)]
pub struct MemoryState {
    inner: Mutex<Inner>,
}

/// (account, entity)
type Key = (String, Vec<u8>);

#[derive(Debug, Clone, Copy)]
struct Revision {
    digest: u64,
    value: u64,
}

#[derive(Debug)]
struct Inner {
    /// One counter for all boxes gives each of them rising values.
    counter: u64,
    /// Two generations: when the younger is full it becomes the older, and what was older is forgotten.
    young: HashMap<Key, Revision>,
    old: HashMap<Key, Revision>,
    found: HashMap<Key, Vec<u8>>,
    shown: HashMap<Key, Vec<u8>>,
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryState {
    /// Empty, with the counter at the time of day in microseconds: above whatever an earlier process gave out.
    #[must_use]
    pub fn new() -> Self {
        let counter = u64::try_from(clock::now().timestamp_micros()).unwrap_or(0);
        let inner = Inner {
            counter,
            young: HashMap::new(),
            old: HashMap::new(),
            found: HashMap::new(),
            shown: HashMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State for MemoryState {
    fn revision(&self, account: &str, entity: &[u8], digest: u64) -> u64 {
        let key = (account.to_owned(), entity.to_vec());
        let mut inner = self.inner();
        if let Some(known) = inner.young.get(&key).filter(|known| known.digest == digest) {
            return known.value;
        }
        let unchanged = inner
            .old
            .get(&key)
            .copied()
            .filter(|known| known.digest == digest);
        let superseded = inner.young.contains_key(&key);
        let revision = match unchanged {
            Some(revision) if !superseded => revision,
            _ => {
                inner.counter += 1;
                Revision {
                    digest,
                    value: inner.counter,
                }
            }
        };
        if inner.young.len() >= MOST_REVISIONS {
            inner.old = std::mem::take(&mut inner.young);
        }
        inner.young.insert(key, revision);
        revision.value
    }

    fn alias(&self, account: &str, shown: &[u8], found: &[u8]) {
        let mut inner = self.inner();
        if inner.found.len() >= MOST_ALIASES {
            tracing::warn!("too many aliases: ids of renamed folders are forgotten");
            inner.found.clear();
            inner.shown.clear();
        }
        let shown_key = (account.to_owned(), shown.to_vec());
        let found_key = (account.to_owned(), found.to_vec());
        if let Some(before) = inner.found.remove(&shown_key) {
            inner.shown.remove(&(account.to_owned(), before));
        }
        if let Some(before) = inner.shown.remove(&found_key) {
            inner.found.remove(&(account.to_owned(), before));
        }
        if shown != found {
            inner.found.insert(shown_key, found.to_vec());
            inner.shown.insert(found_key, shown.to_vec());
        }
    }

    fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>> {
        self.inner()
            .found
            .get(&(account.to_owned(), shown.to_vec()))
            .cloned()
    }

    fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>> {
        self.inner()
            .shown
            .get(&(account.to_owned(), found.to_vec()))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_stays_until_its_digest_changes_and_then_rises() {
        let state = MemoryState::new();
        let first = state.revision("a", b"x", 1);
        assert_eq!(state.revision("a", b"x", 1), first);
        let second = state.revision("a", b"x", 2);
        assert!(second > first);
        assert!(state.revision("a", b"x", 1) > second);
        assert!(second < 1 << 53);
    }

    #[test]
    fn a_forgotten_record_counts_as_changed() {
        let state = MemoryState::new();
        let first = state.revision("a", b"x", 1);
        for number in 0..2 * MOST_REVISIONS as u64 + 2 {
            state.revision("b", &number.to_be_bytes(), 0);
        }
        assert!(state.revision("a", b"x", 1) > first);
        let inner = state.inner();
        assert!(inner.young.len() <= MOST_REVISIONS && inner.old.len() <= MOST_REVISIONS);
    }

    #[test]
    fn an_alias_leads_both_ways_and_follows_the_last_rename() {
        let state = MemoryState::new();
        state.alias("a", b"first", b"second");
        state.alias("a", b"first", b"third");
        assert_eq!(state.found("a", b"first").as_deref(), Some(&b"third"[..]));
        assert_eq!(state.shown("a", b"third").as_deref(), Some(&b"first"[..]));
        assert_eq!(state.shown("a", b"second"), None);
        assert_eq!(state.found("b", b"first"), None);
    }

    #[test]
    fn going_back_to_the_own_name_needs_no_alias() {
        let state = MemoryState::new();
        state.alias("a", b"first", b"second");
        state.alias("a", b"first", b"first");
        assert_eq!(state.found("a", b"first"), None);
        assert_eq!(state.shown("a", b"second"), None);
    }
}
