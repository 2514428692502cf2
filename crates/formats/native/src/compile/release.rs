//! From what `release:` says to a plan: where it starts from (preset, risk class, named release), what is
//! laid over it, and the patience around the steps.
//!
//! The steps themselves are in `steps`, the figures of the presets in `presets`.

use super::checks::{self, Draft};
use super::comparisons;
use super::goals;
use super::hooks::hooks;
use super::presets::{self, Base, Risk};
use super::sources::Sources;
use super::steps::{self, StepContext};
use super::words::{Rounding, amount, count, positive_span, present, span};
use crate::nearest::did_you_mean;
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{
    Brief, Checks, FailWord, Field, Release, ReleaseFields, RiskText, StrategyWord, Text,
};
use sluice_model::Plan;
use sluice_model::plan::{OnTrouble, RolloutHooks, Strategy};
use sluice_model::routes::Assignment;
use sluice_model::status::FORMER_MAX;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a release has to know of its service.
#[derive(Clone, Debug)]
pub(crate) struct ServiceFacts<'a> {
    pub(crate) replicas: u32,
    pub(crate) tcp: bool,
    pub(crate) assignment: Assignment,
    pub(crate) has_readiness: bool,
    /// Longest time that the startup probe allows.
    pub(crate) startup: Duration,
    /// Who its checks may ask.
    pub(crate) sources: &'a Sources,
}

/// A compiled release.
pub(crate) struct Compiled {
    pub(crate) plan: Plan,
    pub(crate) history_limit: u32,
}

/// The named releases of a document.
pub(crate) type Named<'a> = BTreeMap<&'a str, &'a Located<Release>>;

/// Compiles the release of a service; `None` when it cannot be told what is meant.
pub(crate) fn compile(
    notes: &Notes,
    base_dir: &str,
    named: &Named<'_>,
    release: Option<&Located<Release>>,
    at: NodeId,
    facts: &ServiceFacts<'_>,
) -> Option<Compiled> {
    let resolved = match release {
        Some(release) => resolve(notes, named, release, &mut Vec::new())?,
        None => Resolved {
            base: Base::Preset(Strategy::Canary),
            fields: ReleaseFields::default(),
            checks: Vec::new(),
        },
    };
    let at = release.map_or(at, |release| release.node);
    build(notes, base_dir, &resolved, at, facts)
}

/// A release with everything that it starts from laid under it.
struct Resolved<'a> {
    base: Base,
    fields: ReleaseFields,
    /// The `checks:` fields, those laid under first.
    checks: Vec<&'a Located<Checks>>,
}

fn resolve<'a>(
    notes: &Notes,
    named: &Named<'a>,
    release: &'a Located<Release>,
    visited: &mut Vec<&'a str>,
) -> Option<Resolved<'a>> {
    match release.value.as_ref()? {
        Brief::Word(Text(word)) => by_name(notes, named, release.node, word, visited),
        Brief::Full(fields) => {
            let mut resolved = base_of(notes, named, fields, visited)?;
            resolved.fields = laid_over(fields.clone(), resolved.fields);
            resolved.checks.extend(fields.checks.as_ref());
            Some(resolved)
        }
    }
}

fn plain(base: Base) -> Resolved<'static> {
    Resolved {
        base,
        fields: ReleaseFields::default(),
        checks: Vec::new(),
    }
}

fn by_name<'a>(
    notes: &Notes,
    named: &Named<'a>,
    node: NodeId,
    word: &'a str,
    visited: &mut Vec<&'a str>,
) -> Option<Resolved<'a>> {
    if let Some(release) = named.get(word) {
        if visited.contains(&word) {
            notes.error(
                node,
                "circular-release",
                format!("the release `{}` refers to itself", clip(word)),
                "remove one `use`",
            );
            return None;
        }
        visited.push(word);
        return resolve(notes, named, release, visited);
    }
    if let Some(base) = presets::by_name(word) {
        return Some(plain(base));
    }
    let known: Vec<&str> = presets::NAMES
        .iter()
        .copied()
        .chain(named.keys().copied())
        .collect();
    notes.error(
        node,
        "unknown-release",
        format!(
            "`{}` is neither a preset, nor a risk class, nor a name in `releases`",
            clip(word)
        ),
        did_you_mean(word, &known),
    );
    None
}

fn base_of<'a>(
    notes: &Notes,
    named: &Named<'a>,
    fields: &'a ReleaseFields,
    visited: &mut Vec<&'a str>,
) -> Option<Resolved<'a>> {
    let given: Vec<NodeId> = [
        fields.r#use.as_ref().map(|field| field.node),
        fields.strategy.as_ref().map(|field| field.node),
        fields.risk.as_ref().map(|field| field.node),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let [_, second, ..] = given.as_slice() {
        notes.error(
            *second,
            "conflict",
            "only one of `use`, `strategy` and `risk` can say where the release starts from",
            "keep one of them",
        );
        return None;
    }
    if let Some(field) = &fields.r#use {
        let Text(word) = field.value.as_ref()?;
        return by_name(notes, named, field.node, word, visited);
    }
    if let Some(field) = &fields.strategy {
        return Some(plain(Base::Preset(strategy_of(field.value?))));
    }
    if let Some(field) = &fields.risk {
        let RiskText(word) = field.value.as_ref()?;
        let Some(risk) = Risk::by_name(word) else {
            notes.error(
                field.node,
                "unknown-word",
                format!("`{}` is not a risk class", clip(word)),
                did_you_mean(word, &["LOW", "MEDIUM", "HIGH", "CRITICAL"]),
            );
            return None;
        };
        return Some(plain(Base::Risk(risk)));
    }
    Some(plain(Base::Preset(Strategy::Canary)))
}

