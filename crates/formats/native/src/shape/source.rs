//! Outside metric servers.

use super::{Brief, Entries, Field, SpanText, Text};
use schemars::JsonSchema;
use serde::Deserialize;

/// A server that checks ask for values: exactly one of `prometheus` and `web`. Secrets are named by a variable of
/// Sluice's environment or a file, never written here.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Source")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SourceFields {
    /// Address of a Prometheus, or of what speaks its API (Thanos, Mimir, VictoriaMetrics); queries are PromQL.
    pub(crate) prometheus: Field<Text>,
    /// Address of a document in JSON; queries are JSON paths, as in `{$.orders.rate}`. It may have placeholders.
    pub(crate) web: Field<Text>,
    /// Longest wait for an answer, 1ms to 1m; 5s by default.
    pub(crate) timeout: Field<SpanText>,
    /// A bearer token: `{env: NAME}` or `{file: PATH}`.
    pub(crate) bearer: Field<SecretFields>,
    /// User and password.
    pub(crate) basic: Field<BasicFields>,
    /// Headers that every request gets: a text, `{env: NAME}` or `{file: PATH}`.
    pub(crate) headers: Field<Entries<Brief<Text, SecretFields>>>,
    /// Whose certificates are trusted; those that this machine trusts by default.
    pub(crate) tls: Field<TrustFields>,
}

/// Where a secret is found: exactly one of `env` and `file`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Secret")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SecretFields {
    /// A variable of Sluice's own environment.
    pub(crate) env: Field<Text>,
    /// A file; a line break at its end does not count.
    pub(crate) file: Field<Text>,
}

/// User and password.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Basic")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BasicFields {
    /// The user's name.
    #[schemars(required)]
    pub(crate) username: Field<Text>,
    /// The password: `{env: NAME}` or `{file: PATH}`.
    #[schemars(required)]
    pub(crate) password: Field<SecretFields>,
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Trust")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TrustFields {
    /// A PEM file with the authorities that are trusted instead of this machine's own.
    pub(crate) authorities: Field<Text>,
    /// `true` trusts any certificate: whoever sits on the way can read and change everything.
    pub(crate) insecure: Field<bool>,
}
