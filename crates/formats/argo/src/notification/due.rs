//! What is to be sent, to whom, and what is remembered of it.

use super::Message;
use super::config::Config;
use super::notified::{Notified, key};
use super::service::{SUPPORTED, Service};
use super::slack::SlackTemplate;
use super::subscription::{Destination, destinations, subscribes, texts};
use super::template::{Facts, Template};
use super::trigger::Condition;
use super::webhook::WebhookTemplate;
use crate::condition;
use std::collections::{BTreeMap, BTreeSet};

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The trigger.
    pub trigger: String,
    /// Where it goes.
    pub destination: Destination,
    /// Its key in [`Notified`], where it is remembered.
    pub key: Option<String>,
    /// What is sent.
    pub message: Message,
}

/// A message that is due and cannot be sent as things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The trigger.
    pub trigger: String,
    /// Where it would go; `None` when that is not known.
    pub destination: Option<Destination>,
    /// Why, and what to do.
    pub cause: String,
}

/// What follows from one configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What is to be sent. What has a key is remembered by whoever sends it.
    pub due: Vec<Due>,
    /// What would be due and cannot be sent.
    pub failures: Vec<Failure>,
    /// Why some condition could not be told: for those who look into it, since a field may be missing for a while.
    pub untold: Vec<String>,
    /// The keys of all that holds now.
    pub held: BTreeSet<String>,
}

/// The trigger that an event of this reason runs: `RolloutCompleted` is `on-rollout-completed`.
#[must_use]
pub fn trigger_of(reason: &str) -> String {
    let letters: Vec<char> = reason.chars().collect();
    let mut trigger = "on-".to_owned();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        let next = letters.get(at + 1);
        let after_lower = before.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let begins_word = before.is_some() && next.is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && (after_lower || begins_word) {
            trigger.push('-');
        }
        trigger.push(letter.to_ascii_lowercase());
    }
    trigger
}

/// What an event sends: the conditions of its trigger that hold, and those without a `when`. What was sent for the
/// same `oncePer` is not sent again.
#[must_use]
pub fn on_event(config: &Config, facts: &Facts<'_>, reason: &str, notified: &Notified) -> Outcome {
    let mut look = Look::new(config, facts);
    let trigger = trigger_of(reason);
    let Some(all) = look.wanted.remove(&trigger) else {
        return look.finish();
    };
    let Some(conditions) = look.conditions(&trigger, &all) else {
        return look.finish();
    };
    for condition in conditions {
        let holds = condition.when.is_none() || look.holds(&trigger, condition);
        if !holds {
            continue;
        }
        let Some(once_per) = look.once_per(&trigger, condition) else {
            continue;
        };
        for destination in &all {
            let key = look.key(&trigger, condition, once_per.as_deref(), destination);
            let is_remembered = condition.when.is_some() || once_per.is_some();
            if once_per.is_some() && notified.has(&key) {
                continue;
            }
            let key = is_remembered.then_some(key);
            look.send(&trigger, condition, destination, key);
        }
    }
    look.finish()
}

/// What the conditions that hold now send, each once until it holds no longer, or once for each `oncePer`. What holds
/// no longer is forgotten.
pub fn standing(config: &Config, facts: &Facts<'_>, notified: &mut Notified) -> Outcome {
    let mut look = Look::new(config, facts);
    for (trigger, all) in std::mem::take(&mut look.wanted) {
        let Some(Ok(conditions)) = config.triggers.get(&trigger) else {
            continue;
        };
        for condition in conditions {
            if !look.holds(&trigger, condition) {
                for destination in &all {
                    notified.forget(&look.key(&trigger, condition, None, destination));
                }
                continue;
            }
            let Some(once_per) = look.once_per(&trigger, condition) else {
                continue;
            };
            for destination in &all {
                let key = look.key(&trigger, condition, once_per.as_deref(), destination);
                look.outcome.held.insert(key.clone());
                if !notified.has(&key) {
                    look.send(&trigger, condition, destination, Some(key));
                }
            }
        }
    }
    look.finish()
}

impl Notified {
    /// Forgets the oldest of what nothing holds any more, beyond a bound.
    pub fn settle<'a>(&mut self, outcomes: impl IntoIterator<Item = &'a Outcome>) {
        let outcomes = outcomes.into_iter();
        let held = outcomes.flat_map(|outcome| outcome.held.iter().cloned());
        self.bound(&held.collect());
    }
}

/// One look at a Rollout through one configuration.
struct Look<'a> {
    config: &'a Config,
    facts: &'a Facts<'a>,
    /// The destinations of each trigger.
    wanted: BTreeMap<String, BTreeSet<Destination>>,
    names: Option<BTreeMap<String, condition::Value>>,
    outcome: Outcome,
}

impl<'a> Look<'a> {
    fn new(config: &'a Config, facts: &'a Facts<'a>) -> Self {
        let mut look = Look {
            config,
            facts,
            wanted: BTreeMap::new(),
            names: None,
            outcome: Outcome::default(),
        };
        let metadata = facts.rollout.get("metadata");
        let of_metadata = |field: &str| texts(metadata.and_then(|metadata| metadata.get(field)));
        let annotations = of_metadata("annotations");
        if config.subscriptions.is_empty() && !subscribes(&annotations) {
            return look;
        }
        let (wanted, wrong) = destinations(config, &of_metadata("labels"), &annotations);
        look.wanted = wanted;
        look.outcome
            .failures
            .extend(wrong.into_iter().map(|cause| Failure {
                trigger: String::new(),
                destination: None,
                cause,
            }));
        look
    }

