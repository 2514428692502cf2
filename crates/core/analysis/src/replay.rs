//! Judging again what was judged: from the evidence in the decision log to the same verdict, to the last bit.

use crate::comparison::judge_comparisons;
use crate::judge::judge;
use crate::ledger::evaluate;
use crate::{score, trend};
use sluice_model::analysis::Evidence;
use sluice_model::plan::{Check, Limit, OnTrouble};
use sluice_model::{Judgement, Measurement};
use std::time::Duration;

/// A judgement of the log beside the one that its evidence gives now.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// As it was stored.
    pub stored: Judgement,
    /// As it is computed from the stored counts alone.
    pub again: Judgement,
}

impl Replayed {
    /// Whether verdict, evidence and e-values are the same, bit for bit.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.stored.verdict == self.again.verdict && bits(&self.stored) == bits(&self.again)
    }
}

/// The computed figures of the evidence.
fn bits(judgement: &Judgement) -> Vec<u64> {
    let evidence = judgement
        .measurement
        .as_ref()
        .and_then(|it| it.evidence.as_ref());
    let figures = match evidence {
        Some(Evidence::Sequential(it)) => {
            vec![it.log_e_worse, it.log_e_not_worse, it.log_e_split]
        }
        Some(Evidence::Trend(facts)) => facts
            .look
            .iter()
            .flat_map(|look| {
                let slope = look.slope;
                [slope.per_second]
                    .into_iter()
                    .chain(slope.lower_bound)
                    .chain(slope.likely_bound)
            })
            .collect(),
        Some(Evidence::Score(facts)) => facts.scored.iter().map(|it| it.score).collect(),
        Some(
            Evidence::Alarm(_) | Evidence::Goal(_) | Evidence::Values(_) | Evidence::Outside(_),
        )
        | None => Vec::new(),
    };
    figures.into_iter().map(f64::to_bits).collect()
}

/// Judges the evidence of one entry again. The comparisons among it are judged together, as they were.
#[must_use]
pub fn replay(evidence: &[Judgement]) -> Vec<Replayed> {
    let checks: Vec<Check> = evidence.iter().map(check_of).collect();
    let measured: Vec<Option<Measurement>> = evidence.iter().map(computed_again).collect();
    let compared: Vec<(&Check, Option<&Measurement>)> = checks
        .iter()
        .zip(&measured)
        .map(|(check, measured)| (check, measured.as_ref()))
        .collect();
    let mut comparisons = judge_comparisons(&compared).into_iter();
    evidence
        .iter()
        .zip(&compared)
        .filter_map(|(stored, (check, measured))| {
            let again = match &check.limit {
                Limit::NotWorse(_) => comparisons.next()?,
                _ => judge(check, *measured),
            };
            Some(Replayed {
                stored: stored.clone(),
                again,
            })
        })
        .collect()
}

/// What of the check a verdict depends on.
fn check_of(judgement: &Judgement) -> Check {
    Check {
        name: judgement.check.clone(),
        metric: judgement.metric,
        limit: judgement.limit.clone(),
        window: Duration::ZERO,
        samples_min: judgement.samples_min,
        on_fail: OnTrouble::Abort,
    }
}

fn computed_again(judgement: &Judgement) -> Option<Measurement> {
    let mut measurement = judgement.measurement.clone()?;
    match (&judgement.limit, &mut measurement.evidence) {
        (Limit::NotWorse(limit), Some(Evidence::Sequential(evidence))) => evaluate(limit, evidence),
        (Limit::Trend(_), Some(Evidence::Trend(facts))) => {
            *facts = trend::replay(facts).evidence.facts;
        }
        (Limit::Score(limit), Some(Evidence::Score(facts))) => {
            facts.scored = score::score(limit, &facts.samples);
        }
        // An alarm's state and a condition's value are computed when they are judged.
        _ => {}
    }
    Some(measurement)
}
