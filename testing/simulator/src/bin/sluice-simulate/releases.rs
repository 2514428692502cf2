//! `sluice-simulate releases`: good and bad releases by the hundred, and what they prove. With a state file it
//! goes on where it was interrupted.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use sluice_simulator::releases::case::{Bad, Case, Judged};
use sluice_simulator::releases::release::release;
use sluice_simulator::releases::{self, tally::Tally};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A/A releases between two lines of progress.
const CHUNK: u64 = 250;

/// Plays releases: how often a good one is taken back, and how soon a bad one is caught.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many A/A releases: both revisions are equally good.
    #[arg(long, default_value_t = 2_000)]
    good: u64,
    /// How many releases of each bad revision.
    #[arg(long, default_value_t = 100)]
    bad: u64,
    /// Which checks judge.
    #[arg(long, value_enum, default_value_t = Checks::Comparisons)]
    checks: Checks,
    /// Threads; one for each core when absent. They change no figure.
    #[arg(long)]
    workers: Option<usize>,
    /// Keep in this file what was counted, and go on there.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Play the A/A release of the first seed alone, and tell what it was and came to.
    #[arg(long)]
    tell: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Checks {
    /// The sequential comparisons, whose error rate is stated.
    Comparisons,
    /// All default checks.
    Defaults,
}

/// What was counted so far.
#[derive(Serialize, Deserialize)]
struct State {
    checks: Checks,
    /// By the first seed of each chunk; each but the last is of [`CHUNK`] seeds.
    chunks: BTreeMap<u64, Tally>,
}

/// Runs it; whether the stated bound holds.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let judged = match arguments.checks {
        Checks::Comparisons => Judged::Comparisons,
        Checks::Defaults => Judged::Defaults,
    };
    if arguments.tell {
        tell(arguments.seed, judged);
        return Ok(true);
    }
    let workers = super::workers(arguments.workers)?;
    let tally = good(arguments, judged, workers)?;
    for bad in Bad::ALL.into_iter().filter(|_| arguments.bad > 0) {
        let detection = releases::bad(bad, arguments.seed, arguments.bad, workers, judged);
        println!("{detection}");
    }
    if tally.taken_back > 0 {
        println!("taken back: seeds {:?}", tally.taken_back_seeds);
    }
    for (seed, why) in &tally.wrong {
        println!("seed {seed}: {why}");
    }
    println!("{tally}");
    Ok(tally.holds())
}

fn tell(seed: u64, judged: Judged) {
    let case = Case::good(seed, judged);
    println!(
        "{:.0} requests/s, {:?}, {:?}, looked at each {} ms",
        case.rate, case.course, case.canary, case.tick_ms
    );
    println!("{:?}", release(&case, seed));
}

fn good(arguments: &Arguments, judged: Judged, workers: usize) -> anyhow::Result<Tally> {
    let mut state = match &arguments.state {
        Some(file) if file.exists() => read(file, arguments.checks)?,
        _ => State {
            checks: arguments.checks,
            chunks: BTreeMap::new(),
        },
    };
    let end = arguments
        .seed
        .checked_add(arguments.good)
        .context("the seeds end at 2^64 - 1")?;
    let started = Instant::now();
    let mut all = Tally::default();
    let mut played = 0;
    let mut first = arguments.seed;
    while first < end {
        let count = CHUNK.min(end - first);
        let known = state.chunks.get(&first);
        if known.is_none_or(|known| known.releases != count) {
            let tally = releases::good(first, count, workers, judged);
            played += count;
            state.chunks.insert(first, tally);
            if let Some(file) = &arguments.state {
                write(file, &state)?;
            }
        }
        all.merge(state.chunks.get(&first).cloned().unwrap_or_default());
        first += count;
        let seconds = started.elapsed().as_secs_f64();
        let left = seconds / played.max(1) as f64 * (end - first) as f64;
        eprintln!(
            "{} of {} A/A releases, {} taken back, {} came to nothing, {seconds:.0} s, about {left:.0} s to go",
            all.releases,
            arguments.good,
            all.taken_back,
            all.wrong.len()
        );
    }
    Ok(all)
}

fn read(file: &Path, checks: Checks) -> anyhow::Result<State> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let state: State = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; remove it to begin anew", file.display()))?;
    if state.checks != checks {
        bail!(
            "{} is of other checks; remove it to begin anew",
            file.display()
        );
    }
    Ok(state)
}

/// Replaces the file at once, so that an interruption leaves the old one or the new one.
fn write(file: &Path, state: &State) -> anyhow::Result<()> {
    let draft = file.with_extension("new");
    std::fs::write(&draft, serde_json::to_string_pretty(state)?)
        .and_then(|()| std::fs::rename(&draft, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}
