//! Bugs planted on purpose, to show that the simulation finds their kind.
//!
//! They sit in the fake world around the production code: what it hands out is changed on the way. Those of the
//! comparisons are in `comparing` and `site`.

use crate::watch::Acted;
use sluice_model::plan::Exposure;
use sluice_model::{Decision, Observation, Plan, RolloutState, Stage, Weight};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Acts on a decision before it is stored.
    ActsBeforePersisting,
    /// Leaves the canary its weight when a rollout is aborted.
    KeepsWeightOnAbort,
    /// Takes measurements from before the step for the step's own.
    IgnoresFreshness,
    /// Gives up stable's replicas as soon as the canary has traffic.
    ReleasesStableEarly,
    /// Gives a step's weight before its replicas are available.
    TrafficBeforeCapacity,
    /// Leaves the matches of a rollout that has ended.
    MatchesOutlive,
    /// Loses the answers to commands.
    LosesAnswers,
    /// Writes log entries twice after a crash.
    RepeatsEntries,
    /// Forgets when to look again.
    Oversleeps,
    /// Depends on something that is neither in the seed nor in the stored state.
    HiddenState,
    /// Adds the proxy's counters to the stored evidence although they were not reset.
    CountsRestartTwice,
    /// Goes on with the evidence of an aborted attempt when it is tried again.
    KeepsEvidenceOfAttempt,
    /// Begins its evidence anew at each step.
    ForgetsEvidenceOfStep,
    /// Judges with the margin of a smaller weight than the one in force.
    JudgesBySmallerWeight,
    /// Takes matches and copies for requests that chance assigned.
    CountsMatches,
}

impl Bug {
    /// All of them with their names.
    pub const ALL: [(&'static str, Bug); 15] = [
        ("acts-before-persisting", Bug::ActsBeforePersisting),
        ("keeps-weight-on-abort", Bug::KeepsWeightOnAbort),
        ("ignores-freshness", Bug::IgnoresFreshness),
        ("releases-stable-early", Bug::ReleasesStableEarly),
        ("traffic-before-capacity", Bug::TrafficBeforeCapacity),
        ("matches-outlive", Bug::MatchesOutlive),
        ("loses-answers", Bug::LosesAnswers),
        ("repeats-entries", Bug::RepeatsEntries),
        ("oversleeps", Bug::Oversleeps),
        ("hidden-state", Bug::HiddenState),
        ("counts-restart-twice", Bug::CountsRestartTwice),
        ("keeps-evidence-of-attempt", Bug::KeepsEvidenceOfAttempt),
        ("forgets-evidence-of-step", Bug::ForgetsEvidenceOfStep),
        ("judges-by-smaller-weight", Bug::JudgesBySmallerWeight),
        ("counts-matches", Bug::CountsMatches),
    ];

    /// The bug of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Bug> {
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bug)| bug)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(_, bug)| *bug == self)
            .map_or("", |(name, _)| name)
    }

    /// Changes what was observed.
    pub(crate) fn on_observation(
        self,
        observation: &mut Observation,
        now: sluice_model::Timestamp,
    ) {
        if self == Bug::IgnoresFreshness {
            for measurement in observation.measurements.values_mut() {
                measurement.from = now;
            }
        }
    }

    /// Changes a decision on its way to the world.
    pub(crate) fn on_act(self, decision: &mut Decision, plan: &Plan, before: Option<&Acted>) {
        let status = &decision.status;
        let Some((stable, rollout)) = status.stable.zip(status.rollout.as_ref()) else {
            return;
        };
        let target = rollout.target;
        let routes = &mut decision.desired.routes;
        let aborted = matches!(rollout.state, RolloutState::Aborted { .. });
        match self {
            Bug::KeepsWeightOnAbort if aborted => {
                if let Some(before) = before
                    && before.routes.weights.contains_key(&target)
                    && target != stable
                {
                    routes.weights.clone_from(&before.routes.weights);
                    decision.desired.replicas.entry(target).or_insert(1);
                }
            }
            Bug::MatchesOutlive if aborted => {
                if let Some(before) = before {
                    routes.matches.clone_from(&before.routes.matches);
                }
            }
            Bug::ReleasesStableEarly => {
                let share = routes.weights.get(&target).copied().unwrap_or_default();
                if let Some(replicas) = decision.desired.replicas.get_mut(&stable)
                    && target != stable
                    && share > Weight::ZERO
                {
                    *replicas = share.rest().of_replicas(*replicas).max(1);
                }
            }
            Bug::TrafficBeforeCapacity => {
                if let RolloutState::Stepping {
                    step,
                    stage: Stage::Scaling { .. },
                } = &rollout.state
                    && let Some(Exposure::Split { weight, .. }) =
                        plan.steps.get(*step as usize).map(|step| &step.exposure)
                    && !rollout.fast
                {
                    routes.weights = [(stable, weight.rest()), (target, *weight)].into();
                }
            }
            _ => {}
        }
    }
}
