//! AnalysisRuns as objects.

use serde_json::json;
use sluice_argo::api::{API_VERSION, AnalysisRun, ObjectMeta};
use sluice_argo::rollout::{RunRequest, World, resolve_arguments};
use std::collections::BTreeMap;

/// The AnalysisRun that a Rollout asks for.
///
/// # Errors
/// A sentence that names the template or the argument that is missing.
pub(crate) fn object(world: &World, request: RunRequest) -> Result<AnalysisRun, String> {
    let rollout = &world.rollout;
    let arguments = resolve_arguments(
        rollout,
        &request.stable_hash,
        &request.latest_hash,
        &request.analysis.args,
    )?;
    let mut run = AnalysisRun {
        api_version: API_VERSION.to_owned(),
        kind: "AnalysisRun".to_owned(),
        metadata: ObjectMeta {
            name: request.name,
            namespace: rollout.metadata.namespace.clone(),
            labels: request.labels,
            annotations: request.annotations,
            rest: BTreeMap::from([(
                "ownerReferences".to_owned(),
                json!([sluice_argo::rollout::owner_reference(rollout)]),
            )]),
            ..ObjectMeta::default()
        },
        ..AnalysisRun::default()
    };
    run.spec.args = arguments;
    for reference in &request.analysis.templates {
        let of_cluster = reference.cluster_scope == Some(true);
        let template = world.templates.iter().find(|template| {
            let is_of_cluster = template.metadata.namespace.is_empty();
            template.metadata.name == reference.template_name && is_of_cluster == of_cluster
        });
        let Some(template) = template else {
            let kind = if of_cluster {
                "ClusterAnalysisTemplate"
            } else {
                "AnalysisTemplate"
            };
            return Err(format!(
                "the {kind} `{}` was not found; create it, or name another one",
                reference.template_name
            ));
        };
        run.spec.metrics.extend(template.spec.metrics.clone());
    }
    run.spec.dry_run = request.analysis.dry_run;
    run.spec.measurement_retention = request.analysis.measurement_retention;
    Ok(run)
}
