//! How a revision answers, and what follows from it.

use crate::sampling::Latencies;

/// How a revision answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Share of its requests that fail, 0 to 1.
    pub errors: f64,
    /// Share of its requests that it refuses (4xx), 0 to 1.
    pub client_errors: f64,
    /// Share of its requests that hang until the proxy gives them up, 0 to 1; only in random traffic.
    pub hangs: f64,
    /// Latency of its answers, in milliseconds; half of them are slower.
    pub latency_ms: u64,
    /// Standard deviation of the logarithm of the latency; all are equal at 0, and in exact traffic.
    pub latency_spread: f64,
    /// Share of mirrored answers that differ, 0 to 1.
    pub differs: f64,
}

impl Default for Quality {
    fn default() -> Self {
        Self {
            errors: 0.0,
            client_errors: 0.0,
            hangs: 0.0,
            latency_ms: 10,
            latency_spread: 0.0,
            differs: 0.0,
        }
    }
}

/// A quality with what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Answering {
    pub(super) quality: Quality,
    pub(super) latencies: Latencies,
}

impl Answering {
    pub(super) fn new(quality: Quality) -> Answering {
        let latencies = Latencies::new(quality.latency_ms * 1_000, quality.latency_spread);
        Answering { quality, latencies }
    }
}
