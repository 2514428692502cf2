//! The real world of one service, as the control loop sees it: processes, proxy, store and hooks.

use super::comparing::Comparing;
use super::parts::Parts;
use sluice_analysis::window::{History, ReplicaGauges, Snapshot, Usage};
use sluice_control::{Record, World};
use sluice_hooks::Started;
use sluice_model::plan::{Check, Limit, Metric};
use sluice_model::report::CommandAnswer;
use sluice_model::status::RolloutState;
use sluice_model::{
    Command, Decision, Effect, EffectId, EffectOutcome, Observation, Plan, Revision,
    RevisionNumber, Routes, ServiceName, ServiceStatus, Timestamp,
};
use sluice_store::Transition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What the world of one service remembers from turn to turn.
#[derive(Default)]
pub(super) struct Memory {
    history: History,
    /// The rollout, attempt and step whose traffic the history covers.
    covers: Option<(u64, u32, Option<u32>)>,
    routes: Option<Routes>,
    replicas: Option<BTreeMap<RevisionNumber, u32>>,
    started: BTreeSet<EffectId>,
    pub(super) comparing: Comparing,
    /// Answers that are told once the view shows what they brought.
    pub(super) answers: Vec<CommandAnswer>,
}

/// See the module.
pub(super) struct ServiceWorld<'a> {
    pub(super) parts: &'a Parts,
    pub(super) service: ServiceName,
    pub(super) memory: &'a mut Memory,
    pub(super) snapshot: Snapshot,
    pub(super) now: Timestamp,
}

impl ServiceWorld<'_> {
    fn revision(&self, status: &ServiceStatus, number: RevisionNumber) -> Option<Arc<Revision>> {
        self.parts.revisions.get(&status.service, number)
    }

    /// The longest window that any check of the plan asks for.
    fn span(plan: &Plan) -> Duration {
        let of_steps = plan.steps.iter().flat_map(|step| &step.checks);
        plan.checks
            .iter()
            .chain(of_steps)
            .map(|check| check.window)
            .max()
            .unwrap_or_default()
    }

    /// The plan's own checks, the present step's, and those of the step whose traffic still flows.
    fn checks<'p>(plan: &'p Plan, status: &ServiceStatus) -> Vec<&'p Check> {
        let rollout = status.running();
        let present = rollout.and_then(|rollout| match &rollout.state {
            RolloutState::Stepping { step, .. } => Some(*step),
            _ => None,
        });
        let flowing = rollout
            .and_then(|rollout| rollout.traffic_step)
            .filter(|step| Some(*step) != present);
        let of_steps = present
            .into_iter()
            .chain(flowing)
            .filter_map(|step| plan.steps.get(step as usize))
            .flat_map(|step| &step.checks);
        plan.checks.iter().chain(of_steps).collect()
    }

    /// Starts the measurements anew when a step's traffic has begun.
    fn cover(&mut self, status: &ServiceStatus) {
        let covers = status
            .running()
            .map(|rollout| (rollout.id.0, rollout.attempt, rollout.traffic_step));
        if covers != self.memory.covers {
            self.memory.covers = covers;
            self.memory.history.restart(self.now, &self.snapshot);
        }
    }

    /// Starts an effect that has not been started yet. The runner bounds how many run, and never runs
    /// the same one twice at a time.
    fn start_effect(&mut self, effect: &Effect) {
        if self.memory.started.contains(&effect.id) {
            return;
        }
        let service = self.service.clone();
        if let Err(error) = self
            .parts
            .store
            .effect_started(&service, &effect.id, self.now)
        {
            tracing::warn!(%error, effect = %effect.id, "an effect's start cannot be recorded; it waits");
            return;
        }
        let (shared, store) = (Arc::clone(&self.parts.shared), self.parts.store.clone());
        let told = service.clone();
        let done = move |id: EffectId, outcome: EffectOutcome| {
            if let Err(error) = store.effect_finished(&told, &id, &outcome, super::clock::now()) {
                tracing::warn!(%error, effect = %id, "an effect's outcome cannot be recorded");
            }
            shared.effect(&told, &id, outcome);
            shared.wake(&told);
        };
        match self.parts.hooks.start(effect.clone(), done) {
            Started::Full => {}
            Started::Now | Started::Before | Started::Done => {
                self.memory.started.insert(effect.id.clone());
            }
        }
    }
}

