//! What is simulated: kinds of bad releases, amounts of traffic, weights.

use crate::compare::Horizon;
use crate::stream::Traffic;
use crate::tick::MINUTE_US;
use serde::Serialize;

/// Share of the stable side's requests that fail.
pub const BASELINE_ERRORS: f64 = 0.001;
/// Requests per second, both sides together.
pub const RATES: [u32; 4] = [20, 100, 1_000, 10_000];
/// The canary's share of the traffic, in percent.
pub const WEIGHTS: [u32; 3] = [1, 5, 25];
/// How long a bad release is watched.
pub const WATCHED_US: u64 = 60 * MINUTE_US;
/// How many requests a release that is no worse is watched for.
pub const WATCHED_REQUESTS: u64 = 2_000_000;

/// What is wrong with a canary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Nothing: it is the same as the stable side.
    None,
    /// This share of its requests fails.
    Errors(f64),
    /// All of its latencies are multiplied by this, the 99th percentile with them.
    Latency(f64),
}

impl Fault {
    /// The faults of the tables.
    pub const ALL: [Self; 8] = [
        Self::Errors(0.002),
        Self::Errors(0.003),
        Self::Errors(0.01),
        Self::Errors(0.05),
        Self::Errors(0.5),
        Self::Latency(1.2),
        Self::Latency(1.5),
        Self::Latency(2.0),
    ];

    /// What it is called in a heading.
    #[must_use]
    pub fn title(self) -> String {
        match self {
            Self::None => "no fault".to_owned(),
            Self::Errors(share) => format!("{} % errors", share * 100.0),
            Self::Latency(factor) => format!("p99 × {factor}"),
        }
    }

    /// The traffic with this fault.
    #[must_use]
    pub fn traffic(self, per_second: u32, weight_percent: u32) -> Traffic {
        let (canary_errors, latency_factor) = match self {
            Self::None => (BASELINE_ERRORS, 1.0),
            Self::Errors(share) => (share, 1.0),
            Self::Latency(factor) => (BASELINE_ERRORS, factor),
        };
        Traffic {
            per_second: f64::from(per_second),
            weight: f64::from(weight_percent) / 100.0,
            baseline_errors: BASELINE_ERRORS,
            canary_errors,
            latency_factor,
        }
    }
}

/// One row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// What is wrong.
    pub fault: Fault,
    /// Requests per second, both sides together.
    pub per_second: u32,
    /// The canary's share of the traffic, in percent.
    pub weight_percent: u32,
    /// When the release is over.
    pub horizon: Horizon,
}

impl Case {
    /// `1 % errors, 100/s, 5 %`.
    #[must_use]
    pub fn title(&self) -> String {
        format!(
            "{}, {}/s, {} %",
            self.fault.title(),
            self.per_second,
            self.weight_percent
        )
    }
}

/// All rows: every fault, then no fault for as long, then no fault for [`WATCHED_REQUESTS`], each at all
/// rates and weights.
#[must_use]
pub fn all() -> Vec<Case> {
    let hour = Horizon::Time(WATCHED_US);
    let requests = Horizon::Requests(WATCHED_REQUESTS);
    let kinds = Fault::ALL
        .map(|fault| (fault, hour))
        .into_iter()
        .chain([(Fault::None, hour), (Fault::None, requests)]);
    let rows = |(fault, horizon)| {
        RATES.into_iter().flat_map(move |per_second| {
            WEIGHTS.into_iter().map(move |weight_percent| Case {
                fault,
                per_second,
                weight_percent,
                horizon,
            })
        })
    };
    kinds.flat_map(rows).collect()
}

/// A few rows of each kind, for a look within a minute.
#[must_use]
pub fn quick() -> Vec<Case> {
    let few = |case: &Case| case.weight_percent == 5 && [100, 1_000].contains(&case.per_second);
    all().into_iter().filter(few).collect()
}
