//! `cargo xtask bench controller`: Sluice's controller and Argo's with the same Rollouts.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use sluice_controller_tests::bench::contest::{Settings, measure};
use sluice_controller_tests::bench::contestant::{Contestant, Programs};
use sluice_controller_tests::bench::report::Results;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Puts controllers beside each other, each in a cluster of its own. It needs root and a cluster's programs on PATH.
#[derive(Parser)]
struct Arguments {
    /// The program `sluice`.
    #[arg(long, value_name = "PROGRAM")]
    sluice: PathBuf,
    /// Argo's `rollouts-controller`.
    #[arg(long, value_name = "PROGRAM")]
    argo: Option<PathBuf>,
    /// Which controllers take part.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_values = ["argo", "sluice"])]
    contestants: Vec<Contestant>,
    /// How many Rollouts; several numbers are measured one after the other.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values = ["1000", "5000"],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rollouts: Vec<u32>,
    /// How many of them get another version at once; at most all of them.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    updates: u32,
    /// For how long nothing changes, in seconds.
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// In which form the result is printed.
    #[arg(short, long, value_enum, default_value_t = Form::Text)]
    output: Form,
    /// Write the document to this file, too.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

fn main() -> ExitCode {
    match go(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `false` when a promise is not kept.
fn go(arguments: &Arguments) -> Result<bool> {
    let programs = Programs {
        sluice: arguments.sluice.clone(),
        argo: arguments.argo.clone(),
    };
    let versions: Result<BTreeMap<Contestant, String>> = arguments
        .contestants
        .iter()
        .map(|contestant| Ok((*contestant, programs.version(*contestant)?)))
        .collect();
    let mut results = Results {
        versions: versions?,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        measured: Vec::new(),
    };
    let started = Instant::now();
    for rollouts in &arguments.rollouts {
        let settings = Settings {
            rollouts: *rollouts,
            updates: arguments.updates.min(*rollouts),
            idle_seconds: arguments.seconds,
        };
        for contestant in &arguments.contestants {
            let title = contestant.title();
            let tell = |what: &str| {
                eprintln!(
                    "{:>5} s  {title}, {rollouts}: {what}",
                    started.elapsed().as_secs()
                );
            };
            let measured = measure(&programs, *contestant, &settings, &tell)
                .with_context(|| format!("{title} with {rollouts} Rollouts"))?;
            results.measured.push(measured);
        }
    }
    let document = results.document();
    match arguments.output {
        Form::Text => print!("{document}"),
        Form::Json => println!("{}", serde_json::to_string_pretty(&results)?),
    }
    if let Some(file) = &arguments.write {
        write(file, &document)?;
        eprintln!("The document: {}", file.display());
    }
    let promises = results.promises();
    for promise in promises.iter().filter(|promise| !promise.kept) {
        eprintln!("NOT KEPT: {} ({})", promise.promise, promise.measured);
    }
    Ok(promises.iter().all(|promise| promise.kept))
}

/// Replaces the file at once, so that an interruption leaves the old one or the new one.
fn write(file: &Path, text: &str) -> Result<()> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".new");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
