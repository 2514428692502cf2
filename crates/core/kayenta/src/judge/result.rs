//! What the judge answers, in the shape of Kayenta's own result (`CanaryJudgeResult` and what hangs on
//! it). What Kayenta has no field for is added beside its fields, so that a reader of Kayenta's results
//! reads these.

use super::statistics::SideStatistics;
use crate::config::EffectMeasure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A judged canary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeResult {
    /// Which judge: `NetflixACAJudge-v1.0`.
    pub judge_name: String,
    /// Each metric, in the order of the config.
    pub results: Vec<MetricResult>,
    /// Each group that a metric that counts is in, by name.
    pub group_scores: Vec<GroupScore>,
    /// The score of the whole.
    pub score: Score,
}

/// A judged metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricResult {
    /// The metric's name in the config.
    pub name: String,
    /// Of the samples, as the caller gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Of the samples, as the caller gave them.
    pub tags: BTreeMap<String, String>,
    /// How the canary compares.
    pub classification: Classification,
    /// Why, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification_reason: Option<String>,
    /// The groups in which it counts.
    pub groups: Vec<String>,
    /// The canary's samples in figures.
    pub experiment_metadata: SideMetadata,
    /// The baseline's.
    pub control_metadata: SideMetadata,
    /// What the classification rests on; absent if the comparison failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_metadata: Option<Evidence>,
    /// Whether this metric alone fails the canary: it is marked as critical and went beyond its critical
    /// bounds, or has no data.
    pub critical: bool,
    /// Whether it is judged but not counted.
    pub muted: bool,
}

/// How a metric of the canary compares with the baseline's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Classification {
    /// Not worse, as far as can be told.
    Pass,
    /// Higher, where that matters.
    High,
    /// Lower, where that matters.
    Low,
    /// No data on a side, where `mustHaveData` asks for it: counts as a failure.
    NodataFailMetric,
    /// No data on a side: does not count, unless half of the metrics are so.
    Nodata,
    /// Could not be compared: does not count.
    Error,
}

/// A side's samples in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideMetadata {
    /// Of the samples that were compared.
    pub stats: SideStatistics,
    /// How many samples were missing (NaN): left out, or taken as zero, as `nanStrategy` says.
    pub missing: usize,
    /// How many samples were left out as outliers.
    pub outliers: usize,
}

/// What a classification rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The canary's mean over the baseline's; NaN if either is zero, 1 where nothing was compared.
    #[serde(with = "super::number")]
    pub ratio: f64,
    /// The comparison, if there was one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub test: Option<ShiftTest>,
}

/// A comparison of the two sides' samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShiftTest {
    /// Lower end of the interval for the canary's shift against the baseline, in the metric's unit.
    #[serde(with = "super::number")]
    pub lower: f64,
    /// Upper end.
    #[serde(with = "super::number")]
    pub upper: f64,
    /// The Hodges–Lehmann estimate of the shift.
    #[serde(with = "super::number")]
    pub estimate: f64,
    /// How much of the estimate the whole interval must be beyond: 0.25.
    pub tolerance: f64,
    /// The interval's confidence: 0.98.
    pub confidence: f64,
    /// The measure of the effect's size.
    pub effect_measure: EffectMeasure,
    /// The effect's size; NaN if it has none, and then the bounds are not asked.
    #[serde(with = "super::number")]
    pub effect_size: f64,
    /// Distance of the means in pooled standard deviations. Told, not used.
    #[serde(with = "super::number")]
    pub cohens_d: f64,
    /// Whether both sides were constant, and spread a little to be compared.
    pub spread: bool,
    /// Whether the samples differ by so little that the test's fixed step of 0.0001 shows.
    pub coarse: bool,
}

/// The score of a group of metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupScore {
    /// The group.
    pub name: String,
    /// Share of its metrics that pass, in percent; 0 if none has data.
    pub score: f64,
    /// Always empty: Kayenta has the field and leaves it so.
    #[serde(default)]
    pub classification: String,
    /// Always empty.
    #[serde(default)]
    pub classification_reason: String,
    /// Its weight in the score, in percent, the share of what is left for groups without one included.
    #[serde(with = "super::number")]
    pub weight: f64,
    /// Whether none of its metrics counts. It adds its full weight to the score then.
    pub no_data: bool,
    /// How many of its metrics were classified as what.
    pub counts: BTreeMap<Classification, usize>,
}

/// The score of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// 0 to 100 with weights that add up to 100, to two decimals.
    #[serde(with = "super::number")]
    pub score: f64,
    /// What it means by the thresholds.
    pub classification: Outcome,
    /// Why the score is 0 whatever the groups say; empty otherwise.
    pub classification_reason: String,
}

/// What a score means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// At least the threshold `pass`.
    Pass,
    /// At least the threshold `marginal`.
    Marginal,
    /// Less.
    Fail,
}
