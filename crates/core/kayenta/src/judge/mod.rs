//! The judge `NetflixACAJudge-v1.0`: samples of both sides in, a [`JudgeResult`] out.
//!
//! Per metric: what is missing is left out or taken as zero and outliers are removed, if so configured
//! (`transform`); the canary's shift against the baseline gets a 98 % interval (`mann_whitney`, `brent`);
//! it counts as higher or lower if the whole interval is beyond a quarter of the estimate, and the effect
//! is as large as the config asks (`classifier`). Then groups and the whole are scored (`scorer`). Nothing
//! here is random: the same samples give the same result, to the bit.

mod brent;
mod classifier;
mod mann_whitney;
mod noise;
mod number;
mod ranks;
mod result;
mod scorer;
mod statistics;
mod transform;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use mann_whitney::{Confidence, Incomparable, Shift, shift};
pub use result::{
    Classification, Evidence, GroupScore, JudgeResult, MetricResult, Outcome, Score, ShiftTest,
    SideMetadata,
};
pub use statistics::SideStatistics;

use crate::config::{CanaryConfig, JUDGE_NAME, MetricConfig, Thresholds};
use classifier::{JUDGE_RULE, classify};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use transform::{Prepared, prepare};

/// What was measured of one metric on both sides, over the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSamples {
    /// The metric's name in the config.
    pub name: String,
    /// Handed on to the result.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// Handed on to the result. A metric may have several series, each with its own tags: each is judged,
    /// and counts, by itself.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The baseline's, in the order of time; NaN where a point is missing.
    #[serde(with = "number::list")]
    pub baseline: Vec<f64>,
    /// The canary's, likewise.
    #[serde(with = "number::list")]
    pub canary: Vec<f64>,
}

impl MetricSamples {
    /// Both sides, with missing points added up to the number that was expected, as Kayenta does before it
    /// judges. With `nanStrategy: replace` it makes the difference between a side that had nothing to
    /// report (zeros) and no comparison at all (which passes).
    #[must_use]
    pub fn padded(mut self, points_expected: usize) -> Self {
        for side in [&mut self.baseline, &mut self.canary] {
            side.resize(side.len().max(points_expected), f64::NAN);
        }
        self
    }
}

/// Why nothing was judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// There are samples for a metric that the config does not have.
    #[error(
        "there are samples for `{name}`, which the canary config has no metric of; its metrics: {known}"
    )]
    UnknownMetric {
        /// The name of the samples.
        name: String,
        /// The names in the config.
        known: String,
    },
    /// Neither the caller nor the config says from which score on a canary passes.
    #[error(
        "there are no score thresholds: say `classifier.scoreThresholds.pass` and `.marginal` in the canary config, or give them with the request"
    )]
    NoThresholds,
}

/// Judges a canary by its config.
///
/// `thresholds` take the place of the config's own, as a request's do in Kayenta. A metric of the config
/// without samples is judged as one without data on either side.
///
/// # Errors
///
/// When samples or thresholds do not fit the config; a metric that cannot be compared is not an error, but
/// classified as [`Classification::Error`].
pub fn judge(
    config: &CanaryConfig,
    thresholds: Option<Thresholds>,
    samples: &[MetricSamples],
) -> Result<JudgeResult, JudgeError> {
    let thresholds = thresholds
        .or(config.classifier.score_thresholds)
        .ok_or(JudgeError::NoThresholds)?;
    let known: BTreeSet<&str> = config
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    if let Some(stray) = samples
        .iter()
        .find(|series| !known.contains(series.name.as_str()))
    {
        return Err(JudgeError::UnknownMetric {
            name: stray.name.clone(),
            known: known.into_iter().collect::<Vec<_>>().join(", "),
        });
    }
    let mut results = Vec::new();
    for metric in &config.metrics {
        let before = results.len();
        let own = samples.iter().filter(|series| series.name == metric.name);
        results.extend(own.map(|series| judge_metric(metric, series)));
        if results.len() == before {
            let nothing = MetricSamples {
                name: metric.name.clone(),
                ..MetricSamples::default()
            };
            results.push(judge_metric(metric, &nothing));
        }
    }
    let (group_scores, score) = scorer::score(&results, &config.classifier, thresholds);
    Ok(JudgeResult {
        judge_name: JUDGE_NAME.to_owned(),
        results,
        group_scores,
        score,
    })
}

fn judge_metric(metric: &MetricConfig, series: &MetricSamples) -> MetricResult {
    let analysis = &metric.analysis;
    let [baseline, canary] = [&series.baseline, &series.canary]
        .map(|samples| prepare(samples, analysis.nan_strategy, &analysis.outliers));
    let classified = classify(
        &metric.name,
        &baseline.samples,
        &canary.samples,
        analysis,
        JUDGE_RULE,
    );
    MetricResult {
        name: metric.name.clone(),
        id: series.id.clone(),
        tags: series.tags.clone(),
        classification: classified.classification,
        classification_reason: classified.reason,
        groups: metric.groups.clone(),
        experiment_metadata: metadata(&canary),
        control_metadata: metadata(&baseline),
        result_metadata: classified.evidence,
        critical: classified.critical,
        muted: analysis.muted,
    }
}

fn metadata(side: &Prepared) -> SideMetadata {
    SideMetadata {
        stats: SideStatistics::of(&side.samples),
        missing: side.missing,
        outliers: side.outliers,
    }
}
