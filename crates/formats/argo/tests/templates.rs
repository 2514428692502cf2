//! Templates that mean the same, and those that do not. What an API server writes into a ReplicaSet is
//! Kubernetes 1.34's (`pkg/apis/core/v1/defaults.go`).

use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_argo::api::{PodTemplate, PodTemplateMetadata};
use sluice_argo::template::*;
use std::collections::BTreeMap;

fn template(value: Value) -> PodTemplate {
    serde_json::from_value(value).expect("a template")
}

fn hash(template: &PodTemplate, collisions: Option<i32>) -> String {
    template_hash(template, collisions).expect("its types fit")
}

/// What somebody writes.
fn written() -> Value {
    json!({
        "metadata": {"labels": {"app": "checkout"}, "annotations": {"team": "shop"}},
        "spec": {
            "serviceAccountName": "checkout",
            "containers": [{
                "name": "app",
                "image": "registry.example/checkout:1.4",
                "args": ["serve"],
                "env": [
                    {"name": "EMPTY", "value": ""},
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
                "ports": [{"containerPort": 8080}],
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 0.5}},
                "readinessProbe": {"httpGet": {"port": 8080}},
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            }],
            "volumes": [
                {"name": "work"},
                {"name": "settings", "configMap": {"name": "settings"}},
                {"name": "keys", "secret": {"secretName": "keys", "optional": false}},
                {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                {"name": "host", "hostPath": {"path": "/x"}},
            ],
        },
    })
}

