//! The part `simulator`: the first seeds of the long run, always the same ones, with optimization.
//!
//! `cargo xtask soak` runs more of them; see `crate::soak`. Other long runs are short without being
//! told otherwise, and are part of the tests.

use super::tally::Tally;
use super::{Context, rust};
use crate::soak::SIMULATOR;
use anyhow::Result;
use std::time::Duration;

/// Seeds of the sample: under a minute.
const RUNS: u64 = 2_000;
/// Longest time of a sample, building included.
const SAMPLE_MAX: Duration = Duration::from_secs(20 * 60);

pub(super) fn simulator(context: &Context<'_>) -> Result<Tally> {
    rust::count(SIMULATOR.command(context.workspace, 1, RUNS), SAMPLE_MAX)
}
