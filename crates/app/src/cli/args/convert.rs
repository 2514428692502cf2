//! Arguments of the commands that translate other tools' files.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// From what.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConvertCommand {
    /// Write the check that judges by a canary config of Kayenta's
    #[command(after_help = "\
The check goes to standard output, to be put into a release; what to look at goes to standard
error. It scores Sluice's own figures, sample for sample as Kayenta's judge does. Comparisons, the
default checks, decide sooner and have a bound on false rollbacks.

Example:
  sluice convert kayenta canary-config.json
  sluice convert kayenta canary-config.json --metric 'HTTP errors=errorRatio'")]
    Kayenta(KayentaArgs),
}

/// Arguments of `convert kayenta`.
#[derive(Clone, Debug, Args)]
pub(crate) struct KayentaArgs {
    /// The canary config: JSON, as Spinnaker stores it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// What a metric of the config is here; told by its name when not said. May be repeated
    #[arg(long = "metric", value_name = "NAME=METRIC", value_parser = parse_metric)]
    pub(crate) metrics: Vec<(String, String)>,

    /// From this score on a step passes [default: that of the config]
    #[arg(long, value_name = "SCORE", value_parser = parse_score, requires = "marginal")]
    pub(crate) pass: Option<f64>,

    /// Below this score the release fails [default: that of the config]
    #[arg(long, value_name = "SCORE", value_parser = parse_score, requires = "pass")]
    pub(crate) marginal: Option<f64>,
}

fn parse_metric(text: &str) -> Result<(String, String), String> {
    let (name, metric) = text
        .rsplit_once('=')
        .filter(|(name, metric)| !name.is_empty() && !metric.is_empty())
        .ok_or("write NAME=METRIC, as in \"Error Rate=errorRatio\"")?;
    Ok((name.to_owned(), metric.to_owned()))
}

fn parse_score(text: &str) -> Result<f64, String> {
    let score = text.parse().ok();
    score
        .filter(|score| (0.0..=100.0).contains(score))
        .ok_or_else(|| "write a number from 0 to 100".to_owned())
}
