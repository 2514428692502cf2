//! Argo's providers, one file each: from a metric to a question, and from a sample to an answer.

pub(super) mod authentication;
pub(super) mod cloudwatch;
pub(super) mod datadog;
pub(super) mod graphite;
pub(super) mod influxdb;
pub(super) mod kayenta;
pub(super) mod newrelic;
pub(super) mod prometheus;
pub(super) mod skywalking;
pub(super) mod wavefront;
pub(super) mod web;

use sluice_argo::api::DurationText;
use sluice_kubernetes::{Question, SecretKeys};
use sluice_metrics::Window;
use std::time::Duration;

/// The window and the timeout that a provider's fields leave out, where Argo has a default.
const INTERVAL: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(10);
const LONG_TIMEOUT: Duration = Duration::from_secs(30);

/// A duration of a provider's field; the default when it is empty.
pub(super) fn duration(
    name: &str,
    field: &str,
    text: &DurationText,
    default: Duration,
) -> Result<Duration, String> {
    if text.0.is_empty() {
        return Ok(default);
    }
    let nanoseconds = text
        .nanoseconds()
        .map_err(|cause| format!("{name}: {field}: {cause}"))?;
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds @ 1..) => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(format!(
            "{name}: {field} is {}; write more than zero, as in `30s`",
            text.0
        )),
    }
}

/// A timeout in seconds; the default when it is left out.
fn seconds(
    name: &str,
    field: &str,
    value: Option<i64>,
    default: Duration,
) -> Result<Duration, String> {
    match value.map(u64::try_from) {
        None => Ok(default),
        Some(Ok(seconds @ 1..)) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(format!(
            "{name}: {field} is {}; write seconds, more than zero",
            value.unwrap_or_default()
        )),
    }
}

/// The window of this length up to now.
fn window(question: &Question<'_>, span: Duration) -> Window {
    Window::ending(question.now, span)
}

/// A key that a provider's Secret has to have.
fn needed<'s>(
    name: &str,
    place: &str,
    secret: &'s SecretKeys,
    key: &str,
) -> Result<&'s str, String> {
    let value = secret.get(key).map(str::trim);
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        format!("{name}: the Secret `{place}` has no text under `{key}`; add the key to it")
    })
}
