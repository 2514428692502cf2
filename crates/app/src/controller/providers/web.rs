//! Any HTTP server: a request, and a value out of its answer.

use super::{TIMEOUT, authentication};
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued, written};
use serde_json::Value;
use sluice_argo::api::{RawObject, Sigv4Config, WebMetric};
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{Query, Sample, Server, Text, WebBody, WebMethod, WebQuery};
use std::time::Duration;

const NAME: &str = "web";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &WebMetric,
) -> Result<Answer, String> {
    let mut server = Server::at(&*metric.url);
    server.timeout = match u64::try_from(metric.timeout_seconds) {
        Ok(seconds @ 1..) => Duration::from_secs(seconds),
        _ => TIMEOUT,
    };
    server.tls.insecure = metric.insecure;
    if metric.authentication.sigv4 != Sigv4Config::default() {
        return Err(format!(
            "{NAME}: requests are signed for Prometheus alone; leave out authentication.sigv4"
        ));
    }
    let secrets = authentication::put_into(
        &mut server,
        NAME,
        &metric.headers,
        &metric.authentication,
        None,
        &servers.aws,
    )
    .await?;
    let asked = Asked {
        name: NAME,
        server,
        secrets,
        query: Query::Web(query(metric)?),
        window: super::window(question, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    let mut answer = match answered.sample {
        // Without a path, a text is the answer as it came: it need not be JSON.
        Sample::Json(Value::String(text)) if metric.json_path.is_empty() => {
            valued(text.clone(), text.as_str())
        }
        Sample::Json(value) => valued(written::json(&value), value),
        Sample::Nothing => {
            return Err(format!(
                "{NAME}: the path `{}` finds no value in the answer; correct jsonPath, or see why the answer lacks it",
                metric.json_path
            ));
        }
        other => return Err(unexpected(NAME, &other)),
    };
    note_warnings(&mut answer, &answered.warnings);
    Ok(answer)
}

fn query(metric: &WebMetric) -> Result<WebQuery, String> {
    let method = match metric.method.as_str() {
        "" | "GET" => WebMethod::Get,
        "POST" => WebMethod::Post,
        "PUT" => WebMethod::Put,
        other => {
            return Err(format!(
                "{NAME}: the method `{other}` is not known; write GET, POST or PUT"
            ));
        }
    };
    let has_json = metric.json_body != RawObject::default();
    let body = match (metric.body.as_str(), has_json) {
        ("", false) => None,
        (text, false) => Some(WebBody::Text(Text::Plain(text.to_owned()))),
        ("", true) => Some(WebBody::Json(Value::Object(metric.json_body.0.clone()))),
        (_, true) => {
            return Err(format!(
                "{NAME}: body and jsonBody are both written; leave out one"
            ));
        }
    };
    // A path without braces would be taken for a text by Argo, and is meant as a path by everybody else.
    let path = metric.json_path.trim();
    let json_path = match path {
        "" => None,
        path if path.contains('{') => Some(path.to_owned()),
        path => Some(format!("{{{path}}}")),
    };
    Ok(WebQuery {
        method,
        body,
        json_path,
    })
}
