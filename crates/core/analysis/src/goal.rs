//! Goals: whether the new side's users reach what they shall as often as the stable side's, with an interval that holds at
//! all times together (a confidence sequence), so that an experiment may be looked at whenever one likes.

use crate::confidence::error_ratio_difference;
use sluice_model::Verdict;
use sluice_model::analysis::{Arm, GoalFacts};
use sluice_model::plan::GoalLimit;

/// Fails when fewer of the canary's users reach the goal, as far as the interval tells; passes when more do, and when no
/// difference shows: what that means is for people to decide.
pub(crate) fn judge(limit: &GoalLimit, exposed_min: u64, facts: &GoalFacts) -> (Verdict, String) {
    let (canary, baseline) = (facts.canary, facts.baseline);
    let fewest = canary.exposed.min(baseline.exposed);
    if fewest < exposed_min {
        let text = format!("{fewest} of {exposed_min} users on the side that has fewer");
        return (Verdict::NoData, text);
    }
    let pair = |arm: Arm| (arm.reached, arm.exposed);
    let Ok(difference) = error_ratio_difference(pair(canary), pair(baseline), limit.alpha) else {
        let text = "the counts are none: more reached the goal than there were";
        return (Verdict::Inconclusive, text.to_owned());
    };
    let (verdict, word) = match (difference.low > 0.0, difference.high < 0.0) {
        (true, _) => (Verdict::Pass, "more reach it"),
        (_, true) => (Verdict::Fail, "fewer reach it"),
        _ => (Verdict::Pass, "no difference shows"),
    };
    let of = |arm: Arm| {
        let share = arm.reached as f64 / arm.exposed.max(1) as f64;
        format!(
            "{} of {} ({:.2} %)",
            arm.reached,
            arm.exposed,
            share * 100.0
        )
    };
    let text = format!(
        "{word}: {}, stable {}; difference {:+.2} to {:+.2} points at {:.1} %",
        of(canary),
        of(baseline),
        difference.low * 100.0,
        difference.high * 100.0,
        (1.0 - limit.alpha) * 100.0
    );
    (verdict, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::Weight;
    use sluice_model::routes::RequestMatch;

    #[test]
    fn more_fewer_or_no_difference() {
        let limit = GoalLimit {
            when: RequestMatch { all: Vec::new() },
            alpha: 0.05,
        };
        let arm = |reached, exposed| Arm { exposed, reached };
        let weight = Weight::from_percent(50.0).expect("a weight");
        for (canary, baseline, verdict, words) in [
            (
                arm(50, 99),
                arm(50, 5_000),
                Verdict::NoData,
                "99 of 100 users",
            ),
            (
                arm(500, 5_000),
                arm(510, 5_000),
                Verdict::Pass,
                "no difference shows: 500 of 5000 (10.00 %)",
            ),
            (
                arm(700, 5_000),
                arm(500, 5_000),
                Verdict::Pass,
                "more reach it",
            ),
            (
                arm(300, 5_000),
                arm(500, 5_000),
                Verdict::Fail,
                "fewer reach it: 300 of 5000 (6.00 %), stable 500 of 5000 (10.00 %); difference -",
            ),
            (
                arm(101, 100),
                arm(1, 100),
                Verdict::Inconclusive,
                "more reached the goal than",
            ),
        ] {
            let facts = GoalFacts {
                weight,
                canary,
                baseline,
            };
            let (found, message) = judge(&limit, 100, &facts);
            assert_eq!(found, verdict, "{message}");
            assert!(message.contains(words), "{message}");
        }
    }
}
