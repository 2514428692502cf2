//! Where an Experiment stands, and when it is to be looked at again.

use super::{Turn, analyses, templates};
use crate::api::{AnalysisPhase, Experiment, ExperimentStatus};
use sluice_model::time::Timestamp;

/// Whether an Experiment ends: it was told to, has ended, something went wrong, or all that it waits for is done.
pub(super) fn is_terminating(experiment: &Experiment, status: &ExperimentStatus) -> bool {
    experiment.spec.terminate
        || status.phase.is_completed()
        || status
            .template_statuses
            .iter()
            .any(|one| matches!(one.status.as_str(), "Failed" | "Error"))
        || status
            .analysis_runs
            .iter()
            .any(|one| super::is_bad(&one.phase))
        || required_are_successful(experiment, status)
}

/// When its time is over; `None` before it is available, and without a duration.
pub(super) fn ends_at(experiment: &Experiment, status: &ExperimentStatus) -> Option<Timestamp> {
    let duration = experiment.spec.duration.nanoseconds().ok()?;
    let available_at = status.available_at?;
    Some(available_at.0.shifted(duration / 1_000_000))
}

/// Whether there are analyses that it waits for, and all of them are good.
fn required_are_successful(experiment: &Experiment, status: &ExperimentStatus) -> bool {
    let mut required = required(experiment).peekable();
    required.peek().is_some()
        && required.all(|name| {
            analyses::status_of(status, name)
                .is_some_and(|one| one.phase == AnalysisPhase::Successful)
        })
}

fn required(experiment: &Experiment) -> impl Iterator<Item = &str> {
    let all = experiment.spec.analyses.iter();
    all.filter(|analysis| analysis.required_for_completion)
        .map(|analysis| analysis.name.as_str())
}

/// Brings the phase up to date. An Experiment that has ended stays what it is.
pub(super) fn assess(turn: &mut Turn<'_>) {
    let (phase, message) = match turn.status.phase {
        AnalysisPhase::Unset => (AnalysisPhase::Pending, turn.status.message.clone()),
        AnalysisPhase::Pending | AnalysisPhase::Running => {
            let of_templates = templates_phase(turn);
            if of_templates.0 == AnalysisPhase::Running && turn.status.available_at.is_none() {
                turn.status.available_at = Some(turn.time());
            }
            together(turn, of_templates)
        }
        _ => return,
    };
    turn.status.phase = phase;
    turn.status.message = message;
}

/// What versions and analyses mean together.
fn together(turn: &Turn<'_>, templates: (AnalysisPhase, String)) -> (AnalysisPhase, String) {
    let experiment = turn.experiment();
    let analyses = analyses_phase(turn);
    let waits_for_some = required(experiment).next().is_some();
    if templates.0.is_completed() {
        let analyses_decide = analyses.0.is_completed() || waits_for_some;
        return if templates.0 == AnalysisPhase::Successful && analyses_decide {
            analyses
        } else {
            templates
        };
    }
    if super::is_bad(&analyses.0) || required_are_successful(experiment, &turn.status) {
        return analyses;
    }
    templates
}

/// The worst of the versions.
fn templates_phase(turn: &Turn<'_>) -> (AnalysisPhase, String) {
    let badness = |code: &str| match code {
        "Running" => 1,
        "Progressing" => 2,
        "Error" => 3,
        "Failed" => 4,
        _ => 0,
    };
    let (mut worst, mut message) = (0, String::new());
    for template in &turn.experiment().spec.templates {
        let status = templates::status_of(&turn.status, &template.name);
        let (code, why) = status.map_or(("Progressing", ""), |one| {
            (one.status.as_str(), one.message.as_str())
        });
        if badness(code) > worst {
            worst = badness(code);
            why.clone_into(&mut message);
        }
    }
    let phase = match worst {
        0 => AnalysisPhase::Successful,
        1 => AnalysisPhase::Running,
        2 => AnalysisPhase::Pending,
        3 => AnalysisPhase::Error,
        _ => AnalysisPhase::Failed,
    };
    (phase, message)
}

/// The worst of the analyses; good without any. When those that it waits for are good, those that still run
/// do not count. (With Argo's controller such an Experiment never ends.)
fn analyses_phase(turn: &Turn<'_>) -> (AnalysisPhase, String) {
    let badness = |phase: &AnalysisPhase| match phase {
        AnalysisPhase::Running => 1,
        AnalysisPhase::Pending => 2,
        AnalysisPhase::Inconclusive => 3,
        AnalysisPhase::Error => 4,
        AnalysisPhase::Failed => 5,
        _ => 0,
    };
    let mut worst = AnalysisPhase::Successful;
    let mut message = String::new();
    for one in &turn.status.analysis_runs {
        if badness(&one.phase) > badness(&worst) {
            worst = one.phase.clone();
            message.clone_from(&one.message);
        }
    }
    if !super::is_bad(&worst) && required_are_successful(turn.experiment(), &turn.status) {
        let message = "Required AnalysisRuns completed".to_owned();
        return (AnalysisPhase::Successful, message);
    }
    if worst == AnalysisPhase::Pending {
        worst = AnalysisPhase::Running;
    }
    (worst, message)
}

/// When its time is over, or a version has to have got on.
pub(super) fn wake_at(turn: &Turn<'_>) -> Option<Timestamp> {
    let experiment = turn.experiment();
    let status = &turn.status;
    if is_terminating(experiment, status) {
        return None;
    }
    let end = ends_at(experiment, status).filter(|end| *end > turn.now);
    let deadlines = experiment.spec.templates.iter().filter_map(|template| {
        let one = templates::status_of(status, &template.name)?;
        let desired = templates::desired(experiment, status, template);
        let is_waiting = !templates::is_completed(one) && one.available_replicas != desired;
        templates::deadline(experiment, one).filter(|_| is_waiting)
    });
    deadlines.chain(end).min()
}
