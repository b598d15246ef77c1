//! State in a file: answers from memory, as [`MemoryState`](super::MemoryState), and a thread that writes what changes.
//!
//! * One transaction holds all that came while the one before was written, so that many who wait share one fsync.
//! * A revision may be shown once no restart can bring back a lower one for the same entity: at once when nothing of that entity
//!   can be in the file, else when the file holds the new one. Values are reserved in the file ahead of being given out.
//! * A write that fails is told to all who wait, and to all who come, until the file can be written again.
//! * The file is locked while it is open: no second process writes it.

mod database;
mod journal;
mod open;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use redb::Database;

pub use open::{OpenError, check};

use super::{
    Correlated, Error, Move, MoveId, Moved, Note, NoteKind, Revision, State,
    key::{key, note_key},
    records::Made,
};
use crate::clock;
use open::Identity;
use writer::Shared;

/// `state.url = "file:PATH"`.
pub struct FileState {
    path: PathBuf,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl FileState {
    /// Opens the file, or makes it where there is none, and reads it.
    ///
    /// It has mode 0600; one that others may use is tightened, with a warning. Its directory must exist.
    ///
    /// # Errors
    /// Why the file cannot be used; it is as it was then.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_by(path, open::open).await
    }

    async fn open_by(
        path: &Path,
        open: impl FnOnce(&Path) -> Result<(Database, Identity), OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (shared, writer) = writer::start(path.to_owned(), open).await?;
        Ok(Self {
            path: path.to_owned(),
            shared,
            writer: Mutex::new(Some(writer)),
        })
    }
}

impl fmt::Debug for FileState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FileState")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Drop for FileState {
    /// Waits for the last transaction: the file is free for the next process, or the next test, when the value is gone.
    fn drop(&mut self) {
        self.shared.stop();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // If it panicked it has said so.
            let _ = writer.join();
        }
    }
}

impl State for FileState {
    fn revision(&self, account: &str, entity: &[u8], digest: u64) -> Revision {
        let key = key(account, entity);
        self.shared.change(|records, journal| {
            let given = records.revisions.give(key, digest);
            if let Some(change) = given.change {
                journal.revision(key, digest, given.value, change);
            }
            Revision {
                value: given.value,
                settled: journal.is_settled(&key, given.value),
            }
        })
    }

    fn alias(&self, account: &str, shown: &[u8], found: &[u8]) {
        self.shared.change(|records, journal| {
            for key in records.add_alias(account, shown, found, 0, clock::now()) {
                journal.alias(key, records.alias(&key).cloned());
            }
        });
    }

    fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>> {
        self.shared.read(|records| records.found(account, shown))
    }

    fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>> {
        self.shared.read(|records| records.shown(account, found))
    }

    fn offset(&self, account: &str, shown: &[u8]) -> u64 {
        self.shared.read(|records| records.offset(account, shown))
    }

    fn aliases(&self, _: &str) -> Option<u64> {
        None
    }

    fn intend_move(&self, account: &str, moving: Move) {
        self.shared.change(|records, journal| {
            for key in records.intend_move(account, moving) {
                journal.moving(key, records.intent(&key).cloned());
            }
        });
    }

    fn moves(&self, account: &str) -> Vec<Move> {
        self.shared.read(|records| records.moves(account))
    }

    fn conclude_move(&self, account: &str, id: &MoveId, moved: &[Moved]) {
        let move_key = key(account, id);
        // Under one lock, and so in one transaction.
        self.shared.change(|records, journal| {
            for key in records.add_moved(account, moved, clock::now()) {
                journal.alias(key, records.alias(&key).cloned());
            }
            if records.forget_move(&move_key) {
                journal.moving(move_key, None);
            }
        });
    }

    fn correlated(&self, account: &str, name: &[u8]) -> Option<Correlated> {
        let (key, now) = (key(account, name), clock::now());
        let record = self
            .shared
            .read(|records| records.correlated(&key, now).cloned())?;
        Some(Correlated::clone(&record))
    }

    fn correlate(&self, account: &str, name: &[u8], record: Correlated) {
        let (key, record) = (key(account, name), Arc::new(record));
        self.shared.change(|records, journal| {
            for key in records.correlate(key, record, clock::now()) {
                journal.correlated(key, records.creation(&key).cloned());
            }
        });
    }

    fn forget_correlated(&self, account: &str, name: &[u8]) {
        let key = key(account, name);
        self.shared.change(|records, journal| {
            if records.forget_creation(&key) {
                journal.correlated(key, None);
            }
        });
    }

    fn made(&self, account: &str, entity: &[u8], at: DateTime<Utc>) {
        let (key, made) = (key(account, entity), Made(at.timestamp_micros()));
        self.shared.change(|records, journal| {
            journal.made(key, Some(made));
            for key in records.remember_made(key, made) {
                journal.made(key, None);
            }
        });
    }

    fn made_at(&self, account: &str, entity: &[u8]) -> Option<DateTime<Utc>> {
        let key = key(account, entity);
        let Made(at) = self.shared.read(|records| records.made(&key))?;
        DateTime::from_timestamp_micros(at)
    }

    fn bury(&self, account: &str, objects: &[Vec<u8>]) {
        self.shared.change(|records, journal| {
            for key in records.bury(account, objects, clock::now()) {
                journal.grave(key, records.grave(&key).cloned());
            }
        });
    }

    fn buried(&self, account: &str, most: usize) -> Vec<Vec<u8>> {
        let now = clock::now();
        self.shared
            .read(|records| records.buried(account, most, now))
    }

    fn keep(&self, notes: Vec<Note>) {
        // Under one lock, and so in one transaction.
        self.shared.change(|_, journal| {
            for note in notes {
                journal.note(note_key(&note), note);
            }
        });
    }

    fn take_kept(&self) -> Vec<(NoteKind, Vec<u8>)> {
        self.shared.take_kept()
    }

    fn commit(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.shared.commit())
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.shared.close())
    }
}
