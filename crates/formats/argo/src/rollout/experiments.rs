//! Experiments that are steps.

use super::history;
use super::pauses::{self, ANALYSIS, EXPERIMENT};
use super::revision::owner;
use super::turn::Turn;
use super::world::{INSTANCE_ID_LABEL, REVISION, ReplicaSet, Trial};
use super::write::Write;
use crate::api::{
    API_VERSION, AnalysisPhase, AnalysisRunArgument, Argument, Experiment, ExperimentAnalysis,
    ExperimentSpec, LabelSelector, ObjectMeta, POD_TEMPLATE_HASH_LABEL, PodTemplate,
    RolloutExperimentStep, RolloutExperimentTemplate, TemplateService, TemplateSpec,
};
use crate::arguments::rollout_arguments;
use crate::workload::current_step;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Starts, ends and judges the experiment of the step.
pub(super) fn run(turn: &mut Turn<'_>) {
    let status = &turn.rollout.status;
    if turn.is_aborted() || status.promote_full {
        terminate(turn, |_| true);
        return;
    }
    if pauses::condition(status, ANALYSIS).is_some() {
        turn.next.canary.current_experiment = status.canary.current_experiment.clone();
        return;
    }
    if status.controller_pause && status.pause_conditions.is_empty() {
        // Somebody lets the rollout go on: one without a verdict is done anew.
        turn.experiment = turn
            .experiment
            .filter(|one| one.status.phase != AnalysisPhase::Inconclusive);
    }
    let step =
        current_step(turn.rollout).and_then(|(at, step)| Some((at, step.experiment.as_ref()?)));
    let mut current = turn.experiment.map(|one| one.metadata.name.clone());
    match step {
        Some((at, step)) => {
            if turn.experiment.is_none() {
                current = start(turn, at, step);
            }
            judge(turn, current.as_deref());
        }
        None => current = None,
    }
    terminate(turn, |name| Some(name) != current.as_deref());
    let world = turn.world;
    let others: Vec<&Experiment> = world
        .experiments
        .iter()
        .filter(|one| Some(one.metadata.name.as_str()) != current.as_deref())
        .collect();
    for name in history::surplus(turn, &others) {
        turn.write(Write::DeleteExperiment(name));
    }
}

/// Whether the step's experiment ended well.
pub(super) fn is_successful(turn: &Turn<'_>) -> bool {
    turn.experiment
        .is_some_and(|one| one.status.phase == AnalysisPhase::Successful)
}

fn terminate(turn: &mut Turn<'_>, which: impl Fn(&str) -> bool) {
    let world = turn.world;
    for one in &world.experiments {
        if which(&one.metadata.name) && one.is_going_on() {
            turn.write(Write::TerminateExperiment(one.metadata.name.clone()));
        }
    }
}

fn judge(turn: &mut Turn<'_>, current: Option<&str>) {
    let Some(name) = current else { return };
    let status = turn.experiment.map(|one| &one.status);
    match status.map(|status| &status.phase) {
        Some(AnalysisPhase::Inconclusive) => {
            turn.pauses.add(EXPERIMENT);
            name.clone_into(&mut turn.next.canary.current_experiment);
        }
        Some(AnalysisPhase::Error | AnalysisPhase::Failed) => {
            let why = status.map_or("", |status| &status.message);
            let mut message = "Experiment analysis phase is error/failed".to_owned();
            if !why.is_empty() {
                message = format!("{message}: {why}");
            }
            turn.pauses.abort(message);
        }
        // While somebody holds the rollout the step stays, and another experiment would be started for it.
        Some(AnalysisPhase::Successful) if !turn.rollout.spec.paused => {}
        _ => turn.next.canary.current_experiment = name.to_owned(),
    }
}

/// The name of the experiment that is asked for; one that was started and not noted is taken again.
fn start(turn: &mut Turn<'_>, at: usize, step: &RolloutExperimentStep) -> Option<String> {
    turn.stable?;
    let rollout = turn.rollout;
    let hash = turn.new_hash();
    let revision = rollout.metadata.annotations.get(REVISION);
    let revision = revision.cloned().unwrap_or_default();
    let base = format!("{}-{hash}-{revision}-{at}", rollout.metadata.name);
    let world = turn.world;
    let named = |name: &str| {
        let mut all = world.experiments.iter();
        all.find(|one| one.metadata.name == name)
    };
    let name = std::iter::once(base.clone())
        .chain((1..).map(|number| format!("{base}-{number}")))
        .find(|name| named(name).is_none_or(Trial::is_going_on))?;
    if let Some(existing) = named(&name) {
        turn.experiment = Some(existing);
        return Some(name);
    }
    match object(turn, &name, &hash, &revision, step) {
        Ok(experiment) => {
            turn.write(Write::StartExperiment(Box::new(experiment)));
            turn.event("ExperimentCreated", format!("Created Experiment '{name}'"));
            Some(name)
        }
        Err(cause) => {
            turn.warning("ExperimentError", cause);
            None
        }
    }
}

