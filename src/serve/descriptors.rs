//! File descriptors: each client and each connection to a store takes one.

use tracing::{info, warn};

/// Raises the soft limit to the hard one, which takes no privilege, and says how many there are.
pub(super) fn raise_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => info!(limit, "file descriptors"),
        // What the process was started with has to do.
        Err(error) => warn!(%error, "the limit of file descriptors cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use rlimit::Resource;

    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let (_, hard) = Resource::NOFILE.get().unwrap();
        Resource::NOFILE.set(hard - 1, hard).unwrap();
        raise_limit();
        let (soft, hard) = Resource::NOFILE.get().unwrap();
        assert_eq!(soft, hard);
    }
}
