//! What a plan would do, step by step, without doing it: `sluice plan`.
//!
//! Only what the plan itself says: the engine decides, and waits where there is no evidence, so every
//! time here is the earliest one.

use serde::Serialize;
use sluice_model::analysis::{AlarmSettings, Breach};
use sluice_model::outside::{OutsideQuery, on_one_line};
use sluice_model::plan::{
    CanarySize, Check, Exposure, Hook, HookAction, Limit, Metric, NotWorse, OnTrouble, ScoreLimit,
    Step, TrendLimit,
};
use sluice_model::routes::{Condition, RequestMatch, TextMatch};
use sluice_model::time::format_span;
use sluice_model::{Plan, Weight, millis};
use std::time::Duration;

/// One step of an [`outline`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlineStep {
    /// The step's name.
    pub name: String,
    /// The new revision's share of the traffic at the end of the step.
    pub weight: Weight,
    /// Replicas of the new revision.
    pub canary_replicas: u32,
    /// Replicas of the stable revision at the end of the step.
    pub stable_replicas: u32,
    /// Earliest time of the step's traffic, since the rollout began; gates, hooks and starting processes
    /// not counted.
    #[serde(with = "millis")]
    pub at_earliest: Duration,
    /// Shortest time at this step.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// The checks, for people.
    pub checks: Vec<String>,
    /// The hooks in their order, for people.
    pub hooks: Vec<String>,
    /// What is asked before the next step.
    pub gate: Option<String>,
    /// All of it in one sentence.
    pub text: String,
}

/// What the plan would do, step by step. Without a `stable` revision, the first deployment, there is
/// nothing to protect: one step.
#[must_use]
pub fn outline(plan: &Plan, stable: bool) -> Vec<OutlineStep> {
    let mut elapsed = Duration::ZERO;
    let mut canary_before = 0;
    let first = [plan.fast_step()];
    let steps: &[Step] = if stable { &plan.steps } else { &first };
    let stable_full = if stable { plan.replicas } else { 0 };
    steps
        .iter()
        .map(|step| {
            let (weight, canary, stable_left) = sizes(plan, step, stable_full);
            if canary > canary_before {
                elapsed += plan.min_ready * batches(plan, step);
            }
            canary_before = canary;
            let at_earliest = elapsed;
            elapsed += step.bake;
            let checks: Vec<String> = plan
                .checks
                .iter()
                .chain(&step.checks)
                .map(|check| check_text(check, weight, plan.queries.get(&check.name)))
                .collect();
            let hooks = hook_texts(step);
            let gate = step.gate.as_ref().map(|gate| gate.name.clone());
            let mut parts = vec![exposure_text(step, weight, canary, stable_left)];
            if !step.bake.is_zero() {
                parts.push(format!("for at least {}", format_span(step.bake)));
            }
            parts.extend((!checks.is_empty()).then(|| match checks.len() {
                1 => "while 1 check holds".to_owned(),
                several => format!("while {several} checks hold"),
            }));
            parts.extend(
                (!hooks.is_empty()).then(|| format!("with {}", plural(hooks.len(), "hook"))),
            );
            parts.extend(
                gate.as_ref()
                    .map(|name| format!("then wait for an approval: {name}")),
            );
            OutlineStep {
                name: step.name.clone(),
                weight,
                canary_replicas: canary,
                stable_replicas: stable_left,
                at_earliest,
                bake: step.bake,
                text: parts.join(", "),
                checks,
                hooks,
                gate,
            }
        })
        .collect()
}

/// Weight, canary replicas and stable replicas at the end of a step.
fn sizes(plan: &Plan, step: &Step, stable_full: u32) -> (Weight, u32, u32) {
    match &step.exposure {
        Exposure::Split { weight, canary, .. } => {
            let least = weight.of_replicas(plan.replicas).max(1);
            let canary = match canary {
                CanarySize::ByWeight => least,
                CanarySize::Full => plan.replicas,
                CanarySize::Count(count) => (*count).max(least),
            };
            (*weight, canary, stable_full)
        }
        Exposure::Rolling { .. } | Exposure::Recreate => (Weight::FULL, plan.replicas, 0),
    }
}

/// How many times in a row new replicas have to become available.
fn batches(plan: &Plan, step: &Step) -> u32 {
    match &step.exposure {
        Exposure::Rolling {
            max_surge,
            max_unavailable,
        } => {
            let batch = max_surge.saturating_add(*max_unavailable).max(1);
            plan.replicas.div_ceil(batch).max(1)
        }
        Exposure::Split { .. } | Exposure::Recreate => 1,
    }
}

