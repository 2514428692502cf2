//! What makes no sense in an Experiment.

use super::templates::progress_deadline_seconds;
use crate::api::{Experiment, LabelSelector};
use crate::template::template_hash;
use std::collections::BTreeSet;

/// The first thing that is wrong; nothing is started or ended while there is one.
pub(super) fn problem(experiment: &Experiment) -> Option<String> {
    let spec = &experiment.spec;
    if !spec.duration.0.is_empty()
        && let Err(cause) = spec.duration.nanoseconds()
    {
        return Some(format!("spec.duration: {cause}"));
    }
    let deadline = progress_deadline_seconds(experiment);
    let mut names = BTreeSet::new();
    let templates = spec.templates.iter().enumerate();
    templates
        .filter_map(|(at, template)| {
            let cause = match &template.selector {
                None => "selector is missing".to_owned(),
                Some(selector) if is_everything(selector) => {
                    "an empty selector means all pods; name labels of its template".to_owned()
                }
                Some(_) if template.min_ready_seconds > deadline => format!(
                    "minReadySeconds ({}) is longer than progressDeadlineSeconds ({deadline})",
                    template.min_ready_seconds
                ),
                Some(_) if template.name.is_empty() => "the name is empty".to_owned(),
                Some(_) if !names.insert(template.name.as_str()) => {
                    format!("another template is called '{}' too", template.name)
                }
                Some(_) => {
                    let misfit = template_hash(&template.template, None).err()?;
                    return Some(format!(
                        "spec.templates[{at}].template.{}: {misfit}; write {}",
                        misfit.path, misfit.wanted
                    ));
                }
            };
            Some(format!("spec.templates[{at}]: {cause}"))
        })
        .next()
}

fn is_everything(selector: &LabelSelector) -> bool {
    selector.is_unconditional()
}
