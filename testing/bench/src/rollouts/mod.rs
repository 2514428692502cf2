//! Releases under load: no request may fail while a service is rolled out by each strategy, while
//! its processes are replaced, and while Sluice itself is replaced.
//!
//! The real program is driven through its command line (`daemon`), with a service that neither
//! drains nor waits when it is told to end. The load's rate is fixed, and every answer is compared
//! with what the service should say.

mod daemon;

use crate::load::{self, Load, Outcome, Pace};
use crate::server::free_address;
use crate::wire::{Body, request};
use anyhow::{Context, Result};
use daemon::Daemon;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Connections from the clients.
const CONNECTIONS: usize = 32;
/// Time under load before and after what is done.
const MARGIN: Duration = Duration::from_secs(3);
/// Longest time of one release.
const RELEASE_MAX: Duration = Duration::from_secs(300);
/// How often Sluice is replaced, one right after the other.
const TAKE_OVERS: u32 = 5;
/// Time at each step of the canary.
const BAKE: &str = "4s";

/// The programs.
pub struct Programs {
    /// Sluice.
    pub sluice: PathBuf,
    /// The service that is released.
    pub service: PathBuf,
}

/// What is done under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// A new revision of the service of this name, through its whole plan.
    Deploy(&'static str),
    /// New processes of the same revision.
    Restart(&'static str),
    /// Another Sluice takes the place of the running one.
    TakeOver(&'static str),
}

const DEEDS: [Deed; 5] = [
    Deed::Deploy("rolling"),
    Deed::Deploy("blue-green"),
    Deed::Deploy("canary"),
    Deed::Restart("rolling"),
    Deed::TakeOver("canary"),
];

/// What came of one deed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What was done.
    pub deed: String,
    /// Time that it took, in seconds.
    pub seconds: f64,
    /// Right answers, before, during and after it.
    pub answers: u64,
    /// Of these, the new revision's.
    pub from_new: u64,
    /// Requests without a right answer, by cause.
    pub failures: BTreeMap<String, u64>,
    /// When the first of them failed, in seconds of the measurement.
    pub first_failure: Option<f64>,
    /// In microseconds, from when a request was due.
    pub p50_us: f64,
    /// The same for 99 %.
    pub p99_us: f64,
    /// The slowest.
    pub max_us: f64,
    /// Resident memory of Sluice itself afterwards, in bytes.
    pub memory: u64,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
}

/// All deeds.
#[derive(Debug, Serialize)]
pub struct Results {
    /// Requests a second.
    pub rate: f64,
    /// In order.
    pub rows: Vec<Row>,
}

impl Results {
    /// Whether no request failed and every deed did what it should.
    #[must_use]
    pub fn are_right(&self) -> bool {
        self.rows.iter().all(|row| row.wrong.is_none())
    }
}

/// Runs all deeds under load, one after the other.
///
/// # Errors
/// When Sluice cannot be started or a deed cannot be done.
pub fn run(programs: &Programs, rate: f64, progress: &mut dyn FnMut(&str)) -> Result<Results> {
    let folder = tempfile::tempdir().context("a folder for document, state and logs")?;
    let mut addresses = BTreeMap::new();
    for name in ["rolling", "blue-green", "canary"] {
        addresses.insert(name, free_address()?);
    }
    let document = write_document(folder.path(), &programs.service, &addresses)?;
    let mut daemon = Daemon::start(
        &programs.sluice,
        &document,
        folder.path(),
        addresses["rolling"],
    )?;
    for name in addresses.keys() {
        daemon.wait_healthy(name)?;
    }
    let mut rows = Vec::new();
    for deed in DEEDS {
        let row = under_load(&mut daemon, deed, addresses[deed.service()], rate)?;
        let verdict = row.wrong.as_deref().unwrap_or("no failed request");
        progress(&format!("{}: {} answers, {verdict}", row.deed, row.answers));
        rows.push(row);
    }
    daemon.stop()?;
    Ok(Results { rate, rows })
}

impl Deed {
    fn service(self) -> &'static str {
        match self {
            Deed::Deploy(name) | Deed::Restart(name) | Deed::TakeOver(name) => name,
        }
    }

    fn describe(self) -> String {
        match self {
            Deed::Deploy(name) => format!("deploy, {name}"),
            Deed::Restart(name) => format!("restart, {name}"),
            Deed::TakeOver(_) => format!("Sluice replaced, {TAKE_OVERS} times"),
        }
    }

    fn do_it(self, daemon: &mut Daemon) -> Result<()> {
        match self {
            Deed::Deploy(name) => daemon.deploy(name, "canary", RELEASE_MAX),
            Deed::Restart(name) => daemon.restart(name, RELEASE_MAX),
            Deed::TakeOver(_) => (0..TAKE_OVERS).try_for_each(|_| daemon.replace()),
        }
    }
}

