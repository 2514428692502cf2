//! What a site measures: windows over the counters for thresholds, books of them for comparisons, and the routes
//! that decide what is counted where.

use super::Site;
use crate::bugs::Bug;
use crate::comparing::Books;
use crate::traffic::Watched;
use sluice_model::plan::{Check, Limit};
use sluice_model::{Decision, Observation, Plan, RolloutState, ServiceStatus, Timestamp};
use std::time::Duration;

impl Site {
    /// The fake proxy gets its routes.
    pub(super) fn route(&mut self, decision: &Decision) {
        let (status, routes) = (&decision.status, &decision.desired.routes);
        self.comparing.routed(status, routes);
        let before = self.traffic.watched();
        let shared = status.running().zip(status.stable);
        self.traffic.watch(shared.map(|(rollout, stable)| {
            let attempt = (rollout.id, rollout.attempt);
            let known = before.filter(|before| before.attempt == attempt);
            // A segment that an attempt finds in force is not its own.
            let found = u64::from(self.in_force == Some(routes.segment));
            Watched {
                attempt,
                canary: rollout.target,
                stable,
                first_segment: known.map_or(routes.segment + found, |known| known.first_segment),
            }
        }));
        self.in_force = Some(routes.segment);
        self.traffic.counts_all = self.bug == Some(Bug::CountsMatches);
    }

    pub(super) fn cover(&mut self, status: &ServiceStatus) {
        let running = status.running();
        let mut covers =
            running.map(|rollout| (rollout.id.0, rollout.attempt, rollout.traffic_step));
        if self.bug == Some(Bug::IgnoresFreshness) {
            // The windows reach back over the steps.
            covers = covers.map(|(id, _, _)| (id, 0, None));
        }
        if covers != self.covers {
            self.covers = covers;
            let now = self.wall();
            self.history.restart(now, self.traffic.counted());
            self.taken.clear();
            self.taken.insert(now, self.now);
        }
    }

    /// The fake proxy's counters go into the books of the comparisons.
    pub(super) fn count(&mut self, status: &ServiceStatus, plan: &Plan, now: Timestamp) {
        let books = Books {
            traffic: &self.traffic,
            can_store: self.now >= self.store.fails_until,
            store: &mut self.store,
            bug: self.bug,
        };
        let stored = self.comparing.look(books, status, plan, now);
        self.comparing.remember(&self.traffic, status, now);
        if let Some(rollout) = status.running() {
            let attempt = (rollout.id, rollout.attempt);
            self.watch.counted(attempt, stored, &self.traffic);
        }
    }

    pub(super) fn measure(
        &mut self,
        status: &ServiceStatus,
        plan: &Plan,
        observation: &mut Observation,
    ) {
        let Some(rollout) = status.running() else {
            return;
        };
        let step = match &rollout.state {
            RolloutState::Stepping { step, .. } => Some(*step),
            _ => None,
        };
        // The step's, and those of the one before while its traffic still flows.
        let earlier = rollout
            .traffic_step
            .filter(|earlier| Some(*earlier) != step);
        let own = step.into_iter().chain(earlier);
        let own = own.filter_map(|index| plan.steps.get(index as usize));
        let own = own.flat_map(|step| &step.checks);
        let checks: Vec<&Check> = plan.checks.iter().chain(own).collect();
        if checks.is_empty() {
            return;
        }
        let of_steps = plan.steps.iter().flat_map(|step| &step.checks);
        let windows = plan.checks.iter().chain(of_steps).map(|check| check.window);
        let now = self.wall();
        if self
            .taken
            .keys()
            .next_back()
            .is_some_and(|last| *last > now)
        {
            self.taken.clear();
        }
        let span = windows.max().unwrap_or(Duration::ZERO);
        self.history.push(now, span, self.traffic.counted());
        self.taken.insert(now, self.now);
        if self.now < self.blind_until {
            return;
        }
        let current = self.traffic.counted();
        for check in checks {
            if matches!(check.limit, Limit::NotWorse(_)) {
                let measured = self.comparing.measure(check, status, now, self.bug);
                if let Some(measured) = measured {
                    self.watch
                        .compared(self.now, check, &measured, &self.traffic);
                    observation
                        .measurements
                        .insert(check.name.clone(), measured);
                }
                continue;
            }
            let measured = self
                .history
                .measure(check, rollout.target, status.stable, now, current);
            if let Some(measured) = measured {
                let since = self.taken.get(&measured.from).copied();
                self.watch.measured(&check.name, since.unwrap_or(self.now));
                observation
                    .measurements
                    .insert(check.name.clone(), measured);
            }
        }
    }
}
