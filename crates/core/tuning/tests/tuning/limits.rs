//! The stated rates of false alarms, on histories and on fresh data of the same process.

use crate::processes::{Course, Process, check, not_worse, plan, tuned};
use sluice_model::plan::{Check, Limit, Metric};
use sluice_tuning::Findings;
use std::time::Duration;

/// How often checks would raise an alarm in so many fresh minutes.
fn on_fresh_data(process: Process, checks: &[Check], minutes: usize) -> Findings {
    tuned(&plan(checks), process.minutes(minutes, 777), 0.1, 778)
}

fn chosen(findings: &Findings) -> Vec<Check> {
    let chosen = findings.proposals.iter().filter(|it| it.chosen);
    chosen
        .map(|it| check(it.check.as_str(), it.metric, it.limit.clone()))
        .collect()
}

#[test]
fn proposed_limits_keep_on_fresh_data_what_is_stated_of_them() {
    for course in [Course::Steady, Course::Daily, Course::Wandering(0.05)] {
        let process = Process {
            rate: 15.0,
            errors: 0.01,
            course,
        };
        // Three days; one in ten rollouts may raise an alarm.
        let history = process.minutes(3 * 1_440, 1);
        let findings = tuned(&plan(&[]), history, 0.1, 2);
        assert_eq!(findings.more, None, "{course:?}: {findings:?}");
        let stated = findings.proposed_together;
        assert!(
            stated.share <= 0.1 && stated.high <= 0.1 + 1e-9,
            "{stated:?}"
        );
        let checks = chosen(&findings);
        assert!(checks.len() >= 5, "{checks:?}");
        let fresh = on_fresh_data(process, &checks, 3 * 1_440);
        let together = fresh.present_together;
        assert!(
            together.share <= stated.high && together.high >= stated.low,
            "{course:?}: stated {stated:?}, fresh {together:?}"
        );
        for (proposal, judged) in findings
            .proposals
            .iter()
            .filter(|it| it.chosen)
            .zip(&fresh.present)
        {
            assert_eq!(proposal.check, judged.check);
            let fresh = judged.alarms.unwrap();
            assert!(
                fresh.low <= proposal.alarms.high && fresh.high >= proposal.alarms.low,
                "{course:?}: {proposal:?}, fresh {fresh:?}"
            );
        }
    }
}

#[test]
fn a_proposal_is_judged_as_the_same_check_of_a_document_is() {
    let process = Process {
        rate: 15.0,
        errors: 0.02,
        course: Course::Wandering(0.05),
    };
    let history = process.minutes(800, 21);
    // So loose a target that the limits let some rollouts raise an alarm.
    let proposed = tuned(&plan(&[]), history.clone(), 0.5, 22);
    let with_alarms = proposed.proposals.iter().filter(|it| it.alarms.count > 0);
    assert!(with_alarms.count() >= 3, "{:?}", proposed.proposals);
    for proposal in &proposed.proposals {
        let check = [check(
            proposal.check.as_str(),
            proposal.metric,
            proposal.limit.clone(),
        )];
        let judged = tuned(&plan(&check), history.clone(), 0.5, 22);
        assert_eq!(
            judged.present[0].alarms,
            Some(proposal.alarms),
            "{proposal:?}"
        );
    }
}

#[test]
fn a_limit_that_cries_wolf_is_told_apart_from_one_that_does_not() {
    let process = Process {
        rate: 15.0,
        errors: 0.01,
        course: Course::Steady,
    };
    let checks = [
        check("tight", Metric::ErrorRatio, Limit::Max(0.012)),
        check("wide", Metric::ErrorRatio, Limit::Max(0.2)),
        check(
            "relative",
            Metric::ErrorRatio,
            Limit::RelativeMax {
                factor: 1.5,
                margin: 0.0,
            },
        ),
        check("errors", Metric::ErrorRatio, not_worse(0.005)),
    ];
    let findings = tuned(&plan(&checks), process.minutes(1_440, 3), 0.1, 4);
    let alarms = |name: &str| {
        let judged = findings.present.iter().find(|it| it.check.as_str() == name);
        judged.unwrap().alarms.unwrap()
    };
    assert!(alarms("tight").low > 0.5, "{:?}", alarms("tight"));
    assert!(alarms("relative").low > 0.2, "{:?}", alarms("relative"));
    assert_eq!(alarms("wide").count, 0);
    // Bounded by the comparison's own α.
    assert!(alarms("errors").low <= 0.01, "{:?}", alarms("errors"));
}

