//! What is not in the file yet.

use std::{collections::HashMap, mem, sync::Arc};

use crate::state::{
    Correlated, Note, NoteKind,
    graves::Grave,
    key::Key,
    records::{Alias, Intent, Made},
    revisions::{Change, HIGHEST, Shown},
};

/// Values reserved at a time: a second's worth of microseconds, so that counters stay near the clock however often the process
/// starts, and more than can be given out while a transaction is written.
const BLOCK: u64 = 1 << 20;
/// Changes that wait to be written. So many come together only when the disk stands still.
const MOST_UNWRITTEN: usize = 1_000_000;

/// What one transaction writes. `None` removes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) revisions: HashMap<Key, Write>,
    pub(super) aliases: HashMap<Key, Option<Arc<Alias>>>,
    pub(super) correlated: HashMap<Key, Option<Arc<Correlated>>>,
    pub(super) made: HashMap<Key, Option<Made>>,
    pub(super) graves: HashMap<Key, Option<Arc<Grave>>>,
    pub(super) moves: HashMap<Key, Option<Arc<Intent>>>,
    pub(super) notes: HashMap<Key, Option<Kept>>,
    /// Values up to this may be given out once it is written.
    pub(super) reserved: Option<u64>,
    /// Whether it holds anything that is waited for.
    awaited: bool,
}

/// A note on its way to the file, or from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) kind: NoteKind,
    pub(super) content: Arc<[u8]>,
}

/// A revision on its way to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) shown: Option<Shown>,
    /// The file may hold another one for the same key.
    pub(super) replaces: bool,
}

impl Batch {
    /// Reserves values above a counter.
    pub(super) fn reserving(counter: u64) -> Self {
        Self {
            reserved: Some((counter + BLOCK).min(HIGHEST)),
            ..Self::default()
        }
    }

    fn len(&self) -> usize {
        let good_to_know = self.made.len() + self.graves.len();
        let waited_for = self.revisions.len() + self.aliases.len() + self.correlated.len();
        waited_for + self.moves.len() + self.notes.len() + good_to_know
    }

    fn is_empty(&self) -> bool {
        self.len() == 0 && self.reserved.is_none()
    }

    fn replaces(&self, key: &Key) -> bool {
        self.revisions.get(key).is_some_and(|write| write.replaces)
    }

    /// Removes a record that the file has and memory has not.
    pub(super) fn remove_revision(&mut self, key: Key) {
        let write = Write {
            shown: None,
            replaces: true,
        };
        self.revisions.insert(key, write);
    }
}

#[derive(Debug)]
pub(super) struct Journal {
    pending: Batch,
    /// The transaction being written; empty when there is none.
    in_flight: Arc<Batch>,
    /// Number of the transaction that `pending` will be.
    number: u64,
    /// Values up to this may be given out.
    reserved: u64,
    /// Somebody waits for `pending`, or it reserves values.
    wanted: bool,
    /// More came than can be kept.
    lost: bool,
}

/// What the writer has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    /// There is nothing to write.
    pub(super) empty: bool,
    /// Somebody waits for it.
    pub(super) wanted: bool,
    /// Changes were left out: the file can no longer follow.
    pub(super) lost: bool,
}

impl Journal {
    /// Of a file that has reserved values up to this one.
    pub(super) fn new(reserved: u64) -> Self {
        Self {
            pending: Batch::default(),
            in_flight: Arc::default(),
            number: 1,
            reserved,
            wanted: false,
            lost: false,
        }
    }

    pub(super) fn revision(&mut self, key: Key, digest: u64, value: u64, change: Change) {
        if !self.has_room() {
            return;
        }
        let known = |batch: &Batch| batch.revisions.contains_key(&key);
        // What is on its way may arrive, even of a write that fails.
        let replaces = change.replaces || known(&self.pending) || known(&self.in_flight);
        let shown = Some(Shown { digest, value });
        self.pending
            .revisions
            .insert(key, Write { shown, replaces });
        self.pending.awaited |= replaces;
        if let Some(forgotten) = change.forgotten {
            self.pending.remove_revision(forgotten);
        }
        let asked = self.pending.reserved.or(self.in_flight.reserved);
        if asked.is_none() && value + BLOCK / 2 > self.reserved {
            self.pending.reserved = Some((value + BLOCK).min(HIGHEST));
            self.pending.awaited = true;
            self.wanted = true;
        }
    }

    pub(super) fn alias(&mut self, key: Key, alias: Option<Arc<Alias>>) {
        if self.has_room() {
            self.pending.aliases.insert(key, alias);
            self.pending.awaited = true;
        }
    }