fn under_load(daemon: &mut Daemon, deed: Deed, target: SocketAddr, rate: f64) -> Result<Row> {
    let stop = AtomicBool::new(false);
    let request = request(Body::Small.path(), &target.to_string());
    let expected = Body::Small.bytes();
    let load = Load {
        target,
        request: &request,
        expected: &expected,
        connections: CONNECTIONS,
        pace: Pace::Rate(rate),
        warmup: Duration::ZERO,
        measure: RELEASE_MAX + MARGIN * 4,
        stop: Some(&stop),
    };
    let (outcome, done, seconds) = std::thread::scope(|scope| {
        let clients = scope.spawn(|| load::run(&load, &mut |_mark| Ok(())));
        std::thread::sleep(MARGIN);
        let started = Instant::now();
        let done = deed.do_it(daemon);
        let seconds = started.elapsed().as_secs_f64();
        std::thread::sleep(MARGIN);
        stop.store(true, Relaxed);
        (clients.join(), done, seconds)
    });
    done.with_context(|| deed.describe())?;
    let outcome = outcome.ok().context("the clients broke down")??;
    Ok(row(deed, seconds, &outcome, daemon.memory()?))
}

fn row(deed: Deed, seconds: f64, outcome: &Outcome, memory: u64) -> Row {
    let moved = outcome.canary > 0;
    let wrong = if outcome.failures.is_empty() {
        let should_move = matches!(deed, Deed::Deploy(_));
        (should_move && !moved).then(|| "the new revision got no traffic".to_owned())
    } else {
        let failed: u64 = outcome.failures.values().sum();
        Some(format!("{failed} FAILED requests: {:?}", outcome.failures))
    };
    Row {
        deed: deed.describe(),
        seconds,
        answers: outcome.stable + outcome.canary,
        from_new: outcome.canary,
        failures: outcome.failures.clone(),
        first_failure: outcome.first_failure.map(|after| after.as_secs_f64()),
        p50_us: outcome.latency_us(0.5),
        p99_us: outcome.latency_us(0.99),
        max_us: outcome.latency_us(1.0),
        memory,
        wrong,
    }
}

fn write_document(
    folder: &Path,
    service: &Path,
    addresses: &BTreeMap<&str, SocketAddr>,
) -> Result<PathBuf> {
    let mut text = "services:\n".to_owned();
    for (name, address) in addresses {
        let release = match *name {
            "canary" => format!("{{strategy: canary, steps: [5, 25, 50, 100], bake: {BAKE}}}"),
            "blue-green" => format!("{{strategy: blue-green, bake: {BAKE}, keepWarm: 2s}}"),
            other => other.to_owned(),
        };
        text.push_str(&format!(
            "  {name}:
    run: ['{}']
    env: {{SIDE: stable}}
    replicas: 2
    listen: {address}
    ready: /small
    release: {release}
",
            service.display()
        ));
    }
    let path = folder.join("sluice.yaml");
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<28}{:>8}{:>10}{:>10}{:>8}{:>9}{:>9}{:>9}{:>7}",
            format!("{} requests a second", self.rate),
            "took s",
            "answers",
            "from new",
            "failed",
            "p50 µs",
            "p99 µs",
            "max µs",
            "MB"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<28}{:>8.1}{:>10}{:>10}{:>8}{:>9.0}{:>9.0}{:>9.0}{:>7.1}",
                row.deed,
                row.seconds,
                row.answers,
                row.from_new,
                row.failures.values().sum::<u64>(),
                row.p50_us,
                row.p99_us,
                row.max_us,
                row.memory as f64 / 1e6
            )?;
        }
        for row in &self.rows {
            if let Some(wrong) = &row.wrong {
                writeln!(f, "WRONG: {}: {wrong}", row.deed)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_request_or_traffic_that_did_not_move_is_wrong() {
        let outcome = |canary: u64, failed: u64| Outcome {
            stable: 100,
            canary,
            failures: (failed > 0)
                .then(|| ("closed".to_owned(), failed))
                .into_iter()
                .collect(),
            ..Outcome::default()
        };
        for (deed, canary, failed, right) in [
            (Deed::Deploy("canary"), 5, 0, true),
            (Deed::Deploy("canary"), 0, 0, false),
            (Deed::Deploy("canary"), 5, 1, false),
            (Deed::TakeOver("canary"), 0, 0, true),
            (Deed::TakeOver("canary"), 0, 1, false),
        ] {
            let row = row(deed, 1.0, &outcome(canary, failed), 0);
            assert_eq!(row.wrong.is_none(), right, "{deed:?}: {:?}", row.wrong);
        }
    }
}
