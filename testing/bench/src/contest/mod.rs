//! The comparison of proxies: the same split, the same backends, the same load, one after the other
//! in several rounds.
//!
//! `peers` says how each proxy is configured, `results` what is made of the figures, `table` how
//! they are shown. A wrong answer or a split that is not 95/5 fails the comparison, whoever gave it.

mod peers;
mod results;
mod table;

use crate::cpus::{Cores, cores_in_use, on_core};
use crate::load::{self, Load, Mark, Outcome, Pace};
use crate::server::{Server, Usage, free_address};
use crate::wire::{Body, request};
use anyhow::{Context, Result, bail};
pub use peers::{Peer, Peers};
pub use results::{Results, Sample, Summary};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The canary's share of the traffic, in percent.
pub const CANARY_PERCENT: u32 = 5;
/// Name of the row without a proxy: what the clients and the backends can do by themselves.
pub const DIRECT: &str = "(no proxy)";
/// Time to find out what a proxy can do at most, before the common rate is chosen.
const CALIBRATION: Duration = Duration::from_secs(1);
/// Share of the slowest proxy's best that the common rate is: busy, but far from its limit.
const RATE_SHARE: f64 = 0.5;

/// Cores that something else may use before the comparison says so.
const IN_USE_MAX: f64 = 0.1;
/// How long the machine is looked at for that.
const LOOK: Duration = Duration::from_secs(2);

/// How long, how often, how much.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Settings {
    /// Rounds; each measures every proxy once, in another order.
    pub rounds: u32,
    /// Time of one measurement.
    pub measure: Duration,
    /// Time before each measurement.
    pub warmup: Duration,
    /// Connections from the clients.
    pub connections: usize,
    /// Requests per second by body; chosen by the slowest proxy when absent.
    pub rates: BTreeMap<Body, f64>,
}

impl Settings {
    /// The time that the measurements take, about.
    #[must_use]
    pub fn duration(&self, proxies: u32) -> Duration {
        let one = self.warmup + self.measure + self.warmup + self.measure / 2;
        (one * self.rounds + CALIBRATION * 2) * (proxies + 1) * Body::ALL.len() as u32
    }
}

/// Runs the comparison; `progress` is told what goes on.
///
/// # Errors
/// When something cannot be started, or ends on its own.
pub fn run(peers: &Peers, settings: &Settings, progress: &mut dyn FnMut(&str)) -> Result<Results> {
    let cores = Cores::choose()?;
    let in_use = cores_in_use(LOOK)?;
    if in_use > IN_USE_MAX {
        progress(&format!(
            "NOTE: something else uses {in_use:.1} cores; the figures will be unsteady"
        ));
    }
    let folder = tempfile::tempdir().context("a folder for configurations and logs")?;
    let field = start(peers, settings, cores, folder.path(), progress)?;
    let mut settings = settings.clone();
    let mut samples = Vec::new();
    on_core(cores.load, || {
        calibrate(&field, &mut settings, progress)?;
        for round in 0..settings.rounds {
            for turn in 0..field.runners.len() {
                // Another order each round: who comes first or after whom is not always the same.
                let runner = &field.runners[(turn + round as usize) % field.runners.len()];
                for body in Body::ALL {
                    samples.extend(measure(runner, body, round, &settings)?);
                }
            }
            progress(&format!("round {} of {} done", round + 1, settings.rounds));
        }
        Ok(())
    })?;
    Ok(Results::new(settings, in_use, samples))
}

/// Everything that runs while the measurements go on.
struct Field {
    runners: Vec<Runner>,
    /// Kept running.
    _backend: Server,
}

/// A proxy, or the backend itself.
struct Runner {
    name: String,
    address: SocketAddr,
    server: Option<Server>,
}

