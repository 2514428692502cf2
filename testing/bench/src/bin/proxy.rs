//! `cargo xtask bench proxy`: a 95/5 split by Sluice, HAProxy, nginx and Envoy, side by side.
#![allow(clippy::print_stdout, reason = "the table is the result")]

use anyhow::{Context, Result};
use clap::Parser;
use sluice_bench::contest::{self, Peers, Settings};
use sluice_bench::wire::Body;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Compares proxies on this machine: one core and one worker each, the other core for the load.
#[derive(Parser)]
struct Arguments {
    /// HAProxy's program; left out when absent.
    #[arg(long)]
    haproxy: Option<PathBuf>,
    /// nginx's program; left out when absent.
    #[arg(long)]
    nginx: Option<PathBuf>,
    /// Envoy's program; left out when absent.
    #[arg(long)]
    envoy: Option<PathBuf>,
    /// Rounds; each measures every proxy once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections from the clients.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=256))]
    connections: u64,
    /// Requests a second with small bodies; half of what the slowest can when absent.
    #[arg(long)]
    rate_small: Option<f64>,
    /// The same with large bodies.
    #[arg(long)]
    rate_large: Option<f64>,
    /// Where the results go as JSON, with every single measurement.
    #[arg(long, default_value = "target/bench/proxy.json")]
    json: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let program = std::env::current_exe().context("this program's own place")?;
    let folder = program.parent().context("this program lies in no folder")?;
    let peers = Peers::new(folder, arguments.haproxy, arguments.nginx, arguments.envoy);
    let rates = [
        (Body::Small, arguments.rate_small),
        (Body::Large, arguments.rate_large),
    ];
    let settings = Settings {
        rounds: arguments.rounds,
        measure: Duration::from_secs(arguments.seconds),
        warmup: Duration::from_secs(1),
        connections: arguments.connections as usize,
        rates: rates
            .into_iter()
            .filter_map(|(body, rate)| Some((body, rate?)))
            .collect(),
    };
    let minutes = settings
        .duration(peers.list().len() as u32)
        .as_secs()
        .div_ceil(60);
    println!("This takes about {minutes} minutes; nothing else should run meanwhile.");
    let started = Instant::now();
    let results = contest::run(&peers, &settings, &mut |progress| {
        println!("{:>5} s  {progress}", started.elapsed().as_secs());
    })?;
    print!("{results}");
    if let Some(folder) = arguments.json.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.json, serde_json::to_string_pretty(&results)?)
        .with_context(|| format!("{} cannot be written", arguments.json.display()))?;
    println!("All figures: {}", arguments.json.display());
    Ok(if results.wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
