//! Runs the simulation: many seeds, one seed told turn by turn, thousands of services at once, or releases
//! whose error rates are counted.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

mod releases;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use sluice_simulator::soak::{self, Failure, Tally};
use sluice_simulator::{Bug, Fault, Faults, Settings, many, run, shrink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Runs between two lines of progress.
const CHUNK: u64 = 10_000;

/// Runs the simulation by seeds; a seed that breaks a promise is told with the command that repeats it.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    instead: Option<Instead>,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Threads; one for each core when absent.
    #[arg(long)]
    workers: Option<usize>,
    /// Tell every turn of the first seed.
    #[arg(long)]
    trace: bool,
    /// Keep in this file how far the runs are, and go on there.
    #[arg(long)]
    resume: Option<PathBuf>,
    /// Plant a bug of this name.
    #[arg(long, value_parser = bug_names())]
    planted_bug: Option<String>,
    /// Leave out this kind of faults (several times for several).
    #[arg(long, value_parser = fault_names())]
    without: Vec<String>,
    /// Operators only deploy.
    #[arg(long)]
    no_operators: bool,
    /// Most services of a run.
    #[arg(long, default_value_t = 3)]
    services_max: u64,
    /// Instead of seeds: this many services at once, and what a turn costs. Prints one JSON object.
    #[arg(long)]
    services: Option<usize>,
}

/// What is done instead of running seeds.
#[derive(Subcommand)]
enum Instead {
    /// Play releases: how often a good one is taken back, and how soon a bad one is caught.
    Releases(releases::Arguments),
}

fn bug_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(Bug::ALL.map(|(name, _)| name))
}

fn fault_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(Fault::ALL.map(|(name, _)| name))
}

/// How far the runs of a file are.
#[derive(Serialize, Deserialize)]
struct Progress {
    next: u64,
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

fn workers(asked: Option<usize>) -> anyhow::Result<usize> {
    match asked {
        Some(workers) => Ok(workers),
        None => Ok(std::thread::available_parallelism()
            .context("cannot count the cores")?
            .get()),
    }
}

fn go(arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(Instead::Releases(releases)) = &arguments.instead {
        return releases::run(releases);
    }
    if let Some(services) = arguments.services {
        let figures = many::run(services, arguments.seed);
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(true);
    }
    let settings = settings(arguments);
    if arguments.trace {
        let told = Settings {
            trace: true,
            ..settings
        };
        let report = run(arguments.seed, &told);
        report.trace.iter().for_each(|line| println!("{line}"));
        if let Some((service, violation)) = &report.violation {
            println!(
                "{service} at {} ms: {}: {}",
                violation.at, violation.promise, violation.seen
            );
        }
        return Ok(report.violation.is_none());
    }
    let end = arguments.seed.saturating_add(arguments.count);
    let mut next = match &arguments.resume {
        Some(file) if file.exists() => read(file)?,
        _ => arguments.seed,
    };
    if next > end || next < arguments.seed {
        bail!("the file of --resume is of other seeds; remove it to begin anew");
    }
    let workers = workers(arguments.workers)?;
    let started = Instant::now();
    let mut all = Tally::default();
    while next < end && all.failures.is_empty() {
        let count = CHUNK.min(end - next);
        let tally = soak::soak(next, count, workers, &settings);
        next += count;
        all.merge(tally);
        if let (Some(file), true) = (&arguments.resume, all.failures.is_empty()) {
            write(file, next)?;
        }
        let per_second = all.runs as f64 / started.elapsed().as_secs_f64();
        eprintln!(
            "{} of {} runs, {per_second:.0}/s",
            all.runs, arguments.count
        );
    }
    for failure in &all.failures {
        tell(failure, &settings);
    }
    if arguments.count > 1 {
        for (rule, count) in all.rules.iter() {
            eprintln!("{count:>12}  {rule:?}");
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    if arguments.count > 1 {
        eprintln!("{:>12}  kills of Sluice", all.crashes);
        eprintln!("{:>12}  retreats without a store", all.retreats);
        eprintln!("{:>12}  services that could lose no request", all.lossless);
        let compared = &all.comparisons;
        eprintln!("{:>12}  steps passed by a comparison", compared.passed);
        eprintln!("{:>12}  failures of a comparison", compared.failed);
        eprintln!("{:>12}  starts with stored evidence", compared.carried);
    }
    println!(
        "{} runs, {} turns, {} violations, {seconds:.1} s, {:.0} runs/s",
        all.runs,
        all.turns,
        all.failures.len(),
        all.runs as f64 / seconds
    );
    Ok(all.failures.is_empty())
}

fn settings(arguments: &Arguments) -> Settings {
    let named = |name: &String| Fault::ALL.into_iter().find(|(known, _)| known == name);
    let left_out = arguments.without.iter().filter_map(named);
    Settings {
        faults: left_out.fold(Faults::ALL, |faults, (_, fault)| faults.without(fault)),
        operators: !arguments.no_operators,
        services_max: arguments.services_max.max(1),
        bug: arguments.planted_bug.as_deref().and_then(Bug::named),
        trace: false,
    }
}

fn tell(failure: &Failure, settings: &Settings) {
    let (seed, violation) = (failure.seed, &failure.violation);
    println!(
        "seed {seed}, {} at {} ms: {}",
        failure.service, violation.at, violation.promise
    );
    println!("  {}", violation.seen);
    println!("  again: {}", soak::reproduce(seed));
    println!(
        "  told:  {}",
        soak::told(seed, &shrink::shrink(seed, settings))
    );
}

fn read(file: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let progress: Progress = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; remove it to begin anew", file.display()))?;
    Ok(progress.next)
}

fn write(file: &Path, next: u64) -> anyhow::Result<()> {
    let draft = file.with_extension("new");
    std::fs::write(&draft, serde_json::to_string(&Progress { next })?)
        .and_then(|()| std::fs::rename(&draft, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}
