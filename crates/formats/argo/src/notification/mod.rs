//! Notifications in Argo's format: a ConfigMap with services, triggers and templates, a Secret with what they
//! refer to, annotations of Rollouts that subscribe, and one that remembers what was sent.
//!
//! There are two ways to a message, as in Argo's controller. An event of a Rollout runs the trigger of its name
//! (`RolloutCompleted`: `on-rollout-completed`), also without a condition. And a trigger's condition that begins to hold
//! sends, once: the annotation [`NOTIFIED`] has the form and the keys of Argo's notifications-engine, so that neither
//! a restart nor another controller sends it again.
//!
//! `config` reads the ConfigMap, with `service` and `trigger`; `subscription` says who wants what; `due` decides what
//! is to be sent, with `notified`; `template` and `functions` write the texts, `slack` and `webhook` the requests.
//!
//! Differences on purpose. One part of the ConfigMap that is wrong does not take the others with it. A destination that
//! is subscribed twice gets one message. `oncePer` holds for events as well (argo-rollouts#5037), and a condition that
//! an event has told of is not told again when it is looked at. Only Rollouts notify, not their AnalysisRuns. Annotations
//! that are no subscription are none. What still holds is never forgotten for want of room.

mod config;
mod due;
mod functions;
mod notified;
mod service;
mod slack;
mod subscription;
mod template;
mod trigger;
mod webhook;
mod yaml;

pub use config::{Config, Place, Problem, Source};
pub use due::{Due, Failure, Outcome, on_event, standing, trigger_of};
pub use notified::{NOTIFIED, Notified};
pub use service::{SUPPORTED, Sealed, Service};
pub use slack::{DeliveryPolicy, SlackMessage, SlackReply, Thread};
pub use subscription::Destination;
pub use template::Facts;
pub use webhook::{Retries, WebhookRequest};

/// The name of the ConfigMap with services, triggers and templates.
pub const CONFIG_MAP_NAME: &str = "argo-rollouts-notification-configmap";
/// The name of the Secret with what the ConfigMap refers to.
pub const SECRET_NAME: &str = "argo-rollouts-notification-secret";

/// A message that is ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// By Slack's Web API.
    Slack(Box<SlackMessage>),
    /// A request of its own.
    Webhook(Box<WebhookRequest>),
}
