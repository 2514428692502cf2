//! The metrics of a config: name, query, groups, and how each is judged.

use super::object::{Object, Problems, shortened, wrong_type};
use super::{
    Analysis, Direction, EffectMeasure, EffectSize, MetricConfig, NanStrategy, OutlierStrategy,
    Outliers,
};
use serde_json::Value;
use std::collections::BTreeSet;

/// The metrics, each with a name of its own.
pub(crate) fn metrics(document: &Object<'_>, problems: &Problems) -> Vec<MetricConfig> {
    let help = "add at least one metric: there is nothing to judge without";
    let Some(list) = document.need("metrics", help) else {
        return Vec::new();
    };
    let path = document.path_of("metrics");
    let Value::Array(items) = list else {
        wrong_type(problems, &path, "a list of metrics", list);
        return Vec::new();
    };
    if items.is_empty() {
        problems.error(
            "missing-field",
            &path,
            "there are no metrics".to_owned(),
            help,
        );
    }
    let mut names = BTreeSet::new();
    let mut metrics = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(object) = Object::new(format!("{path}[{index}]"), item, problems) else {
            continue;
        };
        let metric = metric(&object, problems);
        if !metric.name.is_empty() && !names.insert(metric.name.clone()) {
            problems.error(
                "duplicate-metric",
                &object.path_of("name"),
                format!(
                    "`{}` is the name of a metric above",
                    shortened(&metric.name)
                ),
                "give each metric a name of its own",
            );
        }
        metrics.push(metric);
    }
    metrics
}

fn metric(object: &Object<'_>, problems: &Problems) -> MetricConfig {
    let name = object.need("name", "give the metric a name");
    let name = name.and_then(|_| object.text("name")).unwrap_or_default();
    if object
        .get("name")
        .is_some_and(|name| name.as_str() == Some(""))
    {
        let message = "the metric's name is empty".to_owned();
        problems.error(
            "bad-name",
            &object.path_of("name"),
            message,
            "give the metric a name",
        );
    }
    let query = object
        .need("query", "say where the metric comes from")
        .cloned();
    if let Some(query) = object.object("query") {
        query.need(
            "type",
            "say the kind of source: `prometheus`, `datadog`, ...",
        );
        query.text("type");
    }
    let groups = match object.need("groups", "say in which groups the metric counts") {
        Some(list) => object.texts("groups", list),
        None => Vec::new(),
    };
    let analysis = object
        .object("analysisConfigurations")
        .map(|configurations| {
            let canary = configurations.object("canary");
            configurations.report_unknown();
            canary
                .map(|canary| analysis(&canary, problems))
                .unwrap_or_default()
        });
    let metric = MetricConfig {
        name,
        query: query.unwrap_or_default(),
        groups,
        analysis: analysis.unwrap_or_default(),
        scope_name: object.text("scopeName"),
    };
    object.report_unknown();
    metric
}

fn analysis(canary: &Object<'_>, problems: &Problems) -> Analysis {
    let directions = [
        ("increase", Direction::Increase),
        ("decrease", Direction::Decrease),
        ("either", Direction::Either),
    ];
    let strategies = [
        ("remove", NanStrategy::Remove),
        ("replace", NanStrategy::Replace),
    ];
    let analysis = Analysis {
        direction: canary.word("direction", &directions),
        nan_strategy: canary.word("nanStrategy", &strategies),
        critical: canary.boolean("critical").unwrap_or(false),
        muted: canary.boolean("muted").unwrap_or(false),
        must_have_data: canary.boolean("mustHaveData").unwrap_or(false),
        effect_size: canary
            .object("effectSize")
            .map(|size| effect_size(&size))
            .unwrap_or_default(),
        outliers: canary
            .object("outliers")
            .map(|fields| outliers(&fields, problems))
            .unwrap_or_default(),
    };
    canary.report_unknown();
    analysis
}

fn effect_size(object: &Object<'_>) -> EffectSize {
    let measures = [
        ("meanRatio", EffectMeasure::MeanRatio),
        ("cles", EffectMeasure::Cles),
    ];
    let size = EffectSize {
        measure: object.word("measure", &measures),
        allowed_increase: object.number("allowedIncrease"),
        allowed_decrease: object.number("allowedDecrease"),
        critical_increase: object.number("criticalIncrease"),
        critical_decrease: object.number("criticalDecrease"),
    };
    object.report_unknown();
    size
}

fn outliers(object: &Object<'_>, problems: &Problems) -> Outliers {
    let strategies = [
        ("keep", OutlierStrategy::Keep),
        ("remove", OutlierStrategy::Remove),
    ];
    let outliers = Outliers {
        strategy: object.word("strategy", &strategies),
        factor: object
            .number("outlierFactor")
            .unwrap_or(Outliers::default().factor),
    };
    object.report_unknown();
    if outliers.strategy == OutlierStrategy::Remove && outliers.factor <= 0.0 {
        problems.error(
            "out-of-range",
            &object.path_of("outlierFactor"),
            format!("{} is not above 0", outliers.factor),
            "say how many interquartile ranges beyond the quartiles an outlier is, as 3.0",
        );
    }
    outliers
}
