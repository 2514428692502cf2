//! The steps of a plan: those of the preset, or those that `listed` reads from the document; and the
//! checks that each can judge.

use super::checks::{self, Draft};
use super::evidence::{self, Evidence};
use super::hooks::hooks;
use super::listed::listed_steps;
use super::presets::Base;
use super::queries;
use super::release::{ServiceFacts, surge_and_unavailable};
use super::words::{present, weight};
use crate::notes::{NodeId, Notes};
use crate::reading::Located;
use crate::shape::{Brief, Field, MirrorFields, PercentText, ReleaseFields, Text};
use sluice_model::outside::OutsideQuery;
use sluice_model::plan::{CanarySize, Exposure, Gate, OnTrouble, Step, Strategy};
use sluice_model::routes::Mirror;
use sluice_model::{CheckName, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the steps are made from.
pub(crate) struct StepContext<'a> {
    pub(crate) notes: &'a Notes,
    pub(crate) base_dir: &'a str,
    /// The release's place.
    pub(crate) at: NodeId,
    pub(crate) facts: &'a ServiceFacts<'a>,
    pub(crate) base: Base,
    pub(crate) fields: &'a ReleaseFields,
    /// The release's own `bake`.
    pub(crate) bake: Option<Duration>,
}

/// A step whose checks are still to come.
pub(crate) struct Bare<'a> {
    pub(crate) step: Step,
    pub(crate) own: Option<&'a Located<crate::shape::Checks>>,
}

/// Steps with their checks, and what these ask outside servers.
pub(crate) type Checked = (Vec<Step>, BTreeMap<CheckName, OutsideQuery>);

/// All steps, with the checks that each can judge, and what these ask outside servers. `None` when the plan makes no sense; that is noted.
pub(crate) fn steps(context: &StepContext<'_>, drafts: &mut [Draft]) -> Option<Checked> {
    let bare = match (&context.fields.steps, context.base.strategy()) {
        (Some(listed), Strategy::Canary | Strategy::Shadow) => listed_steps(context, listed)?,
        (_, Strategy::Canary) => canary(context),
        (_, Strategy::Shadow) => shadow(context),
        (_, Strategy::BlueGreen) => blue_green(context),
        (_, Strategy::Rolling) => vec![rolling(context)],
        (_, Strategy::Recreate) => vec![recreate()],
    };
    Some(with_checks(context, bare, drafts))
}

fn with_checks(context: &StepContext<'_>, bare: Vec<Bare<'_>>, drafts: &mut [Draft]) -> Checked {
    let notes = context.notes;
    let bake_max = bare
        .iter()
        .map(|bare| bare.step.bake)
        .max()
        .unwrap_or_default();
    evidence::set_windows(notes, drafts, bake_max);
    let mut asked = BTreeMap::new();
    queries::collect(notes, &mut asked, drafts);
    let mut used = vec![false; drafts.len()];
    let steps: Vec<Step> = bare
        .into_iter()
        .map(|Bare { mut step, own }| {
            let by_weight = Evidence::by_weight(&step.exposure, step.bake);
            step.checks = evidence::attach(drafts, &mut used, by_weight);
            if let Some(own) = own {
                if matches!(&own.value, Some(Brief::Word(Text(word))) if word == "none") {
                    step.checks.clear();
                }
                let mut further = Vec::new();
                checks::overlay(notes, context.facts.sources, &mut further, own);
                queries::collect(notes, &mut asked, &further);
                evidence::set_windows(notes, &mut further, step.bake);
                evidence::attach_own(
                    notes,
                    &mut step.checks,
                    further,
                    Evidence::of(&step.exposure),
                );
            }
            step
        })
        .collect();
    evidence::warn_unused(notes, drafts, &used);
    queries::keep_asked(&mut asked, &steps);
    (steps, asked)
}

/// A step that sends a share to the canary, and does nothing else.
pub(crate) fn split(
    name: impl Into<String>,
    weight: Weight,
    canary: CanarySize,
    bake: Duration,
) -> Step {
    Step {
        name: name.into(),
        exposure: Exposure::Split {
            weight,
            matches: Vec::new(),
            mirror: None,
            canary,
            preview: false,
        },
        bake,
        checks: Vec::new(),
        before: Vec::new(),
        after: Vec::new(),
        gate: None,
    }
}

