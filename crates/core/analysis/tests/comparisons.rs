//! From the proxy's counters to the verdict of a rollout's comparisons.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sluice_analysis::ledger::{Evaluator, Ledger, SegmentObservation};
use sluice_analysis::{RecentLatency, judge_comparisons, log_mean_e, replay};
use sluice_model::plan::{Check, Limit, Metric, NotWorse, OnTrouble};
use sluice_model::{
    CheckName, Histogram, Judgement, Measurement, RevisionNumber, RolloutId, SideCounters,
    Timestamp, Verdict, Weight,
};
use std::time::Duration;

const NOW: Timestamp = Timestamp(100_000);

fn weight(percent: f64) -> Weight {
    Weight::from_percent(percent).unwrap()
}

fn check(name: &str, metric: Metric, share: f64) -> Check {
    Check {
        name: CheckName(name.to_owned()),
        metric,
        limit: Limit::NotWorse(NotWorse {
            ratio: 1.0,
            margin: 0.0,
            accept_ratio: 1.5,
            accept_margin: 0.005,
            alpha: 0.01,
            beta: 0.05,
            share,
        }),
        window: Duration::ZERO,
        samples_min: 100,
        on_fail: OnTrouble::Abort,
    }
}

fn errors() -> Check {
    check("errors", Metric::ErrorRatio, 1.0)
}

/// Finished requests of which so many failed, all of them fast.
fn side(requests: u64, failed: u64) -> SideCounters {
    let mut latency = Histogram::default();
    latency.add(Histogram::bucket_of(10_000), requests);
    SideCounters {
        assigned: requests,
        requests,
        classes: [0, requests - failed, 0, 0, failed],
        latency,
        ..SideCounters::default()
    }
}

fn segment(
    number: u64,
    percent: f64,
    canary: SideCounters,
    baseline: SideCounters,
) -> SegmentObservation {
    SegmentObservation {
        segment: number,
        weight: weight(percent),
        canary,
        baseline,
    }
}

fn ledger(checks: &[Check]) -> Ledger {
    Ledger::open(
        RolloutId(7),
        1,
        Timestamp(0),
        3,
        checks,
        &Histogram::default(),
    )
}

fn measured(ledger: &Ledger, check: &Check, percent: f64) -> Measurement {
    let mut evaluator = Evaluator::default();
    ledger
        .measure(check, weight(percent), NOW, &mut evaluator)
        .unwrap()
}

fn judged(ledger: &Ledger, check: &Check, percent: f64) -> Judgement {
    let measurement = measured(ledger, check, percent);
    judge_comparisons(&[(check, Some(&measurement))]).remove(0)
}

/// Requests and events on the canary and on the baseline, at each weight.
fn counted(ledger: &Ledger, check: &Check) -> Vec<(f64, [u64; 4])> {
    let evidence = measured(ledger, check, 5.0).sequential().unwrap().clone();
    let counts = evidence.counts.iter();
    counts
        .map(|it| {
            let figures = [
                it.canary_requests,
                it.canary_events,
                it.baseline_requests,
                it.baseline_events,
            ];
            (it.weight.percent(), figures)
        })
        .collect()
}

#[test]
fn late_answers_count_at_the_weight_at_which_their_requests_came() {
    let check = errors();
    let mut ledger = ledger(std::slice::from_ref(&check));
    // Before the attempt: not its own.
    let before = segment(2, 50.0, side(500, 500), side(500, 0));
    ledger.observe(&[before.clone(), segment(3, 5.0, side(50, 1), side(950, 2))]);
    ledger.observe(&[
        before,
        segment(3, 5.0, side(60, 4), side(990, 2)),
        segment(4, 25.0, side(250, 0), side(750, 1)),
    ]);
    assert_eq!(
        counted(&ledger, &check),
        [(5.0, [60, 4, 990, 2]), (25.0, [250, 0, 750, 1])]
    );
}

