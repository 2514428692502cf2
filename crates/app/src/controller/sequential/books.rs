//! What is counted for `sluice/sequential`, kept with the measurement: a controller that starts anew goes on from
//! it.
//!
//! Counters of processes are told apart by their labels: one that shows less than before began again at zero, and
//! one that was not there before counts from zero. Requests count for a weight once it has been in force for a
//! while: those of the time before may only show in the counters now.

use super::config::{Config, NAME};
use serde::{Deserialize, Serialize};
use sluice_analysis::judge_comparisons;
use sluice_analysis::ledger::evaluate;
use sluice_model::analysis::Evidence;
use sluice_model::plan::{Check, Limit, Metric, OnTrouble};
use sluice_model::{
    CheckName, Judgement, Measurement, RolloutId, Sequential, Side, Timestamp, Weight, WeightCounts,
};
use std::collections::BTreeMap;

/// Most series of one counter: each is kept in the run's status, and as many that are gone.
pub(super) const SERIES_MAX: usize = 100;
/// Most weights of a run: more than a Rollout has steps.
const WEIGHTS_MAX: usize = 64;
/// How many more failures than requests may show, since both are counted one after the other.
const BAD_SLACK: f64 = 10.0;

/// What the four counters show, by series: canary's total and bad, stable's total and bad.
pub(super) type Shown = [BTreeMap<String, f64>; 4];

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Books {
    /// When the run began to count.
    pub(super) began: Timestamp,
    /// The canary's weight at the last look.
    weight: Weight,
    /// Since when it was that.
    since: Timestamp,
    /// Whether it had been in force long enough at the last look.
    settled: bool,
    /// What the counters showed then.
    shown: Shown,
    /// What was counted, by rising weight.
    counts: Vec<WeightCounts>,
    /// Looks in a row without an answer.
    #[serde(default)]
    pub(super) failures: u32,
    /// What the last look would have decided.
    #[serde(default)]
    pub(super) leaning: Leaning,
}

/// What a look would decide. It is decided when the next one says the same: the two sides' counters are scraped at
/// different moments, and what failed on both shall show on both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Leaning {
    #[default]
    Neither,
    Worse,
    NotWorse,
}

impl Books {
    /// Opens them with what the counters show now.
    pub(super) fn open(now: Timestamp, weight: Weight, shown: Shown) -> Books {
        Books {
            began: now,
            weight,
            since: now,
            settled: false,
            shown,
            counts: Vec::new(),
            failures: 0,
            leaning: Leaning::Neither,
        }
    }

    /// Takes over what the counters show now.
    ///
    /// # Errors
    /// What is no counter, or more failures than requests.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        weight: Weight,
        shown: Shown,
        config: &Config,
    ) -> Result<(), String> {
        let was_settled = self.settled && weight == self.weight;
        if weight != self.weight {
            (self.weight, self.since) = (weight, now);
        }
        self.settled = now.since(self.since) >= config.settle;
        let grown: Vec<f64> = self
            .shown
            .iter()
            .zip(&shown)
            .map(|(before, now)| growth(before, now))
            .collect();
        for (before, now) in self.shown.iter_mut().zip(shown) {
            // One that does not show for a while is the same when it is back, unless too many came and went.
            if before.len() > SERIES_MAX {
                before.retain(|series, _| now.contains_key(series));
            }
            before.extend(now);
        }
        if !was_settled {
            return Ok(());
        }
        let [canary, canary_bad, stable, stable_bad] = grown.as_slice() else {
            return Ok(());
        };
        for (side, total, bad) in [
            ("canary", canary, canary_bad),
            ("stable", stable, stable_bad),
        ] {
            if *bad > total * 1.05 + BAD_SLACK {
                return Err(format!(
                    "{NAME}: {side}.bad grew by {bad} and {side}.total by {total}; let `total` count what `bad` counts, too"
                ));
            }
        }
        self.add(WeightCounts {
            weight,
            canary_requests: *canary as u64,
            canary_events: canary_bad.min(*canary) as u64,
            baseline_requests: *stable as u64,
            baseline_events: stable_bad.min(*stable) as u64,
        })
    }

    fn add(&mut self, more: WeightCounts) -> Result<(), String> {
        match self
            .counts
            .binary_search_by_key(&more.weight, |it| it.weight)
        {
            Ok(place) => {
                let sum = &mut self.counts[place];
                for (sum, more) in [
                    (&mut sum.canary_requests, more.canary_requests),
                    (&mut sum.canary_events, more.canary_events),
                    (&mut sum.baseline_requests, more.baseline_requests),
                    (&mut sum.baseline_events, more.baseline_events),
                ] {
                    *sum = sum.saturating_add(more);
                }
            }
            Err(_) if self.counts.len() == WEIGHTS_MAX => {
                return Err(format!(
                    "{NAME}: the canary had more than {WEIGHTS_MAX} weights; begin another run for the next ones"
                ));
            }
            Err(place) => self.counts.insert(place, more),
        }
        Ok(())
    }

    /// What the counts say.
    pub(super) fn judge(&self, now: Timestamp, config: &Config) -> Judgement {
        let check = Check {
            name: CheckName(NAME.to_owned()),
            metric: Metric::ErrorRatio,
            limit: Limit::NotWorse(config.limit),
            window: now.since(self.began),
            samples_min: config.samples_min,
            on_fail: OnTrouble::Abort,
        };
        let mut sequential = Sequential {
            rollout: RolloutId::default(),
            attempt: 0,
            weight: self.weight,
            counts: self.counts.clone(),
            hanging: 0,
            slower_than_micros: None,
            // Scrapes at different moments look like a split that is off: it is not tested.
            split: Vec::new(),
            log_e_worse: 0.0,
            log_e_not_worse: 0.0,
            log_e_split: 0.0,
            requests_left: None,
        };
        evaluate(&config.limit, &mut sequential);
        let sum = |of: fn(&WeightCounts) -> u64| {
            self.counts
                .iter()
                .fold(0, |sum: u64, it| sum.saturating_add(of(it)))
        };
        let side = |events: u64, requests: u64| Side {
            value: (requests > 0).then(|| events as f64 / requests as f64),
            count: requests,
        };
        let measurement = Measurement {
            canary: side(sum(|it| it.canary_events), sum(|it| it.canary_requests)),
            baseline: side(sum(|it| it.baseline_events), sum(|it| it.baseline_requests)),
            from: self.began,
            window: now.since(self.began),
            evidence: Some(Evidence::Sequential(sequential)),
        };
        let mut judgements = judge_comparisons(&[(&check, Some(&measurement))]);
        judgements
            .pop()
            .expect("one judgement for the one comparison")
    }
}

/// By how much counters have grown, all series together.
fn growth(before: &BTreeMap<String, f64>, now: &BTreeMap<String, f64>) -> f64 {
    let grown = now.iter().map(|(series, value)| match before.get(series) {
        Some(before) if value >= before => value - before,
        _ => *value,
    });
    grown.sum()
}

pub(super) fn too_many(series: usize) -> String {
    format!(
        "{NAME}: a counter has {series} series, and at most {SERIES_MAX} are followed; sum them, but by what restarts together, as in `sum by (pod) (…)`"
    )
}
