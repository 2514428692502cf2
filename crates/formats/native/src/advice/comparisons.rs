//! Comparisons that a rollout may wait for without end, where the document itself shows it. How long others
//! take depends on the traffic: `sluice simulate` tells.

use super::shares_traffic;
use sluice_model::plan::{Exposure, Limit, Metric, NotWorse, Plan, Step};

/// From how many requests on a step is worth a word: at 100 a second, three hours.
const REQUESTS_MANY: f64 = 1_000_000.0;

/// Warns of each such comparison once, at the first step that waits.
pub(super) fn review(plan: &Plan, warn: &mut impl FnMut(&str, &str, String, &str)) {
    let mut named = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if !shares_traffic(step) {
            continue;
        }
        for check in step.checks.iter().chain(&plan.checks) {
            let Limit::NotWorse(limit) = check.limit else {
                continue;
            };
            // Slow requests always come: they are counted from a quantile on.
            let may_never_happen = !matches!(check.metric, Metric::Latency(_));
            if !may_never_happen || named.contains(&&check.name) {
                continue;
            }
            let path = format!("release.steps[{index}]");
            if limit.accept_margin <= 0.0 {
                named.push(&check.name);
                warn(
                    &path,
                    "waits-for-failures",
                    format!(
                        "while nothing happens on either side that the comparison `{}` counts, the step `{}` waits without end: with an `acceptMargin` of 0 only such events prove anything",
                        check.name, step.name
                    ),
                    "accept a little more, as in `acceptMargin: 0.1%`",
                );
                continue;
            }
            let least = requests_at_least(step, limit);
            if least > REQUESTS_MANY {
                named.push(&check.name);
                warn(
                    &path,
                    "slow-to-decide",
                    format!(
                        "while nothing happens on either side that the comparison `{}` counts, it needs more than {least:.0} requests in the step `{}`",
                        check.name, step.name
                    ),
                    "raise `acceptMargin`, or give the step more weight; `sluice simulate --rate …` tells how long it takes",
                );
            }
        }
    }
}

/// Requests of both sides below which "not worse" cannot be proved even if nothing ever happens on either: a
/// request is then worth at most 1 + w·m/(1 − w·m) to the largest stake, with the weight w and the accepted
/// margin m, and 1/falsePass has to be reached.
fn requests_at_least(step: &Step, limit: NotWorse) -> f64 {
    let Exposure::Split { weight, .. } = &step.exposure else {
        return 0.0;
    };
    let weight = weight.percent() / 100.0;
    let product = weight * limit.accept_margin_at(weight);
    -limit.beta.ln() / (product / (1.0 - product)).ln_1p()
}
