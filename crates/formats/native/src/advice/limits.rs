//! Checks whose limits say nothing about a release: figures that differ with the weight, limits that nothing can be
//! beyond, and more users than are counted.

use sluice_model::Weight;
use sluice_model::analysis::Breach;
use sluice_model::outside::OutsideQuery;
use sluice_model::plan::{Check, Exposure, Limit, Metric, Plan, Step, USERS_COUNTED_MAX};
use sluice_model::routes::Assignment;

/// Warns of each such check once, at the first step that has it.
pub(super) fn review(plan: &Plan, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let counts_users = plan.assignment != Assignment::PerRequest;
    let mut named = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let path = format!("release.steps[{index}]");
        for check in step.checks.iter().chain(&plan.checks) {
            if named.contains(&&check.name) {
                continue;
            }
            let found = if never_fails(check) {
                Some((
                    "never-fails",
                    format!(
                        "the check `{}` never fails: no value is beyond its limit",
                        check.name
                    ),
                    "give a limit that a bad release would be beyond",
                ))
            } else if let Some(shares) =
                unequal_shares(step).filter(|_| differs_with_weight(plan, check))
            {
                Some((
                    "unequal-shares",
                    format!("the check `{}` compares totals, and {shares}", check.name),
                    match check.metric {
                        Metric::Outside => {
                            "divide by what the side has of them all, as in `sum(rate(orders_total{…}[1m])) / sum(rate(requests_total{…}[1m]))`"
                        }
                        _ => {
                            "use `max` or `min`; compare totals with the old revision's only in a step with a weight of 50"
                        }
                    },
                ))
            } else if counts_users && needs_more_users_than_count(check) {
                Some((
                    "more-users-than-counted",
                    format!(
                        "the check `{}` waits for {} users; with `sticky`, the first {USERS_COUNTED_MAX} of a rollout are counted, on both sides together",
                        check.name, check.samples_min
                    ),
                    "lower `samplesMin`",
                ))
            } else {
                None
            };
            if let Some((code, message, help)) = found {
                named.push(&check.name);
                warn(&path, code, message, help);
            }
        }
    }
}

/// Shares are never above 1, and nothing is below 0, but for what others measure.
fn never_fails(check: &Check) -> bool {
    if check.metric == Metric::Outside {
        return false;
    }
    let is_share = matches!(
        check.metric,
        Metric::ErrorRatio
            | Metric::ClientErrorRatio
            | Metric::TimeoutRatio
            | Metric::MirrorDiffRatio
    );
    match &check.limit {
        Limit::Max(max) => is_share && *max >= 1.0,
        Limit::Min(min) => *min <= 0.0,
        Limit::Alarm(alarm) => match alarm.breach {
            Breach::Above => is_share && alarm.threshold >= 1.0,
            Breach::Below => alarm.threshold <= 0.0,
            Breach::AtOrAbove | Breach::AtOrBelow => false,
        },
        _ => false,
    }
}

/// Whether it compares what grows with the traffic of a side.
fn differs_with_weight(plan: &Plan, check: &Check) -> bool {
    let grows = |metric| matches!(metric, Metric::RequestRate | Metric::Cpu | Metric::InFlight);
    match &check.limit {
        Limit::RelativeMax { .. } | Limit::RelativeMin { .. } => match check.metric {
            Metric::Outside => plan.queries.get(&check.name).is_some_and(totals),
            metric => grows(metric),
        },
        Limit::Score(score) => score.metrics.values().any(|metric| grows(*metric)),
        _ => false,
    }
}

/// Whether a query counts what happens on a side, and divides it by nothing. Whoever has `/` in a label is believed.
fn totals(query: &OutsideQuery) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| query.text.contains(word));
    has(&["rate(", "increase(", "count("]) && !has(&["/", "avg", "quantile"])
}

/// What a step in which the two sides do not get the same share of the requests gives them.
fn unequal_shares(step: &Step) -> Option<String> {
    match &step.exposure {
        Exposure::Split { weight, .. } if *weight > Weight::ZERO && *weight != weight.rest() => {
            Some(format!(
                "in the step `{}` the new revision gets {weight} of the requests, the old one {}",
                step.name,
                weight.rest()
            ))
        }
        Exposure::Rolling { .. } => Some(format!(
            "in the step `{}` the share of each side changes with every replica that is replaced",
            step.name
        )),
        Exposure::Split { .. } | Exposure::Recreate => None,
    }
}

/// A goal waits for so many users on each side, a comparison for those of the new one.
fn needs_more_users_than_count(check: &Check) -> bool {
    let sides = match check.limit {
        Limit::Goal(_) => 2,
        Limit::NotWorse(_) => 1,
        _ => return false,
    };
    check.samples_min.saturating_mul(sides) > USERS_COUNTED_MAX
}
