//! Kayenta's canary config: what to measure, how to judge it, how much it counts.
//!
//! The types hold what the judge uses, and what whoever fetches the series needs; `query` stays as it
//! was written. Upstream's names and defaults: docs/canary-config.md and NetflixACAJudge.scala:104–129.
//! `read` makes one from JSON, `advice` says what is odd about one, `view` lays one out.

mod advice;
mod object;
mod read;
mod read_metric;
mod view;

#[cfg(test)]
mod tests;

pub use read::{Parsed, read, read_value};
pub use view::{MetricView, metrics};

use crate::order::as_put;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sluice_model::Severity;
use std::collections::{BTreeMap, BTreeSet};

/// The judge that this crate is.
pub(crate) const JUDGE_NAME: &str = "NetflixACAJudge-v1.0";

/// A canary config. Its JSON is Kayenta's own; [`read`] also says what is wrong or odd with it, while
/// reading it through serde says errors only.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryConfig {
    /// Under which Kayenta stores it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name; may be empty.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Version of the format, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_version: Option<String>,
    /// What it is used with.
    pub applications: Vec<String>,
    /// By whom it is judged.
    pub judge: JudgeConfig,
    /// What is measured: at least one, each with a name of its own.
    pub metrics: Vec<MetricConfig>,
    /// Texts that a query may refer to by name.
    pub templates: BTreeMap<String, String>,
    /// How much each group counts, and what a score means.
    pub classifier: Classifier,
}

/// Reads what [`read_value`] reads; the errors are one text.
impl<'de> Deserialize<'de> for CanaryConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Parsed {
            config,
            diagnostics,
        } = read_value(&Value::deserialize(deserializer)?);
        config.ok_or_else(|| {
            let errors = diagnostics
                .iter()
                .filter(|problem| problem.severity == Severity::Error);
            let errors: Vec<_> = errors.map(ToString::to_string).collect();
            serde::de::Error::custom(errors.join("; "))
        })
    }
}

/// The judge that a config asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgeConfig {
    /// Its name. Other names than `NetflixACAJudge-v1.0` are reported where the config is read.
    pub name: String,
    /// Settings of a judge; this one has none.
    pub judge_configurations: Map<String, Value>,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricConfig {
    /// Unique within the config.
    pub name: String,
    /// Where it comes from, as written: an object with a text `type` (`prometheus`, `datadog`, ...).
    pub query: Value,
    /// The groups in which it counts.
    pub groups: Vec<String>,
    /// How it is judged.
    #[serde(rename = "analysisConfigurations", serialize_with = "under_canary")]
    pub analysis: Analysis,
    /// Which scope of a request it is measured in; `default` as a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_name: Option<String>,
}

/// Kayenta keeps the analysis one level down, under `canary`.
fn under_canary<S: Serializer>(analysis: &Analysis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("canary", analysis)])
}

/// How a metric is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Which difference counts.
    pub direction: Direction,
    /// What becomes of missing points.
    pub nan_strategy: NanStrategy,
    /// Whether it alone can fail the canary.
    pub critical: bool,
    /// Whether it is judged but not counted.
    pub muted: bool,
    /// Whether having no data counts as a failure.
    pub must_have_data: bool,
    /// How large a difference must be.
    pub effect_size: EffectSize,
    /// What becomes of outliers.
    pub outliers: Outliers,
}

/// Which difference counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// A canary that is higher.
    Increase,
    /// A canary that is lower.
    Decrease,
    /// Both.
    #[default]
    Either,
}

/// What becomes of missing points (NaN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NanStrategy {
    /// They are left out.
    #[default]
    Remove,
    /// They are zero: for what is not reported when nothing happens, as counts of errors.
    Replace,
}

/// How large a difference must be. The numbers' defaults, 1 for a ratio and 0.5 for a probability, ask
/// for no size beyond the test's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectSize {
    /// By which measure.
    pub measure: EffectMeasure,
    /// From which size on an increase counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_increase: Option<f64>,
    /// Down from which size a decrease counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_decrease: Option<f64>,
    /// From which size on an increase of a critical metric fails the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_increase: Option<f64>,
    /// Down from which size a decrease of a critical metric fails the canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_decrease: Option<f64>,
}

impl EffectSize {
    /// From where on a difference counts.
    #[must_use]
    pub fn allowed(&self) -> Bounds {
        self.bounds(self.allowed_decrease, self.allowed_increase)
    }

    /// From where on a difference of a critical metric fails the canary.
    #[must_use]
    pub fn critical(&self) -> Bounds {
        self.bounds(self.critical_decrease, self.critical_increase)
    }

    fn bounds(&self, decrease: Option<f64>, increase: Option<f64>) -> Bounds {
        let none = match self.measure {
            EffectMeasure::MeanRatio => 1.0,
            EffectMeasure::Cles => 0.5,
        };
        Bounds {
            decrease: decrease.unwrap_or(none),
            increase: increase.unwrap_or(none),
        }
    }
}

/// Sizes of an effect from which on it counts; both count themselves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// A decrease of this size or smaller counts.
    pub decrease: f64,
    /// An increase of this size or larger counts.
    pub increase: f64,
}

/// How the size of an effect is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectMeasure {
    /// The canary's mean over the baseline's.
    #[default]
    MeanRatio,
    /// The probability that a sample of the canary is higher than one of the baseline, 0 to 1.
    Cles,
}

/// What becomes of outliers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outliers {
    /// Whether they stay.
    pub strategy: OutlierStrategy,
    /// How many interquartile ranges beyond the quartiles one is; above 0.
    #[serde(rename = "outlierFactor")]
    pub factor: f64,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            strategy: OutlierStrategy::Keep,
            factor: 3.0,
        }
    }
}

/// Whether outliers stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OutlierStrategy {
    /// They stay.
    #[default]
    Keep,
    /// They are left out.
    Remove,
}

/// How much each group counts, and what a score means.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Classifier {
    /// Weight of a group in percent, 0 or more. Groups without one share what is left of 100.
    pub group_weights: BTreeMap<String, f64>,
    /// What a score means, unless a request says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_thresholds: Option<Thresholds>,
}

impl Classifier {
    /// The weight of each of these groups in percent. Those without one of their own share equally what
    /// the weights, those of other groups included, leave of 100 (WeightedSumScorer.scala:54–75).
    pub(crate) fn weights_of<'a>(&self, groups: &BTreeSet<&'a str>) -> BTreeMap<&'a str, f64> {
        let own = |group: &str| self.group_weights.get(group).copied();
        let unweighted = groups.iter().filter(|group| own(group).is_none()).count();
        let weighted = as_put(self.group_weights.keys().map(String::as_str).collect());
        let left = 100.0 - weighted.into_iter().filter_map(own).sum::<f64>();
        let shared = left / unweighted as f64;
        groups
            .iter()
            .map(|group| (*group, own(group).unwrap_or(shared)))
            .collect()
    }
}

/// What a score means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// From this score on the canary passes.
    pub pass: f64,
    /// From this score on it does not fail.
    pub marginal: f64,
}
