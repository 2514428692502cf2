//! The simulated time: tokio's paused clock, told as the time of the day.
//!
//! Each run has a thread and a runtime of its own, so that the clock is the thread's. Controllers read it through
//! functions, of which there are two: that two controllers at a time may disagree about it.

use sluice_model::time::Timestamp;
use std::cell::Cell;
use tokio::time::Instant;

/// The time at which each run begins: 2026-01-01 00:00:00 UTC.
pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000);

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
    static SKEWS: Cell<[i64; 2]> = const { Cell::new([0, 0]) };
    static READS: Cell<u64> = const { Cell::new(0) };
}

/// Begins a run on this thread, inside of its runtime.
pub(crate) fn begin() {
    BEGAN.set(Some(Instant::now()));
    SKEWS.set([0, 0]);
    READS.set(0);
}

/// How often controllers read their clocks in this run: at least once a look at an object.
pub(crate) fn reads() -> u64 {
    READS.get()
}

/// Milliseconds since the run began.
pub(crate) fn elapsed_ms() -> i64 {
    let began = BEGAN.get().unwrap_or_else(Instant::now);
    i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// The right time.
pub(crate) fn now() -> Timestamp {
    START.shifted(elapsed_ms())
}

/// How far a controller's clock is off, in milliseconds; controllers take turns with the two clocks.
pub(crate) fn skew(controller: usize, off_ms: i64) {
    let mut skews = SKEWS.get();
    skews[controller % 2] = off_ms;
    SKEWS.set(skews);
}

/// The clock of a controller.
pub(crate) fn of(controller: usize) -> fn() -> Timestamp {
    fn even() -> Timestamp {
        READS.set(READS.get() + 1);
        now().shifted(SKEWS.get()[0])
    }
    fn odd() -> Timestamp {
        READS.set(READS.get() + 1);
        now().shifted(SKEWS.get()[1])
    }
    if controller.is_multiple_of(2) {
        even
    } else {
        odd
    }
}
