//! What operators see of notifications. A facade, as in `imap`: nothing is kept where nobody listens.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::store::Change;

const KINDS: [&str; 5] = [
    "changed_object",
    "deleted_object",
    "changed_folder",
    "deleted_folder",
    "reset_box",
];

/// Shows every count from its zero on, so that its first rise is seen.
pub(super) fn announce() {
    for kind in KINDS {
        counter!("events_total", "kind" => kind).increment(0);
    }
    counter!("queue_overflows_total").increment(0);
    gauge!("notification_channels").set(0.0);
    gauge!("long_polls_parked").set(0.0);
    gauge!("websockets_open").set(0.0);
}

/// Events were put into a list.
pub(super) fn told(changes: &[Change]) {
    if changes.is_empty() {
        counter!("events_total", "kind" => "reset_box").increment(1);
    }
    for change in changes {
        let kind = match change {
            Change::Object(_) => "changed_object",
            Change::ObjectGone(_) => "deleted_object",
            Change::Folder(_) => "changed_folder",
            Change::FolderGone(_) => "deleted_folder",
        };
        counter!("events_total", "kind" => kind).increment(1);
    }
}

/// From when a change was heard of to when it was given to a client's answer.
pub(super) fn lag(lag: Duration) {
    histogram!("notification_lag_seconds").record(lag);
}

/// More has happened than a queue holds.
pub(super) fn overflowed() {
    counter!("queue_overflows_total").increment(1);
}

/// So many channels there are.
pub(super) fn channels(count: usize) {
    #[expect(
        clippy::cast_precision_loss,
        reason = "no process has so many channels"
    )]
    gauge!("notification_channels").set(count as f64);
}

/// One poll that waits, until this is dropped.
pub(super) struct Parked(());

impl Parked {
    pub(super) fn new() -> Self {
        gauge!("long_polls_parked").increment(1);
        Self(())
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        gauge!("long_polls_parked").decrement(1);
    }
}

/// One WebSocket that is open, until this is dropped.
pub(super) struct Open(());

impl Open {
    pub(super) fn new() -> Self {
        gauge!("websockets_open").increment(1);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("websockets_open").decrement(1);
    }
}