impl World for ServiceWorld<'_> {
    fn commands(&mut self, status: &ServiceStatus) -> Vec<Command> {
        let (service, after) = (&status.service, status.last_command);
        let mut commands = match self.parts.store.pending_commands(service, after) {
            Ok(commands) => commands,
            Err(error) => {
                tracing::warn!(%error, %service, "the operators' commands could not be read");
                Vec::new()
            }
        };
        commands.extend(self.parts.shared.volatile(service, after));
        commands.sort_by_key(|command| command.id);
        commands
    }

    fn plan(&mut self, status: &ServiceStatus, revision: RevisionNumber) -> Option<Arc<Plan>> {
        self.parts.revisions.plan(&status.service, revision)
    }

    fn observe(&mut self, status: &ServiceStatus, plan: &Plan, now: Timestamp) -> Observation {
        let service = &status.service;
        // In this order: a replica that is first seen ready in between is settled with the next look. The other way
        // round it would count as looked at and not ready, and a healthy canary would be taken back.
        let settled = self.parts.settled(service);
        let replicas = self.parts.platform.observe(service, plan.min_ready);
        let usage = self.parts.platform.usage(service);
        self.snapshot = Snapshot {
            counters: self.parts.proxy.counters(service),
            usage: usage
                .iter()
                .map(|(revision, usage)| {
                    let eldest = usage.eldest.map(|eldest| ReplicaGauges {
                        age: eldest.age,
                        memory_bytes: eldest.memory_bytes,
                        memory_bytes_ceiling: eldest.memory_bytes_ceiling,
                        open_files: eldest.open_files,
                        open_files_ceiling: eldest.open_files_ceiling,
                    });
                    let usage = Usage {
                        cpu_cores: usage.cpu_cores,
                        memory_bytes: usage.memory_bytes_max,
                        open_files: usage.open_files_max,
                        eldest,
                    };
                    (*revision, usage)
                })
                .collect(),
        };
        self.cover(status);
        let judged = Self::checks(plan, status);
        self.memory
            .comparing
            .look(self.parts, status, plan, &judged, &self.snapshot, now);
        self.parts.asking.look(status, plan, &judged, now);
        let mut measurements = BTreeMap::new();
        if let Some(rollout) = status.running() {
            // Of many revisions that once were, the window needs two.
            let compared = Snapshot {
                counters: [Some(rollout.target), status.stable]
                    .into_iter()
                    .flatten()
                    .filter_map(|number| {
                        let counters = self.snapshot.counters.get(&number)?;
                        Some((number, counters.clone()))
                    })
                    .collect(),
                usage: BTreeMap::new(),
            };
            self.memory.history.push(now, Self::span(plan), &compared);
            for check in judged {
                let measured = match check.limit {
                    _ if check.metric == Metric::Outside => {
                        let round = self.parts.asking.round(service, check);
                        plan.queries.get(&check.name).zip(round).and_then(|asked| {
                            let comparing = &mut self.memory.comparing;
                            comparing.answered(check, asked, status, &self.snapshot, now)
                        })
                    }
                    Limit::NotWorse(_)
                    | Limit::Trend(_)
                    | Limit::Alarm(_)
                    | Limit::Score(_)
                    | Limit::Goal(_) => {
                        self.memory
                            .comparing
                            .measure(check, status, &self.snapshot, now)
                    }
                    _ => self.memory.history.measure(
                        check,
                        rollout.target,
                        status.stable,
                        now,
                        &self.snapshot,
                    ),
                };
                if let Some(measured) = measured {
                    measurements.insert(check.name.clone(), measured);
                }
            }
        }
        let effects = status
            .rollout
            .as_ref()
            .map_or_else(BTreeMap::new, |rollout| {
                self.parts
                    .shared
                    .effects_of(service, &format!("{service}/{}/", rollout.id))
            });
        Observation {
            settled,
            replicas,
            measurements,
            effects,
            commands: Vec::new(),
        }
    }

    fn persist(&mut self, record: &Record<'_>) -> Result<(), String> {
        let transition = Transition {
            status: record.status,
            entries: record.entries,
            answers: record.answers,
            at: record.at,
        };
        self.parts
            .store
            .commit(&transition)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    fn act(&mut self, decision: &Decision, effects: bool) {
        let status = &decision.status;
        let service = &status.service;
        let routes = &decision.desired.routes;
        if self.memory.routes.as_ref() != Some(routes) {
            match self.parts.proxy.set_routes(service, routes) {
                Ok(()) => {
                    self.memory.comparing.routed(status, routes);
                    self.memory.routes = Some(routes.clone());
                }
                Err(error) => tracing::error!(%error, %service, "the routes could not be set"),
            }
        }
        self.cover(status);
        let wanted = &decision.desired.replicas;
        if self.memory.replicas.as_ref() != Some(wanted) {
            let with_revisions: BTreeMap<_, _> = wanted
                .iter()
                .filter_map(|(number, count)| {
                    Some((*number, (*count, self.revision(status, *number)?)))
                })
                .collect();
            if with_revisions.len() == wanted.len() {
                self.parts.platform.apply(service, with_revisions);
                self.memory.replicas = Some(wanted.clone());
            } else {
                tracing::error!(%service, "a wanted revision is not in the store; replicas stay as they are");
            }
        }
        if effects {
            let prefix = status
                .rollout
                .as_ref()
                .map(|rollout| format!("{service}/{}/", rollout.id))
                .unwrap_or_default();
            self.memory
                .started
                .retain(|id| id.as_str().starts_with(&prefix));
            for effect in &decision.effects {
                self.start_effect(effect);
            }
        }
    }

    fn answered(&mut self, answers: &[CommandAnswer]) {
        self.memory.answers.extend(answers.iter().cloned());
    }
}