    pub(super) fn correlated(&mut self, key: Key, record: Option<Arc<Correlated>>) {
        if self.has_room() {
            self.pending.correlated.insert(key, record);
            self.pending.awaited = true;
        }
    }

    /// Nobody waits for it.
    pub(super) fn made(&mut self, key: Key, made: Option<Made>) {
        if self.has_room() {
            self.pending.made.insert(key, made);
        }
    }

    /// Nobody waits for it.
    pub(super) fn grave(&mut self, key: Key, grave: Option<Arc<Grave>>) {
        if self.has_room() {
            self.pending.graves.insert(key, grave);
        }
    }

    pub(super) fn moving(&mut self, key: Key, intent: Option<Arc<Intent>>) {
        if self.has_room() {
            self.pending.moves.insert(key, intent);
            self.pending.awaited = true;
        }
    }

    pub(super) fn note(&mut self, key: Key, note: Note) {
        if self.has_room() {
            let kept = |content: Vec<u8>| Kept {
                kind: note.kind,
                content: content.into(),
            };
            self.pending.notes.insert(key, note.content.map(kept));
            self.pending.awaited |= note.awaited;
        }
    }

    /// Whether no restart can bring back a lower value for the key.
    pub(super) fn is_settled(&self, key: &Key, value: u64) -> bool {
        !self.lost
            && value <= self.reserved
            && !self.pending.replaces(key)
            && !self.in_flight.replaces(key)
    }

    /// The number of the transaction that holds all that is waited for; it is asked for.
    pub(super) fn want(&mut self) -> Option<u64> {
        if self.pending.awaited {
            self.wanted = true;
            return Some(self.number);
        }
        self.in_flight.awaited.then(|| self.number - 1)
    }

    pub(super) fn status(&self) -> Status {
        Status {
            empty: self.pending.is_empty(),
            wanted: self.wanted,
            lost: self.lost,
        }
    }

    /// The next transaction; `None` when there is nothing to write.
    pub(super) fn take(&mut self) -> Option<Arc<Batch>> {
        if self.pending.is_empty() || self.lost {
            return None;
        }
        self.in_flight = Arc::new(mem::take(&mut self.pending));
        self.number += 1;
        self.wanted = false;
        Some(Arc::clone(&self.in_flight))
    }

    /// The transaction taken last is in the file; its number.
    pub(super) fn written(&mut self) -> u64 {
        let written = mem::take(&mut self.in_flight);
        self.reserved = written.reserved.unwrap_or(self.reserved);
        self.number - 1
    }

    /// The transaction taken last is not in the file, or not for certain: all of it goes into the next one.
    pub(super) fn failed(&mut self) {
        let failed = mem::take(&mut self.in_flight);
        for (key, write) in &failed.revisions {
            self.pending.revisions.entry(*key).or_insert(*write);
        }
        for (key, alias) in &failed.aliases {
            let entry = self.pending.aliases.entry(*key);
            entry.or_insert_with(|| alias.clone());
        }
        for (key, record) in &failed.correlated {
            let entry = self.pending.correlated.entry(*key);
            entry.or_insert_with(|| record.clone());
        }
        for (key, made) in &failed.made {
            self.pending.made.entry(*key).or_insert(*made);
        }
        for (key, grave) in &failed.graves {
            let entry = self.pending.graves.entry(*key);
            entry.or_insert_with(|| grave.clone());
        }
        for (key, intent) in &failed.moves {
            let entry = self.pending.moves.entry(*key);
            entry.or_insert_with(|| intent.clone());
        }
        for (key, kept) in &failed.notes {
            let entry = self.pending.notes.entry(*key);
            entry.or_insert_with(|| kept.clone());
        }
        self.pending.reserved = self.pending.reserved.max(failed.reserved);
        self.pending.awaited |= failed.awaited;
    }

