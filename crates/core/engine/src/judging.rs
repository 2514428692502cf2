//! Which checks are judged when, and on which measurements.

use crate::in_place;
use crate::turn::Turn;
use sluice_model::plan::{Check, Exposure, Limit, Metric};
use sluice_model::status::{Rollout, RolloutState, Stage};
use sluice_model::{Judgement, Measurement, Weight};

/// The checks that are judged now: the plan's, and those of the step whose traffic flows. While a step
/// prepares, they are those of the step before.
pub(crate) fn judge_all(turn: &Turn<'_>) -> Vec<Judgement> {
    let Some(rollout) = turn.rollout() else {
        return Vec::new();
    };
    let RolloutState::Stepping { step, stage } = &rollout.state else {
        return Vec::new();
    };
    let prepares = matches!(stage, Stage::Scaling { .. } | Stage::Before { .. });
    let judged = match rollout.traffic_step {
        _ if rollout.fast => return Vec::new(),
        _ if !prepares => *step,
        // Without a replica that serves there is nothing to judge; a recreate's outage was to be expected.
        Some(earlier) if earlier == *step || !in_place::replaces_now(turn, rollout) => earlier,
        _ => return Vec::new(),
    };
    let step = turn.step(judged);
    let all_traffic = exposes_everything(&step.exposure, prepares);
    let since = rollout.traffic_since.unwrap_or(rollout.started_at);
    let of_plan = turn
        .plan
        .checks
        .iter()
        .filter(|check| feeds(&step.exposure, check));
    let judged = step
        .checks
        .iter()
        .chain(of_plan)
        .filter(|check| !(all_traffic && check.limit.needs_baseline()));
    let (comparisons, thresholds): (Vec<&Check>, Vec<&Check>) =
        judged.partition(|check| matches!(check.limit, Limit::NotWorse(_)));
    let compared: Vec<(&Check, Option<&Measurement>)> = comparisons
        .into_iter()
        .map(|check| (check, evidence_of_now(turn, rollout, &step.exposure, check)))
        .collect();
    let mut judgements = sluice_analysis::judge_comparisons(&compared);
    judgements.extend(thresholds.into_iter().map(|check| {
        let measured = turn.observation.measurements.get(&check.name);
        let of_this_step = measured.filter(|it| match check.limit {
            // Carried from step to step, and looked at in this one.
            Limit::Trend(_) | Limit::Goal(_) => {
                it.from >= rollout.started_at && it.from.after(it.window) > since
            }
            _ => it.from >= since && it.from <= turn.now,
        });
        sluice_analysis::judge(check, of_this_step)
    }));
    judgements
}

/// The evidence of a comparison, which is carried from step to step: of this attempt, and computed for the
/// weight of the step that is judged, because what is accepted depends on it. A step that was entered just now
/// has none: what was seen is of the time before, and the routes are those of the step before.
fn evidence_of_now<'t>(
    turn: &'t Turn<'_>,
    rollout: &Rollout,
    judged: &Exposure,
    check: &Check,
) -> Option<&'t Measurement> {
    let weight = match judged {
        Exposure::Split { weight, .. } => Some(*weight),
        Exposure::Rolling { .. } | Exposure::Recreate => {
            turn.status.routes.weights.get(&rollout.target).copied()
        }
    };
    let since = rollout.traffic_since.unwrap_or(rollout.started_at);
    turn.observation.measurements.get(&check.name).filter(|it| {
        it.from.after(it.window) > since
            && it.sequential().is_some_and(|evidence| {
                (evidence.rollout, evidence.attempt) == (rollout.id, rollout.attempt)
                    && Some(evidence.weight) == weight
            })
    })
}

/// Whether users' traffic, or copies of it, give a check of the whole plan something to judge; where
/// they do not, it would be waited for in vain.
fn feeds(exposure: &Exposure, check: &Check) -> bool {
    match exposure {
        Exposure::Split { weight, .. }
            if matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)) =>
        {
            *weight > Weight::ZERO
        }
        Exposure::Split { mirror, .. } if check.metric == Metric::MirrorDiffRatio => {
            mirror.as_ref().is_some_and(|mirror| mirror.compare)
        }
        Exposure::Split { weight, mirror, .. } => *weight > Weight::ZERO || mirror.is_some(),
        Exposure::Rolling { .. } | Exposure::Recreate => check.metric != Metric::MirrorDiffRatio,
    }
}

/// At full weight there is no concurrent baseline to compare with.
fn exposes_everything(exposure: &Exposure, replacing: bool) -> bool {
    match exposure {
        Exposure::Split { weight, .. } => *weight == Weight::FULL,
        Exposure::Rolling { .. } => !replacing,
        Exposure::Recreate => true,
    }
}
