//! Files with Argo's objects: nothing is lost on the way through the types, and everything that is wrong
//! is told with its place.

#![recursion_limit = "512"]

mod notification;
mod objects;

use objects::full_rollout;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_argo::document::{Object, is_argo, parse};
use sluice_model::diagnostic::Severity;

const SOUND: &str = "\
apiVersion: v1
kind: Service
metadata: {name: checkout}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: checkout
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      containers: [{name: app, image: 'checkout:1'}]
  strategy:
    canary:
      steps:
      - setWeight: 20
      - pause: {duration: 10m}
";

#[test]
fn a_file_may_have_other_objects_too() {
    assert!(is_argo(SOUND));
    assert!(is_argo("{\n  \"apiVersion\": \"argoproj.io/v1alpha1\"}"));
    assert!(!is_argo("apiVersion: apps/v1\nkind: Deployment"));
    let quoted =
        "services:\n  a:\n    env:\n      MANIFEST: |\n        apiVersion: argoproj.io/v1alpha1\n";
    assert!(!is_argo(quoted), "a document of Sluice's own");
    assert!(!is_argo(
        "services:\n  checkout:\n    run: ./x # apiVersion: argoproj.io/v1alpha1"
    ));
    let parsed = parse("app.yaml", SOUND);
    assert_eq!(parsed.diagnostics, []);
    assert!(matches!(
        parsed.objects[..],
        [Object::Other(_), Object::Rollout(_)]
    ));
}

#[test]
fn each_fault_has_its_place_its_cause_and_a_next_step() {
    for (from, to, expected) in [
        (
            "      steps:",
            "      step:",
            "app.yaml:17:7: error[unknown-field] spec.strategy.canary.step: there is no field `step` here; an API server drops it without a word; did you mean `steps`?",
        ),
        (
            "setWeight: 20",
            "setWeight: many",
            "app.yaml:18:9: error[wrong-type] spec.strategy.canary.steps[0].setWeight: `setWeight` is something else than a whole number; write a whole number",
        ),
        (
            "setWeight: 20",
            "setWeight: 120",
            "app.yaml:18:9: error[set-weight] spec.strategy.canary.steps[0].setWeight: 120 is not within 0 to 100; write a weight from 0 to 100",
        ),
        (
            "setWeight: 20",
            "setWeight: -5",
            "app.yaml:18:9: error[out-of-range] spec.strategy.canary.steps[0].setWeight: `setWeight` is out of range; write at least 0",
        ),
        (
            "image: 'checkout:1'",
            "imagePullPolciy: Always, image: 'checkout:1'",
            "app.yaml:14:32: error[unknown-field] spec.template.spec.containers[0].imagePullPolciy: there is no field `imagePullPolciy` here; an API server drops it without a word; did you mean `imagePullPolicy`?",
        ),
        (
            "setWeight: 20",
            "plugin: {}",
            "app.yaml:18:9: error[missing-field] spec.strategy.canary.steps[0].plugin.name: `name` is missing; write it",
        ),
        (
            "kind: Rollout",
            "kind: Rolout",
            "app.yaml:6:1: error[unknown-kind] kind: argoproj.io/v1alpha1 of Argo Rollouts has no kind `Rolout`; write one of Rollout, AnalysisTemplate, ClusterAnalysisTemplate, AnalysisRun, Experiment",
        ),
    ] {
        let parsed = parse("app.yaml", &SOUND.replace(from, to));
        let first = parsed
            .diagnostics
            .first()
            .expect("a diagnostic")
            .to_string();
        assert_eq!(first, expected);
        assert_eq!(parsed.diagnostics[0].severity, Severity::Error);
    }
}

#[test]
fn a_condition_that_is_none_has_its_place() {
    let text = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: errors}
spec:
  metrics:
  - name: success
    provider: {prometheus: {query: up}}
    successCondition: reslt[0] >= 0.95
";
    let parsed = parse("checks.yaml", text);
    let told: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "checks.yaml:9:5: error[metric-condition] spec.metrics[0].successCondition: `reslt[0] >= 0.95`, character 1: there is nothing called `reslt`; did you mean `result`?; write an expression over `result`, as `result[0] >= 0.95`"
        ]
    );
    let sound = text.replace("reslt", "result");
    assert_eq!(parse("checks.yaml", &sound).diagnostics, []);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    let parsed = parse("app.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: [");
    assert_eq!(parsed.objects, []);
    let place = parsed.diagnostics[0].place.as_ref().expect("a place");
    assert_eq!(parsed.diagnostics[0].code, "not-yaml");
    assert!(place.line >= 2, "{place:?}");
}

