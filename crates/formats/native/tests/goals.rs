//! Goals: the error rate that they share.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use sluice_model::plan::Limit;

/// The error rates of the goals of all steps.
fn alphas(steps: &str) -> Vec<f64> {
    let text = format!(
        "services:\n  shop:\n    run: ./shop\n    listen: 127.0.0.1:8080\n    ready: /healthz\n    sticky: {{cookie: side}}\n    release: {{steps: {steps}, checks: [{{name: ordered, goal: {{path: {{exact: /order}}}}}}, {{name: paid, goal: {{path: {{exact: /pay}}}}}}]}}\n"
    );
    let parsed = sluice_native::parse("sluice.yaml", &text, "/srv");
    let document = parsed
        .document
        .unwrap_or_else(|| panic!("{:?}", parsed.diagnostics));
    let steps = document.services[0].plan.steps.clone();
    let checks = steps.into_iter().flat_map(|step| step.checks);
    checks
        .filter_map(|check| match check.limit {
            Limit::Goal(limit) => Some(limit.alpha),
            _ => None,
        })
        .collect()
}

/// At each weight other users are counted, and an interval of its own may miss the truth.
#[test]
fn the_goals_of_a_release_share_the_error_rate_over_all_of_its_weights() {
    let one = alphas("[{weight: 50, bake: 1h}, 100]");
    assert!(
        !one.is_empty() && one.iter().all(|alpha| *alpha == 0.025),
        "{one:?}"
    );
    let three =
        alphas("[{weight: 5, bake: 1h}, {weight: 25, bake: 1h}, {weight: 50, bake: 1h}, 100]");
    assert!(three.len() >= 6, "{three:?}");
    assert!(
        three.iter().all(|alpha| (alpha - 0.05 / 6.0).abs() < 1e-12),
        "{three:?}"
    );
}
