//! About how long each step takes, and what never ends: computed, not drawn.
//!
//! For a release as good as the stable one. What is counted in a step is carried to the next, as in a rollout;
//! a step's accepted margin is that of its own weight.

use crate::comparing::accepted;
use crate::course::{Comparison, Course, Phase};
use serde::Serialize;
use sluice_analysis::sequential::{Betting, Counts, Direction, Rates, Segment};
use sluice_model::time::format_span;
use sluice_model::{CheckName, millis};
use std::time::Duration;

/// What can be expected of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outlook {
    /// The steps.
    pub steps: Vec<StepOutlook>,
    /// About when a good release is promoted; absent when that is not to be expected.
    #[serde(with = "millis::option")]
    pub promoted: Option<Duration>,
    /// What cannot be decided in time, and what to do, a sentence each.
    pub warnings: Vec<String>,
}

/// What can be expected of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepOutlook {
    /// Its name.
    pub name: String,
    /// The new side's share of the traffic, 0 to 1.
    pub weight: f64,
    /// Its bake.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// The comparison that takes longest to say "not worse"; absent when none is judged.
    pub slowest: Option<CheckName>,
    /// Requests of both sides that it still needs in this step; absent when no number suffices.
    pub requests: Option<u64>,
    /// How long that takes; absent likewise.
    #[serde(with = "millis::option")]
    pub time: Option<Duration>,
}

/// What can be expected of a course.
#[must_use]
pub fn outlook(course: &Course) -> Outlook {
    let mut passed: Vec<(f64, u64)> = Vec::new();
    let mut elapsed = Some(0.0);
    let mut outlook = Outlook {
        steps: Vec::new(),
        promoted: None,
        warnings: Vec::new(),
    };
    let is_judged = |phase: &Phase| !(phase.compared.is_empty() && phase.thresholds.is_empty());
    if !course.phases.iter().any(is_judged) {
        outlook.warnings.push(
            "nothing that is counted of requests is judged in any step: every release is promoted, however bad; add `checks`, or a strategy that has them (`canary`, `blue-green`)"
                .to_owned(),
        );
    }
    for phase in &course.phases {
        let needs = phase
            .compared
            .iter()
            .filter_map(|at| course.comparisons.get(*at))
            .map(|comparison| (comparison, needed(course, phase, comparison, &passed)));
        // No number of requests is more than any.
        let slowest = needs.max_by_key(|(_, needed)| needed.unwrap_or(u64::MAX));
        let requests = slowest.map_or(Some(0), |(_, needed)| needed);
        let seconds = requests.map(|requests| requests as f64 / course.traffic.rate);
        let bake = phase.bake as f64 / 1_000.0;
        elapsed = elapsed
            .zip(seconds)
            .map(|(elapsed, seconds)| elapsed + phase.prepare as f64 / 1_000.0 + seconds.max(bake));
        let short = too_few(course, phase);
        if !short.is_empty() {
            elapsed = None;
        }
        let horizon = course.horizon().as_secs_f64();
        let waits = !short.is_empty();
        outlook.warnings.extend(short);
        let in_time = elapsed.is_some_and(|elapsed| elapsed <= horizon);
        let was_in_time = outlook
            .steps
            .last()
            .is_none_or(|_| outlook.promoted.is_some());
        if let (false, true, Some((comparison, needed))) = (in_time || waits, was_in_time, slowest)
        {
            let warning = undecidable(course, phase, comparison, needed);
            outlook.warnings.push(warning);
        }
        outlook.promoted = elapsed.filter(|_| in_time).map(Duration::from_secs_f64);
        let went = seconds.unwrap_or(bake).max(bake) * course.traffic.rate;
        passed.push((phase.weight, went as u64));
        outlook.steps.push(StepOutlook {
            name: phase.name.clone(),
            weight: phase.weight,
            bake: Duration::from_millis(phase.bake),
            slowest: slowest.map(|(comparison, _)| comparison.name.clone()),
            requests,
            time: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        });
    }
    outlook
}

