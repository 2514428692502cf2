//! Hashes of templates and steps, against those that Argo's own functions computed (`xtask/argo-hashes`).

use serde_json::{Value, json};
use sluice_argo::api::{PodTemplate, Rollout};
use sluice_argo::rollout::step_hash;
use sluice_argo::template::template_hash;

const TEMPLATES: &str = include_str!("golden/template-hashes.jsonl");
const STEPS: &str = include_str!("golden/step-hashes.jsonl");

fn vectors(text: &'static str) -> impl Iterator<Item = Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a vector"))
}

/// The hash; `None` where the object cannot be read, or its template has none.
fn hash_of(template: Value, collisions: Option<i32>) -> Option<String> {
    let rollout = json!({"spec": {"template": template}});
    let rollout: Rollout = serde_json::from_value(rollout).ok()?;
    template_hash(&rollout.spec.template, collisions).ok()
}

#[test]
fn templates_have_the_hashes_of_argos_controller() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for mut vector in vectors(TEMPLATES) {
        let template = match vector["template"].take() {
            // An absent template is read as an empty one.
            Value::Null => json!({}),
            template => template,
        };
        let collisions = vector["collisions"].as_i64().map(|count| count as i32);
        let hash = hash_of(template, collisions);
        count += 1;
        if hash.as_deref() != vector["hash"].as_str() {
            wrong.push(format!(
                "{}: {hash:?}, not {}",
                vector["name"], vector["hash"]
            ));
        }
    }
    assert!(count > 600, "{count}");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn steps_have_the_hashes_of_argos_controller() {
    let mut wrong = Vec::new();
    for mut vector in vectors(STEPS) {
        let steps = match vector["steps"].take() {
            Value::Null => json!([]),
            steps => steps,
        };
        let rollout = json!({"spec": {"strategy": {"canary": {"steps": steps}}}});
        let hash = serde_json::from_value(rollout).map(|rollout| step_hash(&rollout));
        if hash.as_ref().ok().map(String::as_str) != vector["hash"].as_str() {
            wrong.push(format!(
                "{}: {hash:?}, not {}",
                vector["name"], vector["hash"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What Argo's end-to-end tests expect to read from the cluster. Source: Argo Rollouts 9f8d111, `test/e2e/canary_test.go`
/// and the manifests that it names.
#[test]
fn end_to_end_tests_find_their_literal_hashes() {
    let template = |name: &str, gates: Value| {
        json!({
            "metadata": {"labels": {"app": name}},
            "spec": {
                "readinessGates": gates,
                "containers": [{
                    "name": name,
                    "image": "nginx:1.19-alpine",
                    "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                    "resources": {"requests": {"memory": "16Mi", "cpu": "5m"}},
                }],
            },
        })
    };
    let gates = json!([{"conditionType": "argoproj.io/e2e-readiness"}]);
    for (name, gates, hash) in [
        ("canary-scaledowndelay", Value::Null, "674d8cf959"),
        ("dynamic-stable-scale", gates, "6b56c8cdb4"),
    ] {
        assert_eq!(hash_of(template(name, gates), None).as_deref(), Some(hash));
    }
}

/// Argo's types drop what they do not know, and with it a change of it.
#[test]
fn what_argos_types_do_not_know_changes_the_hash_all_the_same() {
    let hash = |novelty: Value| {
        let template = json!({"spec": {"containers": [{"name": "a", "novelty": novelty}]}});
        let template: PodTemplate = serde_json::from_value(template).expect("a template");
        template_hash(&template, None).expect("its types fit")
    };
    let without = hash(Value::Null);
    assert_ne!(hash(json!("one")), without);
    assert_ne!(hash(json!("one")), hash(json!("two")));
}

#[test]
fn a_value_of_another_type_is_named_with_its_place() {
    let template = json!({"spec": {"containers": [{}, {"ports": [{"containerPort": "80"}]}]}});
    let template: PodTemplate = serde_json::from_value(template).expect("a template");
    let misfit = template_hash(&template, None).expect_err("a text is no port");
    assert_eq!(misfit.path, "spec.containers[1].ports[0].containerPort");
    assert_eq!(
        misfit.to_string(),
        "`\"80\"` is not a whole number of 32 bits"
    );
}
