//! Which core does what.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::Duration;

/// The two cores of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// For the server under test alone.
    pub proxy: usize,
    /// For clients and backends.
    pub load: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    ///
    /// # Errors
    /// When there is only one.
    pub fn choose() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("the cores of this process are unknown")?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        match (cores.next(), cores.next()) {
            (Some(proxy), Some(load)) => Ok(Self { proxy, load }),
            _ => bail!("two cores are needed: one for the proxy, one for the load"),
        }
    }
}

/// Runs `work` with this thread, and what it starts, on one core.
///
/// # Errors
/// Those of `work`, or when the core cannot be chosen.
pub fn on_core<T>(core: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = sched_getaffinity(None).context("the cores of this thread are unknown")?;
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).with_context(|| format!("core {core} cannot be chosen"))?;
    let result = work();
    sched_setaffinity(None, &before).context("the former cores cannot be chosen again")?;
    result
}

/// How many cores of this machine are in use, looked at for a while.
///
/// # Errors
/// When the system does not tell.
pub fn cores_in_use(over: Duration) -> Result<f64> {
    let look = || -> Result<(u64, u64)> {
        let stat = std::fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
        idle_and_all(&stat).context("/proc/stat has an unknown form")
    };
    let before = look()?;
    std::thread::sleep(over);
    let after = look()?;
    let idle = after.0.saturating_sub(before.0) as f64;
    let all = after.1.saturating_sub(before.1).max(1) as f64;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok((1.0 - idle / all) * cores as f64)
}

/// Idle time and all time of all cores, in clock ticks.
fn idle_and_all(stat: &str) -> Option<(u64, u64)> {
    let times: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guest times are part of user's.
    let idle = times.get(3)? + times.get(4)?;
    Some((idle, times.iter().take(8).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_disk_is_idle_and_guests_are_not_counted_twice() {
        let stat = "cpu  10 1 20 300 40 2 3 4 5 6\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(idle_and_all(stat), Some((340, 380)));
        assert_eq!(idle_and_all("intr 1 2"), None);
    }
}
