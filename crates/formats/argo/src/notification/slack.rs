//! Messages by Slack's Web API: `chat.postMessage`, and `chat.update` where a template asks for it
//! (<https://docs.slack.dev/reference/methods/chat.postMessage>).

use super::service::Sealed;
use super::template::Texts;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Where Slack's methods are.
const API_URL: &str = "https://slack.com/api/";

/// Settings of a service of the type `slack`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlackOptions {
    username: String,
    icon: String,
    token: Sealed,
    #[serde(rename = "apiURL")]
    api_url: String,
    disable_unfurl: bool,
    insecure_skip_verify: bool,
}

/// What a template has for Slack.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SlackTemplate {
    username: String,
    icon: String,
    attachments: String,
    blocks: String,
    grouping_key: String,
    notify_broadcast: bool,
    delivery_policy: DeliveryPolicy,
}

/// What is done with a message of a group whose first one was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum DeliveryPolicy {
    /// It is posted into the first one's thread.
    #[default]
    Post,
    /// Posted as well, and the first one replaced.
    PostAndUpdate,
    /// The first one is replaced.
    Update,
}

/// A message, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct SlackMessage {
    /// The address of the API, with a slash at the end.
    pub api_url: String,
    /// The bearer token.
    pub token: Sealed,
    /// Whether the server's certificate is not looked at.
    pub insecure: bool,
    /// The arguments of the method, but those of its thread.
    pub arguments: Map<String, Value>,
    /// Messages with the same one are a thread in each channel; empty for none.
    pub grouping_key: String,
    /// Whether a message in a thread is shown in its channel as well.
    pub broadcast: bool,
    /// What is done with later messages of a group.
    pub policy: DeliveryPolicy,
}

/// The first message of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The channel's identifier.
    pub channel: String,
    /// The message's time stamp, which is its name.
    pub timestamp: String,
}

/// What Slack answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlackReply {
    /// It took the message, which is this one.
    Taken(Thread),
    /// It did not, and why.
    Refused(String),
}

impl SlackReply {
    /// Reads an answer; `None` when it is none of Slack's.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<SlackReply> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Some(if body["ok"].as_bool()? {
            SlackReply::Taken(Thread {
                channel: text("channel"),
                timestamp: text("ts"),
            })
        } else {
            SlackReply::Refused(text("error"))
        })
    }
}

impl SlackTemplate {
    /// Its texts with their names.
    pub(super) fn texts(&self) -> [(&'static str, &str); 5] {
        [
            ("slack.username", &self.username),
            ("slack.icon", &self.icon),
            ("slack.attachments", &self.attachments),
            ("slack.blocks", &self.blocks),
            ("slack.groupingKey", &self.grouping_key),
        ]
    }

    /// With its texts written.
    pub(super) fn written(&self, texts: &Texts) -> Result<SlackTemplate, String> {
        let [username, icon, attachments, blocks, grouping_key] = self.texts();
        let write = |(field, text): (&str, &str)| texts.write(field, text);
        Ok(SlackTemplate {
            username: write(username)?,
            icon: write(icon)?,
            attachments: write(attachments)?,
            blocks: write(blocks)?,
            grouping_key: write(grouping_key)?,
            notify_broadcast: self.notify_broadcast,
            delivery_policy: self.delivery_policy,
        })
    }
}

impl SlackOptions {
    /// The message to a channel.
    ///
    /// # Errors
    /// What is wrong with a text, or missing in the settings.
    pub(super) fn message(
        &self,
        channel: &str,
        text: String,
        written: &SlackTemplate,
    ) -> Result<SlackMessage, String> {
        if self.token.open().is_empty() {
            return Err(
                "the service has no token; write `token: $KEY` and the key into the Secret"
                    .to_owned(),
            );
        }
        if channel.is_empty() {
            return Err("no channel is named; write it as the value of the annotation".to_owned());
        }
        let mut arguments = Map::new();
        let mut put = |name: &str, value: Value| {
            arguments.insert(name.to_owned(), value);
        };
        put("channel", channel.into());
        put("text", text.into());
        let chosen = |own: &str, other: &str| {
            if own.is_empty() {
                other.to_owned()
            } else {
                own.to_owned()
            }
        };
        let username = chosen(&written.username, &self.username);
        if !username.is_empty() {
            put("username", username.into());
        }
        let icon = chosen(&written.icon, &self.icon);
        if is_emoji(&icon) {
            put("icon_emoji", icon.into());
        } else if icon.starts_with("http://") || icon.starts_with("https://") {
            put("icon_url", icon.into());
        } else if !icon.is_empty() {
            return Err(format!(
                "the icon `{icon}` is neither an emoji as `:name:` nor an http address"
            ));
        }
        for (name, written) in [
            ("attachments", &written.attachments),
            ("blocks", &written.blocks),
        ] {
            if let Some(list) = list_of(name, written)? {
                put(name, list);
            }
        }
        if self.disable_unfurl {
            put("unfurl_links", json!(false));
            put("unfurl_media", json!(false));
        }
        let api_url = if self.api_url.is_empty() {
            API_URL
        } else {
            &self.api_url
        };
        Ok(SlackMessage {
            api_url: format!("{}/", api_url.trim_end_matches('/')),
            token: self.token.clone(),
            insecure: self.insecure_skip_verify,
            arguments,
            grouping_key: written.grouping_key.clone(),
            broadcast: written.notify_broadcast,
            policy: written.delivery_policy,
        })
    }
}

fn is_emoji(icon: &str) -> bool {
    icon.len() > 2 && icon.starts_with(':') && icon.ends_with(':')
}

/// A list that a template wrote as JSON; `None` for none.
fn list_of(field: &str, text: &str) -> Result<Option<Value>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(text) {
        Ok(Value::Array(items)) if items.is_empty() => Ok(None),
        Ok(list @ Value::Array(_)) => Ok(Some(list)),
        Ok(_) => Err(format!("slack.{field} becomes JSON, but no list")),
        Err(cause) => Err(format!("slack.{field} becomes no JSON: {cause}")),
    }
}

impl SlackMessage {
    /// The methods to call, in their order, with their arguments. `first` is the group's first message, if there is one.
    #[must_use]
    pub fn calls(&self, first: Option<&Thread>) -> Vec<(&'static str, Map<String, Value>)> {
        let first = first.filter(|_| !self.grouping_key.is_empty());
        let mut calls = Vec::new();
        if first.is_none() || self.policy != DeliveryPolicy::Update {
            let mut arguments = self.arguments.clone();
            if let Some(first) = first {
                arguments.insert("thread_ts".to_owned(), json!(first.timestamp));
            }
            if self.broadcast {
                arguments.insert("reply_broadcast".to_owned(), json!(true));
            }
            calls.push(("chat.postMessage", arguments));
        }
        if let Some(first) = first
            && self.policy != DeliveryPolicy::Post
        {
            let mut arguments = self.arguments.clone();
            arguments.insert("channel".to_owned(), json!(first.channel));
            arguments.insert("ts".to_owned(), json!(first.timestamp));
            calls.push(("chat.update", arguments));
        }
        calls
    }
}
