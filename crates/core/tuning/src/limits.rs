//! Limits from the worst values of many rollouts, and how often each would have raised an alarm.
//!
//! Rollouts of the history that do not overlap are the sample; each was dealt out as a whole, so that what goes on
//! for longer than a minute is in it as it was (blocks, as in Carlstein, Annals of Statistics 14:1171, 1986, and Künsch,
//! Annals of Statistics 17:1217, 1989). Of n such rollouts, the j-th highest value of each of d figures together
//! leaves out a share of all rollouts that is at most a Beta(d·j, n + 1 − d·j): Wilks (1941) for one figure, Wald (Annals of
//! Mathematical Statistics 14:45, 1943) for several, without an assumption on how they are distributed or go together.
//! Rollouts whose worst values come in clusters count as fewer ([`effective`]).

use crate::replay::Replay;
use crate::worst::{FACTORS, METRICS, Worst, is_share};
use serde::Serialize;
use sluice_analysis::confidence::{beta_quantile, binomial_interval};
use sluice_model::plan::{Check, Limit, Metric};

/// The probability with which a bound holds.
pub(crate) const CONFIDENCE: f64 = 0.95;
/// Shares are not limited more tightly: below, three failed requests decide.
const SHARE_MIN: f64 = 0.001;
/// A share above is no limit.
const SHARE_MAX: f64 = 0.5;
/// The part of the rollouts by which it is told whether the worst of them come in clusters.
const WORST_PART: f64 = 0.1;
/// Stretches of time that the clusters are looked for in: days, or parts of a short history.
const BATCHES: usize = 8;

/// How often something happened in rollouts of the history, with an interval for its probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// In so many rollouts.
    pub count: u64,
    /// Of so many.
    pub of: u64,
    /// Their share, 0 to 1.
    pub share: f64,
    /// The lower end of a 95 % interval (Clopper–Pearson, for the effective number of rollouts).
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Rate {
    pub(crate) fn of(happened: impl Iterator<Item = bool>, effective: f64) -> Rate {
        let (mut count, mut of) = (0u64, 0u64);
        for happened in happened {
            of += 1;
            count += u64::from(happened);
        }
        let share = count as f64 / of.max(1) as f64;
        let interval = binomial_interval(share * effective, effective, 1.0 - CONFIDENCE);
        let (low, high) = interval.map_or((0.0, 1.0), |it| (it.low, it.high));
        Rate {
            count,
            of,
            share,
            low,
            high,
        }
    }
}

/// How many times as much the worst of the rollouts vary in number from one part of the history to the other as chance
/// alone would have it, for each of [`METRICS`]; 1 where that cannot be told.
///
/// Looked at is which rollouts are among the worst tenth. `starts` are the days since the first rollout.
pub(crate) fn dispersions(replays: &[Replay], starts: &[f64]) -> [f64; METRICS.len()] {
    std::array::from_fn(|metric| {
        let worst = replays.iter().map(|it| it.worst[metric].highest);
        dispersion(&worst.collect::<Vec<f64>>(), starts)
    })
}

/// The number of independent rollouts that tell as much about the alarms of some figures: each of them adds as much to
/// the variance of their number.
pub(crate) fn effective(rollouts: usize, dispersions: &[f64]) -> f64 {
    let mean = dispersions.iter().sum::<f64>() / dispersions.len().max(1) as f64;
    rollouts as f64 / mean.max(1.0)
}

fn dispersion(worst: &[f64], starts: &[f64]) -> f64 {
    let n = worst.len();
    if n < 2 * BATCHES {
        return 1.0;
    }
    let mut sorted = worst.to_vec();
    sorted.sort_by(f64::total_cmp);
    let line = sorted[((1.0 - WORST_PART) * n as f64) as usize];
    let days = starts.last().copied().unwrap_or(0.0);
    let mut batches: Vec<(f64, f64)> = Vec::new();
    for (at, worst) in worst.iter().enumerate() {
        let batch = if days >= DAYS_MIN {
            starts[at] as usize
        } else {
            at * BATCHES / n
        };
        if batches.len() <= batch {
            batches.resize(batch + 1, (0.0, 0.0));
        }
        batches[batch].0 += f64::from(u8::from(*worst >= line));
        batches[batch].1 += 1.0;
    }
    batches.retain(|(_, count)| *count > 0.0);
    let p = batches.iter().map(|(bad, _)| bad).sum::<f64>() / n as f64;
    let chance = p * (1.0 - p);
    if chance <= 0.0 || batches.len() < 2 {
        return 1.0;
    }
    // Pearson's statistic for the homogeneity of the batches, over its degrees of freedom.
    let statistic: f64 = batches
        .iter()
        .map(|(bad, count)| (bad - p * count) * (bad - p * count) / (count * chance))
        .sum();
    (statistic / (batches.len() - 1) as f64).max(f64::MIN_POSITIVE)
}

/// From so many days on, a batch is a day: what comes and goes with the hour is in each of them.
const DAYS_MIN: f64 = 4.0;

/// How far from the worst value a limit may lie: the largest j, or `None` when the history is too short for one.
pub(crate) fn rank(figures: usize, effective: f64, target: f64) -> Option<f64> {
    let fits = |j: f64| beyond(figures, effective, j) <= target;
    if figures == 0 || !fits(1.0) {
        return None;
    }
    let mut j = 1.0;
    while fits(j + 1.0) {
        j += 1.0;
    }
    Some(j)
}

