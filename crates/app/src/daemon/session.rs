//! One session of a running Sluice: from opened parts to stopped ones.
//!
//! The proxy outlives a session: while a successor comes up, and when it fails, it goes on serving.
//! How the parts are opened is in `opening`.

use super::backend::{DaemonBackend, Ending};
use super::deploy::{self, Version};
use super::handover::{self, Desk};
use super::opening::{self, Known, Opened};
use super::parts::{Parts, SETTLE_WAIT};
use super::shared::lock;
use super::{DRAIN, End, Options, clock, turns};
use anyhow::{Context as _, bail};
use sluice_model::ServiceName;
use sluice_model::view::ServiceView;
use sluice_proxy::Proxy;
use sluice_server::serve::ServerOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Longest wait for the state folder while another process lets it go.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Session {
    parts: Arc<Parts>,
    control: Option<std::thread::JoinHandle<()>>,
    /// Closed when the control thread has ended, for whatever reason.
    control_lives: watch::Receiver<()>,
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    ending: watch::Sender<Ending>,
    quick: bool,
}

impl Session {
    /// Opens everything and begins to serve. An error leaves nothing running that was not before.
    pub(crate) async fn open(options: &Options, proxy: Proxy) -> anyhow::Result<Session> {
        let (document, diagnostics) = deploy::read_document(&options.document)?;
        for diagnostic in &diagnostics {
            tracing::warn!("{diagnostic}");
        }
        let predecessor = if options.take_over {
            handover::ask(&options.state_dir)?
        } else {
            None
        };
        let lock_wait = predecessor.as_ref().map_or(Duration::ZERO, |_| LOCK_WAIT);
        let opened = opening::open_parts(options, proxy, BTreeMap::new(), lock_wait).await?;
        let parts = Arc::clone(&opened.0);
        let services = document.services.clone();
        let names: BTreeSet<ServiceName> = services.iter().map(|spec| spec.name.clone()).collect();
        let known = opening::load(&parts, &names)?;
        let versions = opening::capture_all(&parts, services, &known).await?;
        let (stream, inherited) = predecessor.unzip();
        let mut inherited = Some(inherited.unwrap_or_default());
        if stream.is_none() {
            opening::listen_all(&parts, &document, inherited.take().unwrap_or_default())?;
        }
        let removed = known.removed.clone();
        let mut session = Session::begin(opened, known).await?;
        let come_up = async {
            if stream.is_some() {
                session.settle(&names).await;
            }
            if let Some(inherited) = inherited {
                opening::listen_all(&session.parts, &document, inherited)?;
            }
            session.serve_api(options).await?;
            if let Some(stream) = &stream {
                handover::say_ready(stream)?;
            }
            // From here on this process is all there is, if anything was before.
            let alone = stream.is_none() && session.parts.adopted.is_empty();
            session.bring_up(versions, &options.actor, alone).await
        };
        match come_up.await {
            Ok(()) => {
                opening::stop_removed(&session.parts, &removed);
                Ok(session)
            }
            Err(error) => {
                session.give_up(stream.is_some()).await;
                Err(error)
            }
        }
    }

    /// Goes on after a successor failed, or the control thread did: with the same services on the same
    /// addresses, whatever the document says by now.
    pub(super) async fn take_back(&self, options: &Options) -> anyhow::Result<Session> {
        let listeners = lock(&self.parts.listeners).clone();
        let names = self.views().into_iter().map(|view| view.service).collect();
        let proxy = self.parts.proxy.clone();
        let opened = opening::open_parts(options, proxy, listeners, LOCK_WAIT).await?;
        let known = opening::load(&opened.0, &names)?;
        let mut session = Session::begin(opened, known).await?;
        if let Err(error) = session.serve_api(options).await {
            session.let_go().await;
            return Err(error);
        }
        Ok(session)
    }

    /// Starts the control loop, and waits until each service had its first turn.
    async fn begin((parts, arrived): Opened, known: Known) -> anyhow::Result<Session> {
        let (started, first_turns) = oneshot::channel();
        let (lives, control_lives) = watch::channel(());
        let control = {
            let parts = Arc::clone(&parts);
            std::thread::Builder::new()
                .name("control".to_owned())
                .spawn(move || {
                    let _lives = lives;
                    let _closing = turns::Closing(Arc::clone(&parts));
                    turns::run(&parts, known.statuses, &arrived, started);
                })
                .context("the control thread cannot start")?
        };
        first_turns
            .await
            .context("the control thread ended at once; its messages say why")?;
        opening::wake_on_changes(&parts);
        Ok(Session {
            parts,
            control: Some(control),
            control_lives,
            server: None,
            ending: watch::Sender::new(Ending::No),
            quick: false,
        })
    }

