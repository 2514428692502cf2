//! Prometheus' HTTP API: instant and range queries.
//!
//! Source: prometheus.io, "HTTP API". Thanos, Mimir, VictoriaMetrics and the managed services speak
//! it too. Numbers come as text, so that NaN and infinities arrive as what they are.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::Reply;
use crate::query::Window;
use crate::sample::{Answer, Element, Point, Sample, Series};
use crate::transport::{Body, Request, Transport};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use sluice_model::Timestamp;
use sluice_model::millis;
use sluice_model::time::format_span;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most points of a series that Prometheus gives in one answer.
const POINTS_MAX: u128 = 11_000;

const QUERY_STEP: &str = "correct the query (Prometheus' own page shows it best)";

/// A PromQL query: at the end of the window, or over all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusQuery {
    /// PromQL.
    pub query: String,
    /// Distance of the points of a range query, in milliseconds; without it, the query is an
    /// instant one.
    #[serde(
        with = "millis::option",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub step: Option<Duration>,
}

impl PrometheusQuery {
    /// The query's value at the end of the window.
    #[must_use]
    pub fn instant(query: impl Into<String>) -> PrometheusQuery {
        PrometheusQuery {
            query: query.into(),
            step: None,
        }
    }

    /// The query's values over the window, at this distance.
    #[must_use]
    pub fn range(query: impl Into<String>, step: Duration) -> PrometheusQuery {
        PrometheusQuery {
            query: query.into(),
            step: Some(step),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: String,
    data: Option<Data>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "resultType", content = "result")]
enum Data {
    Scalar((f64, String)),
    String((f64, String)),
    Vector(Vec<InstantSeries>),
    Matrix(Vec<RangeSeries>),
}

#[derive(Deserialize)]
struct InstantSeries {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
}

#[derive(Deserialize)]
struct RangeSeries {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<serde::de::IgnoredAny>,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &PrometheusQuery,
    window: Window,
    timeout: Duration,
) -> Result<Answer, FetchError> {
    let (path, parameters) = request(query, window, timeout)?;
    let form = Request::post(path, Body::Form(parameters.clone()));
    let mut reply = transport.send(form).await?;
    // Servers before 2.1 and some relays in front take GET alone.
    if matches!(
        reply.status,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
    ) {
        reply = transport.send(Request::get(path, parameters)).await?;
    }
    read(&reply, &transport.origin())
}

type Parameters = Vec<(String, String)>;

fn request(
    query: &PrometheusQuery,
    window: Window,
    timeout: Duration,
) -> Result<(&'static str, Parameters), FetchError> {
    if query.query.trim().is_empty() {
        return Err(FetchError::misconfigured(
            "its query is empty",
            "write a PromQL query",
        ));
    }
    let mut pairs = vec![("query", query.query.clone())];
    let path = match query.step {
        None => {
            pairs.push(("time", seconds(window.end)));
            "/api/v1/query"
        }
        Some(step) => {
            check_step(step, window)?;
            pairs.extend([
                ("start", seconds(window.start)),
                ("end", seconds(window.end)),
                ("step", format!("{}", step.as_secs_f64())),
            ]);
            "/api/v1/query_range"
        }
    };
    // The server stops, too, when nobody waits any more.
    pairs.push(("timeout", format!("{}", timeout.as_secs_f64())));
    let owned = pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Ok((path, owned.collect()))
}

fn check_step(step: Duration, window: Window) -> Result<(), FetchError> {
    if window.end < window.start {
        return Err(FetchError::misconfigured(
            format!(
                "its range ends at {}, before it begins at {}",
                window.end, window.start
            ),
            "exchange start and end",
        ));
    }
    let points = window
        .span()
        .as_millis()
        .checked_div(step.as_millis())
        .map_or(u128::MAX, |steps| steps + 1);
    if points > POINTS_MAX {
        return Err(FetchError::misconfigured(
            format!(
                "its step of {} is too small for a range of {}: Prometheus gives at most {POINTS_MAX} points",
                format_span(step),
                format_span(window.span())
            ),
            "raise the step, or ask for a shorter range",
        ));
    }
    Ok(())
}

/// Unix time in seconds, to the millisecond.
fn seconds(at: Timestamp) -> String {
    let sign = if at.0 < 0 { "-" } else { "" };
    let millis = at.0.unsigned_abs();
    format!("{sign}{}.{:03}", millis / 1_000, millis % 1_000)
}

fn read(reply: &Reply, origin: &str) -> Result<Answer, FetchError> {
    if !reply.status.is_success() {
        // What stands in front of Prometheus may answer in any form.
        let said: Option<Envelope> = serde_json::from_slice(&reply.body).ok();
        return Err(refusal(reply, origin, said));
    }
    let next_step = "see that the source's address is that of Prometheus, without `/api/v1`";
    let envelope: Envelope = answer::json(reply, origin, next_step)?;
    if envelope.status != "success" {
        return Err(refusal(reply, origin, Some(envelope)));
    }
    let Some(data) = envelope.data else {
        return Err(FetchError::malformed(
            format!("{origin} answered without data"),
            next_step,
        ));
    };
    let sample = sample(data, origin)?;
    let warnings = envelope.warnings.into_iter().chain(envelope.infos);
    Ok(Answer {
        sample,
        warnings: warnings.collect(),
    })
}

fn refusal(reply: &Reply, origin: &str, envelope: Option<Envelope>) -> FetchError {
    let error_type = envelope
        .as_ref()
        .and_then(|envelope| envelope.error_type.clone());
    let said = envelope.and_then(|envelope| envelope.error);
    let mut error = answer::refusal(reply, origin, said, QUERY_STEP);
    // Prometheus says 503 when the query itself took too long.
    if matches!(error_type.as_deref(), Some("timeout" | "canceled")) {
        error.kind = FetchErrorKind::TimedOut;
        error.next_step = "make the query cheaper, or raise the source's timeout".to_owned();
    }
    error
}

fn sample(data: Data, origin: &str) -> Result<Sample, FetchError> {
    Ok(match data {
        Data::Scalar((_at, text)) => Sample::Scalar(number(&text, origin)?),
        Data::String((_at, _text)) => {
            return Err(FetchError::new(
                FetchErrorKind::Rejected,
                format!("{origin} answered a text, and no number"),
                QUERY_STEP,
            ));
        }
        Data::Vector(all) => {
            let elements = all.into_iter().map(|series| {
                let (_at, text) = series.value.ok_or_else(|| histogram(origin))?;
                Ok(Element {
                    labels: series.metric,
                    value: number(&text, origin)?,
                })
            });
            Sample::Vector(elements.collect::<Result<_, FetchError>>()?)
        }
        Data::Matrix(all) => {
            let series = all.into_iter().map(|series| {
                if !series.histograms.is_empty() {
                    return Err(histogram(origin));
                }
                let points = series.values.iter().map(|(at, text)| {
                    Ok(Point {
                        at: Timestamp((at * 1_000.0).round() as i64),
                        value: number(text, origin)?,
                    })
                });
                Ok(Series {
                    labels: series.metric,
                    points: points.collect::<Result<_, FetchError>>()?,
                })
            });
            Sample::Series(series.collect::<Result<_, FetchError>>()?)
        }
    })
}

fn histogram(origin: &str) -> FetchError {
    FetchError::new(
        FetchErrorKind::Rejected,
        format!("{origin} answered a native histogram, and no number"),
        "take a number out of it, as in `histogram_quantile(0.99, …)` or `histogram_count(…)`",
    )
}

/// A number as Prometheus writes it: `NaN`, `+Inf` and `-Inf` among them.
fn number(text: &str, origin: &str) -> Result<f64, FetchError> {
    text.parse().map_err(|_| {
        FetchError::malformed(
            format!(
                "{origin} answered `{}` for a number",
                answer::first_line(text)
            ),
            "see that the source's address is that of Prometheus",
        )
    })
}
