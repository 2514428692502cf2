//! Services: where messages can go. Those of Argo that this controller does not speak are known by their name, so
//! that whoever subscribes to one is told.

use super::slack::SlackOptions;
use super::webhook::WebhookOptions;
use super::yaml;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The types of services that are spoken.
pub const SUPPORTED: [&str; 2] = ["slack", "webhook"];

/// Argo's other types.
const OF_ARGO: [&str; 19] = [
    "alertmanager",
    "awssqs",
    "email",
    "gcppubsub",
    "github",
    "googlechat",
    "grafana",
    "mattermost",
    "nats",
    "newrelic",
    "opsgenie",
    "pagerduty",
    "pagerdutyv2",
    "pushover",
    "rocketchat",
    "teams",
    "teams-workflows",
    "telegram",
    "webex",
];

/// A text that is not to be seen: its `Debug` form does not have it.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// The text itself, for the one who sends it.
    #[must_use]
    pub fn open(&self) -> &str {
        &self.0
    }
}

impl From<String> for Sealed {
    fn from(text: String) -> Self {
        Sealed(text)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A service of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Service {
    /// Slack's Web API.
    Slack(Box<SlackOptions>),
    /// A server that takes requests.
    Webhook(Box<WebhookOptions>),
    /// None that messages can be sent to, and why, with the next step.
    Unusable(String),
}

impl Service {
    /// Reads `service.<kind>[.<name>]`; with what its text refers to and the Secret lacks.
    pub(super) fn read(
        kind: &str,
        text: &str,
        secrets: &BTreeMap<String, Sealed>,
    ) -> (Service, Vec<String>) {
        let mut missing = Vec::new();
        let service = match kind {
            "slack" | "webhook" => match yaml::read(text) {
                Ok(mut value) => {
                    resolve(&mut value, secrets, &mut missing);
                    if kind == "slack" {
                        shaped(kind, value, |options| Service::Slack(Box::new(options)))
                    } else {
                        shaped(kind, value, |options| Service::Webhook(Box::new(options)))
                    }
                }
                Err(cause) => Service::Unusable(format!("its settings are no YAML: {cause}")),
            },
            kind => Service::Unusable(unsupported(kind)),
        };
        (service, missing)
    }
}

fn shaped<T: serde::de::DeserializeOwned + Default>(
    kind: &str,
    value: Value,
    make: impl Fn(T) -> Service,
) -> Service {
    // What the cause quotes may be a secret by now, but the field's name is not.
    match yaml::shaped(value) {
        Ok(options) => make(options),
        Err(_) => Service::Unusable(format!(
            "its settings do not have the form of the type `{kind}`; compare them with its documentation"
        )),
    }
}

fn unsupported(kind: &str) -> String {
    let supported = SUPPORTED.join(" and ");
    if OF_ARGO.contains(&kind) {
        format!(
            "services of the type `{kind}` are not supported by this controller; supported are {supported}, and most servers take a webhook"
        )
    } else {
        format!("there is no type of services called `{kind}`; supported are {supported}")
    }
}

/// Puts what the Secret has in the place of each `$key`; notes the keys that it lacks.
fn resolve(value: &mut Value, secrets: &BTreeMap<String, Sealed>, missing: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('$') => {
            *text = resolved(text, secrets, missing);
        }
        Value::Array(items) => {
            for item in items {
                resolve(item, secrets, missing);
            }
        }
        Value::Object(entries) => {
            for (_, entry) in entries.iter_mut() {
                resolve(entry, secrets, missing);
            }
        }
        _ => {}
    }
}

fn resolved(text: &str, secrets: &BTreeMap<String, Sealed>, missing: &mut Vec<String>) -> String {
    let is_of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        resolved.push_str(before);
        let end = after.find(|c| !is_of_key(c)).unwrap_or(after.len());
        let key = &after[..end];
        match secrets.get(key) {
            Some(secret) => resolved.push_str(secret.open()),
            None => {
                if !key.is_empty() {
                    missing.push(key.to_owned());
                }
                resolved.push('$');
                resolved.push_str(key);
            }
        }
        rest = &after[end..];
    }
    resolved.push_str(rest);
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_secret_are_put_in_place_and_missing_ones_named() {
        let secrets = BTreeMap::from([
            ("token".to_owned(), Sealed::from("hunter2".to_owned())),
            ("a-b_c".to_owned(), Sealed::from("x".to_owned())),
        ]);
        for (text, expected, lacks) in [
            ("$token", "hunter2", ""),
            ("Bearer $token", "Bearer hunter2", ""),
            ("$a-b_c/$token.", "x/hunter2.", ""),
            ("cost: $ 5", "cost: $ 5", ""),
            ("$absent", "$absent", "absent"),
        ] {
            let mut missing = Vec::new();
            assert_eq!(resolved(text, &secrets, &mut missing), expected);
            assert_eq!(missing.join(","), lacks, "{text}");
        }
    }

    #[test]
    fn a_type_that_is_not_spoken_says_which_are() {
        for (kind, part) in [
            ("teams", "`teams` are not supported"),
            ("email", "`email` are not supported"),
            ("slak", "no type of services called `slak`"),
        ] {
            let (service, _) = Service::read(kind, "", &BTreeMap::new());
            let Service::Unusable(cause) = service else {
                panic!("{kind} is taken for {service:?}");
            };
            assert!(cause.contains(part), "{cause}");
            assert!(cause.contains("slack and webhook"), "{cause}");
        }
    }
}
