//! Errors as the API reports them: a stable code, a sentence, and the next step.
//!
//! The code decides the HTTP status and the exit code of the command line; see `client` for errors
//! that happen before there is an answer.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sluice_model::diagnostic::Diagnostic;
use sluice_model::ids::ServiceName;
use std::fmt;

/// Names that are listed in a message, at most; the rest is a number.
const NAMES_LISTED_MAX: usize = 8;

/// Names at least this alike (Jaro-Winkler, 0 to 1) are offered as what was meant.
const ALIKE_MIN: f64 = 0.8;

/// What kind of error; the word in the JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request is not understood, or its document is invalid.
    Invalid,
    /// No token, or a wrong one.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// There is no service of this name.
    UnknownService,
    /// There is something else that is missing: a revision, an address.
    NotFound,
    /// The command cannot be carried out as things stand; nothing changed.
    Refused,
    /// The request is too large.
    TooLarge,
    /// Too many clients at a time.
    Busy,
    /// The store cannot write, so nothing was started.
    StoreUnavailable,
    /// Sluice is ending.
    ShuttingDown,
    /// No answer in time; it may still come about.
    TimedOut,
    /// A fault of Sluice itself.
    #[serde(other)]
    Internal,
}

impl ErrorCode {
    /// The word in the JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::UnknownService => "unknown-service",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::TooLarge => "too-large",
            Self::Busy => "busy",
            Self::StoreUnavailable => "store-unavailable",
            Self::ShuttingDown => "shutting-down",
            Self::TimedOut => "timed-out",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::UnknownService | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Refused => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::StoreUnavailable | Self::ShuttingDown => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error as the API reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// What kind.
    pub code: ErrorCode,
    /// What is wrong, and why.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// What is wrong with the document, place by place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Diagnostic>,
}

impl ApiError {
    /// An error of this kind.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            diagnostics: Vec::new(),
        }
    }

    /// The same with a next step.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// No such service, with the nearest name or the names there are.
    #[must_use]
    pub fn unknown_service(name: &str, known: &[ServiceName]) -> Self {
        let error = Self::new(
            ErrorCode::UnknownService,
            format!("there is no service `{name}`"),
        );
        error.with_help(match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => list_names(known),
        })
    }

    /// A command that cannot be carried out; nothing changed.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Refused, message)
    }

    /// A document with errors.
    #[must_use]
    pub fn invalid_document(diagnostics: Vec<Diagnostic>) -> Self {
        let mut error = Self::new(
            ErrorCode::Invalid,
            "the document is not valid; nothing changed",
        )
        .with_help("correct it, and look at it again with `sluice lint FILE`");
        error.diagnostics = diagnostics;
        error
    }

    /// The store cannot write; nothing was started.
    #[must_use]
    pub fn store_unavailable(cause: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::StoreUnavailable,
            format!("the state could not be written, so nothing was changed: {cause}"),
        )
        .with_help("free space on the disk of the state folder, or make it writable, and try again")
    }

    /// No answer in time.
    #[must_use]
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::TimedOut, message).with_help(
            "it may still come about: look with `sluice status`, and at Sluice's own output",
        )
    }

    /// A fault of Sluice itself.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.code == ErrorCode::Internal {
            tracing::error!(error = %self, "the API could not answer");
        }
        (self.code.status(), axum::Json(self)).into_response()
    }
}

/// The known name that `name` most likely stands for.
fn nearest<'a>(name: &str, known: &'a [ServiceName]) -> Option<&'a ServiceName> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate.as_str()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

fn list_names(known: &[ServiceName]) -> String {
    if known.is_empty() {
        return "there are no services yet: add one to sluice.yaml and run `sluice deploy`"
            .to_owned();
    }
    let listed: Vec<&str> = known
        .iter()
        .take(NAMES_LISTED_MAX)
        .map(ServiceName::as_str)
        .collect();
    let more = known.len() - listed.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("the services are: {}{rest}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<ServiceName> {
        names
            .iter()
            .map(|name| ServiceName::new(*name).expect("a name"))
            .collect()
    }

    #[test]
    fn a_misspelt_service_gets_the_nearest_name_and_a_strange_one_the_list() {
        let known = names(&["checkout", "catalog", "mail"]);
        for (asked, help) in [
            ("chekout", "did you mean `checkout`?"),
            ("Catalog", "did you mean `catalog`?"),
            ("zzz", "the services are: checkout, catalog, mail"),
        ] {
            let error = ApiError::unknown_service(asked, &known);
            assert_eq!(error.help.as_deref(), Some(help), "{asked}");
        }
        let many: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
        let many = names(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let help = ApiError::unknown_service("zzz", &many).help.expect("help");
        assert!(help.ends_with("s7 and 12 more"), "{help}");
        let help = ApiError::unknown_service("zzz", &[]).help.expect("help");
        assert!(help.contains("no services yet"), "{help}");
    }

    #[test]
    fn codes_are_the_same_words_in_json_and_an_unknown_one_is_internal() {
        for code in [
            ErrorCode::Invalid,
            ErrorCode::Unauthorized,
            ErrorCode::Forbidden,
            ErrorCode::UnknownService,
            ErrorCode::NotFound,
            ErrorCode::Refused,
            ErrorCode::TooLarge,
            ErrorCode::Busy,
            ErrorCode::StoreUnavailable,
            ErrorCode::ShuttingDown,
            ErrorCode::TimedOut,
            ErrorCode::Internal,
        ] {
            let json = serde_json::to_string(&code).expect("json");
            assert_eq!(json, format!("{:?}", code.as_str()));
            assert_eq!(
                serde_json::from_str::<ErrorCode>(&json).expect("code"),
                code
            );
        }
        let newer: ErrorCode = serde_json::from_str("\"from-a-newer-version\"").expect("code");
        assert_eq!(newer, ErrorCode::Internal);
    }
}
