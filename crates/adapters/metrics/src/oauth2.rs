//! OAuth 2 client credentials (RFC 6749 §4.4): a token for id and password, kept until it expires.

use crate::answer;
use crate::credentials::basic;
use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::{Reply, exchange};
use crate::number::Number;
use crate::secret::Secret;
use crate::sigv4::RESERVED;
use percent_encoding::utf8_percent_encode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token is used no more this long before it expires: requests take time, and clocks differ.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// How long a token is used whose lifetime the server does not tell.
const LIFETIME_UNTOLD: Duration = Duration::from_secs(5 * 60);

/// Longest use of a token, whatever the server says.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Gives out tokens.
pub(crate) struct TokenSource {
    token_url: Url,
    client_id: String,
    client_secret: Secret,
    scope: String,
    current: Mutex<Option<Token>>,
    /// Held while a token is fetched, so that several requests wait for one.
    fetching: tokio::sync::Mutex<()>,
}

struct Token {
    value: Secret,
    fetched: Instant,
    expires: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    /// In seconds; some servers write it as text.
    #[serde(default)]
    expires_in: Number,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

/// How id and password are shown to the server (RFC 6749 §2.3.1).
#[derive(Clone, Copy)]
enum Shown {
    InHeader,
    InBody,
}

impl TokenSource {
    pub(crate) fn new(
        token_url: Url,
        client_id: String,
        client_secret: Secret,
        scope: String,
    ) -> TokenSource {
        TokenSource {
            token_url,
            client_id,
            client_secret,
            scope,
            current: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn is_https(&self) -> bool {
        self.token_url.scheme() == "https"
    }

    /// The token that requests carry now.
    pub(crate) fn in_use(&self) -> Option<Secret> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|token| token.value.clone())
    }

    /// Forgets a token that was fetched before this moment; whether there was one.
    pub(crate) fn forget_older_than(&self, moment: Instant) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.take_if(|token| token.fetched < moment).is_some()
    }

    /// A token that is good now.
    pub(crate) async fn token(&self, client: &reqwest::Client) -> Result<Secret, FetchError> {
        if let Some(token) = self.good() {
            return Ok(token);
        }
        let _alone = self.fetching.lock().await;
        if let Some(token) = self.good() {
            return Ok(token);
        }
        let token = self.fetch(client).await?;
        let value = token.value.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(value)
    }

    fn good(&self) -> Option<Secret> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let token = current.as_ref()?;
        (token.expires > Instant::now()).then(|| token.value.clone())
    }

    /// Asks as every server has to understand it, then as some servers want it.
    async fn fetch(&self, client: &reqwest::Client) -> Result<Token, FetchError> {
        let asked = Instant::now();
        let mut reply = self.ask(client, Shown::InHeader).await?;
        if matches!(
            reply.status,
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
        ) {
            reply = self.ask(client, Shown::InBody).await?;
        }
        self.read(&reply, asked)
    }

    async fn ask(&self, client: &reqwest::Client, shown: Shown) -> Result<Reply, FetchError> {
        let escape = |text: &str| utf8_percent_encode(text, RESERVED).to_string();
        let (id, secret) = (escape(&self.client_id), escape(self.client_secret.expose()));
        let mut body = "grant_type=client_credentials".to_owned();
        if !self.scope.is_empty() {
            body.push_str(&format!("&scope={}", escape(&self.scope)));
        }
        let mut request = reqwest::Request::new(Method::POST, self.token_url.clone());
        match shown {
            Shown::InHeader => {
                let header = basic(&id, &secret);
                let mut value = HeaderValue::from_str(header.expose())
                    .expect("what is percent-encoded and then Base64 is a header's value");
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            Shown::InBody => {
                body.push_str(&format!("&client_id={id}&client_secret={secret}"));
            }
        }
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        *request.body_mut() = Some(body.into());
        exchange(client, request, &self.origin()).await
    }

    fn read(&self, reply: &Reply, asked: Instant) -> Result<Token, FetchError> {
        let what = format!("{}, which gives out tokens,", self.origin());
        if !reply.status.is_success() {
            let said = serde_json::from_slice::<Refused>(&reply.body).ok();
            let said = said.map(|refused| match refused.error_description {
                Some(description) => format!("{}: {description}", refused.error),
                None => refused.error,
            });
            let next_step = "correct the source's client id, client secret or scopes";
            let mut error = answer::refusal(reply, &what, said, next_step);
            if error.kind == FetchErrorKind::Rejected {
                error.kind = FetchErrorKind::Unauthorized;
            }
            return Err(error);
        }
        let next_step = "see that the token URL is that of an OAuth 2 server";
        let granted: Granted = answer::json(reply, &what, next_step)?;
        let is_bearer = granted
            .token_type
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        if granted.access_token.is_empty() || !is_bearer {
            return Err(FetchError::malformed(
                format!("{what} gave no bearer token"),
                next_step,
            ));
        }
        let lifetime = granted
            .expires_in
            .0
            .filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
            .map_or(LIFETIME_UNTOLD, |seconds| {
                Duration::from_secs_f64(seconds.min(LIFETIME_MAX.as_secs_f64()))
            });
        Ok(Token {
            value: Secret::new(granted.access_token),
            fetched: asked,
            expires: asked + lifetime.saturating_sub(EXPIRY_MARGIN),
        })
    }

    fn origin(&self) -> String {
        self.token_url.origin().ascii_serialization()
    }
}
