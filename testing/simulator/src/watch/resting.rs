//! Promises about the end: when nothing goes wrong any more, a service comes to rest, or says what it
//! waits for.

use super::Watch;
use crate::site::Site;
use sluice_model::plan::OnTrouble;
use sluice_model::{Decision, Plan, RolloutState, ServiceStatus, Stage, Verdict};
use std::time::Duration;

/// However late turns come, a failing check is looked at within this time.
const LOOKS_WITHIN: Duration = Duration::from_secs(10);

/// What a service has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing is left to do.
    Resting,
    /// It waits for somebody: a hold, or a gate without a time limit.
    WaitsForOperator,
    /// It waits for what may come: data, or replicas.
    WaitsForWorld,
    /// It moves.
    Moving,
}

impl Rest {
    /// Of a status and the last decision.
    #[must_use]
    pub fn of(status: &ServiceStatus, plan: Option<&Plan>, last: Option<&Decision>) -> Rest {
        let Some(rollout) = status.running() else {
            let closing = status
                .rollout
                .as_ref()
                .is_some_and(|rollout| rollout.closing.is_some());
            let busy = closing || status.restoring.is_some() || !status.kept.is_empty();
            return if busy { Rest::Moving } else { Rest::Resting };
        };
        if rollout.pause.is_some() {
            return Rest::WaitsForOperator;
        }
        let RolloutState::Stepping { step, stage } = &rollout.state else {
            return Rest::Moving;
        };
        let gate = plan.and_then(|plan| plan.steps.get(*step as usize)?.gate.as_ref());
        let report = last.map(|decision| &decision.report);
        match stage {
            Stage::Gate { .. } if gate.is_some_and(|gate| gate.timeout.is_none()) => {
                Rest::WaitsForOperator
            }
            Stage::Baking { .. } => {
                let mut checks = report.into_iter().flat_map(|report| &report.checks);
                let open = checks.any(|judgement| judgement.verdict != Verdict::Pass);
                if open {
                    Rest::WaitsForWorld
                } else {
                    Rest::Moving
                }
            }
            _ => Rest::Moving,
        }
    }
}

impl Watch {
    /// The time that everything should have come to rest in is over.
    pub(crate) fn rests(&mut self, site: &Site, rest: Rest, last: Option<&Decision>, healed: bool) {
        let at = site.now;
        let status = &site.store.status;
        let waiting = last.and_then(|decision| decision.report.waiting.as_deref());
        let running = status.running().is_some();
        let moving = rest == Rest::Moving && healed;
        self.promise(!moving, at, "a service comes to rest", || {
            format!(
                "{waiting:?}: {:?}, restoring {:?}",
                status.rollout, status.restoring
            )
        });
        self.promise(
            !running || waiting.is_some(),
            at,
            "what is waited for is said",
            || format!("{:?}", status.rollout),
        );
        let open = site.store.open_commands(sluice_model::CommandId(0));
        self.promise(open.is_empty(), at, "every command is answered", || {
            format!("{open:?}")
        });
        self.promise(
            !waits_too_long(site),
            at,
            "waiting for replicas ends",
            || format!("{:?}", status.rollout),
        );
        let tolerated = self.tolerates_bad(site);
        self.promise(
            tolerated.is_none(),
            at,
            "a bad revision does not keep its traffic",
            || tolerated.unwrap_or_default(),
        );
        if healed && rest == Rest::Resting {
            self.promise(
                site.platform.converged(),
                at,
                "the world becomes what shall be",
                || format!("{:?}", site.platform),
            );
        }
    }

    /// Whether a revision that fails half of its requests still has traffic that a check must have judged.
    fn tolerates_bad(&self, site: &Site) -> Option<String> {
        let rollout = site.store.status.running()?;
        let RolloutState::Stepping { step, stage } = &rollout.state else {
            return None;
        };
        let judged = matches!(
            stage,
            Stage::Baking { .. } | Stage::After { .. } | Stage::Gate { .. }
        );
        let hopeless = self.hopeless.contains(&rollout.target);
        if !hopeless || !judged || rollout.fast {
            return None;
        }
        let plan = site.store.plans.get(&rollout.target)?;
        let step = plan.steps.get(*step as usize)?;
        let mut checks = step.checks.iter().chain(&plan.checks);
        let check = checks.find(|check| check.name.as_str() == "errors")?;
        if rollout.pause.is_some() && check.on_fail == OnTrouble::Pause {
            return None;
        }
        let judged_for = site.wall().since(rollout.traffic_since?);
        if judged_for < check.window + LOOKS_WITHIN {
            return None;
        }
        let weight = site.acted()?.routes.weights.get(&rollout.target)?.percent() / 100.0;
        let samples = site.traffic.rate * weight * check.window.as_secs_f64();
        let enough = samples >= 2.0 * check.samples_min as f64;
        enough.then(|| {
            format!(
                "revision {} at {weight}, {samples:.0} samples",
                rollout.target
            )
        })
    }
}

/// Whether a step waits for replicas for longer than its plan allows, with a stable side to go back to.
fn waits_too_long(site: &Site) -> bool {
    let status = &site.store.status;
    let Some(rollout) = status.running().filter(|rollout| rollout.pause.is_none()) else {
        return false;
    };
    let RolloutState::Stepping {
        stage: Stage::Scaling { since, .. },
        ..
    } = &rollout.state
    else {
        return false;
    };
    let plan = site.store.plans.get(&rollout.target);
    let waited = site.wall().since(*since);
    status.stable.is_some()
        && plan.is_some_and(|plan| waited > plan.progress_deadline + LOOKS_WITHIN)
}
