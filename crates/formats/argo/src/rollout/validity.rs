//! A Rollout that cannot be rolled out says why, and stays as it is.

use super::conditions::{self, Condition};
use super::turn::Turn;
use super::world::World;
use super::write::Write;
use super::{analyses, obstacles, phase, services};
use crate::api::{PodTemplate, Rollout, RolloutAnalysis};
use crate::template::Misfit;
use crate::validation::{NOT_RUN, validate};
use sluice_model::diagnostic::Severity;
use std::time::Duration;

/// After which time an invalid Rollout is looked at again: what it refers to may come later than it.
const RETRY: Duration = Duration::from_secs(20);

/// The first thing that is wrong, with where, why and what to do.
pub(super) fn problem(world: &World) -> Option<String> {
    of_spec(world)
        .or_else(|| of_analyses(world))
        .or_else(|| of_services(world))
}

/// What keeps a Rollout from being rolled out, and from going back.
fn of_spec(world: &World) -> Option<String> {
    let rollout = &world.rollout;
    if let Some(problem) = &world.problem {
        return Some(problem.clone());
    }
    if let Some(reference) = &rollout.spec.workload_ref
        && world.workload.is_none()
        && !(goes_back(world) && rollout.spec.template != PodTemplate::default())
    {
        return Some(format!(
            "spec.workloadRef: the {} `{}` was not found; create it, or name another one",
            reference.kind, reference.name
        ));
    }
    let mut problems = validate(rollout).into_iter();
    let problem = problems
        .find(|problem| problem.severity == Severity::Error || NOT_RUN.contains(&problem.rule))?;
    Some(problem.to_string())
}

/// Whether the rollout is aborted, or a run condemns it. It does not wait until somebody brings back what only going on
/// needs.
fn goes_back(world: &World) -> bool {
    let status = &world.rollout.status;
    // A run of the try before says nothing of this one, nor of what was promoted in spite of it.
    let is_under_way = status.aborted_at.is_none()
        && !status.promote_full
        && status.stable_rs != status.current_pod_hash;
    status.abort || (is_under_way && analyses::is_condemned(world))
}

/// What keeps an analysis from being started.
fn of_analyses(world: &World) -> Option<String> {
    let rollout = &world.rollout;
    if goes_back(world) {
        return None;
    }
    let mut analyses = analyses_of(rollout).into_iter();
    analyses.find_map(|(path, analysis)| {
        let is_waited_for = path != "canary.analysis";
        let cause = obstacles::of_analysis(world, analysis, is_waited_for)?;
        Some(format!("spec.strategy.{path}: {cause}"))
    })
}

fn of_services(world: &World) -> Option<String> {
    let rollout = &world.rollout;
    services::named(rollout).into_iter().find_map(|(field, name)| {
        let path = format!("spec.strategy.{field}");
        match world.services.get(name) {
            None => Some(format!(
                "{path}: Invalid value: \"{name}\": service \"{name}\" not found; create the Service"
            )),
            Some(service) => service
                .managed_by
                .as_ref()
                .filter(|owner| **owner != rollout.metadata.name)
                .map(|owner| {
                    format!(
                        "{path}: Invalid value: \"{name}\": Service \"{name}\" is managed by another Rollout ({owner}); name another Service"
                    )
                }),
        }
    })
}

/// A value of the template that is of another type than its field. One of the Rollout's own template is found when it
/// is validated; this one came with a workload.
pub(super) fn misfit(rollout: &Rollout, misfit: &Misfit) -> String {
    format!(
        "{}: {misfit}; write {}",
        place(rollout, misfit),
        misfit.wanted
    )
}

