//! A daemon without processes, proxy or store: answers from what a test put into it, and remembers
//! what it was asked. The command line's tests use it as well.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use sluice_model::Minute;
use sluice_model::command::{CommandKind, CommandOutcome};
use sluice_model::ids::{CheckName, ReplicaId, RevisionNumber, RolloutId, ServiceName};
use sluice_model::observation::{Measurement, Side};
use sluice_model::plan::{Limit, Metric};
use sluice_model::report::{Judgement, Verdict};
use sluice_model::time::Timestamp;
use sluice_model::view::{Phase, RevisionView, RolloutOutcome, RolloutView, ServiceView};
use sluice_model::weight::Weight;
use sluice_server::backend::Backend;
use sluice_server::error::ApiError;
use sluice_server::wire::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The moment at which the fake's world stands still.
pub const NOW: Timestamp = Timestamp(1_795_273_567_000);

/// What a test may set and look at.
#[derive(Default)]
pub struct World {
    pub services: BTreeMap<ServiceName, ServiceView>,
    /// What was asked, with the actor, in order.
    pub asked: Vec<(String, String)>,
    /// The last deployment's request.
    pub deployed: Option<DeployRequest>,
    /// Refuse commands with this message.
    pub refuse: Option<String>,
    /// Never answer commands.
    pub hang: bool,
    /// Fail to write.
    pub store_broken: bool,
    pub checklist: Vec<CheckItem>,
    pub history: Vec<HistoryEntry>,
    pub lines: Vec<LogLine>,
    pub entries: Vec<LogEntry>,
    pub minutes: Vec<Minute>,
    pub broken_at: Option<u64>,
    /// Applied to a service when it is deployed, restarted or commanded.
    pub on_command: Option<fn(&mut ServiceView)>,
}

/// The fake daemon.
pub struct Fake {
    world: Mutex<World>,
    changes: watch::Sender<u64>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Fake {
    /// A daemon with these services, and a future that completes when it is asked to stop.
    pub fn new(views: impl IntoIterator<Item = ServiceView>) -> (Arc<Fake>, oneshot::Receiver<()>) {
        let services = views
            .into_iter()
            .map(|view| (view.service.clone(), view))
            .collect();
        let (stop, stopped) = oneshot::channel();
        let fake = Fake {
            world: Mutex::new(World {
                services,
                ..World::default()
            }),
            changes: watch::Sender::new(0),
            stop: Mutex::new(Some(stop)),
        };
        (Arc::new(fake), stopped)
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no test panicked here")
    }

    /// Changes a service, as a decision would.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut ServiceView)) {
        change(
            self.world()
                .services
                .get_mut(&named(name))
                .expect("a known service"),
        );
        self.changes.send_modify(|count| *count += 1);
    }

    pub fn remove(&self, name: &str) {
        self.world().services.remove(&named(name));
        self.changes.send_modify(|count| *count += 1);
    }

    fn note(&self, what: impl Into<String>, actor: &str) {
        self.world().asked.push((what.into(), actor.to_owned()));
    }

    /// What commands and deployments have in common.
    fn act(&self, name: &ServiceName) -> Result<(), ApiError> {
        let mut world = self.world();
        if world.store_broken {
            return Err(ApiError::store_unavailable("disk full"));
        }
        if let Some(change) = world.on_command
            && let Some(view) = world.services.get_mut(name)
        {
            change(view);
        }
        drop(world);
        self.changes.send_modify(|count| *count += 1);
        Ok(())
    }

    fn reply(&self, name: &ServiceName) -> DeployReply {
        let world = self.world();
        let view = &world.services[name];
        let revision = view.canary.or(view.stable).unwrap_or(RevisionNumber(1));
        DeployReply {
            service: name.clone(),
            revision,
            rollout: view.canary.map(|_| RolloutId(1)),
            unchanged: view.canary.is_none(),
        }
    }
}

impl Backend for Fake {
    async fn info(&self) -> DaemonInfo {
        DaemonInfo {
            version: "0.0.0-test".into(),
            pid: 4242,
            started_at: NOW,
            state_dir: "/state".into(),
            document: Some("/project/sluice.yaml".into()),
            services: u32::try_from(self.world().services.len()).expect("few"),
            requests: 17,
        }
    }

    async fn services(&self) -> Result<Vec<ServiceView>, ApiError> {
        Ok(self.world().services.values().cloned().collect())
    }

