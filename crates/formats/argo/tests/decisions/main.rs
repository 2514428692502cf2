//! Decisions about Rollouts that once were wrong: found by `testing/kubernetes-sim`, or by reading.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborts;
mod pods;
mod refusals;
mod retries;
mod services;
mod verdicts;

use serde_json::{Value, json};
use sluice_argo::api::{Rollout, RolloutStatus, Time};
use sluice_argo::rollout::{ReplicaSet, Routing, Service, World, Write, decide, step_hash};
use sluice_model::time::Timestamp;

const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// A Rollout of 5 pods whose new revision is `new` and whose stable one is `stable`.
fn rollout(strategy: Value, status: Value) -> Rollout {
    let mut rollout: Rollout = serde_json::from_value(json!({
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "1",
            "generation": 1,
            "annotations": {"rollout.argoproj.io/revision": "2"},
        },
        "spec": {
            "replicas": 5,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("new"),
            "strategy": strategy,
        },
        "status": {
            "observedGeneration": "1",
            "currentPodHash": "new",
            "stableRS": "stable",
        },
    }))
    .unwrap();
    let mut all = json!(rollout.status);
    for (field, value) in status.as_object().unwrap() {
        all[field] = value.clone();
    }
    rollout.status = serde_json::from_value(all).unwrap();
    rollout.status.current_step_hash = step_hash(&rollout);
    rollout
}

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

/// A ReplicaSet with so many pods, of which so many were available when they were last counted.
fn set(name: &str, desired: i32, available: i32) -> ReplicaSet {
    let number = ["old", "stable", "new"]
        .iter()
        .position(|known| *known == name)
        .unwrap();
    serde_json::from_value(json!({
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": "web", "rollouts-pod-template-hash": name},
            "annotations": {
                "rollout.argoproj.io/revision": number.to_string(),
                "rollout.argoproj.io/desired-replicas": "5",
            },
            "creationTimestamp": format!("2025-12-0{}T00:00:00Z", number + 1),
        },
        "spec": {"replicas": desired, "template": template(name)},
        "status": {"replicas": desired.max(available), "availableReplicas": available},
    }))
    .unwrap()
}

fn world(rollout: Rollout, replica_sets: Vec<ReplicaSet>, services: &[(&str, &str)]) -> World {
    World {
        rollout,
        replica_sets,
        services: services
            .iter()
            .map(|(name, hash)| {
                let service = Service {
                    hash: (*hash).to_owned(),
                    managed_by: Some("web".to_owned()),
                };
                ((*name).to_owned(), service)
            })
            .collect(),
        ..World::default()
    }
}

fn switches(world: &World) -> Vec<(String, String)> {
    let writes = decide(world, NOW).writes;
    let switches = writes.into_iter().filter_map(|write| match write {
        Write::SwitchService { name, hash, .. } => Some((name, hash)),
        _ => None,
    });
    switches.collect()
}

/// The status that a decision writes, if it does.
fn written_status(world: &World) -> Option<Box<RolloutStatus>> {
    let writes = decide(world, NOW).writes;
    writes.into_iter().find_map(|write| match write {
        Write::Status(status) => Some(status),
        _ => None,
    })
}

/// What the routers are told, if they are.
fn route(world: &World) -> Option<Routing> {
    let writes = decide(world, NOW).writes;
    writes.into_iter().find_map(|write| match write {
        Write::Route(routing) => Some(routing),
        _ => None,
    })
}

/// The conditions of a Rollout that is known to be paused.
fn paused() -> Value {
    json!([
        {"type": "Progressing", "status": "Unknown", "reason": "RolloutPaused"},
        {"type": "Paused", "status": "True", "reason": "RolloutPaused"},
    ])
}

/// A ReplicaSet whose number changed since its pods were counted.
fn uncounted(mut set: ReplicaSet) -> ReplicaSet {
    set.metadata.generation = Some(2);
    set.status.observed_generation = 1;
    set
}

fn routed() -> Value {
    json!({"canary": {
        "stableService": "stable",
        "canaryService": "canary",
        "trafficRouting": {"smi": {}},
        "steps": [{"setWeight": 20}, {"setWeight": 60}, {"pause": {}}],
    }})
}

