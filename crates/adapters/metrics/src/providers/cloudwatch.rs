//! Amazon CloudWatch: `GetMetricData`, in its JSON protocol.
//!
//! Source: "GetMetricData", Amazon CloudWatch API Reference; AWS JSON 1.0 protocol. The address is the
//! region's, as in `https://monitoring.eu-central-1.amazonaws.com`; requests are signed for the service
//! `monitoring`. The real service cannot run here: the tests speak the documented API.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::Reply;
use crate::number::Number;
use crate::query::Window;
use crate::sample::{Answer, Point, Sample, Series};
use crate::transport::{Body, Request, Transport};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_model::Timestamp;
use std::collections::BTreeMap;

/// Most pages of an answer: CloudWatch gives 100,800 points on one.
const PAGES_MAX: usize = 5;

const QUERY_STEP: &str = "correct the queries (CloudWatch's metrics console shows them best)";

/// Metrics and expressions over the window; the sample is the series of those that return data,
/// with the labels `id` and `label`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudWatchQuery {
    /// At least one.
    pub metric_data_queries: Vec<MetricDataQuery>,
}

/// One metric, or an expression over others. Fields that are left out are CloudWatch's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricDataQuery {
    /// Name within the request; begins with a lower-case letter.
    pub id: String,
    /// Metric math or a Metrics Insights query; this or `metric_stat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// What the series is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// A metric; this or `expression`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    /// Distance of an expression's points, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<u32>,
    /// Whether the series is part of the answer; it is, if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_data: Option<bool>,
}

/// A metric and what is asked of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricStat {
    /// Namespace, as in `AWS/ApplicationELB`.
    pub namespace: String,
    /// The metric's name.
    pub metric_name: String,
    /// Dimensions by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// Distance of the points, in seconds.
    pub period: u32,
    /// The statistic, as in `Sum` or `p99`.
    pub stat: String,
    /// The unit, as in `Count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    metric_data_results: Vec<DataResult>,
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DataResult {
    id: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    values: Vec<Number>,
    #[serde(default)]
    status_code: String,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    code: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "__type", default)]
    kind: String,
    #[serde(alias = "Message", default)]
    message: String,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &CloudWatchQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let origin = transport.origin();
    let mut all = Collected::default();
    let mut token = None;
    for _page in 0..PAGES_MAX {
        let body = body(query, window, token.as_deref())?;
        let mut request = Request::post(
            "/",
            Body::Text {
                content_type: "application/x-amz-json-1.0",
                text: body.to_string(),
            },
        );
        request.headers = vec![(
            "x-amz-target",
            "GraniteServiceVersion20100801.GetMetricData",
        )];
        let reply = transport.send(request).await?;
        if !reply.status.is_success() {
            return Err(refusal(&reply, &origin));
        }
        let next_step = "see that the source's address is that of CloudWatch in the region, as in `https://monitoring.eu-central-1.amazonaws.com`";
        let page: Page = answer::json(&reply, &origin, next_step)?;
        token = page.next_token.clone().filter(|token| !token.is_empty());
        all.add(page, token.is_none(), &origin)?;
        if token.is_none() {
            return Ok(all.into());
        }
    }
    Err(FetchError::new(
        FetchErrorKind::TooLarge,
        format!("{origin} answered more than {PAGES_MAX} pages"),
        "ask for fewer series, a longer period or a shorter window",
    ))
}

fn body(query: &CloudWatchQuery, window: Window, token: Option<&str>) -> Result<Value, FetchError> {
    if query.metric_data_queries.is_empty() {
        return Err(FetchError::misconfigured(
            "it asks for no metric",
            "give at least one in `metricDataQueries`",
        ));
    }
    let seconds = |at: Timestamp| at.0.div_euclid(1_000);
    let queries = query.metric_data_queries.iter().map(data_query);
    Ok(without_nulls(json!({
        "StartTime": seconds(window.start),
        "EndTime": seconds(window.end),
        "ScanBy": "TimestampAscending",
        "MetricDataQueries": queries.collect::<Vec<_>>(),
        "NextToken": token,
    })))
}

