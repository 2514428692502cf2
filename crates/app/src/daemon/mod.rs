//! `sluice up`: the running Sluice. Opens the parts, runs the control loop and the API, and ends in
//! order.
//!
//! Follow a rollout: [`deploy`] makes a revision and a command; `turns` takes the turn that decides;
//! `world` is what a decision sees and does; `view` is how it is shown; [`backend`] is who may ask.
//! Restart without a dropped request: `handover`.

mod backend;
mod checklist;
pub(crate) mod clock;
mod deploy;
mod handover;
mod logs;
mod parts;
mod rates;
mod session;
mod shared;
mod tidy;
mod turns;
mod view;
mod world;

pub(crate) use backend::wire_verify;
pub(crate) use session::Session;

use anyhow::Context as _;
use backend::Ending;
use sluice_proxy::{Proxy, ProxyConfig};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Longest time for requests in flight when Sluice ends or hands over.
const DRAIN: Duration = Duration::from_secs(20);

/// What `up` is started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The document; absolute.
    pub(crate) document: PathBuf,
    /// The state folder; absolute.
    pub(crate) state_dir: PathBuf,
    /// Address of the API besides its unix socket.
    pub(crate) api: Option<SocketAddr>,
    /// Proxy threads; as many as the machine has cores when absent.
    pub(crate) workers: Option<usize>,
    /// Take over from a Sluice that runs on the same state folder.
    pub(crate) take_over: bool,
    /// Who starts it; for the log.
    pub(crate) actor: String,
}

/// How a session ended.
enum End {
    /// Everything is stopped.
    Stopped,
    /// A successor serves.
    HandedOver,
    /// The successor failed: go on.
    TakenBack,
}

/// Runs Sluice until it is told to end. Returns when everything is stopped.
pub(crate) async fn run(mut options: Options) -> anyhow::Result<()> {
    let proxy = start_proxy(&options)?;
    loop {
        let mut session = Session::open(&options, proxy.clone()).await?;
        session.announce();
        let end = until_the_end(&mut session).await?;
        match end {
            End::Stopped => {
                session.stop().await?;
                return Ok(());
            }
            End::HandedOver => {
                let report = proxy.drain(DRAIN).await;
                tracing::info!(?report, "the successor serves; this process ends");
                return Ok(());
            }
            End::TakenBack => {
                tracing::warn!("the successor failed; this process goes on");
                options.take_over = false;
            }
        }
    }
}

/// Starts the proxy as the options say.
pub(crate) fn start_proxy(options: &Options) -> anyhow::Result<Proxy> {
    let mut config = ProxyConfig::default();
    if let Some(workers) = options.workers {
        config.workers = workers;
    }
    Proxy::start(config).context("the proxy cannot start")
}

/// Waits for a signal, a `sluice stop`, or a successor.
async fn until_the_end(session: &mut Session) -> anyhow::Result<End> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for signals")?;
    let mut ending = session.ending();
    let desk = session.open_desk()?;
    let asked = async {
        // The sender lives as long as the session; if it goes, so does Sluice.
        match ending.wait_for(|ending| *ending != Ending::No).await {
            Ok(ending) => *ending,
            Err(_) => Ending::Quick,
        }
    };
    tokio::select! {
        _ = terminate.recv() => Ok(End::Stopped),
        _ = interrupt.recv() => Ok(End::Stopped),
        _ = asked => Ok(End::Stopped),
        successor = desk.next() => {
            let successor = successor?;
            drop(desk);
            session.hand_over(successor).await
        }
    }
}