/// Requests of both sides that a comparison needs in a step, after those of the steps before.
fn needed(
    course: &Course,
    phase: &Phase,
    comparison: &Comparison,
    passed: &[(f64, u64)],
) -> Option<u64> {
    let rate = course.baseline.get(comparison.signal).copied()?;
    let hypothesis = accepted(&comparison.limit, phase.weight);
    let mut betting = Betting::new(hypothesis, Direction::NotWorse).ok()?;
    let mut seen = 0.0;
    for (weight, requests) in passed {
        let expected = |share: f64| (*requests as f64 * share * rate).round() as u64;
        let counts = Counts::new(expected(*weight), expected(1.0 - weight), *requests).ok()?;
        betting.close(&Segment::new(*weight, counts).ok()?);
        seen += *requests as f64 * weight;
    }
    let rates = Rates {
        canary: rate,
        baseline: rate,
    };
    let line = -comparison.limit.beta.ln();
    let evidence = betting
        .requests_left(None, phase.weight, rates, line)
        .ok()??;
    let samples = (comparison.samples_min as f64 - seen).max(0.0) / phase.weight;
    let is_first = passed.iter().all(|(weight, _)| *weight == 0.0);
    let learned = if is_first {
        comparison.to_learn as f64 / (1.0 - phase.weight)
    } else {
        0.0
    };
    Some((evidence as f64).max(samples) as u64 + learned.ceil() as u64)
}

fn undecidable(
    course: &Course,
    phase: &Phase,
    comparison: &Comparison,
    needed: Option<u64>,
) -> String {
    let Comparison { name, limit, .. } = comparison;
    let step = &phase.name;
    let Some(needed) = needed else {
        let usual = course.baseline.get(comparison.signal).copied();
        return format!(
            "the comparison `{name}` is not decided in step `{step}` by any number of requests: with {} % of the stable side's requests affected, a release as good is not told from what is not accepted; raise `acceptRatio` or `acceptMargin`",
            rounded(usual.unwrap_or(0.0) * 100.0)
        );
    };
    let takes = Duration::try_from_secs_f64(needed as f64 / course.traffic.rate);
    let takes = takes.map_or_else(|_| "for ever".to_owned(), |it| format_span(in_seconds(it)));
    let until = if course.has_deadline() {
        "the plan's deadline"
    } else {
        "the end of what is simulated"
    };
    format!(
        "the comparison `{name}` needs about {needed} requests in step `{step}`, {takes} at {} a second, and {until} ({}) comes first; accept more than {} × stable + {} % there, give the step more weight, or more time",
        rounded(course.traffic.rate),
        format_span(course.horizon()),
        limit.accept_ratio,
        rounded(limit.accept_margin_at(phase.weight) * 100.0)
    )
}

/// Thresholds whose window never holds as many requests as they ask for.
fn too_few(course: &Course, phase: &Phase) -> Vec<String> {
    phase
        .thresholds
        .iter()
        .filter_map(|threshold| {
            let check = &threshold.check;
            let per_second = course.traffic.rate * phase.weight;
            let come = per_second * check.window.as_secs_f64();
            let relative = check.limit.needs_baseline();
            let of_stable = course.traffic.rate * (1.0 - phase.weight) * check.window.as_secs_f64();
            let come = if relative { come.min(of_stable) } else { come };
            (come < check.samples_min as f64).then(|| {
                format!(
                    "the check `{}` needs {} requests within {}, and about {} come in step `{}`, which then waits without end; lengthen its `window`, or lower its `samplesMin`",
                    check.name,
                    check.samples_min,
                    format_span(check.window),
                    come.floor(),
                    phase.name
                )
            })
        })
        .collect()
}

fn in_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs().max(1))
}

/// Without the noise of binary fractions.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
