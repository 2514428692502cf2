//! Which steps can judge a check: those where users, or copies of their requests, reach the sides that it
//! looks at. Elsewhere a check would wait for data that never comes.

use super::checks::Draft;
use super::limits::is_relative;
use crate::notes::Notes;
use sluice_model::Weight;
use sluice_model::plan::{Check, Exposure, Limit, Metric};
use std::time::Duration;

/// What a step gives to judge.
#[derive(Clone, Copy)]
pub(crate) struct Evidence {
    /// The canary is asked by users, by weight or by match.
    traffic: bool,
    /// So is the stable side.
    baseline: bool,
    /// Users are shared among both sides by chance.
    shared: bool,
    /// Only copies reach the canary.
    copies_only: bool,
    /// Mirrored responses are compared.
    compared: bool,
}

impl Evidence {
    /// Of a step, for checks that the step itself has.
    pub(crate) fn of(exposure: &Exposure) -> Self {
        match exposure {
            Exposure::Split {
                weight,
                matches,
                mirror,
                preview,
                ..
            } => {
                let users = *weight > Weight::ZERO || !matches.is_empty() || *preview;
                let traffic = users || mirror.is_some();
                Self {
                    traffic,
                    baseline: traffic && *weight < Weight::FULL,
                    shared: *weight > Weight::ZERO && *weight < Weight::FULL,
                    copies_only: !users && mirror.is_some(),
                    compared: mirror.as_ref().is_some_and(|mirror| mirror.compare),
                }
            }
            // Both sides serve while replicas are replaced.
            Exposure::Rolling { .. } => Self {
                traffic: true,
                baseline: true,
                shared: true,
                copies_only: false,
                compared: false,
            },
            Exposure::Recreate => Self {
                traffic: true,
                baseline: false,
                shared: false,
                copies_only: false,
                compared: false,
            },
        }
    }

    /// Of a step, for checks of the release as a whole: only where traffic comes by weight or as copies;
    /// what matches, or who tries the preview, may never come.
    pub(crate) fn by_weight(exposure: &Exposure, bake: Duration) -> Self {
        let full = Self::of(exposure);
        let Exposure::Split { weight, mirror, .. } = exposure else {
            return full;
        };
        let shared = *weight > Weight::ZERO && *weight < Weight::FULL;
        let watched_switch = *weight == Weight::FULL && !bake.is_zero();
        Self {
            traffic: shared || watched_switch || mirror.is_some(),
            baseline: full.baseline && (shared || mirror.is_some()),
            ..full
        }
    }

    fn suffices(self, check: &Check) -> bool {
        match check.metric {
            Metric::MirrorDiffRatio => self.compared,
            _ if is_relative(&check.limit) => self.baseline,
            _ if matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)) => self.shared,
            _ => self.traffic,
        }
    }
}

/// The checks of the release that a step can judge; `used` notes which were.
pub(crate) fn attach(drafts: &[Draft], used: &mut [bool], evidence: Evidence) -> Vec<Check> {
    let mut checks = Vec::new();
    for (draft, used) in drafts.iter().zip(used) {
        if evidence.suffices(&draft.check) && (!draft.for_copies || evidence.copies_only) {
            *used = true;
            checks.push(draft.check.clone());
        }
    }
    checks
}

/// Adds a step's own checks: each must be one that the step can judge.
pub(crate) fn attach_own(
    notes: &Notes,
    checks: &mut Vec<Check>,
    own: Vec<Draft>,
    evidence: Evidence,
) {
    for Draft { check, node, .. } in own {
        if let Some(node) = node
            && !evidence.suffices(&check)
        {
            let (message, help) = if check.metric == Metric::MirrorDiffRatio {
                (
                    "nothing is mirrored and compared in this step",
                    "add `mirror` to the step",
                )
            } else if matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)) {
                (
                    "the two revisions do not share the users in this step",
                    "use `max` or `min`, or give the step a weight between 0 and 100",
                )
            } else if is_relative(&check.limit) {
                (
                    "the stable revision has no traffic in this step to compare with",
                    "use `max` or `min`",
                )
            } else {
                (
                    "the new revision has no traffic in this step",
                    "move the check to a later step",
                )
            };
            notes.error(
                node,
                "never-judged",
                format!("the check `{}` can never be judged: {message}", check.name),
                help,
            );
        }
        match checks.iter_mut().find(|known| known.name == check.name) {
            Some(known) => *known = check,
            None => checks.push(check),
        }
    }
}

/// Sets the window of the checks that have none of their own, and warns of windows that no step fills.
pub(crate) fn set_windows(notes: &Notes, drafts: &mut [Draft], bake_max: Duration) {
    for draft in drafts {
        if !draft.window_given {
            draft.check.window = bake_max.clamp(WINDOW_MIN, WINDOW_MAX);
        } else if let Some(node) = draft.node
            && draft.check.window > bake_max
            && !matches!(draft.check.limit, Limit::Trend(_))
            && !bake_max.is_zero()
        {
            notes.warning(
                node,
                "window-longer-than-bake",
                format!(
                    "the window of `{}` is longer than any bake of the release",
                    draft.check.name
                ),
                "a window never reaches back before its step began, nor do the datapoints of an alarm; shorten it, or bake longer",
            );
        }
    }
}

/// Shortest and longest default window.
const WINDOW_MIN: Duration = Duration::from_secs(60);
const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// Warns of the document's checks that no step of the release can judge.
pub(crate) fn warn_unused(notes: &Notes, drafts: &[Draft], used: &[bool]) {
    for (draft, used) in drafts.iter().zip(used) {
        if let (Some(node), false) = (draft.node, used) {
            notes.warning(
                node,
                "check-unused",
                format!("no step of this release can judge the check `{}`", draft.check.name),
                "a check needs a step with a bake and traffic; one relative to the stable revision needs both sides at work",
            );
        }
    }
}
