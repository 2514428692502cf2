//! The messages themselves.

use crate::Story;
use serde_json::{Value, json};
use sluice_argo::notification::{
    Message, Retries, SlackMessage, SlackReply, Thread, WebhookRequest,
};
use std::time::Duration;

fn slack(story: &mut Story, reason: &str) -> SlackMessage {
    let outcome = story.event(reason);
    assert_eq!(outcome.failures, []);
    for due in outcome.due {
        if let Message::Slack(message) = due.message {
            return *message;
        }
    }
    panic!("no message to Slack");
}

fn webhook(story: &mut Story, reason: &str) -> WebhookRequest {
    let outcome = story.event(reason);
    assert_eq!(outcome.failures, []);
    for due in outcome.due {
        if let Message::Webhook(request) = due.message {
            return *request;
        }
    }
    panic!("no request to the webhook");
}

#[test]
fn a_message_to_slack_has_what_service_and_template_say() {
    let mut story = Story::new();
    let message = slack(&mut story, "RolloutCompleted");
    assert_eq!(message.api_url, "http://127.0.0.1:1/api/");
    assert_eq!(message.token.open(), "xoxb-hunter2");
    let expected = json!({
        "channel": "defaults",
        "text": "Rollout web is through.",
        "username": "releases",
        "icon_emoji": ":rocket:",
        "unfurl_links": false,
        "unfurl_media": false,
        "attachments": [{
            "title": "web",
            "color": "#18be52",
            "fields": [
                {"title": "Strategy", "value": "Canary", "short": true},
                {"title": "web", "value": "shop/web:7", "short": true},
                {"title": "proxy", "value": "shop/proxy:2", "short": true},
            ],
        }],
    });
    assert_eq!(Value::Object(message.arguments), expected);
}

#[test]
fn messages_of_a_group_go_into_the_first_ones_thread_or_replace_it() {
    let mut story = Story::new().subscribed("subscribe.on-rollout-step-completed.slack", "a");
    let message = slack(&mut story, "RolloutStepCompleted");
    assert_eq!(message.arguments["text"], "Step 2/3 of web is done.");
    assert_eq!(
        message.arguments["blocks"][0]["text"]["text"],
        "web at GOLD"
    );
    assert_eq!(message.grouping_key, "5f0c");
    let calls = message.calls(None);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].0, "chat.postMessage");
    assert_eq!(calls[0].1.get("thread_ts"), None);
    let reply = br#"{"ok": true, "channel": "C024", "ts": "1503435956.000247"}"#;
    let Some(SlackReply::Taken(first)) = SlackReply::read(reply) else {
        panic!("Slack took it");
    };
    let expected = Thread {
        channel: "C024".to_owned(),
        timestamp: "1503435956.000247".to_owned(),
    };
    assert_eq!(first, expected);
    let calls = message.calls(Some(&first));
    let [(post, posted), (update, updated)] = calls.as_slice() else {
        panic!("two calls, not {calls:?}");
    };
    assert_eq!((*post, *update), ("chat.postMessage", "chat.update"));
    assert_eq!(posted["thread_ts"], "1503435956.000247");
    assert_eq!(posted["reply_broadcast"], true);
    assert_eq!(updated["channel"], "C024");
    assert_eq!(updated["ts"], "1503435956.000247");
}

#[test]
fn slack_says_why_it_refuses() {
    let refused = SlackReply::read(br#"{"ok": false, "error": "channel_not_found"}"#);
    assert_eq!(
        refused,
        Some(SlackReply::Refused("channel_not_found".to_owned()))
    );
    assert_eq!(SlackReply::read(b"<html>"), None);
}

#[test]
fn a_webhook_gets_its_path_method_and_body() {
    let mut story = Story::new();
    let request = webhook(&mut story, "RolloutAborted");
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.url.open(),
        "https://pager.example/hooks/h00kkey/v1/shop"
    );
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.open()))
        .collect();
    assert_eq!(headers, [("Content-Type", "application/json")]);
    let (user, password) = request.basic_auth.expect("credentials");
    assert_eq!((user.open(), password.open()), ("sluice", "correct horse"));
    assert_eq!(
        request.body.trim(),
        r#"{"service": "web", "at": 1795316640, "aborted": 1795316400, "replicas": 1000000}"#
    );
    assert_eq!(
        request.retries,
        Retries {
            most: 2,
            wait_min: Duration::from_secs(2),
            wait_max: Duration::from_secs(5),
        }
    );
    let waits: Vec<_> = (1..=3)
        .map(|failures| request.retries.wait(failures))
        .collect();
    assert_eq!(
        waits,
        [
            Some(Duration::from_secs(2)),
            Some(Duration::from_secs(4)),
            None
        ]
    );
}

