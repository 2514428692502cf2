//! Checks that are more than one value against one limit: alarms and trends, which remember, and conditions. What
//! they say is the analysis's matter.

use super::checks::{self, Draft, SAMPLES_MIN_ABSOLUTE, SAMPLES_MIN_RELATIVE};
use super::limits;
use super::words::{decimal, positive_span, present, span, watched_span};
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{
    Brief, CheckFields, Field, LimitText, MissingWord, SpanText, Text, TrendFields,
};
use sluice_conditions::{BASELINE, Condition};
use sluice_model::analysis::{AlarmSettings, Breach, MissingData, TrendSettings, Unit};
use sluice_model::plan::{Check, ConditionLimit, Limit, Metric, TrendLimit};
use std::time::Duration;

/// Length of an alarm's period when nothing is said.
const PERIOD: Duration = Duration::from_secs(60);
/// Most datapoints of an alarm: a day of minutes.
const DATAPOINTS_MAX: u32 = 1_440;
/// How far a trend is drawn out when nothing is said.
const HORIZON: Duration = Duration::from_secs(86_400);
/// The shortest block of a trend: usage is measured once a second, and a minimum needs a few of them.
const BLOCK_MIN: Duration = Duration::from_secs(3);
/// Blocks that a trend needs for its first answer.
const FIRST_ANSWER_BLOCKS: u32 = 8;

/// Reads `alarm` with the `max` or `min` beside it.
pub(super) fn alarm(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    fields: &CheckFields,
) -> Option<AlarmSettings> {
    let (at, alarm) = present(&fields.alarm)?;
    let (breach, threshold) = match (present(&fields.max), present(&fields.min)) {
        (Some((at, max)), _) => (Breach::Above, limits::value(notes, at, metric, max)),
        (_, Some((at, min))) => (Breach::Below, limits::value(notes, at, metric, min)),
        (None, None) => {
            notes.error(
                node,
                "missing-limit",
                "the alarm does not say what is too much",
                "add `max` or `min` to the check; an alarm counts how often that is passed",
            );
            return None;
        }
    };
    let Some((datapoints_at, Text(datapoints))) = present(&alarm.datapoints) else {
        notes.error(
            at,
            "missing-field",
            "the alarm does not say how many datapoints it takes",
            "add `datapoints`, as in `datapoints: 3 of 5`",
        );
        return None;
    };
    let Some((needed, of)) = m_of_n(datapoints) else {
        notes.error(
            datapoints_at,
            "bad-datapoints",
            format!("`{}` is not a number of datapoints", clip(datapoints)),
            format!(
                "write M of N, as in `3 of 5`, with N at most {DATAPOINTS_MAX} and M at most N"
            ),
        );
        return None;
    };
    let period = match alarm.period {
        Some(_) => watched_span(notes, &alarm.period)?,
        None => PERIOD,
    };
    Some(AlarmSettings {
        breach,
        threshold: threshold?,
        period,
        evaluation_periods: of,
        datapoints_to_alarm: needed,
        missing: match present(&alarm.missing) {
            Some((_, MissingWord::Breaching)) => MissingData::Breaching,
            Some((_, MissingWord::NotBreaching)) => MissingData::NotBreaching,
            Some((_, MissingWord::Ignore)) => MissingData::Ignore,
            Some((_, MissingWord::Missing)) | None => MissingData::Missing,
        },
    })
}

/// `3 of 5`.
fn m_of_n(text: &str) -> Option<(u32, u32)> {
    let (needed, of) = text.split_once(" of ")?;
    let (needed, of) = (needed.trim().parse().ok()?, of.trim().parse().ok()?);
    let is_sound = (1..=DATAPOINTS_MAX).contains(&of) && (1..=of).contains(&needed);
    is_sound.then_some((needed, of))
}

