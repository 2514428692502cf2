//! What one decision collects on its way.

use super::pauses::Pauses;
use super::world::{ReplicaSet, World};
use super::write::Write;
use super::{Decision, revision};
use crate::api::{
    AnalysisRun, CanaryStatus, CanaryStrategy, Experiment, Rollout, RolloutDurationStatus,
    RolloutStatus, Time,
};
use crate::event::Event;
use crate::template::Misfit;
use crate::workload::Pods;
use sluice_model::time::Timestamp;

/// One decision: what it looks at, and what it has decided so far.
pub(super) struct Turn<'a> {
    pub(super) world: &'a World,
    pub(super) rollout: &'a Rollout,
    pub(super) now: Timestamp,
    /// All ReplicaSets, with the changes of this turn.
    pub(super) sets: Vec<ReplicaSet>,
    /// The hash of what is to be rolled out, or why it has none.
    pub(super) hash: Result<String, Misfit>,
    /// The ReplicaSet that is rolled out.
    pub(super) new: Option<usize>,
    /// The one that users are on; the same when nothing is rolled out.
    pub(super) stable: Option<usize>,
    /// Whether the new one kept its pods from an earlier time when the turn began.
    pub(super) new_is_warm: bool,
    /// The status as it will be. What nobody puts into it is gone.
    pub(super) next: RolloutStatus,
    pub(super) pauses: Pauses,
    /// The run of each role, as it will be noted.
    pub(super) runs: Runs<'a>,
    /// The experiment of the step.
    pub(super) experiment: Option<&'a Experiment>,
    /// A rollout that ended in this turn, for the metrics.
    pub(super) completed: Option<RolloutDurationStatus>,
    /// Whether all else waits for the next turn because pods are evicted in this one.
    pub(super) only_evicts: bool,
    /// Whether an analysis is due that could not be started: nothing goes on without it.
    pub(super) lacks_analysis: bool,
    writes: Vec<Write>,
    wake_at: Option<Timestamp>,
}

