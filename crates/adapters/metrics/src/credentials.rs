//! Credentials on their way into a request.

use crate::error::FetchError;
use crate::oauth2::TokenSource;
use crate::secret::{Secret, Secrets, Text};
use crate::server::Authentication;
use crate::sigv4::{Signable, Signer};
use crate::transport::{parse, resolve};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use sluice_model::Timestamp;
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Credentials with their values.
pub(crate) enum Credentials {
    None,
    /// The value of the `Authorization` header.
    Fixed(Secret),
    Tokens(Box<TokenSource>),
    Signer(Box<Signer>),
}

impl Credentials {
    pub(crate) fn new(
        authentication: &Authentication,
        secrets: &Secrets,
    ) -> Result<Credentials, FetchError> {
        let value = |text: &Text, what: &str| {
            let value = resolve(text, secrets)?;
            if value.is_empty() {
                return Err(FetchError::misconfigured(
                    format!("the {what} is empty"),
                    "give it, or leave out the authentication",
                ));
            }
            Ok(value)
        };
        Ok(match authentication {
            Authentication::None => Credentials::None,
            Authentication::Basic { username, password } => Credentials::Fixed(basic(
                &value(username, "username")?,
                &value(password, "password")?,
            )),
            Authentication::Token { scheme, token } => {
                let token = value(token, "token")?;
                Credentials::Fixed(Secret::new(format!("{scheme} {token}")))
            }
            Authentication::OAuth2 {
                token_url,
                client_id,
                client_secret,
                scopes,
            } => Credentials::Tokens(Box::new(TokenSource::new(
                parse(&value(token_url, "token URL")?, "its token URL")?,
                value(client_id, "client id")?,
                Secret::new(value(client_secret, "client secret")?),
                scopes.join(" "),
            ))),
            Authentication::SigV4 {
                region,
                service,
                access_key_id,
                secret_access_key,
                session_token,
            } => Credentials::Signer(Box::new(Signer {
                region: value(&Text::Plain(region.clone()), "region")?,
                service: value(&Text::Plain(service.clone()), "service")?,
                access_key_id: Secret::new(value(access_key_id, "access key id")?),
                secret_access_key: Secret::new(value(secret_access_key, "secret access key")?),
                session_token: session_token
                    .as_ref()
                    .map(|token| value(token, "session token").map(Secret::new))
                    .transpose()?,
            })),
        })
    }

    /// User and password that were written into a URL.
    pub(crate) fn of_url(url: &Url) -> Result<Credentials, FetchError> {
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
                .map_err(|_| {
                    FetchError::misconfigured(
                        "user or password in its address is not text",
                        "name them in the source's `authentication`",
                    )
                })
        };
        Ok(Credentials::Fixed(basic(
            &decode(url.username())?,
            &decode(url.password().unwrap_or_default())?,
        )))
    }

    /// Secrets that are made from the given ones, and that a server might repeat.
    pub(crate) fn derived(&self) -> Vec<Secret> {
        match self {
            Credentials::Fixed(header) => header
                .expose()
                .split_once(' ')
                .map(|(_scheme, value)| Secret::new(value))
                .into_iter()
                .collect(),
            Credentials::None | Credentials::Tokens(_) | Credentials::Signer(_) => Vec::new(),
        }
    }

    pub(crate) fn token_in_use(&self) -> Option<Secret> {
        match self {
            Credentials::Tokens(tokens) => tokens.in_use(),
            _ => None,
        }
    }

    /// Forgets a token that was fetched before this moment; whether there was one.
    pub(crate) fn forget_older_than(&self, moment: Instant) -> bool {
        matches!(self, Credentials::Tokens(tokens) if tokens.forget_older_than(moment))
    }

    pub(crate) fn needs_https(&self) -> bool {
        matches!(self, Credentials::Tokens(tokens) if tokens.is_https())
    }

    /// Completes a request; whatever else would have said who asks is replaced.
    pub(crate) async fn put_into(
        &self,
        request: &mut reqwest::Request,
        client: &reqwest::Client,
    ) -> Result<(), FetchError> {
        match self {
            Credentials::None => Ok(()),
            Credentials::Fixed(header) => put(request, AUTHORIZATION, header.expose()),
            Credentials::Tokens(tokens) => {
                let token = tokens.token(client).await?;
                put(
                    request,
                    AUTHORIZATION,
                    &format!("Bearer {}", token.expose()),
                )
            }
            Credentials::Signer(signer) => sign(signer, request, now()),
        }
    }
}

