//! A canary's steps as a plan's: Argo's steps set one thing each and go on at once, a plan's step is an
//! exposure with its time. What Argo sets is gathered until it changes or somebody waits.

use super::matching::{header_matches, mirror};
use super::{Beyond, everything, promotion, step};
use crate::api::{CanaryStep, CanaryStrategy, SetCanaryScale};
use sluice_model::plan::{CanarySize, Exposure, Step};
use sluice_model::routes::{Mirror, RequestMatch};
use sluice_model::weight::Weight;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the steps have set so far.
#[derive(Clone, Default)]
struct Setting {
    weight: Weight,
    size: Option<CanarySize>,
    /// By the names of their routes.
    matches: BTreeMap<String, Vec<RequestMatch>>,
    mirrors: BTreeMap<String, Mirror>,
}

impl Setting {
    fn step(&self) -> Step {
        let exposure = Exposure::Split {
            weight: self.weight,
            matches: self.matches.values().flatten().cloned().collect(),
            mirror: self.mirrors.values().next().cloned(),
            canary: self.size.unwrap_or(CanarySize::ByWeight),
            preview: false,
        };
        step(format!("{} %", self.weight.percent()), exposure)
    }
}

pub(super) fn canary(canary: &CanaryStrategy, beyond: &mut Beyond) -> Vec<Step> {
    let path = "spec.strategy.canary";
    let background = canary.analysis.as_ref().map(|run| &run.analysis);
    beyond.analysis(background, &format!("{path}.analysis"));
    if canary.dynamic_stable_scale {
        beyond.note(
            "beyond-the-plan",
            format!("{path}.dynamicStableScale"),
            "in the plan the stable side keeps its full capacity",
            "expect fewer stable pods on a cluster, and a way back that has to start them",
        );
    }
    let mut setting = Setting::default();
    let mut steps: Vec<Step> = Vec::new();
    for (at, argo) in canary.steps.iter().enumerate() {
        let path = format!("{path}.steps[{at}]");
        let is_set = set(canary, argo, &mut setting, &path, beyond);
        if is_set || steps.is_empty() {
            push(&mut steps, setting.step());
        }
        if let Some(pause) = &argo.pause {
            match pause.seconds() {
                Ok(Some(seconds)) => bake(&mut steps, seconds),
                Ok(None) => gate(&mut steps),
                // `validate` says so.
                Err(_) => {}
            }
        }
        unsaid(argo, &path, beyond);
    }
    let last = steps.last();
    let is_everything = last.is_some_and(
        |step| matches!(&step.exposure, Exposure::Split { weight, .. } if *weight == Weight::FULL),
    );
    if !is_everything {
        steps.push(everything("promote"));
    }
    steps
}

/// A step that nobody waited in is replaced: users would see it for no time. Its capacity and traffic
/// come with the next one.
fn push(steps: &mut Vec<Step>, next: Step) {
    if steps.last().is_some_and(|last| {
        last.bake.is_zero() && last.gate.is_none() && is_only_scaled(last, &next)
    }) {
        steps.pop();
    }
    steps.push(next);
}

/// Whether both differ in the canary's size and routes only, and not in its weight.
fn is_only_scaled(last: &Step, next: &Step) -> bool {
    match (&last.exposure, &next.exposure) {
        (Exposure::Split { weight: last, .. }, Exposure::Split { weight: next, .. }) => {
            last == next
        }
        _ => false,
    }
}

fn bake(steps: &mut Vec<Step>, seconds: i32) {
    let span = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if let Some(last) = steps.last_mut() {
        if last.gate.is_none() {
            last.bake += span;
            return;
        }
        // After an approval the time begins anew.
        let mut next = step(last.name.clone(), last.exposure.clone());
        next.bake = span;
        steps.push(next);
    }
}

fn gate(steps: &mut Vec<Step>) {
    if let Some(last) = steps.last_mut() {
        if last.gate.is_none() {
            last.gate = Some(promotion());
            return;
        }
        let mut next = step(last.name.clone(), last.exposure.clone());
        next.gate = Some(promotion());
        steps.push(next);
    }
}

/// Takes over what a step sets; whether it set anything.
fn set(
    canary: &CanaryStrategy,
    step: &CanaryStep,
    setting: &mut Setting,
    path: &str,
    beyond: &mut Beyond,
) -> bool {
    let mut is_set = false;
    if let Some(weight) = step.set_weight {
        let whole = canary.max_traffic_weight().max(1);
        let percent = f64::from(weight.clamp(0, whole)) * 100.0 / f64::from(whole);
        setting.weight = Weight::from_percent(percent).unwrap_or(Weight::FULL);
        is_set = true;
    }
    if let Some(scale) = &step.set_canary_scale {
        setting.size = size(canary, scale, path, beyond);
        is_set = true;
    }
    if let Some(route) = &step.set_header_route {
        let matches = header_matches(route, path, beyond);
        setting.matches.insert(route.name.clone(), matches);
        is_set = true;
    }
    if let Some(route) = &step.set_mirror_route {
        setting.mirrors.remove(&route.name);
        if !route.matches.is_empty() {
            setting
                .mirrors
                .insert(route.name.clone(), mirror(route, path, beyond));
        }
        if setting.mirrors.len() > 1 {
            beyond.note(
                "beyond-the-plan",
                format!("{path}.setMirrorRoute"),
                "a plan copies requests once, and several routes copy them",
                "the first by name is in the plan",
            );
        }
        is_set = true;
    }
    is_set
}

fn size(
    canary: &CanaryStrategy,
    scale: &SetCanaryScale,
    path: &str,
    beyond: &mut Beyond,
) -> Option<CanarySize> {
    if scale.match_traffic_weight {
        return None;
    }
    if let Some(replicas) = scale.replicas {
        return Some(CanarySize::Count(u32::try_from(replicas).unwrap_or(0)));
    }
    let weight = scale.weight?;
    if weight >= canary.max_traffic_weight() {
        return Some(CanarySize::Full);
    }
    beyond.note(
        "beyond-the-plan",
        format!("{path}.setCanaryScale.weight"),
        format!("a share of the pods apart from the traffic ({weight} %) is not in the plan"),
        "the plan has as many pods as the traffic needs; write replicas to see the number",
    );
    None
}

fn unsaid(step: &CanaryStep, path: &str, beyond: &mut Beyond) {
    beyond.analysis(step.analysis.as_ref(), &format!("{path}.analysis"));
    if let Some(experiment) = &step.experiment {
        let names: Vec<&str> = experiment
            .templates
            .iter()
            .map(|template| template.name.as_str())
            .collect();
        beyond.note(
            "beyond-the-plan",
            format!("{path}.experiment"),
            format!(
                "the experiment with {} is not in the plan",
                names.join(", ")
            ),
            "expect the rollout to wait for it on a cluster, and to go back when it fails",
        );
    }
    if let Some(plugin) = &step.plugin {
        beyond.note(
            "beyond-the-plan",
            format!("{path}.plugin"),
            format!(
                "the plugin `{}` is Argo's own and cannot be run",
                plugin.name
            ),
            "use a hook or an analysis instead",
        );
    }
}
