//! What the tests with real processes share: a revision to run, a proxy that notes what it is told,
//! and waiting with a deadline.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use sluice_local::{LocalConfig, LocalPlatform, ReplicaInfo, Routing};
use sluice_model::plan::{CanarySize, Exposure, OnTrouble, Plan, RolloutHooks, Step, Strategy};
use sluice_model::routes::Assignment;
use sluice_model::workload::{
    Listener, Probe, ProbeAction, Protocol, Stopping, TrafficLimits, Workload,
};
use sluice_model::{
    ReplicaCounts, ReplicaId, Revision, RevisionNumber, ServiceName, Timestamp, Weight,
};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for anything; generous, for the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_sluice-local-testserver");

pub(crate) fn shop() -> ServiceName {
    ServiceName::new("shop").expect("a valid name")
}

/// A workload of the test server, to be changed by each test.
pub(crate) fn server(options: &[&str]) -> Workload {
    let command = [SERVER, "serve"]
        .iter()
        .chain(options)
        .map(|word| (*word).to_owned());
    Workload {
        command: command.collect(),
        artifacts: Vec::new(),
        env: BTreeMap::new(),
        env_files: Vec::new(),
        workdir: "/".to_owned(),
        user: None,
        readiness: None,
        liveness: None,
        startup: None,
        stop: Stopping {
            drain: Duration::from_secs(30),
            grace: Duration::from_secs(30),
        },
    }
}

pub(crate) fn http_probe(path: &str) -> Option<Probe> {
    probe(ProbeAction::Http {
        path: path.to_owned(),
    })
}

pub(crate) fn probe(action: ProbeAction) -> Option<Probe> {
    Some(Probe {
        action,
        period: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        initial_delay: Duration::ZERO,
        failures: 2,
        successes: 1,
    })
}

pub(crate) fn revision(number: u32, workload: Workload) -> Revision {
    Revision {
        service: shop(),
        number: RevisionNumber(number),
        digest: format!("digest-{number}"),
        created_at: Timestamp(0),
        actor: "test".to_owned(),
        note: None,
        workload,
        listener: Listener {
            address: "127.0.0.1:0".to_owned(),
            preview: None,
            protocol: Protocol::Http,
            tls: None,
            limits: TrafficLimits::default(),
        },
        plan: plan(),
    }
}

fn plan() -> Plan {
    Plan {
        strategy: Strategy::Canary,
        replicas: 1,
        steps: vec![Step {
            name: "switch".to_owned(),
            exposure: Exposure::Split {
                weight: Weight::FULL,
                matches: Vec::new(),
                mirror: None,
                canary: CanarySize::Full,
                preview: false,
            },
            bake: Duration::ZERO,
            checks: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            gate: None,
        }],
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(60),
        min_ready: Duration::from_millis(100),
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::ZERO,
        keep_aborted: Duration::ZERO,
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(1800),
        crash_loop_restarts: 3,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}

/// A proxy that notes what it is told.
#[derive(Default)]
pub(crate) struct FakeProxy {
    endpoints: Mutex<BTreeMap<RevisionNumber, Vec<(ReplicaId, SocketAddr)>>>,
    in_flight: Mutex<BTreeMap<ReplicaId, u64>>,
}

impl Routing for FakeProxy {
    fn set_endpoints(
        &self,
        service: &ServiceName,
        revision: RevisionNumber,
        endpoints: Vec<(ReplicaId, SocketAddr)>,
    ) {
        assert_eq!(*service, shop());
        self.endpoints
            .lock()
            .expect("no panic")
            .insert(revision, endpoints);
    }

    fn in_flight(&self, replica: &ReplicaId) -> u64 {
        self.in_flight
            .lock()
            .expect("no panic")
            .get(replica)
            .copied()
            .unwrap_or(0)
    }
}

impl FakeProxy {
    pub(crate) fn routed(&self, revision: u32) -> Vec<(ReplicaId, SocketAddr)> {
        let endpoints = self.endpoints.lock().expect("no panic");
        endpoints
            .get(&RevisionNumber(revision))
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn set_in_flight(&self, replica: &ReplicaId, count: u64) {
        self.in_flight
            .lock()
            .expect("no panic")
            .insert(replica.clone(), count);
    }
}

/// A platform in a folder of its own.
pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) proxy: Arc<FakeProxy>,
    pub(crate) platform: LocalPlatform,
}

impl Stage {
    pub(crate) async fn open() -> Stage {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Stage::open_with(folder, |_| {}).await
    }

    pub(crate) async fn open_with(folder: TempDir, change: impl FnOnce(&mut LocalConfig)) -> Stage {
        let mut config = config(folder.path());
        change(&mut config);
        let proxy = Arc::new(FakeProxy::default());
        let (platform, _) = LocalPlatform::open(config, proxy.clone())
            .await
            .expect("the folder can be used");
        Stage {
            folder,
            proxy,
            platform,
        }
    }

    pub(crate) fn want(&self, wanted: &[(&Revision, u32)]) {
        let wanted = wanted
            .iter()
            .map(|(revision, count)| (revision.number, (*count, Arc::new((*revision).clone()))));
        self.platform.apply(&shop(), wanted.collect());
    }

    pub(crate) fn side(&self, revision: u32) -> ReplicaCounts {
        let sides = self.platform.observe(&shop(), Duration::ZERO);
        sides
            .get(&RevisionNumber(revision))
            .cloned()
            .unwrap_or_default()
    }

    pub(crate) fn replicas(&self) -> Vec<ReplicaInfo> {
        self.platform.replicas(&shop())
    }

    pub(crate) async fn until_ready(&self, revision: u32, count: u32) {
        until(
            &format!("{count} ready of revision {revision}"),
            async || {
                let side = self.side(revision);
                (side.ready == count)
                    .then_some(())
                    .ok_or(format!("{side:?}"))
            },
        )
        .await;
    }

    pub(crate) async fn until_empty(&self) {
        until("no replica is left", async || {
            let replicas = self.replicas();
            replicas
                .is_empty()
                .then_some(())
                .ok_or(format!("{replicas:?}"))
        })
        .await;
    }

    /// Stops everything: a test leaves no process behind.
    pub(crate) async fn close(self) {
        self.platform
            .stop_all()
            .await
            .expect("every process can be ended");
        assert_eq!(self.replicas(), []);
    }
}

/// The mark of a test's state folder: its path, which is unique.
pub(crate) fn config(folder: &Path) -> LocalConfig {
    LocalConfig::new(folder, folder.display().to_string())
}

/// Waits until `look` finds what it looks for; fails with what it saw instead.
pub(crate) async fn until<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if Instant::now() > deadline => panic!("not in time: {what}; seen: {seen}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|fields| fields.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

pub(crate) async fn until_dead(pid: i32) {
    until(&format!("process {pid} has ended"), async || {
        if is_alive(pid) {
            Err("it runs".to_owned())
        } else {
            Ok(())
        }
    })
    .await;
}

/// The body of a GET, by the simplest client there is.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the replica listens");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a valid timeout");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n"
    )
    .expect("the replica reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the replica answers");
    answer
        .split_once("\r\n\r\n")
        .map_or(String::new(), |(_, body)| body.to_owned())
}
