//! Sequential comparisons of a plan: which of them say "worse", which "not worse", and in what words.
//!
//! The e-values come with the measurements (see [`crate::ledger`]); here they are held against the error
//! rates. All comparisons of a plan share one bound on false rollbacks: the canary is worse when the mean of
//! their e-values, weighted by their shares, reaches 1/alpha, and then those are named that stand out. It may go
//! on when each comparison for itself reaches 1/beta (an intersection–union test: no correction is due).
//!
//! Not here: thresholds (`judge`), and what follows from a verdict (the engine).

use crate::evaluation::is_sound;
use crate::sequential::{culprits, log_mean};
use crate::words;
use crate::words::share;
use sluice_model::plan::{Check, Limit, Metric, NotWorse};
use sluice_model::{Judgement, Measurement, Sequential, SplitCounts, Verdict, WeightCounts};

/// Bound on the probability of taking a split that follows its weights for one that does not.
pub const SPLIT_ALPHA: f64 = 0.001;

/// Judges the comparisons of a plan together. Checks with another limit are left out.
///
/// Missing data is never a pass: without a measurement, below `samples_min` canary requests, or with an
/// e-value that is not a number, the verdict is [`Verdict::NoData`]. When the split does not follow the
/// weights, nothing that rests on it is believed: [`Verdict::Inconclusive`].
#[must_use]
pub fn judge_comparisons(checks: &[(&Check, Option<&Measurement>)]) -> Vec<Judgement> {
    let mut compared = Vec::new();
    let mut judgements = Vec::new();
    for (check, measurement) in checks {
        let &Limit::NotWorse(limit) = &check.limit else {
            continue;
        };
        let evidence = measurement.and_then(|it| Some((it, it.sequential()?)));
        let place = judgements.len();
        let missing = match evidence {
            None => Some("no data yet".to_owned()),
            Some((_, sequential)) if !is_sound(sequential) => {
                Some("the evidence cannot be computed".to_owned())
            }
            Some((measurement, sequential)) => {
                compared.push(Compared {
                    place,
                    check,
                    limit,
                    measurement,
                    sequential,
                });
                None
            }
        };
        judgements.push(Judgement {
            check: check.name.clone(),
            metric: check.metric,
            limit: check.limit.clone(),
            samples_min: check.samples_min,
            verdict: Verdict::NoData,
            message: missing.unwrap_or_default(),
            measurement: measurement.cloned(),
        });
    }
    let worse = worse(&compared);
    for (index, one) in compared.iter().enumerate() {
        let (verdict, message) = one.verdict(worse.contains(&index));
        judgements[one.place].verdict = verdict;
        judgements[one.place].message = message;
    }
    judgements
}

/// The logarithm of the mean e-value against "not worse", over the comparisons of a plan, weighted by their
/// shares. Those without evidence count as an e-value of 1, which says nothing either way; 0 when none has any.
#[must_use]
pub fn log_mean_e(judgements: &[Judgement]) -> f64 {
    let weighted: Vec<(f64, f64)> = judgements
        .iter()
        .filter_map(|judgement| match &judgement.limit {
            Limit::NotWorse(limit) => {
                let evidence = judgement.measurement.as_ref()?.sequential()?;
                Some((limit.share, evidence.log_e_worse))
            }
            _ => None,
        })
        .collect();
    log_mean(&weighted)
}

/// A comparison with evidence.
struct Compared<'a> {
    /// Where its judgement stands.
    place: usize,
    check: &'a Check,
    limit: NotWorse,
    measurement: &'a Measurement,
    sequential: &'a Sequential,
}

