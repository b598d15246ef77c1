//! The recorder behind `/metrics`: which metrics there are, what they mean, and their buckets.
//!
//! The rooms only name what they count; here is who listens. There is one recorder in a process, however many services run in it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often what was recorded is summed up: until then every single value is kept.
const UPKEEP: Duration = Duration::from_secs(5);
/// Upper ends of the buckets of all times, in seconds: a command on loopback takes a tenth of a millisecond, a search without
/// an index seconds.
const BUCKETS: [f64; 17] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// Installs the recorder, unless this process has one.
///
/// # Errors
/// Never with the buckets above.
pub(super) fn install() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = builder().context("metrics")?.build_recorder();
    let handle = recorder.handle();
    // Whoever has embedded this and installed another recorder keeps it.
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
    }
    *installed = Some(handle.clone());
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets(&BUCKETS)
}

/// Sums up from time to time, scraped or not.
pub(super) async fn keep_up(handle: PrometheusHandle, stop: CancellationToken) {
    let mut upkeep = interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let upkeep = async {
        loop {
            upkeep.tick().await;
            handle.run_upkeep();
        }
    };
    stop.run_until_cancelled(upkeep).await;
}

fn describe() {
    describe_histogram!(
        "http_request_duration_seconds",
        "From a request's headers to those of its answer, by operation and status."
    );
    describe_histogram!(
        "imap_command_duration_seconds",
        "From a command's first byte to its tagged answer, by how it ended."
    );
    describe_gauge!(
        "imap_connections",
        "Connections to a store that are being opened, busy and idle."
    );
    describe_histogram!(
        "imap_pool_wait_seconds",
        "How long work waited for a connection; merged reads are one."
    );
    describe_counter!(
        "imap_reconnects_total",
        "Connections opened in place of one that was lost, by how that was lost."
    );
    describe_counter!("cache_hits_total", "Questions that a cache could answer.");
    describe_counter!(
        "cache_misses_total",
        "Questions that a cache could not answer."
    );
    describe_counter!(
        "cache_evictions_total",
        "What left a cache for its age or for want of room."
    );
    describe_gauge!("build_info", "Always 1; the version is in its label.");
    gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
}