#[test]
fn a_webhook_without_a_part_of_its_own_gets_the_text() {
    let mut story = Story::new().subscribed("subscribe.on-rollout-completed.pager", "");
    let request = webhook(&mut story, "RolloutCompleted");
    assert_eq!(request.method, "GET");
    assert_eq!(request.url.open(), "https://pager.example/hooks/h00kkey");
    assert_eq!(request.body, "Rollout web is through.");
}

#[test]
fn templates_see_the_analysis_runs_of_the_revision() {
    let mut story = Story::new();
    story.runs = vec![
        json!({"metadata": {"name": "web-6f7d-7-2"}}),
        json!({"metadata": {"name": "web-6f7d-7-1"}}),
    ];
    let message = slack(&mut story, "RolloutAborted");
    assert_eq!(
        message.arguments["text"],
        "web was taken back by web-6f7d-7-2.\n"
    );
}

#[test]
fn functions_of_templates() {
    let rollout = ".rollout.metadata";
    for (template, expected) in [
        (
            r#"{{add 1 2 3}} {{sub 5 2}} {{mul 2 3}} {{div 7 2}} {{mod 7 2}} {{max 1 5 3}} {{min 4 2}}"#,
            "6 3 6 3 1 5 2",
        ),
        (
            r#"{{"a b" | title}} {{"AB" | lower}} {{trim " x "}} {{"x-y" | replace "-" "+"}}"#,
            "A B ab x x+y",
        ),
        (
            r#"{{trunc 3 "abcdef"}} {{trunc -2 "abcdef"}} {{substr 1 3 "abcdef"}}"#,
            "abc ef bc",
        ),
        (
            r#"{{hasPrefix "a" "ab"}} {{contains "z" "ab"}} {{trimSuffix "b" "ab"}} {{trimPrefix "a" "ab"}}"#,
            "true false a b",
        ),
        (
            r#"{{list "b" "a" "b" | uniq | sortAlpha | join ","}} {{splitList "/" "x/y" | last}}"#,
            "a,b y",
        ),
        (
            r#"{{default "d" .nothing}} {{coalesce "" "c"}} {{ternary "y" "n" true}} {{empty 0}}"#,
            "d c y true",
        ),
        (
            r#"{{dict "k" 1 | toJson}} {{(fromJson "{\"a\": [1]}").a}} {{"x" | b64enc | b64dec}}"#,
            r#"{"k":1} [1] x"#,
        ),
        (
            r#"{{dig "labels" "tier" "none" .rollout.metadata}} {{dig "labels" "x" "none" .rollout.metadata}}"#,
            "gold none",
        ),
        (
            r#"{{.rollout.status.nothing}} {{.rollout.spec.replicas}} {{.rollout.spec.strategy.canary.steps | len}}"#,
            "<no value> 1000000 3",
        ),
        (
            r#"{{range $k, $v := .rollout.metadata.labels}}{{$k}}={{$v}}{{end}}{{/* quiet */ -}} !"#,
            "tier=gold!",
        ),
        (
            r#"{{if and .rollout.spec (eq .rollout.spec.replicas 1000000)}}many{{else}}few{{end}}"#,
            "many",
        ),
        (
            r#"{{nindent 2 "a"}}|{{"a\"b" | quote}}|{{"a" | squote}}"#,
            "\n  a|\"a\\\"b\"|'a'",
        ),
        (
            r#"{{.secrets.missing}}{{index .secrets "hook-key" | toString | len}}"#,
            "<no value>7",
        ),
    ] {
        let mut story = Story::new();
        let map = json!({"data": {
            "service.slack": "token: x",
            "subscriptions": "- {recipients: ['slack:a'], triggers: [on-rollout-paused]}",
            "trigger.on-rollout-paused": "- {send: [t]}",
            "template.t": json!({"message": template}).to_string(),
        }});
        story.config = crate::config_of(&map);
        let message = slack(&mut story, "RolloutPaused");
        assert_eq!(
            message.arguments["text"], expected,
            "{template} over {rollout}"
        );
    }
}
