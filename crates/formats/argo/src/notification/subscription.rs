//! Who wants which messages: annotations of a Rollout, and the configuration's own `subscriptions`.

use super::config::Config;
use super::yaml;
use crate::api::{LabelSelector, LabelSelectorRequirement};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const SUBSCRIBE: &str = "notifications.argoproj.io/subscribe.";
const SUBSCRIPTIONS: &str = "notifications.argoproj.io/subscriptions";

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The service, by its name in the configuration.
    pub service: String,
    /// Who gets it there, as a channel; empty where the service needs nobody.
    pub recipient: String,
}

/// A subscription of the configuration: for all Rollouts that its selector fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Subscription {
    pub(super) destinations: Vec<Destination>,
    /// None: the configuration's default triggers.
    pub(super) triggers: Vec<String>,
    pub(super) selector: LabelSelector,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    recipients: Vec<String>,
    triggers: Vec<String>,
    selector: String,
}

impl Subscription {
    /// Reads the configuration's `subscriptions`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn read_all(text: &str) -> Result<Vec<Subscription>, String> {
        let written: Vec<Written> = yaml::shaped(yaml::read(text)?)?;
        written
            .into_iter()
            .map(|written| {
                Ok(Subscription {
                    destinations: written
                        .recipients
                        .iter()
                        .map(|text| recipient(text))
                        .collect(),
                    triggers: written.triggers,
                    selector: selector(&written.selector)?,
                })
            })
            .collect()
    }
}

/// `service:recipient`.
fn recipient(text: &str) -> Destination {
    let mut parts = text.split(':');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    Destination {
        service: next(),
        recipient: next(),
    }
}

/// What the annotations of one Rollout say, as far as they can be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    trigger: Vec<String>,
    destinations: Vec<BlockDestination>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BlockDestination {
    service: String,
    recipients: Vec<String>,
}

/// The destinations of each trigger for a Rollout with these labels and annotations, none twice; and what of the
/// annotations cannot be read.
pub(super) fn destinations(
    config: &Config,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> (BTreeMap<String, BTreeSet<Destination>>, Vec<String>) {
    let mut found: BTreeMap<String, BTreeSet<Destination>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for subscription in &config.subscriptions {
        if !subscription.selector.matches(labels) {
            continue;
        }
        let triggers = match subscription.triggers.as_slice() {
            [] => &config.default_triggers,
            triggers => triggers,
        };
        for trigger in triggers {
            let all = found.entry(trigger.clone()).or_default();
            all.extend(subscription.destinations.iter().cloned());
        }
    }
    let mut subscribe = |trigger: &str, service: &str, recipient: &str| {
        let by_default = config.service_default_triggers.get(service);
        let by_default = by_default.unwrap_or(&config.default_triggers);
        let named = [trigger.to_owned()];
        let triggers = if trigger.is_empty() {
            by_default.as_slice()
        } else {
            &named
        };
        for trigger in triggers {
            found
                .entry(trigger.clone())
                .or_default()
                .insert(Destination {
                    service: service.to_owned(),
                    recipient: recipient.to_owned(),
                });
        }
    };
    for (name, value) in annotations {
        if let Some(rest) = name.strip_prefix(SUBSCRIBE) {
            let mut parts = rest.split('.');
            let (first, second) = (parts.next().unwrap_or_default(), parts.next());
            let (trigger, service) = match second {
                Some(service) => (first, service),
                None => ("", first),
            };
            if value.is_empty() {
                subscribe(trigger, service, "");
            }
            let recipients = value.split(';').map(str::trim);
            for recipient in recipients.filter(|recipient| !recipient.is_empty()) {
                subscribe(trigger, service, recipient);
            }
        } else if name.starts_with(SUBSCRIPTIONS) {
            match yaml::read(value).and_then(yaml::shaped::<Vec<Block>>) {
                Ok(blocks) => {
                    for block in &blocks {
                        subscribe_block(block, &mut subscribe);
                    }
                }
                Err(cause) => wrong.push(format!(
                    "the annotation {name} is no list of triggers with destinations: {cause}"
                )),
            }
        }
    }
    (found, wrong)
}

fn subscribe_block(block: &Block, subscribe: &mut impl FnMut(&str, &str, &str)) {
    let by_default = [String::new()];
    let triggers = match block.trigger.as_slice() {
        [] => &by_default,
        triggers => triggers,
    };
    for trigger in triggers {
        for destination in &block.destinations {
            for recipient in &destination.recipients {
                subscribe(trigger, &destination.service, recipient);
            }
        }
    }
}

/// Whether annotations subscribe to anything: most Rollouts' do not.
pub(super) fn subscribes(annotations: &BTreeMap<String, String>) -> bool {
    annotations
        .keys()
        .any(|name| name.starts_with(SUBSCRIBE) || name.starts_with(SUBSCRIPTIONS))
}

/// The texts of a map such as labels or annotations.
pub(super) fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Reads a label selector as `kubectl` writes it: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
///
/// # Errors
/// Which part is no condition.
fn selector(text: &str) -> Result<LabelSelector, String> {
    let mut selector = LabelSelector::default();
    for part in parts(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let (key, operator, values) = requirement(part).ok_or_else(|| {
            format!(
                "`{part}` is no condition on labels; write `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` or `!key`"
            )
        })?;
        selector.match_expressions.push(LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values,
        });
    }
    Ok(selector)
}

/// The parts between the commas that are outside of brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut inside) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn requirement(part: &str) -> Option<(&str, &'static str, Vec<String>)> {
    let is_key = |key: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        !key.is_empty() && key.chars().all(fits)
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    let found = if let Some((key, value)) = part.split_once("!=") {
        (key.trim(), "NotIn", one(value))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key.trim(), "In", one(value))
    } else if let Some((left, values)) = part.split_once('(') {
        let values = values.trim_end().strip_suffix(')')?;
        let values = values.split(',').map(|value| value.trim().to_owned());
        let (key, word) = left.trim().split_once(char::is_whitespace)?;
        let operator = match word.trim() {
            "in" => "In",
            "notin" => "NotIn",
            _ => return None,
        };
        (key, operator, values.collect())
    } else if let Some(key) = part.strip_prefix('!') {
        (key.trim(), "DoesNotExist", Vec::new())
    } else {
        (part, "Exists", Vec::new())
    };
    is_key(found.0).then_some(found)
}
