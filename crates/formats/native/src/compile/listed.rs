//! The steps as a document lists them.

use super::hooks::{gate, hooks};
use super::matches;
use super::steps::{Bare, StepContext, mirror, refuse_on_tcp, split};
use super::words::{check_label, label, present, span, weight};
use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{Brief, Field, PercentText, StepFields, Text};
use sluice_model::Weight;
use sluice_model::plan::{CanarySize, Exposure, OnTrouble, Step, Strategy};
use std::time::Duration;

/// Most steps of a plan.
const STEPS_MAX: usize = 100;
/// Most replicas that a step may ask for.
const REPLICAS_MAX: u32 = 1_000;

type ListedStep = Located<Brief<PercentText, StepFields>>;

/// The steps as the document lists them.
pub(crate) fn listed_steps<'a>(
    context: &StepContext<'_>,
    listed: &'a Located<Vec<ListedStep>>,
) -> Option<Vec<Bare<'a>>> {
    let notes = context.notes;
    let items = listed.value.as_ref()?;
    if items.is_empty() {
        notes.error(
            listed.node,
            "empty-plan",
            "the plan has no steps",
            "add steps, as in `steps: [5, 25, 50, 100]`, or remove `steps`",
        );
        return None;
    }
    if items.len() > STEPS_MAX {
        notes.error(
            listed.node,
            "too-many-steps",
            format!(
                "the plan has {} steps; the limit is {STEPS_MAX}",
                items.len()
            ),
            "use fewer steps",
        );
        return None;
    }
    let mut steps = Vec::new();
    let mut highest = Weight::ZERO;
    let mut complete = true;
    // Who was let in stays in: a match is in force until a later step gives its own.
    let mut matched = Vec::new();
    for item in items {
        let read = item
            .value
            .as_ref()
            .and_then(|shape| listed_step(context, item.node, shape, highest));
        let Some((mut bare, reached, at)) = read else {
            complete = false;
            continue;
        };
        if let Exposure::Split {
            matches, weight, ..
        } = &mut bare.step.exposure
        {
            if !matches.is_empty() {
                matched.clone_from(matches);
            } else if *weight < Weight::FULL {
                matches.clone_from(&matched);
            }
        }
        if reached < highest {
            notes.error(
                at,
                "weight-backwards",
                format!("the weight goes back from {highest} to {reached}"),
                "write the steps with growing weights; an abort goes back by itself",
            );
            complete = false;
        }
        highest = highest.max(reached);
        steps.push(bare);
    }
    if complete && highest < Weight::FULL {
        let node = items.last().map_or(listed.node, |item| item.node);
        notes.error(
            node,
            "incomplete-plan",
            format!("the last step ends at {highest}"),
            "add a last step with weight 100",
        );
        complete = false;
    }
    let mirrors = |bare: &Bare<'_>| {
        matches!(
            &bare.step.exposure,
            Exposure::Split {
                mirror: Some(_),
                ..
            }
        )
    };
    if complete && context.base.strategy() == Strategy::Shadow && !steps.iter().any(mirrors) {
        notes.error(
            listed.node,
            "no-mirror",
            "no step of this shadow release mirrors requests",
            "add `mirror: 100` to the first step, or use the strategy canary",
        );
        complete = false;
    }
    complete.then_some(steps)
}

/// One listed step with its weight, and where that is written.
fn listed_step<'a>(
    context: &StepContext<'_>,
    node: NodeId,
    shape: &'a Brief<PercentText, StepFields>,
    before: Weight,
) -> Option<(Bare<'a>, Weight, NodeId)> {
    let notes = context.notes;
    let bake_of = |weight| match context.bake {
        _ if weight == Weight::FULL => Duration::ZERO,
        Some(bake) => bake,
        None => context.base.bake(),
    };
    let fields = match shape {
        Brief::Word(percent) => {
            let weight = weight(notes, node, percent)?;
            let step = split(
                weight.to_string(),
                weight,
                CanarySize::ByWeight,
                bake_of(weight),
            );
            return Some((Bare { step, own: None }, weight, node));
        }
        Brief::Full(fields) => fields,
    };
    // Everything is read before anything is given up, so that every mistake is told.
    let base_dir = context.base_dir;
    let matches = matches::matches(context, &fields.r#match);
    let mirror_node = fields.mirror.as_ref().map(|field| field.node);
    let mirror = mirror(context, &fields.mirror);
    if let Some(node) = mirror_node {
        refuse_on_tcp(context, node, "mirroring");
    }
    let preview = present(&fields.preview).is_some_and(|(_, preview)| *preview);
    let bake = span(notes, &fields.bake);
    let canary = replicas(notes, &fields.replicas);
    let before_hooks = hooks(notes, base_dir, &fields.before, OnTrouble::Abort);
    let after_hooks = hooks(notes, base_dir, &fields.after, OnTrouble::Abort);
    let gate = gate(notes, &fields.gate);
    let name = label(notes, &fields.name);
    let special = fields.r#match.is_some() || fields.mirror.is_some() || preview;
    let (weight, at) = match &fields.weight {
        Some(field) => (
            weight(notes, field.node, field.value.as_ref()?)?,
            field.node,
        ),
        None if special => (before, node),
        None => {
            notes.error(
                node,
                "missing-field",
                "the step has no weight",
                "add `weight`, as in `weight: 5`",
            );
            return None;
        }
    };
    let name = name.unwrap_or_else(|| match () {
        () if fields.weight.is_some() && weight > Weight::ZERO => weight.to_string(),
        () if mirror.is_some() => "shadow".to_owned(),
        () if !matches.is_empty() => "match".to_owned(),
        () if preview => "preview".to_owned(),
        () => weight.to_string(),
    });
    let step = Step {
        name,
        exposure: Exposure::Split {
            weight,
            matches,
            mirror,
            canary,
            preview,
        },
        bake: bake.unwrap_or_else(|| bake_of(weight)),
        checks: Vec::new(),
        before: before_hooks,
        after: after_hooks,
        gate,
    };
    Some((
        Bare {
            step,
            own: fields.checks.as_ref(),
        },
        weight,
        at,
    ))
}

fn replicas(notes: &Notes, field: &Field<Text>) -> CanarySize {
    let Some((node, Text(text))) = present(field) else {
        return CanarySize::ByWeight;
    };
    if text == "full" {
        return CanarySize::Full;
    }
    match text.parse() {
        Ok(count) if (1..=REPLICAS_MAX).contains(&count) => CanarySize::Count(count),
        _ => {
            if check_label(notes, node, text) {
                notes.error(
                    node,
                    "bad-amount",
                    format!("`{}` is not a number of replicas", clip(text)),
                    format!("write a number from 1 to {REPLICAS_MAX}, or `full`"),
                );
            }
            CanarySize::ByWeight
        }
    }
}
