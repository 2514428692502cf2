//! From templates to a run: which metrics, with which arguments, and what stands for `{{args.name}}`.
//!
//! `templates` gathers the templates that are named, nested ones included, and merges them; `run` makes an
//! AnalysisRun of them. `rollout` gives the values of a Rollout's own arguments. `placeholder` puts values
//! into texts, `metric` into a metric; `secret` has the values that only the run's measurements may see.
//! `rules` says which metrics are dry and how many measurements each keeps.

mod metric;
mod placeholder;
mod rollout;
mod rules;
mod run;
mod secret;
mod templates;

use std::fmt;

pub use metric::{Resolution, resolve_metrics};
pub use placeholder::fill;
pub use rollout::rollout_arguments;
pub use rules::{dry_run_metrics, retained_measurements};
pub use run::{RunRequest, is_same_run, new_run};
pub use secret::{Secrets, secret_references};
pub use templates::{TemplateSource, gather, merge_arguments, merge_templates};

/// Why a run cannot be made or measured: a sentence with the place and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentError(pub String);

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ArgumentError {}