/// The share of the rollouts that at most lies beyond the j-th highest values of so many figures.
pub(crate) fn beyond(figures: usize, effective: f64, j: f64) -> f64 {
    let left_out = figures as f64 * j;
    let rest = effective + 1.0 - left_out;
    if rest <= 0.0 {
        return 1.0;
    }
    beta_quantile(left_out, rest, CONFIDENCE).unwrap_or(1.0)
}

/// Independent rollouts that are needed for limits of so many figures to keep the target.
pub(crate) fn needed(figures: usize, target: f64) -> f64 {
    let mut enough = 1.0;
    while beyond(figures, enough, 1.0) > target && enough < 1e9 {
        enough *= 2.0;
    }
    let mut short = enough / 2.0;
    while enough - short > 0.5 {
        let middle = 0.5 * (enough + short);
        if beyond(figures, middle, 1.0) > target {
            short = middle;
        } else {
            enough = middle;
        }
    }
    enough
}

/// The limit that lets all but the `left_out` worst rollouts pass; `None` when the history gives none.
pub(crate) fn maximum(metric: Metric, replays: &[Replay], left_out: usize) -> Option<Limit> {
    let value = nth_highest(metric, replays, left_out, |worst| worst.highest)?;
    let limit = rounded_up(metric, value);
    (!is_share(metric) || limit <= SHARE_MAX).then_some(Limit::Max(limit))
}

/// The same at least; only for the rate of requests.
pub(crate) fn minimum(metric: Metric, replays: &[Replay], left_out: usize) -> Option<Limit> {
    if metric != Metric::RequestRate {
        return None;
    }
    let value = -nth_highest(metric, replays, left_out, |worst| -worst.lowest)?;
    let limit = two_digits(value, f64::floor);
    (limit > 0.0).then_some(Limit::Min(limit))
}

/// The same relative to the stable side: of several multiples, the one that is tightest at the usual value.
pub(crate) fn relative(
    metric: Metric,
    replays: &[Replay],
    left_out: usize,
    usual: f64,
) -> Option<Limit> {
    if matches!(metric, Metric::RequestRate | Metric::Cpu | Metric::Memory) {
        return None;
    }
    let of_factor = |at: usize| {
        let excess = nth_highest(metric, replays, left_out, |worst| worst.excess[at])?;
        let margin = rounded_up(metric, excess.max(0.0));
        Some((FACTORS[at], margin))
    };
    let all = (0..FACTORS.len()).filter_map(of_factor);
    let at_usual = |(factor, margin): &(f64, f64)| factor * usual + margin;
    let (factor, margin) = all.min_by(|a, b| at_usual(a).total_cmp(&at_usual(b)))?;
    (!is_share(metric) || margin <= SHARE_MAX).then_some(Limit::RelativeMax { factor, margin })
}

fn nth_highest(
    metric: Metric,
    replays: &[Replay],
    left_out: usize,
    of: impl Fn(&Worst) -> f64,
) -> Option<f64> {
    let place = METRICS.iter().position(|known| *known == metric)?;
    let mut values: Vec<f64> = replays.iter().map(|it| of(&it.worst[place])).collect();
    values.sort_by(|a, b| b.total_cmp(a));
    let value = values.get(left_out).copied()?;
    if value.is_finite() {
        return Some(value);
    }
    // Enough requests, but never three failures: the least that is ever proposed.
    let seen = replays.iter().any(|it| it.worst[place].lowest.is_finite());
    (is_share(metric) && seen && value < 0.0).then_some(0.0)
}

/// To two digits, upwards; at least what a document can say, and for shares [`SHARE_MIN`].
fn rounded_up(metric: Metric, value: f64) -> f64 {
    let least = match metric {
        _ if is_share(metric) => SHARE_MIN,
        Metric::Latency(_) => 1.0,
        Metric::Memory => return (value / MEBIBYTE).ceil().max(1.0) * MEBIBYTE,
        _ => 0.01,
    };
    let rounded = two_digits(value.max(least), f64::ceil);
    match metric {
        // Documents have whole milliseconds.
        Metric::Latency(_) => rounded.ceil(),
        _ => rounded,
    }
}

const MEBIBYTE: f64 = 1_048_576.0;

fn two_digits(value: f64, round: fn(f64) -> f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 1 - value.log10().floor() as i32;
    let scale = 10f64.powi(digits.abs());
    // By an integer power in either direction, so that what is written is what is meant.
    if digits >= 0 {
        round(value * scale - f64::EPSILON * value * scale) / scale
    } else {
        round(value / scale) * scale
    }
}

/// Whether a check can be held against a rollout of the history: it has one limit for one value, of what is recorded.
pub(crate) fn is_replayed(check: &Check) -> bool {
    let is_threshold = matches!(
        check.limit,
        Limit::Max(_) | Limit::Min(_) | Limit::RelativeMax { .. } | Limit::RelativeMin { .. }
    );
    is_threshold && check.metric != Metric::Outside
}

/// Whether a proposed limit would have raised an alarm in a rollout.
pub(crate) fn fires(metric: Metric, limit: &Limit, replay: &Replay) -> bool {
    let Some(place) = METRICS.iter().position(|known| *known == metric) else {
        return false;
    };
    let worst = &replay.worst[place];
    match limit {
        Limit::Max(max) => worst.highest > *max,
        Limit::Min(min) => worst.lowest < *min,
        Limit::RelativeMax { factor, margin } => FACTORS
            .iter()
            .position(|known| known == factor)
            .is_some_and(|at| worst.excess[at] > *margin),
        _ => false,
    }
}
