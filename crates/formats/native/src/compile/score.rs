//! Checks by a canary config of Kayenta's. What the config says is read, and judged, by `sluice-kayenta`.

use super::checks::{self, Draft};
use super::remembering::stands_alone;
use super::words::{decimal, present, watched_span};
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{CheckFields, Entries, Field, KayentaFields, LimitText, Text};
use sluice_kayenta::CanaryConfig;
use sluice_model::Severity;
use sluice_model::plan::{Check, Limit, Metric, ScoreLimit};
use std::collections::BTreeMap;
use std::time::Duration;

/// The time that one sample covers when nothing is said.
const PERIOD: Duration = Duration::from_secs(60);
/// Fewest samples for a score when nothing is said.
const SAMPLES: u64 = 30;
/// Most samples that are kept of a metric.
const SAMPLES_MAX: u64 = 480;

/// Reads `kayenta`.
pub(super) fn read(
    notes: &Notes,
    node: NodeId,
    kayenta: &Located<KayentaFields>,
    fields: &CheckFields,
) -> Option<Draft> {
    if !stands_alone(notes, "kayenta", fields) {
        return None;
    }
    for (name, at) in [
        ("window", fields.window.as_ref().map(|field| field.node)),
        (
            "samplesMin",
            fields.samples_min.as_ref().map(|field| field.node),
        ),
    ] {
        if let Some(at) = at {
            notes.error(
                at,
                "conflict",
                format!("`{name}` has no meaning here: a score has `period` and `samples` instead"),
                "leave it out",
            );
        }
    }
    let own = kayenta.value.as_ref()?;
    let (config_at, text, config) = config(notes, kayenta.node, own)?;
    let metrics = metrics(notes, kayenta.node, own, &config)?;
    let period = match own.period {
        Some(_) => watched_span(notes, &own.period)?,
        None => PERIOD,
    };
    let samples = match present(&own.samples) {
        Some((at, samples)) if !(1..=SAMPLES_MAX).contains(samples) => {
            notes.error(
                at,
                "out-of-range",
                format!("{samples} is out of range"),
                format!("write a number from 1 to {SAMPLES_MAX}"),
            );
            return None;
        }
        Some((_, samples)) => *samples,
        None => SAMPLES,
    };
    let of_config = config.classifier.score_thresholds;
    let pass = threshold(
        notes,
        config_at,
        "pass",
        &own.pass,
        of_config.map(|it| it.pass),
    )?;
    let marginal = of_config.map(|it| it.marginal);
    let marginal = threshold(notes, config_at, "marginal", &own.marginal, marginal)?;
    if marginal > pass {
        notes.error(
            config_at,
            "out-of-range",
            format!("the score {marginal}, below which the release fails, is above {pass}, from which on it passes"),
            "lower `marginal`, or raise `pass`",
        );
        return None;
    }
    let periods_min = u32::try_from(samples).unwrap_or(u32::MAX);
    Some(Draft {
        check: Check {
            name: checks::name(notes, fields, "canary-score")?,
            metric: Metric::Score,
            limit: Limit::Score(ScoreLimit {
                config: text,
                metrics,
                period,
                periods_min,
                pass,
                marginal,
            }),
            window: period.saturating_mul(periods_min),
            samples_min: 1,
            on_fail: checks::on_fail(fields),
        },
        query: None,
        node: Some(node),
        window_given: true,
        for_copies: false,
    })
}

fn config(
    notes: &Notes,
    node: NodeId,
    own: &KayentaFields,
) -> Option<(NodeId, String, CanaryConfig)> {
    let Some((at, Text(text))) = present(&own.config) else {
        if own.config.is_none() {
            notes.error(
                node,
                "missing-field",
                "there is no canary config",
                "add `config: |` and the JSON below it; `sluice convert kayenta FILE` writes the check",
            );
        }
        return None;
    };
    let parsed = sluice_kayenta::read("config", text);
    for problem in &parsed.diagnostics {
        let message = match problem.path.as_str() {
            "" => format!("the canary config: {}", problem.message),
            path => format!("the canary config, `{}`: {}", clip(path), problem.message),
        };
        let help = problem.help.clone().unwrap_or_default();
        match problem.severity {
            Severity::Error => notes.error(at, "bad-canary-config", message, help),
            Severity::Warning => notes.warning(at, "odd-canary-config", message, help),
        }
    }
    Some((at, text.clone(), parsed.config?))
}

/// What each metric of the config is here: all of them, and no other.
fn metrics(
    notes: &Notes,
    node: NodeId,
    own: &KayentaFields,
    config: &CanaryConfig,
) -> Option<BTreeMap<String, Metric>> {
    let mut metrics = BTreeMap::new();
    let mut sound = true;
    let entries = present(&own.metrics);
    for (name, word) in entries.iter().flat_map(|(_, Entries(entries))| entries) {
        let (Some(Text(text)), Some(word)) = (&name.value, word.value) else {
            sound = false;
            continue;
        };
        if !config.metrics.iter().any(|metric| metric.name == *text) {
            let known: Vec<&str> = config.metrics.iter().map(|it| it.name.as_str()).collect();
            notes.error(
                name.node,
                "unknown-metric",
                format!("the canary config has no metric `{}`", clip(text)),
                format!("its metrics are: {}", clip(&known.join(", "))),
            );
            sound = false;
            continue;
        }
        let metric = checks::metric_of(word);
        if metric == Metric::MirrorDiffRatio {
            notes.error(
                name.node,
                "unknown-metric",
                "copies have no baseline to be scored against",
                "use `mirrorDiffRatio` in a check of its own, with `max`",
            );
            sound = false;
            continue;
        }
        metrics.insert(text.clone(), metric);
    }
    for metric in &config.metrics {
        if sound && !metrics.contains_key(&metric.name) {
            notes.error(
                entries.map_or(node, |(at, _)| at),
                "missing-field",
                format!(
                    "nothing says what the metric `{}` is here",
                    clip(&metric.name)
                ),
                format!(
                    "add it to `metrics`, as in `{}: errorRatio`, or take it out of the config",
                    clip(&metric.name)
                ),
            );
            sound = false;
        }
    }
    sound.then_some(metrics)
}

fn threshold(
    notes: &Notes,
    node: NodeId,
    name: &str,
    field: &Field<LimitText>,
    of_config: Option<f64>,
) -> Option<f64> {
    let Some((at, LimitText(text))) = present(field) else {
        if of_config.is_none() && field.is_none() {
            notes.error(
                node,
                "missing-field",
                format!("neither the check nor the canary config says `{name}`"),
                "add `pass` and `marginal` to the check, as in `pass: 95` and `marginal: 75`",
            );
        }
        return of_config.filter(|_| field.is_none());
    };
    let score = decimal(text).filter(|score| *score <= 100.0);
    if score.is_none() {
        notes.error(
            at,
            "out-of-range",
            format!("`{}` is not a score", clip(text)),
            "write a number from 0 to 100",
        );
    }
    score
}
