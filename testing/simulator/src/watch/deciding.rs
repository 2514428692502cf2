//! Promises about decisions themselves: the same input gives the same answer, deciding again on an answer
//! changes nothing, and only what takes away calls itself a retreat.

use super::Watch;
use sluice_engine::decide;
use sluice_model::{Decision, Observation, Plan, ServiceStatus, Timestamp};

impl Watch {
    /// A decision was made on `before` and `observation`.
    pub(crate) fn decided(
        &mut self,
        at: i64,
        now: Timestamp,
        before: &ServiceStatus,
        decision: &Decision,
    ) {
        self.digest.word(now.0 as u64);
        for (revision, weight) in &decision.desired.routes.weights {
            self.digest
                .word(u64::from(revision.0) << 32 | u64::from(weight.basis_points()));
        }
        for (revision, count) in &decision.desired.replicas {
            self.digest
                .word(u64::from(revision.0) << 32 | u64::from(*count));
        }
        let known = before.last_command;
        let again = decision
            .report
            .commands
            .iter()
            .any(|answer| answer.id <= known);
        self.promise(!again, at, "a command is decided once", || {
            format!("{:?}", decision.report.commands)
        });
    }

    /// Decides again on the answer itself: nothing may change, and nothing be said.
    pub(crate) fn decides_again(
        &mut self,
        at: i64,
        now: Timestamp,
        plan: &Plan,
        decision: &Decision,
        observation: &Observation,
    ) {
        let again = decide(plan, &decision.status, observation, now);
        let same = again.status == decision.status
            && again.desired == decision.desired
            && again.report.entries.is_empty()
            && again.report.commands.is_empty();
        self.promise(same, at, "deciding again changes nothing", || {
            format!(
                "{:?} became {:?}: {:?}",
                decision.status, again.status, again.report.entries
            )
        });
    }
}
