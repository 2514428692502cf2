//! Notifications: from Argo's ConfigMap, Secret and annotations to messages that are ready to be sent.

mod requests;
mod sending;
mod wrong;

use serde_json::Value;
use sluice_argo::notification::{
    Config, Due, Facts, Message, Notified, Outcome, Source, on_event, standing,
};
use sluice_model::time::Timestamp;

/// 2026-11-22T03:04:00Z, four minutes after the Rollout of the fixture was aborted.
const NOW: Timestamp = Timestamp(1_795_316_640_000);

fn object(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("a fixture")
}

fn config_map() -> Value {
    object(include_str!("config.yaml"))
}

fn secret() -> Value {
    object(include_str!("secret.yaml"))
}

fn config_of(config_map: &Value) -> Config {
    let source = Source {
        namespace: "argo-rollouts".to_owned(),
        self_service: false,
    };
    Config::read(source, Some(config_map), Some(&secret()))
}

/// A Rollout that is told about, and what was sent of it.
struct Story {
    config: Config,
    rollout: Value,
    runs: Vec<Value>,
    notified: Notified,
    now: Timestamp,
}

impl Story {
    fn new() -> Self {
        Story {
            config: config_of(&config_map()),
            rollout: object(include_str!("rollout.yaml")),
            runs: Vec::new(),
            notified: Notified::default(),
            now: NOW,
        }
    }

    fn subscribed(mut self, name: &str, value: &str) -> Self {
        let name = format!("notifications.argoproj.io/{name}");
        self.rollout["metadata"]["annotations"][name] = value.into();
        self
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            rollout: &self.rollout,
            analysis_runs: &self.runs,
            now: self.now,
        }
    }

    /// What an event sends; it is remembered.
    fn event(&mut self, reason: &str) -> Outcome {
        let outcome = on_event(&self.config, &self.facts(), reason, &self.notified);
        for key in outcome.due.iter().filter_map(|due| due.key.clone()) {
            self.notified.note(&key, self.now);
        }
        outcome
    }

    /// What a look sends in this phase; it is remembered.
    fn look(&mut self, phase: &str) -> Outcome {
        self.rollout["status"]["phase"] = phase.into();
        let mut notified = self.notified.clone();
        let outcome = standing(&self.config, &self.facts(), &mut notified);
        for key in outcome.due.iter().filter_map(|due| due.key.clone()) {
            notified.note(&key, self.now);
        }
        notified.settle([&outcome]);
        self.notified = notified;
        outcome
    }
}

/// `service:recipient` of all that is due.
fn sent_to(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.failures, [], "nothing fails");
    let to = |due: &Due| format!("{}:{}", due.destination.service, due.destination.recipient);
    outcome.due.iter().map(to).collect()
}

/// The text of a message.
fn text(due: &Due) -> String {
    match &due.message {
        Message::Slack(message) => message.arguments["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Message::Webhook(request) => request.body.clone(),
    }
}
