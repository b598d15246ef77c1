//! SIGTERM and SIGINT, one as good as the other: the first asks for an orderly end, the second forces it. SIGHUP, which would
//! end a process that does not expect it, changes nothing.

use std::{future::Future, io, pin::Pin};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tracing::warn;

/// Completes with the first signal.
pub type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs something that ends by itself when the first signal comes; a second one ends it at once.
///
/// # Errors
/// What it says, or that it was cut off by a second signal.
pub async fn until_signal(run: impl AsyncFnOnce(Stop) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let (first, stop) = oneshot::channel();
    let second = async {
        signals.next().await;
        // Who no longer listens is about to end anyway.
        let _ = first.send(());
        signals.next().await;
    };
    let stop: Stop = Box::pin(async move {
        let _ = stop.await;
    });
    tokio::select! {
        outcome = run(stop) => outcome,
        () = second => anyhow::bail!("ended by a second signal before all work was done"),
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    warn!("SIGHUP: a changed configuration takes a restart");
                }
            }
        }
    }
}
