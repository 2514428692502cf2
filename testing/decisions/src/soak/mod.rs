//! Releases that are no worse, looked at after every tick, for two million requests each: how often is
//! such a canary taken back? The bound says in at most a share α of them.
//!
//! Each [`Kind`] strains the promise in its own way. All hypotheses are tested at their edge (ratio 1, no
//! margin), where a false rollback is likeliest. The streams are exact, see `stream::Thinned`.

mod drift;
mod ten;

use crate::rules::ALPHA;
use crate::rules::evidence::{Evidence, mean_log_e};
use crate::stream::{Thinned, seed_of};
use drift::Drift;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use sluice_analysis::sequential::Hypothesis;

/// Requests of a run, both sides together.
pub const REQUESTS: u64 = 2_000_000;
/// Mean number of requests in a tick: a tenth of a second at 1,000 a second.
const PER_TICK: f64 = 100.0;
/// Ticks for which a rate holds: a second.
const TICKS_PER_LEVEL: u64 = 10;
/// The canary's share where it does not change.
const WEIGHT: f64 = 0.05;
/// The canary's shares where it changes, one for each quarter of the run.
const WEIGHTS: [f64; 4] = [0.01, 0.05, 0.25, 0.5];
/// Share of the requests that fail, where nothing drifts.
const ERRORS: f64 = 0.001;

/// What a run is like.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// One weight, one error rate.
    Fixed,
    /// The weight grows from 1 to 50 % in four steps, and the evidence is carried on.
    Ramping,
    /// The error rate of both sides drifts within a factor of ten up and down, with outages.
    Drifting,
    /// Ten metrics that overlap, under growing weights, drift and outages.
    TenMetrics,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Ramping, Self::Drifting, Self::TenMetrics];

    /// What it is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Fixed => "fixed weight",
            Self::Ramping => "growing weight",
            Self::Drifting => "drifting error rate",
            Self::TenMetrics => "ten correlated metrics",
        }
    }

    const fn ramps(self) -> bool {
        matches!(self, Self::Ramping | Self::TenMetrics)
    }

    const fn drifts(self) -> bool {
        matches!(self, Self::Drifting | Self::TenMetrics)
    }

    /// Which requests there are, by what is true of them, at a level of trouble; and how many metrics.
    fn classes(self, level: f64) -> Vec<Class> {
        match self {
            Self::Fixed | Self::Ramping | Self::Drifting => {
                let errors = (ERRORS * level).min(1.0);
                vec![
                    Class {
                        share: 1.0 - errors,
                        events: 0,
                    },
                    Class {
                        share: errors,
                        events: 1,
                    },
                ]
            }
            Self::TenMetrics => ten::classes(level),
        }
    }

    const fn metrics(self) -> usize {
        match self {
            Self::Fixed | Self::Ramping | Self::Drifting => 1,
            Self::TenMetrics => ten::METRICS,
        }
    }
}

/// Requests of which the same is true.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Class {
    /// Their share of all requests.
    share: f64,
    /// The metrics for which they are bad, one bit each.
    events: u32,
}

/// What came of one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// What it was like.
    pub kind: Kind,
    /// Its number, from 0.
    pub run: u64,
    /// Requests of both sides, until the false rollback or the end.
    pub requests: u64,
    /// Looks that were taken.
    pub looks: u64,
    /// The largest ln of the mean e-value that was seen.
    pub log_e_max: f64,
    /// Whether the canary was taken back.
    pub rolled_back: bool,
}

/// One side's requests.
struct Side {
    thinned: Thinned,
    counts: Vec<u64>,
}

impl Side {
    fn draw(&mut self, classes: &[Class], random: &mut Xoshiro256PlusPlus) -> u64 {
        self.counts.fill(0);
        let mut requests = 0;
        let counts = &mut self.counts;
        self.thinned.draw(random, |class, count| {
            requests += count;
            let events = classes[class].events;
            for (metric, cell) in counts.iter_mut().enumerate() {
                *cell += count * u64::from(events >> metric & 1);
            }
        });
        requests
    }
}

