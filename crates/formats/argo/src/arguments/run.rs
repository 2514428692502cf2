//! An AnalysisRun of templates.

use super::ArgumentError;
use super::templates::{merge_arguments, merge_templates, unique_dry_run, unique_retention};
use crate::api::{
    API_VERSION, AnalysisRun, AnalysisRunSpec, AnalysisTemplate, Argument, DryRun,
    MeasurementRetention, ObjectMeta,
};
use std::collections::BTreeMap;

/// What a run is made of, besides its templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunRequest<'a> {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Values for what the templates declare.
    pub arguments: &'a [Argument],
    /// Rules besides the templates' own.
    pub dry_run: &'a [DryRun],
    /// Rules besides the templates' own.
    pub measurement_retention: &'a [MeasurementRetention],
}

/// The run, without an owner: that is for who creates it.
///
/// # Errors
/// When the templates do not go together, an argument has no value, or a rule is there twice.
pub fn new_run(
    request: RunRequest<'_>,
    templates: &[&AnalysisTemplate],
) -> Result<AnalysisRun, ArgumentError> {
    let merged = merge_templates(templates)?;
    let args = merge_arguments(request.arguments, &merged.args)?;
    let dry_run = [request.dry_run, &merged.dry_run].concat();
    unique_dry_run(&dry_run)?;
    let measurement_retention =
        [request.measurement_retention, &merged.measurement_retention].concat();
    unique_retention(&measurement_retention)?;
    Ok(AnalysisRun {
        api_version: API_VERSION.to_owned(),
        kind: "AnalysisRun".to_owned(),
        metadata: ObjectMeta {
            name: request.name,
            namespace: request.namespace,
            labels: request.labels,
            annotations: request.annotations,
            ..ObjectMeta::default()
        },
        spec: AnalysisRunSpec {
            metrics: merged.metrics,
            args,
            dry_run,
            measurement_retention,
            ..AnalysisRunSpec::default()
        },
        ..AnalysisRun::default()
    })
}

/// Whether two runs measure the same: a run that is found under a wanted name is the wanted one.
#[must_use]
pub fn is_same_run(left: &AnalysisRunSpec, right: &AnalysisRunSpec) -> bool {
    left.metrics == right.metrics
        && left.dry_run == right.dry_run
        && left.measurement_retention == right.measurement_retention
        && left.args == right.args
}
