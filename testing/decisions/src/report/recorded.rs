//! Recorded releases: which there are, and how each rule judged them.

use super::{Results, words};
use crate::cases::BASELINE_ERRORS;
use crate::compare::Outcome;
use crate::recorded::Recording;
use crate::rules::SHIPPED_DESCRIPTION;
use serde::Serialize;

/// A release of the demo's service that is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Release {
    /// The service's name, and the recording's.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Share of the canary's requests that fail.
    pub fail_ratio: f64,
}

/// The canary's share of the requests, in percent.
pub const WEIGHT_PERCENT: f64 = 5.0;

/// The releases that are recorded.
pub const RELEASES: [Release; 3] = [
    Release {
        name: "as-good",
        title: "as good",
        fail_ratio: BASELINE_ERRORS,
    },
    Release {
        name: "one-percent",
        title: "1 % errors",
        fail_ratio: 0.01,
    },
    Release {
        name: "five-percent",
        title: "5 % errors",
        fail_ratio: 0.05,
    },
];

impl Release {
    /// The name of its recording's file.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.jsonl", self.name)
    }
}

/// A recording, judged by all rules.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// What was released, for people.
    pub title: &'static str,
    /// Requests of the lead-in.
    pub lead_in: usize,
    /// The stable side's frozen median, in microseconds.
    pub p50_us: u64,
    /// The stable side's frozen 99th percentile, in microseconds.
    pub p99_us: u64,
    /// How long the release was recorded, in microseconds.
    pub length_us: u64,
    /// Its requests, of both sides.
    pub requests: u64,
    /// How each rule judged it, in the order of the rules.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

impl Recorded {
    /// A recording with its outcomes, in the order of the rules.
    #[must_use]
    pub fn new(release: &Release, recording: &Recording, outcomes: Vec<Outcome>) -> Self {
        Self {
            title: release.title,
            lead_in: recording.lead_in,
            p50_us: recording.p50_us,
            p99_us: recording.p99_us,
            length_us: recording.ticks.last().map_or(0, |tick| tick.end_us),
            requests: recording.ticks.iter().map(|tick| tick.requests()).sum(),
            outcomes,
        }
    }
}

/// The section, or nothing when nothing was recorded.
pub(super) fn section(results: &Results) -> String {
    let Some(first) = results.recorded.first() else {
        return String::new();
    };
    let mut text = format!(
        "\n## Recorded requests\n\n\
         Real releases: the demo's service as real processes behind Sluice's proxy, {WEIGHT_PERCENT} % of the requests to the new revision \
         for {}, {} % of the old one's requests fail. Users at random times noted each request (`record-releases`); all rules judge the \
         same requests, Sluice by the comparisons that ship: {SHIPPED_DESCRIPTION}. Time from the new revision's weight to the rollback, its requests until then, and of these failed:\n\n",
        words::time(first.length_us),
        BASELINE_ERRORS * 100.0,
    );
    let titles: Vec<&str> = results.rules.iter().map(|rule| rule.title()).collect();
    text.push_str(&format!(
        "| release | requests/s | p50, p99 | {} |\n|---|---:|---|{}\n",
        titles.join(" | "),
        "---|".repeat(titles.len())
    ));
    for recorded in &results.recorded {
        let per_second = recorded.requests as f64 * 1e6 / recorded.length_us.max(1) as f64;
        text.push_str(&format!(
            "| {} | {per_second:.0} | {:.1} ms, {:.1} ms |",
            recorded.title,
            recorded.p50_us as f64 / 1_000.0,
            recorded.p99_us as f64 / 1_000.0
        ));
        for outcome in &recorded.outcomes {
            let canary = outcome.canary;
            let end = match outcome.decision {
                Some(decision) => format!("{} ({decision})", words::time(outcome.at_us)),
                None => "never".to_owned(),
            };
            text.push_str(&format!(
                " {end}, {}, {} |",
                words::count(canary.requests),
                words::count(canary.errors)
            ));
        }
        text.push('\n');
    }
    text
}
