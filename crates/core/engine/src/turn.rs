//! The working state of one decision: the status being changed, and the report being written.

use crate::{hooks, traffic, upkeep};
use sluice_model::command::CommandOutcome;
use sluice_model::plan::Step;
use sluice_model::report::CommandAnswer;
use sluice_model::status::{Pause, RolloutState};
use sluice_model::{
    CommandId, Decision, Judgement, Observation, Plan, Report, ReportEntry, RevisionNumber,
    Rollout, Routes, Rule, ServiceStatus, Timestamp,
};
use std::borrow::Cow;

/// One call of [`decide`](crate::decide) in progress.
pub(crate) struct Turn<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) observation: &'a Observation,
    pub(crate) now: Timestamp,
    pub(crate) status: ServiceStatus,
    pub(crate) report: Report,
    /// Whether a command changed the target, so that `plan` is not the one to go on with.
    pub(crate) retargeted: bool,
    wake_at: Option<Timestamp>,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        status: &ServiceStatus,
        observation: &'a Observation,
        now: Timestamp,
    ) -> Self {
        let status = status.clone();
        Self {
            plan,
            observation,
            now,
            status,
            report: Report::default(),
            retargeted: false,
            wake_at: None,
        }
    }

    /// The running rollout.
    pub(crate) fn rollout(&self) -> Option<&Rollout> {
        self.status.running()
    }

    /// The running rollout, to be changed.
    pub(crate) fn rollout_mut(&mut self) -> Option<&mut Rollout> {
        self.status
            .rollout
            .as_mut()
            .filter(|rollout| rollout.is_running())
    }

    /// Asks to be called again at `at` at the latest.
    pub(crate) fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Says what the rollout waits for.
    pub(crate) fn waiting(&mut self, text: impl Into<String>) {
        self.report.waiting = Some(text.into());
    }

    /// Notes something that was decided.
    pub(crate) fn note(&mut self, rule: Rule, message: impl Into<String>) {
        self.entry(rule, message, None, Vec::new());
    }

    /// Notes something that was decided, with who asked for it and the judgements behind it.
    pub(crate) fn entry(
        &mut self,
        rule: Rule,
        message: impl Into<String>,
        actor: Option<String>,
        evidence: Vec<Judgement>,
    ) {
        self.report.entries.push(ReportEntry {
            rule,
            message: message.into(),
            actor,
            evidence,
        });
    }

    /// Answers a command.
    pub(crate) fn answer(&mut self, id: CommandId, outcome: CommandOutcome) {
        self.report.commands.push(CommandAnswer { id, outcome });
        self.status.last_command = self.status.last_command.max(id);
    }

    /// Notes what the running rollout's own plan says of it: a rollout begins under the plan of the one before.
    pub(crate) fn adopt_plan(&mut self) {
        let (strategy, steps) = (self.plan.strategy, self.plan.steps.len() as u32);
        if let Some(rollout) = self.rollout_mut() {
            rollout.strategy = strategy;
            rollout.steps = steps;
        }
    }

    /// Puts the running rollout into another state; something moved.
    pub(crate) fn enter(&mut self, state: RolloutState) {
        let now = self.now;
        if let Some(rollout) = self.rollout_mut() {
            rollout.state = state;
            rollout.moved_at = now;
            rollout.warned.stuck = false;
        }
    }

    /// Holds the running rollout.
    pub(crate) fn hold(&mut self, reason: String, actor: Option<String>) {
        let since = self.now;
        if let Some(rollout) = self.rollout_mut()
            && rollout.pause.is_none()
        {
            rollout.pause = Some(Pause {
                since,
                reason,
                actor,
            });
        }
    }

    /// Replicas available of a revision.
    pub(crate) fn counts(&self, revision: RevisionNumber) -> sluice_model::ReplicaCounts {
        self.observation
            .replicas
            .get(&revision)
            .cloned()
            .unwrap_or_default()
    }

    /// The step that `index` of the running rollout means: the plan's, or the single switch when the
    /// plan is skipped.
    pub(crate) fn step(&self, index: u32) -> Cow<'a, Step> {
        step_of(self.plan, self.status.rollout.as_ref(), index)
    }

    /// Closes the books: desired state, effects, and when to look again.
    pub(crate) fn finish(mut self, before: &ServiceStatus) -> Decision {
        self.status.decided_at = self.now;
        let desired = traffic::desired(&self);
        self.status.routes = desired.routes.clone();
        let effects = if self.retargeted {
            Vec::new()
        } else {
            hooks::wanted(&self)
        };
        upkeep::plan_wake(&mut self);
        let retreat = is_retreat(before, &self.status);
        Decision {
            desired,
            effects,
            wake_at: self.wake_at,
            retreat,
            report: self.report,
            status: self.status,
        }
    }
}

/// See [`Turn::step`].
pub(crate) fn step_of<'p>(plan: &'p Plan, rollout: Option<&Rollout>, index: u32) -> Cow<'p, Step> {
    let fast = rollout.is_some_and(|rollout| rollout.fast);
    match plan.steps.get(index as usize) {
        Some(step) if !fast => Cow::Borrowed(step),
        _ => Cow::Owned(plan.fast_step()),
    }
}

/// Whether the decision takes a revision that is not stable out of traffic, in part or wholly, and gives
/// nothing to any: what a rollout's end without a promotion does, and replicas that left.
fn is_retreat(before: &ServiceStatus, after: &ServiceStatus) -> bool {
    if before.stable != after.stable {
        return false;
    }
    let (old, new) = (&before.routes, &after.routes);
    let not_stable = |revision: &RevisionNumber| Some(*revision) != after.stable;
    let weight =
        |routes: &Routes, revision| routes.weights.get(revision).copied().unwrap_or_default();
    let others = || {
        old.weights
            .keys()
            .chain(new.weights.keys())
            .filter(|it| not_stable(it))
    };
    let grows = others().any(|revision| weight(new, revision) > weight(old, revision))
        || new
            .matches
            .iter()
            .any(|it| not_stable(&it.revision) && !old.matches.contains(it))
        || new.mirror.is_some() && new.mirror != old.mirror
        || new.preview.as_ref().is_some_and(not_stable) && new.preview != old.preview;
    let shrinks = others().any(|revision| weight(new, revision) < weight(old, revision))
        || old
            .matches
            .iter()
            .any(|it| not_stable(&it.revision) && !new.matches.contains(it))
        || old.mirror.is_some() && new.mirror.is_none();
    let ended = before.running().is_some() && after.running().is_none();
    !grows && (shrinks || ended)
}
