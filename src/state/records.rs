//! All that is known, in memory: what both state stores answer from. A method that changes something says which records it
//! touched; what became of each is looked up with its key.

use std::{collections::HashMap, mem, sync::Arc};

use chrono::{DateTime, Utc};

use super::{
    CORRELATED_FOR, Correlated, Move, Moved, Moving,
    aged::{Aged, Record},
    key::{Key, key},
    revisions::{HIGHEST, Revisions},
};

/// Counters kept, some 80 bytes each.
pub(super) const MOST_REVISIONS: usize = 500_000;
/// Aliases kept, some 300 bytes each.
const MOST_ALIASES: usize = 250_000;
/// Creations kept, some 400 bytes each.
const MOST_CORRELATED: usize = 1_000_000;
/// Moves kept of which it is not known what came of them; there are more only when nobody comes back.
const MOST_MOVES: usize = 10_000;
/// Bytes of them.
const MOST_MOVE_BYTES: usize = 64 << 20;
/// Bytes of aliases, and of creations: a bound for paths of any length.
const MOST_BYTES: usize = 512 << 20;
/// Creations that are forgotten at one call because of their age: more than come with it, and soon done.
const EXPIRED_AT_ONCE: usize = 64;

/// What an entity is shown and found as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alias {
    /// When it was made, in microseconds since 1970.
    pub(super) at: i64,
    /// Key of `found` in its account.
    pub(super) found_key: Key,
    pub(super) shown: Vec<u8>,
    pub(super) found: Vec<u8>,
    /// What `lastModSeq` is above what the store counts.
    pub(super) offset: u64,
}

/// A move, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// Key of the account.
    pub(super) account: Key,
    pub(super) moving: Move,
}

impl Record for Alias {
    fn at(&self) -> i64 {
        self.at
    }

    fn weight(&self) -> usize {
        mem::size_of::<Self>() + self.shown.len() + self.found.len()
    }
}

impl Record for Intent {
    fn at(&self) -> i64 {
        self.moving.at.timestamp_micros()
    }

    fn weight(&self) -> usize {
        let Move {
            from, to, objects, ..
        } = &self.moving;
        mem::size_of::<Self>() + from.len() + to.len() + objects.len() * mem::size_of::<Moving>()
    }
}

impl Record for Correlated {
    fn at(&self) -> i64 {
        self.at.timestamp_micros()
    }

    fn weight(&self) -> usize {
        let outcome = self
            .outcome
            .as_ref()
            .map_or(0, |outcome| outcome.object.len() + outcome.path.len());
        mem::size_of::<Self>() + self.nonce.len() + self.folder.len() + outcome
    }
}

#[derive(Debug)]
pub(super) struct Records {
    pub(super) revisions: Revisions,
    /// By key of what is shown.
    aliases: Aged<Alias>,
    /// From key of what is found to key of what is shown.
    shown: HashMap<Key, Key>,
    correlated: Aged<Correlated>,
    moves: Aged<Intent>,
    /// By key of the account.
    moves_of: HashMap<Key, Vec<Key>>,
}

impl Records {
    /// Nothing; counters go on above `counter`.
    pub(super) fn new(counter: u64) -> Self {
        Self {
            revisions: Revisions::new(counter, MOST_REVISIONS),
            aliases: Aged::new(MOST_ALIASES, MOST_BYTES),
            shown: HashMap::new(),
            correlated: Aged::new(MOST_CORRELATED, MOST_BYTES),
            moves: Aged::new(MOST_MOVES, MOST_MOVE_BYTES),
            moves_of: HashMap::new(),
        }
    }

    pub(super) fn add_alias(
        &mut self,
        account: &str,
        shown: &[u8],
        found: &[u8],
        offset: u64,
        now: DateTime<Utc>,
    ) -> Vec<Key> {
        let shown_key = key(account, shown);
        let found_key = key(account, found);
        let mut touched = vec![shown_key];
        self.remove_alias(&shown_key);
        if let Some(other) = self.shown.get(&found_key).copied() {
            self.remove_alias(&other);
            touched.push(other);
        }
        if shown != found {
            let alias = Alias {
                at: now.timestamp_micros(),
                found_key,
                shown: shown.to_vec(),
                found: found.to_vec(),
                offset,
            };
            touched.extend(self.remember_alias(shown_key, Arc::new(alias)));
        }
        touched
    }

    /// Adds the aliases of objects that were moved.
    pub(super) fn add_moved(
        &mut self,
        account: &str,
        moved: &[Moved],
        now: DateTime<Utc>,
    ) -> Vec<Key> {
        let mut touched = Vec::with_capacity(moved.len());
        for one in moved {
            touched.extend(self.add_alias(account, &one.shown, &one.found, one.offset, now));
        }
        touched
    }

