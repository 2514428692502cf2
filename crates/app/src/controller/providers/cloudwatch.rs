//! Amazon CloudWatch: metrics and expressions over the last minutes.

use super::{INTERVAL, LONG_TIMEOUT, duration};
use crate::controller::{Asked, Servers, aws, unexpected, valued};
use sluice_argo::api::{CloudWatchMetric, CloudWatchMetricDataQuery, IntOrString, Sigv4Config};
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{CloudWatchQuery, MetricDataQuery, MetricStat, Query, Sample, Series, Server};
use std::collections::BTreeMap;
use std::sync::Arc;

const NAME: &str = "cloudWatch";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &CloudWatchMetric,
) -> Result<Answer, String> {
    let span = duration(NAME, "interval", &metric.interval, INTERVAL)?;
    let queries = metric.metric_data_queries.iter().map(query);
    let queries = queries.collect::<Result<Vec<_>, String>>()?;
    let own = Sigv4Config::default();
    let (region, authentication, secrets) =
        aws::signing(NAME, "monitoring", &own, &servers.aws).await?;
    let mut server = Server::at(servers.aws.cloudwatch(&region));
    server.timeout = LONG_TIMEOUT;
    server.authentication = authentication;
    let asked = Asked {
        name: NAME,
        server,
        secrets,
        query: Query::CloudWatch(CloudWatchQuery {
            metric_data_queries: queries,
        }),
        window: super::window(question, span),
    };
    let answered = servers.fetch(question, asked).await?;
    let Sample::Series(series) = &answered.sample else {
        return Err(unexpected(NAME, &answered.sample));
    };
    let numbers = series.iter().map(|it| Value::from(newest_first(it)));
    let text = Value::from(numbers.collect::<Vec<Value>>()).to_string();
    let results = series.iter().map(|it| result(it, &answered.warnings));
    let mut answer = valued(text, results.collect::<Vec<Value>>());
    if !answered.warnings.is_empty() {
        let key = "messages".to_owned();
        answer.notes.insert(key, answered.warnings.join(", "));
    }
    Ok(answer)
}

fn newest_first(series: &Series) -> Vec<f64> {
    series
        .points
        .iter()
        .rev()
        .map(|point| point.value)
        .collect()
}

/// A result under the names that conditions know: those of AWS' library for Go.
fn result(series: &Series, warnings: &[String]) -> Value {
    let label = |name: &str| series.labels.get(name).map_or("", String::as_str);
    let times = series
        .points
        .iter()
        .rev()
        .map(|point| Value::Time(point.at));
    let is_partial = warnings.contains(&format!("`{}` is partial", label("id")));
    let status = if is_partial {
        "PartialData"
    } else {
        "Complete"
    };
    let fields = [
        ("Id", Value::from(label("id"))),
        ("Label", Value::from(label("label"))),
        ("StatusCode", Value::from(status)),
        ("Timestamps", Value::from(times.collect::<Vec<Value>>())),
        ("Values", Value::from(newest_first(series))),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Value::Map(Arc::new(BTreeMap::from(fields)))
}

fn query(query: &CloudWatchMetricDataQuery) -> Result<MetricDataQuery, String> {
    let metric_stat = query.metric_stat.as_ref().map(|stat| {
        let dimensions = stat.metric.dimensions.iter();
        let dimensions = dimensions.map(|it| (it.name.clone(), it.value.clone()));
        let missing = || {
            format!(
                "{NAME}: the query `{}` has no period; write its seconds",
                query.id
            )
        };
        Ok::<_, String>(MetricStat {
            namespace: stat.metric.namespace.clone().unwrap_or_default(),
            metric_name: stat.metric.metric_name.clone(),
            dimensions: dimensions.collect(),
            period: period(&query.id, stat.period.as_ref())?.ok_or_else(missing)?,
            stat: stat.stat.clone(),
            unit: Some(stat.unit.clone()).filter(|unit| !unit.is_empty()),
        })
    });
    Ok(MetricDataQuery {
        id: query.id.clone(),
        expression: query.expression.clone(),
        label: query.label.clone(),
        metric_stat: metric_stat.transpose()?,
        period: period(&query.id, query.period.as_ref())?,
        return_data: query.return_data,
    })
}

fn period(id: &str, period: Option<&IntOrString>) -> Result<Option<u32>, String> {
    let Some(period) = period else {
        return Ok(None);
    };
    match u32::try_from(period.int_value()) {
        Ok(seconds @ 1..) => Ok(Some(seconds)),
        _ => Err(format!(
            "{NAME}: the period `{period}` of the query `{id}` is no number of seconds; write one above 0"
        )),
    }
}