/// Warns of amounts that are none, once for each spec.
pub(super) fn warn_of_what_is_left_out(turn: &mut Turn<'_>) {
    let metadata = &turn.rollout.metadata;
    if turn.rollout.status.observed_generation == metadata.generation.unwrap_or(0).to_string() {
        return;
    }
    let world = turn.world;
    for misfit in &world.left_out {
        let place = place(turn.rollout, misfit);
        let message = format!(
            "{place}: {misfit}, and is left out of the ReplicaSet; write {}",
            misfit.wanted
        );
        turn.warning("InvalidAmount", message);
    }
}

/// What is wrong with a Rollout that has a template beside the workload that it refers to, before the workload's is put
/// into it. Argo's clients know the message.
#[must_use]
pub fn template_beside_workload(rollout: &Rollout) -> Option<String> {
    let template = &rollout.spec.template;
    let has_one = !template.labels().is_empty() || !template.annotations().is_empty();
    (rollout.spec.workload_ref.is_some() && has_one).then(|| {
        "spec.template: template must be empty for workload reference rollout; remove spec.template or spec.workloadRef"
            .to_owned()
    })
}

/// Where the Rollout's own template has what is left out. A workload's template is not the Rollout's to change.
pub(super) fn left_out_of_own_template(world: &World) -> Vec<String> {
    if world.rollout.spec.workload_ref.is_some() {
        return Vec::new();
    }
    let pointers = world.left_out.iter().map(|misfit| &misfit.pointer);
    pointers
        .map(|pointer| format!("/spec/template{pointer}"))
        .collect()
}

fn place(rollout: &Rollout, misfit: &Misfit) -> String {
    let place = match &rollout.spec.workload_ref {
        Some(reference) => format!(
            "spec.workloadRef: spec.template of {} `{}`",
            reference.kind, reference.name
        ),
        None => "spec.template".to_owned(),
    };
    format!("{place}, {}", misfit.path)
}

/// The analyses that a Rollout names, with the field of each.
fn analyses_of(rollout: &Rollout) -> Vec<(String, &RolloutAnalysis)> {
    let strategy = &rollout.spec.strategy;
    let mut all = Vec::new();
    if let Some(canary) = &strategy.canary {
        if let Some(beside) = &canary.analysis {
            all.push(("canary.analysis".to_owned(), &beside.analysis));
        }
        for (at, step) in canary.steps.iter().enumerate() {
            if let Some(analysis) = &step.analysis {
                all.push((format!("canary.steps[{at}].analysis"), analysis));
            }
        }
    }
    if let Some(blue_green) = &strategy.blue_green {
        let before = ("prePromotionAnalysis", &blue_green.pre_promotion_analysis);
        let after = ("postPromotionAnalysis", &blue_green.post_promotion_analysis);
        for (field, analysis) in [before, after] {
            if let Some(analysis) = analysis {
                all.push((format!("blueGreen.{field}"), analysis));
            }
        }
    }
    all.retain(|(_, analysis)| !analysis.templates.is_empty());
    all
}

/// Says what is wrong, and leaves everything where it is.
pub(super) fn refuse(turn: &mut Turn<'_>, problem: &str) {
    let rollout = turn.rollout;
    let message = format!(
        "The Rollout \"{}\" is invalid: {problem}",
        rollout.metadata.name
    );
    let mut next = rollout.status.clone();
    let noted = conditions::get(&next, "InvalidSpec");
    let is_new = noted.is_none_or(|noted| noted.message != message);
    if is_new {
        conditions::remove(&mut next.conditions, "InvalidSpec");
        conditions::set(
            &mut next.conditions,
            Condition::new("InvalidSpec", "True", "InvalidSpec")
                .message(message.clone())
                .at(turn.time()),
        );
    }
    next.observed_generation = rollout.metadata.generation.unwrap_or(0).to_string();
    let (phase, why) = phase::of(&rollout.spec, &next);
    next.phase = phase.to_owned();
    next.message = why;
    if next != rollout.status {
        turn.write(Write::Status(Box::new(next)));
    }
    if is_new {
        turn.warning("InvalidSpec", message);
    }
    let now = turn.now;
    turn.wake(now.after(RETRY));
}
