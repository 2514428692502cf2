//! Why there are no credentials.

use crate::error::{FetchError, FetchErrorKind};
use thiserror::Error;

/// Why there are no credentials for AWS. Its text has the cause and the next step, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{cause}; {next_step}")]
pub struct AwsError {
    /// What was wanted and what happened.
    pub cause: String,
    /// What a person can do.
    pub next_step: String,
}

impl AwsError {
    pub(super) fn new(cause: impl Into<String>, next_step: impl Into<String>) -> AwsError {
        AwsError {
            cause: cause.into(),
            next_step: next_step.into(),
        }
    }

    /// A call that brought no answer; `wanted` says what for.
    pub(super) fn of_call(wanted: &str, error: FetchError) -> AwsError {
        let next_step = match error.kind {
            FetchErrorKind::Unreachable | FetchErrorKind::TimedOut => {
                "see that this machine or pod reaches it".to_owned()
            }
            FetchErrorKind::Untrusted => {
                "name a file with its authority in SSL_CERT_FILE".to_owned()
            }
            FetchErrorKind::Redirected => "set the endpoint to the final address".to_owned(),
            _ => error.next_step,
        };
        AwsError::new(format!("{wanted}: {}", error.cause), next_step)
    }
}
