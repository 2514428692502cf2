//! What is made of the figures: medians over the rounds, and ratios taken within a round.

use super::{CANARY_PERCENT, DIRECT, Settings};
use crate::load::{Outcome, Pace};
use crate::server::Usage;
use crate::wire::Body;
use serde::Serialize;
use std::collections::BTreeMap;

/// Standard deviations by which a split by chance may miss its share: once in 1.7 million comparisons.
const SPLIT_DEVIATIONS: f64 = 5.0;
/// What a split in turn may miss besides, as a share: where the turns began and ended.
const SPLIT_SLACK: f64 = 0.000_5;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Who answered.
    pub proxy: String,
    /// What was asked for.
    pub body: Body,
    /// From 0.
    pub round: u32,
    /// Whether requests came as fast as they were answered, not at the common rate.
    pub saturated: bool,
    /// Answers per second.
    pub rate: f64,
    /// Answers per second of the proxy's processor time; 0 without a proxy.
    pub per_cpu_second: f64,
    /// Share of one core that the proxy used.
    pub utilisation: f64,
    /// Latency that half of the requests kept, in microseconds.
    pub p50_us: f64,
    /// Latency that 99 % kept.
    pub p99_us: f64,
    /// Latency that 99.9 % kept.
    pub p999_us: f64,
    /// The proxy's resident memory, in bytes.
    pub memory: u64,
    /// Right answers of both sides.
    pub answers: u64,
    /// Of these, the canary's.
    pub canary: u64,
    /// Requests without a right answer, by cause.
    pub failures: BTreeMap<String, u64>,
}

/// Medians of one proxy and one body.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Who answered.
    pub proxy: String,
    /// What was asked for.
    pub body: Body,
    /// Whether requests came as fast as they were answered.
    pub saturated: bool,
    /// Answers per second.
    pub rate: f64,
    /// Answers per second of processor time.
    pub per_cpu_second: f64,
    /// Share of one core.
    pub utilisation: f64,
    /// In microseconds.
    pub p50_us: f64,
    /// In microseconds.
    pub p99_us: f64,
    /// In microseconds.
    pub p999_us: f64,
    /// In bytes.
    pub memory: u64,
    /// Sluice's figures as multiples of this proxy's, medians of the ratios within each round.
    pub ours: Option<Ratios>,
}

/// Sluice's figures as multiples of a peer's.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratios {
    /// Above 1: Sluice needs less processor time.
    pub per_cpu_second: f64,
    /// Below 1: Sluice is faster.
    pub p50: f64,
    /// Below 1: Sluice is faster.
    pub p99: f64,
}

/// The whole comparison.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// How it was measured; with the rates that were chosen.
    pub settings: Settings,
    /// Cores that something else used before the comparison began.
    pub cores_in_use_before: f64,
    /// Medians and ratios.
    pub summary: Vec<Summary>,
    /// What was wrong: answers and splits. Empty when the comparison counts.
    pub wrong: Vec<String>,
    /// Every measurement.
    pub samples: Vec<Sample>,
}

impl Sample {
    pub(super) fn new(
        proxy: &str,
        body: Body,
        round: u32,
        pace: Pace,
        outcome: &Outcome,
        used: Option<Usage>,
    ) -> Self {
        let seconds = outcome.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let answers = outcome.answers as f64;
        let cpu = used.map_or(0.0, |used| used.cpu.as_secs_f64());
        Self {
            proxy: proxy.to_owned(),
            body,
            round,
            saturated: matches!(pace, Pace::Saturate),
            rate: answers / seconds,
            per_cpu_second: if cpu > 0.0 { answers / cpu } else { 0.0 },
            utilisation: cpu / seconds,
            p50_us: outcome.latency_us(0.5),
            p99_us: outcome.latency_us(0.99),
            p999_us: outcome.latency_us(0.999),
            memory: used.map_or(0, |used| used.memory),
            answers: outcome.stable + outcome.canary,
            canary: outcome.canary,
            failures: outcome.failures.clone(),
        }
    }
}

impl Results {
    pub(super) fn new(settings: Settings, cores_in_use_before: f64, samples: Vec<Sample>) -> Self {
        let mut groups: Vec<(String, Body, bool)> = Vec::new();
        for sample in &samples {
            let group = (sample.proxy.clone(), sample.body, sample.saturated);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups.sort_by_key(|(_, body, saturated)| (*saturated, *body));
        let summary = groups
            .iter()
            .map(|(proxy, body, saturated)| summarize(&samples, proxy, *body, *saturated))
            .collect();
        let wrong = wrong(&samples);
        Self {
            settings,
            cores_in_use_before,
            summary,
            wrong,
            samples,
        }
    }
}

fn of<'a>(
    samples: &'a [Sample],
    proxy: &'a str,
    body: Body,
    saturated: bool,
) -> impl Iterator<Item = &'a Sample> {
    samples.iter().filter(move |sample| {
        sample.proxy == proxy && sample.body == body && sample.saturated == saturated
    })
}

fn summarize(samples: &[Sample], proxy: &str, body: Body, saturated: bool) -> Summary {
    let middle = |figure: &dyn Fn(&Sample) -> f64| {
        median(of(samples, proxy, body, saturated).map(figure).collect())
    };
    Summary {
        proxy: proxy.to_owned(),
        body,
        saturated,
        rate: middle(&|sample| sample.rate),
        per_cpu_second: middle(&|sample| sample.per_cpu_second),
        utilisation: middle(&|sample| sample.utilisation),
        p50_us: middle(&|sample| sample.p50_us),
        p99_us: middle(&|sample| sample.p99_us),
        p999_us: middle(&|sample| sample.p999_us),
        memory: middle(&|sample| sample.memory as f64) as u64,
        ours: ratios(samples, proxy, body, saturated),
    }
}

