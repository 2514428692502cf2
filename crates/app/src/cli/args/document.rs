//! Arguments of `lint` and `plan`.

use super::target::parse_service;
use clap::{Args, ValueHint};
use sluice_model::ids::ServiceName;
use std::path::PathBuf;

/// Arguments of `lint`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LintArgs {
    /// The documents [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
}

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    /// The document [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// Only this service's plan
    #[arg(value_parser = parse_service)]
    pub(crate) service: Option<ServiceName>,
}
