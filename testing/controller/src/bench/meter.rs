//! What a controller uses while something goes on.

use crate::bench::audit::{AuditLog, Requests};
use crate::bench::process::Usage;
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often memory is looked at: the system walks through all of it for that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a controller used while something went on.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// How long it went on.
    pub seconds: f64,
    /// Processor time, of user and system.
    pub cpu_seconds: f64,
    /// Requests to the API server that were answered, and watches that began.
    pub requests: Requests,
    /// Resident memory at the end, in bytes.
    pub rss: u64,
    /// The same, shared pages counted in part.
    pub pss: u64,
}

/// Measures one controller, one time after the other.
#[derive(Debug)]
pub(crate) struct Meter {
    process: u32,
    log: AuditLog,
    /// Requests since the last lap that were read already.
    requests: Requests,
    began: Instant,
    cpu_before: f64,
    pss_peak: u64,
    looked: Option<Instant>,
}

impl Meter {
    /// Measures a process that has just begun, whose requests are logged in this file.
    pub(crate) fn new(process: u32, audit_log: &Path) -> Self {
        Self {
            process,
            log: AuditLog::new(audit_log),
            requests: Requests::default(),
            began: Instant::now(),
            cpu_before: 0.0,
            pss_peak: 0,
            looked: None,
        }
    }

    /// Takes a look for the peak, unless there was one just now.
    pub(crate) fn glance(&mut self) -> Result<()> {
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        if is_due {
            self.look().map(drop)
        } else {
            Ok(())
        }
    }

    fn look(&mut self) -> Result<Usage> {
        let usage = Usage::of(self.process)?;
        self.pss_peak = self.pss_peak.max(usage.pss);
        self.looked = Some(Instant::now());
        Ok(usage)
    }

    /// How many requests were made since the last look at them that an idle controller does not make.
    pub(crate) fn working(&mut self) -> Result<u64> {
        let new = self.log.since_last()?;
        let working = new.of_work();
        self.requests.add(new);
        Ok(working)
    }

    /// What was used since the last call; from now on it counts anew.
    pub(crate) fn lap(&mut self) -> Result<Used> {
        let usage = self.look()?;
        self.working()?;
        let used = Used {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu_seconds: usage.cpu_seconds - self.cpu_before,
            requests: std::mem::take(&mut self.requests),
            rss: usage.rss,
            pss: usage.pss,
        };
        self.began = Instant::now();
        self.cpu_before = usage.cpu_seconds;
        Ok(used)
    }

    /// The most memory that was seen: resident, and with shared pages counted in part. The second is looked at now and then.
    pub(crate) fn peaks(&mut self) -> Result<(u64, u64)> {
        Ok((self.look()?.rss_peak, self.pss_peak))
    }
}