fn start(
    peers: &Peers,
    settings: &Settings,
    cores: Cores,
    folder: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<Field> {
    let (stable, canary) = (free_address()?, free_address()?);
    // It ends by itself when this process is gone without having ended it.
    let lifetime = settings.duration(peers.list().len() as u32) * 3 + Duration::from_secs(60);
    let arguments = [
        stable.to_string(),
        canary.to_string(),
        lifetime.as_secs().to_string(),
    ];
    let backend = Server::start(
        "backend",
        &peers.backend,
        &arguments,
        Some(cores.load),
        stable,
        folder,
    )?;
    let mut runners = vec![Runner {
        name: DIRECT.to_owned(),
        address: stable,
        server: None,
    }];
    for peer in peers.list() {
        let listen = free_address()?;
        let arguments = peer.configure(listen, stable, canary, lifetime, folder)?;
        let server = Server::start(
            peer.name,
            &peer.program,
            &arguments,
            Some(cores.proxy),
            listen,
            folder,
        )?;
        progress(&format!("{} runs: {}", peer.name, peer.version()));
        runners.push(Runner {
            name: peer.name.to_owned(),
            address: listen,
            server: Some(server),
        });
    }
    Ok(Field {
        runners,
        _backend: backend,
    })
}

/// Chooses the rates that were not given.
fn calibrate(field: &Field, settings: &mut Settings, progress: &mut dyn FnMut(&str)) -> Result<()> {
    for body in Body::ALL {
        let mut slowest = f64::INFINITY;
        for runner in &field.runners {
            let (outcome, _) = send(
                runner,
                body,
                Pace::Saturate,
                settings.connections,
                CALIBRATION,
                CALIBRATION,
            )?;
            refuse_wrong(runner, body, &outcome)?;
            slowest = slowest.min(outcome.answers as f64 / outcome.elapsed.as_secs_f64());
        }
        let rate = (slowest * RATE_SHARE / 100.0).floor().max(1.0) * 100.0;
        let rate = *settings.rates.entry(body).or_insert(rate);
        progress(&format!(
            "{}: {rate} requests a second for all",
            body.name()
        ));
    }
    Ok(())
}

/// A comparison in which one answers wrongly is none.
fn refuse_wrong(runner: &Runner, body: Body, outcome: &Outcome) -> Result<()> {
    if outcome.failures.is_empty() {
        return Ok(());
    }
    bail!(
        "{} answered wrongly ({}): {:?}",
        runner.name,
        body.name(),
        outcome.failures
    )
}

/// Both ways of measuring: at the common rate, and as fast as it goes.
fn measure(runner: &Runner, body: Body, round: u32, settings: &Settings) -> Result<[Sample; 2]> {
    let rate = settings
        .rates
        .get(&body)
        .copied()
        .context("the rate was chosen before")?;
    let paces = [
        (Pace::Rate(rate), settings.measure),
        (Pace::Saturate, settings.measure / 2),
    ];
    let mut samples = Vec::new();
    for (pace, time) in paces {
        let (outcome, used) = send(
            runner,
            body,
            pace,
            settings.connections,
            settings.warmup,
            time,
        )?;
        samples.push(Sample::new(&runner.name, body, round, pace, &outcome, used));
    }
    samples
        .try_into()
        .ok()
        .context("two paces give two samples")
}

/// What a server used between the marks, and how much memory it had at the end.
fn send(
    runner: &Runner,
    body: Body,
    pace: Pace,
    connections: usize,
    warmup: Duration,
    measure: Duration,
) -> Result<(Outcome, Option<Usage>)> {
    let request = request(body.path(), &runner.address.to_string());
    let expected = body.bytes();
    let load = Load {
        target: runner.address,
        request: &request,
        expected: &expected,
        connections,
        pace,
        warmup,
        measure,
        stop: None,
    };
    let usage = || runner.server.as_ref().map(Server::usage).transpose();
    let (mut before, mut after) = (None, None);
    let outcome = load::run(&load, &mut |mark| {
        match mark {
            Mark::Begin => before = usage()?,
            Mark::End => after = usage()?,
        }
        Ok(())
    })?;
    let used = before.zip(after).map(|(before, after)| Usage {
        cpu: after.cpu.saturating_sub(before.cpu),
        memory: after.memory,
    });
    Ok((outcome, used))
}
