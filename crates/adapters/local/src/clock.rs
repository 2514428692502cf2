//! The two clocks of a supervised process: the wall clock for people, and random names.
//!
//! Spans are measured with `tokio::time::Instant`, which never goes backwards; the wall clock is
//! only shown.

use sluice_model::Timestamp;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock's time.
pub(crate) fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

/// A random number from the seed that the standard library draws from the system for its hash maps.
/// Good enough to keep names and ports apart; not a secret.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
