//! How often each rule of the engine fired: whether a simulation reached what it is there for.

use sluice_model::Rule;

/// The rules, in the order of their declaration.
pub const RULES: [Rule; 29] = [
    Rule::RolloutStarted,
    Rule::RolloutSuperseded,
    Rule::ReturnedToStable,
    Rule::CapacityReady,
    Rule::StepEntered,
    Rule::StepPassed,
    Rule::HookSucceeded,
    Rule::HookFailed,
    Rule::GateWaiting,
    Rule::GateAnswered,
    Rule::GateTimedOut,
    Rule::CheckFailed,
    Rule::CrashLoop,
    Rule::NothingReady,
    Rule::ProgressDeadline,
    Rule::RolloutDeadline,
    Rule::Promoted,
    Rule::Aborted,
    Rule::Paused,
    Rule::Resumed,
    Rule::PromotedFully,
    Rule::StepSkipped,
    Rule::Retried,
    Rule::CapacityRestored,
    Rule::CapacityReleased,
    Rule::CommandRefused,
    Rule::SlowWarning,
    Rule::StuckWarning,
    Rule::ClockMoved,
];

/// How often each rule fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleCounts([u64; RULES.len()]);

impl RuleCounts {
    /// It fired once more.
    pub fn count(&mut self, rule: Rule) {
        self.0[rule as usize] += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &RuleCounts) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Each rule with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u64)> {
        RULES.into_iter().zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_place() {
        for (place, rule) in RULES.into_iter().enumerate() {
            assert_eq!(rule as usize, place, "{rule:?}");
        }
    }
}
