//! What has changed in a box, in the order in which it was seen: what all its subscriptions are told from.
//!
//! * One entry for each thing that has changed: a new change takes the place of the one before, at the end.
//! * A subscription remembers how far it has read; what it has not read yet is its queue.
//! * A bounded number of entries. What had to go is said: who has not read it cannot be told what happened.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::store::Change;

/// What tells a journal from all others: random.
pub(super) type JournalId = [u8; 16];

/// Entries that are kept after all subscriptions have read them, for who comes back with an older `restartToken`.
const READ: usize = 1000;

/// More than a process can have numbered that the state has not seen.
const UNSEEN: u64 = 1 << 24;

/// See the module.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) id: JournalId,
    /// Number of the newest entry there has been.
    head: u64,
    /// Up to this number entries were forgotten that no newer one stands for.
    forgotten: u64,
    entries: BTreeMap<u64, Entry>,
    by_entity: HashMap<Vec<u8>, u64>,
    most: usize,
}

/// What has happened to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) number: u64,
    pub(super) change: Change,
    /// Number of the entry that told of its creation, if that is still to be told to somebody.
    pub(super) created: Option<u64>,
    /// When it was heard of.
    #[serde(skip)]
    pub(super) heard: Option<Instant>,
}

/// What an addition has done, for the state.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// Entities that have another entry now, or none.
    pub(super) touched: Vec<Vec<u8>>,
    /// Entries that are new.
    pub(super) count: usize,
}

/// Where a journal stands: what is kept of it beside its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) id: JournalId,
    pub(super) head: u64,
    pub(super) forgotten: u64,
}

impl Journal {
    /// Empty, with at most so many entries.
    pub(super) fn new(most: usize) -> Self {
        let standing = Standing {
            id: *uuid::Uuid::new_v4().as_bytes(),
            head: 0,
            forgotten: 0,
        };
        Self::of(standing, Vec::new(), most)
    }

    /// As an earlier process has kept it. That may have given out numbers which the state has not seen: those stand for what is found
    /// out again, under other numbers.
    pub(super) fn taken_up(standing: Standing, entries: Vec<Entry>, most: usize) -> Self {
        let mut journal = Self::of(standing, entries, most);
        journal.head += UNSEEN;
        journal
    }

    fn of(standing: Standing, entries: Vec<Entry>, most: usize) -> Self {
        let mut journal = Self {
            id: standing.id,
            head: standing.head,
            forgotten: standing.forgotten,
            entries: BTreeMap::new(),
            by_entity: HashMap::new(),
            most,
        };
        for entry in entries {
            journal.head = journal.head.max(entry.number);
            let entity = entry.change.entity().to_vec();
            journal.by_entity.insert(entity, entry.number);
            journal.entries.insert(entry.number, entry);
        }
        journal
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            id: self.id,
            head: self.head,
            forgotten: self.forgotten,
        }
    }

    /// Number of the newest entry.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Whether nothing that came after this number was forgotten.
    pub(super) fn reaches(&self, number: u64) -> bool {
        (self.forgotten..=self.head).contains(&number)
    }

    /// The entries after a number, the oldest first.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.range(number + 1..).map(|(_, entry)| entry)
    }

    /// The entry about something.
    pub(super) fn about(&self, entity: &[u8]) -> Option<&Entry> {
        self.entries.get(self.by_entity.get(entity)?)
    }

    /// Adds changes, but for what is known already.
    pub(super) fn add(&mut self, changes: Vec<Change>, heard: Instant) -> Added {
        let mut added = Added::default();
        for change in changes {
            let before = self.about(change.entity());
            if before.is_some_and(|before| says_the_same(&before.change, &change)) {
                continue;
            }
            let entity = change.entity().to_vec();
            let before = self.by_entity.remove(&entity);
            let before = before.and_then(|number| self.entries.remove(&number));
            self.head += 1;
            let created = match &change {
                Change::Object(now) if now.created => Some(self.head),
                Change::Object(_) => before.as_ref().and_then(|before| before.created),
                Change::ObjectGone(_) | Change::Folder(_) | Change::FolderGone(_) => None,
            };
            let change = with_correlation(change, before.map(|before| before.change));
            self.by_entity.insert(entity.clone(), self.head);
            let entry = Entry {
                number: self.head,
                change,
                created,
                heard: Some(heard),
            };
            self.entries.insert(self.head, entry);
            added.touched.push(entity);
            added.count += 1;
            if self.entries.len() > self.most {
                added.touched.extend(self.forget_oldest());
            }
        }
        added
    }

    /// Forgets everything: who has not read to the end is to read the box anew.
    pub(super) fn overflow(&mut self) -> Added {
        self.head += 1;
        self.forgotten = self.head;
        self.entries.clear();
        let touched = self.by_entity.drain().map(|(entity, _)| entity).collect();
        Added { touched, count: 1 }
    }

    /// Forgets what all have read, but for the newest of it.
    pub(super) fn trim(&mut self, read: u64) -> Vec<Vec<u8>> {
        let mut touched = Vec::new();
        let mut left = self.entries.range(..=read).count();
        while left > READ {
            touched.extend(self.forget_oldest());
            left -= 1;
        }
        touched
    }

    fn forget_oldest(&mut self) -> Option<Vec<u8>> {
        let (number, entry) = self.entries.pop_first()?;
        self.forgotten = number;
        let entity = entry.change.entity().to_vec();
        self.by_entity.remove(&entity);
        Some(entity)
    }
}

