//! Where metrics are measured. The HTTP-like providers with their secrets are in `web`.

use super::object::{JobSpec, PodTemplateMetadata};
use super::scalar::{DurationText, IntOrString, RawObject};
use super::web::{DatadogMetric, PrometheusMetric, WebMetric};

wire! {
    /// Where a metric is measured; exactly one of the fields.
    MetricProvider {
        optional {
            /// Prometheus.
            prometheus: Option<PrometheusMetric>,
            /// Kayenta.
            kayenta: Option<KayentaMetric>,
            /// Any HTTP server that answers JSON.
            web: Option<WebMetric>,
            /// Datadog.
            datadog: Option<DatadogMetric>,
            /// Wavefront.
            wavefront: Option<WavefrontMetric>,
            /// New Relic.
            new_relic: Option<NewRelicMetric>,
            /// A Kubernetes Job: good when it completes.
            job: Option<JobMetric>,
            /// Amazon CloudWatch.
            cloud_watch: Option<CloudWatchMetric>,
            /// Graphite.
            graphite: Option<GraphiteMetric>,
            /// InfluxDB.
            influxdb: Option<InfluxdbMetric>,
            /// Apache SkyWalking.
            skywalking: Option<SkyWalkingMetric>,
            /// Plugins, each with its configuration.
            plugin: RawObject,
        }
    }

    /// A query to Wavefront.
    WavefrontMetric {
        optional {
            /// The server.
            address: String,
            /// The query.
            query: String,
        }
    }

    /// A query to New Relic.
    NewRelicMetric {
        required {
            /// The NRQL query.
            query: String,
        }
        optional {
            /// The Secret with the account.
            profile: String,
            /// Longest time for the query, in seconds.
            timeout: Option<i64>,
        }
    }

    /// A Job that is a measurement.
    JobMetric {
        required {
            /// The Job's spec.
            spec: JobSpec,
        }
        optional {
            /// Labels and annotations of the Job.
            metadata: PodTemplateMetadata,
        }
    }

    /// A query to Graphite.
    GraphiteMetric {
        optional {
            /// The server.
            address: String,
            /// The query.
            query: String,
        }
    }

    /// A query to InfluxDB.
    InfluxdbMetric {
        optional {
            /// The Secret with the account.
            profile: String,
            /// The Flux query.
            query: String,
        }
    }

    /// A query to Apache SkyWalking.
    SkyWalkingMetric {
        optional {
            /// The server.
            address: String,
            /// The GraphQL query.
            query: String,
            /// The window that is looked at, as `5m`.
            interval: DurationText,
        }
    }

    /// Queries to Amazon CloudWatch.
    CloudWatchMetric {
        required {
            /// The queries.
            metric_data_queries: Vec<CloudWatchMetricDataQuery>,
        }
        optional {
            /// The window that is looked at, as `5m`.
            interval: DurationText,
        }
    }

    /// A query to Amazon CloudWatch: an expression or a statistic.
    CloudWatchMetricDataQuery {
        optional {
            /// Its name in expressions.
            id: String,
            /// The expression.
            expression: Option<String>,
            /// Its name for people.
            label: Option<String>,
            /// The statistic.
            metric_stat: Option<CloudWatchMetricStat>,
            /// Seconds that one datapoint stands for.
            period: Option<IntOrString>,
            /// Whether its datapoints are returned.
            return_data: Option<bool>,
        }
    }

    /// A statistic of a metric of CloudWatch.
    CloudWatchMetricStat {
        optional {
            /// The metric.
            metric: CloudWatchMetricStatMetric,
            /// Seconds that one datapoint stands for.
            period: Option<IntOrString>,
            /// The statistic, as `Average`.
            stat: String,
            /// The unit.
            unit: String,
        }
    }

    /// A metric of CloudWatch.
    CloudWatchMetricStatMetric {
        optional {
            /// Its dimensions.
            dimensions: Vec<CloudWatchDimension>,
            /// Its name.
            metric_name: String,
            /// Its namespace.
            namespace: Option<String>,
        }
    }

    /// A dimension of a metric of CloudWatch.
    CloudWatchDimension {
        optional {
            /// Its name.
            name: String,
            /// Its value.
            value: String,
        }
    }

    /// A judgement by Kayenta.
    KayentaMetric {
        required {
            /// The server.
            address: String,
            /// The application.
            application: String,
            /// The canary config, by name.
            canary_config_name: String,
            /// Account of the metrics.
            metrics_account_name: String,
            /// Account of the configuration.
            configuration_account_name: String,
            /// Account of the results.
            storage_account_name: String,
            /// Scores that decide.
            threshold: KayentaThreshold,
            /// What is compared.
            scopes: Vec<KayentaScope>,
        }
        optional {
            /// Whether each judgement looks back to the beginning.
            lookback: bool,
        }
    }

    /// Scores that decide, 0 to 100.
    KayentaThreshold {
        required {
            /// From here on it is good.
            pass: i64,
            /// Below this it is bad.
            marginal: i64,
        }
    }

    /// What Kayenta compares.
    KayentaScope {
        required {
            /// The scope's name.
            name: String,
            /// The stable side.
            control_scope: ScopeDetail,
            /// The canary.
            experiment_scope: ScopeDetail,
        }
    }

    /// One side of a scope.
    ScopeDetail {
        required {
            /// The scope.
            scope: String,
            /// The region.
            region: String,
            /// Seconds between samples.
            step: i64,
        }
        optional {
            /// Begin, RFC 3339.
            start: String,
            /// End, RFC 3339.
            end: String,
        }
    }
}
