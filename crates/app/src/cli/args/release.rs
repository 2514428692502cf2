//! Arguments of the commands that change something.

use super::target::{One, Waiting, parse_revision};
use clap::{Args, ValueEnum, ValueHint};
use sluice_model::ids::RevisionNumber;
use sluice_model::time::parse_span;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `deploy`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Environment of the new revision, over the document's; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub(crate) env: Vec<(String, String)>,

    /// Use this document; otherwise the one that `up` was started with is read anew
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `promote`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Skip the whole rest of the plan
    #[arg(long)]
    pub(crate) full: bool,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `pause`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Arguments of `abort`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Why; it is kept in the log
    #[arg(long, value_name = "TEXT", value_parser = parse_reason)]
    pub(crate) reason: String,
}

/// Arguments of `undo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct UndoArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// The revision to go back to [default: the one that was stable before]
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) to: Option<RevisionNumber>,

    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Arguments of `wait`.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// What to wait for: a rollout that ended well, or a service that is healthy
    #[arg(
        long = "for",
        value_enum,
        value_name = "promoted|healthy",
        default_value = "promoted",
        hide_possible_values = true
    )]
    pub(crate) what: WaitFor,

    /// Only this revision will do
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) revision: Option<RevisionNumber>,

    /// Longest wait
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WaitFor {
    Promoted,
    Healthy,
}

/// Arguments of `stop`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StopArgs {
    /// Cut requests in flight, and give replicas at most a second to end
    #[arg(long)]
    pub(crate) now: bool,

    /// Longest wait for the end
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

fn parse_reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why: the reason is kept in the log".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    let wrong = || format!("`{text}` is not NAME=VALUE");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let first_ok = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let rest_ok = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !first_ok || !rest_ok {
        return Err(format!("{}: a name has letters, digits and `_`", wrong()));
    }
    if value.contains('\0') {
        return Err(format!(
            "the value of {name} holds a NUL, which no environment can"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}
