//! What `up` and the demo print as they go; the commands have `cli::output`.

use anyhow::Context as _;
use std::io::Write as _;

/// A line of a result, on standard output.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot print")
}

/// A line of the story, on standard output; nobody may be there to read it.
pub(crate) fn notice(text: &str) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        tracing::debug!(%error, "cannot print");
    }
}

/// A line about what went wrong, on standard error.
pub(crate) fn error(text: &str) {
    if let Err(error) = writeln!(std::io::stderr(), "{text}") {
        tracing::debug!(%error, "cannot print");
    }
}
