//! What a course leaves out of a plan, in sentences for people; and with it, which checks it takes.

use crate::course::weight_of;
use sluice_model::plan::{Check, Exposure, Limit, Metric, Step};
use sluice_model::routes::Assignment;
use sluice_model::{Plan, Weight};
use std::collections::BTreeSet;

/// What is left out, in alphabetical order: each is said once.
#[derive(Default)]
pub(crate) struct Notes {
    said: BTreeSet<String>,
}

impl Notes {
    /// Whether the requests of this step can judge the check.
    pub(crate) fn takes(&mut self, step: &Step, check: &Check) -> bool {
        let weight = weight_of(step);
        if !matches!(step.exposure, Exposure::Split { .. }) || weight == Weight::ZERO {
            self.said.insert(format!(
                "`{}` in step `{}` is taken to pass: only requests by weight are simulated",
                check.name, step.name
            ));
            return false;
        }
        if check.limit.needs_baseline() && weight == Weight::FULL {
            return false; // The engine does not judge it there either.
        }
        let is_countable = match (check.metric, &check.limit) {
            (
                _,
                Limit::Alarm(_)
                | Limit::Trend(_)
                | Limit::Condition(_)
                | Limit::Score(_)
                | Limit::Goal(_),
            ) => false,
            (Metric::ErrorRatio | Metric::ClientErrorRatio | Metric::TimeoutRatio, _)
            | (Metric::Latency(_), Limit::NotWorse(_) | Limit::Max(_)) => true,
            (Metric::RequestRate, limit) => !matches!(limit, Limit::NotWorse(_)),
            _ => false,
        };
        if check.metric == Metric::Outside {
            self.said.insert(format!(
                "`{}` is taken to pass: no outside server is asked",
                check.name
            ));
        } else if !is_countable {
            self.said.insert(format!(
                "`{}` is taken to pass: its metric is not simulated with that limit",
                check.name
            ));
        }
        if is_countable && check.metric == Metric::TimeoutRatio {
            self.said.insert(format!(
                "`{}`: no request of either side times out",
                check.name
            ));
        }
        is_countable
    }

    pub(crate) fn of_plan(&mut self, plan: &Plan) {
        if plan.assignment != Assignment::PerRequest {
            self.said.insert(
                "users who stay on their side are compared as users, which needs more of them; here each request is a user of its own"
                    .to_owned(),
            );
        }
    }

    pub(crate) fn of_step(&mut self, step: &Step) {
        let name = &step.name;
        let mut say = |text: String| self.said.insert(text);
        if step.gate.is_some() {
            say("gates are answered at once".to_owned());
        }
        if !(step.before.is_empty() && step.after.is_empty()) {
            say("hooks take no time and succeed".to_owned());
        }
        match &step.exposure {
            Exposure::Split {
                matches, mirror, ..
            } => {
                if !matches.is_empty() {
                    say(format!(
                        "step `{name}`: requests that match are not simulated"
                    ));
                }
                if mirror.is_some() {
                    say(format!("step `{name}`: copies are not simulated"));
                }
            }
            Exposure::Rolling { .. } | Exposure::Recreate => {
                say(format!(
                    "step `{name}` replaces replicas in place: the new side has no traffic until all are replaced"
                ));
            }
        }
    }

    pub(crate) fn into_sentences(self) -> Vec<String> {
        self.said.into_iter().collect()
    }
}
