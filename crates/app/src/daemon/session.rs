//! One session of a running Sluice: from opened parts to stopped ones.
//!
//! The proxy outlives a session: while a successor comes up, and when it fails, it goes on serving.

use super::backend::{DaemonBackend, Ending};
use super::handover::{self, Desk, Inherited};
use super::parts::{Parts, ProxyRouting, Revisions, SETTLE_WAIT};
use super::shared::{Shared, lock};
use super::{DRAIN, End, Options, clock, deploy, turns};
use anyhow::{Context as _, bail};
use sluice_hooks::HookRunner;
use sluice_local::{LocalConfig, LocalPlatform};
use sluice_model::view::ServiceView;
use sluice_model::{ServiceName, ServiceStatus};
use sluice_native::Document;
use sluice_proxy::{ListenerRole, Proxy};
use sluice_server::serve::ServerOptions;
use sluice_store::{Store, StoreError};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Longest wait for the state folder while a predecessor lets it go.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Session {
    parts: Arc<Parts>,
    control: Option<std::thread::JoinHandle<()>>,
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
        let store = open_store(options, predecessor.is_some()).await?;
        let sluice_id = sluice_id(&store)?;
        let config = LocalConfig::new(&options.state_dir, sluice_id);
        let routing = Arc::new(ProxyRouting(proxy.clone()));
        let (platform, adopted) = LocalPlatform::open(config, routing)
            .await
            .context("the replicas of an earlier run cannot be taken up")?;
        tracing::debug!(?adopted, "looked for replicas of an earlier run");
        let hooks = HookRunner::new(
            options.state_dir.display().to_string(),
            tokio::runtime::Handle::current(),
        );
        let leftovers = hooks.end_leftovers();
        tracing::debug!(
            leftovers,
            "ended the hooks of an earlier run; what is still wanted starts again"
        );
        let (arrivals, arrived) = mpsc::channel();
        let parts = Arc::new(Parts {
            state_dir: options.state_dir.clone(),
            document: options.document.clone(),
            revisions: Revisions::new(store.reader()),
            store,
            platform,
            proxy,
            hooks,
            listeners: Mutex::default(),
            shared: Arc::new(Shared::new()),
            deploying: tokio::sync::Mutex::new(()),
            adopted: adopted
                .adopted
                .into_iter()
                .map(|adopted| adopted.replica)
                .collect(),
            opened: Instant::now(),
            arrivals,
        });
        let (stream, inherited) = match predecessor {
            Some((stream, inherited)) => (Some(stream), inherited),
            None => (None, Vec::new()),
        };
        if stream.is_none() {
            listen_all(&parts, &document, &mut Vec::new())?;
        }
        let statuses = load(&parts, &document)?;
        let (started, first_turns) = oneshot::channel();
        let control = {
            let (parts, statuses) = (Arc::clone(&parts), statuses);
            std::thread::Builder::new()
                .name("control".to_owned())
                .spawn(move || turns::run(&parts, statuses, &arrived, started))
                .context("the control thread cannot start")?
        };
        first_turns
            .await
            .context("the control thread ended at once; its messages say why")?;
        wake_on_changes(&parts);
        let mut session = Session {
            parts,
            control: Some(control),
            server: None,
            ending: watch::Sender::new(Ending::No),
            quick: false,
        };
        if let Some(stream) = stream {
            session.take_over(&stream, inherited, &document).await?;
        }
        session.serve_api(options).await?;
        session.bring_up(document, &options.actor).await?;
        Ok(session)
    }

    /// Accepts on the predecessor's sockets as soon as the replicas that were found again are ready.
    async fn take_over(
        &mut self,
        stream: &UnixStream,
        mut inherited: Vec<Inherited>,
        document: &Document,
    ) -> anyhow::Result<()> {
        let until = Instant::now() + SETTLE_WAIT;
        while Instant::now() < until && !self.all_settled(document) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        listen_all(&self.parts, document, &mut inherited)?;
        handover::say_ready(stream)
    }

    fn all_settled(&self, document: &Document) -> bool {
        document
            .services
            .iter()
            .all(|spec| self.parts.settled(&spec.name))
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

    /// Brings every service to what the document says. A service that has served before goes on with
    /// what it has when its new version cannot be deployed.
    async fn bring_up(&self, document: Document, actor: &str) -> anyhow::Result<()> {
        for spec in document.services {
            let service = spec.name.clone();
            let status = self.parts.shared.view(&service).map(|cell| cell.status);
            let deployed = deploy::bring_up(&self.parts, spec, status.as_ref(), actor).await;
            match deployed {
                Ok(reply) if reply.unchanged => {
                    tracing::info!(%service, revision = reply.revision.0, "as the document says");
                }
                Ok(reply) => tracing::info!(%service, revision = reply.revision.0, "deployed"),
                Err(error) if status.is_some_and(|status| status.stable.is_some()) => {
                    tracing::error!(%service, "{error}; the service goes on as it was");
                }
                Err(error) => bail!(error),
            }
        }
        Ok(())
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

    /// Ends everything in order: out of the listeners, requests in flight, replicas.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        self.quick |= *self.ending.borrow() == Ending::Quick;
        let drain = if self.quick { Duration::ZERO } else { DRAIN };
        self.pause_control().await;
        let report = self.parts.proxy.drain(drain).await;
        tracing::info!(?report, "no more requests");
        self.parts
            .platform
            .stop_all()
            .await
            .context("the replicas did not all end")
    }

    /// Hands over to a successor.
    pub(super) async fn hand_over(&mut self, successor: UnixStream) -> anyhow::Result<End> {
        tracing::info!("a successor asks for the hand-over");
        self.pause_control().await;
        self.parts.platform.detach();
        let sockets = self
            .parts
            .proxy
            .listener_fds()
            .context("the listening sockets cannot be passed on")?;
        self.parts.store.release();
        let answer = tokio::task::spawn_blocking(move || -> anyhow::Result<bool> {
            handover::send(&successor, &sockets)?;
            Ok(handover::wait_ready(&successor))
        })
        .await
        .context("the hand-over failed")?;
        Ok(match answer {
            Ok(true) => End::HandedOver,
            Ok(false) => End::TakenBack,
            Err(error) => {
                tracing::warn!("{error:#}");
                End::TakenBack
            }
        })
    }
}

