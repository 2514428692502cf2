//! Datadog: timeseries queries (API v1) and scalar queries with formulas (API v2).
//!
//! Source: docs.datadoghq.com, "Metrics": `GET /api/v1/query`, `POST /api/v2/query/scalar`. The
//! address is the site's, as in `https://api.datadoghq.eu`; the keys are the headers `DD-API-KEY` and
//! `DD-APPLICATION-KEY`. The real service cannot run here: the tests speak the documented API.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::Reply;
use crate::number::Number;
use crate::query::Window;
use crate::sample::{Answer, Element, Sample};
use crate::transport::{Body, Request, Transport};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const QUERY_STEP: &str = "correct the query (Datadog's metrics explorer shows it best)";
const ADDRESS_STEP: &str =
    "see that the source's address is that of a Datadog site, as in `https://api.datadoghq.com`";

/// What Datadog is asked about the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum DatadogQuery {
    /// A timeseries query; the sample is each series' newest number.
    V1 {
        /// The query.
        query: String,
    },
    /// Scalar queries, and a formula over them; the sample is one number, or one for each group.
    V2 {
        /// Queries by the names that the formula uses.
        queries: BTreeMap<String, String>,
        /// How they are put together; may be left out for a single query.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        formula: Option<String>,
        /// How the numbers of the window become one.
        #[serde(default)]
        aggregator: DatadogAggregator,
    },
}

/// How numbers over time become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "Datadog's own words")]
pub enum DatadogAggregator {
    Avg,
    Min,
    Max,
    Sum,
    #[default]
    Last,
    Percentile,
    Mean,
    L2norm,
    Area,
}

#[derive(Deserialize)]
struct Timeseries {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Option<String>,
    series: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    scope: String,
    pointlist: Vec<(Number, Number)>,
}

#[derive(Deserialize)]
struct Scalars {
    data: Option<ScalarData>,
    #[serde(default)]
    errors: Option<Value>,
}

#[derive(Deserialize)]
struct ScalarData {
    attributes: Attributes,
    #[serde(default)]
    errors: Option<Value>,
}

#[derive(Deserialize)]
struct Attributes {
    columns: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    #[serde(default)]
    name: String,
    /// `number` or `group`.
    #[serde(rename = "type")]
    kind: String,
    values: Box<RawValue>,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &DatadogQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let origin = transport.origin();
    let reply = transport.send(request(query, window)?).await?;
    if !reply.status.is_success() {
        let said = serde_json::from_slice(&reply.body).ok();
        let said = said.and_then(|body: Value| words(body.get("errors")));
        return Err(answer::refusal(&reply, &origin, said, QUERY_STEP));
    }
    let sample = match query {
        DatadogQuery::V1 { .. } => timeseries(&reply, &origin)?,
        DatadogQuery::V2 { .. } => scalars(&reply, &origin)?,
    };
    Ok(sample.into())
}

fn request(query: &DatadogQuery, window: Window) -> Result<Request, FetchError> {
    let (start, end) = (window.start.0, window.end.0);
    match query {
        DatadogQuery::V1 { query } => Ok(Request::get(
            "/api/v1/query",
            vec![
                ("query".to_owned(), query.clone()),
                ("from".to_owned(), start.div_euclid(1_000).to_string()),
                ("to".to_owned(), end.div_euclid(1_000).to_string()),
            ],
        )),
        DatadogQuery::V2 {
            queries,
            formula,
            aggregator,
        } => {
            let formula = match (formula, queries.len()) {
                (Some(formula), 1..) => formula.clone(),
                (None, 1) => queries.keys().cloned().collect(),
                (_, 0) => {
                    return Err(FetchError::misconfigured(
                        "it has no query",
                        "give at least one in `queries`",
                    ));
                }
                (None, count) => {
                    return Err(FetchError::misconfigured(
                        format!("it has {count} queries and no formula"),
                        "say in `formula` how they become one number",
                    ));
                }
            };
            let queries: Vec<Value> = queries
                .iter()
                .map(|(name, query)| {
                    json!({
                        "aggregator": aggregator,
                        "data_source": "metrics",
                        "name": name,
                        "query": query,
                    })
                })
                .collect();
            let body = json!({"data": {
                "type": "scalar_request",
                "attributes": {
                    "from": start,
                    "to": end,
                    "queries": queries,
                    "formulas": [{"formula": formula}],
                },
            }});
            Ok(Request::post("/api/v2/query/scalar", Body::json(&body)))
        }
    }
}

