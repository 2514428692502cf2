//! Metric values from outside servers: one question to one server, and its answer as data.
//!
//! A [`Source`] is a server with its credentials; a [`Query`] is what it is asked, in the words of
//! its provider; a [`Sample`] is what it answered. What has no data says so, and is not zero. It
//! knows neither checks nor thresholds nor rollouts: what a sample means is the caller's business,
//! and so is when to ask again. Queries and servers are plain data that may be stored: where they
//! need a secret they name it ([`Text::Secret`]), and the caller hands the value in ([`Secrets`]).
//!
//! | query | credentials | sample |
//! |---|---|---|
//! | [`PrometheusQuery`] | any | number, vector or series |
//! | [`WebQuery`] | any | JSON value at a path, or text |
//! | [`DatadogQuery`] | headers `DD-API-KEY`, `DD-APPLICATION-KEY` | number or vector |
//! | [`NewRelicQuery`] | header `API-Key` | JSON object or list |
//! | [`WavefrontQuery`] | bearer token | number or vector |
//! | [`CloudWatchQuery`] | AWS signature, service `monitoring` | series |
//! | [`GraphiteQuery`] | any | series |
//! | [`InfluxdbQuery`] | token with the scheme `Token` | vector, or JSON list |
//! | [`SkyWalkingQuery`] | any | JSON |
//! | [`KayentaQuery`] | any | number: the score |
//!
//! Prometheus and Graphite are tested against the real ones, all others against servers of the tests
//! that speak the documented protocols.
//!
//! ```no_run
//! # async fn example(now: sluice_model::Timestamp) -> Result<(), sluice_metrics::FetchError> {
//! use sluice_metrics::{Authentication, PrometheusQuery, Query, Secrets, Server, Source, Text, Window};
//! use std::time::Duration;
//!
//! let mut server = Server::at("https://prometheus.example");
//! server.authentication = Authentication::Basic {
//!     username: "sluice".into(),
//!     password: Text::secret("prometheus-password"),
//! };
//! let secrets = Secrets::none().with("prometheus-password", "…");
//! let source = Source::new("prod", &server, &secrets)?;
//!
//! let query = Query::Prometheus(PrometheusQuery::instant("up"));
//! let window = Window::ending(now, Duration::from_secs(300));
//! let answer = source.fetch(&query, window).await?;
//! if answer.sample.is_empty() {
//!     // The server answered, and has no data.
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Start reading at [`Source`]; then `transport`, `exchange` and `tls` for what every request has in
//! common (deadline, bounds, no redirections, no proxy), and `providers`, one file for each.
//! [`AwsCredentials`] finds the keys that requests to AWS are signed with.

mod answer;
mod aws;
mod credentials;
mod error;
mod exchange;
mod jsonpath;
mod number;
mod oauth2;
mod providers;
mod query;
mod sample;
mod secret;
mod server;
mod sigv4;
mod source;
mod tls;
mod transport;

pub use aws::{AWS_VARIABLES, AwsCredentials, AwsEnvironment, AwsError, AwsIdentity, AwsRegion};
pub use error::{FetchError, FetchErrorKind, Retry};
pub use exchange::ANSWER_BYTES_MAX;
pub use providers::cloudwatch::{CloudWatchQuery, MetricDataQuery, MetricStat};
pub use providers::datadog::{DatadogAggregator, DatadogQuery};
pub use providers::graphite::GraphiteQuery;
pub use providers::influxdb::InfluxdbQuery;
pub use providers::kayenta::{KayentaQuery, KayentaScope, KayentaSide};
pub use providers::newrelic::NewRelicQuery;
pub use providers::prometheus::PrometheusQuery;
pub use providers::skywalking::SkyWalkingQuery;
pub use providers::wavefront::WavefrontQuery;
pub use providers::web::{WebBody, WebMethod, WebQuery};
pub use query::{Query, Window};
pub use sample::{Answer, Element, Point, Sample, Series};
pub use secret::{Secret, Secrets, Text};
pub use server::{Authentication, Server, TIMEOUT_MAX, Tls};
pub use source::Source;
pub use tls::http_client;
pub use transport::REQUESTS_AT_ONCE_MAX;