fn weights(weight: i32) -> Value {
    json!({"weights": {
        "canary": {"weight": weight, "serviceName": "canary", "podTemplateHash": "new"},
        "stable": {"weight": 100 - weight, "serviceName": "stable", "podTemplateHash": "stable"},
    }})
}

#[test]
fn an_aborted_canary_s_service_does_not_go_back_and_forth() {
    let aborted = rollout(routed(), json!({"abort": true, "canary": weights(0)}));
    let sets = vec![set("stable", 5, 5), set("new", 1, 1)];
    let before = world(
        aborted.clone(),
        sets.clone(),
        &[("stable", "stable"), ("canary", "new")],
    );
    let to_stable = vec![("canary".to_owned(), "stable".to_owned())];
    assert_eq!(switches(&before), to_stable);
    let after = world(aborted, sets, &[("stable", "stable"), ("canary", "stable")]);
    assert_eq!(switches(&after), []);
}

#[test]
fn a_canary_gets_no_more_weight_while_pods_are_missing() {
    // Somebody skipped the step of 20 % before its pods were there.
    let skipped = json!({"currentStepIndex": 1, "canary": weights(0)});
    let sets = vec![set("stable", 5, 5), set("new", 3, 1)];
    let services = [("stable", "stable"), ("canary", "new")];
    let world = world(rollout(routed(), skipped), sets, &services);
    let weights: Vec<i32> = decide(&world, NOW)
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Route(routing) => Some(routing.weight),
            _ => None,
        })
        .collect();
    assert_eq!(weights, [0]);
}

#[test]
fn pods_that_are_about_to_end_are_not_given_up_twice() {
    let strategy =
        json!({"canary": {"maxSurge": 1, "maxUnavailable": 1, "steps": [{"pause": {}}]}});
    // The old one was scaled from 3 to 1 just now, and counted before.
    let sets = vec![set("old", 1, 3), set("stable", 5, 3), set("new", 0, 0)];
    let world = world(rollout(strategy, json!({"currentStepIndex": 0})), sets, &[]);
    assert!(
        !is_scaled(&world, "old"),
        "only 4 of 5 pods serve, and at least 4 must"
    );
}

#[test]
fn an_active_service_that_was_created_again_leads_to_stable_first() {
    let strategy = json!({"blueGreen": {"activeService": "active", "autoPromotionEnabled": false}});
    let sets = vec![set("stable", 5, 5), set("new", 5, 5)];
    let world = world(rollout(strategy, json!({})), sets, &[("active", "")]);
    let to_stable = vec![("active".to_owned(), "stable".to_owned())];
    assert_eq!(switches(&world), to_stable);
    let promoted = decide(&world, NOW)
        .writes
        .into_iter()
        .any(|write| matches!(write, Write::Status(status) if status.stable_rs == "new"));
    assert!(!promoted, "nobody let the new revision go on");
}

#[test]
fn right_after_an_update_stable_has_its_own_weight() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    // The revision before became stable a moment ago, as a canary with all of the traffic.
    let weights = json!({"weights": {
        "canary": {"weight": 100, "serviceName": "canary", "podTemplateHash": "stable"},
        "stable": {"weight": 0, "serviceName": "stable", "podTemplateHash": "old"},
    }});
    let begun = rollout(strategy, json!({"currentStepIndex": 0, "canary": weights}));
    let sets = vec![set("old", 0, 0), set("stable", 5, 5), set("new", 0, 0)];
    let world = world(begun, sets, &[("stable", "stable"), ("canary", "stable")]);
    assert!(!is_scaled(&world, "stable"), "it has all of the traffic");
}

#[test]
fn pods_are_not_given_up_on_counts_of_an_earlier_number() {
    let strategy =
        json!({"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": [{"pause": {}}]}});
    let of = |generation: i64| {
        let mut stable = set("stable", 5, 5);
        stable.metadata.generation = Some(generation);
        stable.status.observed_generation = 1;
        let sets = vec![set("old", 1, 1), stable, set("new", 0, 0)];
        let status = json!({"currentStepIndex": 0});
        world(rollout(strategy.clone(), status), sets, &[])
    };
    assert!(is_scaled(&of(1), "old"));
    assert!(
        !is_scaled(&of(2), "old"),
        "stable may have shrunk and grown since"
    );
}

