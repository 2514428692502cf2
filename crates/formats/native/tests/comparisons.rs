//! Comparisons: what they share, and what the document may say of them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sluice_model::plan::{Limit, NotWorse, Plan};
use std::collections::BTreeMap;

fn plan_of(release: &str) -> Plan {
    let text = format!(
        "services:\n  checkout:\n    run: ./checkout\n    listen: 127.0.0.1:8080\n    ready: /healthz\n    release: {release}\n"
    );
    let parsed = sluice_native::parse("sluice.yaml", &text, "/srv");
    let document = parsed
        .document
        .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
    document.services[0].plan.clone()
}

/// The comparisons of a plan by name; the same in every step that has one.
fn comparisons(plan: &Plan) -> BTreeMap<String, NotWorse> {
    let mut found: BTreeMap<String, NotWorse> = BTreeMap::new();
    for check in plan.steps.iter().flat_map(|step| &step.checks) {
        if let Limit::NotWorse(limit) = check.limit {
            let before = found.insert(check.name.to_string(), limit);
            assert!(
                before.is_none_or(|before| before == limit),
                "{}",
                check.name
            );
        }
    }
    found
}

#[test]
fn the_shares_of_a_release_sum_to_one_and_failures_have_the_largest() {
    let by_default = comparisons(&plan_of("canary"));
    let shares: Vec<(&str, f64)> = by_default
        .iter()
        .map(|(name, limit)| (name.as_str(), limit.share))
        .collect();
    assert_eq!(
        shares,
        [
            ("client-errors", 0.25),
            ("errors", 0.5),
            ("latency-p99", 0.25)
        ]
    );
    assert!(
        by_default
            .values()
            .all(|limit| (limit.alpha, limit.beta) == (0.01, 0.05))
    );
    let own = comparisons(&plan_of(
        "{ analysis: { falseRollback: 0.001, falsePass: 1% }, checks: [{ metric: timeoutRatio }, { metric: latencyP50 }] }",
    ));
    let sum: f64 = own.values().map(|limit| limit.share).sum();
    assert_eq!(own.len(), 5);
    assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    assert!(
        own.values()
            .all(|limit| (limit.alpha, limit.beta) == (0.001, 0.01))
    );
}

#[test]
fn what_is_accepted_follows_what_is_worse_unless_it_is_said() {
    let of = |text: &str| {
        let release = format!(
            "{{ defaultChecks: false, checks: [{{ metric: errorRatio, notWorse: {text} }}] }}"
        );
        let limit = comparisons(&plan_of(&release))["error-ratio"];
        (
            limit.ratio,
            limit.margin,
            limit.accept_ratio,
            limit.accept_margin,
        )
    };
    assert_eq!(of("1.25x"), (1.25, 0.0, 1.5, 0.005));
    assert_eq!(of("3"), (3.0, 0.0, 3.0, 0.005));
    assert_eq!(of("{ margin: 1% }"), (1.0, 0.01, 1.5, 0.01));
    assert_eq!(
        of("{ acceptRatio: 1x, acceptMargin: 0.1% }"),
        (1.0, 0.0, 1.0, 0.001)
    );
}

#[test]
fn the_accepted_excess_shrinks_as_more_users_are_at_risk() {
    let limit = comparisons(&plan_of("canary"))["errors"];
    for (weight, margin) in [
        (0.001, 0.05),
        (0.01, 0.05),
        (0.05, 0.025),
        (0.25, 0.005),
        (0.5, 0.005),
        (1.0, 0.005),
    ] {
        assert!(
            (limit.accept_margin_at(weight) - margin).abs() < 1e-12,
            "at {weight}"
        );
    }
}
