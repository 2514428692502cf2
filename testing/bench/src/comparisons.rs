//! What comparing costs: counting one request; and one look at twenty comparisons: counters into the ledger, evidence out
//! of it, verdicts.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sluice_analysis::judge_comparisons;
use sluice_analysis::ledger::{Evaluator, Ledger, SegmentObservation};
use sluice_model::plan::{Check, Limit, Metric, NotWorse, OnTrouble};
use sluice_model::{CheckName, Histogram, Measurement, RolloutId, SideCounters, Timestamp, Weight};
use sluice_proxy::measure::Counting;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Requests between two readings of the clock.
const REQUESTS: u32 = 10_000;

/// What counting one request costs, in nanoseconds, medians over batches of the mean: counted by itself, and with its user.
///
/// # Errors
/// When the requests were not counted.
pub fn counting(time: Duration) -> Result<[f64; 2]> {
    let mut costs = [0.0; 2];
    for (cost, sticky) in costs.iter_mut().zip([false, true]) {
        let mut counting = Counting::new(sticky);
        let batch = median(time, || {
            for _request in 0..REQUESTS / BATCH {
                counting.request();
            }
        });
        ensure!(counting.compared() > 0, "no request was counted");
        *cost = batch / f64::from(REQUESTS / BATCH);
    }
    Ok(costs)
}

/// Comparisons of the plan.
const COMPARISONS: usize = 20;
/// Looks between two readings of the clock.
const BATCH: u32 = 50;

/// The cost of one look, in nanoseconds: medians over batches of the mean.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Counters of all weight segments into the ledger.
    pub count_ns: f64,
    /// All e-values, in both directions.
    pub evaluate_ns: f64,
    /// Verdicts with their messages.
    pub judge_ns: f64,
}

/// Measures for about `time` each.
///
/// # Errors
/// When the figures of this benchmark are no valid input.
pub fn measure(time: Duration) -> Result<Look> {
    let checks = checks();
    let mut slow = Histogram::default();
    slow.add(Histogram::bucket_of(20_000), 10_000);
    let mut ledger = Ledger::open(RolloutId(1), 1, Timestamp(0), 1, &checks, &slow);
    let segments = segments().context("a weight is wrong")?;
    let weight = segments.last().context("there is no segment")?.weight;
    let count_ns = median(time, || ledger.observe(black_box(&segments)));
    let mut evaluator = Evaluator::default();
    let now = Timestamp(60_000);
    let mut look = || -> Vec<Option<Measurement>> {
        let of = |check| ledger.measure(check, weight, now, &mut evaluator);
        checks.iter().map(of).collect()
    };
    let measured = look();
    let evaluate_ns = median(time, || {
        black_box(look());
    });
    let all: Vec<_> = checks
        .iter()
        .zip(measured.iter().map(Option::as_ref))
        .collect();
    let judge_ns = median(time, || {
        black_box(judge_comparisons(black_box(&all)));
    });
    Ok(Look {
        count_ns,
        evaluate_ns,
        judge_ns,
    })
}

fn median(time: Duration, mut call: impl FnMut()) -> f64 {
    let mut means = Vec::new();
    let started = Instant::now();
    while started.elapsed() < time || means.is_empty() {
        let batch = Instant::now();
        for _call in 0..BATCH {
            call();
        }
        means.push(batch.elapsed().as_nanos() as f64 / f64::from(BATCH));
    }
    means.sort_by(f64::total_cmp);
    means[means.len() / 2]
}

fn checks() -> Vec<Check> {
    let metrics = [
        Metric::ErrorRatio,
        Metric::ClientErrorRatio,
        Metric::TimeoutRatio,
        Metric::Latency(0.99),
    ];
    (0..COMPARISONS)
        .map(|n| Check {
            name: CheckName(format!("comparison-{n}")),
            metric: metrics[n % metrics.len()],
            limit: Limit::NotWorse(NotWorse {
                ratio: 1.0,
                margin: 0.0,
                accept_ratio: 1.5,
                accept_margin: 0.005,
                alpha: 0.01,
                beta: 0.05,
                share: 1.0 / COMPARISONS as f64,
            }),
            window: Duration::ZERO,
            samples_min: 100,
            on_fail: OnTrouble::Abort,
        })
        .collect()
}

/// Three weights, as in the middle of the usual canary; the counts leave the verdict open.
fn segments() -> Option<Vec<SegmentObservation>> {
    let side = |requests: u64, failed: u64| {
        let mut latency = Histogram::default();
        latency.add(Histogram::bucket_of(5_000), requests - failed);
        latency.add(Histogram::bucket_of(50_000), failed);
        SideCounters {
            assigned: requests,
            requests,
            classes: [0, requests - 2 * failed, 0, failed, failed],
            timeouts: failed / 2,
            latency,
            ..SideCounters::default()
        }
    };
    [(1, 1.0), (2, 5.0), (3, 25.0)]
        .into_iter()
        .map(|(segment, percent)| {
            let weight = Weight::from_percent(percent).ok()?;
            let canary = (percent * 10.0) as u64;
            Some(SegmentObservation {
                segment,
                weight,
                canary: side(canary, 1),
                baseline: side(1_000 - canary, 4),
            })
        })
        .collect()
}
