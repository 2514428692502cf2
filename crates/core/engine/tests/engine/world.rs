//! A world of one service for the engine's tests: time, replicas, measurements and hooks as a test
//! says, and one way to let the engine decide, which always checks what must hold of every decision.

use sluice_engine::{decide, phase_and_message, plan_revision};
use sluice_model::command::CommandKind;
use sluice_model::view::Phase;
use sluice_model::{
    CheckName, Command, CommandId, CommandOutcome, Decision, EffectOutcome, Measurement,
    Observation, Plan, ReplicaCounts, ReportEntry, RevisionNumber, RolloutState, Rule, ServiceName,
    ServiceStatus, Side, Stage, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp(1_000_000_000);

/// Rounds in which replicas follow and the engine decides again, at one moment.
const ROUNDS_MAX: usize = 200;

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) status: ServiceStatus,
    pub(crate) observation: Observation,
    pub(crate) last: Decision,
    pub(crate) log: Vec<ReportEntry>,
    /// Whether wanted replicas are there, ready and available, at once.
    pub(crate) follow: bool,
    /// Revisions whose replicas never become ready.
    pub(crate) broken: BTreeSet<u32>,
    /// How hooks end: as wanted, at once; nothing answers when absent.
    pub(crate) hooks: Option<EffectOutcome>,
    /// Error ratio of canary and baseline by check, measured from the step's beginning.
    measured: BTreeMap<CheckName, (f64, f64)>,
    plans: BTreeMap<u32, Plan>,
}

/// Requests behind each measured side.
const SAMPLES: u64 = 10_000;

impl World {
    /// A service that has no revision yet; revisions follow `plan`.
    pub(crate) fn empty(plan: &Plan) -> Self {
        let service = ServiceName::new("shop").expect("a name");
        let status = ServiceStatus::new(service);
        let observation = Observation {
            settled: true,
            ..Observation::default()
        };
        Self {
            now: START,
            last: decide(plan, &status, &observation, START),
            status,
            observation,
            log: Vec::new(),
            follow: true,
            broken: BTreeSet::new(),
            hooks: None,
            measured: BTreeMap::new(),
            plans: (1..=9).map(|number| (number, plan.clone())).collect(),
        }
    }