/// Reads `trend`.
pub(super) fn trend(
    notes: &Notes,
    node: NodeId,
    metric: Metric,
    shape: &Brief<SpanText, TrendFields>,
) -> Option<TrendLimit> {
    let unit = match metric {
        Metric::Memory => Unit::Bytes,
        Metric::OpenFiles | Metric::InFlight => Unit::Count,
        _ => {
            notes.error(
                node,
                "no-trend",
                "this metric does not pile up: it has no trend",
                "use `memory`, `openFiles` or `inFlight`, or another limit",
            );
            return None;
        }
    };
    let usual = TrendSettings {
        unit,
        ..TrendSettings::default()
    };
    let limit = match shape {
        Brief::Word(horizon) => TrendLimit {
            ceiling: None,
            horizon: positive_span(notes, &word(node, horizon))?,
            settings: usual,
        },
        Brief::Full(fields) => {
            let or = |field: &Field<SpanText>, usual| match field {
                Some(_) => positive_span(notes, field),
                None => Some(usual),
            };
            let ceiling = match present(&fields.ceiling) {
                Some((at, text)) => Some(ceiling(notes, at, metric, text)?),
                None => None,
            };
            let warm_up = match &fields.warm_up {
                Some(_) => span(notes, &fields.warm_up)?,
                None => usual.warm_up,
            };
            let block = or(&fields.block, usual.block)?;
            if let Some((at, _)) = present(&fields.block).filter(|_| block < BLOCK_MIN) {
                notes.error(
                    at,
                    "out-of-range",
                    "the block is too short: usage is measured once a second",
                    "write 3s or more",
                );
                return None;
            }
            TrendLimit {
                ceiling,
                horizon: or(&fields.horizon, HORIZON)?,
                settings: TrendSettings {
                    block,
                    warm_up,
                    false_alarm_max: false_alarm(
                        notes,
                        &fields.false_alarm,
                        usual.false_alarm_max,
                    )?,
                    ..usual
                },
            }
        }
    };
    if metric == Metric::InFlight && limit.ceiling.is_none() {
        notes.error(
            node,
            "missing-field",
            "nothing says how many requests in flight are too many",
            "add `ceiling`, as in `trend: {ceiling: 500}`",
        );
        return None;
    }
    Some(limit)
}

/// A value that stood alone, as a field.
fn word(node: NodeId, text: &SpanText) -> Field<SpanText> {
    Some(Located {
        node,
        value: Some(text.clone()),
    })
}

fn ceiling(notes: &Notes, at: NodeId, metric: Metric, text: &LimitText) -> Option<f64> {
    let ceiling = limits::value(notes, at, metric, text)?;
    if ceiling <= 0.0 {
        notes.error(
            at,
            "out-of-range",
            "the ceiling is not above zero",
            "write the value that must not be reached",
        );
        return None;
    }
    Some(ceiling)
}

fn false_alarm(notes: &Notes, field: &Field<LimitText>, usual: f64) -> Option<f64> {
    let Some((at, LimitText(text))) = present(field) else {
        return Some(usual);
    };
    let rate = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim()).map(|percent| percent / 100.0),
        None => decimal(text),
    };
    let sound = rate.filter(|rate| (1e-6..=0.25).contains(rate));
    if sound.is_none() {
        notes.error(
            at,
            "out-of-range",
            format!("`{}` is not a rate of false alarms", clip(text)),
            "write a probability above 0 and at most 25 %, as in `0.25%`",
        );
    }
    sound
}

