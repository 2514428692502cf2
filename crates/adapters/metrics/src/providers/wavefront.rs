//! Wavefront (VMware Aria Operations for Applications): the value of a query at the window's end.
//!
//! Source: "Query API", `GET /api/v2/chart/api`. The address is the cluster's, as in
//! `https://example.wavefront.com`; the token is a bearer token. Points outside of the asked moment are
//! let in, or there would hardly ever be one; the nearest counts. The real service cannot run here: the
//! tests speak the documented API.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::number::Number;
use crate::query::Window;
use crate::sample::{Answer, Element, Sample};
use crate::transport::{Request, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const QUERY_STEP: &str = "correct the query (Wavefront's chart builder shows it best)";

/// A query; the sample is one number, or one for each series when there are several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WavefrontQuery {
    /// In Wavefront's query language.
    pub query: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chart {
    #[serde(default)]
    timeseries: Vec<Line>,
    #[serde(default)]
    warnings: Option<String>,
    #[serde(default)]
    error_type: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    label: String,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// Pairs of Unix seconds and number.
    #[serde(default)]
    data: Vec<(f64, Number)>,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &WavefrontQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let end = window.end.0.to_string();
    let parameters = [
        ("q", query.query.as_str()),
        ("s", &end),
        ("e", &end),
        ("g", "s"),
        ("p", "1"),
        ("i", "true"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let request = Request::get("/api/v2/chart/api", parameters.to_vec());
    let reply = transport.send(request).await?;
    let origin = transport.origin();
    if !reply.status.is_success() {
        let said: Option<Chart> = serde_json::from_slice(&reply.body).ok();
        let said = said.and_then(|chart| chart.error_message);
        return Err(answer::refusal(&reply, &origin, said, QUERY_STEP));
    }
    let next_step = "see that the source's address is that of a Wavefront cluster";
    let chart: Chart = answer::json(&reply, &origin, next_step)?;
    if chart.error_type.is_some() || chart.error_message.is_some() {
        let said = [chart.error_type, chart.error_message];
        let said: Vec<String> = said.into_iter().flatten().collect();
        return Err(FetchError::new(
            FetchErrorKind::Rejected,
            format!(
                "{origin} answered: {}",
                answer::first_line(&said.join(": "))
            ),
            QUERY_STEP,
        ));
    }
    let warnings = chart.warnings.into_iter().filter(|text| !text.is_empty());
    Ok(Answer {
        sample: sample(chart.timeseries, window),
        warnings: warnings.collect(),
    })
}

fn sample(lines: Vec<Line>, window: Window) -> Sample {
    let is_one = lines.len() == 1;
    let end_seconds = window.end.0 as f64 / 1_000.0;
    let elements: Vec<Element> = lines
        .into_iter()
        .filter_map(|line| {
            let numbers = line
                .data
                .iter()
                .filter_map(|(at, value)| Some((at, value.0?)));
            let nearest = numbers.min_by(|(a, _), (b, _)| {
                (*a - end_seconds)
                    .abs()
                    .total_cmp(&(*b - end_seconds).abs())
            });
            let (_at, value) = nearest?;
            let mut labels = line.tags;
            labels.insert("label".to_owned(), line.label);
            labels.extend(line.host.map(|host| ("host".to_owned(), host)));
            Some(Element { labels, value })
        })
        .collect();
    match elements.as_slice() {
        [] => Sample::Nothing,
        [element] if is_one => Sample::Scalar(element.value),
        _ => Sample::Vector(elements),
    }
}