fn object(
    turn: &Turn<'_>,
    name: &str,
    hash: &str,
    revision: &str,
    step: &RolloutExperimentStep,
) -> Result<Experiment, String> {
    let rollout = turn.rollout;
    let mut labels = rollout.metadata.labels.clone();
    labels.insert(POD_TEMPLATE_HASH_LABEL.to_owned(), hash.to_owned());
    if let Some(id) = rollout.metadata.labels.get(INSTANCE_ID_LABEL) {
        labels.insert(INSTANCE_ID_LABEL.to_owned(), id.clone());
    }
    let templates = step
        .templates
        .iter()
        .map(|template| side(turn, template))
        .collect::<Result<_, _>>()?;
    let analyses = step
        .analyses
        .iter()
        .map(|analysis| {
            Ok(ExperimentAnalysis {
                name: analysis.name.clone(),
                template_name: analysis.template_name.clone(),
                cluster_scope: analysis.cluster_scope,
                args: arguments(turn, &analysis.args)?,
                required_for_completion: analysis.required_for_completion,
            })
        })
        .collect::<Result<_, String>>()?;
    Ok(Experiment {
        api_version: API_VERSION.to_owned(),
        kind: "Experiment".to_owned(),
        metadata: ObjectMeta {
            name: name.to_owned(),
            namespace: rollout.metadata.namespace.clone(),
            labels,
            annotations: BTreeMap::from([(REVISION.to_owned(), revision.to_owned())]),
            rest: BTreeMap::from([("ownerReferences".to_owned(), json!([owner(rollout)]))]),
            ..ObjectMeta::default()
        },
        spec: ExperimentSpec {
            templates,
            duration: step.duration.clone(),
            progress_deadline_seconds: rollout.spec.progress_deadline_seconds,
            analyses,
            scale_down_delay_seconds: step.scale_down_delay_seconds,
            dry_run: step.dry_run.clone(),
            analysis_run_metadata: step.analysis_run_metadata.clone(),
            ..ExperimentSpec::default()
        },
        ..Experiment::default()
    })
}

fn arguments(turn: &Turn<'_>, given: &[AnalysisRunArgument]) -> Result<Vec<Argument>, String> {
    let stable = turn.stable_set().map_or("", ReplicaSet::hash);
    let new = turn.new_set().map_or("", ReplicaSet::hash);
    rollout_arguments(given, stable, new, turn.rollout).map_err(|error| error.0)
}

fn side(turn: &Turn<'_>, template: &RolloutExperimentTemplate) -> Result<TemplateSpec, String> {
    let set: &ReplicaSet = match template.spec_ref.as_str() {
        "canary" => turn.new_set(),
        "stable" => turn.stable_set(),
        other => {
            return Err(format!(
                "the experiment's template `{}` has specRef `{other}`; write `canary` or `stable`",
                template.name
            ));
        }
    }
    .ok_or_else(|| {
        format!(
            "there is no {} ReplicaSet for the experiment's template `{}` yet",
            template.spec_ref, template.name
        )
    })?;
    let mut pods = set.spec.template.clone();
    let mut selector: LabelSelector = template
        .selector
        .clone()
        .unwrap_or_else(|| set.spec.selector.clone());
    let metadata = &template.metadata;
    if !metadata.labels.is_empty() || !metadata.annotations.is_empty() {
        add(&mut pods, "labels", &metadata.labels);
        add(&mut pods, "annotations", &metadata.annotations);
        selector.match_labels.extend(metadata.labels.clone());
    }
    let service = (template.weight.is_some() || template.service.is_some()).then(|| {
        let named = template.service.as_ref();
        TemplateService {
            name: named.map_or_else(String::new, |service| service.name.clone()),
        }
    });
    Ok(TemplateSpec {
        name: template.name.clone(),
        replicas: template.replicas,
        min_ready_seconds: set.spec.min_ready_seconds,
        selector: Some(selector),
        template: pods,
        service,
    })
}

fn add(pods: &mut PodTemplate, field: &str, more: &BTreeMap<String, String>) {
    if more.is_empty() {
        return;
    }
    let metadata = pods.0.entry("metadata").or_insert_with(|| json!({}));
    for (key, value) in more {
        metadata[field][key] = Value::String(value.clone());
    }
}
