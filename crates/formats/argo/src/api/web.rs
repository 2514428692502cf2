//! Metrics asked over HTTP with headers and secrets: web, Prometheus, Datadog.

use super::scalar::{DurationText, RawObject};
use std::collections::BTreeMap;

wire! {
    /// An HTTP request whose JSON answer is the measurement.
    WebMetric {
        required {
            /// Where to.
            url: String,
        }
        optional {
            /// `GET`, `POST` or `PUT`; GET when absent.
            method: String,
            /// Headers.
            headers: Vec<WebMetricHeader>,
            /// The body, with POST and PUT; not together with jsonBody.
            body: String,
            /// Longest time for the answer, in seconds; 10 when absent.
            timeout_seconds: i64,
            /// Which part of the answer is the result, as `{$.data}`; all of it when absent.
            json_path: String,
            /// Whether the server's certificate is not checked.
            insecure: bool,
            /// The body as JSON, with POST and PUT; not together with body.
            json_body: RawObject,
            /// How the request is authenticated.
            authentication: Authentication,
        }
    }

    /// A header.
    WebMetricHeader {
        required {
            /// Its name.
            key: String,
            /// Its value.
            value: String,
        }
    }

    /// A query to Prometheus.
    PrometheusMetric {
        optional {
            /// The server.
            address: String,
            /// The PromQL query.
            query: String,
            /// How the request is authenticated.
            authentication: Authentication,
            /// Longest time for the query, in seconds; 30 when absent.
            timeout: Option<i64>,
            /// Whether the server's certificate is not checked.
            insecure: bool,
            /// Headers.
            headers: Vec<WebMetricHeader>,
            /// Asks for a range instead of one moment.
            range_query: Option<PrometheusRangeQueryArgs>,
        }
    }

    /// A range of time.
    PrometheusRangeQueryArgs {
        optional {
            /// Expression for its begin, as `now() - duration("1h")`.
            start: String,
            /// Expression for its end, as `now()`.
            end: String,
            /// Time between samples, as `1m`.
            step: DurationText,
        }
    }

    /// How a request is authenticated; one of the fields.
    Authentication {
        optional {
            /// AWS Signature Version 4.
            sigv4: Sigv4Config,
            /// OAuth 2 client credentials.
            oauth2: OAuth2Config,
            /// User and password.
            basic_auth: BasicAuthConfig,
        }
    }

    /// AWS Signature Version 4.
    Sigv4Config {
        optional {
            /// The region.
            region: String,
            /// The profile of the credentials.
            profile: String,
            /// The role that is assumed.
            role_arn: String,
        }
    }

    /// OAuth 2 client credentials.
    OAuth2Config {
        optional {
            /// Where tokens come from.
            token_url: String,
            /// The client.
            client_id: String,
            /// Its secret.
            client_secret: String,
            /// Scopes that are asked for.
            scopes: Vec<String>,
        }
    }

    /// User and password.
    BasicAuthConfig {
        optional {
            /// The user.
            username: String,
            /// The password.
            password: String,
        }
    }

    /// A query to Datadog.
    DatadogMetric {
        optional {
            /// The window that is looked at.
            #[schemars(extend("x-default" = "5m"))]
            interval: DurationText,
            /// The query.
            query: String,
            /// Queries by name, for a formula; with v2.
            queries: BTreeMap<String, String>,
            /// A formula over the queries; with v2.
            formula: String,
            /// Version of Datadog's API.
            #[schemars(extend("enum" = ["v1", "v2"], "x-default" = "v1"))]
            api_version: String,
            /// How a series becomes one value; with v2.
            #[schemars(extend("enum" = ["avg", "min", "max", "sum", "last", "percentile", "mean", "l2norm", "area"]))]
            aggregator: String,
            /// The Secret with the keys.
            secret_ref: SecretRef,
            /// Longest time for the answer.
            #[schemars(extend("x-default" = "10s"))]
            request_timeout: DurationText,
        }
    }

    /// The Secret with Datadog's keys.
    SecretRef {
        optional {
            /// Its name.
            name: String,
            /// Whether it lies in the run's namespace and not in the controller's.
            namespaced: bool,
        }
    }
}
