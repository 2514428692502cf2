//! A Rollout under the cluster's own autoscaler and kubectl's commands.

use crate::cluster;
use crate::support::{self, Controller, Watched, canary, rollout};
use serde_json::{Value, json};

/// The autoscaler needs no metrics as long as the count is outside of its range.
fn autoscaler(least: u32, most: u32) -> Value {
    json!({
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [{
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
            }],
        },
    })
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn an_autoscaler_and_kubectl_scale_and_wait_for_a_rollout_at_a_step() {
    let cluster = cluster("controller-scales");
    let _controller = Controller::start(&cluster);
    let steps = json!([{"setWeight": 50}, {"pause": {}}]);
    cluster
        .apply(&rollout("web", 2, "one", &canary(steps)))
        .unwrap();
    let web = Watched::new(&cluster, "web");
    web.until_phase("Healthy");
    web.set_version("two");
    web.until_phase("Paused");
    assert_eq!(web.pods(), [1, 1]);

    cluster.apply(&autoscaler(6, 8)).unwrap();
    web.until("half of six pods are new", |web| web.pods() == [3, 3]);
    assert_eq!(web.status("HPAReplicas"), json!(6));
    let selector = web.status("selector");
    let counted = support::read(
        &cluster,
        &[
            "get",
            "pods",
            "-l",
            selector.as_str().unwrap(),
            "-o",
            "json",
        ],
    );
    assert_eq!(
        counted["items"].as_array().unwrap().len(),
        6,
        "the autoscaler counts the pods of this Rollout, each once"
    );

    cluster.apply(&autoscaler(2, 4)).unwrap();
    web.until("half of four pods are new", |web| web.pods() == [2, 2]);
    let scaled = support::read(&cluster, &["get", "hpa", "web", "-o", "json"]);
    assert_eq!(scaled["status"]["desiredReplicas"], json!(4));
    cluster.kubectl(&["delete", "hpa", "web"]).unwrap();

    cluster
        .kubectl(&["scale", "rollout", "web", "--replicas=2"])
        .unwrap();
    web.until("half of two pods are new", |web| web.pods() == [1, 1]);
    support::status_patch(
        &cluster,
        "web",
        &json!({"promoteFull": true, "pauseConditions": null}),
    );
    cluster
        .kubectl(&[
            "wait",
            "rollout/web",
            "--for=jsonpath={.status.phase}=Healthy",
            "--timeout=60s",
        ])
        .unwrap();
    cluster
        .kubectl(&[
            "wait",
            "rollout/web",
            "--for=condition=Available",
            "--timeout=10s",
        ])
        .unwrap();
    assert_eq!(web.pods(), [2]);
}
