//! Notifications, from a ConfigMap to a server that speaks as Slack and as a webhook's owner do.

use super::support::{Fake, NOW};
use crate::controller::Services;
use serde_json::{Value, json};
use sluice_argo::notification::{Config, Facts, Message, Notified, Source, on_event};
use sluice_kubernetes::{Deliver as _, DeliveryError};

const TAKEN: &str = r#"{"ok": true, "channel": "C024BE91L", "ts": "1503435956.000247"}"#;

/// The message of an event of a Rollout by this configuration.
fn message(data: &Value) -> Message {
    let secret = json!({"data": {"token": "eG94Yi1odW50ZXIy", "password": "Y29ycmVjdCBob3JzZQ=="}});
    let map = json!({"data": data});
    let config = Config::read(Source::default(), Some(&map), Some(&secret));
    assert_eq!(config.problems, []);
    let rollout = json!({
        "metadata": {"name": "web", "namespace": "shop", "annotations": {
            "notifications.argoproj.io/subscribe.on-rollout-completed.to": "releases",
        }},
    });
    let facts = Facts {
        rollout: &rollout,
        analysis_runs: &[],
        now: NOW,
    };
    let mut outcome = on_event(&config, &facts, "RolloutCompleted", &Notified::default());
    assert_eq!(outcome.failures, []);
    outcome.due.remove(0).message
}

fn slack(server: &Fake, template: &str) -> Message {
    message(&json!({
        "service.slack.to": format!("{{token: $token, apiURL: '{}/api'}}", server.url()),
        "trigger.on-rollout-completed": "- {send: [t]}",
        "template.t": template,
    }))
}

fn webhook(server: &Fake, settings: &str) -> Message {
    message(&json!({
        "service.webhook.to": format!("{{url: '{}/base/', {settings}}}", server.url()),
        "trigger.on-rollout-completed": "- {send: [t]}",
        "template.t": "{webhook: {to: {method: PATCH, path: '/{{.rollout.metadata.name}}', body: '{\"done\": true}'}}}",
    }))
}

#[tokio::test]
async fn slack_gets_a_message_with_the_token_as_bearer() {
    let server = Fake::answering(&[(200, TAKEN)]).await;
    let message = slack(&server, "message: '{{.rollout.metadata.name}} is through'");
    Services::default().deliver(&message).await.unwrap();
    let got = &server.got()[0];
    assert_eq!(got.line, "POST /api/chat.postMessage");
    assert!(
        got.headers.contains("authorization: Bearer xoxb-hunter2"),
        "{}",
        got.headers
    );
    assert!(
        got.headers.contains("content-type: application/json"),
        "{}",
        got.headers
    );
    let body: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(
        body,
        json!({"channel": "releases", "text": "web is through"})
    );
}

#[tokio::test]
async fn later_messages_of_a_group_go_into_the_first_ones_thread() {
    let server = Fake::answering(&[(200, TAKEN)]).await;
    let template = "{message: m, slack: {groupingKey: '{{.rollout.metadata.name}}', deliveryPolicy: PostAndUpdate}}";
    let (services, message) = (Services::default(), slack(&server, template));
    for _ in 0..2 {
        services.deliver(&message).await.unwrap();
    }
    let got = server.got();
    let lines: Vec<&str> = got.iter().map(|got| got.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /api/chat.postMessage",
            "POST /api/chat.postMessage",
            "POST /api/chat.update"
        ]
    );
    let bodies: Vec<Value> = got
        .iter()
        .map(|got| serde_json::from_str(&got.body).unwrap())
        .collect();
    assert_eq!(bodies[0].get("thread_ts"), None);
    assert_eq!(bodies[1]["thread_ts"], "1503435956.000247");
    assert_eq!(bodies[2]["ts"], "1503435956.000247");
    assert_eq!(bodies[2]["channel"], "C024BE91L");
}

#[tokio::test]
async fn a_webhook_gets_its_request() {
    let server = Fake::answering(&[(204, "")]).await;
    let settings = "headers: [{name: X-Key, value: $token}], basicAuth: {username: sluice, password: $password}";
    let message = webhook(&server, settings);
    Services::default().deliver(&message).await.unwrap();
    let got = &server.got()[0];
    assert_eq!(got.line, "PATCH /base/web");
    assert!(
        got.headers.contains("x-key: xoxb-hunter2"),
        "{}",
        got.headers
    );
    // base64("sluice:correct horse")
    assert!(
        got.headers
            .contains("authorization: Basic c2x1aWNlOmNvcnJlY3QgaG9yc2U="),
        "{}",
        got.headers
    );
    assert_eq!(got.body, r#"{"done": true}"#);
}

#[tokio::test]
async fn what_a_service_refuses_is_told_with_what_to_do_and_without_secrets() {
    let slack_error = |error: &str| format!(r#"{{"ok": false, "error": "{error}"}}"#);
    let (refused, passing) = (slack_error("channel_not_found"), slack_error("ratelimited"));
    for (is_slack, status, body, part, is_final) in [
        (true, 200, refused.as_str(), "`channel_not_found`", true),
        (true, 200, passing.as_str(), "`ratelimited`", false),
        (true, 200, "<html>", "apiURL", true),
        (true, 500, "oh", "answers 500", false),
        (true, 429, "", "answers 429", false),
        (
            false,
            503,
            "busy",
            "answers 503 Service Unavailable: busy",
            false,
        ),
        (
            false,
            401,
            "key xoxb-hunter2 is no good",
            "key … is no good; see that the credentials",
            true,
        ),
        (false, 302, "", "redirections are not followed", true),
    ] {
        let server = Fake::answering(&[(status, body)]).await;
        let message = if is_slack {
            slack(&server, "message: m")
        } else {
            webhook(&server, "headers: [{name: X-Key, value: $token}]")
        };
        let error = Services::default().deliver(&message).await.unwrap_err();
        let DeliveryError {
            cause,
            is_final: found,
            ..
        } = error;
        assert!(cause.contains(part), "{status} {body}: {cause}");
        assert_eq!(found, is_final, "{cause}");
        assert!(!cause.contains("hunter2"), "{cause}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_again_and_its_path_is_not_told() {
    let message = message(&json!({
        "service.webhook.to": "url: http://127.0.0.1:1/$token",
        "trigger.on-rollout-completed": "- {send: [t]}",
        "template.t": "message: m",
    }));
    let error = Services::default().deliver(&message).await.unwrap_err();
    assert!(!error.is_final);
    assert!(
        error.cause.contains("http://127.0.0.1:1 cannot be reached"),
        "{}",
        error.cause
    );
    assert!(!error.cause.contains("hunter2"), "{}", error.cause);
}
