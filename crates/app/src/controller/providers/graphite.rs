//! Graphite: the first series of a query to its render API.

use super::TIMEOUT;
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued, written};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sluice_argo::api::GraphiteMetric;
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{GraphiteQuery, Query, Sample, Secrets, Server};
use std::time::Duration;

const NAME: &str = "graphite";
/// What the render API takes for the bounds that a query leaves out.
const FROM: &str = "-24hours";
const UNTIL: &str = "now";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &GraphiteMetric,
) -> Result<Answer, String> {
    if metric.address.is_empty() {
        return Err(format!(
            "{NAME}: no address is written; write Graphite's URL"
        ));
    }
    let (query, rest) = query(&metric.query)?;
    let mut server = Server::at(if rest.is_empty() {
        metric.address.clone()
    } else {
        format!("{}?{rest}", metric.address.trim_end_matches('/'))
    });
    server.timeout = TIMEOUT;
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none(),
        query: Query::Graphite(query),
        window: super::window(question, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    let series = match &answered.sample {
        Sample::Series(series) => series.first(),
        other => return Err(unexpected(NAME, other)),
    };
    let Some(series) = series else {
        return Err(format!(
            "{NAME}: the query has no series; see in Graphite's composer what it finds"
        ));
    };
    let numbers: Vec<f64> = series.points.iter().map(|point| point.value).collect();
    let text = written::list(&numbers, |number| written::fixed(number, 6));
    let mut answer = valued(text, Value::from(numbers));
    note_warnings(&mut answer, &answered.warnings);
    Ok(answer)
}

/// Reads a query as metrics have it, `target=…&from=-5min`, and gives back besides what the render API takes that
/// is neither target nor bound. White space in it has no meaning.
fn query(text: &str) -> Result<(GraphiteQuery, String), String> {
    let text: String = text.split_whitespace().collect();
    let (mut target, mut from, mut until) = (None, None, None);
    let mut rest = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        match name.as_str() {
            "target" => target = target.or(Some(value)),
            "from" => from = from.or(Some(value)),
            "until" => until = until.or(Some(value)),
            "format" => {}
            _ => rest.push(format!(
                "{}={}",
                utf8_percent_encode(&name, NON_ALPHANUMERIC),
                utf8_percent_encode(&value, NON_ALPHANUMERIC)
            )),
        }
    }
    let target = target.filter(|target| !target.is_empty()).ok_or_else(|| {
        format!(
            "{NAME}: the query has no target; write it as in `target=stats.requests&from=-5min`"
        )
    })?;
    let query = GraphiteQuery {
        target,
        from: Some(from.unwrap_or_else(|| FROM.to_owned())),
        until: Some(until.unwrap_or_else(|| UNTIL.to_owned())),
    };
    Ok((query, rest.join("&")))
}

/// A name or value of a query string.
fn decoded(text: &str) -> Result<String, String> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| {
        format!("{NAME}: the query is no text; percent-encode its characters as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_a_query_string_with_white_space() {
        for (text, target, from, until, rest) in [
            ("target=a.b", "a.b", FROM, UNTIL, ""),
            (
                "target=sumSeries(\n  a.b,\n  c.d\n)&from=-5min&until=-1min",
                "sumSeries(a.b,c.d)",
                "-5min",
                "-1min",
                "",
            ),
            (
                "target=alias(a%2Cb,'x+y')&maxDataPoints=3&format=png&target=z",
                "alias(a,b,'x y')",
                FROM,
                UNTIL,
                "maxDataPoints=3",
            ),
        ] {
            let (query, left) = query(text).expect(text);
            assert_eq!(query.target, target, "{text}");
            assert_eq!(query.from.as_deref(), Some(from), "{text}");
            assert_eq!(query.until.as_deref(), Some(until), "{text}");
            assert_eq!(left, rest, "{text}");
        }
        for (text, said) in [
            ("", "no target"),
            ("from=-5min", "no target"),
            ("target=%ff", "no text"),
        ] {
            let error = query(text).expect_err(text);
            assert!(error.contains(said), "{error}");
        }
    }
}
