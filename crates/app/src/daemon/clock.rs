//! The clock of the daemon: the only place of the app that reads the time of day.

use sluice_model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day. A clock before 1970 reads as a negative time; the engine copes with a clock that
/// goes back.
pub(crate) fn now() -> Timestamp {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    Timestamp(millis)
}
