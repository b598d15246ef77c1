//! What operators see of the caches. A facade, as in `imap`: nothing is kept where nobody listens.

use metrics::counter;
use moka::notification::RemovalCause;

/// All caches there are.
const CACHES: [&str; 6] = [
    "accounts",
    "dates",
    "proofs",
    "refusals",
    "structures",
    "trees",
];

/// Shows every count from its zero on, so that its first rise is seen.
pub(super) fn announce() {
    for cache in CACHES {
        for name in [
            "cache_hits_total",
            "cache_misses_total",
            "cache_evictions_total",
        ] {
            counter!(name, "cache" => cache).increment(0);
        }
    }
}

/// A cache was asked, and had it or not.
pub(super) fn asked(cache: &'static str, hit: bool) {
    let name = if hit {
        "cache_hits_total"
    } else {
        "cache_misses_total"
    };
    counter!(name, "cache" => cache).increment(1);
}

/// What a cache calls when something leaves it: for age or want of room, not because it was replaced.
pub(super) fn leaves<K, V>(
    cache: &'static str,
) -> impl Fn(K, V, RemovalCause) + Send + Sync + 'static {
    move |_, _, cause| {
        if cause.was_evicted() {
            counter!("cache_evictions_total", "cache" => cache).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use moka::future::Cache;

    use super::*;

    #[test]
    fn what_leaves_for_want_of_room_is_counted_and_what_is_taken_out_is_not() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            announce();
            let cache = Cache::builder()
                .max_capacity(2)
                .eviction_listener(leaves("trees"))
                .build();
            futures_util::FutureExt::now_or_never(async {
                for key in 0..5 {
                    cache.insert(key, key).await;
                }
                cache.run_pending_tasks().await;
                cache.insert(9, 9).await;
                cache.invalidate(&9).await;
                cache.run_pending_tasks().await;
            })
            .unwrap();
        });
        let text = recorder.handle().render();
        assert!(
            text.contains("cache_evictions_total{cache=\"trees\"} 3\n"),
            "{text}"
        );
        assert!(
            text.contains("cache_hits_total{cache=\"proofs\"} 0\n"),
            "{text}"
        );
    }
}
