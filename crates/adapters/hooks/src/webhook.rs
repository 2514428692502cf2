//! Webhooks: one POST of the facts as JSON; 2xx is success.
//!
//! The receiver can tell a repetition by its `Idempotency-Key`. Redirections are not followed (one
//! could lead the facts, and the headers' secrets, to another host); a URL's user, path and query,
//! which may be secrets, reach no message and no log. Proxies come from `HTTP_PROXY`, `HTTPS_PROXY`
//! and `NO_PROXY`. Not here: which hook is called when (`runner`).

use crate::output::{OUTPUT_BYTES_MAX, readable};
use crate::runner::HookCall;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IntoHeaderName, LOCATION};
use reqwest::{Response, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use sluice_model::time::format_span;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Longest wait for a connection; the hook's own timeout covers the whole call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for the body of a failing answer.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest first line of an answer that a message shows, in characters.
const ANSWER_LINE_MAX: usize = 200;

/// The HTTP client, made for the first webhook: most Sluices have none.
#[derive(Debug, Default)]
pub(crate) struct Client {
    parts: OnceCell<Parts>,
}

#[derive(Debug)]
struct Parts {
    http: reqwest::Client,
    /// Whether this machine trusts any certificate authority.
    trusts_any: bool,
}

impl Client {
    /// Calls a webhook; the error is the cause and the next step.
    pub(crate) async fn call(
        &self,
        hook: &HookCall<'_>,
        url: &str,
        headers: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let url = parse(url)?;
        let origin = origin(&url);
        let headers = header_map(hook, headers)?;
        let body = serde_json::json!({
            "hook": hook.name,
            "effectId": hook.id,
            "facts": hook.facts,
        });
        let call = async {
            let parts = self.parts.get_or_try_init(Parts::load).await?;
            if url.scheme() == "https" && !parts.trusts_any {
                return Err("this machine has no trusted certificates; install `ca-certificates`, or name a file of them in SSL_CERT_FILE".to_owned());
            }
            let request = parts.http.post(url).headers(headers).body(body.to_string());
            match request.send().await {
                Ok(response) => judge(response, &origin).await,
                Err(error) => Err(format!(
                    "{origin} cannot be called: {}; see that it runs and that this machine reaches it",
                    causes(&error.without_url())
                )),
            }
        };
        tokio::time::timeout(hook.timeout, call).await.unwrap_or_else(|_elapsed| {
            Err(format!(
                "{origin} did not answer within {}; see why it hangs, or raise the hook's timeout",
                format_span(hook.timeout)
            ))
        })
    }
}

impl Parts {
    async fn load() -> Result<Parts, String> {
        let loaded = tokio::task::spawn_blocking(Parts::load_blocking).await;
        loaded.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Trusts what the machine trusts, and not a list of its own: webhooks often lead to hosts whose
    /// certificates come from the company's own authority.
    fn load_blocking() -> Result<Parts, String> {
        let failed = |error: &(dyn Error + 'static)| {
            format!(
                "no HTTP client could be made: {}; this is a defect, report it",
                causes(error)
            )
        };
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "some of this machine's trusted certificates cannot be read");
        }
        let mut roots = RootCertStore::empty();
        let (trusted, _unusable) = roots.add_parsable_certificates(native.certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(&error))?;
        Ok(Parts {
            http,
            trusts_any: trusted > 0,
        })
    }
}

/// A webhook's URL.
pub(crate) fn parse(url: &str) -> Result<Url, String> {
    let next_step = "correct the hook's `url`, as in `https://host/path`";
    // The parser's error does not repeat the URL.
    let url =
        Url::parse(url).map_err(|error| format!("its URL is not one: {error}; {next_step}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("its URL is neither http nor https; {next_step}"));
    }
    Ok(url)
}

/// Scheme, host and port: what of a URL may be shown.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn header_map(
    hook: &HookCall<'_>,
    headers: &BTreeMap<String, String>,
) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let (Ok(key), Ok(mut value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) else {
            return Err(format!(
                "its header `{}` cannot be sent; correct its name or value in the hook's `headers`",
                name.escape_debug()
            ));
        };
        value.set_sensitive(true);
        map.insert(key, value);
    }
    let mut insert = |name: &'static str, value: &str| put(&mut map, name, value);
    insert("idempotency-key", hook.id.as_str())?;
    insert("sluice-effect-id", hook.id.as_str())?;
    Ok(map)
}

fn put(map: &mut HeaderMap, name: impl IntoHeaderName, value: &str) -> Result<(), String> {
    let value = HeaderValue::from_str(value)
        .map_err(|error| format!("the effect's id cannot be sent: {error}; rename the hook"))?;
    map.insert(name, value);
    Ok(())
}

async fn judge(mut response: Response, origin: &str) -> Result<(), String> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let target = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let target = target
            .and_then(|target| response.url().join(target).ok())
            .map_or_else(
                || "elsewhere".to_owned(),
                |target| format!("to {}", self::origin(&target)),
            );
        return Err(format!(
            "{origin} answered {status} and points {target}, which is not followed; set the hook's `url` to the final address"
        ));
    }
    let mut bytes = Vec::new();
    let read = async {
        while bytes.len() < OUTPUT_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            bytes.extend_from_slice(&chunk[..chunk.len().min(OUTPUT_BYTES_MAX - bytes.len())]);
        }
    };
    // An answer that breaks off, or does not end, is as long as it is: the status tells enough.
    let _in_time = tokio::time::timeout(ANSWER_BODY_TIMEOUT, read).await;
    let text = readable(&bytes);
    let line: String = text
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(ANSWER_LINE_MAX)
        .collect();
    let line = if line.is_empty() {
        String::new()
    } else {
        format!(": {line}")
    };
    Err(format!(
        "{origin} answered {status}{line}; look at the receiver's log"
    ))
}

/// An error with what is underneath it, outermost first, without repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        next = error.source();
    }
    text
}