/// The AnalysisRuns that the status names.
#[derive(Clone, Copy, Default)]
pub(super) struct Runs<'a> {
    pub(super) step: Option<&'a AnalysisRun>,
    pub(super) background: Option<&'a AnalysisRun>,
    pub(super) pre: Option<&'a AnalysisRun>,
    pub(super) post: Option<&'a AnalysisRun>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(world: &'a World, now: Timestamp) -> Self {
        let rollout = &world.rollout;
        let sets = world.replica_sets.clone();
        let hash = revision::hash(rollout);
        let new = revision::find_new(rollout, hash.as_deref().ok(), &sets);
        let stable = stable_of(&rollout.status.stable_rs, new, &sets);
        let new_is_warm =
            new.is_some_and(|at| sets[at].deadline().is_some_and(|deadline| deadline > now));
        let status = &rollout.status;
        let next = RolloutStatus {
            restarted_at: status.restarted_at,
            alb: status.alb.clone(),
            albs: status.albs.clone(),
            duration: status.duration.clone(),
            canary: CanaryStatus {
                weights: status.canary.weights.clone(),
                ..CanaryStatus::default()
            },
            ..RolloutStatus::default()
        };
        let mut pauses = Pauses::default();
        if new.is_some() && is_fully_promoted(rollout) && status.abort {
            // There is nothing to go back to.
            pauses.remove_abort();
        }
        let run = |noted: &Option<crate::api::RolloutAnalysisRunStatus>| {
            let name = noted.as_ref().map(|run| run.name.as_str())?;
            world.runs.iter().find(|run| run.metadata.name == name)
        };
        let runs = Runs {
            step: run(&status.canary.current_step_analysis_run_status),
            background: run(&status.canary.current_background_analysis_run_status),
            pre: run(&status.blue_green.pre_promotion_analysis_run_status),
            post: run(&status.blue_green.post_promotion_analysis_run_status),
        };
        let experiment = world
            .experiments
            .iter()
            .find(|experiment| experiment.metadata.name == status.canary.current_experiment);
        Turn {
            world,
            rollout,
            now,
            sets,
            hash,
            new,
            stable,
            new_is_warm,
            next,
            pauses,
            runs,
            experiment,
            completed: None,
            only_evicts: false,
            lacks_analysis: false,
            writes: Vec::new(),
            wake_at: None,
        }
    }

    pub(super) fn finish(self) -> Decision {
        Decision {
            writes: self.writes,
            wake_at: self.wake_at,
            only_evicts: self.only_evicts,
        }
    }

    pub(super) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// The hash to which a Service was switched in this turn.
    pub(super) fn switched(&self, service: &str) -> Option<String> {
        self.writes.iter().rev().find_map(|write| match write {
            Write::SwitchService { name, hash, .. } if name == service => Some(hash.clone()),
            _ => None,
        })
    }

    pub(super) fn event(&mut self, reason: &str, message: impl Into<String>) {
        self.push_event(false, reason, message.into());
    }

    pub(super) fn warning(&mut self, reason: &str, message: impl Into<String>) {
        self.push_event(true, reason, message.into());
    }

    pub(super) fn push_event(&mut self, warning: bool, reason: &str, message: String) {
        self.writes.push(Write::Event(Event {
            warning,
            reason: reason.to_owned(),
            message,
        }));
    }

    /// Asks for another decision at a time, if none is due before.
    pub(super) fn wake(&mut self, at: Timestamp) {
        let at = at.max(self.now.shifted(1));
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    pub(super) fn time(&self) -> Time {
        Time(Timestamp(self.now.0 - self.now.0.rem_euclid(1_000)))
    }

    pub(super) fn new_set(&self) -> Option<&ReplicaSet> {
        self.new.map(|at| &self.sets[at])
    }

    pub(super) fn stable_set(&self) -> Option<&ReplicaSet> {
        self.stable.map(|at| &self.sets[at])
    }

    /// The stable ReplicaSet, if it is another one than the new one.
    pub(super) fn other_stable(&self) -> Option<usize> {
        self.stable.filter(|at| Some(*at) != self.new)
    }

    /// The ReplicaSets that are neither new nor stable.
    pub(super) fn others(&self) -> Vec<usize> {
        (0..self.sets.len())
            .filter(|at| Some(*at) != self.new && Some(*at) != self.stable)
            .collect()
    }

    pub(super) fn new_pods(&self) -> Option<Pods> {
        self.new_set().map(ReplicaSet::pods)
    }

    pub(super) fn stable_pods(&self) -> Option<Pods> {
        self.stable_set().map(ReplicaSet::pods)
    }

    pub(super) fn new_hash(&self) -> String {
        self.new_set()
            .map_or_else(String::new, |set| set.hash().to_owned())
    }

    pub(super) fn replicas(&self) -> i32 {
        self.rollout.spec.replicas()
    }

    pub(super) fn strategy(&self) -> Option<&'a CanaryStrategy> {
        self.rollout.spec.strategy.canary.as_ref()
    }

    /// The number of steps.
    pub(super) fn steps(&self) -> i32 {
        let steps = self.strategy().map_or(0, |canary| canary.steps.len());
        i32::try_from(steps).unwrap_or(i32::MAX)
    }

    /// Pods of all ReplicaSets, counted by `count`.
    pub(super) fn sum(&self, count: impl Fn(&ReplicaSet) -> i32) -> i32 {
        self.sets.iter().map(count).fold(0, i32::saturating_add)
    }

    /// What autoscalers are told of so many pods: those of two revisions beside each other are no reason to ask for more (Argo's
    /// issue 2857).
    pub(super) fn countable(&self, pods: i32) -> i32 {
        pods.min(self.replicas().max(0))
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.pauses.is_aborted(&self.rollout.status)
    }

    pub(super) fn is_fully_promoted(&self) -> bool {
        is_fully_promoted(self.rollout)
    }

    /// The number of the Rollout's revision; 0 when it has none.
    pub(super) fn revision(&self) -> i64 {
        self.rollout
            .metadata
            .annotations
            .get(super::REVISION)
            .and_then(|revision| revision.parse().ok())
            .unwrap_or(0)
    }
}

/// Whether what is wanted is what users are on.
pub(super) fn is_fully_promoted(rollout: &Rollout) -> bool {
    rollout.status.stable_rs == rollout.status.current_pod_hash
}

/// The stable ReplicaSet: the new one before others with the same hash.
pub(super) fn stable_of(hash: &str, new: Option<usize>, sets: &[ReplicaSet]) -> Option<usize> {
    if hash.is_empty() {
        return None;
    }
    new.filter(|at| sets[*at].hash() == hash)
        .or_else(|| sets.iter().position(|set| set.hash() == hash))
}
