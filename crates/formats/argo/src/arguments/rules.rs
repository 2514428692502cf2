//! Rules that choose metrics by name: dry runs and retention.

use super::ArgumentError;
use crate::api::{DryRun, MeasurementRetention, Metric};
use std::collections::{BTreeMap, BTreeSet};

/// Measurements that a metric keeps where no rule says otherwise.
const DEFAULT_RETAINED: usize = 10;
/// Largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The metrics that are measured without consequences. A rule names them by a regular expression that is
/// found anywhere in the name; `*` alone is all, as Argo's documentation says (and its code does not do).
///
/// # Errors
/// When a rule chooses no metric.
pub fn dry_run_metrics(
    rules: &[DryRun],
    metrics: &[Metric],
) -> Result<BTreeSet<String>, ArgumentError> {
    let mut chosen = BTreeSet::new();
    for (at, rule) in rules.iter().enumerate() {
        let found = matching(&rule.metric_name, metrics);
        if found.is_empty() {
            return Err(no_match("dryRun", at));
        }
        chosen.extend(found.into_iter().map(str::to_owned));
    }
    Ok(chosen)
}

/// How many measurements each metric keeps; the last rule that chooses it decides.
///
/// # Errors
/// When a rule chooses no metric.
pub fn retained_measurements(
    rules: &[MeasurementRetention],
    metrics: &[Metric],
) -> Result<BTreeMap<String, usize>, ArgumentError> {
    let mut kept: BTreeMap<String, usize> = metrics
        .iter()
        .map(|metric| (metric.name.clone(), DEFAULT_RETAINED))
        .collect();
    for (at, rule) in rules.iter().enumerate() {
        let found = matching(&rule.metric_name, metrics);
        if found.is_empty() {
            return Err(no_match("measurementRetention", at));
        }
        let limit = usize::try_from(rule.limit)
            .ok()
            .filter(|limit| *limit > 0)
            .unwrap_or(DEFAULT_RETAINED);
        for name in found {
            kept.insert(name.to_owned(), limit);
        }
    }
    Ok(kept)
}

fn no_match(field: &str, at: usize) -> ArgumentError {
    ArgumentError(format!(
        "{field}[{at}]: Rule didn't match any metric name(s)"
    ))
}

/// The metrics that a rule chooses; none when it is no regular expression.
fn matching<'m>(rule: &str, metrics: &'m [Metric]) -> Vec<&'m str> {
    let names = metrics.iter().map(|metric| metric.name.as_str());
    if rule == "*" {
        return names.collect();
    }
    let pattern = regex::RegexBuilder::new(rule)
        .size_limit(MAX_PATTERN_BYTES)
        .build();
    match pattern {
        Ok(pattern) => names.filter(|name| pattern.is_match(name)).collect(),
        Err(_) => Vec::new(),
    }
}