fn timeseries(reply: &Reply, origin: &str) -> Result<Sample, FetchError> {
    let read: Timeseries = answer::json(reply, origin, ADDRESS_STEP)?;
    if read.status == "error" || read.error.as_ref().is_some_and(|error| !error.is_empty()) {
        return Err(rejected(origin, read.error.unwrap_or_default()));
    }
    let is_one = read.series.len() == 1;
    let elements: Vec<Element> = read
        .series
        .into_iter()
        .filter_map(|line| {
            // The newest points may not be in yet.
            let value = line
                .pointlist
                .iter()
                .rev()
                .find_map(|(_at, value)| value.0)?;
            Some(Element {
                labels: BTreeMap::from([("scope".to_owned(), line.scope)]),
                value,
            })
        })
        .collect();
    Ok(match elements.as_slice() {
        [] => Sample::Nothing,
        [element] if is_one => Sample::Scalar(element.value),
        _ => Sample::Vector(elements),
    })
}

fn scalars(reply: &Reply, origin: &str) -> Result<Sample, FetchError> {
    let read: Scalars = answer::json(reply, origin, ADDRESS_STEP)?;
    let of_data = read
        .data
        .as_ref()
        .and_then(|data| words(data.errors.as_ref()));
    if let Some(said) = words(read.errors.as_ref()).or(of_data) {
        return Err(rejected(origin, said));
    }
    let Some(data) = read.data else {
        return Err(FetchError::malformed(
            format!("{origin} answered without data"),
            ADDRESS_STEP,
        ));
    };
    let bad = |error: serde_json::Error| {
        FetchError::malformed(
            format!("{origin} answered a column that its protocol does not know: {error}"),
            ADDRESS_STEP,
        )
    };
    let mut numbers: Option<Vec<Number>> = None;
    let mut groups: Vec<(String, Vec<Vec<String>>)> = Vec::new();
    for column in data.attributes.columns {
        let values = column.values.get();
        match column.kind.as_str() {
            // One formula makes one column of numbers.
            "number" if numbers.is_none() => {
                numbers = Some(serde_json::from_str(values).map_err(bad)?);
            }
            "group" => groups.push((column.name, serde_json::from_str(values).map_err(bad)?)),
            _ => {}
        }
    }
    let numbers = numbers.unwrap_or_default();
    if groups.is_empty() {
        let first = numbers.first().and_then(|number| number.0);
        return Ok(first.map_or(Sample::Nothing, Sample::Scalar));
    }
    let mut elements = Vec::new();
    for (row, number) in numbers.iter().enumerate() {
        let labels = groups.iter().map(|(name, values)| {
            let tags = values.get(row)?;
            Some((name.clone(), tags.join(",")))
        });
        let labels: Option<BTreeMap<String, String>> = labels.collect();
        let labels = labels.ok_or_else(|| {
            FetchError::malformed(
                format!("{origin} answered a number in row {row} and no group for it"),
                "ask again without `by {…}`, or report this",
            )
        })?;
        // No data for this group.
        elements.extend(number.0.map(|value| Element { labels, value }));
    }
    Ok(Sample::Vector(elements))
}

fn rejected(origin: &str, said: String) -> FetchError {
    FetchError::new(
        FetchErrorKind::Rejected,
        format!("{origin} answered: {}", answer::first_line(&said)),
        QUERY_STEP,
    )
}

/// Errors are a text, or a list of texts.
fn words(errors: Option<&Value>) -> Option<String> {
    let text = match errors? {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().find_map(Value::as_str)?.to_owned(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
