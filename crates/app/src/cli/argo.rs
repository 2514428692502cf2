//! Files with objects of Argo Rollouts, and the definitions of their kinds.

use super::document::{ServicePlan, invalid};
use super::failure::{Exit, Failure};
use super::output::Output;
use sluice_argo::crd::{Kind, crds};
use sluice_argo::document::{Object, parse};
use sluice_argo::translation::translate;
use sluice_model::diagnostic::Diagnostic;
use sluice_model::ids::ServiceName;
use sluice_model::time::format_span;
use sluice_native::outline;
use std::path::Path;

pub(super) use sluice_argo::document::is_argo;

/// What is wrong, or risky, with the objects of a file.
pub(super) fn judge(name: &str, text: &str) -> Vec<Diagnostic> {
    parse(name, text).diagnostics
}

/// The plans of a file's Rollouts.
pub(super) fn plans(file: &Path, text: &str) -> Result<Vec<ServicePlan>, Failure> {
    let parsed = parse(&file.display().to_string(), text);
    if parsed.has_errors() {
        return Err(invalid(file, parsed.diagnostics));
    }
    let mut plans = Vec::new();
    for object in &parsed.objects {
        let Object::Rollout(rollout) = object else {
            continue;
        };
        // A Rollout without errors has exactly one strategy.
        let Some(translated) = translate(rollout) else {
            continue;
        };
        let service = ServiceName::new(rollout.metadata.name.as_str())
            .map_err(|cause| Failure::new(Exit::Usage, "name", cause))?;
        let plan = translated.plan;
        let mut about = vec![format!(
            "promoted: the old pods stay for {}",
            format_span(plan.keep_warm)
        )];
        about.extend(translated.beyond.iter().map(ToString::to_string));
        plans.push(ServicePlan {
            service,
            strategy: plan.strategy.as_str(),
            replicas: plan.replicas,
            steps: outline(&plan, true),
            about,
        });
    }
    if plans.is_empty() {
        let message = format!("{} has no Rollout, and so no plan", file.display());
        return Err(Failure::new(Exit::Usage, "no-rollout", message));
    }
    Ok(plans)
}

/// The definitions of Argo's kinds: YAML for people and `kubectl`, a list as JSON.
pub(crate) fn definitions(output: Output) -> Result<Exit, Failure> {
    if output.is_json() {
        let all: Vec<_> = Kind::ALL.into_iter().map(Kind::definition).collect();
        output.json(&all)?;
    } else {
        output.text(crds().trim_end())?;
    }
    Ok(Exit::Done)
}