/// Makes every service of the document reachable. Sockets of a predecessor are used where there are some.
fn listen_all(
    parts: &Parts,
    document: &Document,
    inherited: &mut Vec<Inherited>,
) -> anyhow::Result<()> {
    for spec in &document.services {
        let mut of_role = |role: ListenerRole| {
            let (of_this, rest) = std::mem::take(inherited)
                .into_iter()
                .partition(|socket| socket.service == spec.name && socket.role == role);
            *inherited = rest;
            let fds: Vec<_> = Vec::into_iter(of_this).map(|socket| socket.fd).collect();
            (!fds.is_empty()).then_some(fds)
        };
        let main = of_role(ListenerRole::Main);
        let preview = of_role(ListenerRole::Preview);
        deploy::listen_with(parts, &spec.name, &spec.listener, main, preview)?;
    }
    Ok(())
}

async fn open_store(options: &Options, wait: bool) -> anyhow::Result<Store> {
    let until = Instant::now() + LOCK_WAIT;
    loop {
        let state_dir = options.state_dir.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&state_dir)).await?;
        match opened {
            Err(StoreError::Locked { .. }) if wait && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            opened => return Ok(opened?),
        }
    }
}

/// The name of this state folder among all on the machine: 128 random bits, made once.
fn sluice_id(store: &Store) -> anyhow::Result<String> {
    const KEY: &str = "sluice-id";
    if let Some(id) = store.meta_get(KEY)? {
        return Ok(id);
    }
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    store.meta_set(KEY, &id)?;
    Ok(id)
}

/// The stored statuses of the document's services, and the effects of their rollouts.
fn load(parts: &Parts, document: &Document) -> anyhow::Result<Vec<ServiceStatus>> {
    let mut stored: BTreeMap<ServiceName, ServiceStatus> = parts
        .store
        .statuses()?
        .into_iter()
        .map(|status| (status.service.clone(), status))
        .collect();
    let mut statuses = Vec::new();
    for spec in &document.services {
        if let Some(rollout) = stored
            .get(&spec.name)
            .and_then(|status| status.rollout.as_ref())
        {
            let effects = parts
                .store
                .effects(&spec.name, &format!("{}/{}/", spec.name, rollout.id))?;
            parts.shared.set_effects(&spec.name, effects);
        }
        let status = stored.remove(&spec.name);
        statuses.push(status.unwrap_or_else(|| ServiceStatus::new(spec.name.clone())));
    }
    for service in stored.keys() {
        tracing::warn!(%service, "in the state folder, but not in the document: its replicas are stopped, its history is kept");
        parts.platform.apply(service, BTreeMap::new());
    }
    Ok(statuses)
}

/// Rings the alarm whenever a replica changes.
fn wake_on_changes(parts: &Arc<Parts>) {
    let mut changes = parts.platform.subscribe();
    let shared = Arc::downgrade(&parts.shared);
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            shared.wake_all();
        }
    });
}