    /// A service on revision 1, with an empty log.
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut world = Self::empty(plan);
        world.deploy(1);
        assert_eq!(
            world.status.stable,
            Some(RevisionNumber(1)),
            "revision 1 came up"
        );
        world.observation.effects.clear();
        let end_of_closing_hooks = world.status.rollout.as_mut().expect("the first rollout");
        end_of_closing_hooks.closing = None;
        world.log.clear();
        world
    }

    pub(crate) fn plan(&mut self, revision: u32, change: impl FnOnce(&mut Plan)) {
        change(
            self.plans
                .get_mut(&revision)
                .expect("a revision from 1 to 9"),
        );
    }

    /// What is measured of a check from now on.
    pub(crate) fn measure(&mut self, check: &str, canary: f64, baseline: f64) {
        self.measured
            .insert(CheckName(check.to_owned()), (canary, baseline));
    }

    pub(crate) fn measure_nothing(&mut self) {
        self.measured.clear();
    }

    fn refresh_measurements(&mut self) {
        let rollout = self.status.running();
        let from = rollout.map(|it| it.traffic_since.unwrap_or(it.started_at));
        let from = from.unwrap_or(self.now);
        let count = if from < self.now { SAMPLES } else { 0 };
        let side = |value| Side {
            value: Some(value),
            count,
        };
        for (check, (canary, baseline)) in &self.measured {
            let measurement = Measurement {
                canary: side(*canary),
                baseline: side(*baseline),
                from,
                window: self.now.since(from),
                evidence: None,
            };
            self.observation
                .measurements
                .insert(check.clone(), measurement);
        }
    }

    /// Sets what is seen of a revision: running, ready, available.
    pub(crate) fn replicas(&mut self, revision: u32, running: u32, ready: u32, available: u32) {
        let counts = ReplicaCounts {
            running,
            ready,
            available,
            ..ReplicaCounts::default()
        };
        self.observation
            .replicas
            .insert(RevisionNumber(revision), counts);
    }

    pub(crate) fn counts(&mut self, revision: u32) -> &mut ReplicaCounts {
        self.observation
            .replicas
            .entry(RevisionNumber(revision))
            .or_default()
    }

    /// Decides once, and checks that deciding again on the answer changes nothing and says nothing.
    pub(crate) fn decide_once(&mut self) -> Decision {
        self.refresh_measurements();
        let number = plan_revision(&self.status, &self.observation.commands);
        let plan = number.and_then(|number| self.plans.get(&number.0));
        let plan = plan.expect("a plan").clone();
        let decision = decide(&plan, &self.status, &self.observation, self.now);
        if decision.wake_at.is_none_or(|at| at > self.now) {
            let again = decide(&plan, &decision.status, &self.observation, self.now);
            assert_eq!(
                again.status, decision.status,
                "deciding again changed the status"
            );
            assert_eq!(
                again.report.entries,
                Vec::new(),
                "deciding again said something"
            );
            assert_eq!(again.report.commands, Vec::new());
            assert_eq!(again.desired, decision.desired);
            assert_eq!(again.effects, decision.effects);
        }
        check_desired(&decision);
        self.status = decision.status.clone();
        self.log.extend(decision.report.entries.iter().cloned());
        self.last = decision.clone();
        decision
    }

    /// Decides at this moment until nothing is left to decide; replicas and hooks follow if they shall.
    pub(crate) fn turn(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let decision = self.decide_once();
            let moved = self.follow_desired(&decision);
            let hooks = self.run_hooks(&decision);
            let at_once = decision.wake_at.is_some_and(|at| at <= self.now);
            if !moved && !at_once && !hooks {
                return;
            }
        }
        panic!("the engine comes to no rest: {:?}", self.log);
    }

    fn follow_desired(&mut self, decision: &Decision) -> bool {
        if !self.follow {
            return false;
        }
        let before = self.observation.replicas.clone();
        self.observation
            .replicas
            .retain(|revision, _| decision.desired.replicas.contains_key(revision));
        for (revision, wanted) in &decision.desired.replicas {
            let broken = self.broken.contains(&revision.0);
            let counts = self.observation.replicas.entry(*revision).or_default();
            counts.running = *wanted;
            counts.ready = if broken { 0 } else { *wanted };
            counts.available = counts.ready;
        }
        before != self.observation.replicas
    }

    fn run_hooks(&mut self, decision: &Decision) -> bool {
        let Some(outcome) = &self.hooks else {
            return false;
        };
        for effect in &decision.effects {
            self.observation
                .effects
                .insert(effect.id.clone(), outcome.clone());
        }
        !decision.effects.is_empty()
    }

    /// Answers the hook that runs.
    pub(crate) fn answer_hook(&mut self, outcome: EffectOutcome) {
        let effect = self.last.effects.first().expect("a hook runs").id.clone();
        self.observation.effects.insert(effect, outcome);
        self.turn();
    }

    /// Lets seconds pass, with a turn in each.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            self.turn();
        }
    }

    /// Lets seconds pass in which nobody looks.
    pub(crate) fn skip(&mut self, seconds: i64) {
        self.now = self.now.shifted(seconds * 1_000);
        self.turn();
    }

    pub(crate) fn command(&mut self, kind: CommandKind) -> CommandOutcome {
        let outcome = self.command_only(kind);
        self.turn();
        outcome
    }

    /// Gives a command in one decision, and takes no further turn.
    pub(crate) fn command_only(&mut self, kind: CommandKind) -> CommandOutcome {
        let id = CommandId(self.status.last_command.0 + 1);
        let actor = "ada".to_owned();
        let at = self.now;
        self.observation.commands = vec![Command {
            id,
            actor,
            at,
            kind,
        }];
        let decision = self.decide_once();
        let answers = &decision.report.commands;
        assert_eq!(answers.len(), 1, "a command is answered once");
        assert_eq!(answers[0].id, id);
        answers[0].outcome.clone()
    }

    fn accepted(&mut self, kind: CommandKind) {
        let outcome = self.command(kind);
        assert_eq!(outcome, CommandOutcome::Accepted);
    }

    pub(crate) fn deploy(&mut self, revision: u32) {
        let revision = RevisionNumber(revision);
        self.accepted(CommandKind::Deploy { revision });
    }

    pub(crate) fn pause(&mut self) {
        self.accepted(CommandKind::Pause { reason: None });
    }

    pub(crate) fn resume(&mut self) {
        self.accepted(CommandKind::Resume);
    }

    pub(crate) fn promote(&mut self) {
        self.accepted(CommandKind::Promote { full: false });
    }

    pub(crate) fn promote_fully(&mut self) {
        self.accepted(CommandKind::Promote { full: true });
    }

    pub(crate) fn abort(&mut self) {
        let reason = "looks odd".to_owned();
        self.accepted(CommandKind::Abort { reason });
    }

    pub(crate) fn retry(&mut self) {
        self.accepted(CommandKind::Retry);
    }

    pub(crate) fn undo(&mut self, to: Option<u32>) {
        let to = to.map(RevisionNumber);
        self.accepted(CommandKind::Undo { to });
    }

    /// Why a command is refused.
    pub(crate) fn refused(&mut self, kind: CommandKind) -> String {
        let before = (self.status.rollout.clone(), self.status.stable);
        let outcome = self.command_only(kind);
        assert_eq!(
            before,
            (self.status.rollout.clone(), self.status.stable),
            "it changed something"
        );
        match outcome {
            CommandOutcome::Refused { message } => message,
            CommandOutcome::Accepted => panic!("it was accepted"),
        }
    }

    /// The weight of a revision in percent.
    pub(crate) fn weight(&self, revision: u32) -> f64 {
        let weights = &self.last.desired.routes.weights;
        weights
            .get(&RevisionNumber(revision))
            .map_or(0.0, |weight| weight.percent())
    }

    pub(crate) fn wanted(&self, revision: u32) -> u32 {
        let replicas = &self.last.desired.replicas;
        replicas
            .get(&RevisionNumber(revision))
            .copied()
            .unwrap_or(0)
    }

    pub(crate) fn stable(&self) -> u32 {
        self.status.stable.map_or(0, |revision| revision.0)
    }

    /// `start`, `2 scaling`, `2 before`, `2 bake`, `2 after`, `2 gate`, `promoted`, `aborted`, with
    /// `held` behind it while it is.
    pub(crate) fn place(&self) -> String {
        let rollout = self.status.rollout.as_ref().expect("a rollout");
        let place = match &rollout.state {
            RolloutState::Starting { .. } => "start".to_owned(),
            RolloutState::Stepping { step, stage } => {
                let stage = match stage {
                    Stage::Scaling { .. } => "scaling",
                    Stage::Before { .. } => "before",
                    Stage::Baking { .. } => "bake",
                    Stage::After { .. } => "after",
                    Stage::Gate { .. } => "gate",
                };
                format!("{} {stage}", step + 1)
            }
            RolloutState::Promoted { .. } => "promoted".to_owned(),
            RolloutState::Aborted { .. } => "aborted".to_owned(),
        };
        let held = if rollout.pause.is_some() { " held" } else { "" };
        format!("{place}{held}")
    }

    /// The rules of the log since the last time it was taken.
    pub(crate) fn rules(&mut self) -> Vec<Rule> {
        self.log.drain(..).map(|entry| entry.rule).collect()
    }

    /// How often a rule is in the log.
    pub(crate) fn count(&self, rule: Rule) -> usize {
        self.log.iter().filter(|entry| entry.rule == rule).count()
    }

    pub(crate) fn message(&self, rule: Rule) -> &str {
        let mut entries = self.log.iter().rev();
        let entry = entries.find(|entry| entry.rule == rule);
        &entry
            .unwrap_or_else(|| panic!("{rule:?} is not in {:?}", self.log))
            .message
    }

    pub(crate) fn phase(&self) -> (Phase, String) {
        phase_and_message(
            &self.status,
            &self.observation,
            self.last.report.waiting.as_deref(),
        )
    }
}

/// What must hold of every decision.
fn check_desired(decision: &Decision) {
    let weights = &decision.desired.routes.weights;
    let sum: u32 = weights
        .values()
        .map(|weight| u32::from(weight.basis_points()))
        .sum();
    assert!(weights.is_empty() || sum == 10_000, "weights {weights:?}");
    for (revision, weight) in weights {
        let wanted = decision
            .desired
            .replicas
            .get(revision)
            .copied()
            .unwrap_or(0);
        let none = weight.basis_points() == 0;
        assert!(
            none || wanted > 0,
            "{weight} to revision {revision} without replicas"
        );
    }
    assert_eq!(decision.status.routes, decision.desired.routes);
}