#[test]
fn a_fast_rollback_outgrows_its_preview() {
    let strategy = json!({"blueGreen": {
        "activeService": "active",
        "previewReplicaCount": 2,
        "prePromotionAnalysis": {"templates": []},
    }});
    let mut back = rollout(strategy, json!({"blueGreen": {"activeSelector": "stable"}}));
    back.spec.rollback_window = serde_json::from_value(json!({"revisions": 2})).unwrap();
    let mut older = set("new", 2, 2);
    older.metadata.creation_timestamp = set("old", 0, 0).metadata.creation_timestamp;
    let world = world(
        back,
        vec![set("stable", 5, 5), older],
        &[("active", "stable")],
    );
    let is_past_preview = decide(&world, NOW).writes.into_iter().any(
        |write| matches!(write, Write::Status(status) if status.blue_green.scale_up_preview_check_point),
    );
    assert!(is_past_preview);
}

#[test]
fn a_paused_update_does_not_say_that_it_is_complete() {
    let strategy = json!({"blueGreen": {
        "activeService": "active",
        "postPromotionAnalysis": {"templates": []},
    }});
    let mut paused = rollout(strategy, json!({"blueGreen": {"activeSelector": "new"}}));
    paused.spec.paused = true;
    let mut world = world(
        paused,
        vec![set("stable", 5, 5), set("new", 5, 5)],
        &[("active", "new")],
    );
    for _ in 0..10 {
        let status = decide(&world, NOW)
            .writes
            .into_iter()
            .rev()
            .find_map(|write| match write {
                Write::Status(status) => Some(status),
                _ => None,
            });
        match status {
            Some(status) => world.rollout.status = *status,
            None => return,
        }
    }
    panic!("it is written again and again");
}

/// After a promotion the Service of the other turn still selects the pods of before, and gets no requests: they
/// stayed until the next update.
#[test]
fn pods_that_only_the_other_turn_s_service_selects_end_after_their_delay() {
    let strategy = json!({"canary": {
        "pingPong": {"pingService": "ping", "pongService": "pong"},
        "trafficRouting": {"istio": {"virtualService": {"name": "web"}}},
        "steps": [{"setWeight": 20}],
    }});
    let status = json!({"stableRS": "new", "currentStepIndex": 1, "canary": {
        "stablePingPong": "pong",
        "weights": {
            "canary": {"weight": 0, "podTemplateHash": "new"},
            "stable": {"weight": 100, "podTemplateHash": "new"},
        },
    }});
    let mut old = set("old", 5, 5);
    let passed = "2025-12-31T00:00:00Z".to_owned();
    old.metadata
        .annotations
        .insert("scale-down-deadline".to_owned(), passed);
    let world = world(
        rollout(strategy, status),
        vec![old, set("new", 5, 5)],
        &[("ping", "old"), ("pong", "new")],
    );
    assert!(is_scaled(&world, "old"));
}

/// A rollback within its window cannot be aborted, and so is not at the deadline: it was, again and again.
#[test]
fn a_rollback_within_its_window_is_not_aborted_at_the_deadline() {
    let strategy = json!({"canary": {"steps": [{"setWeight": 20}]}});
    let late = "2025-12-31T00:00:00Z";
    let status = json!({"currentPodHash": "old", "currentStepIndex": 1, "conditions": [{
        "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "",
        "lastUpdateTime": late, "lastTransitionTime": late,
    }]});
    let mut stuck = rollout(strategy, status);
    stuck.spec.progress_deadline_abort = true;
    stuck.spec.template = serde_json::from_value(template("old")).unwrap();
    for (revisions, is_aborted) in [(2, false), (0, true)] {
        let window = serde_json::from_value(json!({"revisions": revisions})).unwrap();
        stuck.spec.rollback_window = Some(window);
        let mut bound = vec![set("old", 5, 0), set("stable", 5, 5)];
        bound[0].status.replicas = 5;
        let mut told = stuck.clone();
        told.status.replicas = 10;
        told.status.updated_replicas = 5;
        told.status.available_replicas = 5;
        told.status.ready_replicas = 5;
        let writes = decide(&world(told, bound, &[]), NOW).writes;
        let aborts = writes
            .iter()
            .any(|write| matches!(write, Write::Status(status) if status.abort));
        assert_eq!(aborts, is_aborted, "of {revisions} revisions: {writes:#?}");
    }
}

