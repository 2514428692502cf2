//! Prometheus: a query now, or over a range.

use super::{LONG_TIMEOUT, authentication, seconds};
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued, written};
use sluice_argo::api::PrometheusMetric;
use sluice_argo::condition::{Value, moment};
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{PrometheusQuery, Query, Sample, Secrets, Server, Window};
use std::time::Duration;

const NAME: &str = "prometheus";
/// The variable with the address of metrics that name none.
const ADDRESS: &str = "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS";
/// Part of the addresses of Amazon's managed Prometheus: only there, requests are signed.
const SIGNED_ADDRESS: &str = "aps-workspaces";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &PrometheusMetric,
) -> Result<Answer, String> {
    let (query, window) = query(question, metric)?;
    let (server, secrets) = server(servers, metric).await?;
    let asked = Asked {
        name: NAME,
        server,
        secrets,
        query: Query::Prometheus(query),
        window,
    };
    let answered = servers.fetch(question, asked).await?;
    let mut answer = match &answered.sample {
        Sample::Scalar(number) => valued(written::plain(*number), *number),
        Sample::Vector(_) | Sample::Series(_) => {
            let numbers = answered.sample.values();
            valued(
                written::list(&numbers, written::plain),
                Value::from(numbers),
            )
        }
        other => return Err(unexpected(NAME, other)),
    };
    note_warnings(&mut answer, &answered.warnings);
    if !metric.query.is_empty() {
        let key = "ResolvedPrometheusQuery".to_owned();
        answer.metadata.insert(key, metric.query.clone());
    }
    Ok(answer)
}

/// The server that a metric means, with its credentials.
pub(in crate::controller) async fn server(
    servers: &Servers,
    metric: &PrometheusMetric,
) -> Result<(Server, Secrets), String> {
    let address = match metric.address.as_str() {
        "" => servers.environment.get(ADDRESS).ok_or_else(|| {
            format!(
                "{NAME}: no address is known; write `address`, or set {ADDRESS} for the controller"
            )
        })?,
        address => address,
    };
    let mut server = Server::at(address);
    server.timeout = seconds(NAME, "timeout", metric.timeout, LONG_TIMEOUT)?;
    server.tls.insecure = metric.insecure;
    let signed = address.contains(SIGNED_ADDRESS).then_some("aps");
    let secrets = authentication::put_into(
        &mut server,
        NAME,
        &metric.headers,
        &metric.authentication,
        signed,
        &servers.aws,
    )
    .await?;
    Ok((server, secrets))
}

fn query(
    question: &Question<'_>,
    metric: &PrometheusMetric,
) -> Result<(PrometheusQuery, Window), String> {
    let text = metric.query.as_str();
    let Some(range) = &metric.range_query else {
        let now = Window::ending(question.now, Duration::ZERO);
        return Ok((PrometheusQuery::instant(text), now));
    };
    let at = |field: &str, text: &str| {
        moment(text, question.now)
            .map_err(|cause| format!("{NAME}: rangeQuery.{field} `{text}`, {cause}"))
    };
    let window = Window {
        start: at("start", &range.start)?,
        end: at("end", &range.end)?,
    };
    let step = super::duration(NAME, "rangeQuery.step", &range.step, Duration::ZERO)?;
    if step.is_zero() {
        return Err(format!(
            "{NAME}: rangeQuery.step is missing; write one, as in `1m`"
        ));
    }
    Ok((PrometheusQuery::range(text, step), window))
}
