//! What a plan would do, step by step, without doing it.

use crate::traffic::replicas_needed;
use serde::Serialize;
use sluice_model::Weight;
use sluice_model::millis;
use sluice_model::plan::{Exposure, Plan};
use std::time::Duration;

/// One step as it would happen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutlineStep {
    /// From 1.
    pub step: u32,
    /// Its name.
    pub name: String,
    /// Share of the traffic to the new revision; it grows to 100 % within a step that replaces replicas in place.
    pub weight: Weight,
    /// Replicas of the new revision.
    pub canary_replicas: u32,
    /// Replicas of the stable revision that stay.
    pub stable_replicas: u32,
    /// Earliest beginning, counted from the start of the rollout; starting replicas and hooks come on top.
    #[serde(with = "millis")]
    pub at_earliest: Duration,
    /// Shortest time at this exposure.
    #[serde(with = "millis")]
    pub bake: Duration,
    /// Names of the checks that must pass.
    pub checks: Vec<String>,
    /// Names of the hooks before the traffic.
    pub before: Vec<String>,
    /// Names of the hooks after the bake.
    pub after: Vec<String>,
    /// Name of the gate.
    pub gate: Option<String>,
}

/// The steps of a plan in order.
#[must_use]
pub fn outline(plan: &Plan) -> Vec<OutlineStep> {
    let mut at_earliest = Duration::ZERO;
    let names =
        |hooks: &[sluice_model::plan::Hook]| hooks.iter().map(|hook| hook.name.clone()).collect();
    plan.steps
        .iter()
        .zip(1..)
        .map(|(step, number)| {
            let (weight, stable_replicas) = match &step.exposure {
                Exposure::Split { weight, .. } => (*weight, plan.replicas),
                Exposure::Rolling { .. } | Exposure::Recreate => (Weight::FULL, 0),
            };
            let outlined = OutlineStep {
                step: number,
                name: step.name.clone(),
                weight,
                canary_replicas: replicas_needed(plan, &step.exposure),
                stable_replicas,
                at_earliest,
                bake: step.bake,
                checks: plan
                    .checks
                    .iter()
                    .chain(&step.checks)
                    .map(|check| check.name.to_string())
                    .collect(),
                before: names(&step.before),
                after: names(&step.after),
                gate: step.gate.as_ref().map(|gate| gate.name.clone()),
            };
            at_earliest += step.bake;
            outlined
        })
        .collect()
}
