//! What releases mean: the plans that come out of them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use sluice_model::Weight;
use sluice_model::plan::{CanarySize, Exposure, HookAction, Limit, OnTrouble, Plan, Strategy};
use sluice_model::workload::Protocol;
use sluice_native::{outline, parse};
use std::time::Duration;
use support::{document, plan_of, ramp, service};

#[test]
fn presets_and_risk_classes_have_these_steps() {
    for (release, strategy, expected) in [
        ("canary", Strategy::Canary, "5@1m 25@1m 50@1m 100@0s"),
        ("{}", Strategy::Canary, "5@1m 25@1m 50@1m 100@0s"),
        (
            "{bake: 10m}",
            Strategy::Canary,
            "5@10m 25@10m 50@10m 100@0s",
        ),
        ("{steps: [1%, 0.5, 100]}", Strategy::Canary, ""),
        (
            "{steps: [0.5, 1%, 100]}",
            Strategy::Canary,
            "0.5@1m 1@1m 100@0s",
        ),
        ("blue-green", Strategy::BlueGreen, "0@0s 100@1m"),
        ("rolling", Strategy::Rolling, "+3-0"),
        (
            "{strategy: rolling, maxUnavailable: 25%, maxSurge: 25%}",
            Strategy::Rolling,
            "+3-2",
        ),
        (
            "{strategy: rolling, maxUnavailable: 1, maxSurge: 0}",
            Strategy::Rolling,
            "+0-1",
        ),
        ("recreate", Strategy::Recreate, "recreate"),
        (
            "shadow",
            Strategy::Shadow,
            "mirror0@1m 5@1m 25@1m 50@1m 100@0s",
        ),
        ("LOW", Strategy::Canary, "10@15m 50@15m 100@0s"),
        ("low", Strategy::Canary, "10@15m 50@15m 100@0s"),
        (
            "{risk: Medium}",
            Strategy::Canary,
            "1@30m 5@30m 25@30m 50@30m 100@0s",
        ),
        (
            "HIGH",
            Strategy::Canary,
            "1@1h 5@1h 10@1h 25@1h 50@1h 100@0s",
        ),
        (
            "CRITICAL",
            Strategy::Shadow,
            "mirror0@4h 1@4h 5@4h 10@4h 25@4h 50@4h 100@0s",
        ),
        (
            "{use: HIGH, steps: [10, 100]}",
            Strategy::Canary,
            "10@1h 100@0s",
        ),
    ] {
        if expected.is_empty() {
            let text = format!("services: {{a: {{run: ./a, listen: 80, release: {release}}}}}");
            assert!(
                parse("sluice.yaml", &text, "/").document.is_none(),
                "{release} was accepted"
            );
            continue;
        }
        let plan = plan_of(release, 10);
        assert_eq!(
            (plan.strategy, ramp(&plan).as_str()),
            (strategy, expected),
            "{release}"
        );
    }
}

#[test]
fn five_lines_are_a_safe_default() {
    let text = "services:\n  checkout:\n    run: ./checkout --port $PORT\n    listen: 127.0.0.1:8080\n    ready: /healthz\n";
    let service = document(text).services.remove(0);
    assert_eq!(
        service.workload.command,
        ["/srv/shop/checkout", "--port", "$PORT"]
    );
    assert_eq!(service.workload.workdir, "/srv/shop");
    assert_eq!(service.listener.address, "127.0.0.1:8080");
    assert_eq!(service.listener.protocol, Protocol::Http);
    let plan = &service.plan;
    assert_eq!((plan.strategy, plan.replicas), (Strategy::Canary, 1));
    let judged: Vec<usize> = plan.steps.iter().map(|step| step.checks.len()).collect();
    assert_eq!(judged, [4, 4, 4, 0], "every step with two sides is judged");
    assert!(
        plan.steps[0]
            .checks
            .iter()
            .all(|check| check.on_fail == OnTrouble::Abort)
    );
    assert_eq!(service.history_limit, 10);
    // A request may take as long as it may: draining waits for it.
    assert_eq!(
        service.workload.stop.drain,
        service.listener.limits.request_timeout
    );
}

#[test]
fn the_patience_follows_the_bakes() {
    let plan = plan_of("CRITICAL", 1);
    assert!(
        plan.stuck_after > Duration::from_secs(4 * 3600),
        "a bake is no standstill"
    );
    assert!(
        plan.slow_after > Duration::from_secs(24 * 3600),
        "the plan itself is not slow"
    );
    let plan = plan_of("{strategy: canary, steps: [5, 100], bake: 1m}", 1);
    assert_eq!(
        (plan.stuck_after, plan.slow_after),
        (Duration::from_secs(660), Duration::from_secs(1800))
    );
    let slow_start = service(
        "    run: ./a\n    startup: {http: /up, period: 5s, failures: 60, initialDelay: 10s}\n    release: canary\n",
    );
    assert_eq!(slow_start.plan.progress_deadline, Duration::from_secs(370));
    assert_eq!(
        slow_start.plan.min_ready,
        Duration::from_secs(2),
        "no readiness probe"
    );
    assert_eq!(plan_of("blue-green", 1).keep_warm, Duration::from_secs(600));
}

