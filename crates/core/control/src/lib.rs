//! The loop: observe → decide → persist → act, for one service.
//!
//! [`Cell`] holds a service's status between turns and keeps the order that survives every crash: a
//! decision's status is stored before anything acts on it; what cannot be stored is not acted on,
//! except a retreat from a canary, which is recorded as soon as it can be. The [`World`] is the only
//! way out: the daemon implements it with processes, proxy and store, the simulator with a fake world.
//! Nothing here waits, reads a clock or does IO.

mod refusal;

use sluice_engine::{GAP_MAX, decide, plan_revision, standing};
use sluice_model::report::CommandAnswer;
use sluice_model::{
    Command, Decision, Observation, Plan, Report, ReportEntry, RevisionNumber, ServiceStatus,
    Timestamp,
};
use std::sync::Arc;
use std::time::Duration;

/// A running rollout's status is stored at least this often, so that the time in which nobody
/// watched is known after a crash.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long a store that failed is left alone.
pub const STORE_RETRY: Duration = Duration::from_millis(500);

/// Most entries that wait for a store that fails; older ones are dropped first, and the drop is counted.
pub const UNRECORDED_MAX: usize = 1_000;

/// Everything a turn needs of the world.
pub trait World {
    /// Commands of the service that are not answered yet, by rising id.
    fn commands(&mut self, status: &ServiceStatus) -> Vec<Command>;

    /// The plan of a revision; `None` when it is not known.
    fn plan(&mut self, status: &ServiceStatus, revision: RevisionNumber) -> Option<Arc<Plan>>;

    /// What the world looks like now; `commands` is filled in by the caller.
    fn observe(&mut self, status: &ServiceStatus, plan: &Plan, now: Timestamp) -> Observation;

    /// Stores a decision: status, log entries and answers in one transaction.
    ///
    /// # Errors
    /// The cause, for people; then nothing was stored.
    fn persist(&mut self, record: &Record<'_>) -> Result<(), String>;

    /// Brings the world towards the desired state; called on every turn, so it must be cheap when
    /// nothing changed. `effects` are those to start (an id that was started is not started again).
    fn act(&mut self, decision: &Decision, effects: bool);

    /// Tells waiting operators what became of their commands; called after they were stored, or, for a
    /// retreat that could not be stored, after it was acted on.
    fn answered(&mut self, answers: &[CommandAnswer]);
}

/// What is stored of one turn.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The status that the world is brought to next.
    pub status: &'a ServiceStatus,
    /// Entries of the decision log, oldest first.
    pub entries: &'a [ReportEntry],
    /// Answers to commands.
    pub answers: &'a [CommandAnswer],
    /// The time of the decision.
    pub at: Timestamp,
}

/// What a turn came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// When to take the next turn if nothing happens before; at once when it is not later than now.
    pub wake_at: Option<Timestamp>,
    /// The decision; absent when there is nothing to decide about. When it could not be stored, this is
    /// what stands instead: the status as it was, and nothing new.
    pub decision: Option<Decision>,
    /// The observation that it was made on.
    pub observation: Observation,
    /// Why the decision could not be stored, if so.
    pub store_error: Option<String>,
}

/// One service in the loop.
#[derive(Clone, Debug)]
pub struct Cell {
    status: ServiceStatus,
    stored_at: Timestamp,
    unrecorded: Vec<ReportEntry>,
    unanswered: Vec<CommandAnswer>,
    dropped: u64,
    store_failed_at: Option<Timestamp>,
}

impl Cell {
    /// A service as it was stored (or [`ServiceStatus::new`]).
    #[must_use]
    pub fn new(status: ServiceStatus) -> Self {
        Self {
            stored_at: status.decided_at,
            status,
            unrecorded: Vec::new(),
            unanswered: Vec::new(),
            dropped: 0,
            store_failed_at: None,
        }
    }

    /// Where the service stands.
    #[must_use]
    pub fn status(&self) -> &ServiceStatus {
        &self.status
    }

    /// Log entries that a failing store has made impossible to keep.
    #[must_use]
    pub fn dropped_entries(&self) -> u64 {
        self.dropped
    }

