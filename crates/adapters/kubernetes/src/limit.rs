//! How fast requests may follow each other: a bucket of tokens that fills at a steady rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A bucket of tokens. Each request takes one; who finds none waits for its own, in the order of asking.
#[derive(Debug)]
pub(crate) struct Limit {
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Below 0 when tokens are owed to those who wait.
    tokens: f64,
    at: Instant,
}

impl Limit {
    /// A full bucket of `burst` tokens, to which `per_second` come. Both are above 0.
    pub(crate) fn new(per_second: f64, burst: u32) -> Self {
        let burst = f64::from(burst);
        Limit {
            per_second,
            burst,
            state: Mutex::new(State {
                tokens: burst,
                at: Instant::now(),
            }),
        }
    }

    /// Takes a token, and waits until it is there.
    pub(crate) async fn wait(&self) {
        let wait = self.take(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    fn take(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(state.at).as_secs_f64();
        state.tokens = (state.tokens + passed * self.per_second).min(self.burst) - 1.0;
        state.at = state.at.max(now);
        Duration::from_secs_f64((-state.tokens).max(0.0) / self.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_follows_at_the_rate() {
        let limit = Limit::new(10.0, 3);
        let start = Instant::now();
        let waits: Vec<u128> = (0..6).map(|_| limit.take(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 300]);
        let later = start + Duration::from_millis(350);
        assert_eq!(limit.take(later).as_millis(), 50);
        let idle = start + Duration::from_secs(3_600);
        let waits: Vec<u128> = (0..4).map(|_| limit.take(idle).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100], "an hour's tokens are not kept");
    }
}
