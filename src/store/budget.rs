//! Room for payloads in memory, shared by all clients of the process: who does not read keeps the store's octets here, and others
//! wait.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{Account, Error};

/// Octets that are counted as one.
const UNIT: u64 = 1024;

/// So many octets at a time; a clone is the same budget.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    all: u32,
}

/// Some octets of a budget, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    permit: OwnedSemaphorePermit,
}

/// Bytes that take their room with them.
struct Housed {
    bytes: Bytes,
    _room: Room,
}

impl Budget {
    /// A budget of at least one unit, 1 KiB.
    #[must_use]
    pub fn new(octets: u64) -> Self {
        let most = u64::try_from(Semaphore::MAX_PERMITS).unwrap_or(u64::MAX);
        let all = u32::try_from((octets / UNIT).clamp(1, most)).unwrap_or(u32::MAX);
        Self {
            units: Arc::new(Semaphore::new(usize::try_from(all).unwrap_or(usize::MAX))),
            all,
        }
    }

    /// Room for so many octets, for all there are at most, after at most this wait.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub(super) async fn room(&self, octets: u64, wait: Duration) -> Result<Room, Error> {
        let units = Arc::clone(&self.units);
        let permit = timeout(wait, units.acquire_many_owned(self.units_of(octets)))
            .await
            .map_err(|_| Error::Busy)?
            .map_err(|_| Error::Busy)?;
        Ok(Room { permit })
    }

    /// The same without waiting.
    pub(super) fn room_now(&self, octets: u64) -> Option<Room> {
        let units = Arc::clone(&self.units);
        let permit = units.try_acquire_many_owned(self.units_of(octets)).ok()?;
        Some(Room { permit })
    }

    fn units_of(&self, octets: u64) -> u32 {
        u32::try_from(octets.div_ceil(UNIT)).map_or(self.all, |units| units.min(self.all))
    }
}

impl Account {
    /// Room for octets of this box, after the wait that a connection is worth too.
    pub(super) async fn room(&self, octets: u64) -> Result<Room, Error> {
        let wait = self.store.server.wait();
        self.store.budget.room(octets, wait).await
    }
}

impl Room {
    /// Bytes that hold as much of this room as they need until the last copy of them is gone; the rest is given back.
    pub(super) fn hold(mut self, bytes: Bytes) -> Bytes {
        let units = bytes.len().div_ceil(usize::try_from(UNIT).unwrap_or(1));
        let more = self.permit.num_permits().saturating_sub(units);
        drop(self.permit.split(more));
        Bytes::from_owner(Housed { bytes, _room: self })
    }
}

impl AsRef<[u8]> for Housed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn room_is_there_again_when_the_last_of_its_bytes_is_gone() {
        let budget = Budget::new(64 * UNIT);
        let room = budget.room(64 * UNIT, WAIT).await.unwrap();
        assert!(budget.room_now(1).is_none());
        let bytes = room.hold(Bytes::from(vec![0; 40 * 1024]));
        assert!(budget.room_now(25 * UNIT).is_none());
        drop(budget.room_now(24 * UNIT).unwrap());
        let piece = bytes.slice(5..6);
        drop(bytes);
        assert_eq!(budget.room(64 * UNIT, WAIT).await.unwrap_err(), Error::Busy);
        drop(piece);
        budget.room(64 * UNIT, WAIT).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_there_is_means_all_there_is() {
        let budget = Budget::new(0);
        let all = budget.room(u64::MAX, WAIT).await.unwrap();
        assert!(budget.room_now(1).is_none());
        // What needs more than it was given keeps what it has.
        drop(all.hold(Bytes::from(vec![0; 5000])));
        assert!(budget.room_now(1).is_some());
    }
}
