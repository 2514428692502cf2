//! Access keys, and how servers write them.

use crate::secret::Secret;
use serde::Deserialize;
use sluice_model::Timestamp;

/// Access keys; their `Debug` form is blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: Secret,
    pub(super) secret: Secret,
    /// With temporary keys alone.
    pub(super) token: Option<Secret>,
    /// With temporary keys alone, unless nobody said.
    pub(super) expires: Option<Timestamp>,
}

/// Keys as STS has them in XML, and container endpoints and instance metadata in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Written {
    access_key_id: String,
    secret_access_key: String,
    #[serde(alias = "Token")]
    session_token: Option<String>,
    expiration: Option<String>,
}

impl Written {
    /// The keys, or what is wrong with them.
    pub(super) fn keys(self, now: Timestamp) -> Result<Keys, String> {
        if self.access_key_id.is_empty() || self.secret_access_key.is_empty() {
            return Err("answered with empty keys".to_owned());
        }
        let written = self.expiration.filter(|text| !text.is_empty());
        let expires = written.as_deref().map(moment).transpose()?;
        if expires.is_some_and(|expires| expires <= now) {
            return Err(format!(
                "answered with keys that expired at {}, and it is {now} here",
                written.unwrap_or_default()
            ));
        }
        Ok(Keys {
            id: Secret::new(self.access_key_id),
            secret: Secret::new(self.secret_access_key),
            token: self
                .session_token
                .filter(|token| !token.is_empty())
                .map(Secret::new),
            expires,
        })
    }
}

/// A moment as RFC 3339 writes it.
fn moment(text: &str) -> Result<Timestamp, String> {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    parsed
        .map(|moment| Timestamp(moment.as_millisecond()))
        .map_err(|_| "answered with keys whose expiration is not a time".to_owned())
}
