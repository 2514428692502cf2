//! Analyses beside and between steps, and before and after a switch.

use super::pauses::{self, ANALYSIS};
use super::promotion;
use super::revision::owner;
use super::turn::{Runs, Turn};
use super::world::{INSTANCE_ID_LABEL, REVISION, ReplicaSet, Trial, World};
use super::write::Write;
use super::{conditions, history};
use crate::api::{
    AnalysisPhase, AnalysisRun, POD_TEMPLATE_HASH_LABEL, RolloutAnalysis, RolloutAnalysisRunStatus,
};
use crate::arguments::{ArgumentError, RunRequest, gather, new_run, rollout_arguments};
use crate::workload::current_step;
use serde_json::json;
use std::collections::BTreeMap;

const TYPE_LABEL: &str = "rollout-type";
const STEP_INDEX_LABEL: &str = "step-index";

/// What an analysis is for.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Background,
    Step(i32),
    Pre,
    Post,
}

impl Role {
    fn label(self) -> &'static str {
        match self {
            Role::Background => "Background",
            Role::Step(_) => "Step",
            Role::Pre => "PrePromotion",
            Role::Post => "PostPromotion",
        }
    }

    fn suffix(self) -> Option<String> {
        match self {
            Role::Background => None,
            Role::Step(index) => Some(index.to_string()),
            Role::Pre => Some("pre".to_owned()),
            Role::Post => Some("post".to_owned()),
        }
    }

    fn failure(self) -> &'static str {
        match self {
            Role::Background => "Background analysis phase error/failed",
            Role::Step(_) => "Step-based analysis phase error/failed",
            Role::Pre => "Blue/green pre-promotion analysis phase error/failed",
            Role::Post => "Blue/green post-promotion analysis phase error/failed",
        }
    }
}

/// The run of a role after this turn: one that was there, or one that was just asked for.
enum Current<'a> {
    None,
    Is(&'a AnalysisRun),
    Starts(String),
}

impl<'a> Current<'a> {
    fn of(run: Option<&'a AnalysisRun>) -> Self {
        run.map_or(Current::None, Current::Is)
    }

    fn noted(&self) -> Option<RolloutAnalysisRunStatus> {
        match self {
            Current::None => None,
            Current::Is(run) => Some(RolloutAnalysisRunStatus {
                name: run.metadata.name.clone(),
                status: run.status.phase.clone(),
                message: run.status.message.clone(),
            }),
            Current::Starts(name) => Some(RolloutAnalysisRunStatus {
                name: name.clone(),
                ..RolloutAnalysisRunStatus::default()
            }),
        }
    }

    fn run(&self) -> Option<&'a AnalysisRun> {
        match self {
            Current::Is(run) => Some(run),
            _ => None,
        }
    }
}

/// Whether a run that the status names ended badly, and the rollout does not know it yet.
pub(super) fn is_condemned(world: &World) -> bool {
    let status = &world.rollout.status;
    let noted = [
        &status.canary.current_step_analysis_run_status,
        &status.canary.current_background_analysis_run_status,
        &status.blue_green.pre_promotion_analysis_run_status,
        &status.blue_green.post_promotion_analysis_run_status,
    ];
    let names = || noted.into_iter().flatten().map(|noted| &noted.name);
    let is_bad = |run: &AnalysisRun| {
        matches!(
            run.status.phase,
            AnalysisPhase::Failed | AnalysisPhase::Error
        )
    };
    let mut bad = world.runs.iter().filter(|run| is_bad(run));
    bad.any(|run| names().any(|name| *name == run.metadata.name))
}

/// Whether a run ended well.
pub(super) fn is_successful(run: Option<&AnalysisRun>) -> bool {
    run.is_some_and(|run| run.status.phase == AnalysisPhase::Successful)
}

/// Analyses of a blue-green rollout that was aborted say nothing about the next try: one that was cut off ended without
/// a failure, and one that failed would take it back again.
pub(super) fn forget_of_aborted(turn: &mut Turn<'_>) {
    if turn.is_aborted() || turn.rollout.status.aborted_at.is_none() {
        return;
    }
    for run in [turn.runs.pre.take(), turn.runs.post.take()] {
        terminate(turn, run);
    }
}

