//! What every request to a server has in common: the address, headers and credentials, and the bound
//! on requests at once.
//!
//! How one request goes over the network is in `exchange`. The deadline is the source's, around the
//! whole fetch. Which requests there are, and what answers mean, is each provider's.

use crate::credentials::Credentials;
use crate::error::FetchError;
use crate::exchange::{Reply, exchange};
use crate::secret::{Secret, Secrets, Text, blot};
use crate::server::{Server, Tls};
use crate::sigv4::RESERVED;
use crate::tls;
use percent_encoding::utf8_percent_encode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::time::Instant;
use tokio::sync::{OnceCell, Semaphore};

/// Requests of one source at once; more wait, each within its own timeout. A metric server that is
/// slow should not be made slower by those who ask how things are.
pub const REQUESTS_AT_ONCE_MAX: usize = 16;

/// The way to one server.
pub(crate) struct Transport {
    base: Url,
    headers: HeaderMap,
    tls: Tls,
    credentials: Credentials,
    /// Made for the first request.
    client: OnceCell<reqwest::Client>,
    slots: Semaphore,
    /// What no message may show.
    hidden: Vec<Secret>,
}

/// A request, as a provider says it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Put behind the address' own path; may be empty.
    pub(crate) path: String,
    /// Put behind the address' own query.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) accept: &'static str,
    /// Further headers of the provider.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Body,
}

/// A request's body.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    Form(Vec<(String, String)>),
    Text {
        content_type: &'static str,
        text: String,
    },
}

impl Request {
    pub(crate) fn get(path: impl Into<String>, parameters: Vec<(String, String)>) -> Request {
        Request {
            method: Method::GET,
            path: path.into(),
            parameters,
            accept: "application/json",
            headers: Vec::new(),
            body: Body::None,
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: Body) -> Request {
        Request {
            method: Method::POST,
            body,
            ..Request::get(path, Vec::new())
        }
    }
}

impl Body {
    pub(crate) fn json(value: &serde_json::Value) -> Body {
        Body::Text {
            content_type: "application/json",
            text: value.to_string(),
        }
    }

    fn into_parts(self) -> Option<(&'static str, String)> {
        match self {
            Body::None => None,
            Body::Form(pairs) => Some(("application/x-www-form-urlencoded", encode(&pairs))),
            Body::Text { content_type, text } => Some((content_type, text)),
        }
    }
}

/// Pairs as a query or a form has them.
fn encode(pairs: &[(String, String)]) -> String {
    let escape = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

impl Transport {
    pub(crate) fn new(server: &Server, secrets: &Secrets) -> Result<Transport, FetchError> {
        server.check()?;
        let mut hidden: Vec<Secret> = secrets.values().cloned().collect();
        let mut base = parse(&resolve(&server.address, secrets)?, "its address")?;
        let mut credentials = Credentials::new(&server.authentication, secrets)?;
        if !base.username().is_empty() || base.password().is_some() {
            if matches!(credentials, Credentials::None) {
                credentials = Credentials::of_url(&base)?;
            }
            hidden.extend(base.password().map(Secret::new));
            // A URL with a host takes both.
            let _taken = base.set_username("").and_then(|()| base.set_password(None));
        }
        hidden.extend(credentials.derived());
        let mut headers = HeaderMap::new();
        for (name, value) in &server.headers {
            let value = resolve(value, secrets)?;
            let (Ok(key), Ok(mut value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(&value),
            ) else {
                return Err(FetchError::misconfigured(
                    format!("its header `{}` cannot be sent", name.escape_debug()),
                    "correct the header's name or value",
                ));
            };
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(Transport {
            base,
            headers,
            tls: server.tls.clone(),
            credentials,
            client: OnceCell::new(),
            slots: Semaphore::new(REQUESTS_AT_ONCE_MAX),
            hidden,
        })
    }

    /// Scheme, host and port: what of the address may be shown.
    pub(crate) fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// Blots out of a message what it must not show.
    pub(crate) fn discreet(&self, message: &str) -> String {
        let token = self.credentials.token_in_use();
        blot(message, self.hidden.iter().chain(token.as_ref()))
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&self, request: Request) -> Result<Reply, FetchError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let client = self.client().await?;
        let built = self.build(request)?;
        let began = Instant::now();
        let reply = self.exchange(client, &built).await?;
        // A token may be withdrawn before its time: once more, with a new one.
        if reply.status == StatusCode::UNAUTHORIZED && self.credentials.forget_older_than(began) {
            return self.exchange(client, &built).await;
        }
        Ok(reply)
    }

    async fn exchange(
        &self,
        client: &reqwest::Client,
        built: &reqwest::Request,
    ) -> Result<Reply, FetchError> {
        let mut request = built
            .try_clone()
            .expect("a body that lies in memory is cloned");
        self.credentials.put_into(&mut request, client).await?;
        exchange(client, request, &self.origin()).await
    }

    async fn client(&self) -> Result<&reqwest::Client, FetchError> {
        let make = || async {
            let (tls, is_https) = (
                self.tls.clone(),
                self.base.scheme() == "https" || self.credentials.needs_https(),
            );
            tokio::task::spawn_blocking(move || tls::client(&tls, is_https))
                .await
                .unwrap_or_else(|error| {
                    Err(FetchError::misconfigured(
                        format!("no HTTP client could be made: {error}"),
                        "this is a defect, report it",
                    ))
                })
        };
        self.client.get_or_try_init(make).await
    }

    fn build(&self, request: Request) -> Result<reqwest::Request, FetchError> {
        let mut url = self.base.clone();
        if !request.path.is_empty() {
            url.set_path(&format!(
                "{}{}",
                url.path().trim_end_matches('/'),
                request.path
            ));
        }
        if !request.parameters.is_empty() {
            let own = url.query().filter(|query| !query.is_empty());
            let added = encode(&request.parameters);
            let all = own.map_or(added.clone(), |own| format!("{own}&{added}"));
            url.set_query(Some(&all));
        }
        let mut built = reqwest::Request::new(request.method, url);
        let headers = built.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
        for (name, value) in request.headers {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let body = request.body.into_parts();
        if let Some((content_type, _)) = &body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        *built.body_mut() = body.map(|(_, text)| text.into());
        Ok(built)
    }
}

/// A URL of the settings.
pub(crate) fn parse(text: &str, what: &str) -> Result<Url, FetchError> {
    let next_step = "write it as in `https://host/path`";
    // The parser's error does not repeat the URL.
    let url = Url::parse(text).map_err(|error| {
        FetchError::misconfigured(format!("{what} is not a URL: {error}"), next_step)
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(FetchError::misconfigured(
            format!("{what} is neither http nor https"),
            next_step,
        ));
    }
    Ok(url)
}

/// The value behind a text of the settings.
pub(crate) fn resolve(text: &Text, secrets: &Secrets) -> Result<String, FetchError> {
    match text {
        Text::Plain(text) => Ok(text.clone()),
        Text::Secret { secret } => match secrets.get(secret) {
            Some(value) => Ok(value.expose().to_owned()),
            None => Err(FetchError::misconfigured(
                format!("there is no secret `{secret}`"),
                "make the secret, or correct its name",
            )),
        },
    }
}
