//! Graphite's render API.
//!
//! Source: graphite.readthedocs.io, "The Render URL API". Graphite's JSON has no NaN: what is none in a
//! Whisper file is no data in the answer.

use crate::answer;
use crate::error::FetchError;
use crate::number::Number;
use crate::query::Window;
use crate::sample::{Answer, Point, Sample, Series};
use crate::transport::{Request, Transport};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sluice_model::Timestamp;
use std::collections::BTreeMap;

/// A target over the window; the sample is its series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GraphiteQuery {
    /// The target, as in `summarize(stats.requests, '5min', 'sum')`.
    pub target: String,
    /// Begin in Graphite's words, as in `-10min`, instead of the window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// End in Graphite's words, instead of the window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

#[derive(Deserialize)]
struct Line {
    target: String,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    /// Pairs of number and Unix seconds.
    datapoints: Vec<(Number, Number)>,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &GraphiteQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let seconds = |at: Timestamp| at.0.div_euclid(1_000).to_string();
    let from = query.from.clone();
    let until = query.until.clone();
    let parameters = vec![
        ("target".to_owned(), query.target.clone()),
        (
            "from".to_owned(),
            from.unwrap_or_else(|| seconds(window.start)),
        ),
        (
            "until".to_owned(),
            until.unwrap_or_else(|| seconds(window.end)),
        ),
        ("format".to_owned(), "json".to_owned()),
    ];
    let reply = transport.send(Request::get("/render", parameters)).await?;
    let origin = transport.origin();
    if !reply.status.is_success() {
        let next_step = "correct the target (Graphite's composer shows it best)";
        return Err(answer::refusal(&reply, &origin, None, next_step));
    }
    let next_step = "see that the source's address is that of Graphite; `/render` is put behind it";
    let lines: Vec<Line> = answer::json(&reply, &origin, next_step)?;
    let series = lines.into_iter().map(|line| {
        // Moments without a number are null.
        let points = line.datapoints.iter().filter_map(|(value, at)| {
            Some(Point {
                at: Timestamp((at.0? * 1_000.0).round() as i64),
                value: value.0?,
            })
        });
        let points = points.collect();
        let tags = line.tags.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        });
        let mut labels: BTreeMap<String, String> = tags.collect();
        labels.insert("target".to_owned(), line.target);
        Series { labels, points }
    });
    Ok(Sample::Series(series.collect()).into())
}