/// Starts, ends and judges the analyses of the moment, and notes them in the status.
pub(super) fn run(turn: &mut Turn<'_>) {
    let status = &turn.rollout.status;
    let runs = turn.runs;
    let is_over = turn.is_fully_promoted()
        || turn.is_aborted()
        || status.promote_full
        || promotion::fast_rollback(turn).is_some()
        || status.stable_rs.is_empty();
    let mut kept = Vec::new();
    if is_over {
        for run in [runs.background, runs.step, runs.pre, runs.post] {
            terminate(turn, run);
        }
        if turn.strategy().is_none() {
            kept.push((Role::Pre, Current::of(runs.pre)));
            kept.push((Role::Post, Current::of(runs.post)));
        }
    } else if turn.strategy().is_some() {
        let step = step(turn);
        kept.push((step.1, step.0));
        kept.push((Role::Background, background(turn)));
    } else {
        let current = pre(turn);
        judge(turn, current.run(), Role::Pre);
        kept.push((Role::Pre, current));
        let current = post(turn);
        judge(turn, current.run(), Role::Post);
        kept.push((Role::Post, current));
    }
    note(turn, &kept);
    let names: Vec<String> = kept
        .iter()
        .filter_map(|(_, current)| current.noted())
        .map(|noted| noted.name)
        .collect();
    let former = [runs.background, runs.step, runs.pre, runs.post];
    let others: Vec<&AnalysisRun> = turn
        .world
        .runs
        .iter()
        .filter(|run| !names.contains(&run.metadata.name))
        .filter(|run| {
            !former
                .iter()
                .flatten()
                .any(|current| current.metadata.name == run.metadata.name)
        })
        .collect();
    for run in &others {
        terminate(turn, Some(run));
    }
    for name in history::surplus(turn, &others) {
        turn.write(Write::DeleteRun(name));
    }
    tell(turn, &kept);
}

fn note(turn: &mut Turn<'_>, kept: &[(Role, Current<'_>)]) {
    turn.runs = Runs::default();
    for (role, current) in kept {
        let noted = current.noted();
        let (field, run) = match role {
            Role::Background => (
                &mut turn.next.canary.current_background_analysis_run_status,
                &mut turn.runs.background,
            ),
            Role::Step(_) => (
                &mut turn.next.canary.current_step_analysis_run_status,
                &mut turn.runs.step,
            ),
            Role::Pre => (
                &mut turn.next.blue_green.pre_promotion_analysis_run_status,
                &mut turn.runs.pre,
            ),
            Role::Post => (
                &mut turn.next.blue_green.post_promotion_analysis_run_status,
                &mut turn.runs.post,
            ),
        };
        *field = noted;
        // The world outlives the turn, and so does a run of it.
        if let Some(name) = field.as_ref().map(|noted| noted.name.as_str()) {
            *run = turn.world.runs.iter().find(|run| run.metadata.name == name);
        }
    }
}

fn terminate(turn: &mut Turn<'_>, run: Option<&AnalysisRun>) {
    if let Some(run) = run.filter(|run| run.is_going_on()) {
        turn.write(Write::TerminateRun(run.metadata.name.clone()));
    }
}

/// An inconclusive run waits for somebody, a bad one takes the rollout back.
fn judge(turn: &mut Turn<'_>, run: Option<&AnalysisRun>, role: Role) {
    let Some(run) = run else { return };
    match run.status.phase {
        AnalysisPhase::Inconclusive => turn.pauses.add(ANALYSIS),
        AnalysisPhase::Error | AnalysisPhase::Failed => {
            let why = &run.status.message;
            let message = if why.is_empty() {
                role.failure().to_owned()
            } else {
                format!("{}: {why}", role.failure())
            };
            turn.pauses.abort(message);
        }
        _ => {}
    }
}