#[test]
fn another_process_counts_on_and_nothing_counts_twice() {
    let check = errors();
    let mut first = ledger(std::slice::from_ref(&check));
    first.observe(&[segment(3, 5.0, side(50, 1), side(950, 2))]);
    let stored = serde_json::to_string(&first).unwrap();
    let mut second = serde_json::from_str::<Ledger>(&stored)
        .unwrap()
        .reopened(NOW);
    assert!(second.is_of(RolloutId(7), 1) && !second.is_of(RolloutId(7), 2));
    second.observe(&[segment(3, 5.0, side(0, 0), side(0, 0))]);
    second.observe(&[segment(3, 5.0, side(10, 1), side(190, 0))]);
    assert_eq!(counted(&second, &check), [(5.0, [60, 2, 1_140, 2])]);
    // Counters that begin again without a new process are no different.
    second.observe(&[segment(3, 5.0, side(1, 0), side(19, 0))]);
    assert_eq!(counted(&second, &check), [(5.0, [61, 2, 1_159, 2])]);
}

#[test]
fn a_segment_that_one_side_forgets_makes_no_other_count_twice() {
    let check = errors();
    let mut ledger = ledger(std::slice::from_ref(&check));
    let later = || segment(4, 25.0, side(250, 1), side(750, 2));
    ledger.observe(&[segment(3, 5.0, side(50, 1), side(950, 2)), later()]);
    let all = [(5.0, [50, 1, 950, 2]), (25.0, [250, 1, 750, 2])];
    assert_eq!(counted(&ledger, &check), all);
    for _ in 0..3 {
        ledger.observe(&[segment(3, 5.0, side(0, 0), side(950, 2)), later()]);
        assert_eq!(counted(&ledger, &check), all);
    }
    ledger.observe(&[later()]);
    assert_eq!(counted(&ledger, &check), all);
}

#[test]
fn a_release_is_worse_not_worse_or_undecided_as_the_counts_tell() {
    let check = errors();
    // Canary and baseline at 5 %: requests and failures of each.
    for (canary, baseline, verdict, says) in [
        (
            (2_000, 2),
            (38_000, 38),
            Verdict::Pass,
            "not worse than stable: 2 of 2000 failed, stable 38 of 38000 (e-value ",
        ),
        (
            (42, 3),
            (646, 0),
            Verdict::Fail,
            "worse than stable: 3 of 42 failed, stable 0 of 646 (e-value ",
        ),
        (
            (120, 0),
            (2_280, 2),
            Verdict::Inconclusive,
            "more at this rate",
        ),
        (
            (99, 0),
            (1_881, 0),
            Verdict::NoData,
            "99 of 100 requests on the new side",
        ),
        // A dependency that both share is down.
        (
            (1_000, 500),
            (19_000, 9_500),
            Verdict::Pass,
            "not worse than stable",
        ),
        // Nobody is on the other side: there is nothing to compare with, and the split says so.
        (
            (5_000, 50),
            (0, 0),
            Verdict::Inconclusive,
            "the split does not follow the weights",
        ),
        (
            (0, 0),
            (5_000, 5),
            Verdict::Inconclusive,
            "0 of 5000 requests went to the new side, about 250 were due",
        ),
        (
            (0, 0),
            (0, 0),
            Verdict::NoData,
            "0 of 100 requests on the new side",
        ),
    ] {
        let mut ledger = ledger(std::slice::from_ref(&check));
        let (canary, baseline) = (side(canary.0, canary.1), side(baseline.0, baseline.1));
        ledger.observe(&[segment(3, 5.0, canary, baseline)]);
        let judgement = judged(&ledger, &check, 5.0);
        assert_eq!(judgement.verdict, verdict, "{}", judgement.message);
        assert!(judgement.message.contains(says), "{}", judgement.message);
    }
}

