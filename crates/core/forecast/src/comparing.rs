//! Sequential comparisons in a run: the books, the e-values, and the rules by which they decide.
//!
//! The rules are those of `sluice_analysis::judge_comparisons`, without its words, which cost more than the
//! decision; a test holds the two against each other.

use crate::course::Comparison;
use sluice_analysis::sequential::{Counts, Direction, Hypothesis, Prepared, Segment, log_mean};
use sluice_model::plan::NotWorse;

/// What is accepted at a weight, 0 to 1.
pub(crate) fn accepted(limit: &NotWorse, weight: f64) -> Hypothesis {
    Hypothesis {
        ratio: limit.accept_ratio,
        margin: limit.accept_margin_at(weight),
    }
}

/// What is too much.
fn worse(limit: &NotWorse) -> Hypothesis {
    Hypothesis {
        ratio: limit.ratio,
        margin: limit.margin,
    }
}

/// Counts at one weight.
#[derive(Clone, Copy, Debug)]
struct Page {
    weight: f64,
    canary_events: u64,
    baseline_events: u64,
    requests: u64,
}

/// The book of one comparison in one run.
pub(crate) struct Book<'c> {
    comparison: &'c Comparison,
    pages: Vec<Page>,
    canary_requests: u64,
    /// Stable requests that still have to be seen before it is known what is slow.
    to_learn: u64,
    /// `None` when the hypothesis cannot be tested; then nothing is ever proved.
    worse: Option<Prepared>,
    /// For the weight in force.
    accepted: Option<Prepared>,
}

