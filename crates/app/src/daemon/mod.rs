//! `sluice up`: the running Sluice. Opens the parts, runs the control loop and the API, and ends in
//! order.
//!
//! A [`session`] is put together from what [`opening`] opens. Follow a rollout: [`deploy`] makes a revision and a command; `turns` takes the turn that decides;
//! `world` is what a decision sees and does; `asking` gets what outside metric servers know; `view` is how it is shown; [`backend`] is who may ask.
//! Restart without a dropped request: `handover`.

mod asking;
mod backend;
mod checklist;
pub(crate) mod clock;
mod comparing;
mod deploy;
mod handover;
mod logs;
mod minutes;
mod opening;
mod parts;
mod rates;
mod session;
mod shared;
mod sources;
mod tidy;
mod turns;
mod view;
mod world;

pub(crate) use backend::{wire_entry, wire_verify};
pub(crate) use session::Session;

use anyhow::{Context as _, bail};
use backend::Ending;
use sluice_proxy::{Proxy, ProxyConfig};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Longest time for requests in flight when Sluice ends or hands over.
const DRAIN: Duration = Duration::from_secs(20);

/// Pause before the hand-over socket is opened again after that failed.
const DESK_RETRY: Duration = Duration::from_secs(30);

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
    /// The successor, or the control thread, failed: go on.
    TakenBack,
}

/// Pause between two tries to go on after a hand-over that failed.
const TAKE_BACK_PAUSE: Duration = Duration::from_secs(1);

/// The signals that end Sluice. Watched from the start, so that none comes too early.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn watch() -> anyhow::Result<Signals> {
        let watch = |kind| signal(kind).context("cannot watch for signals");
        Ok(Signals {
            terminate: watch(SignalKind::terminate())?,
            interrupt: watch(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs Sluice until it is told to end. Returns when everything is stopped.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::watch()?;
    let options = with_settings(options)?;
    let proxy = start_proxy(&options)?;
    let mut session = Session::open(&options, proxy.clone()).await?;
    loop {
        session.announce();
        match until_the_end(&mut session, &mut signals).await? {
            End::Stopped => return session.stop(signals.next()).await,
            End::HandedOver => {
                let report = tokio::select! {
                    report = proxy.drain(DRAIN) => report,
                    () = signals.next() => proxy.drain(Duration::ZERO).await,
                };
                tracing::info!(?report, "the successor serves; this process ends");
                return Ok(());
            }
            End::TakenBack => session = take_back(&session, &options, &mut signals).await?,
        }
    }
}

/// Goes on where the session stopped, as soon as that works: the proxy serves all the while.
async fn take_back(
    session: &Session,
    options: &Options,
    signals: &mut Signals,
) -> anyhow::Result<Session> {
    loop {
        match session.take_back(options).await {
            Ok(session) => {
                tracing::warn!("this process goes on");
                return Ok(session);
            }
            Err(error) => tracing::error!("{error:#}; tried again shortly"),
        }
        tokio::select! {
            () = tokio::time::sleep(TAKE_BACK_PAUSE) => {}
            () = signals.next() => {
                bail!("ended while the state folder could not be taken back; the replicas run on, and the next start finds them")
            }
        }
    }
}

/// Fills in what the document says of Sluice itself; options that were given outrank it.
fn with_settings(mut options: Options) -> anyhow::Result<Options> {
    let (document, _) = deploy::read_document(&options.document)?;
    let settings = document.settings;
    if let (None, Some(listen)) = (options.api, &settings.api_listen) {
        let address = listen.parse().with_context(|| {
            format!("`api.listen: {listen}` is not an address; write it as 127.0.0.1:7000")
        })?;
        options.api = Some(address);
    }
    options.workers = options
        .workers
        .or(settings.proxy_workers.map(|workers| workers as usize));
    Ok(options)
}

/// Starts the proxy as the options say.
pub(crate) fn start_proxy(options: &Options) -> anyhow::Result<Proxy> {
    let mut config = ProxyConfig::default();
    if let Some(workers) = options.workers {
        config.workers = workers;
    }
    Proxy::start(config).context("the proxy cannot start")
}

/// Waits for a signal, a `sluice stop`, or a successor that asks for the hand-over.
async fn until_the_end(session: &mut Session, signals: &mut Signals) -> anyhow::Result<End> {
    let mut ending = session.ending();
    let mut control_lives = session.control_lives();
    loop {
        let desk = match session.open_desk() {
            Ok(desk) => Some(desk),
            Err(error) => {
                tracing::error!("{error:#}; no other Sluice can take over for now");
                None
            }
        };
        let successor = async {
            match &desk {
                Some(desk) => desk.next().await,
                None => std::future::pending().await,
            }
        };
        let asked = async {
            // The sender lives as long as the session.
            let _asked = ending.wait_for(|ending| *ending != Ending::No).await;
        };
        let successor = tokio::select! {
            () = signals.next() => return Ok(End::Stopped),
            () = asked => return Ok(End::Stopped),
            _ = control_lives.changed() => {
                tracing::error!("the control thread has ended; it is started again");
                session.let_go().await;
                tokio::time::sleep(TAKE_BACK_PAUSE).await;
                return Ok(End::TakenBack);
            }
            successor = successor => successor,
            () = tokio::time::sleep(DESK_RETRY), if desk.is_none() => continue,
        };
        drop(desk);
        let handed_over = match successor {
            Ok(successor) => session.hand_over(successor).await,
            Err(error) => Err(error),
        };
        match handed_over {
            Ok(end) => return Ok(end),
            Err(error) => {
                tracing::error!("{error:#}; this process goes on");
                tokio::time::sleep(TAKE_BACK_PAUSE).await;
            }
        }
    }
}
