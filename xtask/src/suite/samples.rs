//! The part `simulator`: the first seeds of the long run, always the same ones, with optimization.
//!
//! `cargo xtask soak` runs more of them; see `crate::soak`. Other long runs are short without being
//! told otherwise, and are part of the tests.

use super::Context;
use super::tally::Tally;
use crate::child;
use crate::soak::SIMULATOR;
use anyhow::Result;
use std::time::Duration;

/// Seeds of the sample: under a minute.
const RUNS: u64 = 2_000;
/// Longest time of a sample, building included.
const SAMPLE_MAX: Duration = Duration::from_secs(20 * 60);

pub(super) fn simulator(context: &Context<'_>) -> Result<Tally> {
    if !SIMULATOR.exists(context.workspace) {
        return Ok(Tally::skip(SIMULATOR.name, "it does not exist yet"));
    }
    let command = SIMULATOR.command(context.workspace, 1, RUNS);
    let mut tally = Tally::default();
    let status = child::run(command, SAMPLE_MAX, |line| {
        println!("{line}");
        tally.read_line(line);
    })?;
    // Not built, or ended before it could count.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}
