//! Promises about the end: when nothing goes wrong any more, a service comes to rest, or says what it
//! waits for.

use super::Watch;
use crate::site::Site;
use sluice_model::{Decision, Plan, RolloutState, ServiceStatus, Stage, Verdict};

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
        if healed && rest == Rest::Resting {
            self.promise(
                site.platform.converged(),
                at,
                "the world becomes what shall be",
                || format!("{:?}", site.platform),
            );
        }
    }
}