/// Whether a run is needed that is not there: none was started, the last one was inconclusive and somebody
/// let the rollout go on, or it is tried again after an abort.
///
/// A pause for something else says nothing about an inconclusive run: it waits for somebody like any other. Beside an
/// inconclusive experiment Argo starts one run after another.
fn needs_new(turn: &Turn<'_>, run: Option<&AnalysisRun>) -> bool {
    let Some(run) = run else { return true };
    let status = &turn.rollout.status;
    let others = [pauses::STEP, pauses::SWITCH, pauses::EXPERIMENT];
    let waits = |reason: &str| pauses::condition(status, reason).is_some();
    if status.controller_pause && !others.into_iter().any(waits) {
        return run.status.phase == AnalysisPhase::Inconclusive;
    }
    status.aborted_at.is_some()
}

fn is_inconclusive(turn: &Turn<'_>) -> bool {
    pauses::condition(&turn.rollout.status, ANALYSIS).is_some()
}

fn step<'a>(turn: &mut Turn<'a>) -> (Current<'a>, Role) {
    let run = turn.runs.step;
    let status = &turn.rollout.status;
    let step = current_step(turn.rollout);
    let index = step.map_or(0, |(index, _)| i32::try_from(index).unwrap_or(i32::MAX));
    let role = Role::Step(index);
    if !status.pause_conditions.is_empty() || status.abort {
        return (Current::of(run), role);
    }
    let analysis = step
        .and_then(|(_, step)| step.analysis.as_ref())
        .filter(|analysis| !analysis.templates.is_empty());
    let is_former = run
        .is_some_and(|run| run.metadata.labels.get(STEP_INDEX_LABEL) != Some(&index.to_string()));
    let Some(analysis) = analysis.filter(|_| !is_former) else {
        terminate(turn, run);
        return (Current::None, role);
    };
    if needs_new(turn, run) {
        return (start(turn, analysis, role), role);
    }
    judge(turn, run, role);
    (Current::of(run), role)
}

fn background<'a>(turn: &mut Turn<'a>) -> Current<'a> {
    let run = turn.runs.background;
    let status = &turn.rollout.status;
    let analysis = turn.strategy().and_then(|canary| canary.analysis.as_ref());
    let Some(analysis) = analysis.filter(|analysis| !analysis.analysis.templates.is_empty()) else {
        terminate(turn, run);
        return Current::None;
    };
    let starting = analysis.starting_step.unwrap_or(0);
    let index = status.current_step_index.unwrap_or(0);
    let is_early = turn.steps() > 0 && index < starting;
    if turn.is_fully_promoted() || status.current_pod_hash.is_empty() || is_early {
        return Current::None;
    }
    if is_inconclusive(turn) {
        return Current::of(run);
    }
    if needs_new(turn, run) {
        return start(turn, &analysis.analysis, Role::Background);
    }
    judge(turn, run, Role::Background);
    Current::of(run)
}

fn pre<'a>(turn: &mut Turn<'a>) -> Current<'a> {
    let run = turn.runs.pre;
    let strategy = turn.rollout.spec.strategy.blue_green.as_ref();
    let analysis = strategy.and_then(|strategy| strategy.pre_promotion_analysis.as_ref());
    let Some(analysis) = analysis.filter(|analysis| !analysis.templates.is_empty()) else {
        terminate(turn, run);
        return Current::None;
    };
    if skips_pre(turn) {
        terminate(turn, run);
        return Current::of(run);
    }
    if !is_inconclusive(turn) && needs_new(turn, run) {
        return start(turn, analysis, Role::Pre);
    }
    Current::of(run)
}

fn post<'a>(turn: &mut Turn<'a>) -> Current<'a> {
    let run = turn.runs.post;
    let strategy = turn.rollout.spec.strategy.blue_green.as_ref();
    let analysis = strategy.and_then(|strategy| strategy.post_promotion_analysis.as_ref());
    let Some(analysis) = analysis.filter(|analysis| !analysis.templates.is_empty()) else {
        terminate(turn, run);
        return Current::None;
    };
    if skips_post(turn) {
        terminate(turn, run);
        return Current::of(run);
    }
    if !is_inconclusive(turn) && needs_new(turn, run) {
        return start(turn, analysis, Role::Post);
    }
    Current::of(run)
}

