//! The controller on a real cluster with pods that pretend: steps, promotions, aborts, `kill -9` at any moment, rights and scaling.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod idle;
mod kills;
mod roles;
mod scaling;
mod support;
mod takeover;

use serde_json::{Value, json};
use sluice_cluster::{Cluster, ClusterName, Variant};
use std::time::Duration;
use support::{Controller, Watched, canary, rollout, status_patch};

pub(crate) fn cluster(label: &str) -> Cluster {
    let name = ClusterName::for_tests(label, env!("CARGO_MANIFEST_DIR"));
    let cluster = Cluster::up(&name, Variant::Kwok { nodes: 1 }).unwrap();
    support::define(&cluster);
    cluster
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_canary_goes_by_its_steps_and_is_still_afterwards() {
    let cluster = cluster("controller-steps");
    let _controller = Controller::start(&cluster);
    let steps =
        json!([{"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {"duration": 1}}]);
    cluster
        .apply(&rollout("web", 5, "one", &canary(steps)))
        .unwrap();
    let web = Watched::new(&cluster, "web");
    web.until_phase("Healthy");
    assert_eq!(web.pods(), [5]);

    web.set_version("two");
    web.until_phase("Paused");
    assert_eq!(
        web.pods(),
        [4, 1],
        "a fifth of the pods is new, and stays so"
    );
    assert_eq!(web.status("currentStepIndex"), json!(1));

    status_patch(&cluster, "web", &json!({"pauseConditions": null}));
    web.until_phase("Healthy");
    assert_eq!(web.pods(), [5], "no ReplicaSet but the new one has pods");
    assert_eq!(web.replica_sets().len(), 2, "no revision was made twice");

    let before = web.versions();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        web.versions(),
        before,
        "nothing is written while nothing changes"
    );
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn an_abort_goes_back_to_stable_and_a_retry_begins_anew() {
    let cluster = cluster("controller-abort");
    let _controller = Controller::start(&cluster);
    let steps = json!([{"setWeight": 40}, {"pause": {}}]);
    cluster
        .apply(&rollout("web", 5, "one", &canary(steps)))
        .unwrap();
    let web = Watched::new(&cluster, "web");
    web.until_phase("Healthy");
    web.set_version("two");
    web.until_phase("Paused");
    assert_eq!(web.pods(), [3, 2]);

    status_patch(&cluster, "web", &json!({"abort": true}));
    web.until_phase("Degraded");
    web.until("stable has all pods again", |web| web.pods() == [5]);
    let reasons = web.events();
    assert!(
        reasons.contains(&"RolloutAborted".to_owned()),
        "{reasons:?}"
    );

    status_patch(&cluster, "web", &json!({"abort": false}));
    web.until_phase("Paused");
    assert_eq!(web.pods(), [3, 2], "the steps begin anew");
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn what_is_missing_is_told_and_rolled_out_once_it_is_there() {
    let cluster = cluster("controller-missing");
    let _controller = Controller::start(&cluster);
    let strategy = json!({"blueGreen": {"activeService": "web"}});
    cluster.apply(&rollout("web", 2, "one", &strategy)).unwrap();
    let web = Watched::new(&cluster, "web");
    web.until_phase("Degraded");
    let message = web.status("message").to_string();
    assert!(
        message.contains("activeService") && message.contains("create the Service"),
        "{message}"
    );
    assert_eq!(
        web.replica_sets(),
        Vec::<Value>::new(),
        "nothing is started"
    );

    cluster.apply(&support::service("web")).unwrap();
    web.until_phase("Healthy");
    assert_eq!(web.selector("web"), web.status("stableRS"));
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn replica_sets_of_another_controller_are_adopted_by_what_they_run() {
    let cluster = cluster("controller-adopts");
    let steps = json!([{"setWeight": 50}, {"pause": {}}]);
    cluster
        .apply(&rollout("web", 2, "one", &canary(steps)))
        .unwrap();
    // As another controller leaves it: a hash of its own, and a status that names it.
    support::adopted(&cluster, "web", "6d4f9bc7b8");
    let web = Watched::new(&cluster, "web");
    web.until("the ReplicaSet has its pods", |web| web.pods() == [2]);
    let pods = support::pod_names(&cluster);

    let _controller = Controller::start(&cluster);
    web.until_phase("Healthy");
    assert_eq!(
        web.replica_sets().len(),
        1,
        "no revision is made for what runs already"
    );
    assert_eq!(web.status("stableRS"), json!("6d4f9bc7b8"));
    assert_eq!(support::pod_names(&cluster), pods, "no pod is replaced");
}
