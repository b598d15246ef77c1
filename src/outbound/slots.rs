//! How many requests are under way: of all, and to one host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Host;

/// Most connections at a time.
const ALL: usize = 64;

/// Most of them to one host.
pub(super) const OF_A_HOST: usize = 4;

/// Room for requests. A host is remembered while there is somebody who has or wants a slot of its.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    hosts: Mutex<HashMap<Host, Arc<Semaphore>>>,
}

/// Room for one request, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _of_host: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            hosts: Mutex::default(),
        }
    }
}

impl Slots {
    /// Waits for room. First for that of the host: who waits for a slow one holds nothing that others could use. `None`
    /// never comes, for no semaphore is closed here.
    pub(super) async fn take(&self, host: &Host) -> Option<Slot> {
        let of_host = self.of(host).acquire_owned().await.ok()?;
        let of_all = self.all.clone().acquire_owned().await.ok()?;
        Some(Slot {
            _of_host: of_host,
            _of_all: of_all,
        })
    }

    fn of(&self, host: &Host) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Each slot and each wait hold one; the map's own is the last.
        hosts.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        let fresh = || Arc::new(Semaphore::new(OF_A_HOST));
        hosts.entry(host.clone()).or_insert_with(fresh).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::unconstrained;

    use super::*;

    fn host(name: impl Into<String>) -> Host {
        Host::Name(name.into())
    }

    #[tokio::test]
    async fn a_host_with_no_room_left_takes_none_from_others() {
        let slots = Slots::default();
        let mut taken = Vec::new();
        for _ in 0..OF_A_HOST {
            taken.push(slots.take(&host("slow")).await.unwrap());
        }
        let slow = host("slow");
        let mut waiting = Box::pin(slots.take(&slow));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(slots.take(&host("other")).now_or_never().is_some());
        taken.pop();
        assert!(waiting.now_or_never().is_some());
    }

    #[tokio::test]
    async fn all_together_have_no_more_than_their_room() {
        let slots = Slots::default();
        let mut taken = Vec::new();
        for number in 0..ALL {
            taken.push(slots.take(&host(number.to_string())).await.unwrap());
        }
        // This task has done so much that its budget would make it wait for nothing.
        let one_more = || unconstrained(async { slots.take(&host("one more")).await });
        assert!(one_more().now_or_never().is_none());
        taken.pop();
        assert!(one_more().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_host_is_forgotten_when_nobody_wants_it() {
        let slots = Slots::default();
        for number in 0..1000 {
            slots.take(&host(number.to_string())).await.unwrap();
        }
        assert_eq!(slots.hosts.lock().unwrap().len(), 1);
    }
}
