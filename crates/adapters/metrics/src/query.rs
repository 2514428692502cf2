//! What a source is asked: plain data, without secrets.

use crate::providers::cloudwatch::CloudWatchQuery;
use crate::providers::datadog::DatadogQuery;
use crate::providers::graphite::GraphiteQuery;
use crate::providers::influxdb::InfluxdbQuery;
use crate::providers::kayenta::KayentaQuery;
use crate::providers::newrelic::NewRelicQuery;
use crate::providers::prometheus::PrometheusQuery;
use crate::providers::skywalking::SkyWalkingQuery;
use crate::providers::wavefront::WavefrontQuery;
use crate::providers::web::WebQuery;
use serde::{Deserialize, Serialize};
use sluice_model::Timestamp;
use std::time::Duration;

/// What a source is asked, in the words of its provider: in JSON, an object with one field that
/// names the provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Query {
    /// Prometheus, or what speaks its API (Thanos, Mimir, VictoriaMetrics…).
    Prometheus(PrometheusQuery),
    /// Any HTTP server that answers JSON or text.
    Web(WebQuery),
    /// Datadog.
    Datadog(DatadogQuery),
    /// New Relic.
    NewRelic(NewRelicQuery),
    /// Wavefront.
    Wavefront(WavefrontQuery),
    /// Amazon CloudWatch.
    CloudWatch(CloudWatchQuery),
    /// Graphite.
    Graphite(GraphiteQuery),
    /// InfluxDB 2.
    Influxdb(InfluxdbQuery),
    /// Apache SkyWalking.
    Skywalking(SkyWalkingQuery),
    /// Kayenta.
    Kayenta(KayentaQuery),
}

/// The span of time that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning.
    pub start: Timestamp,
    /// Its end; for a value at one moment, that moment.
    pub end: Timestamp,
}

impl Window {
    /// The span of this length up to a moment.
    #[must_use]
    pub fn ending(end: Timestamp, span: Duration) -> Window {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Window {
            start: end.shifted(millis.saturating_neg()),
            end,
        }
    }

    /// Its length; zero when it ends before it begins.
    #[must_use]
    pub fn span(self) -> Duration {
        self.end.since(self.start)
    }
}
