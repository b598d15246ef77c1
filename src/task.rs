//! Spawning with the current span, so that a request id follows the work it causes.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Runs a future as a task of its own, inside the caller's span.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_span())
}
