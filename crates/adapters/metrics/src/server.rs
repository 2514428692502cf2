//! A server's settings: plain data, without secrets.

use crate::error::FetchError;
use crate::secret::Text;
use serde::{Deserialize, Serialize};
use sluice_model::millis;
use sluice_model::time::format_span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest timeout of a source: the longest wait that a check can reasonably have.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// Timeout of a source that names none.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

/// Where a server is and how it is to be spoken to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// URL, `http` or `https`. The provider's paths are put behind it; for `web`, it is the whole
    /// URL.
    pub address: Text,
    /// Headers that every request gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Text>,
    /// How the server is shown who asks.
    #[serde(default, skip_serializing_if = "Authentication::is_none")]
    pub authentication: Authentication,
    /// Whose certificates are trusted.
    #[serde(default, skip_serializing_if = "Tls::is_default")]
    pub tls: Tls,
    /// Longest wait for a whole answer, in milliseconds: more than zero and at most
    /// [`TIMEOUT_MAX`].
    #[serde(with = "millis", default = "timeout_default")]
    pub timeout: Duration,
}

/// How a server is shown who asks. What the caller hands in lasts as long as the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Authentication {
    /// Not at all, or by headers of the server's settings.
    #[default]
    None,
    /// User and password (RFC 7617).
    Basic {
        /// User.
        username: Text,
        /// Password.
        password: Text,
    },
    /// A fixed token in the `Authorization` header.
    Token {
        /// The word before the token; `Bearer` (RFC 6750) if left out.
        #[serde(default = "bearer")]
        scheme: String,
        /// The token.
        token: Text,
    },
    /// OAuth 2 client credentials (RFC 6749 §4.4); the token is kept until it expires.
    #[serde(rename = "oauth2")]
    OAuth2 {
        /// Where tokens are given out.
        token_url: Text,
        /// Who asks.
        client_id: Text,
        /// Its password.
        client_secret: Text,
        /// What the token is for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        scopes: Vec<String>,
    },
    /// AWS Signature Version 4. Profiles and roles are resolved by [`crate::AwsCredentials`].
    #[serde(rename = "sigv4")]
    SigV4 {
        /// Region, as in `eu-central-1`.
        region: String,
        /// Service name in signatures: `aps` for managed Prometheus, `monitoring` for CloudWatch.
        service: String,
        /// Access key.
        access_key_id: Text,
        /// Its secret.
        secret_access_key: Text,
        /// Token of temporary credentials.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_token: Option<Text>,
    },
}

/// Whose certificates are trusted; what this machine trusts, if nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// Certificates of authorities, as PEM, that are trusted instead of the machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// Trusts any certificate: whoever sits on the way reads and changes everything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

impl Server {
    /// A server at this address, with all else as if left out.
    #[must_use]
    pub fn at(address: impl Into<String>) -> Server {
        Server {
            address: Text::Plain(address.into()),
            headers: BTreeMap::new(),
            authentication: Authentication::None,
            tls: Tls::default(),
            timeout: TIMEOUT_DEFAULT,
        }
    }

    pub(crate) fn check(&self) -> Result<(), FetchError> {
        if self.timeout.is_zero() || self.timeout > TIMEOUT_MAX {
            return Err(FetchError::misconfigured(
                format!("its timeout is {}", format_span(self.timeout)),
                format!("set one from 1ms to {}", format_span(TIMEOUT_MAX)),
            ));
        }
        if self.tls.insecure && self.tls.authorities.is_some() {
            return Err(FetchError::misconfigured(
                "it trusts any certificate and names authorities",
                "leave out `insecure` or `authorities`",
            ));
        }
        Ok(())
    }
}

impl Authentication {
    fn is_none(&self) -> bool {
        *self == Authentication::None
    }
}

impl Tls {
    fn is_default(&self) -> bool {
        *self == Tls::default()
    }
}

fn timeout_default() -> Duration {
    TIMEOUT_DEFAULT
}

fn bearer() -> String {
    "Bearer".to_owned()
}
