//! Values to store, as full as the vocabulary allows.

use sluice_model::plan::{
    CanarySize, Check, Exposure, Limit, Metric, OnTrouble, RolloutHooks, Step, Strategy,
};
use sluice_model::routes::Assignment;
use sluice_model::status::Kept;
use sluice_model::workload::{Listener, Protocol, Stopping, TrafficLimits, Workload};
use sluice_model::{
    CheckName, Judgement, Measurement, Plan, ReportEntry, RevisionNumber, Rule, ServiceName,
    ServiceStatus, Side, Timestamp, Verdict, Weight,
};
use sluice_store::{NewRevision, Store, Transition};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) fn shop() -> ServiceName {
    ServiceName::new("shop").unwrap()
}

/// A status at `at`: the mark by which a test knows it again.
pub(crate) fn status(at: i64) -> ServiceStatus {
    let mut status = ServiceStatus::new(shop());
    status.stable = Some(RevisionNumber(1));
    status.stable_replicas = 3;
    status.kept.insert(
        RevisionNumber(2),
        Kept {
            replicas: 1,
            until: Timestamp(at + 60_000),
        },
    );
    status
        .routes
        .weights
        .insert(RevisionNumber(1), Weight::FULL);
    status.decided_at = Timestamp(at);
    status
}

pub(crate) fn entry(message: &str) -> ReportEntry {
    let side = Side {
        value: Some(0.021),
        count: 1_024,
    };
    ReportEntry {
        rule: Rule::StepEntered,
        message: message.to_owned(),
        actor: Some("rosa".to_owned()),
        evidence: vec![Judgement {
            check: CheckName("errors".to_owned()),
            metric: Metric::ErrorRatio,
            limit: Limit::RelativeMax {
                factor: 2.0,
                margin: 0.005,
            },
            samples_min: 100,
            verdict: Verdict::Pass,
            message: "2.1 % against 2.1 %".to_owned(),
            measurement: Some(Measurement {
                from: Timestamp(1_795_273_507_089),
                canary: side,
                baseline: side,
                window: Duration::from_secs(60),
                evidence: None,
            }),
        }],
    }
}

/// Commits a status with these messages in the log.
pub(crate) fn commit(store: &Store, at: i64, messages: &[&str]) {
    let entries: Vec<_> = messages.iter().map(|message| entry(message)).collect();
    store
        .commit(&Transition {
            status: &status(at),
            entries: &entries,
            answers: &[],
            at: Timestamp(at),
        })
        .unwrap();
}

pub(crate) fn new_revision(digest: &str) -> NewRevision {
    NewRevision {
        service: shop(),
        digest: digest.to_owned(),
        created_at: Timestamp(1_795_273_567_089),
        actor: "rosa".to_owned(),
        note: Some("restart of revision 3".to_owned()),
        workload: Workload {
            command: vec!["./shop".to_owned(), "--port".to_owned(), "$PORT".to_owned()],
            artifacts: vec!["/srv/shop".to_owned()],
            env: BTreeMap::from([("TOKEN".to_owned(), "päss\u{0}wörd".to_owned())]),
            env_files: Vec::new(),
            workdir: "/srv".to_owned(),
            user: None,
            readiness: None,
            liveness: None,
            startup: None,
            stop: Stopping {
                drain: Duration::from_secs(5),
                grace: Duration::from_secs(10),
            },
        },
        listener: Listener {
            address: "127.0.0.1:8080".to_owned(),
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
        replicas: 3,
        steps: vec![Step {
            name: "everything".to_owned(),
            exposure: Exposure::Split {
                weight: Weight::FULL,
                matches: Vec::new(),
                mirror: None,
                canary: CanarySize::Full,
                preview: false,
            },
            bake: Duration::from_secs(60),
            checks: vec![Check {
                name: CheckName("p95".to_owned()),
                metric: Metric::Latency(0.95),
                limit: Limit::Max(2_000.0),
                window: Duration::from_secs(60),
                samples_min: 50,
                on_fail: OnTrouble::Abort,
            }],
            before: Vec::new(),
            after: Vec::new(),
            gate: None,
        }],
        assignment: Assignment::PerRequest,
        checks: Vec::new(),
        hooks: RolloutHooks::default(),
        progress_deadline: Duration::from_secs(600),
        min_ready: Duration::ZERO,
        deadline: None,
        on_deadline: OnTrouble::Abort,
        keep_warm: Duration::from_secs(600),
        keep_aborted: Duration::from_secs(60),
        stuck_after: Duration::from_secs(600),
        slow_after: Duration::from_secs(1_800),
        crash_loop_restarts: 3,
        queries: BTreeMap::new(),
        sources: BTreeMap::new(),
    }
}