    fn has_room(&mut self) -> bool {
        self.lost |= self.pending.len() >= MOST_UNWRITTEN;
        !self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [1; 16];
    const OTHER: Key = [2; 16];

    fn journal() -> Journal {
        Journal::new(10 * BLOCK)
    }

    fn first(forgotten: Option<Key>) -> Change {
        Change {
            replaces: false,
            forgotten,
        }
    }

    #[test]
    fn only_what_must_not_be_lost_is_waited_for() {
        let mut journal = journal();
        assert_eq!(journal.want(), None);
        journal.revision(KEY, 1, 1, first(None));
        assert_eq!(journal.want(), None);
        journal.alias(OTHER, None);
        assert_eq!(journal.want(), Some(1));
        assert!(journal.take().is_some());
        assert_eq!(journal.want(), Some(1), "on its way");
        journal.correlated(KEY, None);
        assert_eq!(journal.want(), Some(2));
        assert_eq!(journal.written(), 1);
        assert!(journal.take().is_some());
        assert_eq!(journal.written(), 2);
        assert_eq!(journal.want(), None);
        assert!(journal.take().is_none());
    }

    #[test]
    fn notes_are_waited_for_when_that_is_said_and_come_again_when_they_failed() {
        let note = |name: &str, content: &[u8], awaited| Note {
            kind: NoteKind::Entry,
            scope: "cpm/a".to_owned(),
            name: name.into(),
            content: Some(content.to_vec()),
            awaited,
        };
        let content = |batch: &Batch, key| batch.notes[key].clone().unwrap().content.to_vec();
        let mut journal = journal();
        journal.note(KEY, note("a", b"1", false));
        assert_eq!(journal.want(), None);
        journal.note(OTHER, note("b", b"1", true));
        assert_eq!(journal.want(), Some(1));
        journal.take();
        journal.note(KEY, note("a", b"2", false));
        journal.failed();
        let again = journal.take().unwrap();
        assert_eq!(
            (content(&again, &KEY), content(&again, &OTHER)),
            (b"2".to_vec(), b"1".to_vec())
        );
    }

    #[test]
    fn a_record_that_is_removed_is_on_the_disk_until_that_is_written() {
        let mut journal = journal();
        journal.revision(KEY, 1, 1, first(None));
        assert!(journal.is_settled(&KEY, 1));
        journal.revision(OTHER, 1, 2, first(Some(KEY)));
        assert!(journal.is_settled(&OTHER, 2));
        journal.take();
        // Asked for again: the file may hold the old one until both are written.
        journal.revision(KEY, 2, 3, first(None));
        assert!(!journal.is_settled(&KEY, 3));
        journal.written();
        assert!(!journal.is_settled(&KEY, 3));
        assert_eq!(journal.want(), Some(2));
        journal.take();
        assert!(!journal.is_settled(&KEY, 3));
        journal.written();
        assert!(journal.is_settled(&KEY, 3));
    }

    #[test]
    fn a_transaction_that_failed_comes_again_under_what_came_since() {
        let mut journal = journal();
        let shown = |value| Some(Shown { digest: 7, value });
        journal.revision(KEY, 7, 1, first(None));
        journal.revision(OTHER, 7, 2, first(None));
        journal.alias(KEY, None);
        journal.take();
        journal.revision(KEY, 7, 3, first(None));
        journal.failed();
        assert!(!journal.is_settled(&KEY, 3), "the first may be in the file");
        assert_eq!(journal.want(), Some(2));
        let again = journal.take().unwrap();
        assert_eq!(again.revisions[&KEY].shown, shown(3));
        assert_eq!(again.revisions[&OTHER].shown, shown(2));
        assert!(again.aliases.contains_key(&KEY));
    }

    #[test]
    fn values_are_reserved_before_they_are_needed() {
        let mut journal = Journal::new(BLOCK);
        journal.revision(KEY, 1, BLOCK / 2, first(None));
        assert!(!journal.status().wanted);
        journal.revision(KEY, 2, BLOCK / 2 + 1, first(None));
        assert!(journal.status().wanted);
        assert!(!journal.is_settled(&OTHER, BLOCK + 1));
        let batch = journal.take().unwrap();
        assert_eq!(batch.reserved, Some(BLOCK / 2 + 1 + BLOCK));
        journal.revision(KEY, 3, BLOCK / 2 + 2, first(None));
        assert!(!journal.status().wanted, "asked for once");
        journal.written();
        assert!(journal.is_settled(&OTHER, BLOCK + 1));
    }

    #[test]
    fn more_changes_than_can_wait_are_not_kept_and_not_settled() {
        let mut journal = journal();
        for number in 0..=MOST_UNWRITTEN as u64 {
            assert!(!journal.status().lost);
            let mut key = KEY;
            key[..8].copy_from_slice(&number.to_be_bytes());
            journal.alias(key, None);
        }
        assert!(journal.status().lost);
        assert_eq!(journal.pending.len(), MOST_UNWRITTEN);
        assert!(!journal.is_settled(&OTHER, 1));
        assert!(journal.take().is_none());
    }
}
