//! What the rollouts of a history say about a plan's checks, and which limits follow.

use crate::history::Coverage;
use crate::limits::{self, Rate, fires};
use crate::margins::Margin;
use crate::replay::Replay;
use crate::worst::METRICS;
use serde::Serialize;
use sluice_model::minute::MINUTE;
use sluice_model::plan::{Check, Limit, Metric};
use sluice_model::{CheckName, millis};
use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// What the history has.
    pub coverage: Coverage,
    /// How long a rollout by the plan takes, as it is replayed.
    #[serde(with = "millis")]
    pub rollout: Duration,
    /// Rollouts of the history.
    pub rollouts: u64,
    /// As how many independent ones they count.
    pub effective: f64,
    /// The rate of false alarms that is asked for, per rollout and over all proposed limits together.
    pub target: f64,
    /// The least target that this history could show.
    pub target_min: f64,
    /// More history that is needed to show the target; absent when there is enough.
    #[serde(with = "millis::option")]
    pub more: Option<Duration>,
    /// The plan's own checks.
    pub present: Vec<Judged>,
    /// How often any of the plan's thresholds would have raised an alarm.
    pub present_together: Rate,
    /// What is proposed.
    pub proposals: Vec<Proposal>,
    /// How often any of the [chosen](Proposal::chosen) ones would have raised an alarm.
    pub proposed_together: Rate,
    /// The comparisons, and the margins at which they are decided in time.
    pub comparisons: Vec<Margin>,
    /// What is to be known beside, a sentence each.
    pub notes: Vec<String>,
}

/// A check of the plan, judged on the history.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Its name.
    pub check: CheckName,
    /// What it measures.
    pub metric: Metric,
    /// Its limit.
    pub limit: Limit,
    /// How often it would have raised an alarm; of a comparison, how often it would have said "worse". Absent for what
    /// the history does not tell.
    pub alarms: Option<Rate>,
    /// Of a comparison, how often it would have been decided by the end of every bake.
    pub in_time: Option<Rate>,
}

/// A limit that is proposed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposal {
    /// The check's name.
    pub check: CheckName,
    /// What it measures.
    pub metric: Metric,
    /// Its limit.
    pub limit: Limit,
    /// The metric's value in the median minute.
    pub usual: Option<f64>,
    /// How often it would have raised an alarm.
    pub alarms: Rate,
    /// Whether it is the tighter one of its metric, and so the one to take.
    pub chosen: bool,
}

/// What a conclusion is drawn from.
pub(crate) struct Evidence<'a> {
    pub(crate) coverage: Coverage,
    pub(crate) replays: &'a [Replay],
    /// Days since the first rollout at which each began.
    pub(crate) starts: &'a [f64],
    pub(crate) rollout_minutes: usize,
    pub(crate) target: f64,
    pub(crate) thresholds: &'a [Check],
    pub(crate) comparisons: &'a [Check],
    pub(crate) margins: Vec<Margin>,
    /// The value of each of [`METRICS`] in the median minute.
    pub(crate) usual: Vec<Option<f64>>,
    pub(crate) notes: Vec<String>,
}

pub(crate) fn conclude(evidence: Evidence<'_>) -> Findings {
    let replays = evidence.replays;
    let dispersions = limits::dispersions(replays, evidence.starts);
    let limited: Vec<f64> = METRICS
        .iter()
        .zip(dispersions)
        .filter(|(metric, _)| limits::maximum(**metric, replays, 0).is_some())
        .map(|(_, dispersion)| dispersion)
        .collect();
    let figures = limited.len().max(1);
    let effective = limits::effective(replays.len(), &limited);
    let of_metric = |metric: Metric| {
        let place = METRICS.iter().position(|known| *known == metric);
        let own = place.map_or(1.0, |place| dispersions[place]);
        limits::effective(replays.len(), &[own])
    };
    let target = evidence.target;
    let j = limits::rank(figures, effective, target);
    // The same part of the rollouts that there are, of which the effective number is a part.
    let clustered = replays.len() as f64 / effective.max(1.0);
    let left_out = j.map_or(0, |j| ((j * clustered) as usize).saturating_sub(1));
    let proposals = propose(replays, &evidence.usual, left_out, of_metric);
    let rollout = MINUTE * u32::try_from(evidence.rollout_minutes).unwrap_or(u32::MAX);
    let missing = limits::needed(figures, target) * clustered - replays.len() as f64;
    let any_of_present = replays.iter().map(|it| it.fired.contains(&true));
    let any_of_proposed = replays.iter().map(|replay| {
        let mut chosen = proposals.iter().filter(|it| it.chosen);
        chosen.any(|it| fires(it.metric, &it.limit, replay))
    });
    let proposed_together = Rate::of(any_of_proposed, effective);
    Findings {
        coverage: evidence.coverage,
        rollout,
        rollouts: replays.len() as u64,
        effective,
        target,
        target_min: limits::beyond(figures, effective, 1.0),
        more: j.is_none().then(|| {
            Duration::from_secs_f64(rollout.as_secs_f64() * missing.clamp(1.0, 1e9).ceil())
        }),
        present: present(&evidence, of_metric),
        present_together: Rate::of(any_of_present, effective),
        proposed_together: Rate {
            // What the limits leave out at most, whichever of them.
            high: proposed_together
                .high
                .max(limits::beyond(figures, effective, j.unwrap_or(1.0))),
            ..proposed_together
        },
        proposals,
        comparisons: evidence.margins,
        notes: evidence.notes,
    }
}

