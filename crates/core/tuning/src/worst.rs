//! The worst value of each metric in a rollout: what a limit must let pass for the rollout to raise no alarm.
//!
//! A value counts where the analysis would fail a check for it (`sluice_analysis::judge`): with enough requests, and for a
//! share with at least three events. A limit raises an alarm exactly when the worst value is beyond it.

use crate::measure::Measured;
use serde::Serialize;
use sluice_analysis::BAD_EVENTS_MIN;
use sluice_model::Side;
use sluice_model::plan::Metric;

/// The metrics for which limits are proposed.
pub const METRICS: [Metric; 10] = [
    Metric::ErrorRatio,
    Metric::ClientErrorRatio,
    Metric::TimeoutRatio,
    Metric::Latency(0.5),
    Metric::Latency(0.9),
    Metric::Latency(0.95),
    Metric::Latency(0.99),
    Metric::RequestRate,
    Metric::Cpu,
    Metric::Memory,
];

/// Multiples of the stable side's value that are tried; for each there is a margin.
pub(crate) const FACTORS: [f64; 5] = [1.0, 1.25, 1.5, 2.0, 3.0];

/// Fewest requests for a verdict where the document does not say (`sluice-native`'s defaults).
pub(crate) const SAMPLES_MIN: u64 = 100;
const SAMPLES_MIN_RELATIVE: u64 = 200;

/// The worst values of one metric in one rollout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Worst {
    /// The highest on the new side; negative infinity when none counted.
    pub(crate) highest: f64,
    /// The lowest on the new side; infinity when none counted.
    pub(crate) lowest: f64,
    /// For each of [`FACTORS`], the highest of the new side's value less factor × the stable side's.
    pub(crate) excess: [f64; FACTORS.len()],
}

impl Default for Worst {
    fn default() -> Worst {
        Worst {
            highest: f64::NEG_INFINITY,
            lowest: f64::INFINITY,
            excess: [f64::NEG_INFINITY; FACTORS.len()],
        }
    }
}

pub(crate) fn is_share(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::ErrorRatio | Metric::ClientErrorRatio | Metric::TimeoutRatio
    )
}

impl Worst {
    /// Takes the looks of a phase into account.
    pub(crate) fn note(&mut self, metric: Metric, window: u64, measured: &Measured<'_>) {
        let samples_min = if metric.is_gauge() { 1 } else { SAMPLES_MIN };
        for look in 0..measured.phase.looks.len() {
            let [canary, baseline] = measured.both(metric, window, look);
            let Some(value) = of(canary, samples_min) else {
                continue;
            };
            self.lowest = self.lowest.min(value);
            let events = value * canary.count as f64 + 1e-9;
            if is_share(metric) && events < BAD_EVENTS_MIN {
                continue;
            }
            self.highest = self.highest.max(value);
            let samples_min = samples_min.max(if metric.is_gauge() {
                1
            } else {
                SAMPLES_MIN_RELATIVE
            });
            if let (true, Some(usual)) = (canary.count >= samples_min, of(baseline, samples_min)) {
                for (excess, factor) in self.excess.iter_mut().zip(FACTORS) {
                    *excess = excess.max(value - factor * usual);
                }
            }
        }
    }
}

fn of(side: Side, samples_min: u64) -> Option<f64> {
    side.value.filter(|_| side.count >= samples_min)
}
