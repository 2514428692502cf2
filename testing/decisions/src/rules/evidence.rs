//! One metric's evidence: feeds ticks to Sluice's e-process, segment by segment. Shared by the rule and
//! the soak.

use sluice_analysis::sequential::{Betting, Counts, Direction, Hypothesis, Segment, log_mean};

/// How much the requests so far speak against "the canary is no worse".
#[derive(Debug)]
pub(crate) struct Evidence {
    betting: Betting,
    /// The segment that is going on; `None` before the first tick.
    live: Option<(f64, Counts)>,
    log_e: f64,
}

impl Evidence {
    /// No evidence yet.
    ///
    /// # Panics
    /// When the hypothesis cannot be tested.
    pub(crate) fn new(hypothesis: Hypothesis) -> Self {
        Self {
            betting: Betting::new(hypothesis, Direction::Worse)
                .expect("the hypotheses compared here can be tested"),
            live: None,
            log_e: 0.0,
        }
    }

    /// Adds a tick: events on the canary and on the baseline among `requests` at this weight.
    ///
    /// # Panics
    /// When there are more events than requests, or the weight is no probability.
    pub(crate) fn add(&mut self, weight: f64, canary: u64, baseline: u64, requests: u64) {
        let before = match self.live.take() {
            Some((before, counts)) if before == weight => counts,
            Some((before, counts)) => {
                self.betting.close(&segment(before, counts));
                self.betting.prepare(weight);
                Counts::ZERO
            }
            None => {
                self.betting.prepare(weight);
                Counts::ZERO
            }
        };
        let counts = Counts::new(canary, baseline, requests)
            .and_then(|more| before.plus(more))
            .expect("a tick has no more events than requests");
        self.live = Some((weight, counts));
        // Without a margin, requests without an event prove nothing.
        if canary + baseline > 0 || self.betting.hypothesis().margin > 0.0 {
            self.log_e = self.betting.log_e(Some(&segment(weight, counts)));
        }
    }

    /// ln of the e-value, now.
    pub(crate) const fn log_e(&self) -> f64 {
        self.log_e
    }
}

/// ln of the mean of the e-values, with equal weights.
pub(crate) fn mean_log_e<'a>(each: impl ExactSizeIterator<Item = &'a Evidence>) -> f64 {
    let share = 1.0 / each.len() as f64;
    let each: Vec<(f64, f64)> = each.map(|one| (share, one.log_e)).collect();
    log_mean(&each)
}

fn segment(weight: f64, counts: Counts) -> Segment {
    Segment::new(weight, counts).expect("a weight is between 0 and 1")
}