    /// Takes one turn.
    pub fn turn(&mut self, world: &mut impl World, now: Timestamp) -> Outcome {
        let commands = world.commands(&self.status);
        let sorted = refusal::sort(world, &self.status, commands);
        let commands = sorted.answerable;
        let refused = sorted
            .refusal
            .map(|refusal| self.refuse(world, refusal, now));
        if let Some(Ok(())) = refused {
            // The commands behind it follow at once.
            return Outcome {
                wake_at: Some(now),
                ..Outcome::default()
            };
        }
        let unrefused = refused.and_then(Result::err);
        let Some(plan) = plan_revision(&self.status, &commands)
            .and_then(|revision| world.plan(&self.status, revision))
        else {
            return Outcome {
                wake_at: unrefused.is_some().then(|| now.after(STORE_RETRY)),
                store_error: unrefused,
                ..Outcome::default()
            };
        };
        let mut observation = world.observe(&self.status, &plan, now);
        observation.commands = commands;
        let mut decision = decide(&plan, &self.status, &observation, now);
        let settled = self.settle(world, &plan, &observation, &mut decision, now);
        let store_error = settled.or(unrefused);
        let wake_at = match &store_error {
            Some(_) => Some(self.look_again(&decision, now)),
            None if sorted.more => Some(now),
            None => decision.wake_at,
        };
        Outcome {
            wake_at,
            decision: Some(decision),
            observation,
            store_error,
        }
    }

    /// When to look again while the store fails: at the store soon, at the canary as often as ever.
    fn look_again(&self, decision: &Decision, now: Timestamp) -> Timestamp {
        let retry = now.after(STORE_RETRY);
        let wanted = decision.wake_at.filter(|at| *at > now);
        wanted.map_or(retry, |at| at.min(retry))
    }

    /// Stores the decision where it must be, and acts on it where it may be.
    fn settle(
        &mut self,
        world: &mut impl World,
        plan: &Plan,
        observation: &Observation,
        decision: &mut Decision,
        now: Timestamp,
    ) -> Option<String> {
        if !self.must_store(decision, now) {
            self.status.decided_at = now;
            world.act(decision, true);
            return None;
        }
        match self.store(
            world,
            &decision.status,
            &decision.report,
            decision.retreat,
            now,
        ) {
            Ok(()) => {
                self.status = decision.status.clone();
                world.act(decision, true);
                None
            }
            Err(cause) if decision.retreat => {
                self.retreat(world, decision);
                Some(cause)
            }
            Err(cause) => {
                self.stand(now);
                let mut stands = standing(plan, &self.status, observation, now);
                stands.report.checks = std::mem::take(&mut decision.report.checks);
                stands.report.waiting = Some(format!(
                    "nothing moves forward while the store cannot be written: {cause}"
                ));
                stands.wake_at = decision.wake_at;
                world.act(&stands, false);
                *decision = stands;
                Some(cause)
            }
        }
    }

    fn must_store(&self, decision: &Decision, now: Timestamp) -> bool {
        let mut same = decision.status.clone();
        same.decided_at = self.status.decided_at;
        let heartbeat =
            decision.status.running().is_some() && now.since(self.stored_at) >= HEARTBEAT;
        same != self.status
            || !decision.report.entries.is_empty()
            || !decision.report.commands.is_empty()
            || !self.unrecorded.is_empty()
            || !self.unanswered.is_empty()
            || heartbeat
    }

    fn store(
        &mut self,
        world: &mut impl World,
        status: &ServiceStatus,
        report: &Report,
        urgent: bool,
        now: Timestamp,
    ) -> Result<(), String> {
        let resting = self
            .store_failed_at
            .is_some_and(|failed| now.since(failed) < STORE_RETRY && now >= failed);
        if resting && !urgent {
            return Err("the store failed a moment ago; it is tried again shortly".to_owned());
        }
        let mut entries = self.unrecorded.clone();
        entries.extend(report.entries.iter().cloned());
        let mut answers = self.unanswered.clone();
        answers.extend(report.commands.iter().cloned());
        let record = Record {
            status,
            entries: &entries,
            answers: &answers,
            at: now,
        };
        match world.persist(&record) {
            Ok(()) => {
                self.stored_at = now;
                self.store_failed_at = None;
                self.unrecorded.clear();
                self.unanswered.clear();
                world.answered(&report.commands);
                Ok(())
            }
            Err(cause) => {
                self.store_failed_at = Some(now);
                Err(cause)
            }
        }
    }

    /// The time was watched although nothing could be stored; a gap or a clock that went back is still
    /// to be dealt with by a decision that can be.
    fn stand(&mut self, now: Timestamp) {
        let decided_at = self.status.decided_at;
        if now >= decided_at && now.since(decided_at) <= GAP_MAX {
            self.status.decided_at = now;
        }
    }

    /// Takes the canary out of traffic although that could not be stored; it is recorded later. No
    /// effect is started before.
    fn retreat(&mut self, world: &mut impl World, decision: &Decision) {
        self.status = decision.status.clone();
        self.unrecorded
            .extend(decision.report.entries.iter().cloned());
        self.unanswered
            .extend(decision.report.commands.iter().cloned());
        let excess = self.unrecorded.len().saturating_sub(UNRECORDED_MAX);
        self.unrecorded.drain(..excess);
        self.dropped += excess as u64;
        world.act(decision, false);
        world.answered(&decision.report.commands);
    }
}
