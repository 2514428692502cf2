//! Arguments of `tune`.

use super::target::parse_service;
use crate::cli::completion::service_names;
use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;
use sluice_model::ids::ServiceName;
use sluice_model::time::parse_span;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `tune`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TuneArgs {
    /// The service; may be left out where the document has only one
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,

    /// The document with its plan [default: the sluice.yaml found here or above]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// False alarms that are accepted, as a share of the rollouts, over all proposed limits together
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_target)]
    pub(crate) target: f64,

    /// Only the last so much of the history
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = parse_span)]
    pub(crate) since: Duration,

    /// Read the history from this file, which --export wrote, instead of from the running Sluice
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "export")]
    pub(crate) from: Option<PathBuf>,

    /// Write the history into this file, and propose nothing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) export: Option<PathBuf>,

    /// The same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

fn parse_target(text: &str) -> Result<f64, String> {
    let share = crate::cli::simulate::values::share(text)?;
    if share > 0.0 && share <= 0.5 {
        Ok(share)
    } else {
        Err("a rate of false alarms is above 0% and at most 50%".to_owned())
    }
}
