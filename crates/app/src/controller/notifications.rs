//! Takes notifications to their services: Slack's Web API, and webhooks. One try each; who asks sets the deadline and
//! tries again. What a service is told of secrets shows in no error.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use sluice_argo::notification::{
    DeliveryPolicy, Message, Sealed, SlackMessage, SlackReply, Thread, WebhookRequest,
};
use sluice_kubernetes::{Deliver, Delivering, DeliveryError};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most characters of an answer that an error quotes.
const QUOTED_MAX: usize = 200;
/// How many groups of messages are remembered with their first one; those that were used last.
const THREADS_MAX: usize = 1_024;
/// The shortest text that is taken for a secret.
const SECRET_LEAST: usize = 6;
/// Errors of Slack that may be gone at the next try.
const SLACK_PASSING: [&str; 5] = [
    "fatal_error",
    "internal_error",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
];

/// The way to all services.
#[derive(Default)]
pub(crate) struct Services {
    secure: OnceCell<Client>,
    insecure: OnceCell<Client>,
    threads: Mutex<VecDeque<(Group, Thread)>>,
}

/// Messages of a channel that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    api_url: String,
    channel: String,
    key: String,
}

impl Deliver for Services {
    fn deliver<'a>(&'a self, message: &'a Message) -> Delivering<'a> {
        Box::pin(async move {
            match message {
                Message::Slack(message) => self.slack(message).await,
                Message::Webhook(request) => self.webhook(request).await,
            }
        })
    }
}

impl Services {
    async fn client(&self, insecure: bool) -> Result<&Client, DeliveryError> {
        let cell = if insecure {
            &self.insecure
        } else {
            &self.secure
        };
        let make = || async {
            tokio::task::spawn_blocking(move || sluice_metrics::http_client(insecure))
                .await
                .map_err(|error| never(format!("no HTTP client could be made: {error}")))?
                .map_err(|error| never(error.to_string()))
        };
        cell.get_or_try_init(make).await
    }