/// One run of so many requests; the same seed and number give the same one.
#[must_use]
pub fn run(kind: Kind, requests_max: u64, seed: u64, number: u64) -> Run {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed_of(seed, kind as u64, number));
    let same = Hypothesis {
        ratio: 1.0,
        margin: 0.0,
    };
    let mut evidence: Vec<Evidence> = (0..kind.metrics()).map(|_| Evidence::new(same)).collect();
    let mut drift = Drift::new();
    let line = -ALPHA.ln();
    let mut run = Run {
        kind,
        run: number,
        requests: 0,
        looks: 0,
        log_e_max: 0.0,
        rolled_back: false,
    };
    let mut level = 1.0;
    let mut weight = weight_at(kind, 0, requests_max);
    let mut classes = Vec::new();
    let mut sides: Option<[Side; 2]> = None;
    while run.requests < requests_max && !run.rolled_back {
        let mut changed = sides.is_none();
        if kind.drifts() && run.looks.is_multiple_of(TICKS_PER_LEVEL) {
            level = drift.next(&mut random);
            changed = true;
        }
        let now = weight_at(kind, run.requests, requests_max);
        if changed || now != weight {
            weight = now;
            classes = kind.classes(level);
            sides = Some(both_sides(&classes, weight, kind.metrics()));
        }
        let Some([canary, baseline]) = &mut sides else {
            break;
        };
        let requests = canary.draw(&classes, &mut random) + baseline.draw(&classes, &mut random);
        for (index, one) in evidence.iter_mut().enumerate() {
            one.add(
                weight,
                canary.counts[index],
                baseline.counts[index],
                requests,
            );
        }
        run.requests += requests;
        run.looks += 1;
        // A mean is at most its largest part: only then can it be higher than before.
        if evidence.iter().any(|one| one.log_e() > run.log_e_max) {
            let log_e = mean_log_e(evidence.iter());
            run.log_e_max = run.log_e_max.max(log_e);
            run.rolled_back = log_e >= line;
        }
    }
    run
}

fn weight_at(kind: Kind, requests: u64, requests_max: u64) -> f64 {
    if !kind.ramps() {
        return WEIGHT;
    }
    let quarter = requests * WEIGHTS.len() as u64 / requests_max.max(1);
    WEIGHTS[(quarter as usize).min(WEIGHTS.len() - 1)]
}

fn both_sides(classes: &[Class], weight: f64, metrics: usize) -> [Side; 2] {
    [weight, 1.0 - weight].map(|share| Side {
        thinned: Thinned::new(classes.iter().map(|class| PER_TICK * share * class.share)),
        counts: vec![0; metrics],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_requests_and_a_look_after_each_tick() {
        for kind in Kind::ALL {
            let one = run(kind, 20_000, 1, 0);
            assert_eq!(one, run(kind, 20_000, 1, 0), "a seed decides everything");
            let other = run(kind, 20_000, 1, 1);
            assert_ne!(
                (one.requests, one.log_e_max.to_bits()),
                (other.requests, other.log_e_max.to_bits())
            );
            assert!((20_000..20_200).contains(&one.requests), "{one:?}");
            assert!((150..250).contains(&one.looks), "{one:?}");
        }
    }

    #[test]
    fn the_weight_grows_in_quarters() {
        let weights: Vec<f64> = (0..=4)
            .map(|quarter| weight_at(Kind::Ramping, quarter * 500_000, REQUESTS))
            .collect();
        assert_eq!(weights, [0.01, 0.05, 0.25, 0.5, 0.5]);
        assert_eq!(weight_at(Kind::Drifting, 1_999_999, REQUESTS), WEIGHT);
    }

    /// A coarse form of the soak: with a promise of 1 %, more than 6 of 100 short runs would be one in 10,000.
    #[test]
    fn few_are_taken_back() {
        for kind in Kind::ALL {
            let taken_back = (0..100)
                .filter(|number| run(kind, 20_000, 2, *number).rolled_back)
                .count();
            assert!(taken_back <= 6, "{kind:?}: {taken_back} of 100");
        }
    }

    #[test]
    fn every_level_of_trouble_has_all_requests_in_one_class() {
        for kind in Kind::ALL {
            for level in [0.1, 1.0, 10.0, 300.0, 1e9] {
                let classes = kind.classes(level);
                let sum: f64 = classes.iter().map(|class| class.share).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{kind:?} at {level}: {sum}");
                assert!(classes.iter().all(|class| class.share >= 0.0));
                let union = classes.iter().fold(0, |union, class| union | class.events);
                assert_eq!(union, (1 << kind.metrics()) - 1);
            }
        }
    }
}
