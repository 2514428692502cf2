//! What an analysis run has measured.

use super::scalar::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a run, a metric, a measurement or an experiment stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AnalysisPhase {
    /// Not looked at yet.
    #[default]
    Unset,
    /// Not started.
    Pending,
    /// Under way.
    Running,
    /// Good.
    Successful,
    /// Bad.
    Failed,
    /// Could not be measured.
    Error,
    /// Neither good nor bad.
    Inconclusive,
    /// A word of somebody else's.
    Other(String),
}

impl AnalysisPhase {
    /// The phase as objects write it; empty when unset.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            AnalysisPhase::Unset => "",
            AnalysisPhase::Pending => "Pending",
            AnalysisPhase::Running => "Running",
            AnalysisPhase::Successful => "Successful",
            AnalysisPhase::Failed => "Failed",
            AnalysisPhase::Error => "Error",
            AnalysisPhase::Inconclusive => "Inconclusive",
            AnalysisPhase::Other(word) => word,
        }
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        matches!(
            self,
            AnalysisPhase::Successful
                | AnalysisPhase::Failed
                | AnalysisPhase::Error
                | AnalysisPhase::Inconclusive
        )
    }
}

impl From<String> for AnalysisPhase {
    fn from(word: String) -> Self {
        match word.as_str() {
            "" => AnalysisPhase::Unset,
            "Pending" => AnalysisPhase::Pending,
            "Running" => AnalysisPhase::Running,
            "Successful" => AnalysisPhase::Successful,
            "Failed" => AnalysisPhase::Failed,
            "Error" => AnalysisPhase::Error,
            "Inconclusive" => AnalysisPhase::Inconclusive,
            _ => AnalysisPhase::Other(word),
        }
    }
}

impl From<AnalysisPhase> for String {
    fn from(phase: AnalysisPhase) -> Self {
        phase.as_str().to_owned()
    }
}

wire! {
    /// Where an analysis run stands.
    AnalysisRunStatus {
        required {
            /// Its phase: that of its worst metric.
            #[schemars(with = "String")]
            phase: AnalysisPhase,
        }
        optional {
            /// Why.
            message: String,
            /// Its metrics.
            metric_results: Vec<MetricResult>,
            /// When it began.
            started_at: Option<Time>,
            /// Its metrics, counted by phase.
            run_summary: RunSummary,
            /// The metrics without consequences, counted by phase.
            dry_run_summary: Option<RunSummary>,
            /// When it ended.
            completed_at: Option<Time>,
        }
    }

    /// Metrics, counted by phase.
    RunSummary {
        optional {
            /// All but those in error.
            count: i32,
            /// Good ones.
            successful: i32,
            /// Bad ones.
            failed: i32,
            /// Inconclusive ones.
            inconclusive: i32,
            /// Those in error.
            error: i32,
        }
    }

    /// Where a metric stands.
    MetricResult {
        required {
            /// Its name.
            name: String,
            /// Its phase.
            #[schemars(with = "String")]
            phase: AnalysisPhase,
        }
        optional {
            /// The newest measurements.
            measurements: Vec<Measurement>,
            /// Why.
            message: String,
            /// Measurements but those in error.
            count: i32,
            /// Good ones.
            successful: i32,
            /// Bad ones.
            failed: i32,
            /// Inconclusive ones.
            inconclusive: i32,
            /// Those in error.
            error: i32,
            /// Those in error since the last that was not.
            consecutive_error: i32,
            /// Whether the metric has no consequences.
            dry_run: bool,
            /// What the provider notes, as the query with its arguments.
            metadata: BTreeMap<String, String>,
            /// Good ones since the last that was not.
            consecutive_success: i32,
        }
    }

    /// One measurement.
    Measurement {
        required {
            /// Its phase.
            #[schemars(with = "String")]
            phase: AnalysisPhase,
        }
        optional {
            /// Why.
            message: String,
            /// When it began.
            started_at: Option<Time>,
            /// When it ended.
            finished_at: Option<Time>,
            /// The value.
            value: String,
            /// What the provider notes, as a Job's name.
            metadata: BTreeMap<String, String>,
            /// When it is looked at again.
            resume_at: Option<Time>,
        }
    }
}
