//! Opening the parts of a session, and taking up what an earlier one left: the store, the processes,
//! the sockets of a predecessor, the statuses.
//!
//! Nothing here serves or decides yet; `session` puts it together.

use super::Options;
use super::asking::Asking;
use super::deploy::{self, Version};
use super::handover::Inherited;
use super::parts::{Listening, Parts, ProxyRouting, Revisions};
use super::shared::Shared;
use anyhow::{Context as _, bail};
use sluice_hooks::HookRunner;
use sluice_local::{LocalConfig, LocalPlatform};
use sluice_model::{ServiceName, ServiceStatus};
use sluice_native::{Document, ServiceSpec};
use sluice_proxy::{ListenerRole, Proxy};
use sluice_store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Parts that nobody works with yet, and the channel by which services arrive at the control thread.
pub(super) type Opened = (Arc<Parts>, mpsc::Receiver<ServiceName>);

/// Opens the parts. The state folder is waited for so long while another process lets it go.
pub(super) async fn open_parts(
    options: &Options,
    proxy: Proxy,
    listeners: BTreeMap<ServiceName, Listening>,
    lock_wait: Duration,
) -> anyhow::Result<Opened> {
    let store = open_store(options, lock_wait).await?;
    let sluice_id = sluice_id(&store)?;
    let config = LocalConfig {
        open_files: proxy.open_files_before(),
        ..LocalConfig::new(&options.state_dir, sluice_id)
    };
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
    let shared = Arc::new(Shared::new());
    let asking = Asking::new(tokio::runtime::Handle::current(), Arc::clone(&shared));
    let (arrivals, arrived) = mpsc::channel();
    let parts = Arc::new(Parts {
        state_dir: options.state_dir.clone(),
        document: options.document.clone(),
        revisions: Revisions::new(store.reader()),
        store,
        platform,
        proxy,
        hooks,
        asking,
        listeners: Mutex::new(listeners),
        shared,
        deploying: tokio::sync::Mutex::new(()),
        adopted: adopted
            .adopted
            .into_iter()
            .map(|adopted| adopted.replica)
            .collect(),
        opened: Instant::now(),
        arrivals,
    });
    Ok((parts, arrived))
}

async fn open_store(options: &Options, wait: Duration) -> anyhow::Result<Store> {
    let until = Instant::now() + wait;
    loop {
        let state_dir = options.state_dir.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&state_dir)).await?;
        match opened {
            Err(StoreError::Locked { .. }) if Instant::now() < until => {
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

/// What is known of services from before.
pub(super) struct Known {
    /// Of the services that are wanted; a fresh one for those that never were.
    pub(super) statuses: Vec<ServiceStatus>,
    /// Services in the store that are not wanted any more.
    pub(super) removed: Vec<ServiceName>,
}

impl Known {
    /// Whether a service has a revision that serves.
    pub(super) fn has_served(&self, service: &ServiceName) -> bool {
        self.statuses
            .iter()
            .any(|status| status.service == *service && status.stable.is_some())
    }
}

/// The stored statuses of these services, and the effects of their rollouts.
pub(super) fn load(parts: &Parts, wanted: &BTreeSet<ServiceName>) -> anyhow::Result<Known> {
    let mut stored: BTreeMap<ServiceName, ServiceStatus> = parts
        .store
        .statuses()?
        .into_iter()
        .map(|status| (status.service.clone(), status))
        .collect();
    let mut statuses = Vec::new();
    for service in wanted {
        let status = stored.remove(service);
        if let Some(rollout) = status.as_ref().and_then(|status| status.rollout.as_ref()) {
            let prefix = format!("{service}/{}/", rollout.id);
            let effects = parts.store.effects(service, &prefix)?;
            parts.shared.set_effects(service, effects);
        }
        statuses.push(status.unwrap_or_else(|| ServiceStatus::new(service.clone())));
    }
    Ok(Known {
        statuses,
        removed: stored.into_keys().collect(),
    })
}

/// Stops what the document no longer names.
pub(super) fn stop_removed(parts: &Parts, removed: &[ServiceName]) {
    for service in removed {
        tracing::warn!(%service, "in the state folder, but not in the document: its replicas are stopped, its history is kept");
        parts.platform.apply(service, BTreeMap::new());
    }
}

/// Copies what the services run, before anything is touched. A service that has served before may go
/// on as it was when its new version is not there; a new one may not be missing.
pub(super) async fn capture_all(
    parts: &Arc<Parts>,
    services: Vec<ServiceSpec>,
    known: &Known,
) -> anyhow::Result<Vec<Version>> {
    let mut versions = Vec::with_capacity(services.len());
    for spec in services {
        let service = spec.name.clone();
        match deploy::capture(parts, spec).await {
            Ok(version) => versions.push(version),
            Err(error) if known.has_served(&service) => {
                tracing::error!(%service, "{error}; the service goes on as it was");
            }
            Err(error) => bail!(error),
        }
    }
    Ok(versions)
}

/// Makes every service of the document reachable. Sockets of a predecessor are used where there are some
/// for the same address; the others are closed.
pub(super) fn listen_all(
    parts: &Parts,
    document: &Document,
    mut inherited: Vec<Inherited>,
) -> anyhow::Result<()> {
    for spec in &document.services {
        let (address, preview) = (&spec.listener.address, &spec.listener.preview);
        let main = take(&mut inherited, spec, ListenerRole::Main, address);
        let preview = preview
            .as_ref()
            .and_then(|preview| take(&mut inherited, spec, ListenerRole::Preview, preview));
        // A failure ends this process, and with it what was bound.
        let _moved = deploy::listen_on(parts, &spec.name, &spec.listener, main, preview)?;
    }
    Ok(())
}

/// The inherited socket for an address: the service's own, or one that another service gave up.
fn take(
    inherited: &mut Vec<Inherited>,
    spec: &ServiceSpec,
    role: ListenerRole,
    address: &str,
) -> Option<OwnedFd> {
    let wanted: Vec<SocketAddr> = address.to_socket_addrs().ok()?.collect();
    let fits = |socket: &Inherited| {
        let own = socket.service == spec.name && socket.role == role;
        let bound = bound_address(&socket.fd)?;
        let same = wanted.iter().any(|wanted| {
            wanted.ip() == bound.ip()
                && (wanted.port() == bound.port() || own && wanted.port() == 0)
        });
        same.then_some(own)
    };
    let found = inherited
        .iter()
        .enumerate()
        .filter_map(|(index, socket)| Some((index, fits(socket)?)))
        .max_by_key(|(_, own)| *own)?;
    Some(inherited.swap_remove(found.0).fd)
}

fn bound_address(socket: &OwnedFd) -> Option<SocketAddr> {
    let address = rustix::net::getsockname(socket).ok()?;
    SocketAddr::try_from(address).ok()
}

/// Rings the alarm whenever a replica changes.
pub(super) fn wake_on_changes(parts: &Arc<Parts>) {
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