    /// Waits until the replicas that were found again are ready, or have had their time.
    async fn settle(&self, names: &BTreeSet<ServiceName>) {
        let until = Instant::now() + SETTLE_WAIT;
        while Instant::now() < until && !names.iter().all(|name| self.parts.settled(name)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn serve_api(&mut self, options: &Options) -> anyhow::Result<()> {
        let backend = Arc::new(DaemonBackend {
            parts: Arc::clone(&self.parts),
            started_at: clock::now(),
            ending: self.ending.clone(),
        });
        let bound = sluice_server::bind(&ServerOptions {
            tcp: options.api,
            take_over: options.take_over,
            ..ServerOptions::local(&options.state_dir)
        })
        .await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(bound.serve(backend, async {
            // Dropping the sender ends the server as well.
            let _ended = stopped.await;
        }));
        self.server = Some((stop, served));
        Ok(())
    }

    /// Brings every service to what the document says. A failure is one of this service, and the others
    /// go on, unless nothing ran before (`alone`): then whoever starts Sluice wants to know.
    async fn bring_up(
        &self,
        versions: Vec<Version>,
        actor: &str,
        alone: bool,
    ) -> anyhow::Result<()> {
        for version in versions {
            let service = version.service().clone();
            let status = self.parts.shared.view(&service).map(|cell| cell.status);
            let has_served = status
                .as_ref()
                .is_some_and(|status| status.stable.is_some());
            match deploy::bring_up(&self.parts, version, status.as_ref(), actor).await {
                Ok(reply) if reply.unchanged => {
                    tracing::info!(%service, revision = reply.revision.0, "as the document says");
                }
                Ok(reply) => tracing::info!(%service, revision = reply.revision.0, "deployed"),
                Err(error) if alone && !has_served => bail!(error),
                Err(error) => {
                    tracing::error!(%service, "{error}; the others go on, and this one as it was");
                }
            }
        }
        Ok(())
    }

    /// After a start that failed: replicas from before stay as they are, for a predecessor or the next
    /// start; where there were none, none is left.
    async fn give_up(&mut self, took_over: bool) {
        if took_over || !self.parts.adopted.is_empty() {
            self.let_go().await;
            return;
        }
        self.quick = true;
        if let Err(error) = self.stop(std::future::pending()).await {
            tracing::error!("{error:#}");
        }
    }

    /// Says what is served where.
    pub(crate) fn announce(&self) {
        for (service, listening) in lock(&self.parts.listeners).iter() {
            tracing::info!(%service, address = listening.address, preview = listening.preview, "serving");
        }
    }

    /// The services as they stand.
    pub(crate) fn views(&self) -> Vec<ServiceView> {
        self.parts.shared.views()
    }

    pub(super) fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    /// Changes, or closes, when the control thread is no more.
    pub(super) fn control_lives(&self) -> watch::Receiver<()> {
        self.control_lives.clone()
    }

    pub(super) fn open_desk(&self) -> anyhow::Result<Desk> {
        handover::open_desk(&self.parts.state_dir)
    }

    /// Ends the control loop and the API; processes and proxy stay as they are.
    async fn pause_control(&mut self) {
        self.parts.shared.stop_loop();
        if let Some((stop, served)) = self.server.take() {
            drop(stop);
            if let Err(error) = served.await {
                tracing::error!(%error, "the API ended badly");
            }
        }
        if let Some(control) = self.control.take() {
            let joined = tokio::task::spawn_blocking(move || control.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("the control thread ended badly; its last decision is stored");
            }
        }
    }

    /// Ends the session; processes, proxy and listeners stay as they are, for whoever comes next.
    pub(super) async fn let_go(&mut self) {
        self.pause_control().await;
        self.parts.platform.detach();
        self.parts.store.release();
    }

    /// Ends everything in order: out of the listeners, requests in flight, replicas. `hurry` ends the wait
    /// for requests in flight, and cuts the replicas' drain and grace short.
    pub(crate) async fn stop(&mut self, hurry: impl Future<Output = ()>) -> anyhow::Result<()> {
        self.quick |= *self.ending.borrow() == Ending::Quick;
        let drain = if self.quick { Duration::ZERO } else { DRAIN };
        self.pause_control().await;
        let mut hurry = std::pin::pin!(hurry);
        let report = tokio::select! {
            report = self.parts.proxy.drain(drain) => report,
            () = &mut hurry => {
                self.quick = true;
                self.parts.proxy.drain(Duration::ZERO).await
            }
        };
        let hurried = async {
            if !self.quick {
                hurry.await;
            }
        };
        tracing::info!(?report, "no more requests");
        let platform = &self.parts.platform;
        let mut stopping = std::pin::pin!(platform.stop_all());
        let stopped = tokio::select! {
            // First everything is told to stop; then it can be hurried.
            biased;
            stopped = &mut stopping => stopped,
            () = hurried => {
                platform.hurry();
                stopping.await
            }
        };
        stopped.context("the replicas did not all end")
    }

    /// Hands over to a successor.
    pub(super) async fn hand_over(&mut self, successor: UnixStream) -> anyhow::Result<End> {
        tracing::info!("a successor asks for the hand-over");
        let sockets = self
            .parts
            .proxy
            .listener_fds()
            .context("the listening sockets cannot be passed on")?;
        self.let_go().await;
        let answer = tokio::task::spawn_blocking(move || -> anyhow::Result<bool> {
            handover::send(&successor, &sockets)?;
            Ok(handover::wait_ready(&successor))
        })
        .await;
        Ok(match answer {
            Ok(Ok(true)) => End::HandedOver,
            Ok(Ok(false)) => End::TakenBack,
            Ok(Err(error)) => {
                tracing::warn!("{error:#}");
                End::TakenBack
            }
            Err(error) => {
                tracing::error!(%error, "the hand-over failed");
                End::TakenBack
            }
        })
    }
}
