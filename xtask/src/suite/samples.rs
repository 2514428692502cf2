//! The parts `simulator` and `kubernetes`: the first seeds of the long runs, always the same ones, with
//! optimization.
//!
//! `cargo xtask soak` runs more of them; see `crate::soak`. Other long runs are short without being
//! told otherwise, and are part of the tests.

use super::tally::Tally;
use super::{Context, rust};
use crate::soak::{KUBERNETES, SIMULATOR};
use anyhow::Result;
use std::time::Duration;

/// Seeds of the sample of simulated rollouts: under a minute.
const RUNS: u64 = 2_000;
/// Seeds of the sample of the simulated controller, each of which is minutes of a whole cluster.
const CLUSTERS: u64 = 300;
/// Longest time of a sample, building included.
const SAMPLE_MAX: Duration = Duration::from_secs(20 * 60);

pub(super) fn simulator(context: &Context<'_>) -> Result<Tally> {
    rust::count(SIMULATOR.command(context.workspace, 1, RUNS), SAMPLE_MAX)
}

pub(super) fn kubernetes(context: &Context<'_>) -> Result<Tally> {
    let command = KUBERNETES.command(context.workspace, 1, CLUSTERS);
    rust::count(command, SAMPLE_MAX)
}
