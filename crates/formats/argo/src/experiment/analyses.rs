//! The AnalysisRuns of an Experiment.

use super::world::{ExperimentWrite, Refused};
use super::{Turn, is_bad, phase, replica_sets};
use crate::api::{
    AnalysisPhase, AnalysisRun, AnalysisTemplateRef, Argument, ExperimentAnalysis,
    ExperimentAnalysisRunStatus, ExperimentStatus, Time,
};
use crate::arguments::{ArgumentError, RunRequest, fill, gather, is_same_run, new_run};
use crate::event::Event;
use crate::rollout::INSTANCE_ID_LABEL;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most names that are tried for a run.
const MAX_NAMES: usize = 1_000;

/// Where an analysis stands.
pub(super) fn status_of<'s>(
    status: &'s ExperimentStatus,
    name: &str,
) -> Option<&'s ExperimentAnalysisRunStatus> {
    status.analysis_runs.iter().find(|one| one.name == name)
}

/// Starts, ends and follows the run of one analysis.
pub(super) fn look_after(turn: &mut Turn<'_>, analysis: &ExperimentAnalysis) {
    let before = status_of(&turn.experiment().status, &analysis.name).cloned();
    let mut status = before.clone().unwrap_or_default();
    status.name.clone_from(&analysis.name);
    if turn.experiment().status.available_at.is_none() {
        if !status.phase.is_completed()
            && let Err(error) = gather(&[reference(analysis)], turn.world.templates)
        {
            fail(
                &mut status,
                format!(
                    "Template verification failed for analysis '{}': {error}",
                    analysis.name
                ),
            );
        }
    } else if status.analysis_run.is_empty() {
        if !turn.is_terminating && !status.phase.is_completed() {
            start(turn, analysis, &mut status);
        }
    } else if !status.phase.is_completed() {
        follow(turn, analysis, &mut status);
    }
    let old = before.map(|before| before.phase).unwrap_or_default();
    tell(turn, &old, &status);
    let statuses = &mut turn.status.analysis_runs;
    match statuses.iter_mut().find(|one| one.name == analysis.name) {
        Some(one) => *one = status,
        None => statuses.push(status),
    }
}

fn reference(analysis: &ExperimentAnalysis) -> AnalysisTemplateRef {
    AnalysisTemplateRef {
        template_name: analysis.template_name.clone(),
        cluster_scope: analysis.cluster_scope,
    }
}

fn start(
    turn: &mut Turn<'_>,
    analysis: &ExperimentAnalysis,
    status: &mut ExperimentAnalysisRunStatus,
) {
    let refused = turn.refusal(&analysis.name, &[Refused::CreateRun]);
    let made = match refused {
        Some(refusal) => Err(ArgumentError(refusal.cause.clone())),
        None => run(turn, analysis),
    };
    match made {
        Ok((run, is_there)) => {
            status.phase = AnalysisPhase::Pending;
            status.analysis_run.clone_from(&run.metadata.name);
            if !is_there {
                turn.write(ExperimentWrite::CreateRun {
                    analysis: analysis.name.clone(),
                    run: Box::new(run),
                });
            }
        }
        Err(cause) => fail(
            status,
            format!(
                "Failed to create AnalysisRun for analysis '{}': {cause}",
                analysis.name
            ),
        ),
    }
}

/// The run that is wanted, and whether it is there already: the turn before was cut off after creating it.
fn run(
    turn: &Turn<'_>,
    analysis: &ExperimentAnalysis,
) -> Result<(AnalysisRun, bool), ArgumentError> {
    let experiment = turn.experiment();
    let spec = &experiment.spec;
    let metadata = &spec.analysis_run_metadata;
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    if let Some(instance) = experiment.metadata.labels.get(INSTANCE_ID_LABEL) {
        labels.insert(INSTANCE_ID_LABEL.to_owned(), instance.clone());
    }
    labels.extend(metadata.labels.clone());
    let arguments = arguments(turn, analysis)?;
    let base = format!("{}-{}", experiment.metadata.name, analysis.name);
    let request = RunRequest {
        name: base.clone(),
        namespace: experiment.metadata.namespace.clone(),
        labels,
        annotations: metadata.annotations.clone(),
        arguments: &arguments,
        dry_run: &spec.dry_run,
        measurement_retention: &spec.measurement_retention,
    };
    let templates = gather(&[reference(analysis)], turn.world.templates)?;
    let mut run = new_run(request, &templates)?;
    run.metadata.rest.insert(
        "ownerReferences".to_owned(),
        json!([replica_sets::owner(experiment)]),
    );
    for count in 0..MAX_NAMES {
        if count > 0 {
            run.metadata.name = format!("{base}.{count}");
        }
        let name = &run.metadata.name;
        let own = turn
            .world
            .runs
            .iter()
            .find(|own| own.metadata.name == *name);
        match own {
            Some(own) if !own.status.phase.is_completed() && is_same_run(&own.spec, &run.spec) => {
                return Ok((run, true));
            }
            None if !turn.world.taken_runs.contains(name) => return Ok((run, false)),
            _ => {}
        }
    }
    Err(ArgumentError(format!(
        "{MAX_NAMES} runs are called '{base}' already; delete some"
    )))
}

