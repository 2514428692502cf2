//! How many requests until a decision?
//!
//! For a person who waits ("about four minutes at this rate"), and for the linter, which says that
//! a margin cannot be decided with the traffic at hand. It is an expectation and enters no
//! decision.

use super::bets::{BETS, Bets};
use super::betting::Betting;
use super::counts::Segment;
use super::hypothesis::{BadHypothesis, Direction, Hypothesis};
use super::numerics::log_sum_exp;
use thiserror::Error;

/// Event probabilities of both sides, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The canary's.
    pub canary: f64,
    /// The baseline's.
    pub baseline: f64,
}

/// Why nothing can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadExpectation {
    /// The hypothesis cannot be tested.
    #[error(transparent)]
    Hypothesis(#[from] BadHypothesis),
    /// A rate that is no probability.
    #[error("an event's rate is a probability from 0 to 1, not {0}")]
    Rate(f64),
    /// A weight that compares nothing.
    #[error("both sides need a share of the requests to be compared; the canary's weight is {0}")]
    Weight(f64),
    /// No line to reach.
    #[error("the line to reach is a finite ln E, not {0}")]
    Line(f64),
}

/// The number of requests, on both sides together, that it is expected to take from nothing until
/// ln E reaches `line` (ln 100 for α = 0.01), if events keep happening at these rates; `None` if it
/// is not expected to get there.
///
/// It is near the mean: in simulations of the settings of research/stats.md §6 the mean lay between
/// 15 % below it and 10 % above. The median is sooner, about four fifths of it, and nine in ten
/// runs take less than two and a quarter times as long.
///
/// # Errors
/// A hypothesis that cannot be tested, rates that are no probabilities, a weight of 0 or 1, a line
/// that is not a number.
pub fn requests_to_decide(
    hypothesis: Hypothesis,
    direction: Direction,
    weight: f64,
    rates: Rates,
    line: f64,
) -> Result<Option<u64>, BadExpectation> {
    Betting::new(hypothesis, direction)?.requests_left(None, weight, rates, line)
}

impl Betting {
    /// The same from where this rollout stands: how many requests more at this weight, 0 if the
    /// line is reached.
    ///
    /// Each bet is followed along its mean: ln E ≈ ln mean exp(wealthₖ + n·gₖ), with gₖ the
    /// expected logarithm of what bet k makes of one request, solved for n.
    ///
    /// # Errors
    /// Rates that are no probabilities, a weight of 0 or 1, a line that is not a number.
    pub fn requests_left(
        &self,
        live: Option<&Segment>,
        weight: f64,
        rates: Rates,
        line: f64,
    ) -> Result<Option<u64>, BadExpectation> {
        for rate in [rates.canary, rates.baseline] {
            if !(0.0..=1.0).contains(&rate) {
                return Err(BadExpectation::Rate(rate));
            }
        }
        if !(weight > 0.0 && weight < 1.0) {
            return Err(BadExpectation::Weight(weight));
        }
        if !line.is_finite() {
            return Err(BadExpectation::Line(line));
        }
        let start = self.logs(live);
        let growth = growth(
            &Bets::at(self.hypothesis(), self.direction(), weight),
            rates,
        );
        Ok(requests_until(&start, &growth, line))
    }
}

/// What one request is expected to add to the logarithm of each bet's wealth.
fn growth(bets: &Bets, rates: Rates) -> [f64; BETS] {
    let canary = bets.weight * rates.canary;
    let baseline = (1.0 - bets.weight) * rates.baseline;
    let quiet = 1.0 - canary - baseline;
    std::array::from_fn(|bet| {
        canary * bets.canary[bet] + baseline * bets.baseline[bet] + quiet * bets.quiet[bet]
    })
}

fn requests_until(start: &[f64; BETS], growth: &[f64; BETS], line: f64) -> Option<u64> {
    let log_bets = libm::log(BETS as f64);
    let log_e = |requests: f64| {
        let logs: [f64; BETS] = std::array::from_fn(|bet| start[bet] + requests * growth[bet]);
        log_sum_exp(&logs) - log_bets
    };
    if log_e(0.0) >= line {
        return Some(0);
    }
    // The first bet that could carry the mean over the line alone; the others make it sooner.
    let mut most = start
        .iter()
        .zip(growth)
        .filter(|(_, growth)| **growth > 0.0)
        .map(|(start, growth)| (line + log_bets - start) / growth)
        .fold(f64::INFINITY, f64::min);
    if most == f64::INFINITY {
        return None;
    }
    let mut least = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(least, most);
        if log_e(middle) < line {
            least = middle;
        } else {
            most = middle;
        }
    }
    Some(most.ceil() as u64)
}

