//! Arguments of the commands that look at a running service.

use super::target::{One, OneOrAll, parse_revision};
use clap::{Args, ValueHint};
use sluice_model::ids::RevisionNumber;
use std::path::PathBuf;

/// Arguments of `status`.
#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) one: OneOrAll,

    /// Write what `watch` would show to this file, as a picture (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) picture: Option<PathBuf>,
}

/// Arguments of `logs`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) one: One,

    /// Go on with new lines as they are written
    #[arg(short, long)]
    pub(crate) follow: bool,

    /// Only this revision's
    #[arg(long, value_name = "NUMBER", value_parser = parse_revision)]
    pub(crate) revision: Option<RevisionNumber>,

    /// The last so many lines
    #[arg(long, value_name = "LINES", default_value_t = sluice_server::wire::LOGS_TAIL_DEFAULT)]
    pub(crate) tail: u32,
}