fn data_query(query: &MetricDataQuery) -> Value {
    let metric_stat = query.metric_stat.as_ref().map(|stat| {
        let dimensions = stat.dimensions.iter();
        let dimensions = dimensions.map(|(name, value)| json!({"Name": name, "Value": value}));
        without_nulls(json!({
            "Metric": {
                "Namespace": stat.namespace,
                "MetricName": stat.metric_name,
                "Dimensions": dimensions.collect::<Vec<_>>(),
            },
            "Period": stat.period,
            "Stat": stat.stat,
            "Unit": stat.unit,
        }))
    });
    without_nulls(json!({
        "Id": query.id,
        "Expression": query.expression,
        "Label": query.label,
        "MetricStat": metric_stat,
        "Period": query.period,
        "ReturnData": query.return_data,
    }))
}

/// An object without the fields that are not set.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// AWS says 400 to nearly everything, and what it means in the type.
fn refusal(reply: &Reply, origin: &str) -> FetchError {
    let Ok(refused) = serde_json::from_slice::<Refused>(&reply.body) else {
        return answer::refusal(reply, origin, None, QUERY_STEP);
    };
    let kind = refused.kind.rsplit('#').next().unwrap_or_default();
    let said = format!("{kind}: {}", refused.message);
    let (meant, next_step) = if kind.contains("Throttling") || kind.contains("LimitExceeded") {
        (
            FetchErrorKind::Throttled,
            "ask less often, or have the limit raised",
        )
    } else if ["Signature", "AccessDenied", "Token", "UnrecognizedClient"]
        .iter()
        .any(|part| kind.contains(part))
    {
        (
            FetchErrorKind::Unauthorized,
            "correct the keys or the region, or allow `cloudwatch:GetMetricData`",
        )
    } else {
        return answer::refusal(reply, origin, Some(said), QUERY_STEP);
    };
    FetchError::new(
        meant,
        format!(
            "{origin} answered {}: {}",
            reply.status,
            answer::first_line(&said)
        ),
        next_step,
    )
}

/// What the pages said so far.
#[derive(Default)]
struct Collected {
    series: Vec<Series>,
    warnings: Vec<String>,
}

impl Collected {
    fn add(&mut self, page: Page, is_last: bool, origin: &str) -> Result<(), FetchError> {
        self.warn(page.messages, "");
        for result in page.metric_data_results {
            let kind = match result.status_code.as_str() {
                "Forbidden" => Some(FetchErrorKind::Unauthorized),
                "InternalError" => Some(FetchErrorKind::Faulty),
                _ => None,
            };
            if let Some(kind) = kind {
                return Err(FetchError::new(
                    kind,
                    format!(
                        "{origin} answered {} for `{}`",
                        result.status_code,
                        answer::first_line(&result.id)
                    ),
                    "allow the role to read the metric, or ask again later",
                ));
            }
            // Until the last page, every series is partial.
            if is_last && result.status_code == "PartialData" {
                self.warnings.push(format!("`{}` is partial", result.id));
            }
            self.warn(result.messages, &result.id);
            if result.timestamps.len() != result.values.len() {
                return Err(FetchError::malformed(
                    format!(
                        "{origin} answered {} times and {} values for `{}`",
                        result.timestamps.len(),
                        result.values.len(),
                        answer::first_line(&result.id)
                    ),
                    "ask again; if it stays, report this",
                ));
            }
            let points = result.timestamps.iter().zip(&result.values);
            let points = points.filter_map(|(at, value)| {
                Some(Point {
                    at: Timestamp((at * 1_000.0).round() as i64),
                    value: value.0?,
                })
            });
            let labels = BTreeMap::from([
                ("id".to_owned(), result.id),
                ("label".to_owned(), result.label),
            ]);
            match self
                .series
                .iter_mut()
                .find(|series| series.labels == labels)
            {
                Some(series) => series.points.extend(points),
                None => self.series.push(Series {
                    labels,
                    points: points.collect(),
                }),
            }
        }
        Ok(())
    }

    fn warn(&mut self, messages: Vec<Message>, id: &str) {
        let place = if id.is_empty() {
            String::new()
        } else {
            format!("`{id}`: ")
        };
        let texts = messages
            .into_iter()
            .map(|message| format!("{place}{}: {}", message.code, message.value));
        self.warnings.extend(texts);
    }
}

impl From<Collected> for Answer {
    fn from(all: Collected) -> Answer {
        Answer {
            sample: Sample::Series(all.series),
            warnings: all.warnings,
        }
    }
}