/// Halvings of the interval that holds the answer: to a billionth of its length.
const HALVINGS: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::Counts;

    const SAME: Hypothesis = Hypothesis {
        ratio: 1.0,
        margin: 0.0,
    };
    const ACCEPTED: Hypothesis = Hypothesis {
        ratio: 1.5,
        margin: 0.005,
    };

    fn rates(canary: f64, baseline: f64) -> Rates {
        Rates { canary, baseline }
    }

    #[test]
    fn what_cannot_be_decided_is_said() {
        let clean = rates(0.001, 0.001);
        for (name, hypothesis, direction, rates, decidable) in [
            ("equal", SAME, Direction::Worse, clean, false),
            ("better", SAME, Direction::Worse, rates(0.0, 0.001), false),
            ("worse", SAME, Direction::Worse, rates(0.002, 0.001), true),
            (
                "no events at all",
                SAME,
                Direction::Worse,
                rates(0.0, 0.0),
                false,
            ),
            (
                "within the margin",
                ACCEPTED,
                Direction::Worse,
                rates(0.006, 0.001),
                false,
            ),
            (
                "a right release",
                ACCEPTED,
                Direction::NotWorse,
                clean,
                true,
            ),
            (
                "no margin to be within",
                SAME,
                Direction::NotWorse,
                clean,
                false,
            ),
            (
                "a release with 1 %",
                ACCEPTED,
                Direction::NotWorse,
                rates(0.01, 0.001),
                false,
            ),
            (
                "no errors at all",
                ACCEPTED,
                Direction::NotWorse,
                rates(0.0, 0.0),
                true,
            ),
        ] {
            let requests = requests_to_decide(hypothesis, direction, 0.05, rates, 100f64.ln());
            let requests = requests.expect("valid");
            assert_eq!(requests.is_some(), decidable, "{name}: {requests:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let of = |weight, rates, line| {
            requests_to_decide(SAME, Direction::Worse, weight, rates, line).is_err()
        };
        let line = 100f64.ln();
        assert!(of(0.0, rates(0.1, 0.1), line) && of(1.0, rates(0.1, 0.1), line));
        assert!(of(f64::NAN, rates(0.1, 0.1), line));
        assert!(of(0.5, rates(1.1, 0.1), line) && of(0.5, rates(0.1, f64::NAN), line));
        assert!(of(0.5, rates(0.1, 0.1), f64::INFINITY));
    }

    /// Proving a canary without a single failure takes about ln(1/β)/margin requests to it: the
    /// rule of three.
    #[test]
    fn a_clean_canary_takes_what_the_margin_says() {
        for (weight, margin) in [(0.05, 0.005), (0.5, 0.005), (0.05, 0.001)] {
            let hypothesis = Hypothesis { ratio: 1.0, margin };
            let (none, line) = (rates(0.0, 0.0), 20f64.ln());
            let requests = requests_to_decide(hypothesis, Direction::NotWorse, weight, none, line)
                .expect("valid")
                .expect("decidable");
            let canary = requests as f64 * weight;
            let floor = line / margin;
            assert!((floor..1.7 * floor).contains(&canary), "{canary} {floor}");
        }
    }

    #[test]
    fn evidence_so_far_shortens_the_wait() {
        let mut betting = Betting::new(SAME, Direction::Worse).expect("a test");
        let (bad, line) = (rates(0.01, 0.001), 100f64.ln());
        let left = |betting: &Betting, live: Option<&Segment>| {
            betting
                .requests_left(live, 0.05, bad, line)
                .expect("valid")
                .expect("decidable")
        };
        let from_nothing = left(&betting, None);
        let counts = Counts::new(2, 4, 4_000).expect("valid");
        let live = Segment::new(0.05, counts).expect("valid");
        let on_the_way = left(&betting, Some(&live));
        assert!(on_the_way < from_nothing, "{on_the_way} {from_nothing}");
        betting.close(&live);
        assert_eq!(left(&betting, None), on_the_way);
        betting.close(&Segment::new(0.05, Counts::new(9, 0, 100).expect("valid")).expect("valid"));
        assert_eq!(left(&betting, None), 0);
    }
}
