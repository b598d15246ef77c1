//! What operators see of the connections: times, counts and states, under the names of the metrics.
//!
//! A facade: where nobody has installed a recorder nothing is kept. Labels are the store's configured name and words
//! of ours, so there are few of them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::Error;

/// Times the commands of one connection; each of its series is looked up once.
#[derive(Debug)]
pub(super) struct Commands {
    store: Arc<str>,
    series: HashMap<(&'static str, &'static str), Histogram>,
}

impl Commands {
    pub(super) fn new(store: &Arc<str>) -> Self {
        Self {
            store: Arc::clone(store),
            series: HashMap::new(),
        }
    }

    /// A command that took so long from its first byte to its end, whichever that was.
    pub(super) fn record<T>(
        &mut self,
        command: &'static str,
        outcome: &Result<T, Error>,
        duration: Duration,
    ) {
        let result = outcome.as_ref().err().map_or("ok", result);
        let store = &self.store;
        self.series
            .entry((command, result))
            .or_insert_with(|| {
                histogram!("imap_command_duration_seconds", "store" => store.to_string(),
                    "command" => command, "result" => result)
            })
            .record(duration);
    }
}

/// One word for how a command ended.
fn result(error: &Error) -> &'static str {
    match error {
        Error::No { .. } | Error::Login(_) | Error::Operator(_) | Error::Overlooked(_) => "no",
        Error::Bad(_) => "bad",
        Error::Closed | Error::Unsent | Error::Connect(_) => "closed",
        Error::Timeout => "timeout",
        Error::Protocol(_) => "protocol",
        Error::Argument | Error::Unsupported(_) | Error::Busy => "not_sent",
    }
}

/// How long work waited for a connection; merged reads are one.
pub(super) fn waited(duration: Duration) {
    histogram!("imap_pool_wait_seconds").record(duration);
}

/// Why a connection that is being replaced was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The server closed it: BYE, end of stream, reset.
    Closed,
    /// It did not answer in time.
    Timeout,
    /// What it said broke a bound or the grammar.
    Protocol,
}

impl Loss {
    /// `None` for what does not end a connection.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Closed | Error::Unsent => Some(Self::Closed),
            Error::Timeout => Some(Self::Timeout),
            Error::Protocol(_) => Some(Self::Protocol),
            Error::No { .. }
            | Error::Bad(_)
            | Error::Connect(_)
            | Error::Login(_)
            | Error::Operator(_)
            | Error::Overlooked(_)
            | Error::Unsupported(_)
            | Error::Argument
            | Error::Busy => None,
        }
    }
}

/// A connection was opened in place of one that was lost.
pub(super) fn reconnected(store: &Arc<str>, loss: Loss) {
    reconnects(store, loss).increment(1);
}

fn reconnects(store: &Arc<str>, loss: Loss) -> Counter {
    let reason = match loss {
        Loss::Closed => "closed",
        Loss::Timeout => "timeout",
        Loss::Protocol => "protocol",
    };
    counter!("imap_reconnects_total", "store" => store.to_string(), "reason" => reason)
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Doing {
    /// Being opened.
    Connecting = 0,
    /// Lent out, or closing.
    Busy = 1,
    /// At rest.
    Idle = 2,
}

/// The gauges of one server's connections.
#[derive(Debug, Clone)]
pub(super) struct Connections([Gauge; 3]);

impl Connections {
    /// Also shows the other counts of the server from their zero on.
    pub(super) fn new(store: &Arc<str>) -> Self {
        for loss in [Loss::Closed, Loss::Timeout, Loss::Protocol] {
            reconnects(store, loss).increment(0);
        }
        Self(["connecting", "busy", "idle"].map(
            |state| gauge!("imap_connections", "store" => store.to_string(), "state" => state),
        ))
    }

    /// Counts one more, from its first socket on.
    pub(super) fn enter(&self) -> Presence {
        self.0[Doing::Connecting as usize].increment(1);
        Presence {
            gauges: self.clone(),
            doing: AtomicU8::new(Doing::Connecting as u8),
        }
    }
}

/// One connection in the gauges, until this is dropped.
#[derive(Debug)]
pub(super) struct Presence {
    gauges: Connections,
    doing: AtomicU8,
}

impl Presence {
    pub(super) fn set(&self, doing: Doing) {
        let before = self.doing.swap(doing as u8, Ordering::Relaxed);
        if before != doing as u8 {
            self.gauges.0[usize::from(before)].decrement(1);
            self.gauges.0[doing as usize].increment(1);
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.gauges.0[usize::from(self.doing.load(Ordering::Relaxed))].decrement(1);
    }
}
