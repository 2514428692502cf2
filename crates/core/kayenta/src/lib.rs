//! Kayenta's judge, score for score, and the canary configs that it works from.
//!
//! [`read`] turns a canary config (JSON, as Spinnaker stores it) into a [`CanaryConfig`] and
//! diagnostics; [`judge`](judge()) holds the samples of both sides against it as the judge
//! `NetflixACAJudge-v1.0` of spinnaker/kayenta does (facts and figures from commit a69573be) and
//! answers in the shape of Kayenta's own result. [`metrics`] lays out what a config asks for, every
//! default spelled out.
//!
//! What this is not: a metric source (`query` stays raw JSON, whoever fetches the series interprets
//! it), and not the way Sluice judges its own traffic: one look at a finished series, no control of
//! repeated looks or of many metrics. That is `sluice-analysis`.
//!
//! Read `judge` for the order of things, `mann_whitney` for the test, `scorer` for the score, and
//! `noise` for the one place where upstream is random and this is not.

mod config;
mod judge;
mod order;

pub use config::{
    Analysis, Bounds, CanaryConfig, Classifier, Direction, EffectMeasure, EffectSize, JudgeConfig,
    MetricConfig, MetricView, NanStrategy, OutlierStrategy, Outliers, Parsed, Thresholds, metrics,
    read, read_value,
};
pub use judge::{
    Classification, Confidence, Evidence, GroupScore, Incomparable, JudgeError, JudgeResult,
    MetricResult, MetricSamples, Outcome, Score, Shift, ShiftTest, SideMetadata, SideStatistics,
    judge, shift,
};