/// A Basic header's value (RFC 7617).
pub(crate) fn basic(username: &str, password: &str) -> Secret {
    let pair = BASE64.encode(format!("{username}:{password}"));
    Secret::new(format!("Basic {pair}"))
}

fn put(request: &mut reqwest::Request, name: HeaderName, value: &str) -> Result<(), FetchError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        FetchError::misconfigured(
            "its credentials have a character that no header can carry",
            "correct the secret (a line end at its end is the usual cause)",
        )
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(name, value);
    Ok(())
}

/// The time by this machine's clock. One before 1970 makes a signature that the server refuses, and
/// says why.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Signs a request, with its host, the type of its body and the operation that it names.
pub(crate) fn sign(
    signer: &Signer,
    request: &mut reqwest::Request,
    now: Timestamp,
) -> Result<(), FetchError> {
    let host = request.url().host_str().unwrap_or_default();
    let host = match request.url().port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut headers = BTreeMap::from([("host", host.as_str())]);
    for name in [CONTENT_TYPE.as_str(), "x-amz-target"] {
        if let Some(value) = request.headers().get(name)
            && let Ok(value) = value.to_str()
        {
            headers.insert(name, value);
        }
    }
    let body = request.body().and_then(|body| body.as_bytes());
    let added = signer.headers(
        &Signable {
            method: request.method().as_str(),
            url: request.url(),
            headers,
            body: body.unwrap_or_default(),
        },
        now,
    );
    for (name, value) in added {
        put(request, HeaderName::from_static(name), &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    /// 2015-08-30T12:36:00Z.
    const NOW: Timestamp = Timestamp(1_440_938_160_000);

    /// What botocore 1.44.5 signs for the same requests at the same time.
    #[test]
    fn requests_are_signed_as_awss_own_library_signs_them() {
        for (method, url, headers, body, service, token, expected) in [
            (
                Method::POST,
                "https://aps-workspaces.us-east-1.amazonaws.com:8443/workspaces/ws-1/api/v1/query",
                &[("content-type", "application/x-www-form-urlencoded")][..],
                "query=up&time=1.000",
                "aps",
                Some("the-token"),
                "content-type;host;x-amz-date;x-amz-security-token, \
                 Signature=19e930dcca7e73f5c124b3c31be07641e48c9338ddb71a09c477cc0702949b6a",
            ),
            (
                Method::GET,
                "https://example.amazonaws.com/a%20b/c?query=sum%28a%7Bb%3D%22c%20d%22%7D%29%2B1&time=1.000",
                &[],
                "",
                "aps",
                None,
                "host;x-amz-date, \
                 Signature=89c92ac423fa72f8f1d97b44ff563d9d3222ece4164911e946b3093c3ddafa2e",
            ),
            (
                Method::POST,
                "https://monitoring.us-east-1.amazonaws.com/",
                &[
                    ("content-type", "application/x-amz-json-1.0"),
                    (
                        "x-amz-target",
                        "GraniteServiceVersion20100801.GetMetricData",
                    ),
                ],
                r#"{"StartTime":1}"#,
                "monitoring",
                None,
                "content-type;host;x-amz-date;x-amz-target, \
                 Signature=fe685e72b6581bf4288e91e8cb7bb9f5a9e5f05473fba2a87b227aaa3169c879",
            ),
        ] {
            let signer = Signer {
                region: "us-east-1".to_owned(),
                service: service.to_owned(),
                access_key_id: Secret::new("AKIDEXAMPLE"),
                secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                session_token: token.map(Secret::new),
            };
            let mut request = reqwest::Request::new(method, Url::parse(url).expect(url));
            for (name, value) in headers {
                let value = HeaderValue::from_static(value);
                request.headers_mut().insert(*name, value);
            }
            *request.body_mut() = Some(body.into());
            sign(&signer, &mut request, NOW).expect("headers that can be sent");
            let authorization = request.headers()[AUTHORIZATION].to_str().expect("text");
            let (_, signed) = authorization
                .split_once("SignedHeaders=")
                .expect("signed headers");
            assert_eq!(signed, expected, "{url}");
        }
    }
}