/// Whether nothing is to be analysed before the switch: it is over, or the new side has not all its pods. A
/// run that has begun goes on when pods come and go.
fn skips_pre(turn: &Turn<'_>) -> bool {
    let status = &turn.rollout.status;
    let hash = turn.new_hash();
    let active = &status.blue_green.active_selector;
    if status.stable_rs == hash || active.is_empty() || *active == hash || hash.is_empty() {
        return true;
    }
    if turn.runs.pre.is_some() {
        return false;
    }
    let preview = turn
        .rollout
        .spec
        .strategy
        .blue_green
        .as_ref()
        .and_then(|strategy| strategy.preview_replica_count);
    let Some(set) = turn.new_set() else {
        return true;
    };
    match preview {
        Some(preview) => set.desired() != preview || set.status.available_replicas != preview,
        None => !conditions::is_saturated(set, turn.replicas()),
    }
}

/// Whether nothing is to be analysed after the switch: it has not happened, or it is stable already.
pub(super) fn skips_post(turn: &Turn<'_>) -> bool {
    let status = &turn.rollout.status;
    let hash = turn.new_hash();
    let active = &status.blue_green.active_selector;
    if status.stable_rs == hash || *active != hash || hash.is_empty() {
        return true;
    }
    turn.runs.post.is_none()
        && turn
            .new_set()
            .is_none_or(|set| !conditions::is_saturated(set, turn.replicas()))
}

/// Whether the analysis before the switch ended well, or there is none.
pub(super) fn is_pre_done(turn: &Turn<'_>) -> bool {
    let strategy = turn.rollout.spec.strategy.blue_green.as_ref();
    let analysis = strategy.and_then(|strategy| strategy.pre_promotion_analysis.as_ref());
    !asks(analysis) || is_successful(turn.runs.pre)
}

/// Whether the analysis after the switch ended well, or there is none.
pub(super) fn is_post_done(turn: &Turn<'_>) -> bool {
    let strategy = turn.rollout.spec.strategy.blue_green.as_ref();
    let analysis = strategy.and_then(|strategy| strategy.post_promotion_analysis.as_ref());
    !asks(analysis) || is_successful(turn.runs.post)
}

/// Whether an analysis asks for anything: one that names no template never starts.
fn asks(analysis: Option<&RolloutAnalysis>) -> bool {
    analysis.is_some_and(|analysis| !analysis.templates.is_empty())
}

fn start<'a>(turn: &mut Turn<'a>, analysis: &RolloutAnalysis, role: Role) -> Current<'a> {
    let rollout = turn.rollout;
    let hash = turn.new_hash();
    let revision = rollout.metadata.annotations.get(REVISION);
    let revision = revision.cloned().unwrap_or_default();
    if let Some(run) = started_before(turn, role, &hash, &revision) {
        return Current::Is(run);
    }
    let mut name = format!("{}-{hash}-{revision}", rollout.metadata.name);
    if let Some(suffix) = role.suffix() {
        name = format!("{name}-{suffix}");
    }
    let name = free_name(turn, name);
    let mut labels = BTreeMap::from([
        (POD_TEMPLATE_HASH_LABEL.to_owned(), hash.clone()),
        (TYPE_LABEL.to_owned(), role.label().to_owned()),
    ]);
    if let Role::Step(index) = role {
        labels.insert(STEP_INDEX_LABEL.to_owned(), index.to_string());
    }
    if let Some(id) = rollout.metadata.labels.get(INSTANCE_ID_LABEL) {
        labels.insert(INSTANCE_ID_LABEL.to_owned(), id.clone());
    }
    let mut annotations = BTreeMap::from([(REVISION.to_owned(), revision)]);
    if let Some(metadata) = &analysis.analysis_run_metadata {
        labels.extend(metadata.labels.clone());
        annotations.extend(metadata.annotations.clone());
    }
    if let Some(selector) = &rollout.spec.selector {
        labels.extend(selector.match_labels.clone());
    }
    let request = RunRequest {
        name: name.clone(),
        namespace: rollout.metadata.namespace.clone(),
        labels,
        annotations,
        arguments: &[],
        dry_run: &analysis.dry_run,
        measurement_retention: &analysis.measurement_retention,
    };
    let stable_hash = turn.stable_set().map_or("", ReplicaSet::hash);
    match new_run_of(turn.world, analysis, stable_hash, &hash, request) {
        Ok(mut run) => {
            let owners = json!([owner(rollout)]);
            run.metadata
                .rest
                .insert("ownerReferences".to_owned(), owners);
            turn.write(Write::StartRun(Box::new(run)));
        }
        // `validity` has tried it before: this is a change in between, or a field that the status does not have.
        Err(cause) => {
            turn.warning("AnalysisRunError", cause);
            turn.lacks_analysis = true;
            return Current::None;
        }
    }
    Current::Starts(name)
}

