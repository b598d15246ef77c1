//! What outlives a request and is not mail: the aliases that keep ids over a rename, the counters behind `lastModSeq`, what
//! became of creations that may be asked for again, when folders were made and which objects were deleted.
//!
//! * Nothing here is needed to read mail: a lost record costs a new id or a higher `lastModSeq`, never a wrong answer.
//! * Every answer comes from memory. What must outlive the process is waited for with [`State::commit`].
//! * Everything is bounded, and the oldest goes first.

mod aged;
mod file;
mod graves;
mod key;
mod memory;
mod records;
mod revisions;
#[cfg(test)]
mod tests;

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;

pub use file::{FileState, OpenError, check};
pub use memory::MemoryState;

/// How long a creation is remembered.
pub const CORRELATED_FOR: TimeDelta = TimeDelta::hours(24);
/// How long a deletion is remembered.
pub const BURIED_FOR: TimeDelta = TimeDelta::days(30);

/// What the box layer asks of a state store. Calls are short and do not block on I/O; [`commit`](State::commit) and
/// [`close`](State::close) wait without blocking.
pub trait State: fmt::Debug + Send + Sync {
    /// The counter of an entity of a box: the value given last when the digest is the same, else the next one. Never falls
    /// while the state lives; stays below 2^53, so that JSON readers keep it exact. A forgotten record counts as changed.
    /// Who shows it asks `last_mod_seq` of `dyn State`, which waits where it has to.
    fn revision(&self, account: &str, entity: &[u8], digest: u64) -> Revision;

    /// From now on the entity known as `shown` is found as `found`. Replaces what was known about either.
    fn alias(&self, account: &str, shown: &[u8], found: &[u8]);

    /// As what the entity shown so is found, when it has an alias.
    fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>>;

    /// As what the entity found so is shown, when it has an alias.
    fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>>;

    /// A creation with this key: what was asked, where, and (once known) what came of it. `None` when it is unknown or older
    /// than [`CORRELATED_FOR`].
    fn correlated(&self, account: &str, key: &[u8]) -> Option<Correlated>;

    /// Remembers a creation: its intent first, its outcome later. Replaces what was known of the key.
    fn correlate(&self, account: &str, key: &[u8], record: Correlated);

    /// Forgets a creation: a first attempt that failed is not remembered.
    fn forget_correlated(&self, account: &str, key: &[u8]);

    /// Remembers when an entity was made. Replaces what was known of it.
    fn made(&self, account: &str, entity: &[u8], at: DateTime<Utc>);

    /// When an entity was made, to the microsecond, if that is remembered.
    fn made_at(&self, account: &str, entity: &[u8]) -> Option<DateTime<Utc>>;

    /// Remembers that objects were deleted, by the bytes of their ids; the last is the newest.
    fn bury(&self, account: &str, objects: &[Vec<u8>]);

    /// The objects that were deleted in the last [`BURIED_FOR`], at most so many, the newest first.
    fn buried(&self, account: &str, most: usize) -> Vec<Vec<u8>>;

    /// Waits until what was said before this call outlives the process: aliases, creations, and revisions that replaced
    /// others. What else was said is not waited for: a revision given for the first time counts as changed when it is lost, and
    /// when a folder was made or an object deleted is good to know. In memory: at once.
    ///
    /// # Errors
    /// [`Error`] when it cannot be kept; it is known in memory all the same, and is kept after all if that becomes possible.
    fn commit(&self) -> BoxFuture<'_, Result<(), Error>>;

    /// Keeps all that was said and lets go of the file; what is said later lives as long as the process.
    ///
    /// # Errors
    /// [`Error::Unwritable`] when it cannot be kept.
    fn close(&self) -> BoxFuture<'_, Result<(), Error>>;
}

impl dyn State + '_ {
    /// [`State::revision`] once it can be shown: no restart, however the process ends, gives a lower one afterwards.
    ///
    /// # Errors
    /// As for [`State::commit`].
    pub async fn last_mod_seq(
        &self,
        account: &str,
        entity: &[u8],
        digest: u64,
    ) -> Result<u64, Error> {
        let revision = self.revision(account, entity, digest);
        if !revision.settled {
            self.commit().await?;
        }
        Ok(revision.value)
    }
}

/// A counter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Revision {
    /// The value, above 0 and below 2^53.
    pub value: u64,
    /// Whether it can be shown at once. Else a kill before the next [`State::commit`] could bring back a lower one.
    pub settled: bool,
}

/// A creation that its client may ask for again (NMS TS §6.3, `clientCorrelator`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correlated {
    /// Digest of what was asked.
    pub digest: [u8; 32],
    /// What finds the message again when its APPEND was not answered.
    pub nonce: String,
    /// Mailbox it goes to, as bytes of its key.
    pub folder: Vec<u8>,
    /// What came of it, once that is known.
    pub outcome: Option<Outcome>,
    /// When it was first asked for, to the microsecond.
    pub at: DateTime<Utc>,
}

/// What a creation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Bytes of the object id.
    pub object: Vec<u8>,
    /// Path of the object when it was made.
    pub path: String,
}

/// Why what was said may not outlive the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be written: the reason, for operators.
    #[error("state cannot be written: {0}")]
    Unwritable(String),
    /// The state was closed.
    #[error("state is closed")]
    Closed,
}
