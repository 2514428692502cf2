//! A service as the API shows it, put together from status, world and counters.

use super::rates::Rates;
use sluice_control::Outcome;
use sluice_local::Usage;
use sluice_model::status::RolloutState;
use sluice_model::view::{RevisionView, RolloutOutcome, RolloutView, ServiceView};
use sluice_model::{Plan, RevisionNumber, ServiceStatus, SideCounters, Timestamp};
use std::collections::BTreeMap;
use std::time::Instant;

/// What a view is made of.
pub(super) struct Parts<'a> {
    pub(super) status: &'a ServiceStatus,
    pub(super) outcome: &'a Outcome,
    pub(super) plan: Option<&'a Plan>,
    pub(super) counters: &'a BTreeMap<RevisionNumber, SideCounters>,
    pub(super) usage: &'a BTreeMap<RevisionNumber, Usage>,
    pub(super) rates: &'a Rates,
    pub(super) listen: Option<String>,
    pub(super) preview: Option<String>,
    /// How many users of the rollout are counted, once that many were.
    pub(super) users_max: Option<usize>,
    pub(super) now: Timestamp,
}

/// Puts a view together.
pub(super) fn build(parts: &Parts<'_>) -> ServiceView {
    let status = parts.status;
    let decision = parts.outcome.decision.as_ref();
    let waiting = decision.and_then(|decision| decision.report.waiting.as_deref());
    let (phase, mut message) =
        sluice_engine::phase_and_message(status, &parts.outcome.observation, waiting);
    if let Some(users) = parts.users_max {
        message.push_str(&format!(
            "; the first {users} users of this rollout are counted, later ones are not"
        ));
    }
    if let Some(error) = &parts.outcome.store_error {
        message = format!("the state cannot be written, so nothing moves forward: {error}");
    }
    let rollout = status.rollout.as_ref();
    let running = status.running();
    let (step, step_name) = position(status, parts.plan);
    let ended_at = rollout.and_then(|rollout| match &rollout.state {
        RolloutState::Promoted { at } | RolloutState::Aborted { at, .. } => Some(*at),
        _ => None,
    });
    ServiceView {
        service: status.service.clone(),
        phase,
        strategy: rollout.map(|rollout| rollout.strategy.as_str().to_owned()),
        step,
        steps: parts.plan.map_or(0, |plan| plan.steps.len() as u32),
        step_name,
        weights: status.routes.weights.clone(),
        stable: status.stable,
        canary: running.map(|rollout| rollout.target),
        rollout: rollout.map(|rollout| RolloutView {
            id: rollout.id,
            revision: rollout.target,
            outcome: match rollout.state {
                RolloutState::Promoted { .. } => RolloutOutcome::Promoted,
                RolloutState::Aborted { returned: true, .. } => RolloutOutcome::Returned,
                RolloutState::Aborted { .. } => RolloutOutcome::Aborted,
                RolloutState::Starting { .. } | RolloutState::Stepping { .. } => {
                    RolloutOutcome::Running
                }
            },
        }),
        message,
        started_at: rollout.map(|rollout| rollout.started_at.to_string()),
        ended_at: ended_at.map(|at| at.to_string()),
        listen: parts.listen.clone(),
        preview: parts.preview.clone(),
        elapsed: rollout.map(|rollout| ended_at.unwrap_or(parts.now).since(rollout.started_at)),
        eta: parts
            .plan
            .and_then(|plan| sluice_engine::eta(plan, status, parts.now)),
        checks: decision
            .map(|decision| decision.report.checks.clone())
            .unwrap_or_default(),
        revisions: revisions(parts),
        at: parts.now,
    }
}

/// The step from 1 (0 when no rollout runs), and its name.
fn position(status: &ServiceStatus, plan: Option<&Plan>) -> (u32, Option<String>) {
    let Some(rollout) = status.running() else {
        return (0, None);
    };
    let RolloutState::Stepping { step, .. } = &rollout.state else {
        return (1, Some("start".to_owned()));
    };
    let name = match plan.and_then(|plan| plan.steps.get(*step as usize)) {
        Some(step) if !rollout.fast => Some(step.name.clone()),
        _ => Some("switch".to_owned()),
    };
    (step + 1, name)
}

fn revisions(parts: &Parts<'_>) -> BTreeMap<RevisionNumber, RevisionView> {
    let now = Instant::now();
    let observed = &parts.outcome.observation.replicas;
    let wanted = parts
        .outcome
        .decision
        .as_ref()
        .map(|decision| &decision.desired.replicas);
    let target = parts.status.rollout.as_ref().map(|rollout| rollout.target);
    let mut numbers: Vec<RevisionNumber> = observed.keys().copied().collect();
    numbers.extend(parts.status.stable);
    numbers.extend(parts.status.running().map(|rollout| rollout.target));
    numbers.extend(target.filter(|target| parts.counters.contains_key(target)));
    numbers.sort_unstable();
    numbers.dedup();
    let view_of = |number: RevisionNumber| {
        let counts = observed.get(&number).cloned().unwrap_or_default();
        let usage = parts.usage.get(&number);
        let recent = parts.rates.recent(now, parts.counters, number);
        let latency_ms = |quantile: f64| {
            let micros = recent.as_ref()?.counters.latency.quantile(quantile)?;
            Some(micros as f64 / 1_000.0)
        };
        let view = RevisionView {
            replicas: wanted
                .and_then(|wanted| wanted.get(&number))
                .copied()
                .unwrap_or(0),
            ready: counts.ready,
            restarts: counts.restarts_max,
            cpu: usage.map(|usage| usage.cpu_cores),
            memory_bytes: usage.map(|usage| usage.memory_bytes_max),
            request_rate: recent.as_ref().map_or(0.0, |recent| {
                recent.counters.requests as f64 / recent.seconds
            }),
            error_ratio: recent.as_ref().and_then(|recent| {
                let requests = recent.counters.requests;
                (requests > 0).then(|| recent.counters.errors() as f64 / requests as f64)
            }),
            p50_ms: latency_ms(0.5),
            p95_ms: latency_ms(0.95),
            p99_ms: latency_ms(0.99),
            counters: parts.counters.get(&number).cloned(),
        };
        (number, view)
    };
    numbers.into_iter().map(view_of).collect()
}
