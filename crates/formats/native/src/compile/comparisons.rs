//! Sequential comparisons: their defaults by metric, what the document says of them, and the error rates that
//! all comparisons of a release share. The test itself is the analysis's (`sluice-analysis`).

use super::words::{decimal, present};
use crate::notes::{NodeId, Notes, clip};
use crate::shape::{
    AnalysisFields, Brief, FactorText, Field, LimitText, NotWorseFields, ReleaseFields,
};
use sluice_model::CheckName;
use sluice_model::plan::{Limit, Metric, NotWorse, Step};
use std::collections::BTreeMap;

/// Bound on taking back a release that is not worse: one in a hundred rollouts.
const FALSE_ROLLBACK: f64 = 0.01;
/// Bound on letting a release on that is beyond what is accepted, for each comparison.
const FALSE_PASS: f64 = 0.05;
/// The smallest error rate that can be asked for; below, no traffic suffices.
const RATE_MIN: f64 = 1e-9;

/// What a comparison of this metric allows when nothing else is said; `None` where there is nothing to compare
/// request by request.
///
/// Failures: any excess is worse; that of a client's own making (4xx) differs with the users that chance sends,
/// so it has a margin. Latency: the share of requests slower than the stable revision's own quantile.
pub(crate) fn default_of(metric: Metric) -> Option<NotWorse> {
    let of = |ratio, margin, accept_ratio, accept_margin| NotWorse {
        ratio,
        margin,
        accept_ratio,
        accept_margin,
        alpha: FALSE_ROLLBACK,
        beta: FALSE_PASS,
        share: 1.0,
    };
    match metric {
        Metric::ErrorRatio | Metric::TimeoutRatio => Some(of(1.0, 0.0, 1.5, 0.005)),
        Metric::ClientErrorRatio => Some(of(1.25, 0.005, 1.5, 0.02)),
        Metric::Latency(_) => Some(of(1.25, 0.005, 1.5, 0.02)),
        Metric::RequestRate
        | Metric::Cpu
        | Metric::Memory
        | Metric::OpenFiles
        | Metric::InFlight
        | Metric::MirrorDiffRatio
        | Metric::Condition
        | Metric::Score
        | Metric::Goal
        | Metric::Outside => None,
    }
}

/// Reads `notWorse`.
pub(crate) fn read(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    shape: &Brief<FactorText, NotWorseFields>,
) -> Option<NotWorse> {
    let Some(default) = default_of(metric) else {
        notes.error(
            node,
            "not-comparable",
            "this metric cannot be compared request by request",
            "use `max`, `min`, `maxRelative` or `minRelative`",
        );
        return None;
    };
    let fields = match shape {
        Brief::Word(text) => {
            let ratio = ratio(notes, node, text)?;
            return Some(consistent(NotWorse { ratio, ..default }));
        }
        Brief::Full(fields) => fields,
    };
    let factor = |field: &Field<FactorText>, default: f64| match present(field) {
        Some((at, text)) => ratio(notes, at, text),
        None => field.is_none().then_some(default),
    };
    let margin = |field: &Field<LimitText>, default: f64| match present(field) {
        Some((at, text)) => share_of_requests(notes, at, text),
        None => field.is_none().then_some(default),
    };
    let limit = NotWorse {
        ratio: factor(&fields.ratio, default.ratio)?,
        margin: margin(&fields.margin, default.margin)?,
        accept_ratio: factor(&fields.accept_ratio, default.accept_ratio)?,
        accept_margin: margin(&fields.accept_margin, default.accept_margin)?,
        ..default
    };
    refuse_undecidable(notes, node, fields, limit)?;
    Some(consistent(limit))
}

/// What is accepted lies beyond what is worse, wherever the document does not say otherwise.
fn consistent(limit: NotWorse) -> NotWorse {
    NotWorse {
        accept_ratio: limit.accept_ratio.max(limit.ratio),
        accept_margin: limit.accept_margin.max(limit.margin),
        ..limit
    }
}

/// Nothing may be both worse and accepted, and something must be acceptable at all.
fn refuse_undecidable(
    notes: &Notes,
    node: NodeId,
    fields: &NotWorseFields,
    limit: NotWorse,
) -> Option<()> {
    let given = fields.accept_ratio.is_some() || fields.accept_margin.is_some();
    if given && (limit.accept_ratio < limit.ratio || limit.accept_margin < limit.margin) {
        notes.error(
            node,
            "contradiction",
            "a release could be worse and accepted at once: what is accepted is tighter than what is worse",
            "let `acceptRatio` be at least `ratio`, and `acceptMargin` at least `margin`",
        );
        return None;
    }
    if limit.accept_ratio <= 1.0 && limit.accept_margin <= 0.0 {
        notes.error(
            node,
            "never-decided",
            "no number of requests proves a release equal to the stable one exactly",
            "accept a little more: an `acceptRatio` above 1x, or an `acceptMargin` above 0",
        );
        return None;
    }
    Some(())
}

