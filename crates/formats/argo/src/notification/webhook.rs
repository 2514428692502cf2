//! Messages as requests to a server of one's own.

use super::service::Sealed;
use super::template::Texts;
use crate::api::go_duration_ns;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::time::Duration;

/// The waits between tries, and their number, where nothing is written.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
/// Most tries after the first, whatever is written.
const RETRIES_MAX: u32 = 10;

/// Settings of a service of the type `webhook`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WebhookOptions {
    url: Sealed,
    headers: Vec<Header>,
    basic_auth: Option<BasicAuth>,
    insecure_skip_verify: bool,
    retry_max: u32,
    retry_wait_min: Wait,
    retry_wait_max: Wait,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: Sealed,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct BasicAuth {
    username: Sealed,
    password: Sealed,
}

/// A span: Go's text, or nanoseconds as Argo's own settings have them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wait(Duration);

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let nanoseconds = match &value {
            Value::String(text) => go_duration_ns(text).ok(),
            other => other.as_i64(),
        };
        let nanoseconds = nanoseconds.and_then(|number| u64::try_from(number).ok());
        let nanoseconds = nanoseconds.ok_or_else(|| {
            serde::de::Error::custom("a wait is a duration such as `2s`, or nanoseconds")
        })?;
        Ok(Wait(Duration::from_nanos(nanoseconds)))
    }
}

/// What a template has for one webhook.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct WebhookTemplate {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: String,
}

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookRequest {
    /// The method.
    pub method: String,
    /// The address; it may have a secret in it.
    pub url: Sealed,
    /// Headers and their values.
    pub headers: Vec<(String, Sealed)>,
    /// User and password of basic authentication.
    pub basic_auth: Option<(Sealed, Sealed)>,
    /// The body.
    pub body: String,
    /// Whether the server's certificate is not looked at.
    pub insecure: bool,
    /// How often and when it is tried again.
    pub retries: Retries,
}

/// When something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often after the first try.
    pub most: u32,
    /// The first wait; it doubles.
    pub wait_min: Duration,
    /// The longest.
    pub wait_max: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            most: RETRIES,
            wait_min: WAIT_MIN,
            wait_max: WAIT_MAX,
        }
    }
}

impl Retries {
    /// The wait after this many failures; `None` when it is not tried again.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
        (failures <= self.most).then(|| self.wait_min.saturating_mul(doubled).min(self.wait_max))
    }
}

impl WebhookTemplate {
    pub(super) fn written(&self, texts: &Texts, name: &str) -> Result<WebhookTemplate, String> {
        Ok(WebhookTemplate {
            method: self.method.clone(),
            path: texts.write(&format!("webhook.{name}.path"), &self.path)?,
            body: texts.write(&format!("webhook.{name}.body"), &self.body)?,
        })
    }
}

impl WebhookOptions {
    /// The request; without a part of its own in a template, the text of the message is its body.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub(super) fn request(
        &self,
        text: String,
        written: Option<WebhookTemplate>,
    ) -> Result<WebhookRequest, String> {
        let url = self.url.open();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err("the service has no url that begins with http:// or https://".to_owned());
        }
        let written = written.unwrap_or(WebhookTemplate {
            body: text,
            ..WebhookTemplate::default()
        });
        let url = match written.path.as_str() {
            "" => url.to_owned(),
            path => format!(
                "{}/{}",
                url.trim_end_matches('/'),
                path.trim_start_matches('/')
            ),
        };
        let or = |written: u32, default| if written == 0 { default } else { written };
        let wait = |written: Wait, default| {
            if written.0.is_zero() {
                default
            } else {
                written.0
            }
        };
        let headers = self.headers.iter();
        Ok(WebhookRequest {
            method: match written.method.as_str() {
                "" => "GET".to_owned(),
                method => method.to_uppercase(),
            },
            url: Sealed::from(url),
            headers: headers
                .map(|header| (header.name.clone(), header.value.clone()))
                .collect(),
            basic_auth: self
                .basic_auth
                .as_ref()
                .map(|basic| (basic.username.clone(), basic.password.clone())),
            body: written.body,
            insecure: self.insecure_skip_verify,
            retries: Retries {
                most: or(self.retry_max, RETRIES).min(RETRIES_MAX),
                wait_min: wait(self.retry_wait_min, WAIT_MIN),
                wait_max: wait(self.retry_wait_max, WAIT_MAX),
            },
        })
    }
}
