//! Figures of many runs of one case: how soon each rule decided, and what it cost until then.

use crate::cases::Case;
use crate::compare::Outcome;
use crate::interval::Share;
use crate::rules::RuleKind;
use serde::Serialize;

/// How sure it must be that one rule is sooner than another: standard deviations of the sign test.
const SIGN_DEVIATIONS: f64 = 2.576;

/// One rule in one case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// The rule.
    pub rule: RuleKind,
    /// Runs in which it took the canary back.
    pub decided: Share,
    /// Time until half of the runs were decided, in microseconds; absent when fewer were.
    pub median_us: Option<u64>,
    /// Time until nine of ten runs were decided.
    pub p90_us: Option<u64>,
    /// Requests of both sides until half of the runs were decided.
    pub median_requests: Option<u64>,
    /// Requests of both sides until nine of ten runs were decided.
    pub p90_requests: Option<u64>,
    /// The canary's requests until the decision, or until the end without one: the median.
    pub exposed: u64,
    /// Of these, failed: the median.
    pub errors_seen: u64,
    /// Runs in which Sluice decided sooner than this rule.
    pub sluice_sooner: u64,
    /// Runs in which Sluice decided later.
    pub sluice_later: u64,
}

/// Who is sooner, by the runs in which both saw the same requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Sluice.
    Ahead,
    /// The runs do not tell.
    Even,
    /// The other rule.
    Behind,
}

impl Figures {
    /// How Sluice stands against this rule.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (sooner, later) = (self.sluice_sooner as f64, self.sluice_later as f64);
        let needed = SIGN_DEVIATIONS * (sooner + later).sqrt();
        if sooner > later && sooner - later >= needed {
            Standing::Ahead
        } else if later > sooner && later - sooner >= needed {
            Standing::Behind
        } else {
            Standing::Even
        }
    }

    /// Share of the runs that were never decided.
    #[must_use]
    pub fn undecided(&self) -> f64 {
        1.0 - self.decided.value()
    }
}

/// All rules in one case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The case.
    pub case: Case,
    /// The rules, in the order in which they were played.
    pub figures: Vec<Figures>,
}

impl Row {
    /// From the outcomes of each run, which are in the order of the rules.
    #[must_use]
    pub fn new(case: Case, rules: &[RuleKind], runs: &[Vec<Outcome>]) -> Self {
        let sluice = rules.iter().position(|rule| *rule == RuleKind::Sluice);
        let figures = rules.iter().enumerate().map(|(index, rule)| {
            let outcomes: Vec<&Outcome> = runs.iter().map(|run| &run[index]).collect();
            let sluices = sluice.map(|sluice| runs.iter().map(move |run| &run[sluice]));
            let pairs: Vec<(u64, u64)> = sluices
                .into_iter()
                .flatten()
                .zip(&outcomes)
                .map(|(ours, theirs)| (time(ours), time(theirs)))
                .collect();
            let count = |pick: fn(&(u64, u64)) -> bool| {
                pairs.iter().filter(|pair| pick(pair)).count() as u64
            };
            figures(
                *rule,
                &outcomes,
                count(|(ours, theirs)| ours < theirs),
                count(|(ours, theirs)| ours > theirs),
            )
        });
        Self {
            case,
            figures: figures.collect(),
        }
    }

    /// The figures of a rule, if it was played.
    #[must_use]
    pub fn of(&self, rule: RuleKind) -> Option<&Figures> {
        self.figures.iter().find(|figures| figures.rule == rule)
    }
}

fn figures(
    rule: RuleKind,
    outcomes: &[&Outcome],
    sluice_sooner: u64,
    sluice_later: u64,
) -> Figures {
    let decided = outcomes.iter().filter(|one| one.decision.is_some()).count();
    let requests = |one: &Outcome| match one.decision {
        Some(_) => one.requests,
        None => u64::MAX,
    };
    Figures {
        rule,
        decided: Share::of(decided as u64, outcomes.len() as u64),
        median_us: quantile(outcomes, 0.5, time),
        p90_us: quantile(outcomes, 0.9, time),
        median_requests: quantile(outcomes, 0.5, requests),
        p90_requests: quantile(outcomes, 0.9, requests),
        exposed: quantile(outcomes, 0.5, |one| one.canary.requests).unwrap_or(0),
        errors_seen: quantile(outcomes, 0.5, |one| one.canary.errors).unwrap_or(0),
        sluice_sooner,
        sluice_later,
    }
}

/// When it was decided, or never.
fn time(outcome: &Outcome) -> u64 {
    match outcome.decision {
        Some(_) => outcome.at_us,
        None => u64::MAX,
    }
}

/// The smallest value that a share of the runs does not exceed; `None` when that is never, or of no runs.
pub(crate) fn quantile(
    outcomes: &[&Outcome],
    share: f64,
    value: impl Fn(&Outcome) -> u64,
) -> Option<u64> {
    let mut values: Vec<u64> = outcomes.iter().map(|one| value(one)).collect();
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.max(1) - 1)
        .copied()
        .filter(|value| *value < u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases;
    use crate::rules::Decision;
    use crate::tick::{Counts, SECOND_US};

    fn outcome(second: Option<u64>) -> Outcome {
        let end = second.unwrap_or(100);
        Outcome {
            decision: second.map(|_| Decision::Errors),
            at_us: end * SECOND_US,
            requests: end * 1_000,
            canary: Counts {
                requests: end * 50,
                errors: end,
                ..Counts::default()
            },
        }
    }

    fn row(runs: &[(Option<u64>, Option<u64>)]) -> Row {
        let runs: Vec<Vec<Outcome>> = runs
            .iter()
            .map(|(ours, theirs)| vec![outcome(*ours), outcome(*theirs)])
            .collect();
        let rules = [RuleKind::Sluice, RuleKind::Flagger];
        Row::new(cases::all()[0], &rules, &runs)
    }

    #[test]
    fn what_is_never_decided_is_longer_than_anything() {
        let times = (1..=10).map(|second| (Some(second), (second < 7).then_some(second)));
        let row = row(&times.collect::<Vec<_>>());
        let ours = row.of(RuleKind::Sluice).expect("played");
        assert_eq!(
            (ours.median_us, ours.p90_us),
            (Some(5 * SECOND_US), Some(9 * SECOND_US))
        );
        assert_eq!((ours.exposed, ours.errors_seen), (250, 5));
        let theirs = row.of(RuleKind::Flagger).expect("played");
        assert_eq!(
            (theirs.median_us, theirs.p90_us),
            (Some(5 * SECOND_US), None)
        );
        assert_eq!(theirs.decided.count, 6);
        // A release that nobody took back was exposed to its end.
        assert_eq!(theirs.exposed, 250);
        assert_eq!((theirs.sluice_sooner, theirs.sluice_later), (4, 0));
        assert!(row.of(RuleKind::Argo).is_none());
    }

    #[test]
    fn a_lead_must_be_more_than_chance() {
        let standing = |sooner: usize, later: usize, never: usize| {
            let runs = [
                vec![(Some(1), Some(2)); sooner],
                vec![(Some(2), Some(1)); later],
                vec![(None, None); never],
            ];
            let row = row(&runs.concat());
            row.of(RuleKind::Flagger).expect("played").standing()
        };
        assert_eq!(standing(60, 40, 0), Standing::Even);
        assert_eq!(standing(70, 30, 0), Standing::Ahead);
        assert_eq!(standing(30, 70, 0), Standing::Behind);
        assert_eq!(standing(0, 0, 100), Standing::Even);
    }
}