fn exposure_text(step: &Step, weight: Weight, canary: u32, stable: u32) -> String {
    match &step.exposure {
        Exposure::Recreate => format!(
            "stop everything, then start {} (an outage)",
            plural(canary as usize, "new replica")
        ),
        Exposure::Rolling {
            max_surge,
            max_unavailable,
        } => format!(
            "replace {}, at most {max_surge} more and {max_unavailable} fewer at a time",
            plural(canary as usize, "replica")
        ),
        Exposure::Split {
            matches,
            mirror,
            preview,
            ..
        } => {
            let mut parts = vec![format!(
                "{weight} of the traffic to {}",
                plural(canary as usize, "new replica")
            )];
            parts.extend(
                matches
                    .iter()
                    .map(|entry| format!("all requests with {}", match_text(entry))),
            );
            parts.extend(mirror.as_ref().map(|mirror| {
                let which = if mirror.unsafe_methods {
                    "requests"
                } else {
                    "safe requests"
                };
                let then = if mirror.compare { ", compared" } else { "" };
                format!("copies of {} of the {which}{then}", mirror.share)
            }));
            parts.extend(preview.then(|| "the preview address".to_owned()));
            if stable > 0 {
                parts.push(format!("stable keeps {stable}"));
            }
            parts.join("; ")
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn match_text(entry: &RequestMatch) -> String {
    let value_text = |value: &TextMatch| match value {
        TextMatch::Exact(text) => format!(" `{text}`"),
        TextMatch::Prefix(text) => format!(" `{text}…`"),
        TextMatch::Present => String::new(),
    };
    let texts: Vec<String> = entry
        .all
        .iter()
        .map(|condition| match condition {
            Condition::Header { name, value } => format!("header {name}{}", value_text(value)),
            Condition::Cookie { name, value } => format!("cookie {name}{}", value_text(value)),
            Condition::Path { value } => format!("path{}", value_text(value)),
            Condition::User { any_of } => format!("user {}", any_of.join(" or ")),
        })
        .collect();
    texts.join(" and ")
}

/// A check for people, at a step's weight: `errors: failed requests at most 2 × stable + 1 % (1m, 200 samples), else
/// abort`.
fn check_text(check: &Check, weight: Weight, query: Option<&OutsideQuery>) -> String {
    let limit = match &check.limit {
        Limit::Max(max) => format!("at most {}", value_text(check.metric, *max)),
        Limit::Min(min) => format!("at least {}", value_text(check.metric, *min)),
        Limit::RelativeMax { factor, margin } => {
            format!(
                "at most {factor} × stable{}",
                margin_text(check.metric, '+', *margin)
            )
        }
        Limit::RelativeMin { factor, margin } => {
            format!(
                "at least {factor} × stable{}",
                margin_text(check.metric, '-', *margin)
            )
        }
        Limit::NotWorse(limit) => return comparison_text(check, *limit, weight),
        Limit::Alarm(alarm) => return alarm_text(check, alarm),
        Limit::Trend(trend) => return trend_text(check, trend),
        Limit::Condition(condition) => format!("`{}`", condition.text),
        Limit::Score(score) => return score_text(check, score),
        Limit::Goal(goal) => {
            return format!(
                "{}: not fewer users than stable's reach a request with {}, from {} on; else {}",
                check.name,
                match_text(&goal.when),
                plural(check.samples_min as usize, "user"),
                trouble_text(check.on_fail)
            );
        }
    };
    if let (Metric::Outside, Some(query)) = (check.metric, query) {
        return format!(
            "{}: `{}` of `{}` {limit} (over {}, asked every {}), else {}",
            check.name,
            on_one_line(&query.text),
            query.source,
            format_span(check.window),
            format_span(query.interval),
            trouble_text(check.on_fail)
        );
    }
    format!(
        "{}: {} {limit} ({}, {}), else {}",
        check.name,
        metric_text(check.metric),
        format_span(check.window),
        plural(
            usize::try_from(check.samples_min).unwrap_or(usize::MAX),
            "sample"
        ),
        trouble_text(check.on_fail)
    )
}

fn trouble_text(trouble: OnTrouble) -> &'static str {
    match trouble {
        OnTrouble::Abort => "abort",
        OnTrouble::Pause => "pause",
        OnTrouble::Continue => "continue",
    }
}

/// A comparison for people: `errors: failed requests not above 1 × stable, each request counts; passes below
/// 1.5 × stable + 0.5 %, else abort`. What passes depends on the weight.
fn comparison_text(check: &Check, limit: NotWorse, weight: Weight) -> String {
    let accepted = limit.accept_margin_at(f64::from(weight.basis_points()) / 10_000.0);
    let rate = |ratio: f64, margin: f64| {
        let margin = match margin {
            0.0 => String::new(),
            margin => format!(" + {}", value_text(Metric::ErrorRatio, margin)),
        };
        format!("{ratio} × stable{margin}")
    };
    let what = match check.metric {
        Metric::Latency(quantile) => {
            format!(
                "requests slower than stable's p{}",
                (quantile * 100.0).round()
            )
        }
        metric => metric_text(metric),
    };
    format!(
        "{}: {what} not above {}, request by request; passes below {}; else {}",
        check.name,
        rate(limit.ratio, limit.margin),
        rate(limit.accept_ratio, accepted),
        trouble_text(check.on_fail)
    )
}

/// An alarm for people: `errors: failed requests above 1 % in 3 of 5 datapoints of 1m, else abort`.
fn alarm_text(check: &Check, alarm: &AlarmSettings) -> String {
    let beyond = match alarm.breach {
        Breach::Above => "above",
        Breach::AtOrAbove => "at or above",
        Breach::Below => "below",
        Breach::AtOrBelow => "at or below",
    };
    format!(
        "{}: {} not {beyond} {} in {} of {} datapoints of {}, else {}",
        check.name,
        metric_text(check.metric),
        value_text(check.metric, alarm.threshold),
        alarm.datapoints_to_alarm,
        alarm.evaluation_periods,
        format_span(alarm.period),
        trouble_text(check.on_fail)
    )
}

/// A trend for people: `memory: memory does not reach 512 MiB within 1d, else abort`.
fn trend_text(check: &Check, trend: &TrendLimit) -> String {
    let ceiling = match trend.ceiling {
        Some(ceiling) => value_text(check.metric, ceiling),
        None => "what the machine allows".to_owned(),
    };
    format!(
        "{}: {} not on the way to {ceiling} within {}, else {}",
        check.name,
        metric_text(check.metric),
        format_span(trend.horizon),
        trouble_text(check.on_fail)
    )
}

/// A score for people: `canary-score: Kayenta's score of 4 metrics at least 95, fails below 75 (from 50 periods of 1m on),
/// else abort`.
fn score_text(check: &Check, score: &ScoreLimit) -> String {
    format!(
        "{}: {} of {} at least {}, fails below {} (from {} of {} on), else {}",
        check.name,
        metric_text(check.metric),
        plural(score.metrics.len(), "metric"),
        rounded(score.pass),
        rounded(score.marginal),
        plural(score.periods_min as usize, "period"),
        format_span(score.period),
        trouble_text(check.on_fail)
    )
}

fn margin_text(metric: Metric, sign: char, margin: f64) -> String {
    if margin == 0.0 {
        String::new()
    } else {
        format!(" {sign} {}", value_text(metric, margin))
    }
}

fn metric_text(metric: Metric) -> String {
    match metric {
        Metric::ErrorRatio => "failed requests".to_owned(),
        Metric::ClientErrorRatio => "4xx answers".to_owned(),
        Metric::TimeoutRatio => "timeouts".to_owned(),
        Metric::Latency(quantile) => format!("p{} latency", rounded(quantile * 100.0)),
        Metric::RequestRate => "requests".to_owned(),
        Metric::Cpu => "CPU".to_owned(),
        Metric::Memory => "memory".to_owned(),
        Metric::OpenFiles => "open files".to_owned(),
        Metric::InFlight => "requests in flight".to_owned(),
        Metric::MirrorDiffRatio => "different answers".to_owned(),
        Metric::Condition => "holds:".to_owned(),
        Metric::Score => "Kayenta's score".to_owned(),
        Metric::Goal => "users who reach it".to_owned(),
        Metric::Outside => "the source's answer".to_owned(),
    }
}

fn value_text(metric: Metric, value: f64) -> String {
    match metric {
        Metric::ErrorRatio
        | Metric::ClientErrorRatio
        | Metric::TimeoutRatio
        | Metric::MirrorDiffRatio
        | Metric::Goal => {
            format!("{} %", rounded(value * 100.0))
        }
        Metric::Latency(_) => format!("{} ms", rounded(value)),
        Metric::RequestRate => format!("{}/s", rounded(value)),
        Metric::Cpu => format!("{} cores", rounded(value)),
        Metric::Memory => format!("{} MiB", rounded(value / 1_048_576.0)),
        Metric::OpenFiles | Metric::InFlight | Metric::Condition | Metric::Score => {
            format!("{}", rounded(value))
        }
        Metric::Outside => format!("{value}"),
    }
}

/// Without the noise of binary fractions.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn hook_texts(step: &Step) -> Vec<String> {
    let text = |when: &str, hook: &Hook| {
        let what = match &hook.action {
            HookAction::Command { command, .. } => command.join(" "),
            HookAction::Webhook { url, .. } => format!("POST {url}"),
        };
        format!(
            "{when} {}: {what} (at most {})",
            hook.name,
            format_span(hook.timeout)
        )
    };
    let before = step.before.iter().map(|hook| text("before", hook));
    before
        .chain(step.after.iter().map(|hook| text("after", hook)))
        .collect()
}
