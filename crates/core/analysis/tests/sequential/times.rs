//! How long it takes: the medians of research/stats.md §6, on a sample of our own.

use crate::stream::{Conditions, Tally};
use sluice_analysis::sequential::{Betting, Direction, Hypothesis, Rates, requests_to_decide};

const RUNS: u64 = 600;
/// Far beyond every median here; a run that takes longer counts as this long.
const HORIZON: u64 = 20_000_000;

/// A row of the tables: what is tested, on what traffic, and the median there, in requests on both
/// sides.
struct Row {
    hypothesis: Hypothesis,
    direction: Direction,
    conditions: Conditions,
    line: f64,
    median: u64,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |direction, line: f64, columns: &[(f64, f64, f64, f64, f64, u64)]| {
        for &(ratio, margin, weight, baseline, canary, median) in columns {
            rows.push(Row {
                hypothesis: Hypothesis { ratio, margin },
                direction,
                conditions: Conditions {
                    weight,
                    canary,
                    baseline,
                },
                line: line.ln(),
                median,
            });
        }
    };
    // "Requests to detect", α = 0.01; the last four are the latency rows (exceedance of the
    // baseline's p99 or p50) of sim3.out.
    add(
        Direction::Worse,
        100.0,
        &[
            (1.0, 0.0, 0.05, 0.001, 0.01, 8_250),
            (1.0, 0.0, 0.05, 0.001, 0.05, 800),
            (1.0, 0.0, 0.05, 0.001, 0.5, 80),
            (1.0, 0.0, 0.05, 0.001, 0.003, 90_750),
            (1.0, 0.0, 0.05, 0.001, 0.002, 315_000),
            (1.5, 0.001, 0.05, 0.001, 0.01, 19_410),
            (1.0, 0.0, 0.01, 0.001, 0.01, 40_290),
            (1.0, 0.0, 0.25, 0.001, 0.01, 2_360),
            (1.0, 0.0, 0.5, 0.001, 0.01, 2_140),
            (1.25, 0.0, 0.05, 0.01, 0.0216, 51_375),
            (1.25, 0.0, 0.05, 0.01, 0.0494, 4_175),
            (1.25, 0.0, 0.05, 0.01, 0.1208, 800),
            (1.05, 0.0, 0.05, 0.5, 0.619, 17_375),
        ],
    );
    // "Accept", β = 0.05, and sim2.out.
    add(
        Direction::NotWorse,
        20.0,
        &[
            (1.5, 0.005, 0.05, 0.001, 0.001, 25_375),
            (1.5, 0.005, 0.25, 0.001, 0.001, 5_175),
            (1.5, 0.005, 0.5, 0.001, 0.001, 2_900),
            (1.5, 0.001, 0.05, 0.001, 0.001, 134_425),
            (1.5, 0.005, 0.05, 0.01, 0.01, 25_150),
        ],
    );
    rows
}

/// Requests after which ln E reaches the line, looked at after each.
fn crossing(row: &Row, seed: u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let weight = row.conditions.weight;
    let mut betting = Betting::new(row.hypothesis, row.direction).expect("a test");
    betting.prepare(weight);
    let crossed = |tally: Tally| betting.log_e(Some(&tally.segment(weight))) >= row.line;
    let mut tally = Tally::default();
    while tally.requests < HORIZON {
        let event = row.conditions.next_event(&mut random);
        let mut before = tally;
        before.requests += event.quiet;
        // In one direction only the canary's events raise E; in the other everything but these does.
        if row.direction == Direction::NotWorse && crossed(before) {
            return first_crossed(tally, before.requests, crossed);
        }
        tally.count(event);
        if event.on_canary == (row.direction == Direction::Worse) && crossed(tally) {
            return tally.requests;
        }
    }
    HORIZON
}

/// The request without an event, after `from` and up to `most`, at which the line is crossed.
fn first_crossed(from: Tally, mut most: u64, crossed: impl Fn(Tally) -> bool) -> u64 {
    let mut least = from.requests;
    while most - least > 1 {
        let requests = u64::midpoint(least, most);
        if crossed(Tally { requests, ..from }) {
            most = requests;
        } else {
            least = requests;
        }
    }
    most
}

#[test]
fn decisions_take_no_longer_than_the_research_says_and_as_long_as_announced() {
    for row in rows() {
        let mut times: Vec<u64> = (0..RUNS).map(|seed| crossing(&row, seed)).collect();
        times.sort_unstable();
        let at = |quantile: f64| times[(quantile * RUNS as f64) as usize] as f64;
        let Conditions {
            weight,
            canary,
            baseline,
        } = row.conditions;
        let name = format!(
            "{:?} {:?} at {weight}, {baseline} → {canary}",
            row.direction, row.hypothesis
        );

        let research = row.median as f64;
        assert!(
            at(0.5) <= 1.1 * research,
            "{name}: median {}, research {research}",
            at(0.5)
        );

        let rates = Rates { canary, baseline };
        let announced = requests_to_decide(row.hypothesis, row.direction, weight, rates, row.line)
            .expect("valid")
            .expect("decidable") as f64;
        let mean = times.iter().map(|time| *time as f64).sum::<f64>() / RUNS as f64;
        assert!(
            (0.8..=1.25).contains(&(mean / announced)),
            "{name}: mean {mean}, announced {announced}"
        );
        assert!(at(0.5) < announced, "{name}: median {}", at(0.5));
        assert!(at(0.9) < 2.5 * announced, "{name}: p90 {}", at(0.9));
    }
}
