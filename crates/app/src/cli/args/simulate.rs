//! Arguments of `simulate`.

use super::target::parse_service;
use crate::cli::completion::service_names;
use crate::cli::simulate::values;
use clap::{Args, ValueHint};
use clap_complete::engine::ArgValueCompleter;
use sluice_forecast::{Latency, Release};
use sluice_model::ids::ServiceName;
use sluice_model::time::parse_span;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `simulate`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The document [default: the sluice.yaml found here or above]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// The service; may be left out where there is only one
    #[arg(value_parser = parse_service, add = ArgValueCompleter::new(service_names))]
    pub(crate) service: Option<ServiceName>,

    /// Requests to the service, on both sides together
    #[arg(long, value_name = "200/s", value_parser = values::rate)]
    pub(crate) rate: f64,

    /// Share of the requests that fail with the present revision
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = values::share)]
    pub(crate) errors: f64,

    /// Share of them answered 4xx
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = values::share)]
    pub(crate) client_errors: f64,

    /// How long they take: the median and the p99
    #[arg(long, value_name = "P50,P99", default_value = "20ms,200ms", value_parser = values::latency)]
    pub(crate) latency: Latency,

    /// Bad releases: the shares of their requests that fail
    #[arg(long, value_name = "SHARES", value_delimiter = ',', default_value = "0.2%,0.5%,1%,5%,50%", value_parser = values::failing)]
    pub(crate) regression: Vec<Release>,

    /// Slow releases: how many times as long each of their requests takes
    #[arg(long, value_name = "TIMES", value_delimiter = ',', default_value = "1.2x,1.5x,2x", value_parser = values::slower)]
    pub(crate) slower: Vec<Release>,

    /// Rollouts of each release, 10 to 100000
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=100_000))]
    pub(crate) runs: u64,

    /// The same seed gives the same figures
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How long a rollout is followed [default: its deadline, or 4 times its bakes and 1h at least]
    #[arg(long, value_name = "TIME", value_parser = parse_horizon)]
    pub(crate) horizon: Option<Duration>,

    /// Draw the figures into this file, as a picture (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
}

/// From a second to a year.
fn parse_horizon(text: &str) -> Result<Duration, String> {
    let span = parse_span(text)?;
    let most = Duration::from_secs(365 * 86_400);
    if (Duration::from_secs(1)..=most).contains(&span) {
        Ok(span)
    } else {
        Err("a rollout is followed for 1s to 365d".to_owned())
    }
}
