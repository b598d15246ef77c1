//! What outlives a request and is not mail: the aliases that keep ids over a rename or a move, the counters behind `lastModSeq`, what
//! became of creations that may be asked for again, moves of which it is not known yet what came of them, when folders were made,
//! which objects were deleted, and whatever the notification room keeps: that answers from its own memory, here it is only kept.
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

    /// How much `lastModSeq` of the entity shown so is above what the store counts; 0 without an alias.
    fn offset(&self, account: &str, shown: &[u8]) -> u64;

    /// What tells the aliases of an account from those of any other process; `None` when it has none, or when they outlive the process.
    fn aliases(&self, account: &str) -> Option<u64>;

    /// Remembers that objects are about to be moved, until [`conclude_move`](State::conclude_move).
    fn intend_move(&self, account: &str, moving: Move);

    /// Moves of which it was not said what came of them, oldest first.
    fn moves(&self, account: &str) -> Vec<Move>;

    /// What came of a move: these objects are found elsewhere, and nothing is left to be done. All of it outlives the process, or none.
    fn conclude_move(&self, account: &str, id: &MoveId, moved: &[Moved]);

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

    /// Keeps notes, all of them or, after a kill, none. They are bounded by who makes them.
    fn keep(&self, notes: Vec<Note>);

    /// The notes that outlived the last process, in no order; once, and nothing afterwards.
    fn take_kept(&self) -> Vec<(NoteKind, Vec<u8>)>;

    /// Waits until what was said before this call outlives the process: aliases, moves, creations, notes that are awaited, and
    /// revisions that replaced others. What else was said is not waited for: a revision given for the first time counts as changed when it is lost, and
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

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoteKind {
    /// A notification channel.
    Channel,
    /// A subscription, and the list of events that is on its way.
    Subscription,
    /// The journal of an account: which it is, and how far it goes.
    Journal,
    /// An entry of that journal.
    Entry,
    /// What was seen last of a folder.
    Folder,
}

impl NoteKind {
    /// Its number in files.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Channel => 1,
            Self::Subscription => 2,
            Self::Journal => 3,
            Self::Entry => 4,
            Self::Folder => 5,
        }
    }

    pub(crate) fn of_number(number: u8) -> Option<Self> {
        [
            Self::Channel,
            Self::Subscription,
            Self::Journal,
            Self::Entry,
            Self::Folder,
        ]
        .into_iter()
        .find(|kind| kind.number() == number)
    }
}

/// Something the notification room keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub kind: NoteKind,
    /// Whose it is: an account, or a box.
    pub scope: String,
    /// What tells it from others of that kind and scope.
    pub name: Vec<u8>,
    /// All that is to be known; `None` forgets it.
    pub content: Option<Vec<u8>>,
    /// Whether [`State::commit`] waits for it.
    pub awaited: bool,
}

/// What tells a move from all others: random.
pub type MoveId = [u8; 16];

/// Objects on their way from a mailbox to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Its own.
    pub id: MoveId,
    /// Mailbox they leave, as bytes of its key.
    pub from: Vec<u8>,
    /// Mailbox they go to, as bytes of its key.
    pub to: Vec<u8>,
    /// UIDNEXT there before: what was moved has this UID or a higher one (RFC 9051 §2.3.1.1).
    pub uid_next: u32,
    /// HIGHESTMODSEQ there before; 0 where there is none.
    pub mod_seq: u64,
    /// The objects.
    pub objects: Vec<Moving>,
    /// When it was begun, to the microsecond.
    pub at: DateTime<Utc>,
}

/// One object of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moving {
    /// UID in the mailbox it leaves.
    pub uid: u32,
    /// Digest of what finds the message again: its size, its dates, its header.
    pub identity: [u8; 16],
    /// The highest `lastModSeq` that may have been shown of it.
    pub last_mod_seq: u64,
}

/// An object that is found elsewhere than its id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// As what it is shown.
    pub shown: Vec<u8>,
    /// As what it is found.
    pub found: Vec<u8>,
    /// What `lastModSeq` is above what the store counts there.
    pub offset: u64,
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
