//! Why there is no sample: the source, the cause, the next step, and whether to try again.

use std::time::Duration;
use thiserror::Error;

/// Why there is no sample. Its text names the source, the cause and the next step, and holds no
/// secret and no part of a URL but scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("metric source `{source_name}`: {cause}; {next_step}")]
pub struct FetchError {
    /// The name of the source that was asked.
    pub source_name: String,
    /// What kind of failure it is.
    pub kind: FetchErrorKind,
    /// What happened.
    pub cause: String,
    /// What a person can do.
    pub next_step: String,
    /// Whether asking the same again makes sense.
    pub retry: Retry,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchErrorKind {
    /// The server's settings, the query or a secret cannot work; nothing was sent.
    Misconfigured,
    /// No connection, or one that broke off.
    Unreachable,
    /// The server's certificate is not trusted.
    Untrusted,
    /// No whole answer within the source's timeout.
    TimedOut,
    /// The credentials do not suffice (401, 403).
    Unauthorized,
    /// Too many requests (429).
    Throttled,
    /// The server answers that the query is wrong or asks for too much.
    Rejected,
    /// The server has a fault of its own (5xx).
    Faulty,
    /// The answer points elsewhere, which is not followed.
    Redirected,
    /// The answer is longer than is read.
    TooLarge,
    /// The answer is not what the provider's protocol says.
    Malformed,
}

/// Whether asking the same again makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same would happen: something has to be changed first.
    Never,
    /// The cause may pass by itself.
    Later,
    /// The cause may pass; the server said how long to wait.
    After(Duration),
}

impl FetchError {
    /// A failure of this kind, with the advice on trying again that the kind usually has. The
    /// source's name is filled in by the source.
    pub(crate) fn new(
        kind: FetchErrorKind,
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) -> FetchError {
        let retry = match kind {
            FetchErrorKind::Unreachable
            | FetchErrorKind::TimedOut
            | FetchErrorKind::Throttled
            | FetchErrorKind::Faulty => Retry::Later,
            FetchErrorKind::Misconfigured
            | FetchErrorKind::Untrusted
            | FetchErrorKind::Unauthorized
            | FetchErrorKind::Rejected
            | FetchErrorKind::Redirected
            | FetchErrorKind::TooLarge
            | FetchErrorKind::Malformed => Retry::Never,
        };
        FetchError {
            source_name: String::new(),
            kind,
            cause: cause.into(),
            next_step: next_step.into(),
            retry,
        }
    }

    pub(crate) fn misconfigured(
        cause: impl Into<String>,
        next_step: impl Into<String>,
    ) -> FetchError {
        FetchError::new(FetchErrorKind::Misconfigured, cause, next_step)
    }

    pub(crate) fn malformed(cause: impl Into<String>, next_step: impl Into<String>) -> FetchError {
        FetchError::new(FetchErrorKind::Malformed, cause, next_step)
    }
}