/// Reads a check that is a condition.
pub(super) fn condition(
    notes: &Notes,
    node: NodeId,
    condition: &Located<Text>,
    fields: &CheckFields,
) -> Option<Draft> {
    if !stands_alone(notes, "condition", fields) {
        return None;
    }
    let Text(text) = condition.value.as_ref()?;
    let compiled = match Condition::of_check(text) {
        Ok(compiled) => compiled,
        Err(problems) => {
            for problem in &problems.0 {
                let at = text.get(problem.from..problem.to).unwrap_or_default();
                let place = match at.trim() {
                    "" => String::new(),
                    at => format!(" at `{}`", clip(at)),
                };
                notes.error(
                    condition.node,
                    "bad-condition",
                    format!(
                        "the condition is not understood{place}: {}",
                        problem.message
                    ),
                    problem.help.clone().unwrap_or_else(|| {
                        "write it in CEL, as in `canary.errorRatio < 0.01`".to_owned()
                    }),
                );
            }
            return None;
        }
    };
    let named = compiled.variables();
    if named.is_empty() {
        notes.error(
            condition.node,
            "bad-condition",
            "the condition names no value: it is the same whatever happens",
            "name at least one, as in `canary.errorRatio < 0.01`",
        );
        return None;
    }
    let compares = named.iter().any(|name| name.starts_with(BASELINE));
    let usual = match compares {
        true => SAMPLES_MIN_RELATIVE,
        false => SAMPLES_MIN_ABSOLUTE,
    };
    let window = positive_span(notes, &fields.window);
    Some(Draft {
        check: Check {
            name: checks::name(notes, fields, "condition")?,
            metric: Metric::Condition,
            limit: Limit::Condition(ConditionLimit {
                text: text.clone(),
                compares,
            }),
            window: window.unwrap_or_default(),
            samples_min: checks::samples_min(notes, fields, usual),
            on_fail: checks::on_fail(fields),
        },
        query: None,
        node: Some(node),
        window_given: window.is_some(),
        for_copies: false,
    })
}

/// Whether a check that says by itself what is measured has no other field that does.
pub(super) fn stands_alone(notes: &Notes, own: &str, fields: &CheckFields) -> bool {
    let others = [
        ("metric", fields.metric.as_ref().map(|field| field.node)),
        (
            "condition",
            fields.condition.as_ref().map(|field| field.node),
        ),
        ("kayenta", fields.kayenta.as_ref().map(|field| field.node)),
        ("goal", fields.goal.as_ref().map(|field| field.node)),
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
        (
            "notWorse",
            fields.not_worse.as_ref().map(|field| field.node),
        ),
        ("alarm", fields.alarm.as_ref().map(|field| field.node)),
        ("trend", fields.trend.as_ref().map(|field| field.node)),
    ];
    let mut given = others
        .iter()
        .filter(|(name, _)| *name != own)
        .filter_map(|(name, at)| at.map(|at| (*name, at)));
    let Some((other, at)) = given.next() else {
        return true;
    };
    notes.error(
        at,
        "conflict",
        format!("the check has both `{own}` and `{other}`"),
        format!(
            "`{own}` says what is measured and what it must keep: leave the other out, or make it two checks"
        ),
    );
    false
}

/// The time that a limit needs for an answer, when that is its own matter.
pub(super) fn window(limit: &Limit) -> Option<Duration> {
    match limit {
        Limit::Alarm(alarm) => Some(alarm.period.saturating_mul(alarm.evaluation_periods)),
        Limit::Trend(trend) => {
            let blocks = trend.settings.block.saturating_mul(FIRST_ANSWER_BLOCKS);
            Some(trend.settings.warm_up.saturating_add(blocks))
        }
        _ => None,
    }
}

/// Refuses fields that have no meaning beside this limit.
pub(super) fn refuse_unused(notes: &Notes, limit: &Limit, fields: &CheckFields) {
    let what = match limit {
        Limit::Alarm(_) => "an alarm has `period` and `datapoints` instead",
        Limit::Trend(_) => "a trend has `block` and `warmUp` instead",
        _ => return,
    };
    let samples = matches!(limit, Limit::Trend(_)).then_some(&fields.samples_min);
    let unused = [
        ("window", fields.window.as_ref().map(|field| field.node)),
        (
            "samplesMin",
            samples.and_then(|field| field.as_ref().map(|field| field.node)),
        ),
    ];
    for (name, at) in unused {
        if let Some(at) = at {
            notes.error(
                at,
                "conflict",
                format!("`{name}` has no meaning here: {what}"),
                "leave it out",
            );
        }
    }
}
