//! A config laid out for whoever turns it into something else: each metric with its source, its part in the
//! score, and every default spelled out.

use super::{
    Bounds, CanaryConfig, Direction, EffectMeasure, MetricConfig, NanStrategy, OutlierStrategy,
};
use serde_json::Value;

/// A metric of a canary config, every default spelled out.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricView<'a> {
    /// Its name.
    pub name: &'a str,
    /// The kind of its source: the query's `type`, as `prometheus`.
    pub source: &'a str,
    /// The query as it was written.
    pub query: &'a Value,
    /// The groups in which it counts.
    pub groups: &'a [String],
    /// How much it adds to the score if it passes and every metric has data, in percent; 0 if it is muted.
    pub share: f64,
    /// Which difference counts.
    pub direction: Direction,
    /// What becomes of missing points.
    pub nan_strategy: NanStrategy,
    /// How many interquartile ranges beyond the quartiles samples are left out; none are if absent.
    pub outlier_factor: Option<f64>,
    /// How the size of an effect is measured.
    pub measure: EffectMeasure,
    /// From where on a difference counts.
    pub allowed: Bounds,
    /// From where on a difference fails the canary alone; absent unless the metric is critical.
    pub critical: Option<Bounds>,
    /// Whether having no data counts as a failure.
    pub must_have_data: bool,
    /// Whether it is judged but not counted.
    pub muted: bool,
}

/// The metrics of a config, in its order.
#[must_use]
pub fn metrics(config: &CanaryConfig) -> Vec<MetricView<'_>> {
    config
        .metrics
        .iter()
        .map(|metric| view(config, metric))
        .collect()
}

fn view<'a>(config: &'a CanaryConfig, metric: &'a MetricConfig) -> MetricView<'a> {
    let analysis = &metric.analysis;
    let effect = &analysis.effect_size;
    MetricView {
        name: &metric.name,
        source: metric
            .query
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        query: &metric.query,
        groups: &metric.groups,
        share: share(config, metric),
        direction: analysis.direction,
        nan_strategy: analysis.nan_strategy,
        outlier_factor: (analysis.outliers.strategy == OutlierStrategy::Remove)
            .then_some(analysis.outliers.factor),
        measure: effect.measure,
        allowed: effect.allowed(),
        critical: analysis.critical.then(|| effect.critical()),
        must_have_data: analysis.must_have_data,
        muted: analysis.muted,
    }
}

/// The metric's part of its groups' weights, each shared equally by the group's metrics.
fn share(config: &CanaryConfig, metric: &MetricConfig) -> f64 {
    if metric.analysis.muted {
        return 0.0;
    }
    let counted = || {
        config
            .metrics
            .iter()
            .filter(|metric| !metric.analysis.muted)
    };
    let in_groups = || counted().flat_map(|metric| metric.groups.iter().map(String::as_str));
    let weights = config.classifier.weights_of(&in_groups().collect());
    let part = |group: &String| {
        let members = in_groups().filter(|name| *name == group).count();
        weights
            .get(group.as_str())
            .map_or(0.0, |weight| weight / members as f64)
    };
    metric.groups.iter().map(part).sum()
}
