//! What is wrong in a configuration is named, and takes nothing else with it.

use crate::{Story, config_map, config_of, sent_to};
use serde_json::json;

#[test]
fn each_problem_names_its_key_and_the_rest_works() {
    let mut map = config_map();
    for (key, text) in [
        ("service.slack.other", "token: $absent"),
        ("service.a.b.c", "{}"),
        ("service.webhook.numbers", "url: [1]"),
        ("template.unclosed", "message: '{{.rollout'"),
        ("template.unknown", "message: '{{env \"HOME\"}}'"),
        ("template.policy", "slack: {deliveryPolicy: Sometimes}"),
        ("template.shape", "- a"),
        ("trigger.on-map", "send: [x]"),
        (
            "subscriptions",
            "- {recipients: ['slack:a'], selector: 'a ~ b'}",
        ),
        ("defaultTriggers", "on-x"),
    ] {
        map["data"][key] = text.into();
    }
    let mut story = Story::new().subscribed("subscribe.on-rollout-aborted.slack", "a");
    story.config = config_of(&map);
    let mut found: Vec<(&str, &str)> = story
        .config
        .problems
        .iter()
        .map(|problem| (problem.place.as_str(), problem.cause.as_str()))
        .collect();
    found.sort_unstable();
    for (place, part) in [
        ("defaultTriggers", "sequence"),
        ("service.a.b.c", "service.<type>.<name>"),
        ("service.slack.other", "`absent`"),
        ("service.teams", "supported are slack and webhook"),
        ("service.webhook.numbers", "form of the type `webhook`"),
        ("subscriptions", "`a ~ b` is no condition on labels"),
        ("template.policy", "Sometimes"),
        ("template.shape", "no list"),
        ("template.unclosed", "message:"),
        ("template.unknown", "env"),
        ("trigger.on-map", "map"),
        ("trigger.on-wrong", "character 24"),
    ] {
        let at = found.iter().position(|(known, _)| *known == place);
        let at = at.unwrap_or_else(|| panic!("no problem at {place}: {found:?}"));
        let (_, cause) = found.remove(at);
        assert!(cause.contains(part), "{place}: {cause}");
    }
    assert_eq!(found, []);
    assert_eq!(sent_to(&story.event("RolloutAborted")), ["slack:a"]);
}

#[test]
fn whoever_subscribes_to_what_cannot_be_sent_is_told_why() {
    for (name, recipient, reason, part) in [
        (
            "subscribe.on-rollout-completed.teams",
            "shop",
            "RolloutCompleted",
            "`teams` are not supported by this controller; supported are slack and webhook",
        ),
        (
            "subscribe.on-rollout-completed.nobody",
            "x",
            "RolloutCompleted",
            "there is no service `nobody`",
        ),
        (
            "subscribe.on-rollout-completed.slack",
            "",
            "RolloutCompleted",
            "no channel is named",
        ),
        (
            "subscribe.on-wrong.slack",
            "a",
            "Wrong",
            "the trigger is wrong: when",
        ),
        (
            "subscriptions",
            "text",
            "RolloutCompleted",
            "notifications.argoproj.io/subscriptions",
        ),
    ] {
        let mut story = Story::new().subscribed(name, recipient);
        let outcome = story.event(reason);
        let causes: Vec<&str> = outcome
            .failures
            .iter()
            .map(|failure| failure.cause.as_str())
            .collect();
        assert_eq!(causes.len(), 1, "{name}: {causes:?}");
        assert!(causes[0].contains(part), "{}", causes[0]);
    }
}

#[test]
fn a_message_that_cannot_be_written_says_where_and_shows_no_secret() {
    for (template, part) in [
        (
            "message: '{{.rollout.metadata.name.first}}'",
            "template.t: message",
        ),
        ("message: '{{fail (index .secrets \"hook-key\")}}'", "…"),
        (
            "slack: {attachments: '{{.rollout.metadata.name}}'}",
            "slack.attachments becomes no JSON",
        ),
        ("slack: {icon: rocket}", "neither an emoji"),
    ] {
        let mut story = Story::new();
        let map = json!({"data": {
            "service.slack": "token: x",
            "subscriptions": "- {recipients: ['slack:a'], triggers: [on-rollout-paused]}",
            "trigger.on-rollout-paused": "- {send: [t]}",
            "template.t": template,
        }});
        story.config = config_of(&map);
        let outcome = story.event("RolloutPaused");
        let cause = &outcome.failures[0].cause;
        assert!(cause.contains(part), "{cause}");
        assert!(!cause.contains("h00kkey"), "{cause}");
    }
}

#[test]
fn a_condition_that_cannot_be_told_is_not_fulfilled_and_says_why() {
    let mut story = Story::new().subscribed("subscribe.on-degraded.slack", "a");
    story.rollout["status"]["abortedAt"] = serde_json::Value::Null;
    let outcome = story.look("Degraded");
    assert_eq!(outcome.due.len(), 1, "the first condition needs no time");
    assert!(
        outcome.untold[0].contains("time.Parse()"),
        "{:?}",
        outcome.untold
    );
}

#[test]
fn nothing_of_the_secret_is_in_a_debug_text() {
    let mut story = Story::new();
    let outcome = story.event("RolloutAborted");
    let shown = format!("{:?} {outcome:?}", story.config);
    for secret in ["hunter2", "h00kkey", "correct horse"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}
