//! Checks: the default ones, and over them those of the document. `limits` reads what they must keep,
//! `remembering` alarms, trends and conditions, `score` canary configs, `goals` goals, `queries` what outside servers are asked;
//! `evidence` tells which steps can judge them.

use super::comparisons;
use super::goals;
use super::limits::{is_relative, limit};
use super::queries;
use super::remembering;
use super::score;
use super::sources::Sources;
use super::words::{check_label, positive_span, present};
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{Brief, CheckFields, Checks, FailWord, MetricWord, Text};
use sluice_model::CheckName;
use sluice_model::outside::OutsideQuery;
use sluice_model::plan::{Check, Limit, Metric, OnTrouble};
use std::time::Duration;

/// Fewest canary samples for an absolute limit: with three failures as the least that count, a healthy
/// service with 1 % of failures stays below 5 % in them.
pub(crate) const SAMPLES_MIN_ABSOLUTE: u64 = 100;
/// Fewest canary samples for a limit relative to the baseline. Simulated over 5→25→50 % with looks each
/// second: at most 1 % false alarms for a service that fails 0.1 % of its requests, 6 to 9 % for one that
/// fails 0.5 %; a release that fails 2 % is caught within 10 s at 400 requests/s.
pub(crate) const SAMPLES_MIN_RELATIVE: u64 = 200;

/// A check before it is attached to steps.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(super) check: Check,
    /// What it asks an outside server.
    pub(super) query: Option<OutsideQuery>,
    /// Where it stands in the document; absent for a default one.
    pub(super) node: Option<NodeId>,
    /// Whether the document gave a window.
    pub(super) window_given: bool,
    /// Only for steps in which the canary has nothing but copies of requests.
    pub(super) for_copies: bool,
}

/// The default checks: the same for every strategy that looks at two sides. Where users are shared among them,
/// they are compared request by request; where the new side has only copies of requests, over a window.
pub(crate) fn defaults(tcp: bool) -> Vec<Draft> {
    let draft = |name: &str, metric, limit, samples_min| Draft {
        check: Check {
            name: CheckName(name.to_owned()),
            metric,
            limit,
            window: Duration::ZERO,
            samples_min,
            on_fail: OnTrouble::Abort,
        },
        query: None,
        node: None,
        window_given: false,
        for_copies: false,
    };
    let compared = |name: &str, metric| {
        let limit = comparisons::default_of(metric)?;
        Some(draft(
            name,
            metric,
            Limit::NotWorse(limit),
            SAMPLES_MIN_ABSOLUTE,
        ))
    };
    let copied = |name: &str, metric, factor, margin| Draft {
        for_copies: true,
        ..draft(
            name,
            metric,
            Limit::RelativeMax { factor, margin },
            SAMPLES_MIN_RELATIVE,
        )
    };
    let limit =
        |name: &str, metric, max| draft(name, metric, Limit::Max(max), SAMPLES_MIN_ABSOLUTE);
    let p99 = Metric::Latency(0.99);
    let mut drafts = Vec::new();
    drafts.extend(compared("errors", Metric::ErrorRatio));
    drafts.push(limit("error-limit", Metric::ErrorRatio, 0.05));
    if tcp {
        return drafts;
    }
    drafts.extend(compared("client-errors", Metric::ClientErrorRatio));
    drafts.extend(compared("latency-p99", p99));
    drafts.extend([
        copied("mirror-errors", Metric::ErrorRatio, 2.0, 0.01),
        copied("mirror-client-errors", Metric::ClientErrorRatio, 1.5, 0.02),
        copied("mirror-latency-p99", p99, 2.0, 5.0),
    ]);
    let mut diff = limit("mirror-diff", Metric::MirrorDiffRatio, 0.05);
    // Bodies differ for harmless reasons too (times, ids): somebody has to look.
    diff.check.on_fail = OnTrouble::Pause;
    drafts.push(diff);
    drafts
}

/// Reads one `checks:` field over what is known already: `none` clears it; a check with a known name takes
/// the place of that one.
pub(crate) fn overlay(
    notes: &Notes,
    sources: &Sources,
    known: &mut Vec<Draft>,
    field: &Located<Checks>,
) {
    let list = match &field.value {
        None => return,
        Some(Brief::Word(Text(word))) if word == "none" => {
            known.clear();
            return;
        }
        Some(Brief::Word(Text(word))) => {
            notes.error(
                field.node,
                "wrong-type",
                format!("`{}` is not a list of checks", clip(word)),
                "write `none`, or a list of checks",
            );
            return;
        }
        Some(Brief::Full(list)) => list,
    };
    let mut own: Vec<(CheckName, NodeId)> = Vec::new();
    for item in list {
        let Some(fields) = &item.value else { continue };
        let Some(draft) = read(notes, sources, item.node, fields) else {
            continue;
        };
        let name = draft.check.name.clone();
        if let Some((_, first)) = own.iter().find(|(known, _)| *known == name) {
            notes.error(
                item.node,
                "duplicate-check",
                format!(
                    "there are two checks named `{name}`; the first is on line {}",
                    notes.line(*first)
                ),
                "give each its own `name`",
            );
            continue;
        }
        own.push((name.clone(), item.node));
        match known.iter_mut().find(|earlier| earlier.check.name == name) {
            Some(earlier) => *earlier = draft,
            None => known.push(draft),
        }
    }
}

