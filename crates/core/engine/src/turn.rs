//! The working state of one decision: the status being changed, and the report being written.

use crate::{hooks, steps, traffic};
use sluice_model::command::CommandOutcome;
use sluice_model::plan::Step;
use sluice_model::report::CommandAnswer;
use sluice_model::status::{Pause, RolloutState};
use sluice_model::{
    CommandId, Decision, Judgement, Observation, Plan, Report, ReportEntry, Rollout, Rule,
    ServiceStatus, Timestamp, Weight,
};
use std::borrow::Cow;

/// One call of [`decide`](crate::decide) in progress.
pub(crate) struct Turn<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) observation: &'a Observation,
    pub(crate) now: Timestamp,
    pub(crate) status: ServiceStatus,
    pub(crate) report: Report,
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
    pub(crate) fn counts(
        &self,
        revision: sluice_model::RevisionNumber,
    ) -> sluice_model::ReplicaCounts {
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
        let effects = hooks::wanted(&self);
        steps::plan_wake(&mut self);
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

/// Whether the routing changed, and only away from revisions that are not stable.
fn is_retreat(before: &ServiceStatus, after: &ServiceStatus) -> bool {
    if before.routes == after.routes || after.stable.is_none() {
        return false;
    }
    let weight = |status: &ServiceStatus, revision| {
        status
            .routes
            .weights
            .get(&revision)
            .copied()
            .unwrap_or(Weight::ZERO)
    };
    let others_shrink = after
        .routes
        .weights
        .keys()
        .filter(|revision| Some(**revision) != after.stable)
        .all(|revision| weight(after, *revision) <= weight(before, *revision));
    let no_new_match =
        after.routes.matches.iter().all(|route| {
            before.routes.matches.contains(route) || Some(route.revision) == after.stable
        });
    let mirror_no_wider =
        after.routes.mirror.is_none() || after.routes.mirror == before.routes.mirror;
    others_shrink && no_new_match && mirror_no_wider
}
