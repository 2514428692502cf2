//! One release, all rules: each tick is shown to every rule that has not decided yet, so that all judge
//! the same requests.

use crate::rules::{Decision, Rule};
use crate::tick::{Counts, Tick};
use serde::Serialize;

/// When a release is over that nobody took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Horizon {
    /// After so many microseconds.
    Time(u64),
    /// With the tick in which so many requests, of both sides, were reached.
    Requests(u64),
}

/// How a release went under one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why the canary was taken back; `None` when it never was.
    pub decision: Option<Decision>,
    /// When it was taken back, or when the release was over, in microseconds.
    pub at_us: u64,
    /// Requests of both sides until then.
    pub requests: u64,
    /// The canary's requests until then.
    pub canary: Counts,
}

/// Plays ticks to the rules until all have decided, the horizon is reached, or the ticks end. The outcomes
/// come in the order of the rules.
pub fn play(
    ticks: impl IntoIterator<Item = Tick>,
    horizon: Horizon,
    rules: &mut [Box<dyn Rule>],
) -> Vec<Outcome> {
    let mut now = Outcome {
        decision: None,
        at_us: 0,
        requests: 0,
        canary: Counts::default(),
    };
    let mut outcomes: Vec<Option<Outcome>> = vec![None; rules.len()];
    for tick in ticks {
        now.at_us = tick.end_us;
        now.requests += tick.requests();
        now.canary += tick.canary;
        for (rule, outcome) in rules.iter_mut().zip(&mut outcomes) {
            if outcome.is_none() {
                *outcome = rule.look(&tick).map(|decision| Outcome {
                    decision: Some(decision),
                    ..now
                });
            }
        }
        let over = match horizon {
            Horizon::Time(us) => tick.end_us >= us,
            Horizon::Requests(count) => now.requests >= count,
        };
        if over || outcomes.iter().all(Option::is_some) {
            break;
        }
    }
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or(now))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{SECOND_US, TICK_US};

    /// Decides at the tick that ends then.
    struct At(u64);

    impl Rule for At {
        fn look(&mut self, tick: &Tick) -> Option<Decision> {
            assert!(tick.end_us <= self.0, "asked again after its decision");
            (tick.end_us == self.0).then_some(Decision::Errors)
        }
    }

    fn ticks() -> impl Iterator<Item = Tick> {
        (1..).map(|number| Tick {
            end_us: number * TICK_US,
            canary: Counts {
                requests: 2,
                errors: 1,
                ..Counts::default()
            },
            baseline: Counts {
                requests: 8,
                ..Counts::default()
            },
            ..Tick::default()
        })
    }

    #[test]
    fn each_rule_is_charged_until_its_own_decision() {
        let mut rules: Vec<Box<dyn Rule>> = vec![Box::new(At(SECOND_US)), Box::new(At(u64::MAX))];
        let outcomes = play(ticks(), Horizon::Time(3 * SECOND_US), &mut rules);
        let told = |outcome: &Outcome| {
            (
                outcome.decision,
                outcome.at_us,
                outcome.requests,
                outcome.canary.errors,
            )
        };
        assert_eq!(
            told(&outcomes[0]),
            (Some(Decision::Errors), SECOND_US, 100, 10)
        );
        assert_eq!(told(&outcomes[1]), (None, 3 * SECOND_US, 300, 30));
    }

    #[test]
    fn a_release_ends_with_its_requests_or_with_its_ticks() {
        let never = || -> Vec<Box<dyn Rule>> { vec![Box::new(At(u64::MAX))] };
        let outcomes = play(ticks(), Horizon::Requests(95), &mut never());
        assert_eq!(outcomes[0].requests, 100);
        let outcomes = play(ticks().take(3), Horizon::Requests(95), &mut never());
        assert_eq!(outcomes[0].requests, 30);
        let outcomes = play([], Horizon::Requests(95), &mut never());
        assert_eq!(outcomes[0].at_us, 0);
    }
}
