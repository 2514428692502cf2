//! The hash by which a change of the steps is seen.

use crate::api::{
    CanaryStep, DryRun, DurationText, LabelSelector, PodTemplateMetadata, Rollout,
    RolloutExperimentAnalysis, RolloutExperimentStep, RolloutExperimentTemplate, TemplateService,
};
use crate::template::safe_fnv;
use serde::Serialize;

/// The hash of a canary's steps, as Argo's controller computes it; empty without a canary strategy.
///
/// Both controllers must agree on it, or taking over in the middle of a rollout starts its steps anew. It is
/// FNV-1a (32 bits) over the steps as Go's `encoding/json` writes them: fields in declared order, `<`, `>`, `&`
/// and the two line separators escaped, and embedded structs written even when they are empty.
#[must_use]
pub fn step_hash(rollout: &Rollout) -> String {
    let strategy = &rollout.spec.strategy;
    let (None, Some(canary)) = (&strategy.blue_green, &strategy.canary) else {
        return String::new();
    };
    let steps: Vec<Step<'_>> = canary.steps.iter().map(Step::of).collect();
    let text = if steps.is_empty() {
        "null".to_owned()
    } else {
        // Steps are made of texts, numbers and maps with text keys: they can always be written.
        serde_json::to_string(&steps).unwrap_or_default()
    };
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            _ => escaped.push(letter),
        }
    }
    safe_fnv(escaped.bytes())
}

/// A step as Go writes it: only experiments differ from our own form.
#[derive(Serialize)]
#[serde(untagged)]
enum Step<'a> {
    Experiment { experiment: Experiment<'a> },
    Other(&'a CanaryStep),
}

impl<'a> Step<'a> {
    fn of(step: &'a CanaryStep) -> Self {
        match &step.experiment {
            Some(experiment) => Step::Experiment {
                experiment: Experiment::of(experiment),
            },
            None => Step::Other(step),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Experiment<'a> {
    templates: Vec<Template<'a>>,
    #[serde(skip_serializing_if = "is_empty")]
    duration: &'a DurationText,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    analyses: &'a [RolloutExperimentAnalysis],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    dry_run: &'a [DryRun],
    analysis_run_metadata: &'a PodTemplateMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_down_delay_seconds: Option<i32>,
}

fn is_empty(duration: &DurationText) -> bool {
    duration.0.is_empty()
}

impl<'a> Experiment<'a> {
    fn of(step: &'a RolloutExperimentStep) -> Self {
        Experiment {
            templates: step.templates.iter().map(Template::of).collect(),
            duration: &step.duration,
            analyses: &step.analyses,
            dry_run: &step.dry_run,
            analysis_run_metadata: &step.analysis_run_metadata,
            scale_down_delay_seconds: step.scale_down_delay_seconds,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Template<'a> {
    name: &'a str,
    spec_ref: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<i32>,
    metadata: &'a PodTemplateMetadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<&'a LabelSelector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a TemplateService>,
}

impl<'a> Template<'a> {
    fn of(template: &'a RolloutExperimentTemplate) -> Self {
        Template {
            name: &template.name,
            spec_ref: &template.spec_ref,
            replicas: template.replicas,
            metadata: &template.metadata,
            selector: template.selector.as_ref(),
            weight: template.weight,
            service: template.service.as_ref(),
        }
    }
}
