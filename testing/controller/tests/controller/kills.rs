//! Rollouts of several kinds go on while their controller is killed at any moment.
//!
//! `cargo xtask soak controller` has more kills than the suite.

use crate::cluster;
use crate::support::{self, Controller, HASH, Watched, rollout, service};
use serde_json::{Value, json};
use sluice_cluster::Cluster;
use std::time::Duration;

/// The Rollouts: names, pods, strategies.
fn rollouts() -> Vec<(&'static str, u32, Value)> {
    let pods = json!({"canary": {
        "maxSurge": 1,
        "maxUnavailable": 0,
        "steps": [{"setWeight": 20}, {"pause": {"duration": 1}}, {"setWeight": 60}, {"pause": {"duration": 1}}],
    }});
    let services = json!({"blueGreen": {
        "activeService": "switched",
        "previewService": "switched-preview",
        "previewReplicaCount": 1,
        "autoPromotionSeconds": 1,
        "scaleDownDelaySeconds": 2,
    }});
    let weights = json!({"canary": {
        "canaryService": "weighted-canary",
        "stableService": "weighted-stable",
        "scaleDownDelaySeconds": 2,
        "trafficRouting": {"traefik": {"weightedTraefikServiceName": "weighted"}},
        "steps": [
            {"setWeight": 25},
            {"experiment": {"duration": "1s", "templates": [{"name": "trial", "specRef": "canary"}]}},
            {"setWeight": 75},
            {"pause": {"duration": 1}},
        ],
    }});
    vec![
        ("counted", 5, pods),
        ("switched", 3, services),
        ("weighted", 4, weights),
    ]
}

fn objects() -> Value {
    let names = [
        "switched",
        "switched-preview",
        "weighted-canary",
        "weighted-stable",
    ];
    let mut items: Vec<Value> = names
        .into_iter()
        .map(|name| {
            let mut service = service(name);
            let app = name.split('-').next();
            service["spec"]["selector"] = json!({"app": app});
            service
        })
        .collect();
    items.push(support::traefik_service("weighted"));
    items.extend(
        rollouts()
            .iter()
            .map(|(name, replicas, strategy)| rollout(name, *replicas, "0", strategy)),
    );
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// Number of kills, and the seed of their times: as a soak asks for, or a few.
fn asked_for() -> (u32, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills = number("SLUICE_CONTROLLER_KILLS").unwrap_or(20);
    let seed = number("SLUICE_CONTROLLER_KILLS_FROM").unwrap_or(1);
    (u32::try_from(kills).unwrap(), seed)
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn nothing_is_lost_when_the_controller_is_killed_at_any_moment() {
    let (kills, seed) = asked_for();
    let mut random = fastrand::Rng::with_seed(seed);
    let cluster = cluster("controller-kills");
    support::define_traefik(&cluster);
    cluster.apply(&objects()).unwrap();
    let mut controller = Controller::start(&cluster);
    for (name, ..) in rollouts() {
        Watched::new(&cluster, name).until_phase("Healthy");
    }

    let mut version = 0;
    let mut left = kills;
    while left > 0 {
        version += 1;
        for (name, ..) in rollouts() {
            Watched::new(&cluster, name).set_version(&version.to_string());
        }
        // A release of all takes a few seconds when nobody is killed.
        let kills_of_release = left.min(10);
        for _ in 0..kills_of_release {
            let wait = Duration::from_millis(random.u64(50..900));
            controller.kill_and_start(wait);
            serves_at_every_moment(&cluster);
        }
        left -= kills_of_release;
        for (name, replicas, _) in rollouts() {
            let web = Watched::new(&cluster, name);
            web.until_phase("Healthy");
            web.until("only the new version has pods", |web| {
                web.pods() == [i64::from(replicas)]
            });
            let sets = web.replica_sets();
            assert_eq!(
                sets.len(),
                version + 1,
                "{name}: each version has one ReplicaSet: {sets:#?}"
            );
            let newest = sets.last().unwrap();
            let env = &newest["spec"]["template"]["spec"]["containers"][0]["env"][0];
            assert_eq!(env["value"], json!(version.to_string()), "{name}");
            assert_eq!(web.status("stableRS"), newest["metadata"]["labels"][HASH]);
        }
    }
}

/// As many pods as are asked for are available, and what a Service selects for users has all of them.
fn serves_at_every_moment(cluster: &Cluster) {
    // Read before the pods: who is selected then does not lose pods within the delay.
    let active = Watched::new(cluster, "switched").selector("switched");
    let routed = support::read(
        cluster,
        &[
            "get",
            "traefikservices.traefik.io",
            "weighted",
            "-o",
            "json",
        ],
    );
    for (name, replicas, _) in rollouts() {
        let web = Watched::new(cluster, name);
        let sets = web.replica_sets();
        let available = |set: &Value| set["status"]["availableReplicas"].as_u64().unwrap_or(0);
        let all: u64 = sets.iter().map(available).sum();
        assert!(
            all >= u64::from(replicas),
            "{name}: {all} of {replicas} pods are available"
        );
        if name == "switched" {
            let selected = sets
                .iter()
                .find(|set| set["metadata"]["labels"][HASH] == active);
            let serving = selected.map_or(0, available);
            assert!(
                serving >= u64::from(replicas),
                "{name}: {serving} of {replicas} pods are behind the active Service"
            );
        }
        if name == "weighted" {
            let to_canary = routed["spec"]["weighted"]["services"][1]["weight"].as_i64();
            let canary = web.selector("weighted-canary");
            let serving = sets
                .iter()
                .find(|set| set["metadata"]["labels"][HASH] == canary)
                .map_or(0, available);
            assert!(
                to_canary.unwrap_or(0) == 0 || serving > 0,
                "{name}: {to_canary:?} % go to a canary without pods"
            );
        }
    }
}
