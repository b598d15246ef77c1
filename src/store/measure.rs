//! What operators see of the caches. A facade, as in `imap`: nothing is kept where nobody listens.

use metrics::counter;
use moka::notification::RemovalCause;

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
