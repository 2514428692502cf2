//! How often it is wrong: releases that are no worse than allowed, looked at after every request.

use crate::stream::{Conditions, Tally};
use sluice_analysis::sequential::{Betting, Direction, Hypothesis, Segment, log_mean};
use statrs::function::beta::inv_beta_reg;

const ALPHA: f64 = 0.01;
const BETA: f64 = 0.05;
const SAME: Hypothesis = Hypothesis {
    ratio: 1.0,
    margin: 0.0,
};
const TOLERANT: Hypothesis = Hypothesis {
    ratio: 1.5,
    margin: 0.001,
};

/// A stretch of requests under the same conditions.
#[derive(Clone, Copy)]
struct Stretch {
    requests: u64,
    conditions: Conditions,
}

/// How many of `runs` crossed, and the exact (Clopper–Pearson) 95 % interval of their probability.
struct Share {
    crossed: u64,
    runs: u64,
    low: f64,
    high: f64,
}

impl Share {
    /// What was seen does not contradict the rate stated, and leaves no room for twice as much.
    fn holds(&self, stated: f64, name: &str) {
        assert!(
            self.low <= stated && self.high < 2.0 * stated,
            "{name}: {} of {} runs, {:.4} to {:.4}, stated {stated}",
            self.crossed,
            self.runs,
            self.low,
            self.high
        );
    }
}

fn share(runs: u64, crosses: impl Fn(&mut fastrand::Rng) -> bool) -> Share {
    let crossed = (0..runs)
        .filter(|seed| crosses(&mut fastrand::Rng::with_seed(*seed)))
        .count() as u64;
    let (yes, no) = (crossed as f64, (runs - crossed) as f64);
    Share {
        crossed,
        runs,
        low: if crossed == 0 {
            0.0
        } else {
            inv_beta_reg(yes, no + 1.0, 0.025)
        },
        high: if crossed == runs {
            1.0
        } else {
            inv_beta_reg(yes + 1.0, no, 0.975)
        },
    }
}

/// Whether ln E ever reaches the line over these stretches; a change of the weight closes a segment.
fn ever_crosses(
    hypothesis: Hypothesis,
    direction: Direction,
    line: f64,
    stretches: impl Iterator<Item = Stretch>,
    random: &mut fastrand::Rng,
) -> bool {
    let mut betting = Betting::new(hypothesis, direction).expect("a test");
    let mut live: Option<(f64, Tally)> = None;
    for Stretch {
        requests,
        conditions,
    } in stretches
    {
        let weight = conditions.weight;
        if let Some((before, tally)) = live.filter(|(before, _)| *before != weight) {
            betting.close(&tally.segment(before));
            live = None;
        }
        betting.prepare(weight);
        let (_, tally) = live.get_or_insert((weight, Tally::default()));
        let end = tally.requests + requests;
        let crossed = |tally: Tally| betting.log_e(Some(&tally.segment(weight))) >= line;
        loop {
            let event = conditions.next_event(random);
            if tally.requests + event.quiet + 1 > end {
                tally.requests = end;
                if crossed(*tally) {
                    return true;
                }
                break;
            }
            tally.requests += event.quiet;
            if direction == Direction::NotWorse && crossed(*tally) {
                return true;
            }
            tally.requests -= event.quiet;
            tally.count(event);
            if event.on_canary == (direction == Direction::Worse) && crossed(*tally) {
                return true;
            }
        }
    }
    false
}

/// Both sides at the same rate, at a fixed weight.
fn fixed(requests: u64, weight: f64, canary: f64, baseline: f64) -> Vec<Stretch> {
    vec![Stretch {
        requests,
        conditions: Conditions {
            weight,
            canary,
            baseline,
        },
    }]
}

/// The usual steps, each ended at a moment of its own: in the middle of some tick.
fn ramp(rate: f64, random: &mut fastrand::Rng) -> Vec<Stretch> {
    [0.01, 0.05, 0.1, 0.25, 0.5, 0.75]
        .map(|weight| Stretch {
            requests: random.u64(100_000..500_000),
            conditions: Conditions {
                weight,
                canary: rate,
                baseline: rate,
            },
        })
        .to_vec()
}

/// Two million requests whose common rate wanders between a hundredth of a percent and four
/// percent, some of them in short outages of a third, while the weight grows.
fn drift(random: &mut fastrand::Rng) -> Vec<Stretch> {
    let mut rate: f64 = 0.001;
    (0..200)
        .map(|index| {
            rate = (rate * (random.f64() - 0.5).exp()).clamp(0.0001, 0.04);
            let outage = random.f64() < 0.02;
            let now = if outage { 0.3 } else { rate };
            Stretch {
                requests: if outage { 300 } else { 10_000 },
                conditions: Conditions {
                    weight: [0.05, 0.1, 0.25, 0.5][index / 50],
                    canary: now,
                    baseline: now,
                },
            }
        })
        .collect()
}