    async fn service(&self, name: &ServiceName) -> Result<Option<ServiceView>, ApiError> {
        Ok(self.world().services.get(name).cloned())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    async fn command(
        &self,
        name: &ServiceName,
        actor: &str,
        kind: CommandKind,
    ) -> Result<CommandOutcome, ApiError> {
        self.note(format!("{name} {kind:?}"), actor);
        if self.world().hang {
            std::future::pending::<()>().await;
        }
        if let Some(message) = self.world().refuse.clone() {
            return Ok(CommandOutcome::Refused { message });
        }
        self.act(name)?;
        Ok(CommandOutcome::Accepted)
    }

    async fn deploy(&self, request: DeployRequest, actor: &str) -> Result<DeployReply, ApiError> {
        self.note("deploy", actor);
        let known: Vec<ServiceName> = self.world().services.keys().cloned().collect();
        let name = request.service.clone().unwrap_or_else(|| known[0].clone());
        self.world().deployed = Some(request);
        if !known.contains(&name) {
            return Err(ApiError::unknown_service(name.as_str(), &known));
        }
        self.act(&name)?;
        Ok(self.reply(&name))
    }

    async fn restart(&self, name: &ServiceName, actor: &str) -> Result<DeployReply, ApiError> {
        self.note(format!("{name} restart"), actor);
        self.act(name)?;
        Ok(self.reply(name))
    }

    async fn replicas(&self, _name: &ServiceName) -> Result<Vec<ReplicaEntry>, ApiError> {
        Ok(vec![ReplicaEntry {
            replica: ReplicaId("checkout-3-1".to_owned()),
            revision: RevisionNumber(3),
            state: "ready".to_owned(),
            pid: Some(4_711),
            port: Some(20_001),
            ready_since: None,
            restarts: 0,
            last_failure: None,
            cpu_cores: Some(0.5),
            memory_bytes: Some(1_048_576),
        }])
    }

    async fn history(&self, _name: &ServiceName) -> Result<Vec<HistoryEntry>, ApiError> {
        Ok(self.world().history.clone())
    }

    async fn explain(&self, name: &ServiceName) -> Result<Explanation, ApiError> {
        let world = self.world();
        Ok(Explanation {
            view: world.services[name].clone(),
            waiting: Some("bake of `5 %` for 40s more".into()),
            recent: world.entries.clone(),
        })
    }

    async fn audit(&self, query: AuditQuery) -> Result<Vec<LogEntry>, ApiError> {
        let fits = |entry: &&LogEntry| {
            query
                .service
                .as_ref()
                .is_none_or(|service| Some(service) == entry.service.as_ref())
                && query.before.is_none_or(|before| entry.sequence < before)
        };
        let world = self.world();
        let fitting: Vec<LogEntry> = world.entries.iter().filter(fits).cloned().collect();
        let limit = query.limit() as usize;
        Ok(fitting[fitting.len().saturating_sub(limit)..].to_vec())
    }

    async fn verify(&self) -> Result<VerifyReport, ApiError> {
        let world = self.world();
        Ok(VerifyReport {
            intact: world.broken_at.is_none(),
            entries: world.entries.len() as u64,
            broken_at: world.broken_at,
            head: world.entries.last().map(|entry| entry.hash.clone()),
            message: match world.broken_at {
                Some(place) => format!("entry {place} is not what was written"),
                None => format!("{} entries, every hash fits", world.entries.len()),
            },
        })
    }

    async fn logs(
        &self,
        _name: &ServiceName,
        query: LogsQuery,
    ) -> Result<mpsc::Receiver<LogLine>, ApiError> {
        let (sender, receiver) = mpsc::channel(4);
        let lines = self.world().lines.clone();
        let first = lines.len().saturating_sub(query.tail() as usize);
        tokio::spawn(async move {
            for line in lines.into_iter().skip(first) {
                if sender.send(line).await.is_err() {
                    return;
                }
            }
            if query.follow {
                sender.closed().await;
            }
        });
        Ok(receiver)
    }

    async fn minutes(
        &self,
        _name: &ServiceName,
        query: MinutesQuery,
    ) -> Result<Vec<Minute>, ApiError> {
        let until = query.until.min(query.from.after(MINUTES_SPAN_MAX));
        let minutes = self.world().minutes.clone();
        let within = |minute: &Minute| (query.from..until).contains(&minute.at);
        Ok(minutes.into_iter().filter(within).collect())
    }

    async fn check(&self, name: &ServiceName, actor: &str) -> Result<Checklist, ApiError> {
        self.note(format!("{name} check"), actor);
        Ok(Checklist {
            service: name.clone(),
            items: self.world().checklist.clone(),
        })
    }

    async fn stop(&self, request: StopRequest, actor: &str) -> Result<(), ApiError> {
        self.note(format!("stop graceful={}", request.graceful), actor);
        if let Some(stop) = self.stop.lock().expect("no test panicked here").take() {
            stop.send(()).expect("the server runs");
        }
        Ok(())
    }
}

pub fn named(name: &str) -> ServiceName {
    ServiceName::new(name).expect("a service name")
}

pub fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a percentage")
}

/// A service on revision 3 with two ready replicas.
pub fn healthy(name: &str) -> ServiceView {
    let stable = RevisionNumber(3);
    let side = RevisionView {
        replicas: 2,
        ready: 2,
        request_rate: 480.5,
        error_ratio: Some(0.0002),
        p50_ms: Some(3.1),
        p95_ms: Some(8.0),
        p99_ms: Some(12.4),
        ..RevisionView::default()
    };
    ServiceView {
        service: named(name),
        phase: Phase::Healthy,
        strategy: Some("canary".into()),
        step: 0,
        steps: 5,
        step_name: None,
        weights: BTreeMap::from([(stable, Weight::FULL)]),
        stable: Some(stable),
        canary: None,
        message: "revision 3 serves all traffic".into(),
        started_at: Some("2026-11-21T15:00:00.000Z".into()),
        rollout: rollout(3, stable, RolloutOutcome::Promoted),
        ended_at: Some("2026-11-21T15:02:00.000Z".into()),
        listen: Some("127.0.0.1:8080".into()),
        preview: None,
        elapsed: None,
        eta: None,
        checks: Vec::new(),
        revisions: BTreeMap::from([(stable, side)]),
        at: NOW,
    }
}