fn ratio(notes: &Notes, node: NodeId, FactorText(text): &FactorText) -> Option<f64> {
    let number = decimal(text.strip_suffix('x').unwrap_or(text))
        .filter(|number| (0.01..=1_000.0).contains(number));
    if number.is_none() {
        notes.error(
            node,
            "bad-factor",
            format!("`{}` is not a multiple", clip(text)),
            "write a number from 0.01 to 1000, as in `1.25x`",
        );
    }
    number
}

/// A share of the requests below 1.
fn share_of_requests(notes: &Notes, node: NodeId, LimitText(text): &LimitText) -> Option<f64> {
    let number = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim()).map(|percent| percent / 100.0),
        None => decimal(text),
    };
    let number = number.filter(|share| (0.0..1.0).contains(share));
    if number.is_none() {
        notes.error(
            node,
            "bad-limit",
            format!("`{}` is not a share of the requests", clip(text)),
            "write it as in `0.5%` or `0.005`",
        );
    }
    number
}

/// Shares the release's error rates among all its comparisons.
pub(crate) fn share_out(notes: &Notes, fields: &ReleaseFields, steps: &mut [Step]) {
    let emphasis: BTreeMap<CheckName, f64> = steps
        .iter()
        .flat_map(|step| &step.checks)
        .filter(|check| matches!(check.limit, Limit::NotWorse(_)))
        .map(|check| (check.name.clone(), emphasis(check.metric)))
        .collect();
    let (alpha, beta) = rates(notes, &fields.analysis);
    if let (true, Some((node, _))) = (emphasis.is_empty(), present(&fields.analysis)) {
        notes.warning(
            node,
            "check-unused",
            "`analysis` has no effect: no step of this release compares the two revisions",
            "a comparison needs a step in which both have traffic",
        );
    }
    let whole: f64 = emphasis.values().sum();
    for step in steps {
        for check in &mut step.checks {
            if let (Limit::NotWorse(limit), Some(part)) =
                (&mut check.limit, emphasis.get(&check.name))
            {
                (limit.alpha, limit.beta, limit.share) = (alpha, beta, part / whole);
            }
        }
    }
}

/// Failures have twice the share of anything else: they are what users feel most, and are found sooner so.
fn emphasis(metric: Metric) -> f64 {
    match metric {
        Metric::ErrorRatio => 2.0,
        _ => 1.0,
    }
}

fn comparisons(steps: &[Step]) -> impl Iterator<Item = (&CheckName, NotWorse)> {
    steps
        .iter()
        .flat_map(|step| &step.checks)
        .filter_map(|check| match check.limit {
            Limit::NotWorse(limit) => Some((&check.name, limit)),
            _ => None,
        })
}

/// Refuses a comparison that changes from step to step: its evidence is carried through all of them.
pub(crate) fn refuse_changes(notes: &Notes, at: NodeId, steps: &[Step]) {
    let mut seen: Vec<(&CheckName, NotWorse)> = Vec::new();
    for (name, limit) in comparisons(steps) {
        match seen.iter().find(|(known, _)| *known == name) {
            None => seen.push((name, limit)),
            Some((_, known)) if *known == limit => {}
            Some(_) => {
                notes.error(
                    at,
                    "conflict",
                    format!("the comparison `{name}` is not the same in all steps"),
                    "its evidence is carried from step to step: give it once, in the release's `checks`, or give \
                     the other one another `name`",
                );
                return;
            }
        }
    }
}

fn rates(notes: &Notes, field: &Field<AnalysisFields>) -> (f64, f64) {
    let Some((_, fields)) = present(field) else {
        return (FALSE_ROLLBACK, FALSE_PASS);
    };
    let rate = |field: &Field<LimitText>, default: f64| {
        let Some((at, text)) = present(field) else {
            return default;
        };
        let given = error_rate(text);
        given.unwrap_or_else(|| {
            notes.error(
                at,
                "out-of-range",
                format!("`{}` is not an error rate", clip(&text.0)),
                "write a probability above 0 and at most 50 %, as in `1%`",
            );
            default
        })
    };
    (
        rate(&fields.false_rollback, FALSE_ROLLBACK),
        rate(&fields.false_pass, FALSE_PASS),
    )
}

fn error_rate(LimitText(text): &LimitText) -> Option<f64> {
    let number = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim())? / 100.0,
        None => decimal(text)?,
    };
    (RATE_MIN..=0.5).contains(&number).then_some(number)
}
