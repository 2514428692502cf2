//! What keeps an analysis from being started, or from ever ending.

use super::analyses::new_run_of;
use super::world::World;
use crate::api::{Argument, IntOrString, Metric, RolloutAnalysis};
use crate::arguments::RunRequest;
use crate::validation::validate_metrics;

/// Why an analysis cannot be started, if it cannot: a template is missing, or an argument, or a metric is none, or one
/// has no end and somebody waits for it.
pub(super) fn of_analysis(
    world: &World,
    analysis: &RolloutAnalysis,
    is_waited_for: bool,
) -> Option<String> {
    let mut analysis = analysis.clone();
    for argument in &mut analysis.args {
        // What the status does not have yet, it has when the run is started.
        let field = argument
            .value_from
            .as_ref()
            .and_then(|from| from.field_ref.as_ref());
        if field.is_some_and(|field| field.field_path.starts_with("status")) {
            argument.value_from = None;
        }
    }
    // Any hash will do: the values are not looked at.
    match new_run_of(world, &analysis, "stable", "latest", RunRequest::default()) {
        Ok(run) => run.spec.metrics.iter().find_map(|metric| {
            let of_one = std::slice::from_ref(metric);
            if let Some(problem) = validate_metrics(of_one, "metrics").into_iter().next() {
                return Some(format!("metric '{}': {problem}", metric.name));
            }
            (is_waited_for && is_endless(metric, &run.spec.args)).then(|| {
                format!(
                    "metric '{}' runs indefinitely, and the rollout would wait for it; give it a count, or no interval",
                    metric.name
                )
            })
        }),
        Err(cause) if cause.ends_with("not found") => {
            Some(format!("{cause}; create it, or name another one"))
        }
        Err(cause) => Some(cause),
    }
}

/// Whether a metric is measured without end, unless so many good values in a row end it. Its count may be an argument.
fn is_endless(metric: &Metric, arguments: &[Argument]) -> bool {
    let mut metric = metric.clone();
    if let Some(IntOrString::String(count)) = &metric.count {
        let known = arguments.iter().filter_map(|argument| {
            let place = format!("{{{{args.{}}}}}", argument.name);
            Some((place, argument.value.as_deref()?))
        });
        let written = known.fold(count.clone(), |text, (place, value)| {
            text.replace(&place, value)
        });
        if written.contains("{{") {
            // A Secret has it, say.
            return false;
        }
        metric.count = Some(IntOrString::String(written));
    }
    let may_succeed = match &metric.consecutive_success_limit {
        Some(IntOrString::Int(limit)) => *limit > 0,
        Some(IntOrString::String(_)) => true,
        None => false,
    };
    metric.effective_count().is_none() && !may_succeed
}
