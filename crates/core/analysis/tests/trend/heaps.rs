//! Gauges as they are in production: a heap that fills and is collected, with noise that remembers, with or
//! without a leak. The figures are those of stats.md §4.

use sluice_analysis::trend::{Side, Trend, TrendSettings, TrendVerdict};
use std::time::Duration;

pub(crate) const MIB: f64 = 1_048_576.0;
/// Time between two samples.
pub(crate) const SAMPLE_S: u64 = 5;

/// A heap: 300 MiB, a sawtooth of 30 MiB every 45 s, noise with an autocorrelation of 0.6, and a leak.
#[derive(Clone)]
pub(crate) struct Heap {
    random: fastrand::Rng,
    noise: f64,
    leak_per_second: f64,
}

impl Heap {
    pub(crate) fn new(seed: u64, leak_mib_per_minute: f64) -> Heap {
        Heap {
            random: fastrand::Rng::with_seed(seed),
            noise: 0.0,
            leak_per_second: leak_mib_per_minute * MIB / 60.0,
        }
    }

    /// The value at an age; ages rise by [`SAMPLE_S`].
    pub(crate) fn at(&mut self, age_s: u64) -> f64 {
        self.noise = 0.6 * self.noise + 4.0 * self.normal();
        let sawtooth = (age_s % 45) as f64 / 45.0 * 30.0;
        (300.0 + sawtooth + self.noise) * MIB + self.leak_per_second * age_s as f64
    }

    /// Box and Muller's transformation.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.random.f64()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.random.f64()).cos()
    }
}

/// A trend with the default settings.
pub(crate) fn trend() -> Trend {
    Trend::new(TrendSettings::default()).unwrap()
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What is asked at every sample.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    pub(crate) limit: Option<f64>,
    pub(crate) horizon: Duration,
}

impl Question {
    /// Any proven growth is a failure.
    pub(crate) fn any_growth() -> Question {
        Question {
            limit: Some(1e15),
            horizon: Duration::MAX,
        }
    }

    pub(crate) fn reaches(limit_mib: f64, horizon: Duration) -> Question {
        Question {
            limit: Some(limit_mib * MIB),
            horizon,
        }
    }
}

/// Pushes `until_s` seconds of the heaps, asking at each sample; the first verdict that `stop` wants, with
/// its age in seconds, or the last one.
pub(crate) fn watched(
    trend: &mut Trend,
    canary: &mut Heap,
    mut baseline: Option<&mut Heap>,
    until_s: u64,
    question: Question,
    stop: impl Fn(&TrendVerdict) -> bool,
) -> (u64, TrendVerdict) {
    let mut age_s = 0;
    loop {
        let value = canary.at(age_s);
        trend.push(Side::Canary, seconds(age_s), value).unwrap();
        if let Some(baseline) = &mut baseline {
            let value = baseline.at(age_s);
            trend.push(Side::Baseline, seconds(age_s), value).unwrap();
        }
        let verdict = trend.verdict(seconds(age_s), question.limit, question.horizon);
        if age_s >= until_s || stop(&verdict) {
            return (age_s, verdict);
        }
        age_s += SAMPLE_S;
    }
}
