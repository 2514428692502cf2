//! The rules of an analysis' metrics.

use super::{Problem, Problems};
use crate::api::{IntOrString, Metric};
use crate::condition;
use std::collections::BTreeSet;

/// All that is wrong with the metrics of an analysis template or run. Numbers that are still arguments
/// (`{{args.count}}`) are judged when they are known.
///
/// `path` is where the metrics are, as `spec.metrics`.
#[must_use]
pub fn validate_metrics(metrics: &[Metric], path: &str) -> Vec<Problem> {
    let mut found = Problems::default();
    let mut names = BTreeSet::new();
    for (at, metric) in metrics.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if !names.insert(&metric.name) {
            found.error(
                "metric-name",
                format!("{path}.name"),
                format!("another metric is called `{}` too", metric.name),
                "give it a name of its own",
            );
        }
        limits(metric, &path, &mut found);
        times(metric, &path, &mut found);
        provider(metric, &path, &mut found);
    }
    found.0
}

/// The conditions that no measurement can fulfil or miss, because they are none.
///
/// The run of such a metric is no invalid one: its measurements are in error, which has no consequence in a
/// dry run. Conditions with arguments are judged when the arguments are known; those of a plugin are its own.
#[must_use]
pub fn validate_conditions(metrics: &[Metric], path: &str) -> Vec<Problem> {
    let mut found = Problems::default();
    for (at, metric) in metrics.iter().enumerate() {
        if !metric.provider.plugin.0.is_empty() {
            continue;
        }
        for (field, text) in [
            ("successCondition", &metric.success_condition),
            ("failureCondition", &metric.failure_condition),
        ] {
            if text.is_empty() || text.contains("{{") {
                continue;
            }
            if let Err(error) = condition::validate(text) {
                found.error(
                    "metric-condition",
                    format!("{path}[{at}].{field}"),
                    format!("`{text}`, {error}"),
                    "write an expression over `result`, as `result[0] >= 0.95`",
                );
            }
        }
    }
    found.0
}

/// The number, if it is one already.
fn known(value: Option<&IntOrString>, default: i32) -> Option<i32> {
    match value {
        None => Some(default),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(text)) => text.parse().ok(),
    }
}

fn limits(metric: &Metric, path: &str, found: &mut Problems) {
    for (field, value, least) in [
        ("failureLimit", &metric.failure_limit, -1),
        ("inconclusiveLimit", &metric.inconclusive_limit, 0),
        ("consecutiveErrorLimit", &metric.consecutive_error_limit, 0),
        (
            "consecutiveSuccessLimit",
            &metric.consecutive_success_limit,
            0,
        ),
    ] {
        match value {
            Some(IntOrString::String(text))
                if text.parse::<i32>().is_err() && !text.contains("{{") =>
            {
                found.error(
                    "metric-limit",
                    format!("{path}.{field}"),
                    format!("`{text}` is neither a number nor an argument"),
                    "write a number, or `{{args.name}}`",
                );
            }
            _ => {}
        }
        if let Some(number) = known(value.as_ref(), 0).filter(|number| *number < least) {
            found.error(
                "metric-limit",
                format!("{path}.{field}"),
                format!("{number} is below {least}"),
                format!("write {least} or more"),
            );
        }
    }
    let failures = known(metric.failure_limit.as_ref(), 0);
    let successes = known(metric.consecutive_success_limit.as_ref(), 0);
    if (failures, successes) == (Some(-1), Some(0)) {
        found.error(
            "metric-never-decides",
            format!("{path}.failureLimit"),
            "any number of failures is tolerated, and no number of successes is enough",
            "set a failureLimit, or a consecutiveSuccessLimit",
        );
    }
    let Some(count) = known(metric.count.as_ref(), 0).filter(|count| *count > 0) else {
        return;
    };
    if let (Some(failures), Some(successes)) = (failures, successes) {
        let needed = failures.max(0).saturating_add(successes.max(0));
        if count < needed {
            found.error(
                "metric-count",
                format!("{path}.count"),
                format!("{count} measurements cannot reach limits of {needed}"),
                "measure at least failureLimit + consecutiveSuccessLimit times",
            );
        }
    }
    let inconclusive = known(metric.inconclusive_limit.as_ref(), 0);
    if inconclusive.is_some_and(|limit| count < limit) {
        found.error(
            "metric-count",
            format!("{path}.count"),
            format!("{count} measurements cannot reach inconclusiveLimit"),
            "measure at least inconclusiveLimit times",
        );
    }
}

fn times(metric: &Metric, path: &str, found: &mut Problems) {
    for (field, text) in [
        ("interval", &metric.interval),
        ("initialDelay", &metric.initial_delay),
    ] {
        if text.0.is_empty() || text.0.contains("{{") {
            continue;
        }
        if let Err(cause) = text.nanoseconds() {
            found.error(
                "metric-duration",
                format!("{path}.{field}"),
                cause,
                "write a duration as `30s`",
            );
        }
    }
    let many = known(metric.count.as_ref(), 0).is_some_and(|count| count > 1);
    if many && metric.interval.0.is_empty() {
        found.error(
            "metric-interval",
            format!("{path}.interval"),
            "several measurements need a time between them",
            "write an interval as `30s`",
        );
    }
}

fn provider(metric: &Metric, path: &str, found: &mut Problems) {
    let provider = &metric.provider;
    let named: Vec<&str> = [
        ("prometheus", provider.prometheus.is_some()),
        ("kayenta", provider.kayenta.is_some()),
        ("web", provider.web.is_some()),
        ("datadog", provider.datadog.is_some()),
        ("wavefront", provider.wavefront.is_some()),
        ("newRelic", provider.new_relic.is_some()),
        ("job", provider.job.is_some()),
        ("cloudWatch", provider.cloud_watch.is_some()),
        ("graphite", provider.graphite.is_some()),
        ("influxdb", provider.influxdb.is_some()),
        ("skywalking", provider.skywalking.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, is_named)| is_named.then_some(name))
    .chain(provider.plugin.0.keys().map(String::as_str))
    .collect();
    let cause = match named.as_slice() {
        [_] => return,
        [] => "no provider is named".to_owned(),
        several => format!("{} are named at once", several.join(" and ")),
    };
    found.error(
        "one-provider",
        format!("{path}.provider"),
        cause,
        "name exactly one provider",
    );
}
