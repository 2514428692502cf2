//! What is told of AnalysisRuns and of templates, as `objects` does it.

use super::objects::{Fields, Metadata, each, info, is_phase, names, phases};
use super::text::Family;
use crate::api::Key;
use crate::cache::Cache;
use crate::resource::{ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, Resource};
use serde::Deserialize;
use sluice_argo::api::{DryRun, Metric};
use sluice_argo::arguments::dry_run_metrics;
use std::collections::{BTreeMap, BTreeSet};

/// An AnalysisRun.
pub(crate) struct RunFacts {
    key: Key,
    phase: String,
    metrics: Vec<MetricFacts>,
}

struct MetricFacts {
    name: String,
    kind: &'static str,
    phase: String,
    is_dry: bool,
}

#[derive(Deserialize)]
struct RunObject {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: MeasuringSpec,
    #[serde(default)]
    status: RunStatus,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MeasuringSpec {
    metrics: Vec<MetricObject>,
    dry_run: Vec<DryRun>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MetricObject {
    name: String,
    provider: Fields,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RunStatus {
    phase: String,
    metric_results: Vec<ResultObject>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResultObject {
    name: String,
    phase: String,
}

/// Argo's names of providers, the first one that is there counts.
const PROVIDERS: [(&str, &str); 12] = [
    ("prometheus", "Prometheus"),
    ("job", "Job"),
    ("kayenta", "Kayenta"),
    ("web", "Web"),
    ("datadog", "Datadog"),
    ("wavefront", "Wavefront"),
    ("newRelic", "NewRelic"),
    ("cloudWatch", "CloudWatch"),
    ("graphite", "Graphite"),
    ("influxdb", "Influxdb"),
    ("skywalking", "skywalking"),
    ("plugin", "RPCPlugin"),
];

impl MetricObject {
    fn kind(&self) -> &'static str {
        let named: BTreeSet<&str> = names(&self.provider).collect();
        let mut providers = PROVIDERS.iter();
        providers
            .find(|(field, _)| named.contains(field))
            .map_or("Unknown Provider", |(_, name)| name)
    }
}

/// The AnalysisRuns of an instance.
pub(crate) fn runs(cache: &Cache, instance_id: &str) -> Vec<RunFacts> {
    each(cache, &ANALYSIS_RUN, |key, object: RunObject| {
        let RunObject {
            metadata,
            spec,
            status,
        } = object;
        if !metadata.is_of(instance_id) {
            return None;
        }
        let dry = dry_metrics(&spec);
        let phases: BTreeMap<String, String> = status
            .metric_results
            .into_iter()
            .map(|result| (result.name, result.phase))
            .collect();
        let metrics = spec.metrics.into_iter().map(|metric| MetricFacts {
            kind: metric.kind(),
            phase: phases.get(&metric.name).cloned().unwrap_or_default(),
            is_dry: dry.contains(&metric.name),
            name: metric.name,
        });
        Some(RunFacts {
            key,
            phase: status.phase,
            metrics: metrics.collect(),
        })
    })
}

fn dry_metrics(spec: &MeasuringSpec) -> BTreeSet<String> {
    if spec.dry_run.is_empty() {
        return BTreeSet::new();
    }
    let named = spec.metrics.iter().map(|metric| Metric {
        name: metric.name.clone(),
        ..Metric::default()
    });
    // A rule that chooses nothing is the run's error, and told there.
    dry_run_metrics(&spec.dry_run, &named.collect::<Vec<_>>()).unwrap_or_default()
}

const RUN_PHASES: [&str; 6] = [
    "Pending",
    "Error",
    "Failed",
    "Successful",
    "Running",
    "Inconclusive",
];

/// What is told of AnalysisRuns.
pub(crate) const RUNS: [Family<RunFacts>; 4] = [
    Family::gauge(
        "analysis_run_info",
        "AnalysisRuns with their phase.",
        |run, samples| info(&run.key, &run.phase, samples),
    ),
    Family::gauge(
        "analysis_run_phase",
        "Whether AnalysisRuns are in a phase; analysis_run_info tells the same.",
        |run, samples| phases(&run.key, &run.phase, &RUN_PHASES, samples),
    ),
    Family::gauge(
        "analysis_run_metric_type",
        "The metrics of AnalysisRuns, and where they are measured.",
        |run, samples| {
            for metric in &run.metrics {
                let labels = [
                    ("namespace", &*run.key.namespace),
                    ("name", &*run.key.name),
                    ("metric", &*metric.name),
                    ("type", metric.kind),
                ];
                samples.put(&labels, 1.0);
            }
        },
    ),
    Family::gauge(
        "analysis_run_metric_phase",
        "Whether metrics of AnalysisRuns are in a phase.",
        |run, samples| {
            for metric in &run.metrics {
                for phase in RUN_PHASES {
                    let labels = [
                        ("namespace", &*run.key.namespace),
                        ("name", &*run.key.name),
                        ("metric", &*metric.name),
                        ("type", metric.kind),
                        ("dry_run", if metric.is_dry { "true" } else { "false" }),
                        ("phase", phase),
                    ];
                    samples.put_flag(&labels, is_phase(&metric.phase, phase));
                }
            }
        },
    ),
];

/// An AnalysisTemplate, or one of the whole cluster.
pub(crate) struct TemplateFacts {
    key: Key,
    metrics: Vec<(String, &'static str)>,
}

#[derive(Deserialize)]
struct TemplateObject {
    #[serde(default)]
    spec: MeasuringSpec,
}

/// The templates.
pub(crate) fn templates(cache: &Cache) -> Vec<TemplateFacts> {
    let of_kind = |resource: &Resource| {
        each(cache, resource, |key, object: TemplateObject| {
            let metrics = object.spec.metrics.into_iter();
            let metrics = metrics.map(|metric| (metric.kind(), metric.name));
            let metrics = metrics.map(|(kind, name)| (name, kind)).collect();
            Some(TemplateFacts { key, metrics })
        })
    };
    let mut all = of_kind(&ANALYSIS_TEMPLATE);
    all.extend(of_kind(&CLUSTER_ANALYSIS_TEMPLATE));
    all
}

/// What is told of templates.
pub(crate) const TEMPLATES: [Family<TemplateFacts>; 2] = [
    Family::gauge(
        "analysis_template_info",
        "AnalysisTemplates, and those of the whole cluster, which have no namespace.",
        |template, samples| {
            let labels = [
                ("namespace", &*template.key.namespace),
                ("name", &*template.key.name),
            ];
            samples.put(&labels, 1.0);
        },
    ),
    Family::gauge(
        "analysis_template_metric_info",
        "The metrics of AnalysisTemplates, and where they are measured.",
        |template, samples| {
            for (metric, kind) in &template.metrics {
                let labels = [
                    ("namespace", &*template.key.namespace),
                    ("name", &*template.key.name),
                    ("type", kind),
                    ("metric", metric),
                ];
                samples.put(&labels, 1.0);
            }
        },
    ),
];