/// Ratios are taken within a round, where both had the same machine, and then the median.
fn ratios(samples: &[Sample], peer: &str, body: Body, saturated: bool) -> Option<Ratios> {
    if peer == "sluice" || peer == DIRECT {
        return None;
    }
    let pairs: Vec<(&Sample, &Sample)> = of(samples, "sluice", body, saturated)
        .filter_map(|ours| {
            let same_round = |theirs: &&Sample| theirs.round == ours.round;
            Some((ours, of(samples, peer, body, saturated).find(same_round)?))
        })
        .collect();
    let middle = |figure: &dyn Fn(&Sample) -> f64| {
        median(
            pairs
                .iter()
                .map(|(ours, theirs)| figure(ours) / figure(theirs))
                .collect(),
        )
    };
    (!pairs.is_empty()).then(|| Ratios {
        per_cpu_second: middle(&|sample| sample.per_cpu_second),
        p50: middle(&|sample| sample.p50_us),
        p99: middle(&|sample| sample.p99_us),
    })
}

/// The middle one, or the mean of the middle two; 0 of nothing.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}

/// Wrong answers, and splits that are not what was configured.
fn wrong(samples: &[Sample]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut sides: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for sample in samples {
        for (cause, count) in &sample.failures {
            wrong.push(format!(
                "{} ({}, round {}): {count} × {cause}",
                sample.proxy,
                sample.body.name(),
                sample.round + 1
            ));
        }
        let total = sides.entry(&sample.proxy).or_default();
        total.0 += sample.answers;
        total.1 += sample.canary;
    }
    let share = f64::from(CANARY_PERCENT) / 100.0;
    for (proxy, (answers, canary)) in sides.into_iter().filter(|(proxy, _)| *proxy != DIRECT) {
        let count = answers.max(1) as f64;
        let tolerance = SPLIT_DEVIATIONS * (share * (1.0 - share) / count).sqrt() + SPLIT_SLACK;
        let is = canary as f64 / count;
        if (is - share).abs() > tolerance {
            wrong.push(format!(
                "{proxy}: {:.3} % of {answers} answers came from the canary, not {CANARY_PERCENT} % ± {:.3}",
                is * 100.0,
                tolerance * 100.0
            ));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sample(proxy: &str, round: u32, per_cpu_second: f64, canary: u64) -> Sample {
        let outcome = Outcome {
            answers: 10_000,
            elapsed: Duration::from_secs(1),
            stable: 10_000 - canary,
            canary,
            latencies: vec![1_000, 2_000, 3_000],
            ..Outcome::default()
        };
        let cpu = Duration::from_secs_f64(10_000.0 / per_cpu_second);
        let used = Some(Usage { cpu, memory: 1 });
        Sample::new(proxy, Body::Small, round, Pace::Rate(1.0), &outcome, used)
    }

    fn results(samples: Vec<Sample>) -> Results {
        let settings = Settings {
            rounds: 1,
            measure: Duration::from_secs(1),
            warmup: Duration::ZERO,
            connections: 1,
            rates: BTreeMap::new(),
        };
        Results::new(settings, 0.0, samples)
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // The machine was twice as slow in the second round; Sluice was the better in both.
        let results = results(vec![
            sample("sluice", 0, 30_000.0, 500),
            sample("nginx", 0, 20_000.0, 500),
            sample("sluice", 1, 15_000.0, 500),
            sample("nginx", 1, 10_000.0, 500),
        ]);
        let nginx = results
            .summary
            .iter()
            .find(|row| row.proxy == "nginx")
            .expect("its row");
        let ratio = nginx.ours.expect("a ratio").per_cpu_second;
        assert!((ratio - 1.5).abs() < 1e-9, "{ratio}");
        assert_eq!(results.wrong, Vec::<String>::new());
    }

    #[test]
    fn a_split_that_is_not_the_configured_one_is_wrong() {
        for (canary, fine) in [(500, true), (450, true), (300, false), (700, false)] {
            let wrong = results(vec![sample("nginx", 0, 1.0, canary)]).wrong;
            assert_eq!(wrong.is_empty(), fine, "{canary}: {wrong:?}");
        }
        assert!(results(vec![sample(DIRECT, 0, 1.0, 0)]).wrong.is_empty());
    }

    #[test]
    fn a_failed_request_is_named_with_its_proxy() {
        let mut bad = sample("envoy", 2, 1.0, 500);
        bad.failures.insert("no answer in time".to_owned(), 3);
        assert_eq!(
            results(vec![bad]).wrong,
            ["envoy (100 B, round 3): 3 × no answer in time"]
        );
    }

    #[test]
    fn quantiles_and_medians_take_the_upper_end() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-9);
        let outcome = Outcome {
            latencies: (1..=100).map(|x| x * 1_000).collect(),
            ..Outcome::default()
        };
        assert!((outcome.latency_us(0.5) - 50.0).abs() < 1e-9);
        assert!((outcome.latency_us(0.99) - 99.0).abs() < 1e-9);
    }
}