    /// What was found. A cause may quote what an expression or a template was given, but no secret.
    fn finish(mut self) -> Outcome {
        for failure in &mut self.outcome.failures {
            failure.cause = self.config.without_secrets(&failure.cause);
        }
        for untold in &mut self.outcome.untold {
            *untold = self.config.without_secrets(untold);
        }
        self.outcome
    }

    /// The conditions of a trigger. One that this configuration does not have may be another's.
    fn conditions(
        &mut self,
        trigger: &str,
        wanted: &BTreeSet<Destination>,
    ) -> Option<&'a [Condition]> {
        match self.config.triggers.get(trigger)? {
            Ok(conditions) => Some(conditions),
            Err(cause) => {
                let failures = wanted.iter().map(|destination| Failure {
                    trigger: trigger.to_owned(),
                    destination: Some(destination.clone()),
                    cause: format!("the trigger is wrong: {cause}"),
                });
                self.outcome.failures.extend(failures);
                None
            }
        }
    }

    fn names(&mut self) -> &BTreeMap<String, condition::Value> {
        let (config, facts) = (self.config, self.facts);
        self.names.get_or_insert_with(|| facts.names(config))
    }

    fn holds(&mut self, trigger: &str, condition: &Condition) -> bool {
        let now = self.facts.now;
        condition.holds(self.names(), now).unwrap_or_else(|cause| {
            self.outcome.untold.push(format!("{trigger}: {cause}"));
            false
        })
    }

    /// For what it is sent once: `Some(None)` when nothing is written, `None` when it cannot be told.
    fn once_per(&mut self, trigger: &str, condition: &Condition) -> Option<Option<String>> {
        let now = self.facts.now;
        match condition.once_per(self.names(), now) {
            Ok(once_per) => Some(once_per),
            Err(cause) => {
                self.outcome.untold.push(format!("{trigger}: {cause}"));
                None
            }
        }
    }

    fn key(
        &self,
        trigger: &str,
        condition: &Condition,
        once_per: Option<&str>,
        destination: &Destination,
    ) -> String {
        let source = &self.config.source;
        let namespace = source.self_service.then_some(source.namespace.as_str());
        key(namespace, trigger, &condition.key, once_per, destination)
    }

    fn send(
        &mut self,
        trigger: &str,
        condition: &Condition,
        destination: &Destination,
        key: Option<String>,
    ) {
        match write(self.config, self.facts, &condition.send, destination) {
            Ok(message) => self.outcome.due.push(Due {
                trigger: trigger.to_owned(),
                destination: destination.clone(),
                key,
                message,
            }),
            Err(cause) => self.outcome.failures.push(Failure {
                trigger: trigger.to_owned(),
                destination: Some(destination.clone()),
                cause,
            }),
        }
    }
}

/// Writes the message of these templates for a destination; a later template's parts replace an earlier one's.
///
/// # Errors
/// What is missing or wrong.
fn write(
    config: &Config,
    facts: &Facts<'_>,
    names: &[String],
    destination: &Destination,
) -> Result<Message, String> {
    let Destination { service, recipient } = destination;
    let Some(known) = config.services.get(service) else {
        return Err(format!(
            "there is no service `{service}`; write `service.{service}`, or `service.<type>.{service}` with the type {}, into the ConfigMap",
            SUPPORTED.join(" or ")
        ));
    };
    if let Service::Unusable(cause) = known {
        return Err(cause.clone());
    }
    let context = facts.context(config, destination);
    let mut text = String::new();
    let mut slack = SlackTemplate::default();
    let mut webhook: Option<WebhookTemplate> = None;
    for name in names {
        let template = template(config, name)?;
        let in_template = |cause: String| format!("template.{name}: {cause}");
        let written = context.write("message", &template.message);
        let written = written.map_err(in_template)?;
        if !written.is_empty() {
            text = written;
        }
        if let (Service::Slack(_), Some(part)) = (known, &template.slack) {
            slack = part.written(&context).map_err(in_template)?;
        }
        if let (Service::Webhook(_), Some(part)) = (known, template.webhook.get(service)) {
            webhook = Some(part.written(&context, service).map_err(in_template)?);
        }
    }
    match known {
        Service::Slack(options) => {
            let message = options.message(recipient, text, &slack)?;
            Ok(Message::Slack(Box::new(message)))
        }
        Service::Webhook(options) => {
            let request = options.request(text, webhook)?;
            Ok(Message::Webhook(Box::new(request)))
        }
        Service::Unusable(cause) => Err(cause.clone()),
    }
}

fn template<'a>(config: &'a Config, name: &str) -> Result<&'a Template, String> {
    match config.templates.get(name) {
        Some(Ok(template)) => Ok(template),
        Some(Err(cause)) => Err(format!("template.{name} is wrong: {cause}")),
        None => Err(format!(
            "there is no template `{name}`; write `template.{name}` into the ConfigMap"
        )),
    }
}
