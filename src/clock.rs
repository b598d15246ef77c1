//! The only reader of wall time.

use chrono::{DateTime, Utc};

/// The time of day.
#[must_use]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}
