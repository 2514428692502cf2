//! What is kept of earlier revisions, and what goes.

use super::turn::Turn;
use super::world::{ReplicaSet, Trial};
use super::write::Write;
use crate::api::AnalysisPhase;
use std::cmp::Reverse;

/// Runs, or experiments, of each verdict that are kept where the spec names no number.
const KEPT: i32 = 5;

/// Deletes the oldest ReplicaSets beyond the history, those without pods, and what was tried on them.
pub(super) fn tidy(turn: &mut Turn<'_>) {
    let limit = usize::try_from(turn.rollout.spec.revision_history_limit()).unwrap_or(0);
    let mut old: Vec<usize> = turn
        .others()
        .into_iter()
        .filter(|at| !turn.sets[*at].is_deleting())
        // What the status names is looked for by its hash.
        .filter(|at| turn.sets[*at].hash() != turn.rollout.status.current_pod_hash)
        .collect();
    old.sort_by_key(|at| {
        (
            turn.sets[*at].created_at(),
            turn.sets[*at].metadata.name.clone(),
        )
    });
    let surplus = old.len().saturating_sub(limit);
    for at in old.into_iter().take(surplus) {
        let set = &turn.sets[at];
        if !is_empty(set) {
            continue;
        }
        let (name, hash) = (set.metadata.name.clone(), set.hash().to_owned());
        turn.write(Write::DeleteReplicaSet { name });
        if hash.is_empty() {
            continue;
        }
        let noted = noted(turn);
        let of_it = |trial: &dyn Trial| {
            trial.hash() == Some(&hash)
                && !noted.iter().any(|name| name == trial.name())
                && !trial.metadata().is_deleting()
        };
        for run in turn.world.runs.iter().filter(|run| of_it(*run)) {
            turn.write(Write::DeleteRun(run.metadata.name.clone()));
        }
        for experiment in turn.world.experiments.iter().filter(|one| of_it(*one)) {
            turn.write(Write::DeleteExperiment(experiment.metadata.name.clone()));
        }
    }
}

/// Whether a ReplicaSet has no pods, needs none, and was looked at since that was said.
fn is_empty(set: &ReplicaSet) -> bool {
    let generation = set.metadata.generation.unwrap_or(0);
    set.status.replicas == 0 && set.desired() == 0 && generation <= set.status.observed_generation
}

/// The runs and the experiment that the status names.
fn noted(turn: &Turn<'_>) -> Vec<String> {
    let runs = turn.runs;
    [runs.background, runs.step, runs.pre, runs.post]
        .into_iter()
        .flatten()
        .map(|run| run.metadata.name.clone())
        .chain(turn.experiment.map(|one| one.metadata.name.clone()))
        .collect()
}

/// The names of runs or experiments that need not be kept: those of revisions that are gone, and the oldest
/// beyond the limits, good and bad ones apart.
pub(super) fn surplus<T: Trial>(turn: &Turn<'_>, trials: &[&T]) -> Vec<String> {
    let limits = turn.rollout.spec.analysis.as_ref();
    let limit = |limit: Option<i32>| usize::try_from(limit.unwrap_or(KEPT)).unwrap_or(0);
    let good_max = limit(limits.and_then(|limits| limits.successful_run_history_limit));
    let bad_max = limit(limits.and_then(|limits| limits.unsuccessful_run_history_limit));
    let mut newest_first: Vec<&T> = trials.to_vec();
    newest_first.sort_by_key(|trial| Reverse(trial.metadata().creation_timestamp));
    let (mut good, mut bad) = (0, 0);
    let mut names = Vec::new();
    for trial in newest_first {
        if trial.metadata().is_deleting() {
            continue;
        }
        let is_known = trial.hash().is_some_and(|hash| {
            let mut sets = turn.sets.iter();
            sets.any(|set| set.hash() == hash && !set.is_deleting())
        });
        let is_beyond = match trial.phase() {
            AnalysisPhase::Successful => {
                good += 1;
                good > good_max
            }
            AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive => {
                bad += 1;
                bad > bad_max
            }
            _ => false,
        };
        if !is_known || is_beyond {
            names.push(trial.name().to_owned());
        }
    }
    names
}