/// Pods of a full promotion never get ready: the abort at the deadline had no effect, or one and the next look none.
#[test]
fn a_full_promotion_ends_at_the_deadline() {
    let late = "2025-12-31T00:00:00Z";
    for strategy in [
        json!({"canary": {"steps": []}}),
        json!({"blueGreen": {"activeService": "active"}}),
    ] {
        let status = json!({"promoteFull": true, "blueGreen": {"activeSelector": "stable"}, "conditions": [{
            "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "",
            "lastUpdateTime": late, "lastTransitionTime": late,
        }]});
        let mut stuck = rollout(strategy, status);
        stuck.spec.progress_deadline_abort = true;
        stuck.status.replicas = 10;
        stuck.status.updated_replicas = 5;
        stuck.status.available_replicas = 5;
        stuck.status.ready_replicas = 5;
        let mut world = world(
            stuck,
            vec![set("stable", 5, 5), set("new", 5, 0)],
            &[("active", "stable")],
        );
        for _ in 0..3 {
            for write in decide(&world, NOW).writes {
                if let Write::Status(status) = write {
                    world.rollout.status = *status;
                }
            }
        }
        let status = &world.rollout.status;
        assert!(status.abort && !status.promote_full, "{status:#?}");
    }
}

/// Its first step is a pause of seconds: each look began it anew, and asked for one when it would be over.
#[test]
fn an_aborted_rollout_waits_for_no_pause() {
    let strategy = json!({"canary": {"steps": [{"pause": {"duration": 2}}]}});
    let status = json!({"abort": true, "abortedAt": "2025-12-31T00:00:00Z", "currentStepIndex": 0});
    let world = world(
        rollout(strategy, status),
        vec![set("stable", 5, 5), set("new", 0, 0)],
        &[],
    );
    assert_eq!(decide(&world, NOW).wake_at, None);
}

/// The step's experiment ended while somebody holds the rollout, or it was inconclusive: the step stays, and another
/// experiment was started for it, and another one after that.
#[test]
fn a_step_that_is_held_starts_no_other_experiment() {
    let strategy = json!({"canary": {"steps": [{"experiment": {"templates": [
        {"name": "trial", "specRef": "canary"},
    ]}}]}});
    for (phase, is_paused) in [("Successful", true), ("Inconclusive", false)] {
        let status = json!({"currentStepIndex": 0, "canary": {"currentExperiment": "trial"}});
        let mut held = rollout(strategy.clone(), status);
        held.spec.paused = is_paused;
        let mut world = world(held, vec![set("stable", 5, 5), set("new", 0, 0)], &[]);
        let experiment = json!({"metadata": {"name": "trial"}, "status": {"phase": phase}});
        world.experiments = vec![serde_json::from_value(experiment).unwrap()];
        for _ in 0..3 {
            for write in decide(&world, NOW).writes {
                assert!(!matches!(write, Write::StartExperiment(_)), "{phase}");
                if let Write::Status(status) = write {
                    world.rollout.status = *status;
                }
            }
        }
    }
}

/// Stable gave up pods that are still counted: on the way back it gets no more than those can take that stay.
#[test]
fn stable_gets_traffic_for_the_pods_that_stay() {
    let mut strategy = routed();
    strategy["canary"]["dynamicStableScale"] = json!(true);
    let status = json!({"abort": true, "currentStepIndex": 0, "canary": weights(60)});
    let world = world(
        rollout(strategy, status),
        vec![set("stable", 2, 5), set("new", 3, 3)],
        &[("stable", "stable"), ("canary", "new")],
    );
    let routed: Vec<i32> = decide(&world, NOW)
        .writes
        .iter()
        .filter_map(|write| match write {
            Write::Route(routing) => Some(routing.weight),
            _ => None,
        })
        .collect();
    assert_eq!(routed, [60]);
}

