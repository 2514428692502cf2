//! What a command prints: text or JSON on standard output, failures on standard error.
//!
//! Colours only on a terminal, and not where NO_COLOR is set (no-color.org). A reader that has left
//! (`| head`) is no failure.

use super::args::Format;
use super::diagnostics;
use super::failure::{Exit, Failure};
use crate::view::text::Line;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};

/// Where a command prints to, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Whether standard output takes colours.
    pub(crate) colour: bool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Output {
        Output {
            format,
            colour: takes_colour(&io::stdout()),
        }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints a line of text as it is.
    pub(crate) fn text(self, text: impl AsRef<str>) -> Result<(), Failure> {
        print(text.as_ref())
    }

    /// Prints styled lines.
    pub(crate) fn lines(self, lines: &[Line]) -> Result<(), Failure> {
        lines.iter().try_for_each(|line| {
            print(&if self.colour {
                line.ansi()
            } else {
                line.plain()
            })
        })
    }

    /// Prints a value as indented JSON.
    pub(crate) fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        print(&serde_json::to_string_pretty(value).map_err(|error| no_json(&error))?)
    }

    /// Prints a value as JSON on one line, for streams.
    pub(crate) fn json_line<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        print(&serde_json::to_string(value).map_err(|error| no_json(&error))?)
    }

    /// Prints a failure to standard error and gives its exit code.
    pub(crate) fn failure(self, failure: &Failure) -> Exit {
        if failure.code == READER_LEFT {
            return failure.exit;
        }
        let text = if self.is_json() {
            #[derive(Serialize)]
            struct Shown<'a> {
                code: &'a str,
                message: &'a str,
                help: Option<&'a str>,
                #[serde(skip_serializing_if = "<[_]>::is_empty")]
                diagnostics: &'a [sluice_model::diagnostic::Diagnostic],
            }
            let shown = Shown {
                code: failure.code,
                message: &failure.message,
                help: failure.help.as_deref(),
                diagnostics: &failure.diagnostics,
            };
            serde_json::to_string(&shown).unwrap_or_else(|error| error.to_string())
        } else {
            let mut text = diagnostics::for_errors(&failure.diagnostics);
            text.push_str(&format!("error: {}", failure.message));
            if let Some(help) = &failure.help {
                text.push_str(&format!("\n  help: {help}"));
            }
            text
        };
        // Nobody is left to tell when standard error is gone.
        drop(writeln!(io::stderr(), "{text}"));
        failure.exit
    }
}

/// Whether a stream takes colours.
pub(crate) fn takes_colour(stream: &impl IsTerminal) -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !forbidden && !dumb
}

/// The code of the failure that ends a command quietly, as its reader has left.
const READER_LEFT: &str = "reader-left";

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Failure::new(Exit::Done, READER_LEFT, "the reader has left")
            }
            _ => Failure::new(Exit::Failed, "output", format!("cannot print: {error}")),
        })
}

fn no_json(error: &serde_json::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "output",
        format!("this has no JSON form: {error}"),
    )
}
