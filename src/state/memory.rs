//! State that lives as long as the process.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use futures_util::future::{self, BoxFuture};

use super::{
    Correlated, Error, Move, MoveId, Moved, Note, NoteKind, Revision, State,
    key::{Key, key},
    records::{Made, Records, first_counter},
};
use crate::clock;

/// Most accounts that are told apart by whether they have aliases; beyond that all count as if they had.
const MOST_ALIASED: usize = 100_000;

/// `state.url = "memory:"`.
#[derive(Debug)]
pub struct MemoryState {
    records: Mutex<Records>,
    /// Accounts that have, or had, aliases.
    aliased: Mutex<HashSet<Key>>,
    /// Random: what tells this process.
    process: u64,
}

impl Default for MemoryState {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryState {
    /// Empty, with the counters at the time of day in microseconds: above whatever an earlier process gave out.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: Mutex::new(Records::new(first_counter(clock::now()))),
            aliased: Mutex::default(),
            process: uuid::Uuid::new_v4().as_u64_pair().0,
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn aliased(&self) -> MutexGuard<'_, HashSet<Key>> {
        self.aliased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_aliases(&self, account: &str) {
        let mut aliased = self.aliased();
        if aliased.len() < MOST_ALIASED {
            aliased.insert(key(account, b""));
        }
    }
}

impl State for MemoryState {
    fn revision(&self, account: &str, entity: &[u8], digest: u64) -> Revision {
        let key = key(account, entity);
        Revision {
            value: self.records().revisions.give(key, digest).value,
            settled: true,
        }
    }

    fn alias(&self, account: &str, shown: &[u8], found: &[u8]) {
        if shown != found {
            self.has_aliases(account);
        }
        self.records()
            .add_alias(account, shown, found, 0, clock::now());
    }

    fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>> {
        self.records().found(account, shown)
    }

    fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>> {
        self.records().shown(account, found)
    }

    fn offset(&self, account: &str, shown: &[u8]) -> u64 {
        self.records().offset(account, shown)
    }

    fn aliases(&self, account: &str) -> Option<u64> {
        let aliased = self.aliased();
        let has = aliased.len() >= MOST_ALIASED || aliased.contains(&key(account, b""));
        has.then_some(self.process)
    }

    fn intend_move(&self, account: &str, moving: Move) {
        self.records().intend_move(account, moving);
    }

    fn moves(&self, account: &str) -> Vec<Move> {
        self.records().moves(account)
    }

    fn conclude_move(&self, account: &str, id: &MoveId, moved: &[Moved]) {
        if !moved.is_empty() {
            self.has_aliases(account);
        }
        let mut records = self.records();
        records.add_moved(account, moved, clock::now());
        records.forget_move(&key(account, id));
    }

    fn correlated(&self, account: &str, name: &[u8]) -> Option<Correlated> {
        let records = self.records();
        let record = records.correlated(&key(account, name), clock::now())?;
        Some(Correlated::clone(record))
    }

    fn correlate(&self, account: &str, name: &[u8], record: Correlated) {
        let key = key(account, name);
        self.records()
            .correlate(key, Arc::new(record), clock::now());
    }

    fn forget_correlated(&self, account: &str, name: &[u8]) {
        self.records().forget_creation(&key(account, name));
    }

    fn made(&self, account: &str, entity: &[u8], at: DateTime<Utc>) {
        let made = Made(at.timestamp_micros());
        self.records().remember_made(key(account, entity), made);
    }

    fn made_at(&self, account: &str, entity: &[u8]) -> Option<DateTime<Utc>> {
        let Made(at) = self.records().made(&key(account, entity))?;
        DateTime::from_timestamp_micros(at)
    }

    fn bury(&self, account: &str, objects: &[Vec<u8>]) {
        self.records().bury(account, objects, clock::now());
    }

    fn buried(&self, account: &str, most: usize) -> Vec<Vec<u8>> {
        self.records().buried(account, most, clock::now())
    }

    fn keep(&self, _: Vec<Note>) {}

    fn take_kept(&self) -> Vec<(NoteKind, Vec<u8>)> {
        Vec::new()
    }

    fn commit(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(future::ready(Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(future::ready(Ok(())))
    }
}