#[test]
fn what_is_accepted_gets_tighter_as_the_weight_grows() {
    let check = errors();
    let mut ledger = ledger(std::slice::from_ref(&check));
    // 0.8 % beside 0.1 %, too few requests to be called worse… at 5 % it could pass, at 25 % not.
    ledger.observe(&[segment(3, 5.0, side(500, 1), side(9_500, 9))]);
    assert_eq!(judged(&ledger, &check, 5.0).verdict, Verdict::Pass);
    assert_eq!(judged(&ledger, &check, 25.0).verdict, Verdict::Inconclusive);
}

#[test]
fn a_canary_that_hangs_is_not_let_on() {
    let check = errors();
    let in_flight = |mut side: SideCounters, in_flight| {
        side.in_flight = in_flight;
        side.assigned += in_flight;
        side
    };
    let verdict = |canary, baseline| {
        let mut ledger = ledger(std::slice::from_ref(&check));
        ledger.observe(&[segment(3, 50.0, canary, baseline)]);
        judged(&ledger, &check, 50.0).verdict
    };
    let busy = in_flight(side(2_000, 2), 100);
    assert_eq!(verdict(busy.clone(), busy.clone()), Verdict::Pass);
    let idle = in_flight(side(2_050, 2), 2);
    assert_eq!(verdict(busy, idle), Verdict::Inconclusive);
}

#[test]
fn users_who_leave_unanswered_do_not_make_a_canary_look_good() {
    let check = errors();
    let left = |mut side: SideCounters, left| {
        side.client_aborts = left;
        side.assigned += left;
        side
    };
    let mut ledger = ledger(std::slice::from_ref(&check));
    // Nobody waits just now, but of the canary's users a third gave up.
    let (canary, baseline) = (left(side(2_000, 2), 1_000), left(side(2_980, 2), 20));
    ledger.observe(&[segment(3, 50.0, canary, baseline)]);
    assert_eq!(judged(&ledger, &check, 50.0).verdict, Verdict::Inconclusive);
    // Nor does a restart of Sluice, which forgets whom it kept waiting.
    let stored = serde_json::to_string(&ledger).unwrap();
    let mut ledger = serde_json::from_str::<Ledger>(&stored)
        .unwrap()
        .reopened(NOW);
    ledger.observe(&[]);
    assert_eq!(judged(&ledger, &check, 50.0).verdict, Verdict::Inconclusive);
}

#[test]
fn slow_is_what_the_baseline_was_not_before_the_rollout() {
    let check = check("latency-p99", Metric::Latency(0.99), 1.0);
    let checks = std::slice::from_ref(&check);
    let slow = |requests: u64, slow: u64| {
        let mut counters = side(requests - slow, 0);
        counters.latency.add(Histogram::bucket_of(200_000), slow);
        counters.requests = requests;
        counters.assigned = requests;
        counters.classes[1] = requests;
        counters
    };
    let mut recent = RecentLatency::default();
    recent.note(Timestamp(0), RevisionNumber(1), &side(2_000, 0).latency);
    let known = recent.of(RevisionNumber(1));
    assert_eq!(recent.of(RevisionNumber(2)), Histogram::default());
    let mut ledger = Ledger::open(RolloutId(7), 1, Timestamp(0), 3, checks, &known);
    ledger.observe(&[segment(3, 5.0, slow(50, 20), slow(950, 2))]);
    let judgement = judged(&ledger, &check, 5.0);
    assert_eq!(judgement.verdict, Verdict::Fail);
    // 10 ms, the end of its bucket, and a millisecond of slack.
    assert!(
        judgement
            .message
            .contains("20 of 50 slower than 11.3 ms, stable 2 of 950"),
        "{}",
        judgement.message
    );
    // Without a past it is learned in the rollout, and only what comes after that counts.
    let mut ledger = Ledger::open(
        RolloutId(7),
        1,
        Timestamp(0),
        3,
        checks,
        &Histogram::default(),
    );
    ledger.observe(&[segment(3, 5.0, slow(50, 20), slow(950, 2))]);
    let judgement = judged(&ledger, &check, 5.0);
    assert_eq!(judgement.verdict, Verdict::NoData, "{}", judgement.message);
    assert!(
        judgement.message.contains("is learned first"),
        "{}",
        judgement.message
    );
    ledger.observe(&[segment(3, 5.0, slow(60, 25), slow(1_140, 2))]);
    ledger.observe(&[segment(3, 5.0, slow(70, 30), slow(1_330, 3))]);
    assert_eq!(counted(&ledger, &check), [(5.0, [10, 5, 190, 1])]);
}

