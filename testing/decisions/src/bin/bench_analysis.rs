//! `bench-analysis`: how soon Sluice and its peers take a bad canary back, and how often one that is no
//! worse; on simulated requests, or on recorded ones.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

use anyhow::{Context as _, Result};
use clap::Parser;
use sluice_decisions::cases::{self, Case};
use sluice_decisions::compare::{Horizon, Outcome, play};
use sluice_decisions::design::{self, Figure, Measured};
use sluice_decisions::recorded::{self, Recording};
use sluice_decisions::report::{self, RELEASES, Recorded, Results};
use sluice_decisions::rules::{Rule, RuleKind};
use sluice_decisions::stream::{Stream, seed_of};
use sluice_decisions::summary::Row;
use sluice_decisions::workers;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Runs of a case when nothing is asked for, and for a quick look: 400 that are all well say that less than
/// 1 % are not.
const RUNS: (u64, u64) = (400, 50);
/// How many times more runs a figure of the design gets: it is cheap, and its median is to be held within 10 %.
const DESIGN_RUNS_FACTOR: u64 = 10;
/// The cases' numbers begin here in the seeds, after those of the design's figures.
const CASES_FROM: u64 = 1_000;

/// Compares decision rules on the same requests.
#[derive(Parser)]
struct Arguments {
    /// Runs of each case; 400 when absent, 50 for a quick look.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    runs: Option<u64>,
    /// From which all chance is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A few cases only, in seconds.
    #[arg(long)]
    quick: bool,
    /// Threads; one for each core when absent. They change no figure.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: Option<u64>,
    /// Instead of simulating: judge the requests of this recording (JSON Lines; `sluice_decisions::recorded`).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runs", "quick", "write"])]
    recorded: Option<PathBuf>,
    /// Judge the releases in this folder besides, which `record-releases` made.
    #[arg(long, value_name = "FOLDER", conflicts_with = "recorded")]
    recordings: Option<PathBuf>,
    /// Write the document to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/bench/analysis.json"
    )]
    json: PathBuf,
}

fn main() -> ExitCode {
    match go(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn go(arguments: &Arguments) -> Result<()> {
    if let Some(file) = &arguments.recorded {
        return judge(file);
    }
    let runs = arguments
        .runs
        .unwrap_or(if arguments.quick { RUNS.1 } else { RUNS.0 });
    let bench = Bench {
        seed: arguments.seed,
        threads: match arguments.threads {
            Some(threads) => threads as usize,
            None => std::thread::available_parallelism()
                .context("the cores cannot be counted; give --threads")?
                .get(),
        },
        started: Instant::now(),
    };
    let cases = if arguments.quick {
        cases::quick()
    } else {
        cases::all()
    };
    let figures = design::figures();
    let steps = figures.len() + cases.len();
    let design_runs = runs * DESIGN_RUNS_FACTOR;
    let mut results = Results {
        seed: arguments.seed,
        runs,
        rules: RuleKind::ALL.to_vec(),
        rows: Vec::new(),
        design_runs,
        design: Vec::new(),
        recorded: match &arguments.recordings {
            Some(folder) => recordings(folder)?,
            None => Vec::new(),
        },
    };
    for (figure, number) in figures.iter().zip(0..) {
        let measured = bench.figure(figure, number, design_runs);
        results.design.push(measured);
        bench.progress(results.design.len(), steps, figure.name);
    }
    for (case, number) in cases.into_iter().zip(CASES_FROM..) {
        results.rows.push(bench.case(case, number, runs));
        let done = results.design.len() + results.rows.len();
        bench.progress(done, steps, &case.title());
    }
    let json = serde_json::to_string_pretty(&results)?;
    write(&arguments.json, &json)?;
    eprintln!("All figures: {}", arguments.json.display());
    let document = report::document(&results);
    match &arguments.write {
        Some(file) => {
            write(file, &document)?;
            eprintln!("The document: {}", file.display());
        }
        None => print!("{document}"),
    }
    Ok(())
}

struct Bench {
    seed: u64,
    threads: usize,
    started: Instant,
}

impl Bench {
    fn figure(&self, figure: &Figure, number: u64, runs: u64) -> Measured {
        let outcomes = self.runs(runs, |run| figure.run(seed_of(self.seed, number, run)));
        figure.measured(&outcomes)
    }

    fn case(&self, case: Case, number: u64, runs: u64) -> Row {
        let traffic = case.fault.traffic(case.per_second, case.weight_percent);
        let outcomes: Vec<Vec<Outcome>> = self.runs(runs, |run| {
            let stream = Stream::new(&traffic, seed_of(self.seed, number, run));
            play(stream, case.horizon, &mut rules())
        });
        Row::new(case, &RuleKind::ALL, &outcomes)
    }

    fn runs<T: Send>(&self, runs: u64, job: impl Fn(u64) -> T + Sync) -> Vec<T> {
        let numbers: Vec<u64> = (0..runs).collect();
        let done = workers::each(self.threads, &numbers, job, |_, _| Ok::<_, Infallible>(()));
        match done {
            Ok(results) => results,
            Err(never) => match never {},
        }
    }

    /// `17 of 135, 1 % errors, 100/s, 5 %: 12 s, about 95 s to go`.
    fn progress(&self, done: usize, all: usize, title: &str) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = elapsed / done as f64 * (all - done) as f64;
        eprintln!("{done} of {all}, {title}: {elapsed:.0} s, about {left:.0} s to go");
    }
}

fn rules() -> Vec<Box<dyn Rule>> {
    RuleKind::ALL.map(RuleKind::start).into()
}

/// All releases that are recorded, each judged.
fn recordings(folder: &Path) -> Result<Vec<Recorded>> {
    let judged = RELEASES.iter().map(|release| {
        let (recording, outcomes) = judged(&folder.join(release.file()))?;
        Ok(Recorded::new(release, &recording, outcomes))
    });
    judged.collect()
}

fn judged(file: &Path) -> Result<(Recording, Vec<Outcome>)> {
    let input = std::fs::File::open(file)
        .with_context(|| format!("{} cannot be opened", file.display()))?;
    let recording = recorded::read(std::io::BufReader::new(input))
        .with_context(|| file.display().to_string())?;
    let horizon = Horizon::Time(recorded::LENGTH_US_MAX);
    let mut rules: Vec<_> = RuleKind::ALL.map(RuleKind::start_recorded).into();
    let outcomes = play(recording.ticks.iter().copied(), horizon, &mut rules);
    Ok((recording, outcomes))
}

fn judge(file: &Path) -> Result<()> {
    let (recording, outcomes) = judged(file)?;
    print!(
        "{}",
        report::recorded(&recording, &RuleKind::ALL, &outcomes)
    );
    Ok(())
}

/// Replaces the file at once, so that an interruption leaves the old one or the new one.
fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
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