fn strategy_of(word: StrategyWord) -> Strategy {
    match word {
        StrategyWord::Canary => Strategy::Canary,
        StrategyWord::BlueGreen => Strategy::BlueGreen,
        StrategyWord::Rolling => Strategy::Rolling,
        StrategyWord::Recreate => Strategy::Recreate,
        StrategyWord::Shadow => Strategy::Shadow,
    }
}

/// Field by field: what `over` has, else what `under` has.
fn laid_over(over: ReleaseFields, under: ReleaseFields) -> ReleaseFields {
    ReleaseFields {
        r#use: over.r#use,
        strategy: over.strategy,
        risk: over.risk,
        steps: over.steps.or(under.steps),
        bake: over.bake.or(under.bake),
        // Kept apart: they add up.
        checks: None,
        analysis: over.analysis.or(under.analysis),
        default_checks: over.default_checks.or(under.default_checks),
        hooks: over.hooks.or(under.hooks),
        smoke: over.smoke.or(under.smoke),
        auto_promote: over.auto_promote.or(under.auto_promote),
        mirror: over.mirror.or(under.mirror),
        max_surge: over.max_surge.or(under.max_surge),
        max_unavailable: over.max_unavailable.or(under.max_unavailable),
        min_ready: over.min_ready.or(under.min_ready),
        progress_deadline: over.progress_deadline.or(under.progress_deadline),
        deadline: over.deadline.or(under.deadline),
        on_deadline: over.on_deadline.or(under.on_deadline),
        keep_warm: over.keep_warm.or(under.keep_warm),
        keep_aborted: over.keep_aborted.or(under.keep_aborted),
        stuck_after: over.stuck_after.or(under.stuck_after),
        slow_after: over.slow_after.or(under.slow_after),
        crash_loop_restarts: over.crash_loop_restarts.or(under.crash_loop_restarts),
        history_limit: over.history_limit.or(under.history_limit),
    }
}

fn build(
    notes: &Notes,
    base_dir: &str,
    resolved: &Resolved<'_>,
    at: NodeId,
    facts: &ServiceFacts<'_>,
) -> Option<Compiled> {
    let Resolved { base, fields, .. } = resolved;
    let strategy = base.strategy();
    refuse_fields_of_others(notes, fields, strategy);
    let bake = span(notes, &fields.bake);
    let context = StepContext {
        notes,
        base_dir,
        at,
        facts,
        base: *base,
        fields,
        bake,
    };
    let mut drafts = drafts(notes, resolved, facts);
    let (mut steps, queries) = steps::steps(&context, &mut drafts)?;
    comparisons::refuse_changes(notes, at, &steps);
    comparisons::share_out(notes, fields, &mut steps);
    goals::share_out(notes, at, (&facts.assignment, facts.tcp), &mut steps);
    let bake_max = steps.iter().map(|step| step.bake).max().unwrap_or_default();
    let hooks_of = |field: &Field<_>, on_failure| hooks(notes, base_dir, field, on_failure);
    let hooks = match present(&fields.hooks) {
        Some((_, around)) => RolloutHooks {
            start: hooks_of(&around.start, OnTrouble::Abort),
            promoted: hooks_of(&around.promoted, OnTrouble::Continue),
            aborted: hooks_of(&around.aborted, OnTrouble::Continue),
        },
        None => RolloutHooks::default(),
    };
    let on_deadline = match (&fields.on_deadline, &fields.deadline) {
        (Some(on_deadline), None) => {
            notes.error(
                on_deadline.node,
                "conflict",
                "`onDeadline` has no effect without `deadline`",
                "add `deadline`, as in `deadline: 2h`",
            );
            OnTrouble::Abort
        }
        (field, _) => match present(field) {
            Some((_, FailWord::Pause)) => OnTrouble::Pause,
            Some((_, FailWord::Abort)) | None => OnTrouble::Abort,
        },
    };
    let deadline = positive_span(notes, &fields.deadline);
    let baked: Duration = steps.iter().map(|step| step.bake).sum();
    if let (Some(deadline), Some((node, _))) = (deadline, present(&fields.deadline))
        && deadline < baked
    {
        notes.error(
            node,
            "deadline-too-short",
            format!(
                "the rollout would always miss this deadline: its bakes alone take {}",
                sluice_model::time::format_span(baked)
            ),
            "lengthen the deadline, or shorten the bakes",
        );
    }
    let history_max = u32::try_from(FORMER_MAX).unwrap_or(u32::MAX);
    let plan = Plan {
        strategy,
        replicas: facts.replicas,
        assignment: facts.assignment.clone(),
        // Each step has exactly those that it can judge.
        checks: Vec::new(),
        sources: queries
            .values()
            .filter_map(|query| {
                let server = facts.sources.get(&query.source)?;
                Some((query.source.clone(), server.clone()))
            })
            .collect(),
        queries,
        hooks,
        progress_deadline: positive_span(notes, &fields.progress_deadline)
            .unwrap_or_else(|| presets::progress_deadline(facts.startup)),
        min_ready: span(notes, &fields.min_ready)
            .unwrap_or_else(|| presets::min_ready(facts.has_readiness)),
        deadline,
        on_deadline,
        keep_warm: span(notes, &fields.keep_warm).unwrap_or_else(|| presets::keep_warm(strategy)),
        keep_aborted: span(notes, &fields.keep_aborted).unwrap_or_default(),
        stuck_after: positive_span(notes, &fields.stuck_after)
            .unwrap_or_else(|| presets::stuck_after(bake_max)),
        slow_after: positive_span(notes, &fields.slow_after)
            .unwrap_or_else(|| presets::slow_after(baked)),
        crash_loop_restarts: count(notes, &fields.crash_loop_restarts, 1..=100)
            .unwrap_or(presets::CRASH_LOOP_RESTARTS),
        steps,
    };
    let history_limit =
        count(notes, &fields.history_limit, 1..=history_max).unwrap_or(presets::HISTORY_LIMIT);
    Some(Compiled {
        plan,
        history_limit,
    })
}

