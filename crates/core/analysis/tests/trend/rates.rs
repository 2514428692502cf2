//! How often a harmless heap is taken for a leak, and how soon a leak is found: stats.md §4, "FPR ≤ .3 %"
//! and "power at .1 MiB/s (6 MiB/min): 100 % in 10 min" (simulation in stats_sim/sim3.py).

use crate::heaps::{Heap, Question, seconds, trend, watched};
use sluice_model::Verdict;

/// Runs of which some failed, and the longest time that a failure took.
struct Tally {
    runs: u64,
    failed: u64,
    slowest_s: u64,
}

fn tally(runs: u64, until_s: u64, leak: f64, with_baseline: bool, question: Question) -> Tally {
    let mut tally = Tally {
        runs,
        failed: 0,
        slowest_s: 0,
    };
    for seed in 0..runs {
        let mut canary = Heap::new(2 * seed, leak);
        let mut baseline = with_baseline.then(|| Heap::new(2 * seed + 1, 0.0));
        let (age_s, verdict) = watched(
            &mut trend(),
            &mut canary,
            baseline.as_mut(),
            until_s,
            question,
            |verdict| verdict.verdict == Verdict::Fail,
        );
        if verdict.verdict == Verdict::Fail {
            tally.failed += 1;
            tally.slowest_s = tally.slowest_s.max(age_s);
        }
    }
    tally
}

impl Tally {
    fn share(&self) -> f64 {
        self.failed as f64 / self.runs as f64
    }
}

#[test]
fn a_sawtooth_heap_is_not_a_leak() {
    for (minutes, with_baseline) in [(10, false), (10, true), (60, false)] {
        let runs = if minutes > 10 { 200 } else { 1_000 };
        let found = tally(
            runs,
            minutes * 60,
            0.0,
            with_baseline,
            Question::any_growth(),
        );
        assert!(
            found.share() <= 0.003,
            "{} of {} in {minutes} min, baseline: {with_baseline}",
            found.failed,
            found.runs
        );
    }
}

#[test]
fn a_leak_of_6_mib_a_minute_is_aborted_within_10_minutes() {
    let question = Question::reaches(512.0, seconds(24 * 3_600));
    let alone = tally(300, 600, 6.0, false, question);
    assert_eq!(alone.failed, alone.runs);
    // The noise of two sides: a few of a thousand are found at the next look.
    let compared = tally(300, 600, 6.0, true, question);
    assert!(compared.share() >= 0.98, "{}", compared.share());
    for found in [alone, compared] {
        assert!(found.slowest_s <= 600);
    }
}

/// The long form of the two tests above, with the figures printed; some minutes without optimisation.
#[test]
#[ignore = "20,000 runs; cargo test -p sluice-analysis --release --test trend -- --ignored --nocapture"]
#[allow(clippy::print_stdout, reason = "its purpose is the table")]
fn measured_rates() {
    let leak_question = Question::reaches(512.0, seconds(24 * 3_600));
    for with_baseline in [false, true] {
        for (minutes, runs) in [(10, 20_000), (60, 10_000), (360, 2_000)] {
            let found = tally(
                runs,
                minutes * 60,
                0.0,
                with_baseline,
                Question::any_growth(),
            );
            println!(
                "false alarms, {minutes} min, baseline {with_baseline}: {} of {runs} ({:.3} %)",
                found.failed,
                100.0 * found.share()
            );
            assert!(found.share() <= 0.003);
        }
        for leak in [1.0, 3.0, 6.0, 12.0] {
            for minutes in [6, 8, 10, 15] {
                let found = tally(2_000, minutes * 60, leak, with_baseline, leak_question);
                println!(
                    "leak of {leak} MiB/min, baseline {with_baseline}: {:.2} % within {minutes} min",
                    100.0 * found.share()
                );
            }
        }
    }
}
