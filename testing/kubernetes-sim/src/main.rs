//! Runs one seed, and tells it.
#![allow(
    clippy::print_stdout,
    reason = "a command-line tool: its output is its result"
)]

use clap::Parser;
use sluice_kubernetes_sim::{Bug, Fault, Settings, run};
use std::process::ExitCode;

/// Run one seed of the simulated Kubernetes controller.
#[derive(Parser)]
struct Arguments {
    /// The seed.
    #[arg(long)]
    seed: u64,
    /// Tell every write.
    #[arg(long)]
    trace: bool,
    /// A kind of fault that does not happen.
    #[arg(long, value_parser = fault)]
    without: Vec<Fault>,
    /// Users ask for new versions only.
    #[arg(long)]
    no_users: bool,
    /// A bug planted on purpose.
    #[arg(long, value_parser = bug)]
    planted_bug: Option<Bug>,
}

fn fault(name: &str) -> Result<Fault, String> {
    Fault::named(name).ok_or_else(|| {
        let names: Vec<&str> = Fault::ALL.iter().map(|(name, _)| *name).collect();
        format!("no such fault; there are {}", names.join(", "))
    })
}

fn bug(name: &str) -> Result<Bug, String> {
    Bug::named(name).ok_or_else(|| {
        let names: Vec<&str> = Bug::ALL.iter().map(|(name, _)| *name).collect();
        format!("no such bug; there are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut settings = Settings {
        users: !arguments.no_users,
        trace: arguments.trace,
        bug: arguments.planted_bug,
        ..Settings::default()
    };
    for fault in arguments.without {
        settings.faults = settings.faults.without(fault);
    }
    let report = run(arguments.seed, &settings);
    for line in &report.trace {
        println!("{line}");
    }
    println!("{}, {:?}", report.phases.join(" "), report.reached);
    match report.violation {
        Some(violation) => {
            let seconds = violation.at_ms as f64 / 1_000.0;
            println!("{seconds} s  {}: {}", violation.promise, violation.seen);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
