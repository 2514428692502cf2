//! The configuration: what the ConfigMap and the Secret of a namespace say.

use super::service::{Sealed, Service};
use super::subscription::Subscription;
use super::template::Template;
use super::trigger::Condition;
use super::yaml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// The shortest value that is taken for a secret; what is shorter is a word or a number that texts have anyway.
const SECRET_LEAST: usize = 6;

/// Where a configuration comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The namespace of the ConfigMap and the Secret.
    pub namespace: String,
    /// Whether it is a namespace's own, beside the controller's.
    pub self_service: bool,
}

/// Something in a configuration that is wrong. The rest of it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key of the ConfigMap.
    pub place: Place,
    /// What is wrong with it, and what to do.
    pub cause: String,
    /// Whether only the Secret lacks a key that is named here.
    pub is_secret_missing: bool,
}

impl Problem {
    fn new(place: impl Into<Place>, cause: impl Into<String>) -> Self {
        Problem {
            place: place.into(),
            cause: cause.into(),
            is_secret_missing: false,
        }
    }
}

/// A key of the ConfigMap.
pub type Place = String;

/// Services, triggers, templates and subscriptions of a namespace.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where it comes from.
    pub source: Source,
    pub(super) services: BTreeMap<String, Service>,
    /// A trigger that is wrong says why.
    pub(super) triggers: BTreeMap<String, Result<Vec<Condition>, String>>,
    pub(super) templates: BTreeMap<String, Result<Template, String>>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) default_triggers: Vec<String>,
    pub(super) service_default_triggers: BTreeMap<String, Vec<String>>,
    pub(super) secrets: BTreeMap<String, Sealed>,
    /// What is wrong, by its place.
    pub problems: Vec<Problem>,
}

impl Config {
    /// Reads a ConfigMap and a Secret, as the API server has them; absent ones say nothing.
    #[must_use]
    pub fn read(source: Source, config_map: Option<&Value>, secret: Option<&Value>) -> Config {
        let mut config = Config {
            source,
            secrets: secrets_of(secret),
            ..Config::default()
        };
        let data = config_map.and_then(|object| object.get("data"));
        let entries = data.and_then(Value::as_object).into_iter().flatten();
        for (key, text) in entries {
            if let Some(text) = text.as_str()
                && let Err(cause) = config.take(key, text)
            {
                config.note(key, cause);
            }
        }
        config
    }

    /// Whether it can send nothing to anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.triggers.is_empty()
    }

    /// Whether a condition may begin to hold by the passing of time alone.
    #[must_use]
    pub fn reads_time(&self) -> bool {
        let conditions = self.triggers.values().flatten().flatten();
        let mut when = conditions.filter_map(|condition| condition.when.as_ref());
        when.any(crate::condition::Expression::reads_time)
    }

    /// A text without the values of the Secret, for logs and events.
    #[must_use]
    pub fn without_secrets(&self, text: &str) -> String {
        let secrets = self.secrets.values().map(Sealed::open);
        let mut secrets: Vec<&str> = secrets
            .filter(|secret| secret.len() >= SECRET_LEAST)
            .collect();
        // One that contains another goes first, or its rest would show.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let blotted = secrets.into_iter();
        blotted.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }

    /// Names of templates, triggers and services that the configuration refers to and does not have. They show when
    /// something is to be sent, and nobody gets it.
    #[must_use]
    pub fn loose_ends(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut look = |place: String, kind: &str, name: &str, is_there: bool| {
            if !is_there {
                let cause = format!("there is no {kind} `{name}`; write `{kind}.{name}`");
                found.push(Problem::new(place, cause));
            }
        };
        for (trigger, conditions) in &self.triggers {
            let sent = conditions.iter().flatten().flat_map(|it| &it.send);
            for name in sent {
                let place = format!("trigger.{trigger}");
                look(place, "template", name, self.templates.contains_key(name));
            }
        }
        let of_subscriptions = self.subscriptions.iter().flat_map(|it| &it.triggers);
        let of_all = self.default_triggers.iter();
        let named = of_subscriptions
            .map(|name| ("subscriptions".to_owned(), name))
            .chain(of_all.map(|name| ("defaultTriggers".to_owned(), name)))
            .chain(
                self.service_default_triggers
                    .iter()
                    .flat_map(|(to, names)| {
                        let place = format!("defaultTriggers.{to}");
                        names.iter().map(move |name| (place.clone(), name))
                    }),
            );
        for (place, name) in named {
            look(place, "trigger", name, self.triggers.contains_key(name));
        }
        for to in self.subscriptions.iter().flat_map(|it| &it.destinations) {
            let is_there = self.services.contains_key(&to.service);
            look("subscriptions".to_owned(), "service", &to.service, is_there);
        }
        found
    }

    fn note(&mut self, place: &str, cause: impl Into<String>) {
        self.problems.push(Problem::new(place, cause));
    }

    fn take(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key.split_once('.') {
            None if key == "subscriptions" => self.subscriptions = Subscription::read_all(text)?,
            None if key == "defaultTriggers" => {
                self.default_triggers = yaml::shaped(yaml::read(text)?)?;
            }
            Some(("defaultTriggers", service)) => {
                let triggers = yaml::shaped(yaml::read(text)?)?;
                self.service_default_triggers
                    .insert(service.to_owned(), triggers);
            }
            Some(("trigger", name)) => {
                let trigger = Condition::read_all(text);
                let wrong = trigger.clone().err();
                self.triggers.insert(name.to_owned(), trigger);
                return wrong.map_or(Ok(()), Err);
            }
            Some(("template", name)) => {
                let template = Template::read(text);
                let wrong = template.as_ref().err().cloned();
                self.templates.insert(name.to_owned(), template);
                return wrong.map_or(Ok(()), Err);
            }
            Some(("service", rest)) => {
                let (kind, name) = rest.split_once('.').unwrap_or((rest, rest));
                if name.contains('.') {
                    return Err(
                        "the key of a service is `service.<type>` or `service.<type>.<name>`"
                            .to_owned(),
                    );
                }
                let (service, missing) = Service::read(kind, text, &self.secrets);
                for key_of_secret in missing {
                    let cause = format!(
                        "the Secret {} has no text under `{key_of_secret}`; `${key_of_secret}` is sent as it is",
                        super::SECRET_NAME
                    );
                    self.problems.push(Problem {
                        is_secret_missing: true,
                        ..Problem::new(key, cause)
                    });
                }
                let wrong = match &service {
                    Service::Unusable(cause) => Err(cause.clone()),
                    _ => Ok(()),
                };
                self.services.insert(name.to_owned(), service);
                return wrong;
            }
            // Others may keep their own things here, as `context`.
            _ => {}
        }
        Ok(())
    }
}

fn secrets_of(secret: Option<&Value>) -> BTreeMap<String, Sealed> {
    let data = secret.and_then(|object| object.get("data"));
    let entries = data.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            Some((key.clone(), Sealed::from(String::from_utf8(bytes).ok()?)))
        })
        .collect()
}