/// What a ReplicaSet of an API server shows for it.
fn stored() -> Value {
    json!({
        "metadata": {
            "creationTimestamp": null,
            "labels": {"app": "checkout", "rollouts-pod-template-hash": "5b6f6d8f5"},
            "annotations": {"team": "shop"},
        },
        "spec": {
            "serviceAccountName": "checkout",
            "serviceAccount": "checkout",
            "containers": [{
                "name": "app",
                "image": "registry.example/checkout:1.4",
                "imagePullPolicy": "IfNotPresent",
                "args": ["serve"],
                "env": [
                    {"name": "EMPTY"},
                    {"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                ],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
                "readinessProbe": {
                    "httpGet": {"path": "/", "port": 8080, "scheme": "HTTP"},
                    "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
                },
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
            "volumes": [
                {"name": "work", "emptyDir": {}},
                {"name": "settings", "configMap": {"name": "settings", "defaultMode": 420}},
                {"name": "keys", "secret": {"secretName": "keys", "optional": false, "defaultMode": 420}},
                {"name": "token", "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                }},
                {"name": "host", "hostPath": {"path": "/x", "type": ""}},
            ],
        },
    })
}

/// Issues 88, 1356, 4696: each of them re-rolled everything.
#[test]
fn what_an_api_server_fills_in_is_no_change() {
    let (written, stored) = (template(written()), template(stored()));
    assert!(same_template(&written, &stored));
    assert!(same_template(&stored, &written));
    // The hash is over the text: what has another one is found by meaning.
    assert_ne!(hash(&written, None), hash(&stored, None));
}

#[test]
fn a_newer_api_servers_defaults_are_no_change() {
    let mut stored = stored();
    stored["spec"]["novelty"] = json!("Default");
    stored["spec"]["containers"][0]["novelty"] = json!({"mode": "Auto"});
    assert!(same_template(
        &template(written()),
        &template(stored.clone())
    ));
    // What is asked for and not there is one.
    assert!(!same_template(&template(stored), &template(written())));
}

#[test]
fn each_change_of_meaning_is_a_change() {
    let changes = [
        ("/metadata/labels/app", json!("other")),
        ("/metadata/annotations/team", json!(null)),
        ("/metadata/annotations/new", json!("x")),
        ("/spec/serviceAccountName", json!("other")),
        ("/spec/restartPolicy", json!("Never")),
        ("/spec/terminationGracePeriodSeconds", json!(0)),
        ("/spec/automountServiceAccountToken", json!(false)),
        ("/spec/enableServiceLinks", json!(false)),
        ("/spec/hostNetwork", json!(true)),
        ("/spec/nodeSelector", json!({"disk": "ssd"})),
        (
            "/spec/containers/0/image",
            json!("registry.example/checkout:1.5"),
        ),
        ("/spec/containers/0/imagePullPolicy", json!("Always")),
        ("/spec/containers/0/args", json!(["serve", ""])),
        ("/spec/containers/0/args", json!(null)),
        ("/spec/containers/0/env/0/value", json!("x")),
        ("/spec/containers/0/ports/0/protocol", json!("UDP")),
        ("/spec/containers/0/resources/limits/cpu", json!("1100m")),
        ("/spec/containers/0/resources/limits/memory", json!(null)),
        ("/spec/containers/0/resources/requests/memory", json!("1Mi")),
        (
            "/spec/containers/0/readinessProbe/failureThreshold",
            json!(4),
        ),
        (
            "/spec/containers/0/readinessProbe/httpGet/port",
            json!("8080"),
        ),
        ("/spec/containers/0/readinessProbe", json!(null)),
        (
            "/spec/containers/0/securityContext",
            json!({"runAsNonRoot": false}),
        ),
        ("/spec/volumes/0/emptyDir", json!({"medium": "Memory"})),
        ("/spec/volumes/1/configMap/defaultMode", json!(256)),
        ("/spec/volumes/2/secret/optional", json!(true)),
        ("/spec/volumes/4/hostPath/type", json!("File")),
        (
            "/spec/affinity",
            json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone"},
            ]}}),
        ),
    ];
    for (path, value) in changes {
        let mut changed = written();
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let parent = changed.pointer_mut(parent).expect("it exists");
        parent[field] = value;
        assert!(
            !same_template(&template(changed.clone()), &template(stored())),
            "{path}"
        );
        assert!(
            !same_template(&template(written()), &template(changed)),
            "{path}"
        );
    }
    // A selector that matches everything is none that matches nothing.
    let rule = |selector: Value| {
        let mut changed = written();
        changed["spec"]["topologySpreadConstraints"] = json!([{
            "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector,
        }]);
        template(changed)
    };
    assert!(!same_template(&rule(json!({})), &rule(json!(null))));
}

#[test]
fn images_without_a_policy_are_pulled_by_their_tag() {
    for (image, policy) in [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("host:5000/nginx", "Always"),
        ("host:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
        ("nginx:latest@sha256:0123", "Always"),
    ] {
        let of = |policy: Value| {
            template(json!({"spec": {"containers": [
                {"name": "a", "image": image, "imagePullPolicy": policy},
            ]}}))
        };
        let other = ["Always", "IfNotPresent"]
            .into_iter()
            .find(|other| *other != policy);
        assert!(
            same_template(&of(json!(null)), &of(json!(policy))),
            "{image}"
        );
        assert!(
            !same_template(&of(json!(null)), &of(json!(other))),
            "{image}"
        );
    }
}

/// TestRemoveInjectedAntiAffinityRule, TestSyncEphemeralPodMetadata
#[test]
fn what_a_controller_added_is_taken_away() {
    let mut live = stored();
    let selector = json!({"matchExpressions": [
        {"key": "rollouts-pod-template-hash", "operator": "In", "values": ["abc"]},
    ]});
    let term = json!({"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"});
    live["spec"]["affinity"] = json!({"podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}],
        "requiredDuringSchedulingIgnoredDuringExecution": [term],
    }});
    live["metadata"]["labels"]["role"] = json!("canary");
    live["metadata"]["annotations"]["sidecar"] = json!("injected");
    let role = PodTemplateMetadata {
        labels: BTreeMap::from([("role".to_owned(), "canary".to_owned())]),
        annotations: BTreeMap::from([("sidecar".to_owned(), "injected".to_owned())]),
    };
    let live = without_anti_affinity(&without_ephemeral(&template(live), &role));
    assert!(same_template(&template(written()), &live));

    // A rule of the user's own stays.
    let mut own = written();
    own["spec"]["affinity"] = json!({"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "checkout"}}, "topologyKey": "zone"},
        ],
    }});
    let own = template(own);
    assert_eq!(without_anti_affinity(&own), own);
}