/// The comparisons that are named when the mean of all says that the canary is worse; none otherwise.
fn worse(compared: &[Compared<'_>]) -> Vec<usize> {
    let Some(alpha) = compared.first().map(|one| one.limit.alpha) else {
        return Vec::new();
    };
    let logs: Vec<f64> = compared
        .iter()
        .map(|one| one.sequential.log_e_worse)
        .collect();
    // Comparisons without evidence count as an e-value of 1.
    let shares = compared.iter().map(|one| one.limit.share);
    let weighted: Vec<(f64, f64)> = shares.zip(logs.iter().copied()).collect();
    if log_mean(&weighted) < -alpha.ln() {
        return Vec::new();
    }
    let named = culprits(alpha, &logs);
    if !named.is_empty() {
        return named;
    }
    // Together they prove what none proves alone: the strongest is named.
    let strongest = (0..logs.len()).max_by(|a, b| logs[*a].total_cmp(&logs[*b]));
    strongest.into_iter().collect()
}

/// The sum of counts; those of the log may be anything.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

impl Compared<'_> {
    fn verdict(&self, is_worse: bool) -> (Verdict, String) {
        let Sequential {
            log_e_worse,
            log_e_not_worse,
            log_e_split,
            ..
        } = *self.sequential;
        let NotWorse { alpha, beta, .. } = self.limit;
        let canary = self.measurement.canary;
        if log_e_split >= -SPLIT_ALPHA.ln() {
            return (Verdict::Inconclusive, self.split_is_off());
        }
        let figures = self.figures();
        if is_worse {
            let text = format!(
                "worse than stable: {figures} (e-value {}, line {})",
                words::e_value(log_e_worse),
                words::number(1.0 / alpha)
            );
            return (Verdict::Fail, text);
        }
        if matches!(self.check.metric, Metric::Latency(_))
            && self.sequential.slower_than_micros.is_none()
        {
            let text = "the stable side's latency is learned first, from its own requests";
            return (Verdict::NoData, text.to_owned());
        }
        if canary.count < self.check.samples_min {
            let mut text = format!(
                "{} of {} requests on the new side",
                canary.count, self.check.samples_min
            );
            if let Some(left) = self.until_enough() {
                text.push_str(&format!("; about {left} more at this rate"));
            }
            return (Verdict::NoData, text);
        }
        let line = -beta.ln();
        if log_e_not_worse >= line {
            let text = format!(
                "not worse than stable: {figures} (e-value {}, line {})",
                words::e_value(log_e_not_worse),
                words::number(1.0 / beta)
            );
            return (Verdict::Pass, text);
        }
        let mut text = format!(
            "not decided yet: {figures}; \"worse\" {} of {}, \"not worse\" {} of {}",
            words::e_value(log_e_worse),
            words::number(1.0 / alpha),
            words::e_value(log_e_not_worse),
            words::number(1.0 / beta)
        );
        if let Some(left) = self.left() {
            text.push_str(&format!("; about {left} more at this rate"));
        }
        (Verdict::Inconclusive, text)
    }

    fn figures(&self) -> String {
        let event = match (self.check.metric, self.sequential.slower_than_micros) {
            (Metric::Latency(_), Some(micros)) => format!("slower than {}", words::millis(micros)),
            (metric, _) => words::event(metric).to_owned(),
        };
        let counts = &self.sequential.counts;
        let sum = |of: fn(&WeightCounts) -> u64| total(counts.iter().map(of));
        format!(
            "{} of {} {event}, stable {} of {}",
            sum(|it| it.canary_events),
            sum(|it| it.canary_requests),
            sum(|it| it.baseline_events),
            sum(|it| it.baseline_requests),
        )
    }

    fn split_is_off(&self) -> String {
        let split = &self.sequential.split;
        let canary = total(split.iter().map(|it| it.canary));
        let both = |it: &SplitCounts| it.canary.saturating_add(it.baseline);
        let all = total(split.iter().map(both));
        let expected: f64 = split
            .iter()
            .map(|it| share(it.weight) * both(it) as f64)
            .sum();
        format!(
            "the split does not follow the weights: {canary} of {all} requests went to the new side, about {expected:.0} were due; nothing that is compared can be believed until that is explained"
        )
    }

    /// The time until there are as many requests as are wanted, if they come as they did.
    fn until_enough(&self) -> Option<String> {
        let count = self.measurement.canary.count;
        let missing = self.check.samples_min.saturating_sub(count) as f64;
        let elapsed = self.measurement.window.as_secs_f64();
        (count > 0 && elapsed > 0.0).then(|| words::span(elapsed * missing / count as f64))
    }

    /// The time until the evidence is expected to suffice, if requests come as they did.
    fn left(&self) -> Option<String> {
        let counts = &self.sequential.counts;
        let both = |it: &WeightCounts| it.canary_requests.saturating_add(it.baseline_requests);
        let requests = total(counts.iter().map(both));
        let elapsed = self.measurement.window.as_secs_f64();
        let left = self.sequential.requests_left? as f64;
        (requests > 0 && elapsed > 0.0).then(|| words::span(left * elapsed / requests as f64))
    }
}