#[test]
fn comparisons_share_one_bound_and_the_culprits_are_named() {
    let of = |name: &str, metric| check(name, metric, 1.0 / 3.0);
    let checks = [
        of("errors", Metric::ErrorRatio),
        of("timeouts", Metric::TimeoutRatio),
        of("client-errors", Metric::ClientErrorRatio),
    ];
    let judged = |failed: u64| {
        let mut ledger = ledger(&checks);
        ledger.observe(&[segment(3, 5.0, side(200, failed), side(3_800, 4))]);
        let measurements: Vec<Measurement> = checks
            .iter()
            .map(|check| measured(&ledger, check, 5.0))
            .collect();
        let all: Vec<_> = checks.iter().zip(measurements.iter().map(Some)).collect();
        judge_comparisons(&all)
    };
    let line = 100.0_f64.ln();
    let verdicts = |judgements: &[Judgement]| -> Vec<Verdict> {
        judgements.iter().map(|it| it.verdict).collect()
    };
    // Alone it would be worse; as one of three it has a third of the bound.
    let close = (1..20).map(judged).find(|judgements| {
        let alone = judgements[0].measurement.as_ref().unwrap();
        alone.sequential().unwrap().log_e_worse >= line
    });
    let close = close.unwrap();
    assert!(log_mean_e(&close) < line && close[0].verdict != Verdict::Fail);
    let far = judged(20);
    assert!(log_mean_e(&far) >= line);
    assert_eq!(verdicts(&far)[0], Verdict::Fail);
    assert!(
        verdicts(&far)[1..]
            .iter()
            .all(|verdict| *verdict != Verdict::Fail)
    );
}

#[test]
fn evidence_of_the_log_gives_the_same_verdict_bit_for_bit() {
    let checks = [
        check("errors", Metric::ErrorRatio, 0.5),
        check("timeouts", Metric::TimeoutRatio, 0.5),
    ];
    let mut ledger = ledger(&checks);
    ledger.observe(&[
        segment(3, 1.0, side(37, 1), side(3_663, 5)),
        segment(4, 5.0, side(91, 7), side(1_801, 2)),
    ]);
    let measurements: Vec<Measurement> = checks
        .iter()
        .map(|check| measured(&ledger, check, 5.0))
        .collect();
    let all: Vec<_> = checks.iter().zip(measurements.iter().map(Some)).collect();
    let judgements = judge_comparisons(&all);
    let text = serde_json::to_string(&judgements).unwrap();
    let stored: Vec<Judgement> = serde_json::from_str(&text).unwrap();
    let replayed = replay(&stored);
    assert_eq!(replayed.len(), 2);
    assert!(replayed.iter().all(|it| it.is_same()), "{replayed:#?}");
    assert_eq!(replayed[0].again, judgements[0]);
    // Whoever changes a count is found out.
    let forged: Vec<Judgement> =
        serde_json::from_str(&text.replace("\"canaryEvents\":7", "\"canaryEvents\":6")).unwrap();
    assert_ne!(forged, stored);
    assert!(!replay(&forged)[0].is_same());
}

/// Requests that all succeeded, of users of whom so many are new.
fn users(counted: u64, new: u64) -> SideCounters {
    SideCounters {
        exposed: new,
        ..side(counted, 0)
    }
}

