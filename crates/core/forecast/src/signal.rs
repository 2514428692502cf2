//! What is counted of requests: how often each event happens on a side, and the draw of how many had it.
//!
//! Checks of the same metric see the same counts; that is why there is one list for all of them.

use crate::Chance;
use crate::release::{Release, Traffic};

/// An event of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Signal {
    /// It failed.
    Failed,
    /// It was answered 4xx.
    ClientError,
    /// It timed out; no release is simulated that does.
    TimedOut,
    /// It took longer than this, in microseconds.
    SlowerThan(u64),
}

/// The signals that a course needs. The first is always [`Signal::Failed`], and limits of latency come last,
/// by rising limit: who is slower than the one is among those slower than the one before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Signals(Vec<Signal>);

/// Where [`Signal::Failed`] stands.
pub(crate) const FAILED: usize = 0;

impl Signals {
    pub(crate) fn new(wanted: impl Iterator<Item = Signal>) -> Signals {
        let mut all = vec![Signal::Failed];
        for signal in wanted {
            if !all.contains(&signal) {
                all.push(signal);
            }
        }
        all.sort_by_key(|signal| match signal {
            Signal::Failed => (0, 0),
            Signal::ClientError => (1, 0),
            Signal::TimedOut => (2, 0),
            Signal::SlowerThan(micros) => (3, *micros),
        });
        Signals(all)
    }

    /// The place of a signal that was wanted.
    pub(crate) fn place(&self, signal: Signal) -> Option<usize> {
        self.0.iter().position(|known| *known == signal)
    }

    /// The probability of each signal on one side.
    pub(crate) fn rates(&self, traffic: &Traffic, release: Release) -> Vec<f64> {
        let errors = release.errors(traffic);
        self.0
            .iter()
            .map(|signal| match signal {
                Signal::Failed => errors,
                // What fails is not answered 4xx as well.
                Signal::ClientError => traffic.client_errors.min(1.0 - errors),
                Signal::TimedOut => 0.0,
                Signal::SlowerThan(micros) => {
                    traffic.latency.share_above(*micros as f64, release.times())
                }
            })
            .collect()
    }

    /// Draws how many of `requests` had each event, into `counts`.
    pub(crate) fn draw(
        &self,
        requests: u64,
        rates: &[f64],
        chance: &mut impl Chance,
        counts: &mut [u64],
    ) {
        // Those among whom the next limit of latency finds its own, and the share of all that they are.
        let mut slower = (requests, 1.0);
        for (at, signal) in self.0.iter().enumerate() {
            let rate = rates[at];
            counts[at] = match signal {
                Signal::Failed | Signal::TimedOut => among(requests, rate, chance),
                Signal::ClientError => {
                    let rest = 1.0 - rates[FAILED];
                    among(requests - counts[FAILED], share(rate, rest), chance)
                }
                Signal::SlowerThan(_) => {
                    let found = among(slower.0, share(rate, slower.1), chance);
                    slower = (found, rate);
                    found
                }
            };
        }
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// A binomial draw, with its certain cases.
pub(crate) fn among(trials: u64, probability: f64, chance: &mut impl Chance) -> u64 {
    if trials == 0 || probability <= 0.0 {
        0
    } else if probability >= 1.0 {
        trials
    } else {
        chance.binomial(trials, probability)
    }
}