/// The arguments with what the Experiment knows in place of `{{templates.NAME.podTemplateHash}}` and the like.
fn arguments(
    turn: &Turn<'_>,
    analysis: &ExperimentAnalysis,
) -> Result<Vec<Argument>, ArgumentError> {
    let experiment = turn.experiment();
    let mut known = BTreeMap::new();
    if let Some(available_at) = experiment.status.available_at {
        known.insert(
            "experiment.availableAt".to_owned(),
            available_at.to_string(),
        );
    }
    if let Some(ends_at) = phase::ends_at(experiment, &experiment.status) {
        known.insert(
            "experiment.finishedAt".to_owned(),
            Time(ends_at).to_string(),
        );
    }
    for set in &turn.world.replica_sets {
        let prefix = format!("templates.{}", replica_sets::template_name(set));
        known.insert(format!("{prefix}.podTemplateHash"), set.hash().to_owned());
        known.insert(
            format!("{prefix}.replicaset.name"),
            set.metadata.name.clone(),
        );
    }
    analysis
        .args
        .iter()
        .map(|argument| {
            let value = argument.value.as_ref().map(|value| fill(value, &known));
            Ok(Argument {
                value: value.transpose()?,
                ..argument.clone()
            })
        })
        .collect()
}

/// Takes over how the run stands, or ends it with the Experiment.
fn follow(
    turn: &mut Turn<'_>,
    analysis: &ExperimentAnalysis,
    status: &mut ExperimentAnalysisRunStatus,
) {
    let name = status.analysis_run.clone();
    let Some(run) = turn.world.runs.iter().find(|run| run.metadata.name == name) else {
        fail(status, format!("AnalysisRun '{name}' not found"));
        return;
    };
    if !turn.is_terminating {
        if run.status.phase != AnalysisPhase::Unset {
            status.phase = run.status.phase.clone();
        }
        status.message.clone_from(&run.status.message);
        return;
    }
    if run.status.phase.is_completed() && !turn.status.phase.is_completed() {
        // An Experiment that waits for it ends with it. (With Argo's controller it never does.)
        status.phase = run.status.phase.clone();
        status.message.clone_from(&run.status.message);
        return;
    }
    if run.status.phase.is_completed() || run.spec.terminate {
        return;
    }
    if let Some(refusal) = turn.refusal(&analysis.name, &[Refused::TerminateRun]) {
        fail(status, refusal.cause.clone());
        return;
    }
    turn.write(ExperimentWrite::TerminateRun {
        analysis: analysis.name.clone(),
        name: name.clone(),
    });
    turn.write(ExperimentWrite::Event(Event {
        warning: false,
        reason: "AnalysisRunTerminating".to_owned(),
        message: format!("Terminating {} ({name})", analysis.name),
    }));
}

/// An event when the phase changes; one for the Rollout too, whose notifications wait for it (Argo's issue 4009).
fn tell(turn: &mut Turn<'_>, old: &AnalysisPhase, status: &ExperimentAnalysisRunStatus) {
    if *old == status.phase || status.phase == AnalysisPhase::Unset {
        return;
    }
    let mut message = format!(
        "AnalysisRun '{}' transitioned from {} -> {}",
        status.name,
        old.as_str(),
        status.phase.as_str()
    );
    if !status.message.is_empty() {
        message.push_str(": ");
        message.push_str(&status.message);
    }
    let reason = format!("AnalysisRun{}", status.phase.as_str());
    let warning = is_bad(&status.phase);
    turn.event(warning, reason.clone(), message.clone());
    if let Some(rollout) = rollout(&turn.experiment().metadata.rest) {
        turn.events.push(ExperimentWrite::RolloutEvent {
            rollout,
            event: Event {
                warning,
                reason,
                message,
            },
        });
    }
}

/// The Rollout that owns the Experiment.
fn rollout(metadata: &BTreeMap<String, Value>) -> Option<String> {
    let owners = metadata.get("ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["kind"] == "Rollout")?;
    Some(owner["name"].as_str()?.to_owned())
}

fn fail(status: &mut ExperimentAnalysisRunStatus, message: String) {
    status.phase = AnalysisPhase::Error;
    status.message = message;
}
