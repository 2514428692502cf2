//! Answers that every provider gives in the same way: refusals, and JSON.

use crate::error::{FetchError, FetchErrorKind, Retry};
use crate::exchange::Reply;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Longest wait that a server may ask for and be believed.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// Reads an answer's JSON.
pub(crate) fn json<T: DeserializeOwned>(
    reply: &Reply,
    origin: &str,
    next_step: &str,
) -> Result<T, FetchError> {
    serde_json::from_slice(&reply.body).map_err(|error| {
        FetchError::malformed(
            format!("{origin} answered what its protocol does not know: {error}"),
            next_step,
        )
    })
}

/// What an answer means that is no success: by its status, with the server's words (the body's
/// first line, unless the provider found them).
pub(crate) fn refusal(
    reply: &Reply,
    origin: &str,
    said: Option<String>,
    query_step: &str,
) -> FetchError {
    let status = reply.status;
    let (kind, next_step) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            FetchErrorKind::Unauthorized,
            "correct the source's authentication, or let it read",
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            FetchErrorKind::Throttled,
            "ask less often, or have the limit raised",
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => (
            FetchErrorKind::TimedOut,
            "make the query cheaper, or see why the server is slow",
        ),
        _ if status.is_server_error() => (
            FetchErrorKind::Faulty,
            "look at the server's log; it is asked again later",
        ),
        _ => (FetchErrorKind::Rejected, query_step),
    };
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(&reply.body).into_owned());
    let said = first_line(&said);
    let cause = if said.is_empty() {
        format!("{origin} answered {status}")
    } else {
        format!("{origin} answered {status}: {said}")
    };
    let mut error = FetchError::new(kind, cause, next_step);
    if let (Retry::Later, Some(wait)) = (error.retry, retry_after(reply)) {
        error.retry = Retry::After(wait);
    }
    error
}

/// The first line that says anything, without control characters. It is cut to a message's measure
/// by the source, once secrets are blotted out: a half one would not be found.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// The wait that the server asks for, when it says it in seconds (RFC 9110 §10.2.3).
fn retry_after(reply: &Reply) -> Option<Duration> {
    let seconds = reply.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.min(RETRY_AFTER_MAX))
}