#[test]
fn checks_of_a_release_add_to_the_default_ones_and_replace_them_by_name() {
    let names = |plan: &Plan| -> Vec<String> {
        plan.steps[0]
            .checks
            .iter()
            .map(|check| check.name.to_string())
            .collect()
    };
    let defaults = ["errors", "error-limit", "client-errors", "latency-p99"];
    assert_eq!(names(&plan_of("canary", 1)), defaults);
    let plan = plan_of("{checks: [{metric: latencyP50, maxRelative: 1.5}]}", 1);
    assert_eq!(names(&plan), [&defaults[..], &["latency-p50"]].concat());
    let plan = plan_of(
        "{checks: [{name: errors, metric: errorRatio, max: 0.1%}]}",
        1,
    );
    assert_eq!(names(&plan), defaults);
    assert_eq!(plan.steps[0].checks[0].limit, Limit::Max(0.001));
    let plan = plan_of(
        "{defaultChecks: false, checks: [{metric: memory, max: 512MiB}]}",
        1,
    );
    assert_eq!(names(&plan), ["memory"]);
    assert_eq!(plan.steps[0].checks[0].limit, Limit::Max(536_870_912.0));
    assert_eq!(names(&plan_of("{checks: none}", 1)), [""; 0]);
}

#[test]
fn a_check_is_only_where_it_can_be_judged() {
    let plan = plan_of(
        "{strategy: shadow, checks: [{name: low-rate, metric: requestRate, minRelative: {factor: 0.8, margin: 5}}]}",
        1,
    );
    let metrics: Vec<Vec<&str>> = plan
        .steps
        .iter()
        .map(|step| {
            step.checks
                .iter()
                .map(|check| check.name.as_str())
                .collect()
        })
        .collect();
    assert!(
        metrics[0].contains(&"low-rate") && metrics[0].contains(&"mirror-diff"),
        "copies are evidence"
    );
    assert!(metrics[1].contains(&"low-rate") && !metrics[1].contains(&"mirror-diff"));
    assert!(metrics[4].is_empty(), "nothing to compare with at 100 %");
    let rate = plan.steps[1]
        .checks
        .iter()
        .find(|check| check.name.as_str() == "low-rate")
        .unwrap();
    assert_eq!(
        rate.limit,
        Limit::RelativeMin {
            factor: 0.8,
            margin: 5.0
        }
    );
    // Rolling: both sides serve while replicas are replaced.
    let plan = plan_of(
        "{strategy: rolling, checks: [{metric: errorRatio, maxRelative: 2x}]}",
        4,
    );
    assert_eq!(plan.steps[0].checks.len(), 1);
    // A preview, and those who match, may have no traffic at all: nothing is waited for.
    let plan = plan_of(
        "{steps: [{preview: true}, {match: {header: {name: x-beta}}}, 100]}",
        1,
    );
    assert!(plan.steps.iter().all(|step| step.checks.is_empty()));
    // With a bake at 100 %, absolute limits are looked at there too.
    let plan = plan_of("{steps: [5, {weight: 100, bake: 5m}]}", 1);
    let last: Vec<&str> = plan.steps[1]
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(last, ["error-limit"]);
}

#[test]
fn windows_follow_the_bakes() {
    for (release, seconds) in [
        ("canary", 60),
        ("{bake: 10s}", 60),
        (
            "{steps: [{weight: 5, bake: 10m}, {weight: 50, bake: 20m}, 100]}",
            1_200,
        ),
        ("CRITICAL", 3_600),
    ] {
        let plan = plan_of(release, 1);
        for check in plan.steps.iter().flat_map(|step| &step.checks) {
            assert_eq!(
                check.window,
                Duration::from_secs(seconds),
                "{release}: {}",
                check.name
            );
        }
    }
}

#[test]
fn those_who_are_let_in_by_a_match_stay_in() {
    let plan = plan_of(
        "{steps: [{match: {header: {name: X-Beta}}}, 5, {weight: 50, match: {path: {prefix: /a}}}, 60, 100]}",
        1,
    );
    let matches: Vec<usize> = plan
        .steps
        .iter()
        .map(|step| match &step.exposure {
            Exposure::Split { matches, .. } => matches.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(matches, [1, 1, 1, 1, 0]);
    assert_eq!(ramp(&plan), "0@1m 5@1m 50@1m 60@1m 100@0s");
}

#[test]
fn blue_green_tries_and_asks_before_the_switch() {
    let plan = plan_of(
        "{strategy: blue-green, smoke: ./smoke --fast, autoPromote: false}",
        3,
    );
    let [preview, switch] = plan.steps.as_slice() else {
        panic!("two steps")
    };
    let Exposure::Split {
        weight,
        canary,
        preview: shown,
        ..
    } = &preview.exposure
    else {
        panic!("a split")
    };
    assert_eq!(
        (*weight, *canary, *shown),
        (Weight::ZERO, CanarySize::Full, true)
    );
    let HookAction::Command { command, .. } = &preview.after[0].action else {
        panic!("a command")
    };
    assert_eq!(command, &["/srv/shop/smoke", "--fast"]);
    assert!(preview.gate.is_some() && switch.gate.is_none());
    assert!(matches!(
        &switch.exposure,
        Exposure::Split {
            weight: Weight::FULL,
            ..
        }
    ));
}

#[test]
fn the_first_deployment_is_one_step() {
    let plan = plan_of("CRITICAL", 3);
    let steps = outline(&plan, false);
    assert_eq!(steps.len(), 1);
    assert_eq!((steps[0].canary_replicas, steps[0].stable_replicas), (3, 0));
    assert!(
        outline(&plan, true)
            .windows(2)
            .all(|pair| pair[0].at_earliest <= pair[1].at_earliest)
    );
}
