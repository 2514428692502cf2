//! Who gets what, when, and that nobody gets it twice.

use crate::{Story, sent_to, text};
use sluice_argo::notification::{Notified, trigger_of};

#[test]
fn events_run_the_trigger_of_their_name() {
    for (reason, trigger) in [
        ("RolloutCompleted", "on-rollout-completed"),
        ("RolloutAborted", "on-rollout-aborted"),
        ("RolloutPaused", "on-rollout-paused"),
        ("RolloutStepCompleted", "on-rollout-step-completed"),
        ("RolloutUpdated", "on-rollout-updated"),
        ("ScalingReplicaSet", "on-scaling-replica-set"),
        ("AnalysisRunRunning", "on-analysis-run-running"),
        ("AnalysisRunError", "on-analysis-run-error"),
        ("AnalysisRunFailed", "on-analysis-run-failed"),
        ("NewRSCreated2Now", "on-new-rs-created2-now"),
    ] {
        assert_eq!(trigger_of(reason), trigger);
    }
}

#[test]
fn annotations_and_defaults_say_who_is_told() {
    let subscriptions = "\
- trigger: [on-rollout-completed, on-rollout-aborted]
  destinations:
  - service: slack
    recipients: [one, two]
- destinations:
  - service: pager
    recipients: ['']";
    for (name, value, reason, expected) in [
        (
            "subscribe.on-rollout-completed.slack",
            "a; b;a",
            "RolloutCompleted",
            "slack:a slack:b slack:defaults",
        ),
        (
            "subscribe.on-rollout-aborted.slack",
            "everything",
            "RolloutAborted",
            "pager: slack:everything",
        ),
        (
            "subscribe.slack",
            "c",
            "RolloutCompleted",
            "slack:c slack:defaults",
        ),
        (
            "subscribe.pager",
            "",
            "RolloutAborted",
            "pager: slack:everything",
        ),
        (
            "subscribe.on-rollout-completed.pager",
            "",
            "RolloutCompleted",
            "pager: slack:defaults",
        ),
        (
            "subscriptions",
            subscriptions,
            "RolloutCompleted",
            "slack:defaults slack:one slack:two",
        ),
        ("something-else", "x", "RolloutPaused", ""),
    ] {
        let mut story = Story::new().subscribed(name, value);
        assert_eq!(
            sent_to(&story.event(reason)).join(" "),
            expected,
            "{name}: {value}"
        );
    }
}

#[test]
fn a_subscription_of_the_configuration_is_for_the_labels_that_it_names() {
    let mut story = Story::new();
    assert_eq!(
        sent_to(&story.event("RolloutAborted")),
        ["pager:", "slack:everything"]
    );
    story.rollout["metadata"]["labels"]["muted"] = "yes".into();
    assert_eq!(sent_to(&story.event("RolloutAborted")), [""; 0]);
    story.rollout["metadata"]["labels"] = serde_json::json!({"tier": "bronze"});
    assert_eq!(sent_to(&story.event("RolloutAborted")), [""; 0]);
}

#[test]
fn an_event_without_a_condition_tells_each_time() {
    let mut story = Story::new();
    for _ in 0..2 {
        assert_eq!(
            sent_to(&story.event("RolloutCompleted")),
            ["slack:defaults"]
        );
    }
    assert_eq!(
        story.notified,
        Notified::default(),
        "nothing has to be remembered"
    );
}

#[test]
fn argo_rollouts_5037_once_per_holds_for_events() {
    let mut story = Story::new().subscribed("subscribe.on-rollout-updated.slack", "a");
    assert_eq!(sent_to(&story.event("RolloutUpdated")), ["slack:a"]);
    assert_eq!(sent_to(&story.event("RolloutUpdated")), [""; 0]);
    story.rollout["metadata"]["annotations"]["rollout.argoproj.io/revision"] = "8".into();
    assert_eq!(sent_to(&story.event("RolloutUpdated")), ["slack:a"]);
    // A look of ours or of Argo's does not take it for a condition that holds no longer.
    story.look("Progressing");
    assert_eq!(sent_to(&story.event("RolloutUpdated")), [""; 0]);
}

