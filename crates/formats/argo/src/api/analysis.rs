//! Analysis templates and runs: which metrics are measured, how often, and what counts as good.

use super::canary::{AnalysisTemplateRef, DryRun, FieldRef, MeasurementRetention};
use super::measured::AnalysisRunStatus;
use super::object::ObjectMeta;
use super::provider::MetricProvider;
use super::scalar::{DurationText, IntOrString};

/// Measurements in error, in a row, that a metric survives where it names no number.
pub const DEFAULT_CONSECUTIVE_ERROR_LIMIT: i32 = 4;

/// Metrics to measure; of a namespace, or of the whole cluster (ClusterAnalysisTemplate).
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisTemplate {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `AnalysisTemplate` or `ClusterAnalysisTemplate`.
    pub kind: String,
    /// Name, labels and the rest.
    pub metadata: ObjectMeta,
    /// The metrics.
    pub spec: AnalysisTemplateSpec,
}

/// Templates of the whole cluster have the same form.
pub type ClusterAnalysisTemplate = AnalysisTemplate;

impl AnalysisTemplate {
    /// Whether the object says that it is one, of a namespace or of the cluster.
    #[must_use]
    pub fn is_of_kind(&self) -> bool {
        is_own(&self.api_version, &self.kind, "AnalysisTemplate")
            || is_own(&self.api_version, &self.kind, "ClusterAnalysisTemplate")
    }
}

/// One run of an analysis.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisRun {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `AnalysisRun`.
    pub kind: String,
    /// Name, labels and the rest.
    pub metadata: ObjectMeta,
    /// What is measured.
    pub spec: AnalysisRunSpec,
    /// What was measured.
    #[serde(skip_serializing_if = "super::wire::is_empty")]
    pub status: AnalysisRunStatus,
}

impl AnalysisRun {
    /// Whether the object says that it is one.
    #[must_use]
    pub fn is_of_kind(&self) -> bool {
        is_own(&self.api_version, &self.kind, "AnalysisRun")
    }
}

/// Whether type information names this kind of Argo's API.
pub(super) fn is_own(api_version: &str, kind: &str, expected: &str) -> bool {
    api_version == super::API_VERSION && kind == expected
}

wire! {
    /// What an analysis template has.
    AnalysisTemplateSpec {
        optional {
            /// The metrics.
            metrics: Vec<Metric>,
            /// Arguments that the metrics may use as `{{args.name}}`.
            args: Vec<Argument>,
            /// Metrics that are measured without consequences.
            dry_run: Vec<DryRun>,
            /// How many measurements are kept.
            measurement_retention: Vec<MeasurementRetention>,
            /// Further templates whose metrics are added.
            templates: Vec<AnalysisTemplateRef>,
        }
    }

    /// What an analysis run measures.
    AnalysisRunSpec {
        required {
            /// The metrics.
            metrics: Vec<Metric>,
        }
        optional {
            /// Values of the arguments.
            args: Vec<Argument>,
            /// Ends it now.
            terminate: bool,
            /// Metrics that are measured without consequences.
            dry_run: Vec<DryRun>,
            /// How many measurements are kept.
            measurement_retention: Vec<MeasurementRetention>,
            /// How long the run is kept after its end.
            ttl_strategy: Option<TtlStrategy>,
        }
    }

    /// A metric and what counts as good.
    Metric {
        required {
            /// Its name.
            name: String,
            /// Where it is measured.
            provider: MetricProvider,
        }
        optional {
            /// Time between measurements, as `30s`; one measurement only when absent.
            interval: DurationText,
            /// Time before the first measurement, as `1m`.
            initial_delay: DurationText,
            /// Number of measurements; 1 without an interval, else without end when absent.
            count: Option<IntOrString>,
            /// Expression over `result` that a good measurement fulfils.
            success_condition: String,
            /// Expression over `result` that a bad measurement fulfils. With both conditions, a measurement
            /// that fulfils neither is inconclusive.
            failure_condition: String,
            /// Bad measurements that are tolerated; 0 when absent, any number at -1.
            failure_limit: Option<IntOrString>,
            /// Inconclusive measurements that are tolerated; 0 when absent.
            inconclusive_limit: Option<IntOrString>,
            /// Measurements in error, in a row, that are tolerated; 4 when absent.
            consecutive_error_limit: Option<IntOrString>,
            /// Good measurements in a row that are enough; without effect when 0 or absent.
            consecutive_success_limit: Option<IntOrString>,
        }
    }

    /// How long a run is kept after its end.
    TtlStrategy {
        optional {
            /// In seconds.
            seconds_after_completion: Option<i32>,
            /// In seconds, when it failed.
            seconds_after_failure: Option<i32>,
            /// In seconds, when it succeeded.
            seconds_after_success: Option<i32>,
        }
    }

    /// An argument and its value.
    Argument {
        required {
            /// Its name.
            name: String,
        }
        optional {
            /// Its value.
            value: Option<String>,
            /// Where its value comes from.
            value_from: Option<ValueFrom>,
        }
    }

    /// Where an argument's value comes from; one of the fields.
    ValueFrom {
        optional {
            /// A key of a Secret.
            secret_key_ref: Option<SecretKeyRef>,
            /// A field of the object that creates the run.
            field_ref: Option<FieldRef>,
        }
    }

    /// A key of a Secret.
    SecretKeyRef {
        required {
            /// The Secret.
            name: String,
            /// The key.
            key: String,
        }
    }
}

impl Metric {
    /// How often the metric is measured; `None` for without end. A count that is not yet a number, an
    /// argument in a text, counts as 0 and so as absent, as in Argo.
    #[must_use]
    pub fn effective_count(&self) -> Option<i32> {
        match self.count.as_ref().map_or(0, IntOrString::int_value) {
            0 if self.interval.0.is_empty() => Some(1),
            0 => None,
            count => Some(count),
        }
    }
}