fn read(notes: &Notes, sources: &Sources, node: NodeId, fields: &CheckFields) -> Option<Draft> {
    if let Some(query) = &fields.query {
        return queries::read(notes, sources, node, query, fields);
    }
    queries::refuse_without_query(notes, fields);
    if let Some(condition) = &fields.condition {
        return remembering::condition(notes, node, condition, fields);
    }
    if let Some(kayenta) = &fields.kayenta {
        return score::read(notes, node, kayenta, fields);
    }
    if let Some(goal) = &fields.goal {
        return goals::read(notes, node, goal, fields);
    }
    let Some(metric_field) = &fields.metric else {
        notes.error(
            node,
            "missing-field",
            "the check does not say what it measures",
            "add `metric`, as in `metric: errorRatio`, `condition`, `kayenta`, `goal` or `query`",
        );
        return None;
    };
    let word = metric_field.value?;
    let metric = metric_of(word);
    let name = name(notes, fields, default_name(word))?;
    let limit = limit(notes, node, metric, fields)?;
    let usual = match &limit {
        Limit::Trend(_) | Limit::Alarm(_) => 1,
        _ if metric.is_gauge() => 1,
        limit if is_relative(limit) => SAMPLES_MIN_RELATIVE,
        _ => SAMPLES_MIN_ABSOLUTE,
    };
    remembering::refuse_unused(notes, &limit, fields);
    let own_window = remembering::window(&limit);
    Some(Draft {
        check: Check {
            name,
            metric,
            limit,
            window: own_window
                .or_else(|| positive_span(notes, &fields.window))
                .unwrap_or_default(),
            samples_min: samples_min(notes, fields, usual),
            on_fail: on_fail(fields),
        },
        query: None,
        node: Some(node),
        window_given: own_window.is_some() || present(&fields.window).is_some(),
        for_copies: false,
    })
}

/// The name that is given, or the usual one.
pub(super) fn name(notes: &Notes, fields: &CheckFields, usual: &str) -> Option<CheckName> {
    match present(&fields.name) {
        Some((at, Text(name))) => check_label(notes, at, name).then(|| CheckName(name.clone())),
        None if fields.name.is_some() => None,
        None => Some(CheckName(usual.to_owned())),
    }
}

/// The fewest samples for a verdict.
pub(super) fn samples_min(notes: &Notes, fields: &CheckFields, usual: u64) -> u64 {
    match present(&fields.samples_min) {
        Some((at, 0)) => {
            notes.error(
                at,
                "out-of-range",
                "a verdict needs at least one sample",
                "write 1 or more",
            );
            1
        }
        Some((_, samples)) => *samples,
        None => usual,
    }
}

/// What a failure does.
pub(super) fn on_fail(fields: &CheckFields) -> OnTrouble {
    match present(&fields.on_fail) {
        Some((_, FailWord::Pause)) => OnTrouble::Pause,
        Some((_, FailWord::Abort)) | None => OnTrouble::Abort,
    }
}

pub(super) fn metric_of(word: MetricWord) -> Metric {
    match word {
        MetricWord::ErrorRatio => Metric::ErrorRatio,
        MetricWord::ClientErrorRatio => Metric::ClientErrorRatio,
        MetricWord::TimeoutRatio => Metric::TimeoutRatio,
        MetricWord::LatencyP50 => Metric::Latency(0.5),
        MetricWord::LatencyP90 => Metric::Latency(0.9),
        MetricWord::LatencyP95 => Metric::Latency(0.95),
        MetricWord::LatencyP99 => Metric::Latency(0.99),
        MetricWord::RequestRate => Metric::RequestRate,
        MetricWord::Cpu => Metric::Cpu,
        MetricWord::Memory => Metric::Memory,
        MetricWord::OpenFiles => Metric::OpenFiles,
        MetricWord::InFlight => Metric::InFlight,
        MetricWord::MirrorDiffRatio => Metric::MirrorDiffRatio,
    }
}

fn default_name(word: MetricWord) -> &'static str {
    match word {
        MetricWord::ErrorRatio => "error-ratio",
        MetricWord::ClientErrorRatio => "client-error-ratio",
        MetricWord::TimeoutRatio => "timeout-ratio",
        MetricWord::LatencyP50 => "latency-p50",
        MetricWord::LatencyP90 => "latency-p90",
        MetricWord::LatencyP95 => "latency-p95",
        MetricWord::LatencyP99 => "latency-p99",
        MetricWord::RequestRate => "request-rate",
        MetricWord::Cpu => "cpu",
        MetricWord::Memory => "memory",
        MetricWord::OpenFiles => "open-files",
        MetricWord::InFlight => "in-flight",
        MetricWord::MirrorDiffRatio => "mirror-diff",
    }
}