/// The deadline of progress has passed, and nothing follows from it while old pods keep their time: that was looked
/// at a thousand times a second.
#[test]
fn a_deadline_that_has_passed_asks_for_no_look() {
    let mut strategy = routed();
    strategy["canary"]["scaleDownDelaySeconds"] = json!(3600);
    let late = "2025-12-31T00:00:00Z";
    let status = json!({"stableRS": "new", "currentStepIndex": 3, "canary": weights(0), "conditions": [{
        "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "",
        "lastUpdateTime": late, "lastTransitionTime": late,
    }]});
    let mut done = rollout(strategy, status);
    done.status.replicas = 10;
    done.status.updated_replicas = 5;
    done.status.ready_replicas = 10;
    done.status.available_replicas = 10;
    let mut old = set("stable", 5, 5);
    let deadline = "2026-01-01T00:30:00Z".to_owned();
    old.metadata
        .annotations
        .insert("scale-down-deadline".to_owned(), deadline);
    let mut world = world(
        done,
        vec![old, set("new", 5, 5)],
        &[("stable", "new"), ("canary", "new")],
    );
    for _ in 0..5 {
        let status = decide(&world, NOW)
            .writes
            .into_iter()
            .find_map(|write| match write {
                Write::Status(status) => Some(*status),
                _ => None,
            });
        let Some(status) = status else { break };
        world.rollout.status = status;
    }
    let decision = decide(&world, NOW);
    assert!(
        matches!(&decision.writes[..], [Write::Route(_)]),
        "there is nothing to do but to wait: {:?}",
        decision.writes
    );
    assert_eq!(decision.wake_at, Some(NOW.shifted(30 * 60_000)));
}

/// Whether a decision changes the number of a ReplicaSet's pods.
fn is_scaled(world: &World, set: &str) -> bool {
    decide(world, NOW).writes.into_iter().any(|write| {
        matches!(write, Write::PatchReplicaSet { name, operations }
            if name == set && operations.iter().any(|it| it["path"] == "/spec/replicas"))
    })
}

/// Argo's end-to-end test `TestBlueGreenDuration_RollbackInsideWindow`: three revisions within one second.
#[test]
fn a_rollback_within_the_window_is_known_among_revisions_of_one_second() {
    let strategy = json!({"blueGreen": {
        "activeService": "active", "previewService": "preview", "autoPromotionEnabled": false,
    }});
    let active = json!({"activeSelector": "stable", "previewSelector": "new"});
    let status = json!({"stableRS": "stable", "blueGreen": active});
    let mut back = rollout(strategy, status);
    back.spec.rollback_window = serde_json::from_value(json!({"revisions": 1})).unwrap();
    let revision = |name: &str, revision: &str, history: Option<&str>| {
        let mut set = set(name, 5, 5);
        set.metadata.creation_timestamp = Some(Time(NOW));
        let annotations = &mut set.metadata.annotations;
        annotations.insert(
            "rollout.argoproj.io/revision".to_owned(),
            revision.to_owned(),
        );
        if let Some(history) = history {
            let key = "rollout.argoproj.io/revision-history".to_owned();
            annotations.insert(key, history.to_owned());
        }
        set
    };
    for (history, is_switched) in [(Some("1"), true), (Some("3"), false)] {
        let sets = vec![revision("stable", "2", None), revision("new", "4", history)];
        let world = world(
            back.clone(),
            sets,
            &[("active", "stable"), ("preview", "new")],
        );
        let switched = decide(&world, NOW)
            .writes
            .iter()
            .any(|write| matches!(write, Write::SwitchService { name, .. } if name == "active"));
        assert_eq!(switched, is_switched, "{history:?}");
    }
}

/// Nothing is scaled while `spec.paused` is set, but pods come and go.
#[test]
fn a_paused_rollout_that_is_to_be_scaled_counts_its_pods() {
    for strategy in [routed(), json!({"blueGreen": {"activeService": "active"}})] {
        let mut paused = rollout(strategy, json!({"replicas": 2, "readyReplicas": 1}));
        paused.spec.paused = true;
        paused.spec.replicas = Some(9);
        paused.metadata.generation = Some(2);
        let world = world(
            paused,
            vec![set("stable", 5, 5), set("new", 1, 1)],
            &[
                ("stable", "stable"),
                ("canary", "stable"),
                ("active", "stable"),
            ],
        );
        let written = decide(&world, NOW).writes;
        let status = written.into_iter().find_map(|write| match write {
            Write::Status(status) => Some(status),
            _ => None,
        });
        let status = status.expect("the generation is new");
        assert_eq!((status.replicas, status.updated_replicas), (6, 1));
    }
}
