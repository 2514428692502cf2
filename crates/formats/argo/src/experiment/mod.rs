//! What an Experiment needs next: its ReplicaSets, Services and AnalysisRuns, and where it stands.
//!
//! `decide` looks at the Experiment as it is stored and at what belongs to it, and says which writes follow,
//! in which order. Each write is sound by itself: the next decision sees what is there and goes on. Deciding
//! twice on the same world gives the same writes.
//!
//! `world` is what goes in and what comes out. `templates` looks after the versions, with `replica_sets` and
//! `services` for their objects; `analyses` after the runs; `phase` says where the whole stands, `conditions`
//! how that is told, `validity` what makes no sense.

mod analyses;
mod conditions;
mod phase;
mod replica_sets;
mod services;
mod templates;
mod validity;
mod world;

use crate::api::{AnalysisPhase, Experiment, ExperimentStatus, Time};
use crate::event::Event;
use sluice_model::time::Timestamp;

pub use replica_sets::replica_set_name;
pub use services::service_name;
pub use world::*;

/// What follows for an Experiment now.
#[must_use]
pub fn decide(world: &ExperimentWorld<'_>, now: Timestamp) -> ExperimentDecision {
    let experiment = world.experiment;
    let metadata = &experiment.metadata;
    if metadata.is_deleting() {
        return ExperimentDecision::default();
    }
    let mut turn = Turn {
        world,
        now,
        status: experiment.status.clone(),
        is_terminating: phase::is_terminating(experiment, &experiment.status),
        decision: ExperimentDecision::default(),
        events: Vec::new(),
    };
    match validity::problem(experiment) {
        Some(problem) => conditions::refuse(&mut turn, problem),
        None => {
            for template in &experiment.spec.templates {
                templates::look_after(&mut turn, template);
            }
            for analysis in &experiment.spec.analyses {
                analyses::look_after(&mut turn, analysis);
            }
            phase::assess(&mut turn);
            conditions::update(&mut turn);
            turn.wake(phase::wake_at(&turn));
        }
    }
    turn.finish()
}

/// One decision while it is made.
struct Turn<'a> {
    world: &'a ExperimentWorld<'a>,
    now: Timestamp,
    /// The status as it will be.
    status: ExperimentStatus,
    /// Whether the Experiment ends: nothing is started, and what is there goes.
    is_terminating: bool,
    decision: ExperimentDecision,
    /// Events about the status, told once it is stored.
    events: Vec<ExperimentWrite>,
}

impl<'a> Turn<'a> {
    fn experiment(&self) -> &'a Experiment {
        self.world.experiment
    }

    fn write(&mut self, write: ExperimentWrite) {
        self.decision.writes.push(write);
    }

    /// An event of a change of the status.
    fn event(&mut self, warning: bool, reason: String, message: String) {
        self.events.push(ExperimentWrite::Event(Event {
            warning,
            reason,
            message,
        }));
    }

    /// Decides again at the latest then.
    fn wake(&mut self, at: Option<Timestamp>) {
        let wake_at = &mut self.decision.wake_at;
        *wake_at = wake_at.iter().copied().chain(at).min();
    }

    /// Now, as it is stored.
    fn time(&self) -> Time {
        Time(Timestamp(self.now.0.div_euclid(1_000) * 1_000))
    }

    /// What an API server refused since the status was stored.
    fn refusal(&self, name: &str, what: &[Refused]) -> Option<&'a Refusal> {
        let refused = self.world.refused.iter();
        let mut fitting = refused.filter(|one| one.name == name && what.contains(&one.what));
        fitting.next()
    }

    fn finish(mut self) -> ExperimentDecision {
        let before = &self.experiment().status;
        if self.status != *before {
            if self.status.phase != before.phase {
                let (old, new) = (before.phase.as_str(), self.status.phase.as_str());
                let message = format!("Experiment transitioned from {old} -> {new}");
                let reason = format!("Experiment{new}");
                self.event(is_bad(&self.status.phase), reason, message);
            }
            let status = Box::new(self.status);
            self.decision.writes.push(ExperimentWrite::Status(status));
            self.decision.writes.append(&mut self.events);
        }
        self.decision
    }
}

fn is_bad(phase: &AnalysisPhase) -> bool {
    matches!(
        phase,
        AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive
    )
}
