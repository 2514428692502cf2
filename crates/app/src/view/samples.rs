//! Views that the tests of the renderers share.

use sluice_model::ids::{CheckName, RevisionNumber, RolloutId, ServiceName};
use sluice_model::plan::{Limit, Metric};
use sluice_model::report::{Judgement, Verdict};
use sluice_model::time::Timestamp;
use sluice_model::view::{Phase, RevisionView, RolloutOutcome, RolloutView, ServiceView};
use sluice_model::weight::Weight;
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) const STABLE: RevisionNumber = RevisionNumber(3);
pub(crate) const CANARY: RevisionNumber = RevisionNumber(4);

pub(crate) fn percent(percent: f64) -> Weight {
    Weight::from_percent(percent).expect("a percentage")
}

pub(crate) fn healthy(name: &str) -> ServiceView {
    let side = RevisionView {
        replicas: 4,
        ready: 4,
        request_rate: 480.5,
        error_ratio: Some(0.0002),
        p50_ms: Some(3.1),
        p95_ms: Some(8.0),
        p99_ms: Some(12.4),
        ..RevisionView::default()
    };
    ServiceView {
        service: ServiceName::new(name).expect("a name"),
        phase: Phase::Healthy,
        strategy: Some("canary".into()),
        step: 0,
        steps: 5,
        step_name: None,
        weights: BTreeMap::from([(STABLE, Weight::FULL)]),
        stable: Some(STABLE),
        canary: None,
        message: "revision 3 serves all traffic".into(),
        started_at: Some("2026-11-21T15:00:00.000Z".into()),
        rollout: rollout(3, STABLE, RolloutOutcome::Promoted),
        ended_at: Some("2026-11-21T15:02:00.000Z".into()),
        listen: Some("127.0.0.1:8080".into()),
        preview: None,
        elapsed: Some(Duration::from_secs(120)),
        eta: None,
        checks: Vec::new(),
        revisions: BTreeMap::from([(STABLE, side)]),
        at: Timestamp(1_795_273_567_000),
    }
}

pub(crate) fn progressing(name: &str) -> ServiceView {
    let mut view = healthy(name);
    view.phase = Phase::Progressing;
    view.step = 2;
    view.step_name = Some("5 %".into());
    view.weights = BTreeMap::from([(STABLE, percent(95.0)), (CANARY, percent(5.0))]);
    view.canary = Some(CANARY);
    view.rollout = rollout(4, CANARY, RolloutOutcome::Running);
    view.message = "step 2 of 5 bakes for 40s more".into();
    view.ended_at = None;
    view.elapsed = Some(Duration::from_millis(72_400));
    view.eta = Some(Duration::from_secs(245));
    view.checks = vec![
        judgement(
            "errors",
            Verdict::Pass,
            "0.02 % against 0.02 %, at most 1 %",
        ),
        judgement(
            "latency-p99",
            Verdict::Fail,
            "98.0 ms against 12.4 ms, at most 2 × and 5 ms",
        ),
        judgement("throughput", Verdict::NoData, "12 of 50 requests"),
    ];
    let side = RevisionView {
        replicas: 2,
        ready: 1,
        request_rate: 25.25,
        error_ratio: Some(0.021),
        p50_ms: Some(3.3),
        p95_ms: Some(9.5),
        p99_ms: Some(98.0),
        ..RevisionView::default()
    };
    view.revisions.insert(CANARY, side);
    view
}

pub(crate) fn aborted(name: &str) -> ServiceView {
    let mut view = progressing(name);
    view.phase = Phase::Degraded;
    view.step = 0;
    view.step_name = None;
    view.weights = BTreeMap::from([(STABLE, Weight::FULL)]);
    view.canary = None;
    view.rollout = rollout(4, CANARY, RolloutOutcome::Aborted);
    view.message = "revision 4 was aborted in step 2: latency-p99 98.0 ms against 12.4 ms".into();
    view.ended_at = Some("2026-11-21T15:06:00.000Z".into());
    view.checks = Vec::new();
    if let Some(side) = view.revisions.get_mut(&CANARY) {
        *side = RevisionView {
            replicas: 1,
            ready: 1,
            ..RevisionView::default()
        };
    }
    view
}

pub(crate) fn rollout(
    id: u64,
    revision: RevisionNumber,
    outcome: RolloutOutcome,
) -> Option<RolloutView> {
    Some(RolloutView {
        id: RolloutId(id),
        revision,
        outcome,
    })
}

fn judgement(check: &str, verdict: Verdict, message: &str) -> Judgement {
    Judgement {
        check: CheckName(check.into()),
        metric: Metric::ErrorRatio,
        limit: Limit::Max(0.01),
        samples_min: 100,
        verdict,
        message: message.into(),
        measurement: None,
    }
}