#[test]
fn a_role_changes_only_what_a_role_added() {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let role = |labels: &[(&str, &str)]| PodTemplateMetadata {
        labels: map(labels),
        ..PodTemplateMetadata::default()
    };
    let none = BTreeMap::new();
    let current = map(&[
        ("app", "checkout"),
        ("role", "canary"),
        ("mesh", "injected"),
    ]);
    let (labels, _) = sync_metadata(
        &current,
        &none,
        &role(&[("role", "canary")]),
        &role(&[("role", "stable")]),
    );
    assert_eq!(
        labels,
        map(&[
            ("app", "checkout"),
            ("role", "stable"),
            ("mesh", "injected")
        ])
    );
    let (labels, _) = sync_metadata(&current, &none, &role(&[("role", "canary")]), &role(&[]));
    assert_eq!(labels, map(&[("app", "checkout"), ("mesh", "injected")]));
}

#[test]
fn hashes_are_names_and_differ_by_collisions() {
    let hash = |collisions| hash(&template(written()), collisions);
    assert_eq!(hash(None), hash(None));
    assert_ne!(hash(None), hash(Some(1)));
    assert_ne!(hash(Some(1)), hash(Some(2)));
    assert!(
        hash(None)
            .bytes()
            .all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
    );
}

/// Parts of a template that may be written or left out, with what they are by default.
fn optional() -> impl Strategy<Value = Vec<bool>> {
    proptest::collection::vec(any::<bool>(), 8)
}

fn with_defaults(which: &[bool], cpu: &str) -> PodTemplate {
    let mut object = written();
    let defaults: [(&str, Value); 8] = [
        ("/spec/dnsPolicy", json!("ClusterFirst")),
        ("/spec/securityContext", json!({})),
        ("/spec/terminationGracePeriodSeconds", json!(30)),
        ("/spec/containers/0/imagePullPolicy", json!("IfNotPresent")),
        ("/spec/containers/0/readinessProbe/periodSeconds", json!(10)),
        ("/spec/containers/0/ports/0/protocol", json!("TCP")),
        ("/spec/volumes/0/emptyDir", json!({})),
        ("/spec/serviceAccount", json!("checkout")),
    ];
    for ((path, value), _) in defaults
        .into_iter()
        .zip(which)
        .filter(|(_, is_written)| **is_written)
    {
        let (parent, field) = path.rsplit_once('/').expect("a path");
        object.pointer_mut(parent).expect("it exists")[field] = value;
    }
    object["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!(cpu);
    template(object)
}

proptest! {
    /// Whichever defaults are written out: same meaning, both ways round.
    #[test]
    fn written_defaults_are_no_change(
        one in optional(), other in optional(),
        cpu in prop::sample::select(vec!["1", "1000m", "1.0", "1e0"]),
    ) {
        let (one, other) = (with_defaults(&one, "1"), with_defaults(&other, cpu));
        prop_assert!(same_template(&one, &other));
        prop_assert!(same_template(&other, &one));
    }

    /// A change beside them is always seen.
    #[test]
    fn a_change_is_seen_beside_written_defaults(
        one in optional(), other in optional(), image in "[a-z]{1,8}:[0-9]{1,3}",
    ) {
        let one = with_defaults(&one, "1");
        let mut other = with_defaults(&other, "1");
        other.0["spec"]["containers"][0]["image"] = json!(image);
        prop_assert!(!same_template(&one, &other));
        prop_assert!(!same_template(&other, &one));
        prop_assert_ne!(hash(&one, None), hash(&other, None));
    }
}
