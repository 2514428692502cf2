//! The e-values of a comparison from its counts: once, for whoever judges the log's evidence again, or at every look of
//! a running rollout ([`Evaluator`]), with the same bits.

use crate::sequential::{
    Betting, Counts, Direction, Hypothesis, Prepared, PreparedSplit, Rates, Segment, SplitSegment,
    SplitTest, log_e_of,
};
use crate::words::share;
use sluice_model::plan::NotWorse;
use sluice_model::{CheckName, Sequential, SplitCounts, Timestamp, WeightCounts};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two forecasts of how long it will take; they change slowly, and cost more than the e-values.
const FORECAST_EVERY: Duration = Duration::from_secs(1);

/// Whether every e-value is a number.
pub(crate) fn is_sound(evidence: &Sequential) -> bool {
    [
        evidence.log_e_worse,
        evidence.log_e_not_worse,
        evidence.log_e_split,
    ]
    .iter()
    .all(|log| log.is_finite())
}

/// Computes the e-values of a rollout's comparisons again and again, without computing the same stakes twice.
#[derive(Clone, Debug, Default)]
pub struct Evaluator {
    tests: BTreeMap<CheckName, Tests>,
    split: PreparedSplit,
    /// The split is the same for all comparisons of a look.
    last_split: Option<(Vec<SplitCounts>, f64)>,
}

/// The tests of one comparison.
#[derive(Clone, Debug)]
struct Tests {
    worse: Prepared,
    /// At the present weight.
    accepted: Prepared,
    forecast: Option<(Timestamp, Option<u64>)>,
}

impl Tests {
    fn new(worse: Hypothesis, accepted: Hypothesis) -> Option<Tests> {
        Some(Tests {
            worse: Prepared::new(worse, Direction::Worse).ok()?,
            accepted: Prepared::new(accepted, Direction::NotWorse).ok()?,
            forecast: None,
        })
    }

    fn forecast(&mut self, now: Timestamp, limit: &NotWorse, evidence: &Sequential) -> Option<u64> {
        if evidence.log_e_not_worse >= -limit.beta.ln() {
            return None;
        }
        match self.forecast {
            Some((at, left)) if now >= at && now.since(at) < FORECAST_EVERY => left,
            _ => {
                let left = requests_left(limit, evidence);
                self.forecast = Some((now, left));
                left
            }
        }
    }
}

impl Evaluator {
    pub(crate) fn evaluate(
        &mut self,
        check: &CheckName,
        now: Timestamp,
        limit: &NotWorse,
        evidence: &mut Sequential,
    ) {
        let (worse, accepted) = hypotheses(limit, evidence);
        let is_current = self.tests.get(check).is_some_and(|tests| {
            (tests.worse.hypothesis(), tests.accepted.hypothesis()) == (worse, accepted)
        });
        if !is_current {
            self.tests.remove(check);
            let new = Tests::new(worse, accepted);
            self.tests.extend(new.map(|tests| (check.clone(), tests)));
        }
        evidence.log_e_split = self.log_e_split(evidence).unwrap_or(f64::NAN);
        let counted = segments(evidence, 0).zip(segments(evidence, evidence.hanging));
        let Some((tests, (all, with_hanging))) = self.tests.get_mut(check).zip(counted) else {
            return set(evidence, None);
        };
        let log_es = (tests.worse.log_e(&all), tests.accepted.log_e(&with_hanging));
        set(evidence, Some(log_es));
        evidence.requests_left = tests.forecast(now, limit, evidence);
    }

    fn log_e_split(&mut self, evidence: &Sequential) -> Option<f64> {
        if let Some((split, log_e)) = &self.last_split
            && *split == evidence.split
        {
            return Some(*log_e);
        }
        let log_e = self.split.log_e(&split_segments(evidence)?);
        self.last_split = Some((evidence.split.clone(), log_e));
        Some(log_e)
    }
}

