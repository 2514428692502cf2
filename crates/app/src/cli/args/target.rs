//! What several commands take: a service, and whether to wait for it.

use crate::cli::completion::service_names;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use sluice_model::ids::{RevisionNumber, ServiceName};
use sluice_model::time::parse_span;
use std::time::Duration;

/// A service; may be left out where there is only one.
#[derive(Clone, Debug, Args)]
pub(crate) struct One {
    /// The service; may be left out where there is only one
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,
}

/// A service, or all of them.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneOrAll {
    /// The service; all of them when it is left out
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,
}

/// Whether to wait for the end of the rollout.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Waiting {
    /// Wait until the rollout has ended: exit code 1 when it was aborted, 4 when the time is up
    #[arg(short, long)]
    pub(crate) wait: bool,

    /// Longest wait; the rollout goes on without you
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_span, requires = "wait")]
    pub(crate) timeout: Duration,
}

/// A service, and whether to wait.
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitableOne {
    #[command(flatten)]
    pub(crate) one: One,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

pub(super) fn parse_service(text: &str) -> Result<ServiceName, String> {
    ServiceName::new(text)
}

pub(super) fn parse_revision(text: &str) -> Result<RevisionNumber, String> {
    let digits = text.strip_prefix('r').unwrap_or(text);
    match digits.parse() {
        Ok(number) if number > 0 => Ok(RevisionNumber(number)),
        _ => Err("a revision is a number from 1, as `sluice history` lists them".to_owned()),
    }
}
