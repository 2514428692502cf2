//! What a check's value must keep: one of several limits, in the metric's unit. `comparisons` and `remembering` read
//! those with fields of their own.

use super::comparisons;
use super::remembering;
use super::words::{decimal, parse_size, present};
use crate::notes::{NodeId, Notes, clip};
use crate::shape::{Brief, CheckFields, FactorText, LimitText, RelativeFields};
use sluice_model::plan::{Limit, Metric};
use sluice_model::time::parse_span;

/// Exactly one of the limits; a metric that can be compared request by request may do without.
pub(crate) fn limit(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    fields: &CheckFields,
) -> Option<Limit> {
    let given = [
        (
            "notWorse",
            fields.not_worse.as_ref().map(|field| field.node),
        ),
        ("max", fields.max.as_ref().map(|field| field.node)),
        ("min", fields.min.as_ref().map(|field| field.node)),
        (
            "maxRelative",
            fields.max_relative.as_ref().map(|field| field.node),
        ),
        (
            "minRelative",
            fields.min_relative.as_ref().map(|field| field.node),
        ),
        ("trend", fields.trend.as_ref().map(|field| field.node)),
    ];
    let mut given = given
        .iter()
        .filter_map(|(name, at)| at.map(|at| (*name, at)));
    let Some((first, _)) = given.next() else {
        if let Some(alarm) = &fields.alarm {
            return remembering::alarm(notes, alarm.node, metric, fields).map(Limit::Alarm);
        }
        if let Some(default) = comparisons::default_of(metric) {
            return Some(Limit::NotWorse(default));
        }
        notes.error(
            node,
            "missing-limit",
            "the check has no limit",
            "add one of `max`, `min`, `maxRelative`, `minRelative` and `trend`, as in `max: 1%`",
        );
        return None;
    };
    if let Some((second, at)) = given.next() {
        notes.error(
            at,
            "conflict",
            format!("the check has both `{first}` and `{second}`"),
            "make it two checks, each with its own `name`",
        );
        return None;
    }
    if let Some(alarm) = &fields.alarm {
        return remembering::alarm(notes, alarm.node, metric, fields).map(Limit::Alarm);
    }
    if let Some((at, shape)) = present(&fields.trend) {
        return remembering::trend(notes, at, metric, shape).map(Limit::Trend);
    }
    if let Some((at, shape)) = present(&fields.not_worse) {
        return comparisons::read(notes, at, metric, shape).map(Limit::NotWorse);
    }
    if let Some((at, text)) = present(&fields.max) {
        return value(notes, at, metric, text).map(Limit::Max);
    }
    if let Some((at, text)) = present(&fields.min) {
        return value(notes, at, metric, text).map(Limit::Min);
    }
    if let Some((at, relative)) = present(&fields.max_relative) {
        let (factor, margin) = factor_and_margin(notes, at, metric, relative)?;
        return Some(Limit::RelativeMax { factor, margin });
    }
    let (at, relative) = present(&fields.min_relative)?;
    let (factor, margin) = factor_and_margin(notes, at, metric, relative)?;
    Some(Limit::RelativeMin { factor, margin })
}

fn factor_and_margin(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    relative: &Brief<FactorText, RelativeFields>,
) -> Option<(f64, f64)> {
    let (factor_at, factor, margin) = match relative {
        Brief::Word(factor) => (node, factor, 0.0),
        Brief::Full(fields) => {
            if fields.factor.is_none() {
                notes.error(
                    node,
                    "missing-field",
                    "the limit does not say which multiple is allowed",
                    "add `factor`, as in `factor: 2x`",
                );
            }
            let margin = match present(&fields.margin) {
                Some((at, text)) => value(notes, at, metric, text)?,
                None if fields.margin.is_some() => return None,
                None => 0.0,
            };
            let (at, factor) = present(&fields.factor)?;
            (at, factor, margin)
        }
    };
    let FactorText(text) = factor;
    let number = decimal(text.strip_suffix('x').unwrap_or(text))
        .filter(|number| *number > 0.0 && *number <= 1_000_000.0);
    if number.is_none() {
        notes.error(
            factor_at,
            "bad-factor",
            format!("`{}` is not a multiple", clip(text)),
            "write a number above 0, as in `2x` or `1.5`",
        );
    }
    number.map(|number| (number, margin))
}

/// A limit in the metric's unit.
pub(super) fn value(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    LimitText(text): &LimitText,
) -> Option<f64> {
    let (parsed, help) = match metric {
        Metric::ErrorRatio
        | Metric::ClientErrorRatio
        | Metric::TimeoutRatio
        | Metric::MirrorDiffRatio
        | Metric::Goal => (
            match text.strip_suffix('%') {
                Some(percent) => decimal(percent.trim())
                    .filter(|percent| *percent <= 100.0)
                    .map(|percent| percent / 100.0),
                None => decimal(text).filter(|share| *share < 1.0),
            },
            "write a share of the requests, as in `1%` or `0.01`",
        ),
        Metric::Latency(_) => (
            parse_span(text)
                .ok()
                .map(|span| span.as_secs_f64() * 1_000.0),
            "write a time with its unit, as in `500ms` or `2s`",
        ),
        Metric::RequestRate => (
            decimal(text.strip_suffix("/s").unwrap_or(text).trim()),
            "write requests per second, as in `100` or `100/s`",
        ),
        Metric::Cpu => (decimal(text), "write a number of cores, as in `0.9`"),
        Metric::Memory => (
            parse_size(text).map(|bytes| bytes as f64),
            "write a size, as in `512MiB`",
        ),
        Metric::OpenFiles | Metric::InFlight | Metric::Condition | Metric::Score => {
            (decimal(text), "write a number, as in `500`")
        }
        Metric::Outside => (
            text.parse().ok().filter(|value: &f64| value.is_finite()),
            "write a number in the query's own unit, as in `5` or `0.02`",
        ),
    };
    if parsed.is_none() {
        notes.error(
            node,
            "bad-limit",
            format!("`{}` is not a limit for this metric", clip(text)),
            help,
        );
    }
    parsed
}

/// Whether a limit compares with the stable revision over a window.
pub(crate) fn is_relative(limit: &Limit) -> bool {
    limit.needs_baseline() && !matches!(limit, Limit::NotWorse(_) | Limit::Goal(_))
}
