//! `soak-analysis`: thousands of releases that are no worse, two million requests each, looked at after
//! every tick. Goes on where it was interrupted.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

use anyhow::{Context as _, Result};
use clap::Parser;
use sluice_decisions::interval::Share;
use sluice_decisions::rules::ALPHA;
use sluice_decisions::soak::{self, Kind, REQUESTS, Run};
use sluice_decisions::state::{Settings, State};
use sluice_decisions::workers;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Releases that are no worse: how often is one taken back?
#[derive(Parser)]
struct Arguments {
    /// Runs of each kind.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// Only this kind of runs (several times for several).
    #[arg(long)]
    kind: Vec<Kind>,
    /// From which all chance is made.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests of a run, both sides together.
    #[arg(long, default_value_t = REQUESTS, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    requests: u64,
    /// Threads; one for each core when absent. They change no figure.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: Option<u64>,
    /// Where each run's result is kept; what is there already is not run again.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/soak/analysis.jsonl"
    )]
    state: PathBuf,
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

/// `false` when a kind of runs is shown to break the bound.
fn go(arguments: &Arguments) -> Result<bool> {
    let settings = Settings {
        seed: arguments.seed,
        requests: arguments.requests,
        alpha: ALPHA,
    };
    let threads = match arguments.threads {
        Some(threads) => threads as usize,
        None => std::thread::available_parallelism()
            .context("the cores cannot be counted; give --threads")?
            .get(),
    };
    let mut state = State::open(&arguments.state, &settings)?;
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| arguments.kind.is_empty() || arguments.kind.contains(kind));
    let mut lines = Vec::new();
    let mut holds = true;
    for kind in kinds {
        let missing = state.missing(kind, arguments.runs);
        let mut progress = Progress::new(kind, arguments.runs, &state);
        workers::each(
            threads,
            &missing,
            |number| soak::run(kind, settings.requests, settings.seed, number),
            |_, run| {
                state.add(run)?;
                progress.add(run);
                Ok::<_, sluice_decisions::state::StateError>(())
            },
        )?;
        let verdict = Verdict::new(kind, state.done(kind, arguments.runs));
        holds &= !verdict.is_broken();
        lines.push(verdict.line());
    }
    for line in lines {
        println!("{line}");
    }
    Ok(holds)
}

struct Progress {
    kind: Kind,
    all: u64,
    done: u64,
    rolled_back: u64,
    done_now: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    fn new(kind: Kind, all: u64, state: &State) -> Self {
        let now = Instant::now();
        Self {
            kind,
            all,
            done: state.done(kind, all).count() as u64,
            rolled_back: state.done(kind, all).filter(|run| run.rolled_back).count() as u64,
            done_now: 0,
            started: now,
            told: now,
        }
    }

    fn add(&mut self, run: &Run) {
        self.done += 1;
        self.done_now += 1;
        self.rolled_back += u64::from(run.rolled_back);
        if self.told.elapsed() >= TELL_EVERY || self.done == self.all {
            self.told = Instant::now();
            let elapsed = self.started.elapsed().as_secs_f64();
            let left = elapsed / self.done_now as f64 * (self.all - self.done) as f64;
            eprintln!(
                "{}: {} of {} runs, {} taken back, {elapsed:.0} s, about {left:.0} s to go",
                self.kind.title(),
                self.done,
                self.all,
                self.rolled_back
            );
        }
    }
}

struct Verdict {
    kind: Kind,
    share: Share,
    requests: u64,
    looks: u64,
}

impl Verdict {
    fn new<'a>(kind: Kind, runs: impl Iterator<Item = &'a Run>) -> Self {
        let (mut count, mut of, mut requests, mut looks) = (0, 0, 0, 0);
        for run in runs {
            count += u64::from(run.rolled_back);
            of += 1;
            requests += run.requests;
            looks += run.looks;
        }
        Self {
            kind,
            share: Share::of(count, of),
            requests,
            looks,
        }
    }

    /// The bound is excluded by what was seen.
    fn is_broken(&self) -> bool {
        self.share.low > ALPHA
    }

    fn line(&self) -> String {
        let Share {
            count,
            of,
            low,
            high,
            ..
        } = self.share;
        let verdict = if high <= ALPHA {
            "at most α = 0.01"
        } else if self.is_broken() {
            "ABOVE α = 0.01"
        } else {
            "too few runs to show that it is at most α = 0.01"
        };
        format!(
            "{}: {count} of {of} releases taken back, {:.2} % (95 %: {:.2} to {:.2} %), {verdict}; {:.1} billion requests, {:.1} million looks",
            self.kind.title(),
            self.share.value() * 100.0,
            low * 100.0,
            high * 100.0,
            self.requests as f64 / 1e9,
            self.looks as f64 / 1e6
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_verdict_says_what_the_runs_show() {
        for (rolled_back, of, told, is_broken) in [
            (0, 100, "too few runs to show", false),
            (0, 400, ", at most α = 0.01;", false),
            (
                8,
                2_000,
                "8 of 2000 releases taken back, 0.40 % (95 %: 0.17 to 0.79 %), at most",
                false,
            ),
            (30, 2_000, "ABOVE α = 0.01", true),
        ] {
            let runs: Vec<Run> = (0..of)
                .map(|number| Run {
                    kind: Kind::Fixed,
                    run: number,
                    requests: REQUESTS,
                    looks: 20_000,
                    log_e_max: 0.0,
                    rolled_back: number < rolled_back,
                })
                .collect();
            let verdict = Verdict::new(Kind::Fixed, runs.iter());
            assert!(verdict.line().contains(told), "{}", verdict.line());
            assert_eq!(verdict.is_broken(), is_broken, "{}", verdict.line());
        }
    }
}