/// Whether a change tells nothing that was not told before.
fn says_the_same(before: &Change, now: &Change) -> bool {
    match (before, now) {
        (Change::Object(before), Change::Object(now)) => {
            let flags = |flags: &[String]| {
                let flags = flags
                    .iter()
                    .filter(|flag| !flag.eq_ignore_ascii_case("\\Recent"));
                let mut flags: Vec<String> = flags.cloned().collect();
                flags.sort();
                flags
            };
            before.last_mod_seq >= now.last_mod_seq
                && before.parent == now.parent
                && flags(&before.flags) == flags(&now.flags)
        }
        (Change::Folder(before), Change::Folder(now)) => before == now,
        (Change::ObjectGone(_), Change::ObjectGone(_))
        | (Change::FolderGone(_), Change::FolderGone(_)) => true,
        (
            Change::Object(_) | Change::ObjectGone(_) | Change::Folder(_) | Change::FolderGone(_),
            _,
        ) => false,
    }
}

/// What is gone had what it had when it was heard of last.
fn with_correlation(change: Change, before: Option<Change>) -> Change {
    match (change, before) {
        (Change::ObjectGone(mut gone), Some(Change::Object(before))) => {
            gone.correlation_id = gone.correlation_id.or(before.correlation_id);
            gone.correlation_tag = gone.correlation_tag.or(before.correlation_tag);
            // Whatever is counted: the last that is said of something is above all before it.
            gone.last_mod_seq = gone.last_mod_seq.max(before.last_mod_seq + 1);
            Change::ObjectGone(gone)
        }
        (change, _) => change,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Gone, ObjectNow};

    fn object(id: u8, last_mod_seq: u64, flags: &[&str]) -> Change {
        Change::Object(ObjectNow {
            id: vec![id],
            parent: vec![0],
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            last_mod_seq,
            correlation_id: Some(format!("c{id}")),
            correlation_tag: None,
            created: last_mod_seq == 1,
        })
    }

    fn gone(id: u8, last_mod_seq: u64) -> Change {
        Change::ObjectGone(Gone {
            id: vec![id],
            last_mod_seq,
            correlation_id: None,
            correlation_tag: None,
        })
    }

    fn told(journal: &Journal, after: u64) -> Vec<(u64, u8)> {
        let entries = journal.after(after);
        entries
            .map(|entry| (entry.number, entry.change.entity()[0]))
            .collect()
    }

    #[test]
    fn the_last_change_of_each_is_told_in_the_order_of_changes() {
        let mut journal = Journal::new(10);
        let now = Instant::now();
        journal.add(vec![object(1, 1, &[]), object(2, 1, &[])], now);
        journal.add(vec![object(1, 2, &["a"])], now);
        assert_eq!(told(&journal, 0), [(2, 2), (3, 1)]);
        assert_eq!(told(&journal, 2), [(3, 1)]);
        assert_eq!(journal.about(&[1]).unwrap().created, Some(1));
        assert!(journal.reaches(0) && !journal.reaches(4));
    }

    #[test]
    fn what_is_known_already_is_not_told_again() {
        let mut journal = Journal::new(10);
        let now = Instant::now();
        journal.add(vec![object(1, 3, &["a", "b"])], now);
        let again = vec![
            object(1, 3, &["b", "a", "\\Recent"]),
            object(1, 2, &["a", "b"]),
        ];
        assert_eq!(journal.add(again, now).count, 0);
        journal.add(vec![gone(1, 2)], now);
        let Change::ObjectGone(told) = &journal.about(&[1]).unwrap().change else {
            panic!("not gone");
        };
        assert_eq!(told.correlation_id.as_deref(), Some("c1"));
        assert_eq!(told.last_mod_seq, 4);
        assert_eq!(journal.add(vec![gone(1, 9)], now).count, 0);
    }

    #[test]
    fn who_has_not_read_what_was_forgotten_is_known() {
        let mut journal = Journal::new(3);
        let now = Instant::now();
        for id in 1..=4 {
            journal.add(vec![object(id, 1, &[])], now);
        }
        assert_eq!(told(&journal, 0), [(2, 2), (3, 3), (4, 4)]);
        assert!(!journal.reaches(0) && journal.reaches(1));
        journal.overflow();
        assert_eq!(told(&journal, 0), []);
        assert!(!journal.reaches(4) && journal.reaches(5));
    }

    #[test]
    fn a_number_that_was_lost_with_a_process_is_not_given_again() {
        let mut journal = Journal::new(10);
        let now = Instant::now();
        journal.add(vec![object(1, 1, &[])], now);
        let kept = (journal.standing(), journal.after(0).cloned().collect());
        journal.add(vec![object(2, 1, &[])], now);
        let lost = journal.head();
        let mut again = Journal::taken_up(kept.0, kept.1, 10);
        again.add(vec![object(3, 1, &[]), object(2, 1, &[])], now);
        assert!(again.reaches(lost));
        let told: Vec<u8> = again
            .after(lost)
            .map(|entry| entry.change.entity()[0])
            .collect();
        assert_eq!(told, [3, 2]);
        assert_eq!(again.after(0).count(), 3);
    }

    #[test]
    fn only_so_much_is_kept_of_what_all_have_read() {
        let mut journal = Journal::new(5000);
        let changes = (0..3000_u32).map(|number| {
            Change::FolderGone(Gone {
                id: number.to_be_bytes().to_vec(),
                last_mod_seq: 1,
                correlation_id: None,
                correlation_tag: None,
            })
        });
        journal.add(changes.collect(), Instant::now());
        assert_eq!(journal.trim(2500).len(), 1500);
        assert_eq!(journal.trim(2500).len(), 0);
        assert!(journal.reaches(1500) && !journal.reaches(1499));
        assert_eq!(journal.entries.len(), 1500);
    }
}
