//! The project's own tasks, run as `cargo xtask …`.
//!
//! It holds no code of the product and depends on none of its crates, so that it builds first and
//! in seconds. Read `suite` for what `cargo xtask test` runs, `layers` for the rules between the
//! crates, `soak` for long runs, `bench` for comparisons with other programs, `cluster` for real Kubernetes clusters.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool: its output is its result"
)]

mod argo_hashes;
mod bench;
mod cache;
mod child;
mod cluster;
mod debian;
mod generate;
mod go;
mod kubernetes;
mod layers;
mod soak;
mod suite;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// Tasks of the Sluice project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every check and test; what CI runs.
    Test(suite::Options),
    /// Check which crate may depend on which, and that the pure crates are pure.
    CheckLayers,
    /// Run a randomized test for long, in chunks, with progress that survives an interruption.
    Soak(soak::Options),
    /// Compare with other programs on this machine, as ratios.
    Bench(bench::Options),
    /// Start, use and end real Kubernetes clusters on this machine.
    Cluster(cluster::Options),
    /// Write the generated documents anew, or check that they are up to date.
    Generate(generate::Options),
    /// Format the code.
    Fmt,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task; `false` when it ran to its end and found something wrong.
fn run(arguments: Arguments) -> Result<bool> {
    let workspace = Workspace::find()?;
    match arguments.task {
        Task::Test(options) => suite::run(&workspace, &options),
        Task::CheckLayers => layers::check_and_report(&workspace),
        Task::Soak(options) => soak::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Cluster(options) => cluster::run(&workspace, &options),
        Task::Generate(options) => generate::run(&workspace, &options),
        Task::Fmt => suite::format(&workspace),
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
}
