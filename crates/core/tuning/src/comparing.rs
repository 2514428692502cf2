//! The comparisons of a plan in a rollout of the history: whether they would have called it worse, and whether they
//! would have been decided by the end of the bakes.
//!
//! The rules are those of `sluice_analysis::judge_comparisons`, on the counts alone.

use crate::measure::{Event, Measured};
use sluice_analysis::SLACK_MICROS;
use sluice_analysis::sequential::{Counts, Direction, Hypothesis, Prepared, Segment, log_mean};
use sluice_model::Histogram;
use sluice_model::plan::{Check, Limit, Metric, NotWorse};

/// A comparison of the plan in one rollout.
pub(crate) struct Book {
    limit: NotWorse,
    event: Event,
    samples_min: u64,
    /// Of the phases that are over.
    segments: Vec<Segment>,
    canary: u64,
    /// `None` when the hypothesis cannot be tested; then nothing is ever proved.
    worse: Option<Prepared>,
    /// It called the new side worse.
    pub(crate) fired: bool,
    /// "Not worse" was proved at the end of each bake so far.
    pub(crate) in_time: bool,
}

impl Book {
    /// A comparison, with the latencies of the time before; `None` for other checks, and for latencies that are not
    /// known.
    pub(crate) fn open(check: &Check, latency: &Histogram) -> Option<Book> {
        let Limit::NotWorse(limit) = check.limit else {
            return None;
        };
        let event = match check.metric {
            Metric::ErrorRatio => Event::Failed,
            Metric::ClientErrorRatio => Event::Refused,
            Metric::TimeoutRatio => Event::TimedOut,
            Metric::Latency(quantile) => {
                let usual = latency.quantile(quantile)?.saturating_add(SLACK_MICROS);
                Event::SlowerThan(Histogram::bucket_max(Histogram::bucket_of(usual)))
            }
            _ => return None,
        };
        let hypothesis = Hypothesis {
            ratio: limit.ratio,
            margin: limit.margin,
        };
        Some(Book {
            limit,
            event,
            samples_min: check.samples_min,
            segments: Vec::new(),
            canary: 0,
            worse: Prepared::new(hypothesis, Direction::Worse).ok(),
            fired: false,
            in_time: true,
        })
    }

    /// The evidence up to a look of the present phase.
    fn segments(&self, measured: &Measured<'_>, look: usize) -> Option<Vec<Segment>> {
        let [(canary, events), (baseline, usual)] = measured.events(self.event, look);
        let counts = Counts::new(events, usual, canary + baseline).ok()?;
        let segment = Segment::new(measured.phase.weight, counts).ok()?;
        Some(self.segments.iter().copied().chain([segment]).collect())
    }

    fn log_e_worse(&mut self, measured: &Measured<'_>, look: usize) -> Option<f64> {
        let segments = self.segments(measured, look)?;
        Some(self.worse.as_mut()?.log_e(&segments))
    }

    fn passes(&self, measured: &Measured<'_>, look: usize) -> bool {
        let [(canary, _), _] = measured.events(self.event, look);
        if self.canary + canary < self.samples_min {
            return false;
        }
        let hypothesis = Hypothesis {
            ratio: self.limit.accept_ratio,
            margin: self.limit.accept_margin_at(measured.phase.weight),
        };
        let prepared = Prepared::new(hypothesis, Direction::NotWorse).ok();
        let log_e = prepared
            .zip(self.segments(measured, look))
            .map(|(mut prepared, segments)| prepared.log_e(&segments));
        log_e.is_some_and(|log_e| log_e >= -self.limit.beta.ln())
    }

    fn close(&mut self, measured: &Measured<'_>) {
        let last = measured.phase.looks.len() - 1;
        let [(canary, _), _] = measured.events(self.event, last);
        self.canary += canary;
        if let Some(segments) = self.segments(measured, last) {
            self.segments = segments;
        }
    }
}

/// Takes a phase into account, unless one side has all the requests.
pub(crate) fn note(books: &mut [Book], measured: &Measured<'_>) {
    if measured.phase.weight >= 1.0 || books.is_empty() {
        return;
    }
    let alpha = books[0].limit.alpha;
    for look in 0..measured.phase.looks.len() {
        let evidence: Vec<(usize, f64, f64)> = books
            .iter_mut()
            .enumerate()
            .filter_map(|(at, book)| {
                Some((at, book.limit.share, book.log_e_worse(measured, look)?))
            })
            .collect();
        let weighted: Vec<(f64, f64)> = evidence
            .iter()
            .map(|(_, share, log)| (*share, *log))
            .collect();
        if log_mean(&weighted) >= -alpha.ln()
            && let Some((strongest, ..)) = evidence.iter().max_by(|a, b| a.2.total_cmp(&b.2))
        {
            books[*strongest].fired = true;
        }
        if measured.phase.looks[look] == measured.phase.bake {
            for book in books.iter_mut() {
                book.in_time &= book.passes(measured, look);
            }
        }
    }
    for book in books {
        book.close(measured);
    }
}
