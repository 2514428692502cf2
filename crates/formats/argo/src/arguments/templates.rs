//! Gathers templates by reference, and merges them into one.

use super::ArgumentError;
use crate::api::{
    AnalysisTemplate, AnalysisTemplateRef, AnalysisTemplateSpec, Argument, DryRun,
    MeasurementRetention,
};
use std::collections::BTreeSet;

/// Where templates are found by name.
pub trait TemplateSource {
    /// A template of the run's namespace.
    fn template(&self, name: &str) -> Option<&AnalysisTemplate>;
    /// A template of the whole cluster.
    fn cluster_template(&self, name: &str) -> Option<&AnalysisTemplate>;
}

/// Templates that were looked up: those of the cluster have no namespace.
impl TemplateSource for Vec<AnalysisTemplate> {
    fn template(&self, name: &str) -> Option<&AnalysisTemplate> {
        let mut all = self.iter();
        all.find(|one| one.metadata.name == name && !one.metadata.namespace.is_empty())
    }

    fn cluster_template(&self, name: &str) -> Option<&AnalysisTemplate> {
        let mut all = self.iter();
        all.find(|one| one.metadata.name == name && one.metadata.namespace.is_empty())
    }
}

/// The templates that references name, and those that these name, however deep; each once, though they name
/// each other. Those of the namespace come first.
///
/// # Errors
/// When one is not there.
pub fn gather<'a>(
    references: &[AnalysisTemplateRef],
    source: &'a dyn TemplateSource,
) -> Result<Vec<&'a AnalysisTemplate>, ArgumentError> {
    let mut seen = BTreeSet::new();
    let (mut own, mut of_cluster) = (Vec::new(), Vec::new());
    let mut pending: Vec<AnalysisTemplateRef> = references.iter().rev().cloned().collect();
    while let Some(reference) = pending.pop() {
        let is_of_cluster = reference.cluster_scope == Some(true);
        let name = reference.template_name;
        if !seen.insert((is_of_cluster, name.clone())) {
            continue;
        }
        let (kind, found) = if is_of_cluster {
            ("ClusterAnalysisTemplate", source.cluster_template(&name))
        } else {
            ("AnalysisTemplate", source.template(&name))
        };
        let found = found.ok_or_else(|| ArgumentError(format!("{kind} '{name}' not found")))?;
        pending.extend(found.spec.templates.iter().rev().cloned());
        if is_of_cluster {
            of_cluster.push(found);
        } else {
            own.push(found);
        }
    }
    own.extend(of_cluster);
    Ok(own)
}

/// One template of several: all metrics, arguments and rules.
///
/// # Errors
/// When two metrics or two rules have the same name, or an argument has two values.
pub fn merge_templates(
    templates: &[&AnalysisTemplate],
) -> Result<AnalysisTemplateSpec, ArgumentError> {
    let mut merged = AnalysisTemplateSpec::default();
    let mut names = BTreeSet::new();
    for template in templates {
        for metric in &template.spec.metrics {
            if !names.insert(metric.name.as_str()) {
                return Err(ArgumentError(format!(
                    "two metrics have the same name '{}'",
                    metric.name
                )));
            }
            merged.metrics.push(metric.clone());
        }
        for argument in &template.spec.args {
            declare(&mut merged.args, argument)?;
        }
        merged.dry_run.extend(template.spec.dry_run.iter().cloned());
        let retention = template.spec.measurement_retention.iter().cloned();
        merged.measurement_retention.extend(retention);
    }
    unique_dry_run(&merged.dry_run)?;
    unique_retention(&merged.measurement_retention)?;
    Ok(merged)
}

/// Adds an argument of a template; one that is declared already takes the value where it has none.
fn declare(declared: &mut Vec<Argument>, argument: &Argument) -> Result<(), ArgumentError> {
    let before = declared
        .iter_mut()
        .find(|before| before.name == argument.name);
    let Some(before) = before else {
        declared.push(argument.clone());
        return Ok(());
    };
    match (&before.value, &argument.value) {
        (Some(one), Some(other)) if one != other => Err(ArgumentError(format!(
            "Argument `{}` specified multiple times with different values: '{one}', '{other}'",
            argument.name
        ))),
        (None, _) => {
            *before = argument.clone();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The arguments that a template declares, with the values that are given for them. Values for what it does
/// not declare are dropped.
///
/// # Errors
/// When a declared argument has no value.
pub fn merge_arguments(
    given: &[Argument],
    declared: &[Argument],
) -> Result<Vec<Argument>, ArgumentError> {
    let mut merged = declared.to_vec();
    for argument in given {
        let Some(own) = merged.iter_mut().find(|own| own.name == argument.name) else {
            continue;
        };
        if argument.value.is_some() {
            own.value.clone_from(&argument.value);
        } else if argument.value_from.is_some() {
            own.value_from.clone_from(&argument.value_from);
        }
    }
    let unresolved = merged
        .iter()
        .find(|argument| argument.value.is_none() && argument.value_from.is_none());
    match unresolved {
        Some(argument) => Err(ArgumentError(format!(
            "args.{} was not resolved",
            argument.name
        ))),
        None => Ok(merged),
    }
}

/// Refuses two dry-run rules of one name.
pub(super) fn unique_dry_run(rules: &[DryRun]) -> Result<(), ArgumentError> {
    let names = rules.iter().map(|rule| rule.metric_name.as_str());
    unique("Dry-Run", names)
}

/// Refuses two retention rules of one name.
pub(super) fn unique_retention(rules: &[MeasurementRetention]) -> Result<(), ArgumentError> {
    let names = rules.iter().map(|rule| rule.metric_name.as_str());
    unique("Measurement Retention", names)
}

fn unique<'r>(what: &str, names: impl Iterator<Item = &'r str>) -> Result<(), ArgumentError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ArgumentError(format!(
                "two {what} metric rules have the same name '{name}'"
            )));
        }
    }
    Ok(())
}