    async fn slack(&self, message: &SlackMessage) -> Result<(), DeliveryError> {
        let group = (!message.grouping_key.is_empty()).then(|| Group {
            api_url: message.api_url.clone(),
            channel: message.arguments["channel"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            key: message.grouping_key.clone(),
        });
        let first = group.as_ref().and_then(|group| self.first_of(group));
        let mut was_posted = false;
        for (method, arguments) in message.calls(first.as_ref()) {
            match self.call(message, method, &arguments).await {
                Ok(sent) => {
                    if let (None, Some(group)) = (&first, &group) {
                        self.remember(group, sent);
                    }
                    was_posted = true;
                }
                // The message is there; to post it again would be worse.
                Err(error) if was_posted && message.policy == DeliveryPolicy::PostAndUpdate => {
                    tracing::warn!(method, %error, "a message was posted, but the first one of its group not replaced");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn call(
        &self,
        message: &SlackMessage,
        method: &str,
        arguments: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Thread, DeliveryError> {
        let url = address(&format!("{}{method}", message.api_url))?;
        let origin = url.origin().ascii_serialization();
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(CONTENT_TYPE, json);
        headers.insert(
            AUTHORIZATION,
            secret_value(&format!("Bearer {}", message.token.open()))?,
        );
        *request.body_mut() = Some(serde_json::json!(arguments).to_string().into());
        let client = self.client(message.insecure).await?;
        let answered = send(client, request, &origin).await?;
        if !answered.status.is_success() {
            return Err(answered.refusal(&origin, &[&message.token]));
        }
        match SlackReply::read(&answered.body) {
            Some(SlackReply::Taken(thread)) => Ok(thread),
            Some(SlackReply::Refused(error)) => Err(DeliveryError {
                is_final: !SLACK_PASSING.contains(&error.as_str()),
                cause: format!(
                    "{method}: Slack answers `{error}`; its documentation of {method} says what that means"
                ),
                retry_after: answered.retry_after,
            }),
            None => Err(never(format!(
                "{origin} gives no answer of Slack's API; see that apiURL is its address"
            ))),
        }
    }

    fn first_of(&self, group: &Group) -> Option<Thread> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let place = threads.iter().position(|(known, _)| known == group)?;
        let entry = threads.remove(place)?;
        let thread = entry.1.clone();
        threads.push_front(entry);
        Some(thread)
    }

    fn remember(&self, group: &Group, first: Thread) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push_front((group.clone(), first));
        threads.truncate(THREADS_MAX);
    }

    async fn webhook(&self, asked: &WebhookRequest) -> Result<(), DeliveryError> {
        let url = address(asked.url.open())?;
        let origin = url.origin().ascii_serialization();
        let method = Method::from_bytes(asked.method.as_bytes())
            .map_err(|_| never(format!("`{}` is no method of HTTP", asked.method)))?;
        let mut request = Request::new(method, url);
        for (name, value) in &asked.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| never(format!("`{}` is no name of a header", name.escape_debug())))?;
            request
                .headers_mut()
                .insert(name, secret_value(value.open())?);
        }
        if !asked.body.is_empty() {
            *request.body_mut() = Some(asked.body.clone().into());
        }
        let client = self.client(asked.insecure).await?;
        if let Some((user, password)) = &asked.basic_auth {
            let builder = reqwest::RequestBuilder::from_parts(client.clone(), request);
            let builder = builder.basic_auth(user.open(), Some(password.open()));
            request = builder
                .build()
                .map_err(|error| never(error.without_url().to_string()))?;
        }
        let answered = send(client, request, &origin).await?;
        if answered.status.is_success() {
            return Ok(());
        }
        let credentials = asked
            .basic_auth
            .iter()
            .flat_map(|(user, password)| [user, password]);
        let headers = asked.headers.iter().map(|(_, value)| value);
        let secrets: Vec<&Sealed> = credentials.chain(headers).chain([&asked.url]).collect();
        Err(answered.refusal(&origin, &secrets))
    }
}

/// What a service answered.
struct Answered {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl Answered {
    /// The error that a status means.
    fn refusal(&self, origin: &str, secrets: &[&Sealed]) -> DeliveryError {
        let status = self.status;
        let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let next_step = match status.as_u16() {
            300..=399 => "; redirections are not followed, write the address where it leads",
            401 | 403 => "; see that the credentials in the Secret are right",
            404 => "; see that the address and the path are right",
            _ => "",
        };
        let body = String::from_utf8_lossy(&self.body);
        let mut quoted: String = body.trim().chars().take(QUOTED_MAX).collect();
        let mut secrets: Vec<&str> = secrets.iter().map(|secret| secret.open()).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in secrets
            .into_iter()
            .filter(|secret| secret.len() >= SECRET_LEAST)
        {
            quoted = quoted.replace(secret, "…");
        }
        if !quoted.is_empty() {
            quoted = format!(": {quoted}");
        }
        DeliveryError {
            cause: format!("{origin} answers {status}{quoted}{next_step}"),
            is_final: !passes,
            retry_after: self.retry_after,
        }
    }
}

async fn send(client: &Client, request: Request, origin: &str) -> Result<Answered, DeliveryError> {
    let response = client
        .execute(request)
        .await
        .map_err(|error| unreached(origin, error))?;
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Ok(Answered {
        status,
        retry_after: retry_after.map(Duration::from_secs),
        body: read(response, origin).await?,
    })
}

async fn read(mut response: Response, origin: &str) -> Result<Vec<u8>, DeliveryError> {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(unreached(origin, error)),
        }
    }
    body.truncate(ANSWER_BYTES_MAX);
    Ok(body)
}

fn unreached(origin: &str, error: reqwest::Error) -> DeliveryError {
    let error = error.without_url();
    let mut cause = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        cause = format!("{cause}: {inner}");
        source = inner.source();
    }
    DeliveryError {
        cause: format!(
            "{origin} cannot be reached: {cause}; see that it is up and can be reached from the controller"
        ),
        is_final: false,
        retry_after: None,
    }
}

fn address(text: &str) -> Result<Url, DeliveryError> {
    Url::parse(text).map_err(|error| {
        never(format!(
            "the service's address cannot be used: {error}; write one as https://host/path"
        ))
    })
}

/// A header's value that no `Debug` text shows.
fn secret_value(text: &str) -> Result<HeaderValue, DeliveryError> {
    let mut value = HeaderValue::from_str(text.trim()).map_err(|_| {
        never("a header's value, or the token, has characters that cannot be sent".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn never(cause: String) -> DeliveryError {
    DeliveryError {
        cause,
        is_final: true,
        retry_after: None,
    }
}