/// A run of the templates that an analysis names, with the Rollout's values.
pub(super) fn new_run_of(
    world: &World,
    analysis: &RolloutAnalysis,
    stable_hash: &str,
    latest_hash: &str,
    request: RunRequest<'_>,
) -> Result<AnalysisRun, String> {
    let of = || {
        let templates = gather(&analysis.templates, &world.templates)?;
        let arguments =
            rollout_arguments(&analysis.args, stable_hash, latest_hash, &world.rollout)?;
        let request = RunRequest {
            arguments: &arguments,
            ..request
        };
        new_run(request, &templates)
    };
    of().map_err(|error: ArgumentError| error.0)
}

/// A run for the same that was started and not noted: the turn before was cut off in between.
fn started_before<'a>(
    turn: &Turn<'a>,
    role: Role,
    hash: &str,
    revision: &str,
) -> Option<&'a AnalysisRun> {
    let runs = turn.runs;
    let noted = [runs.background, runs.step, runs.pre, runs.post];
    turn.world.runs.iter().find(|run| {
        let label = |key: &str| run.metadata.labels.get(key).map_or("", String::as_str);
        let is_of_step = match role {
            Role::Step(index) => label(STEP_INDEX_LABEL) == index.to_string(),
            _ => true,
        };
        run.is_going_on()
            && label(POD_TEMPLATE_HASH_LABEL) == hash
            && label(TYPE_LABEL) == role.label()
            && run.metadata.annotations.get(REVISION).map(String::as_str) == Some(revision)
            && is_of_step
            && !noted
                .iter()
                .flatten()
                .any(|noted| noted.metadata.name == run.metadata.name)
    })
}

/// The name, with the first number behind it that makes it free.
fn free_name(turn: &Turn<'_>, name: String) -> String {
    let taken = |name: &str| turn.world.runs.iter().any(|run| run.metadata.name == name);
    if !taken(&name) {
        return name;
    }
    (1..)
        .map(|number| format!("{name}.{number}"))
        .find(|name| !taken(name))
        .unwrap_or(name)
}

/// Events about runs whose phase changed.
fn tell(turn: &mut Turn<'_>, kept: &[(Role, Current<'_>)]) {
    let status = &turn.rollout.status;
    for (role, current) in kept {
        let Some(run) = current.run() else { continue };
        let phase = &run.status.phase;
        let before = match role {
            Role::Background => &status.canary.current_background_analysis_run_status,
            Role::Step(_) => &status.canary.current_step_analysis_run_status,
            Role::Pre => &status.blue_green.pre_promotion_analysis_run_status,
            Role::Post => &status.blue_green.post_promotion_analysis_run_status,
        };
        let changed = before
            .as_ref()
            .is_none_or(|before| before.name == run.metadata.name && before.status != *phase);
        if !changed || *phase == AnalysisPhase::Unset {
            continue;
        }
        let is_bad = matches!(phase, AnalysisPhase::Failed | AnalysisPhase::Error);
        let previous = before
            .as_ref()
            .map_or("NoPreviousStatus", |before| before.status.as_str());
        let message = format!(
            "{} Analysis Run '{}' Status New: '{}' Previous: '{previous}'",
            role.label(),
            run.metadata.name,
            phase.as_str()
        );
        turn.push_event(is_bad, &format!("AnalysisRun{}", phase.as_str()), message);
    }
}