/// The checks of the release as a whole: the default ones, and over them the document's.
fn drafts(notes: &Notes, resolved: &Resolved<'_>, facts: &ServiceFacts<'_>) -> Vec<Draft> {
    let compares = !matches!(
        resolved.base.strategy(),
        Strategy::Rolling | Strategy::Recreate
    );
    let wanted = present(&resolved.fields.default_checks).is_none_or(|(_, wanted)| *wanted);
    let mut drafts = if compares && wanted {
        checks::defaults(facts.tcp)
    } else {
        Vec::new()
    };
    for layer in &resolved.checks {
        checks::overlay(notes, facts.sources, &mut drafts, layer);
    }
    drafts
}

/// `maxSurge` and `maxUnavailable` of a rolling step.
pub(crate) fn surge_and_unavailable(
    notes: &Notes,
    fields: &ReleaseFields,
    at: NodeId,
    replicas: u32,
) -> (u32, u32) {
    let surge = amount(notes, &fields.max_surge, replicas, Rounding::Up);
    let unavailable = amount(notes, &fields.max_unavailable, replicas, Rounding::Down);
    if let (Some(0), Some(0) | None) = (surge, unavailable)
        && fields
            .max_unavailable
            .as_ref()
            .is_none_or(|field| field.value.is_some())
    {
        let node = fields.max_surge.as_ref().map_or(at, |field| field.node);
        notes.error(
            node,
            "nothing-moves",
            "`maxSurge` and `maxUnavailable` are both 0, so no replica could ever be replaced",
            "let at least one of them be 1",
        );
    }
    let surge = surge.unwrap_or_else(|| presets::max_surge(replicas));
    (surge, unavailable.unwrap_or(0).min(replicas))
}

/// Fields that have no meaning with the strategy are mistakes, not decoration.
fn refuse_fields_of_others(notes: &Notes, fields: &ReleaseFields, strategy: Strategy) {
    fn node<T>(field: &Field<T>) -> Option<NodeId> {
        field.as_ref().map(|field| field.node)
    }
    use Strategy::{BlueGreen, Canary, Rolling, Shadow};
    let rules: [(&str, Option<NodeId>, &[Strategy]); 7] = [
        ("steps", node(&fields.steps), &[Canary, Shadow]),
        (
            "bake",
            node(&fields.bake),
            &[Canary, Shadow, BlueGreen, Rolling],
        ),
        ("smoke", node(&fields.smoke), &[BlueGreen]),
        ("autoPromote", node(&fields.auto_promote), &[BlueGreen]),
        ("mirror", node(&fields.mirror), &[Shadow]),
        ("maxSurge", node(&fields.max_surge), &[Rolling]),
        ("maxUnavailable", node(&fields.max_unavailable), &[Rolling]),
    ];
    for (name, node, allowed) in rules {
        let Some(node) = node else { continue };
        if !allowed.contains(&strategy) {
            let names: Vec<&str> = allowed.iter().map(|strategy| strategy.as_str()).collect();
            notes.error(
                node,
                "not-applicable",
                format!(
                    "`{name}` has no meaning with the strategy {}",
                    strategy.as_str()
                ),
                format!(
                    "remove it, or set `strategy` to {}",
                    crate::nearest::listed(&names)
                ),
            );
        }
    }
}