    /// Adds an alias; the keys of those that had to go for it.
    pub(super) fn remember_alias(&mut self, shown_key: Key, alias: Arc<Alias>) -> Vec<Key> {
        self.shown.insert(alias.found_key, shown_key);
        let forgotten = self.aliases.insert(shown_key, alias);
        for (_, alias) in &forgotten {
            self.shown.remove(&alias.found_key);
        }
        forgotten.into_iter().map(|(key, _)| key).collect()
    }

    fn remove_alias(&mut self, shown_key: &Key) {
        if let Some(alias) = self.aliases.remove(shown_key) {
            self.shown.remove(&alias.found_key);
        }
    }

    pub(super) fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>> {
        let alias = self.alias(&key(account, shown))?;
        Some(alias.found.clone())
    }

    pub(super) fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>> {
        let alias = self.alias(self.shown.get(&key(account, found))?)?;
        Some(alias.shown.clone())
    }

    pub(super) fn offset(&self, account: &str, shown: &[u8]) -> u64 {
        let alias = self.alias(&key(account, shown));
        alias.map_or(0, |alias| alias.offset)
    }

    pub(super) fn alias(&self, shown_key: &Key) -> Option<&Arc<Alias>> {
        self.aliases.get(shown_key)
    }

    /// Adds a move; the keys of all that this has changed.
    pub(super) fn intend_move(&mut self, account: &str, moving: Move) -> Vec<Key> {
        let intent = Intent {
            account: key(account, b""),
            moving,
        };
        let key = key(account, &intent.moving.id);
        let mut touched = vec![key];
        touched.extend(self.remember_move(key, Arc::new(intent)));
        touched
    }

    /// Adds a move; the keys of those that had to go for it.
    pub(super) fn remember_move(&mut self, key: Key, intent: Arc<Intent>) -> Vec<Key> {
        let of_account = self.moves_of.entry(intent.account).or_default();
        if !of_account.contains(&key) {
            of_account.push(key);
        }
        let forgotten = self.moves.insert(key, intent);
        for (key, intent) in &forgotten {
            self.leave_account(key, intent);
        }
        forgotten.into_iter().map(|(key, _)| key).collect()
    }

    /// Whether there was one.
    pub(super) fn forget_move(&mut self, key: &Key) -> bool {
        let Some(intent) = self.moves.remove(key) else {
            return false;
        };
        self.leave_account(key, &intent);
        true
    }

    fn leave_account(&mut self, key: &Key, intent: &Intent) {
        if let Some(of_account) = self.moves_of.get_mut(&intent.account) {
            of_account.retain(|other| other != key);
            if of_account.is_empty() {
                self.moves_of.remove(&intent.account);
            }
        }
    }

    pub(super) fn moves(&self, account: &str) -> Vec<Move> {
        if self.moves_of.is_empty() {
            return Vec::new();
        }
        let of_account = self.moves_of.get(&key(account, b""));
        let intents = of_account
            .into_iter()
            .flatten()
            .filter_map(|key| self.moves.get(key));
        let mut moves: Vec<Move> = intents.map(|intent| intent.moving.clone()).collect();
        moves.sort_by_key(|moving| moving.at);
        moves
    }

    pub(super) fn intent(&self, key: &Key) -> Option<&Arc<Intent>> {
        self.moves.get(key)
    }

    /// A creation that is young enough.
    pub(super) fn correlated(&self, key: &Key, now: DateTime<Utc>) -> Option<&Arc<Correlated>> {
        self.creation(key).filter(|record| record.at >= oldest(now))
    }

    /// A creation of any age.
    pub(super) fn creation(&self, key: &Key) -> Option<&Arc<Correlated>> {
        self.correlated.get(key)
    }

    /// Adds a creation or replaces it, and forgets some that are too old.
    pub(super) fn correlate(
        &mut self,
        key: Key,
        record: Arc<Correlated>,
        now: DateTime<Utc>,
    ) -> Vec<Key> {
        let mut touched = vec![key];
        touched.extend(self.remember_creation(key, record));
        let oldest = oldest(now).timestamp_micros();
        let expired = std::iter::from_fn(|| self.correlated.remove_oldest(oldest));
        touched.extend(expired.take(EXPIRED_AT_ONCE).map(|(key, _)| key));
        touched
    }

    /// Adds a creation; the keys of those that had to go for it.
    pub(super) fn remember_creation(&mut self, key: Key, record: Arc<Correlated>) -> Vec<Key> {
        let forgotten = self.correlated.insert(key, record);
        forgotten.into_iter().map(|(key, _)| key).collect()
    }

    /// Whether there was one.
    pub(super) fn forget_creation(&mut self, key: &Key) -> bool {
        self.correlated.remove(key).is_some()
    }
}

/// The time before which a creation is forgotten.
pub(super) fn oldest(now: DateTime<Utc>) -> DateTime<Utc> {
    now - CORRELATED_FOR
}

/// Where counters begin: the time of day in microseconds is above whatever an earlier process gave out.
pub(super) fn first_counter(now: DateTime<Utc>) -> u64 {
    u64::try_from(now.timestamp_micros())
        .unwrap_or(0)
        .min(HIGHEST)
}