#[test]
fn thinning_makes_the_same_limit_cry_wolf_more_often_with_less_traffic() {
    let limit = [check("limit", Metric::ErrorRatio, Limit::Max(0.03))];
    let alarms = |rate: f64| {
        let process = Process {
            rate,
            errors: 0.01,
            course: Course::Steady,
        };
        let findings = tuned(&plan(&limit), process.minutes(1_440, 5), 0.1, 6);
        findings.present[0].alarms.unwrap()
    };
    let (little, much) = (alarms(10.0), alarms(1_000.0));
    assert!(little.low > much.high, "{little:?}, {much:?}");
}

#[test]
fn clustered_failures_count_for_less_than_their_number() {
    let of = |course| {
        let process = Process {
            rate: 10.0,
            errors: 0.02,
            course,
        };
        let checks = [check("limit", Metric::ErrorRatio, Limit::Max(0.5))];
        let findings = tuned(&plan(&checks), process.minutes(2 * 1_440, 7), 0.1, 8);
        let alarms = findings.present[0].alarms.unwrap();
        (alarms.high, findings.effective / findings.rollouts as f64)
    };
    let (steady, wandering) = (of(Course::Steady), of(Course::Wandering(0.12)));
    // None of them raised an alarm, and that is worth less where failures come for hours.
    assert!(wandering.0 > 3.0 * steady.0, "{steady:?}, {wandering:?}");
    assert!(wandering.1 < steady.1, "{steady:?}, {wandering:?}");
}

#[test]
fn too_short_a_history_says_how_much_is_missing_and_more_of_it_shows_the_target() {
    let process = Process {
        rate: 10.0,
        errors: 0.01,
        course: Course::Steady,
    };
    let short = tuned(&plan(&[]), process.minutes(120, 9), 0.05, 10);
    let more = short.more.expect("two hours are too few");
    assert!(short.target_min > 0.05 && !short.proposals.is_empty());
    assert!(more > Duration::from_secs(3_600), "{more:?}");
    let minutes = 120 + usize::try_from(more.as_secs() / 60).unwrap();
    // Twice that, for what the clusters of the longer history may take away.
    let long = tuned(&plan(&[]), process.minutes(2 * minutes, 9), 0.05, 10);
    assert_eq!(long.more, None, "{long:?}");
    assert!(long.target_min <= 0.05);
}

#[test]
fn a_comparison_that_waits_gets_the_margin_at_which_it_does_not() {
    let process = Process {
        rate: 20.0,
        errors: 0.01,
        course: Course::Steady,
    };
    let checks = |margin| [check("errors", Metric::ErrorRatio, not_worse(margin))];
    let history = process.minutes(240, 11);
    let findings = tuned(&plan(&checks(0.005)), history.clone(), 0.1, 12);
    let margin = &findings.comparisons[0];
    assert!(margin.waits.is_none_or(|it| it > Duration::ZERO));
    let accept = margin.accept_margin.expect("some margin is decided");
    assert!(accept > 0.005 && accept < 0.5, "{accept}");
    let wider = tuned(&plan(&checks(accept)), history.clone(), 0.1, 12);
    assert_eq!(wider.comparisons[0].waits, Some(Duration::ZERO));
    assert_eq!(wider.comparisons[0].accept_margin, None);
    let in_time = |findings: &Findings| findings.present[0].in_time.unwrap().share;
    assert!(in_time(&wider) > in_time(&findings));
}

#[test]
fn the_same_seed_gives_the_same_findings() {
    let process = Process {
        rate: 5.0,
        errors: 0.01,
        course: Course::Steady,
    };
    let of = |seed| tuned(&plan(&[]), process.minutes(100, 13), 0.1, seed);
    assert_eq!(of(1), of(1));
}
