//! Outside metric servers: where they are, what a check asks them, and how often.
//!
//! Plain data that may be stored and shown: where a secret is needed, its place is named.

use crate::ids::{RevisionNumber, ServiceName, SourceName};
use crate::millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A server that is asked for metric values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSource {
    /// What it speaks.
    pub provider: Provider,
    /// URL, `http` or `https`, without credentials. For [`Provider::Web`] the whole one, which may have
    /// placeholders ([`filled`]).
    pub address: String,
    /// How it is shown who asks.
    #[serde(default)]
    pub credentials: Credentials,
    /// Headers that every request gets, by name.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderText>,
    /// Path of a PEM file with the authorities that are trusted instead of the machine's own.
    #[serde(default)]
    pub authorities: Option<String>,
    /// Whether any certificate is trusted.
    #[serde(default)]
    pub insecure: bool,
    /// Longest wait for an answer.
    #[serde(with = "millis")]
    pub timeout: Duration,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Provider {
    /// Prometheus' HTTP API; queries are PromQL.
    Prometheus,
    /// HTTP with an answer in JSON; queries are JSON paths.
    Web,
}

/// How a server is shown who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Credentials {
    /// Not at all, or by a header.
    #[default]
    None,
    /// A bearer token (RFC 6750).
    Bearer(SecretPlace),
    /// User and password (RFC 7617).
    Basic {
        /// User.
        username: String,
        /// Password.
        password: SecretPlace,
    },
}

/// Where a secret is found; never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretPlace {
    /// A variable of Sluice's own environment.
    Env(String),
    /// A file, by its absolute path; a line break at its end does not count.
    File(String),
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderText {
    /// The value itself.
    Plain(String),
    /// A secret.
    Secret(SecretPlace),
}

/// What a check asks an outside server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutsideQuery {
    /// Which server.
    pub source: SourceName,
    /// The query, with placeholders ([`filled`]).
    pub text: String,
    /// Whether query or address tell the sides apart, so that each gets a value of its own.
    pub per_side: bool,
    /// How far the query looks back.
    #[serde(with = "millis")]
    pub window: Duration,
    /// Time between two questions.
    #[serde(with = "millis")]
    pub interval: Duration,
}

/// Intervals after which an answer is too old to judge by.
pub const STALE_INTERVALS: u32 = 3;

/// What stands for a placeholder.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `{{service}}`: the service's name.
    pub service: &'a ServiceName,
    /// `{{revision}}`: the side's revision, as its processes see it in `SLUICE_REVISION`.
    pub revision: RevisionNumber,
    /// `{{side}}`: `canary` or `baseline`.
    pub side: &'static str,
}

/// The placeholders that a text may have.
pub const PLACEHOLDERS: [&str; 3] = ["revision", "side", "service"];
/// Those that tell the sides apart.
pub const SIDE_PLACEHOLDERS: [&str; 2] = ["revision", "side"];

/// The names of a text's placeholders, known or not, in order: whatever stands between `{{` and `}}`.
#[must_use]
pub fn placeholders(text: &str) -> Vec<&str> {
    let name = |part| match part {
        Part::Placeholder(name) => Some(name),
        Part::Plain(_) => None,
    };
    parts(text).into_iter().filter_map(name).collect()
}

/// A text with its placeholders replaced; those that are not known stay as they are.
#[must_use]
pub fn filled(text: &str, asked: &Asked<'_>) -> String {
    let fill = |part| match part {
        Part::Plain(plain) => plain.to_owned(),
        Part::Placeholder("revision") => asked.revision.to_string(),
        Part::Placeholder("side") => asked.side.to_owned(),
        Part::Placeholder("service") => asked.service.as_str().to_owned(),
        Part::Placeholder(unknown) => format!("{{{{{unknown}}}}}"),
    };
    parts(text).into_iter().map(fill).collect()
}

/// A query on one line, for people: a line break is a space.
#[must_use]
pub fn on_one_line(query: &str) -> String {
    let lines = query.lines().map(str::trim);
    lines.collect::<Vec<&str>>().join(" ")
}

enum Part<'t> {
    Plain(&'t str),
    /// The name between the brackets.
    Placeholder(&'t str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{")
        && let Some((name, behind)) = after.split_once("}}")
    {
        parts.push(Part::Plain(before));
        parts.push(Part::Placeholder(name.trim()));
        rest = behind;
    }
    parts.push(Part::Plain(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_and_filled_and_everything_else_stays() {
        let service = ServiceName::new("web").expect("a name");
        let asked = Asked {
            service: &service,
            revision: RevisionNumber(7),
            side: "canary",
        };
        for (text, names, expected) in [
            ("up", &[] as &[&str], "up"),
            (
                r#"rate(x{rev="{{revision}}",s="{{ service }}"}[1m])"#,
                &["revision", "service"],
                r#"rate(x{rev="7",s="web"}[1m])"#,
            ),
            ("{{side}}{{side}}", &["side", "side"], "canarycanary"),
            ("{{colour}} {$.a}", &["colour"], "{{colour}} {$.a}"),
            ("{{revision", &[], "{{revision"),
            ("a}}b{{", &[], "a}}b{{"),
        ] {
            assert_eq!(placeholders(text), names, "{text}");
            assert_eq!(filled(text, &asked), expected, "{text}");
        }
    }
}
