//! How a command fails: a code and a sentence for people, an exit code for scripts.

use sluice_model::diagnostic::Diagnostic;
use sluice_server::{ClientError, ErrorCode};
use std::fmt;
use std::process::ExitCode;

/// The exit codes; `sluice --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The thing asked for failed.
    Failed,
    /// Wrong usage, or an invalid document.
    Usage,
    /// No Sluice runs there, or there is no such thing.
    Missing,
    /// Not done in time.
    TimedOut,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Missing => 3,
            Exit::TimedOut => 4,
        })
    }
}

/// Why a command failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// A stable word for scripts.
    pub(crate) code: &'static str,
    /// What is wrong, and why.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// What is wrong with a document.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Failure {
        let message = message.into();
        Failure {
            exit,
            code,
            message,
            help: None,
            diagnostics: Vec::new(),
        }
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Failure {
        self.help = Some(help.into());
        self
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        let exit = match error.kind() {
            std::io::ErrorKind::NotFound => Exit::Missing,
            // It is there, and no text.
            std::io::ErrorKind::InvalidData => Exit::Usage,
            _ => Exit::Failed,
        };
        Failure::new(
            exit,
            "file",
            format!("cannot {doing} {}: {error}", path.display()),
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let exit = match &error {
            ClientError::NotRunning { .. } | ClientError::Connect { .. } => Exit::Missing,
            ClientError::TimedOut { .. } => Exit::TimedOut,
            ClientError::Lost { .. } => Exit::Missing,
            ClientError::Denied { .. } | ClientError::Unreadable { .. } => Exit::Failed,
            ClientError::Api(answer) => match answer.code {
                ErrorCode::Invalid | ErrorCode::TooLarge => Exit::Usage,
                ErrorCode::UnknownService | ErrorCode::NotFound | ErrorCode::ShuttingDown => {
                    Exit::Missing
                }
                ErrorCode::TimedOut => Exit::TimedOut,
                ErrorCode::Unauthorized
                | ErrorCode::Forbidden
                | ErrorCode::Refused
                | ErrorCode::Busy
                | ErrorCode::StoreUnavailable
                | ErrorCode::Internal => Exit::Failed,
            },
        };
        let help = error.help().map(str::to_owned);
        let failure = Failure::new(exit, error.code(), error.to_string());
        let diagnostics = match error {
            ClientError::Api(answer) => answer.diagnostics,
            _ => Vec::new(),
        };
        Failure {
            help,
            diagnostics,
            ..failure
        }
    }
}
