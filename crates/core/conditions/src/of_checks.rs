//! The conditions of a rollout's checks: which variables they may name.

use crate::condition::Condition;
use crate::environment::Environment;
use crate::problem::Problems;
use crate::types::Type;
use sluice_model::plan::Metric;

/// Before the names of the new revision's values.
pub const CANARY: &str = "canary.";
/// Before the names of the stable revision's values.
pub const BASELINE: &str = "baseline.";

/// The variables of a check's condition: `canary.` and `baseline.` with the name of each metric, numbers all of
/// them, in the metric's unit (shares from 0 to 1, times in milliseconds, sizes in bytes).
///
/// # Panics
/// Never: the names are those of the metrics, and a test holds them against the rules.
#[must_use]
#[expect(clippy::expect_used, reason = "the names are fixed and tested")]
pub fn environment_of_checks() -> Environment {
    let names = [CANARY, BASELINE].into_iter().flat_map(|side| {
        let metrics = Metric::NAMED.iter();
        metrics.map(move |(name, _)| (format!("{side}{name}"), Type::Double))
    });
    Environment::new(names).expect("names of words, all different")
}

impl Condition {
    /// Compiles the condition of a check; see [`environment_of_checks`].
    ///
    /// # Errors
    /// As [`Condition::compile`].
    pub fn of_check(text: &str) -> Result<Condition, Problems> {
        Condition::compile(text, &environment_of_checks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_checks_name_the_metrics_of_both_sides() {
        for text in [
            "canary.errorRatio <= 0.01 || canary.errorRatio <= 2.0 * baseline.errorRatio",
            "canary.latencyP99 < 500.0 && canary.inFlight < 100.0",
            "canary.openFiles < baseline.openFiles + 50.0",
        ] {
            assert!(Condition::of_check(text).is_ok(), "{text}");
        }
        let problems = Condition::of_check("canary.errorRate < 0.01").expect_err("misspelt");
        assert!(problems.to_string().contains("errorRatio"), "{problems}");
        assert!(Condition::of_check("canary.errorRatio").is_err());
    }
}
