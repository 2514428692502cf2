//! `cargo xtask bench deploy`: releases and restarts under load, without a failed request.
#![allow(clippy::print_stdout, reason = "the table is the result")]

use anyhow::{Context, Result};
use clap::Parser;
use sluice_bench::rollouts::{self, Programs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Rolls services out and replaces Sluice under load; fails when one request fails.
#[derive(Parser)]
struct Arguments {
    /// Requests a second.
    #[arg(long, default_value_t = 2_000.0)]
    rate: f64,
    /// Where the results go as JSON.
    #[arg(long, default_value = "target/bench/deploy.json")]
    json: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let program = std::env::current_exe().context("this program's own place")?;
    let folder = program.parent().context("this program lies in no folder")?;
    let programs = Programs {
        sluice: folder.join("sluice"),
        service: folder.join("bench-service"),
    };
    println!("This takes about two minutes.");
    let started = Instant::now();
    let results = rollouts::run(&programs, arguments.rate, &mut |progress| {
        println!("{:>5} s  {progress}", started.elapsed().as_secs());
    })?;
    print!("{results}");
    if let Some(folder) = arguments.json.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&results)?)
        .with_context(|| format!("{} cannot be written", arguments.json.display()))?;
    println!("All figures: {}", arguments.json.display());
    Ok(if results.are_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