/// Requests, on both sides, until "not worse" is expected to be proved if both sides have events as often as the two
/// together had so far. `None` when that cannot be told, or will not come.
fn requests_left(limit: &NotWorse, evidence: &Sequential) -> Option<u64> {
    let (_, accepted) = hypotheses(limit, evidence);
    let mut betting = Betting::new(accepted, Direction::NotWorse).ok()?;
    for segment in segments(evidence, evidence.hanging)? {
        betting.close(&segment);
    }
    let sum = |of: fn(&WeightCounts) -> u64| {
        let counts = evidence.counts.iter();
        counts.map(|it| of(it) as f64).sum::<f64>()
    };
    let requests = sum(|it| it.canary_requests) + sum(|it| it.baseline_requests);
    let events = sum(|it| it.canary_events) + sum(|it| it.baseline_events);
    let rate = if requests > 0.0 {
        events / requests
    } else {
        0.0
    };
    let rates = Rates {
        canary: rate,
        baseline: rate,
    };
    let line = -limit.beta.ln();
    betting
        .requests_left(None, share(evidence.weight), rates, line)
        .ok()?
}

/// Computes the e-values from the counts: the same counts give the same values to the last bit. Counts that
/// cannot be leave values that are no numbers, which nobody takes for evidence.
pub fn evaluate(limit: &NotWorse, evidence: &mut Sequential) {
    let (worse, accepted) = hypotheses(limit, evidence);
    let log_e = |hypothesis, direction, hanging| {
        let segments = segments(evidence, hanging)?;
        log_e_of(hypothesis, direction, &segments).ok()
    };
    let log_es = log_e(worse, Direction::Worse, 0).zip(log_e(
        accepted,
        Direction::NotWorse,
        evidence.hanging,
    ));
    set(evidence, log_es);
    let log_e_split = split_segments(evidence).map(|segments| {
        let mut test = SplitTest::default();
        segments.iter().for_each(|segment| test.close(segment));
        test.log_e(None)
    });
    evidence.log_e_split = log_e_split.unwrap_or(f64::NAN);
}

fn set(evidence: &mut Sequential, log_es: Option<(f64, f64)>) {
    let (log_e_worse, log_e_not_worse) = log_es.unwrap_or((f64::NAN, f64::NAN));
    evidence.log_e_worse = log_e_worse;
    evidence.log_e_not_worse = log_e_not_worse;
}

/// What is too much, and what is accepted at the weight of the evidence.
pub(crate) fn hypotheses(limit: &NotWorse, evidence: &Sequential) -> (Hypothesis, Hypothesis) {
    let worse = Hypothesis {
        ratio: limit.ratio,
        margin: limit.margin,
    };
    let accepted = Hypothesis {
        ratio: limit.accept_ratio,
        margin: limit.accept_margin_at(share(evidence.weight)),
    };
    (worse, accepted)
}

fn split_segments(evidence: &Sequential) -> Option<Vec<SplitSegment>> {
    let segment = |it: &SplitCounts| {
        let all = it.canary.saturating_add(it.baseline);
        SplitSegment::new(share(it.weight), it.canary, all).ok()
    };
    evidence.split.iter().map(segment).collect()
}

/// The counts as the test takes them. Hanging requests are events on the canary, at the weight that is in
/// force.
pub(crate) fn segments(evidence: &Sequential, hanging: u64) -> Option<Vec<Segment>> {
    evidence
        .counts
        .iter()
        .map(|it| {
            let more = if it.weight == evidence.weight {
                hanging
            } else {
                0
            };
            let requests = it.canary_requests.checked_add(it.baseline_requests)?;
            let requests = requests.checked_add(more)?;
            let events = it.canary_events.checked_add(more)?;
            let counts = Counts::new(events, it.baseline_events, requests).ok()?;
            Segment::new(share(it.weight), counts).ok()
        })
        .collect()
}