impl<'c> Book<'c> {
    pub(crate) fn open(comparison: &'c Comparison) -> Book<'c> {
        Book {
            comparison,
            pages: Vec::new(),
            canary_requests: 0,
            to_learn: comparison.to_learn,
            worse: Prepared::new(worse(&comparison.limit), Direction::Worse).ok(),
            accepted: None,
        }
    }

    /// The weight changes.
    pub(crate) fn at_weight(&mut self, weight: f64) {
        let hypothesis = accepted(&self.comparison.limit, weight);
        self.accepted = Prepared::new(hypothesis, Direction::NotWorse).ok();
        if self.pages.last().is_none_or(|page| page.weight != weight) {
            self.pages.push(Page {
                weight,
                canary_events: 0,
                baseline_events: 0,
                requests: 0,
            });
        }
    }

    /// Adds requests of both sides, the new one first; returns whether there were events on the new one.
    pub(crate) fn count(&mut self, requests: [u64; 2], events: [&[u64]; 2]) -> bool {
        if self.to_learn > 0 {
            self.to_learn = self.to_learn.saturating_sub(requests[1]);
            return false;
        }
        let Some(page) = self.pages.last_mut() else {
            return false;
        };
        let place = self.comparison.signal;
        page.canary_events += events[0][place];
        page.baseline_events += events[1][place];
        page.requests += requests[0] + requests[1];
        self.canary_requests += requests[0];
        events[0][place] > 0
    }

    fn segments(&self) -> Option<Vec<Segment>> {
        self.pages
            .iter()
            .map(|page| {
                let counts =
                    Counts::new(page.canary_events, page.baseline_events, page.requests).ok()?;
                Segment::new(page.weight, counts).ok()
            })
            .collect()
    }

    fn log_e_worse(&mut self) -> Option<f64> {
        let segments = self.segments()?;
        Some(self.worse.as_mut()?.log_e(&segments))
    }

    fn passes(&mut self) -> bool {
        if self.to_learn > 0 || self.canary_requests < self.comparison.samples_min {
            return false;
        }
        let line = -self.comparison.limit.beta.ln();
        let segments = self.segments();
        let log_e = segments.and_then(|it| Some(self.accepted.as_mut()?.log_e(&it)));
        log_e.is_some_and(|log_e| log_e >= line)
    }
}

/// The comparison by which the release is worse: the one with the strongest evidence, when the mean of all
/// reaches the line.
pub(crate) fn worst(books: &mut [Book<'_>], which: &[usize]) -> Option<usize> {
    let evidence: Vec<(usize, f64, f64)> = which
        .iter()
        .filter_map(|&at| {
            let book = books.get_mut(at)?;
            Some((at, book.comparison.limit.share, book.log_e_worse()?))
        })
        .collect();
    let alpha = books.get(evidence.first()?.0)?.comparison.limit.alpha;
    let weighted: Vec<(f64, f64)> = evidence
        .iter()
        .map(|(_, share, log)| (*share, *log))
        .collect();
    if log_mean(&weighted) < -alpha.ln() {
        return None;
    }
    let strongest = evidence.iter().max_by(|a, b| a.2.total_cmp(&b.2));
    strongest.map(|(at, ..)| *at)
}

/// Whether each of them says "not worse".
pub(crate) fn all_pass(books: &mut [Book<'_>], which: &[usize]) -> bool {
    which
        .iter()
        .all(|&at| books.get_mut(at).is_some_and(Book::passes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_analysis::judge_comparisons;
    use sluice_model::plan::{Check, Limit, Metric, OnTrouble};
    use sluice_model::{
        CheckName, Evidence, Measurement, Side, Timestamp, Verdict, Weight, WeightCounts,
    };
    use std::time::Duration;

    fn comparison(name: &str, signal: usize, share: f64) -> Comparison {
        Comparison {
            name: CheckName(name.into()),
            limit: NotWorse {
                ratio: 1.0,
                margin: 0.0,
                accept_ratio: 1.5,
                accept_margin: 0.005,
                alpha: 0.01,
                beta: 0.05,
                share,
            },
            signal,
            samples_min: 100,
            on_fail: OnTrouble::Abort,
            to_learn: 0,
        }
    }

    /// The same evidence as a rollout would hold it, judged by the analysis.
    fn judged(books: &mut [Book<'_>]) -> Vec<Verdict> {
        let weight = Weight::from_percent(5.0).expect("a weight");
        let evidence: Vec<(Check, Measurement)> = books
            .iter_mut()
            .map(|book| {
                let page = book.pages[0];
                let segments = book.segments().expect("counts");
                let accepted = book.accepted.as_mut().expect("a test").log_e(&segments);
                let stored = serde_json::json!({
                    "rollout": 1, "attempt": 1, "weight": weight, "hanging": 0, "split": [],
                    "counts": [WeightCounts {
                        weight,
                        canary_requests: book.canary_requests,
                        canary_events: page.canary_events,
                        baseline_requests: page.requests - book.canary_requests,
                        baseline_events: page.baseline_events,
                    }],
                    "slowerThanMicros": null,
                    "logEWorse": book.log_e_worse().expect("a test"),
                    "logENotWorse": accepted,
                    "logESplit": 0.0,
                });
                let check = Check {
                    name: book.comparison.name.clone(),
                    metric: Metric::ErrorRatio,
                    limit: Limit::NotWorse(book.comparison.limit),
                    window: Duration::ZERO,
                    samples_min: book.comparison.samples_min,
                    on_fail: OnTrouble::Abort,
                };
                let measurement = Measurement {
                    canary: Side {
                        value: Some(0.0),
                        count: book.canary_requests,
                    },
                    baseline: Side::default(),
                    from: Timestamp(0),
                    window: Duration::ZERO,
                    evidence: Some(Evidence::Sequential(
                        serde_json::from_value(stored).expect("evidence"),
                    )),
                };
                (check, measurement)
            })
            .collect();
        let pairs: Vec<_> = evidence
            .iter()
            .map(|(check, it)| (check, Some(it)))
            .collect();
        let judgements = judge_comparisons(&pairs);
        judgements.iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn the_rules_are_those_of_the_analysis() {
        let comparisons = [comparison("a", 0, 0.7), comparison("b", 1, 0.3)];
        let mut seen = Vec::new();
        // Events of the one and of the other on the new side, among requests there; 1 % on the old one.
        for canary in [50, 400, 2_000] {
            for first in [0, 2, 5, 9, 14, 60] {
                for second in [0, 4, 11, 30] {
                    let mut books: Vec<Book<'_>> = comparisons.iter().map(Book::open).collect();
                    let baseline = canary * 19;
                    for book in &mut books {
                        book.at_weight(0.05);
                        let old = [baseline / 1_000, baseline / 100];
                        book.count([canary, baseline], [&[first, second], &old]);
                    }
                    let verdicts = judged(&mut books);
                    let is_worse = worst(&mut books, &[0, 1]).is_some();
                    let case = format!("{first} and {second} of {canary}: {verdicts:?}");
                    assert_eq!(verdicts.contains(&Verdict::Fail), is_worse, "{case}");
                    let passes = verdicts.iter().all(|it| *it == Verdict::Pass);
                    assert_eq!(passes, !is_worse && all_pass(&mut books, &[0, 1]), "{case}");
                    seen.extend(verdicts);
                }
            }
        }
        for verdict in [
            Verdict::Fail,
            Verdict::Pass,
            Verdict::Inconclusive,
            Verdict::NoData,
        ] {
            assert!(seen.contains(&verdict), "no case was {verdict:?}");
        }
    }
}