#[test]
fn right_releases_are_taken_back_less_often_than_stated() {
    type Traffic = fn(&mut fastrand::Rng) -> Vec<Stretch>;
    let cases: [(&str, Hypothesis, u64, Traffic); 6] = [
        ("5 % for a million requests", SAME, 1_000, |_| {
            fixed(1_000_000, 0.05, 0.001, 0.001)
        }),
        ("steps of random length", SAME, 1_000, |random| {
            ramp(0.001, random)
        }),
        ("drifting rates, growing weight", SAME, 600, drift),
        ("a baseline that fails itself", SAME, 2_000, |_| {
            fixed(2_000, 0.05, 0.5, 0.5)
        }),
        ("as bad as allowed", TOLERANT, 1_000, |_| {
            fixed(500_000, 0.05, 0.0025, 0.001)
        }),
        ("a better canary", SAME, 500, |_| {
            fixed(500_000, 0.25, 0.0005, 0.001)
        }),
    ];
    for (name, hypothesis, runs, traffic) in cases {
        let line = (1.0 / ALPHA).ln();
        let share = share(runs, |random| {
            let stretches = traffic(random);
            ever_crosses(
                hypothesis,
                Direction::Worse,
                line,
                stretches.into_iter(),
                random,
            )
        });
        share.holds(ALPHA, name);
    }
}

#[test]
fn releases_at_the_limit_are_accepted_less_often_than_stated() {
    let hypothesis = Hypothesis {
        ratio: 1.5,
        margin: 0.005,
    };
    for (name, weight, baseline, requests) in [
        ("5 %", 0.05, 0.001, 200_000),
        ("half", 0.5, 0.001, 100_000),
        ("a bad baseline", 0.25, 0.1, 20_000),
    ] {
        let canary = hypothesis.limit(baseline);
        let share = share(1_000, |random| {
            let stretches = fixed(requests, weight, canary, baseline).into_iter();
            ever_crosses(
                hypothesis,
                Direction::NotWorse,
                (1.0 / BETA).ln(),
                stretches,
                random,
            )
        });
        share.holds(BETA, name);
    }
    // A release with 1 % errors beside 0.1 % is half as bad again as the limit, and hardly ever
    // accepted.
    let share = share(1_000, |random| {
        let stretches = fixed(200_000, 0.05, 0.01, 0.001).into_iter();
        ever_crosses(
            hypothesis,
            Direction::NotWorse,
            (1.0 / BETA).ln(),
            stretches,
            random,
        )
    });
    share.holds(BETA / 10.0, "1 % beside 0.1 %");
}

/// Ten metrics of which most move together: a request that goes wrong does so in several.
fn ten_metrics_cross(weight: f64, requests: u64, random: &mut fastrand::Rng) -> bool {
    const METRICS: usize = 10;
    let conditions = Conditions {
        weight,
        canary: 0.002,
        baseline: 0.002,
    };
    let mut betting = Betting::new(SAME, Direction::Worse).expect("a test");
    betting.prepare(weight);
    let mut tallies = [Tally::default(); METRICS];
    let mut total = 0;
    loop {
        let event = conditions.next_event(random);
        total += event.quiet + 1;
        if total > requests {
            return false;
        }
        // The first metric is independent of the others.
        let mut happened = [false; METRICS];
        if random.bool() {
            happened[0] = true;
        } else {
            happened[1..].fill_with(|| random.f64() < 0.8);
        }
        for (tally, happened) in tallies.iter_mut().zip(happened) {
            tally.requests = total;
            if happened && event.on_canary {
                tally.canary += 1;
            } else if happened {
                tally.baseline += 1;
            }
        }
        if event.on_canary {
            let segments: Vec<Segment> =
                tallies.iter().map(|tally| tally.segment(weight)).collect();
            let weighted: Vec<(f64, f64)> = segments
                .iter()
                .map(|segment| (1.0 / METRICS as f64, betting.log_e(Some(segment))))
                .collect();
            if log_mean(&weighted) >= (1.0 / ALPHA).ln() {
                return true;
            }
        }
    }
}

#[test]
fn ten_metrics_together_keep_the_rate_of_one() {
    let share = share(1_000, |random| ten_metrics_cross(0.05, 500_000, random));
    share.holds(ALPHA, "ten metrics");
}