/// The same service, with revision 4 at 5 % and one check that passes and one that fails.
pub fn progressing(name: &str) -> ServiceView {
    let mut view = healthy(name);
    start_rollout(&mut view);
    view
}

/// How a rollout stands, as a view shows it.
pub fn rollout(id: u64, revision: RevisionNumber, outcome: RolloutOutcome) -> Option<RolloutView> {
    Some(RolloutView {
        id: RolloutId(id),
        revision,
        outcome,
    })
}

/// Begins the rollout of revision 4.
pub fn start_rollout(view: &mut ServiceView) {
    let (stable, canary) = (RevisionNumber(3), RevisionNumber(4));
    view.phase = Phase::Progressing;
    view.step = 2;
    view.step_name = Some("5 %".into());
    view.weights = BTreeMap::from([(stable, percent(95.0)), (canary, percent(5.0))]);
    view.canary = Some(canary);
    view.rollout = rollout(4, canary, RolloutOutcome::Running);
    view.message = "step 2 of 5 bakes for 40s more".into();
    view.started_at = Some("2026-11-21T15:05:00.000Z".into());
    view.ended_at = None;
    view.elapsed = Some(Duration::from_secs(72));
    view.eta = Some(Duration::from_secs(245));
    view.checks = vec![
        judgement(
            "errors",
            Verdict::Pass,
            "0.02 % against 0.02 %, at most 1 %",
        ),
        judgement(
            "latency",
            Verdict::Fail,
            "p99 98.0 ms against 12.4 ms, at most 2 × and 5 ms",
        ),
        judgement("rate", Verdict::NoData, "12 of 50 requests"),
    ];
    view.revisions.insert(
        canary,
        RevisionView {
            replicas: 1,
            ready: 1,
            request_rate: 25.25,
            error_ratio: Some(0.021),
            p50_ms: Some(3.3),
            p95_ms: Some(9.5),
            p99_ms: Some(98.0),
            ..RevisionView::default()
        },
    );
}

/// Ends the rollout of revision 4 with it.
pub fn promote(view: &mut ServiceView) {
    let canary = RevisionNumber(4);
    view.phase = Phase::Healthy;
    view.step = 0;
    view.step_name = None;
    view.weights = BTreeMap::from([(canary, Weight::FULL)]);
    view.stable = Some(canary);
    view.canary = None;
    view.rollout = rollout(4, canary, RolloutOutcome::Promoted);
    view.message = "revision 4 serves all traffic".into();
    view.ended_at = Some("2026-11-21T15:09:00.000Z".into());
}

/// Ends the rollout of revision 4 without it.
pub fn abort(view: &mut ServiceView) {
    let stable = RevisionNumber(3);
    view.phase = Phase::Degraded;
    view.step = 0;
    view.step_name = None;
    view.weights = BTreeMap::from([(stable, Weight::FULL)]);
    view.canary = None;
    view.rollout = rollout(4, RevisionNumber(4), RolloutOutcome::Aborted);
    view.message = "revision 4 was aborted in step 2: errors 2.1 % against 0.02 %".into();
    view.ended_at = Some("2026-11-21T15:06:00.000Z".into());
}

pub fn judgement(check: &str, verdict: Verdict, message: &str) -> Judgement {
    Judgement {
        check: CheckName(check.into()),
        metric: Metric::ErrorRatio,
        limit: Limit::Max(0.01),
        samples_min: 100,
        verdict,
        message: message.into(),
        measurement: Some(Measurement {
            canary: Side {
                value: Some(0.0002),
                count: 4_000,
            },
            baseline: Side {
                value: Some(0.0002),
                count: 80_000,
            },
            from: NOW,
            window: Duration::from_secs(60),
            evidence: None,
        }),
    }
}

pub fn entry(sequence: u64, service: &str, rule: &str, message: &str) -> LogEntry {
    LogEntry {
        sequence,
        at: Timestamp(NOW.0 + i64::try_from(sequence).expect("small") * 1_000),
        service: Some(named(service)),
        rule: rule.into(),
        message: message.into(),
        actor: None,
        evidence: vec![judgement("errors", Verdict::Pass, "0.02 % against 0.02 %")],
        hash: format!("{sequence:064x}"),
    }
}

pub fn line(text: &str) -> LogLine {
    LogLine {
        at: Some(NOW),
        revision: RevisionNumber(3),
        replica: ReplicaId("checkout-3-a".into()),
        stream: LogStream::Stdout,
        text: text.into(),
    }
}