fn present(evidence: &Evidence<'_>, effective: impl Fn(Metric) -> f64) -> Vec<Judged> {
    let rate = |check: &Check, happened: &dyn Fn(&Replay) -> bool| {
        Rate::of(
            evidence.replays.iter().map(happened),
            effective(check.metric),
        )
    };
    let thresholds = evidence.thresholds.iter().enumerate().map(|(at, check)| {
        let is_told = METRICS.contains(&check.metric) && limits::is_replayed(check);
        (
            check,
            is_told.then(|| rate(check, &|it| it.fired[at])),
            None,
        )
    });
    let comparisons = evidence.comparisons.iter().enumerate().map(|(at, check)| {
        let called_worse = rate(check, &|it| it.called_worse[at]);
        let in_time = rate(check, &|it| it.in_time[at]);
        (check, Some(called_worse), Some(in_time))
    });
    comparisons
        .chain(thresholds)
        .map(|(check, alarms, in_time)| Judged {
            check: check.name.clone(),
            metric: check.metric,
            limit: check.limit.clone(),
            alarms,
            in_time,
        })
        .collect()
}

fn propose(
    replays: &[Replay],
    usual: &[Option<f64>],
    left_out: usize,
    effective: impl Fn(Metric) -> f64,
) -> Vec<Proposal> {
    let mut proposals = Vec::new();
    for (metric, usual) in METRICS.iter().zip(usual) {
        let name = name_of(*metric);
        let absolute = limits::maximum(*metric, replays, left_out);
        let relative = usual.and_then(|usual| limits::relative(*metric, replays, left_out, usual));
        let is_tighter = match (&absolute, &relative, usual) {
            (Some(Limit::Max(max)), Some(Limit::RelativeMax { factor, margin }), Some(usual)) => {
                factor * usual + margin < *max
            }
            (None, Some(_), _) => true,
            _ => false,
        };
        let mut add = |suffix: &str, limit: Limit, chosen: bool| {
            let alarms = replays.iter().map(|it| fires(*metric, &limit, it));
            let alarms = Rate::of(alarms, effective(*metric));
            proposals.push(Proposal {
                check: CheckName(format!("{name}-{suffix}")),
                metric: *metric,
                limit,
                usual: *usual,
                alarms,
                chosen,
            });
        };
        if *metric == Metric::RequestRate {
            if let Some(limit) = limits::minimum(*metric, replays, left_out) {
                add("least", limit, false);
            }
            continue;
        }
        if let Some(limit) = absolute {
            add("limit", limit, !is_tighter);
        }
        if let Some(limit) = relative.filter(|_| !metric.is_gauge()) {
            add("relative", limit, is_tighter);
        }
    }
    proposals
}

/// The beginning of the names of a metric's checks.
fn name_of(metric: Metric) -> &'static str {
    match metric {
        Metric::ErrorRatio => "error",
        Metric::ClientErrorRatio => "client-error",
        Metric::TimeoutRatio => "timeout",
        Metric::Latency(quantile) if quantile <= 0.5 => "latency-p50",
        Metric::Latency(quantile) if quantile <= 0.9 => "latency-p90",
        Metric::Latency(quantile) if quantile <= 0.95 => "latency-p95",
        Metric::Latency(_) => "latency-p99",
        Metric::RequestRate => "request-rate",
        Metric::Cpu => "cpu",
        Metric::Memory => "memory",
        _ => "other",
    }
}
