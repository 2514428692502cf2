//! What is told of the process, under the names that Prometheus' own libraries give.

use super::text::{Family, as_float};
use rustix::time::{ClockId, clock_gettime};

/// The process now.
pub(crate) struct Process {
    started: f64,
    cpu: f64,
    memory: Option<f64>,
    files: Option<f64>,
}

impl Process {
    /// The process as it is; `started` in seconds since 1970.
    pub(crate) fn now(started: f64) -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Process {
            started,
            cpu: seconds(cpu.tv_sec, cpu.tv_nsec),
            memory: memory(),
            files: std::fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| as_float(files.count() as u64)),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "samples are floats")]
fn seconds(whole: i64, nanoseconds: i64) -> f64 {
    whole as f64 + nanoseconds as f64 / 1e9
}

/// Memory in use, in bytes.
fn memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(as_float(kibibytes * 1_024))
}

/// What is told of the process.
pub(crate) const PROCESS: [Family<Process>; 5] = [
    Family::gauge(
        "process_start_time_seconds",
        "Start of the process, in seconds since 1970.",
        |process, samples| samples.put(&[], process.started),
    ),
    Family::counter(
        "process_cpu_seconds_total",
        "Processor time, in seconds.",
        |process, samples| samples.put(&[], process.cpu),
    ),
    Family::gauge(
        "process_resident_memory_bytes",
        "Memory in use, in bytes.",
        |process, samples| {
            if let Some(memory) = process.memory {
                samples.put(&[], memory);
            }
        },
    ),
    Family::gauge("process_open_fds", "Open files.", |process, samples| {
        if let Some(files) = process.files {
            samples.put(&[], files);
        }
    }),
    Family::gauge(
        "argo_rollouts_controller_info",
        "The controller's version.",
        |_, samples| {
            samples.put(
                &[("version", concat!("sluice-", env!("CARGO_PKG_VERSION")))],
                1.0,
            )
        },
    ),
];