/// Argo's lint: `validation_references.go`, ValidateService, ValidateIngress, ValidateVirtualService.
#[test]
fn a_rollout_is_held_against_the_objects_beside_it() {
    let rollout = |canary: Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout"},
            "spec": {
                "selector": {"matchLabels": {"app": "checkout"}},
                "template": {
                    "metadata": {"labels": {"app": "checkout"}},
                    "spec": {"containers": [{"name": "a", "image": "b"}]},
                },
                "strategy": {"canary": canary},
            },
        })
    };
    let service = |selector: Value, annotations: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "stable", "annotations": annotations},
            "spec": {"selector": selector},
        })
    };
    let ingress = |service: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"},
            "spec": {"rules": [{"http": {"paths": [{"backend": {"service": {"name": service}}}]}}]},
        })
    };
    let istio = |spec: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "v"},
            "spec": spec,
        })
    };
    let services = json!({"stableService": "stable", "canaryService": "canary"});
    let with = |router: Value| {
        let mut canary = services.clone();
        canary["trafficRouting"] = router;
        rollout(canary)
    };
    let nginx = with(json!({"nginx": {"stableIngress": "i"}}));
    let routes = with(json!({"istio": {"virtualService": {"name": "v", "routes": ["main"]}}}));
    let managed = |owner: &str| json!({"argo-rollouts.argoproj.io/managed-by-rollouts": owner});
    let path = "spec.strategy.canary";
    for (objects, expected) in [
        (
            vec![
                rollout(services.clone()),
                service(json!({"app": "checkout"}), json!({})),
            ],
            None,
        ),
        (
            vec![
                rollout(services.clone()),
                service(
                    json!({"app": "checkout", "rollouts-pod-template-hash": "x"}),
                    managed("checkout"),
                ),
            ],
            None,
        ),
        (
            vec![
                rollout(services.clone()),
                service(json!({"app": "other"}), json!({})),
            ],
            Some(("service-labels", format!("{path}.stableService"))),
        ),
        (
            vec![
                rollout(services.clone()),
                service(json!({}), managed("payment")),
            ],
            Some(("service-owner", format!("{path}.stableService"))),
        ),
        (vec![nginx.clone(), ingress("stable")], None),
        (
            vec![nginx, ingress("other")],
            Some((
                "ingress-service",
                format!("{path}.trafficRouting.nginx.stableIngress"),
            )),
        ),
        (
            vec![routes.clone(), istio(json!({"http": [{"name": "main"}]}))],
            None,
        ),
        (
            vec![routes.clone(), istio(json!({}))],
            Some((
                "virtual-service-routes",
                format!("{path}.trafficRouting.istio.virtualService.name"),
            )),
        ),
        (
            vec![routes, istio(json!({"http": [{"name": "other"}]}))],
            Some((
                "virtual-service-routes",
                format!("{path}.trafficRouting.istio.virtualService.routes[0]"),
            )),
        ),
    ] {
        let text: Vec<String> = objects.iter().map(Value::to_string).collect();
        let parsed = parse("app.yaml", &text.join("\n---\n"));
        let found: Vec<_> = parsed
            .diagnostics
            .into_iter()
            .map(|found| (found.code, found.path))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(code, path)| (code.to_owned(), path))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

/// Each place of an object.
fn pointers(value: &Value, path: &str, into: &mut Vec<String>) {
    into.push(path.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            pointers(value, &format!("{path}/{}", name.replace('/', "~1")), into)
        }),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(at, item)| pointers(item, &format!("{path}/{at}"), into)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_is_too_strange(text in "(apiVersion: argoproj.io/v1alpha1\nkind: Rollout\n)?[ -~\n]{0,200}") {
        let parsed = parse("app.yaml", &text);
        // A Rollout without a spec never gets through.
        let others = |object: &Object| matches!(object, Object::Other(_));
        prop_assert!(parsed.objects.iter().all(others), "{parsed:?}");
    }

    /// Something else in one place: it is judged and translated, or told; never both lost.
    #[test]
    fn one_strange_value_is_told_or_taken(
        at in any::<prop::sample::Index>(),
        strange in prop::sample::select(vec![
            json!(null), json!(-1), json!(i64::MAX), json!(1.5), json!(true), json!(""), json!("x"),
            json!([]), json!({}), json!([{}]), json!({"x": 1}),
        ]),
    ) {
        let mut object = full_rollout();
        let mut places = Vec::new();
        pointers(&object["spec"], "/spec", &mut places);
        let place = at.get(&places);
        *object.pointer_mut(place).expect("it exists") = strange;
        let parsed = parse("app.json", &object.to_string());
        prop_assert!(!parsed.diagnostics.is_empty(), "both strategies are an error, at least: {place}");
        for object in &parsed.objects {
            if let Object::Rollout(rollout) = object {
                let translated = sluice_argo::translation::translate(rollout);
                prop_assert!(translated.is_none_or(|translated| !translated.plan.steps.is_empty()));
            }
        }
    }
}