#[test]
fn a_condition_tells_when_it_begins_to_hold_and_then_again_after_it_did_not() {
    let mut story = Story::new().subscribed("subscribe.on-degraded.slack", "a;b");
    let degraded = story.look("Degraded");
    assert_eq!(sent_to(&degraded), ["slack:a", "slack:b"]);
    assert_eq!(text(&degraded.due[0]), "web is Degraded (slack, a)");
    // What was remembered is read back, as after a restart.
    story.notified = Notified::read(story.notified.written().as_deref());
    assert_eq!(sent_to(&story.look("Degraded")), [""; 0]);
    story.now = story.now.shifted(61_000);
    // By now it is so for five minutes: the second condition holds as well.
    assert_eq!(sent_to(&story.look("Degraded")), ["slack:a", "slack:b"]);
    assert_eq!(sent_to(&story.look("Progressing")), [""; 0]);
    assert_eq!(story.notified.written(), None);
    assert_eq!(sent_to(&story.look("Degraded")).len(), 4);
    assert!(story.config.reads_time());
}

#[test]
fn once_per_tells_once_for_each_value_however_often_the_condition_changes() {
    let mut story = Story::new().subscribed("subscribe.on-healthy.slack", "a");
    assert_eq!(sent_to(&story.look("Healthy")), ["slack:a"]);
    story.look("Progressing");
    assert_eq!(sent_to(&story.look("Healthy")), [""; 0]);
    story.rollout["status"]["currentPodHash"] = "77aa".into();
    assert_eq!(sent_to(&story.look("Healthy")), ["slack:a"]);
    let written = story.notified.written().expect("it is remembered");
    for hash in ["6f7d", "77aa"] {
        // sha1 of the condition's text, as Argo's notifications-engine writes it.
        let key = format!("{hash}:on-healthy:[0].qYwPqtSSDQgdyGN38qWobdZi5qc:slack:a");
        assert!(written.contains(&key), "{key} in {written}");
    }
}

#[test]
fn what_argo_has_sent_is_not_sent_again() {
    let mut story = Story::new().subscribed("subscribe.on-healthy.slack", "a");
    let of_argo = r#"{"6f7d:on-healthy:[0].qYwPqtSSDQgdyGN38qWobdZi5qc:slack:a":1795270000}"#;
    story.notified = Notified::read(Some(of_argo));
    assert_eq!(sent_to(&story.look("Healthy")), [""; 0]);
    assert_eq!(story.notified.written().as_deref(), Some(of_argo));
}

#[test]
fn a_condition_that_an_event_has_told_of_is_not_told_by_the_next_look() {
    let mut story = Story::new();
    let map = serde_json::json!({"data": {
        "service.slack": "token: x",
        "subscriptions": "- {recipients: ['slack:a'], triggers: [on-rollout-aborted]}",
        "template.t": "message: taken back",
        "trigger.on-rollout-aborted": "- {when: rollout.status.abort == true, send: [t]}",
    }});
    story.config = crate::config_of(&map);
    assert_eq!(
        sent_to(&story.event("RolloutAborted")),
        [""; 0],
        "the condition does not hold"
    );
    story.rollout["status"]["abort"] = true.into();
    assert_eq!(sent_to(&story.event("RolloutAborted")), ["slack:a"]);
    assert_eq!(sent_to(&story.look("Degraded")), [""; 0]);
}

#[test]
fn a_namespaces_own_configuration_remembers_under_its_name() {
    let mut story = Story::new().subscribed("subscribe.on-healthy.slack", "a");
    story.look("Healthy");
    story.config.source.self_service = true;
    story.config.source.namespace = "shop".to_owned();
    assert_eq!(sent_to(&story.look("Healthy")), ["slack:a"]);
    let written = story.notified.written().expect("it is remembered");
    assert!(written.contains("6f7d:shop:on-healthy:[0]."), "{written}");
}
