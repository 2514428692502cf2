//! `cargo xtask bench engine`: the cost of one decision. What thousands of services cost, the simulator
//! tells (`sluice-simulate --services N`).
#![allow(clippy::print_stdout, reason = "the table is the result")]

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;
use sluice_bench::comparisons::{self, Look};
use sluice_bench::cpus::{Cores, on_core};
use sluice_bench::decisions::{Cost, Situation};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The promise: longest median of a decision, in nanoseconds.
const LIMIT_NS: f64 = 10_000.0;

/// The promise: longest look at twenty comparisons, in nanoseconds.
const LOOK_LIMIT_NS: f64 = 20_000.0;

/// The promise: longest time to count a request, in nanoseconds.
const COUNT_LIMIT_NS: f64 = 100.0;

/// Times the engine's decisions for a plan of ten steps.
#[derive(Parser)]
struct Arguments {
    /// Seconds for each situation.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Where the results go as JSON.
    #[arg(long, default_value = "target/bench/engine.json")]
    json: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Results {
    costs: Vec<Cost>,
    limit_ns: f64,
    look: Look,
    counting_ns: [f64; 2],
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let time = Duration::from_secs(arguments.seconds);
    let costs: Vec<Cost> = on_core(Cores::choose()?.proxy, || {
        Ok(Situation::all()?
            .iter()
            .map(|situation| situation.measure(time))
            .collect())
    })?;
    println!(
        "{:<30}{:>12}{:>12}{:>10}",
        "one decision", "median ns", "p99 ns", "entries"
    );
    for cost in &costs {
        println!(
            "{:<30}{:>12.0}{:>12.0}{:>10}",
            cost.situation, cost.median_ns, cost.p99_ns, cost.entries
        );
    }
    let look = on_core(Cores::choose()?.proxy, || comparisons::measure(time))?;
    let whole = look.count_ns + look.evaluate_ns;
    println!(
        "\none look at 20 comparisons: {:.1} µs to count, {:.1} µs to evaluate, {:.1} µs to judge and tell",
        look.count_ns / 1e3,
        look.evaluate_ns / 1e3,
        look.judge_ns / 1e3
    );
    println!(
        "count and evaluate below {} µs: {}",
        LOOK_LIMIT_NS / 1e3,
        if whole < LOOK_LIMIT_NS { "yes" } else { "NO" }
    );
    let counting_ns = on_core(Cores::choose()?.proxy, || comparisons::counting(time))?;
    println!(
        "\ncounting a request: {:.0} ns by itself, {:.0} ns with its user; below {COUNT_LIMIT_NS} ns: {}",
        counting_ns[0],
        counting_ns[1],
        if counting_ns[0] < COUNT_LIMIT_NS {
            "yes"
        } else {
            "NO"
        }
    );
    let kept = whole < LOOK_LIMIT_NS
        && counting_ns[0] < COUNT_LIMIT_NS
        && costs.iter().all(|cost| cost.median_ns < LIMIT_NS);
    println!(
        "every decision below {LIMIT_NS} ns, and all of the above: {}",
        if kept { "yes" } else { "NO" }
    );
    let results = Results {
        costs,
        limit_ns: LIMIT_NS,
        look,
        counting_ns,
    };
    if let Some(folder) = arguments.json.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&results)?)
        .with_context(|| format!("{} cannot be written", arguments.json.display()))?;
    println!("All figures: {}", arguments.json.display());
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