#[test]
fn users_who_keep_their_side_at_the_next_weight_are_no_second_draw() {
    let check = errors();
    let judged_of = |of_users: bool| {
        let mut ledger = ledger(std::slice::from_ref(&check)).of_users(of_users);
        // Ten thousand users, of whom chance sent sixty more to the canary than were due. They stay there.
        let weights = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let mut segments = Vec::new();
        for (number, percent) in (3..).zip(weights) {
            let canary = (percent * 100.0) as u64 + 60;
            let new = |side| if number == 3 { side } else { 0 };
            let (on, off) = (canary, 10_000 - canary);
            segments.push(segment(
                number,
                percent,
                users(on, new(on)),
                users(off, new(off)),
            ));
        }
        ledger.observe(&segments);
        judged(&ledger, &check, 10.0)
    };
    assert!(judged_of(false).message.contains("does not follow"));
    let judgement = judged_of(true);
    assert_eq!(judgement.verdict, Verdict::Pass, "{}", judgement.message);
}

#[test]
fn a_user_who_fails_before_and_after_a_restart_of_sluice_counts_once() {
    let check = errors();
    let observed = [segment(3, 50.0, side(500, 6), side(500, 1))];
    let verdict = |of_users: bool| {
        let mut ledger = ledger(std::slice::from_ref(&check)).of_users(of_users);
        ledger.observe(&observed);
        for _ in 0..3 {
            ledger = ledger.reopened(NOW);
            // The same users come again, with the same broken accounts.
            ledger.observe(&observed);
        }
        (
            counted(&ledger, &check),
            judged(&ledger, &check, 50.0).verdict,
        )
    };
    assert_eq!(verdict(false).1, Verdict::Fail, "requests are drawn anew");
    let (counted, verdict) = verdict(true);
    assert_eq!(counted, [(50.0, [500, 6, 500, 1])]);
    assert_ne!(verdict, Verdict::Fail);
    // What is told of the time that it takes rests on that count, and not on the time before it.
    let reopened = |of_users| {
        let since = ledger(std::slice::from_ref(&check)).of_users(of_users);
        measured(&since.reopened(Timestamp(90_000)), &check, 50.0).window
    };
    assert_eq!(reopened(true), Duration::from_secs(10));
    assert_eq!(reopened(false), Duration::from_secs(100));
}

#[test]
fn counts_of_the_log_that_cannot_be_are_no_evidence_and_no_crash() {
    let check = errors();
    let mut ledger = ledger(std::slice::from_ref(&check));
    ledger.observe(&[segment(3, 5.0, side(500, 1), side(9_500, 9))]);
    let judgement = judged(&ledger, &check, 5.0);
    let text = serde_json::to_string(&[judgement]).unwrap();
    let most = u64::MAX.to_string();
    for (name, count) in [
        ("canaryRequests", "500"),
        ("baselineRequests", "9500"),
        ("canaryEvents", "1"),
        ("canary", "500"),
        ("baseline", "9500"),
        ("hanging", "0"),
    ] {
        let from = format!("\"{name}\":{count}");
        assert!(text.contains(&from), "{from} in {text}");
        let forged = text.replace(&from, &format!("\"{name}\":{most}"));
        let forged: Vec<Judgement> = serde_json::from_str(&forged).unwrap();
        assert!(!replay(&forged)[0].is_same(), "{name}");
    }
}

#[test]
fn beside_a_baseline_that_fails_itself_a_release_is_told_by_the_difference() {
    let check = errors();
    for (canary, baseline, verdict) in [
        (1_500, 1_500, Verdict::Pass),
        (1_400, 1_500, Verdict::Pass),
        (2_000, 1_500, Verdict::Fail),
        (5_000, 5_000, Verdict::Pass),
        (0, 5_000, Verdict::Pass),
        (5_000, 4_000, Verdict::Fail),
    ] {
        let mut ledger = ledger(std::slice::from_ref(&check));
        ledger.observe(&[segment(3, 50.0, side(5_000, canary), side(5_000, baseline))]);
        let judgement = judged(&ledger, &check, 50.0);
        assert_eq!(
            judgement.verdict, verdict,
            "{canary} and {baseline}: {}",
            judgement.message
        );
    }
}
