//! What a rule is shown: the requests that finished in a tick, counted by side, and every full minute
//! the points that a monitoring system would have for it. Made by `stream` and `recorded`.

use std::ops::AddAssign;

/// Length of a tick in microseconds: a tenth of a second.
pub const TICK_US: u64 = 100_000;
/// Microseconds of a second.
pub const SECOND_US: u64 = 1_000_000;
/// Microseconds of a minute.
pub const MINUTE_US: u64 = 60 * SECOND_US;

/// Requests of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Finished.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Of these, slower than the median that was frozen before the release.
    pub above_p50: u64,
    /// Of these, slower than the 99th percentile that was frozen before the release.
    pub above_p99: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.requests += more.requests;
        self.errors += more.errors;
        self.above_p50 += more.above_p50;
        self.above_p99 += more.above_p99;
    }
}

/// A minute of one side, as a monitoring system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Finished requests.
    pub requests: u64,
    /// Of these, failed.
    pub errors: u64,
    /// The 99th percentile of the latencies, exact, in milliseconds; absent without requests.
    pub p99_ms: Option<f64>,
}

impl Point {
    /// Share of the requests that failed, 0 to 1; absent without requests.
    #[must_use]
    pub fn error_ratio(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 / self.requests as f64)
    }
}

/// A minute of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minute {
    /// The new revision.
    pub canary: Point,
    /// The stable one.
    pub baseline: Point,
}

/// A stretch of time with one weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tick {
    /// When it ends, in microseconds since the canary first got traffic.
    pub end_us: u64,
    /// The probability with which the router sent a request to the canary, above 0 and below 1.
    pub weight: f64,
    /// The new revision's requests.
    pub canary: Counts,
    /// The stable one's.
    pub baseline: Counts,
    /// The minute that ends with this tick, if one does.
    pub minute: Option<Minute>,
}

impl Tick {
    /// Requests of both sides.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.canary.requests + self.baseline.requests
    }
}
