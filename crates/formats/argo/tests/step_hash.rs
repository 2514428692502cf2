//! The hash of a canary's steps, against hashes that Argo's controller computed.

use sluice_argo::api::Rollout;
use sluice_argo::rollout::step_hash;

fn rollout(steps: &str) -> Rollout {
    let text = format!(r#"{{"spec": {{"strategy": {{"canary": {{{steps}}}}}}}}}"#);
    serde_json::from_str(&text).expect("a Rollout")
}

/// Source: Argo Rollouts 9f8d111, `utils/conditions/rollouts_test.go` (`TestComputeStepHash`) and
/// `pkg/kubectl-argo-rollouts/info/testdata/rollout-aborted/rollout.yaml`.
#[test]
fn hashes_are_those_of_argos_controller() {
    let cases = [
        ("", "5ffbfbbd64"),
        (r#""steps": [{"pause": {}}]"#, "6b9b86fbd5"),
        (r#""steps": [{"pause": {}}, {"pause": {}}]"#, "79c9b9f6bf"),
        (
            r#""steps": [{"setWeight": 10}, {"pause": {}}]"#,
            "849b756fd4",
        ),
    ];
    for (steps, hash) in cases {
        assert_eq!(step_hash(&rollout(steps)), hash, "{steps}");
    }
}

#[test]
fn blue_green_has_no_steps_to_hash() {
    let mut rollout = rollout("");
    rollout.spec.strategy.blue_green = Some(Default::default());
    assert_eq!(step_hash(&rollout), "");
}
