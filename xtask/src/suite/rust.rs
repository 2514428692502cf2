//! The parts that cargo itself runs: format, lints, tests, documentation.
//!
//! All of them use the development profile and the default features, so that they share what is
//! built: lints and documentation the metadata of the dependencies, the tests and the samples with
//! SIGKILL the programs.

use super::Context;
use super::tally::Tally;
use crate::workspace::Workspace;
use crate::{child, generate, layers};
use anyhow::{Context as _, Result};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Longest time of a check that compiles nothing.
const QUICK_MAX: Duration = Duration::from_secs(5 * 60);
/// Longest time of a part that may build everything first, on a slow machine.
const BUILD_MAX: Duration = Duration::from_secs(40 * 60);

/// Formats the code.
pub(crate) fn format(workspace: &Workspace) -> Result<bool> {
    child::show(workspace.cargo(&["fmt", "--all"]), QUICK_MAX)
}

pub(super) fn check_format(context: &Context<'_>) -> Result<Tally> {
    // Names the files only: what is wrong with them, `cargo xtask fmt` knows.
    let command = context
        .workspace
        .cargo(&["fmt", "--all", "--", "--check", "-l"]);
    let passed = child::show(command, QUICK_MAX)?;
    if !passed {
        println!("Run `cargo xtask fmt`.");
    }
    Ok(Tally::of(passed))
}

pub(super) fn check_layers(context: &Context<'_>) -> Result<Tally> {
    layers::check_and_report(context.workspace).map(Tally::of)
}

pub(super) fn check_lints(context: &Context<'_>) -> Result<Tally> {
    let command = context.workspace.cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
    child::show(command, BUILD_MAX).map(Tally::of)
}

pub(super) fn run_tests(context: &Context<'_>) -> Result<Tally> {
    test(context, &["--no-fail-fast"], &[])
}

/// Builds the product's program, for a test that runs it and is not its own.
///
/// As part of the workspace and beside a test: otherwise dependencies have other features than in
/// [`run_tests`], and almost all of them are built again.
pub(super) fn build_program(context: &Context<'_>, test: &str) -> Result<bool> {
    let mut command = context.workspace.cargo(&["build", "--locked", "--quiet"]);
    command.args(["--workspace", "--bin", "sluice", "--test", test]);
    child::show(command, BUILD_MAX)
}

/// Runs `cargo test` over the workspace with these arguments and, for the test programs, these variables.
pub(super) fn test(
    context: &Context<'_>,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<Tally> {
    let mut command = context
        .workspace
        .cargo(&["test", "--locked", "--workspace"]);
    command.args(arguments).envs(variables.iter().copied());
    count(command, BUILD_MAX)
}

/// `PATH` with these folders behind it: what the user chose comes first.
pub(super) fn path_with(folders: Vec<PathBuf>) -> Result<String> {
    let now = std::env::var_os("PATH").unwrap_or_default();
    let all: OsString = std::env::join_paths(std::env::split_paths(&now).chain(folders))
        .context("a folder of a fetched program cannot be part of PATH")?;
    all.into_string().ok().context("PATH is not valid text")
}

/// Runs tests and counts them.
pub(super) fn count(command: Command, deadline: Duration) -> Result<Tally> {
    let mut tally = Tally::default();
    let status = child::run(command, deadline, |line| {
        println!("{line}");
        tally.read_line(line);
    })?;
    // Not built, or ended by a signal before it could count: a failure without a line of its own.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

pub(super) fn check_docs(context: &Context<'_>) -> Result<Tally> {
    let mut command =
        context
            .workspace
            .cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    child::show(command, BUILD_MAX).map(Tally::of)
}

pub(super) fn check_generated(context: &Context<'_>) -> Result<Tally> {
    generate::check(context.workspace).map(Tally::of)
}