fn canary<'a>(context: &StepContext<'_>) -> Vec<Bare<'a>> {
    let bake = context.bake.unwrap_or_else(|| context.base.bake());
    context
        .base
        .weights()
        .iter()
        .filter_map(|percent| Weight::from_percent(*percent).ok())
        .map(|weight| {
            let bake = if weight == Weight::FULL {
                Duration::ZERO
            } else {
                bake
            };
            Bare {
                step: split(weight.to_string(), weight, CanarySize::ByWeight, bake),
                own: None,
            }
        })
        .collect()
}

fn shadow<'a>(context: &StepContext<'_>) -> Vec<Bare<'a>> {
    let bake = context.bake.unwrap_or_else(|| context.base.bake());
    let mirror = mirror(context, &context.fields.mirror).unwrap_or(Mirror {
        share: Weight::FULL,
        unsafe_methods: false,
        compare: true,
    });
    let mut step = split("shadow", Weight::ZERO, CanarySize::Full, bake);
    if let Exposure::Split { mirror: place, .. } = &mut step.exposure {
        *place = Some(mirror);
    }
    refuse_on_tcp(context, context.at, "mirroring");
    let mut steps = vec![Bare { step, own: None }];
    steps.extend(canary(context));
    steps
}

fn blue_green<'a>(context: &StepContext<'_>) -> Vec<Bare<'a>> {
    let StepContext {
        notes,
        base_dir,
        fields,
        ..
    } = context;
    let mut preview = split("preview", Weight::ZERO, CanarySize::Full, Duration::ZERO);
    if let Exposure::Split { preview, .. } = &mut preview.exposure {
        *preview = true;
    }
    preview.after = hooks(notes, base_dir, &fields.smoke, OnTrouble::Abort);
    if present(&fields.auto_promote).is_some_and(|(_, automatic)| !automatic) {
        preview.gate = Some(Gate {
            name: "switch to the new revision".to_owned(),
            timeout: None,
            on_timeout: OnTrouble::Abort,
        });
    }
    let bake = context.bake.unwrap_or_else(|| context.base.bake());
    let switch = split("switch", Weight::FULL, CanarySize::Full, bake);
    vec![
        Bare {
            step: preview,
            own: None,
        },
        Bare {
            step: switch,
            own: None,
        },
    ]
}

fn rolling<'a>(context: &StepContext<'_>) -> Bare<'a> {
    let replicas = context.facts.replicas;
    let (max_surge, max_unavailable) =
        surge_and_unavailable(context.notes, context.fields, context.at, replicas);
    let step = Step {
        exposure: Exposure::Rolling {
            max_surge,
            max_unavailable,
        },
        ..split(
            "rolling",
            Weight::FULL,
            CanarySize::Full,
            context.bake.unwrap_or_default(),
        )
    };
    Bare { step, own: None }
}

fn recreate<'a>() -> Bare<'a> {
    let step = Step {
        exposure: Exposure::Recreate,
        ..split("recreate", Weight::FULL, CanarySize::Full, Duration::ZERO)
    };
    Bare { step, own: None }
}

/// How requests are copied; `None` when they are not.
pub(crate) fn mirror(
    context: &StepContext<'_>,
    field: &Field<Brief<PercentText, MirrorFields>>,
) -> Option<Mirror> {
    let notes = context.notes;
    let (node, shape) = present(field)?;
    let (share_at, share, unsafe_methods, compare) = match shape {
        Brief::Word(percent) => (node, Some(percent), false, true),
        Brief::Full(fields) => {
            let share = present(&fields.share);
            (
                share.map_or(node, |(at, _)| at),
                share.map(|(_, percent)| percent),
                present(&fields.unsafe_methods).is_some_and(|(_, wanted)| *wanted),
                present(&fields.compare).is_none_or(|(_, wanted)| *wanted),
            )
        }
    };
    let share = match share {
        Some(percent) => weight(notes, share_at, percent)?,
        None => Weight::FULL,
    };
    if share == Weight::ZERO {
        notes.error(
            share_at,
            "bad-weight",
            "a mirror of 0 % copies nothing",
            "write a share above 0, or remove `mirror`",
        );
        return None;
    }
    Some(Mirror {
        share,
        unsafe_methods,
        compare,
    })
}

/// TCP connections have no requests to look at.
pub(crate) fn refuse_on_tcp(context: &StepContext<'_>, node: NodeId, what: &str) {
    if context.facts.tcp {
        context.notes.error(
            node,
            "not-on-tcp",
            format!(
                "{what} is not possible with `protocol: tcp`, which has no requests to look at"
            ),
            "use `protocol: http` or `h2c`, or another release",
        );
    }
}
