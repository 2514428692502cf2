//! Sluice's proxy alone, as a process with one worker: `bench-sluice LISTEN STABLE CANARY SECONDS`.

use anyhow::{Context, Result, bail};
use sluice_bench::contest::CANARY_PERCENT;
use sluice_model::workload::{Listener, Protocol, TrafficLimits};
use sluice_model::{ReplicaId, RevisionNumber, Routes, ServiceName, Weight};
use sluice_proxy::{Endpoint, ListenerRole, Proxy, ProxyConfig};
use std::net::SocketAddr;
use std::time::Duration;

const STABLE: RevisionNumber = RevisionNumber(1);
const CANARY: RevisionNumber = RevisionNumber(2);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, stable, canary, seconds] = arguments.as_slice() else {
        bail!("usage: bench-sluice LISTEN STABLE CANARY SECONDS");
    };
    let lifetime = Duration::from_secs(seconds.parse().context("the lifetime is no number")?);
    let service = ServiceName::new("bench").map_err(anyhow::Error::msg)?;
    let share = Weight::from_percent(f64::from(CANARY_PERCENT)).map_err(anyhow::Error::msg)?;
    let proxy = Proxy::start(ProxyConfig {
        workers: 1,
        ..ProxyConfig::default()
    })?;
    let listener = Listener {
        address: listen.clone(),
        preview: None,
        protocol: Protocol::Http,
        tls: None,
        limits: TrafficLimits::default(),
    };
    let routes = Routes {
        weights: [(STABLE, share.rest()), (CANARY, share)].into(),
        canary: Some(CANARY),
        ..Routes::default()
    };
    proxy.set_routes(&service, &routes)?;
    for (revision, address) in [(STABLE, stable), (CANARY, canary)] {
        let address: SocketAddr = address.parse().context("a backend's address")?;
        let id = ReplicaId(format!("bench-{revision}"));
        proxy.set_endpoints(&service, revision, vec![Endpoint { id, address }])?;
    }
    proxy.listen(&service, ListenerRole::Main, &listener, None)?;
    // The workers do everything; this thread only keeps the process for as long as it may live.
    std::thread::sleep(lifetime);
    Ok(())
}
