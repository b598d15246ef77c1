//! What outlives a request and is not mail: the aliases that keep ids over a rename, and the counters behind `lastModSeq`.
//!
//! * Nothing here is needed to read mail: a lost record costs a new id or a higher `lastModSeq`, never a wrong answer.
//! * Everything is bounded.

mod memory;

use std::fmt;

pub use memory::MemoryState;

/// What the box layer asks of a state store. Calls are short and do not block on I/O.
pub trait State: fmt::Debug + Send + Sync {
    /// The `lastModSeq` of an entity of a box: the value given last when the digest is the same, else the box's next one.
    /// Never falls while the state lives; stays below 2^53, so that JSON readers keep it exact.
    fn revision(&self, account: &str, entity: &[u8], digest: u64) -> u64;

    /// From now on the entity known as `shown` is found as `found`. Replaces what was known about either.
    fn alias(&self, account: &str, shown: &[u8], found: &[u8]);

    /// As what the entity shown so is found, when it has an alias.
    fn found(&self, account: &str, shown: &[u8]) -> Option<Vec<u8>>;

    /// As what the entity found so is shown, when it has an alias.
    fn shown(&self, account: &str, found: &[u8]) -> Option<Vec<u8>>;
}
