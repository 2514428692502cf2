//! A turn told in a few lines, for people who look for the cause of a failure.

use crate::site::Site;
use sluice_control::{Cell, Outcome};
use std::fmt::Write as _;

/// One turn, told.
pub(crate) fn describe(site: &Site, cell: &Cell, outcome: &Outcome) -> String {
    let mut line = site.store.status.service.to_string();
    let Some(decision) = &outcome.decision else {
        return format!("{line}: nothing to decide about {:?}", outcome.store_error);
    };
    if let Some(rollout) = &cell.status().rollout {
        let held = if rollout.pause.is_some() { " held" } else { "" };
        let _infallible = write!(line, " r{} {:?}{held}", rollout.target, rollout.state);
    }
    let weights: Vec<String> = decision
        .desired
        .routes
        .weights
        .iter()
        .map(|(revision, weight)| format!("{revision}={weight}"))
        .collect();
    let _infallible = write!(
        line,
        " | {} | {:?}",
        weights.join(" "),
        decision.desired.replicas
    );
    for (revision, counts) in &outcome.observation.replicas {
        let _infallible = write!(
            line,
            " r{revision}:{}/{}/{}-{}",
            counts.running, counts.ready, counts.available, counts.stopping
        );
    }
    if !outcome.observation.settled {
        line.push_str(" unsettled");
    }
    for entry in &decision.report.entries {
        let _infallible = write!(line, "\n              {:?}: {}", entry.rule, entry.message);
    }
    if let Some(waiting) = &decision.report.waiting {
        let _infallible = write!(line, "\n              waiting: {waiting}");
    }
    if let Some(error) = &outcome.store_error {
        let _infallible = write!(
            line,
            "\n              store: {error}, retreat {}",
            decision.retreat
        );
    }
    if site.crashed {
        let _infallible = write!(line, "\n              killed {:?}", site.crash_at);
    }
    line
}
