//! One at a time for each key: a duplicate that comes while the first is under way waits for what becomes of it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::OwnedMutexGuard, time::timeout};

/// Keys are forgotten so many at a time.
const SWEEP: usize = 64;

/// Who is under way. Bounded by the requests that are.
#[derive(Debug, Default)]
pub(super) struct Turns {
    keys: Mutex<HashMap<Vec<u8>, Weak<tokio::sync::Mutex<()>>>>,
}

/// The right to go on; the next one's when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _guard: OwnedMutexGuard<()>,
}

impl Turns {
    /// Waits until nobody else is under way with this key; `None` when that takes too long.
    pub(super) async fn take(&self, key: &[u8], longest: Duration) -> Option<Turn> {
        let lock = self.lock(key);
        let guard = timeout(longest, lock.lock_owned()).await.ok()?;
        Some(Turn { _guard: guard })
    }

    fn lock(&self, key: &[u8]) -> Arc<tokio::sync::Mutex<()>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len().is_multiple_of(SWEEP) {
            keys.retain(|_, lock| lock.strong_count() > 0);
        }
        if let Some(lock) = keys.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        keys.insert(key.to_vec(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_the_same_key_waits_and_who_has_another_does_not() {
        let turns = Turns::default();
        let wait = Duration::from_millis(1);
        let first = turns.take(b"a", wait).await.unwrap();
        assert!(turns.take(b"b", wait).await.is_some());
        assert!(turns.take(b"a", wait).await.is_none());
        drop(first);
        assert!(turns.take(b"a", wait).await.is_some());
        for number in 0..1000_u32 {
            turns.take(&number.to_be_bytes(), wait).await.unwrap();
        }
        assert!(turns.keys.lock().unwrap().len() <= 2 * SWEEP);
    }
}
