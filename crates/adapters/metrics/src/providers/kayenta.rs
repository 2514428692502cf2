//! Kayenta: starts a canary analysis over the window, waits for it, and reads its score.
//!
//! Source: Kayenta's API (`/canaryConfig`, `/canary`), as its OpenAPI document has it. A fetch takes as
//! long as the analysis does, within the source's timeout; one that is given up is not taken up again.
//! The real server does not run here: the tests speak the documented API. Kayenta's judge itself, with
//! nothing to fetch from, is `core/kayenta`.

use crate::answer;
use crate::error::{FetchError, FetchErrorKind};
use crate::exchange::Reply;
use crate::query::Window;
use crate::sample::{Answer, Sample};
use crate::sigv4::RESERVED;
use crate::transport::{Body, Request, Transport};
use percent_encoding::utf8_percent_encode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sluice_model::millis;
use std::time::Duration;

/// Shortest time between two looks whether an analysis is complete.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(100);

const QUERY_STEP: &str = "correct the query's accounts, scopes or canary config";
const ADDRESS_STEP: &str = "see that the source's address is that of Kayenta";

/// An analysis of a canary config; the sample is the score, 0 to 100.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KayentaQuery {
    /// The application that the canary config belongs to.
    pub application: String,
    /// The canary config's name.
    pub canary_config_name: String,
    /// Account that metrics are read from.
    pub metrics_account_name: String,
    /// Account that the canary config is read from.
    pub configuration_account_name: String,
    /// Account that results are kept in.
    pub storage_account_name: String,
    /// Score from which Kayenta says "pass"; handed on, the score is judged elsewhere.
    pub pass: u32,
    /// Score from which Kayenta says "marginal".
    pub marginal: u32,
    /// What is compared, at least one.
    pub scopes: Vec<KayentaScope>,
    /// Time between two looks whether the analysis is complete, in milliseconds.
    #[serde(with = "millis", default = "poll_interval_default")]
    pub poll_interval: Duration,
}

/// One pair of what is compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KayentaScope {
    /// The scope's name in the canary config.
    pub name: String,
    /// The baseline.
    pub control: KayentaSide,
    /// The canary.
    pub experiment: KayentaSide,
}

/// One side of a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KayentaSide {
    /// What is measured, in the metric store's words.
    pub scope: String,
    /// Its region.
    #[serde(default)]
    pub location: String,
    /// Distance of the points, in seconds.
    pub step: u32,
    /// Begin as RFC 3339, instead of the window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// End as RFC 3339, instead of the window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

fn poll_interval_default() -> Duration {
    Duration::from_secs(15)
}

#[derive(Deserialize)]
struct Config {
    id: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    canary_execution_id: String,
}

#[derive(Deserialize)]
struct Execution {
    complete: bool,
    #[serde(default)]
    status: String,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    exception: Value,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &KayentaQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    if query.scopes.is_empty() {
        return Err(FetchError::misconfigured(
            "it has no scope",
            "say in `scopes` what is compared",
        ));
    }
    let config = config_id(transport, query).await?;
    let execution = start(transport, query, window, &config).await?;
    loop {
        tokio::time::sleep(query.poll_interval.max(POLL_INTERVAL_MIN)).await;
        let path = format!("/canary/{}", segment(&execution));
        let parameters = owned([("storageAccountName", &query.storage_account_name)]);
        let reply = transport.send(Request::get(path, parameters)).await?;
        let state: Execution = read(&reply, &transport.origin())?;
        if state.complete {
            return score(&state, &transport.origin());
        }
    }
}

async fn config_id(transport: &Transport, query: &KayentaQuery) -> Result<String, FetchError> {
    let parameters = owned([
        ("application", &query.application),
        (
            "configurationAccountName",
            &query.configuration_account_name,
        ),
    ]);
    let reply = transport
        .send(Request::get("/canaryConfig", parameters))
        .await?;
    let configs: Vec<Config> = read(&reply, &transport.origin())?;
    let found = configs
        .into_iter()
        .find(|config| config.name == query.canary_config_name);
    found.map(|config| config.id).ok_or_else(|| {
        FetchError::new(
            FetchErrorKind::Rejected,
            format!(
                "{} has no canary config `{}` of the application `{}`",
                transport.origin(),
                query.canary_config_name,
                query.application
            ),
            "correct the name, or make the canary config",
        )
    })
}

async fn start(
    transport: &Transport,
    query: &KayentaQuery,
    window: Window,
    config: &str,
) -> Result<String, FetchError> {
    let side = |side: &KayentaSide| {
        let time = |own: &Option<String>, of_window: String| own.clone().unwrap_or(of_window);
        json!({
            "scope": side.scope,
            "location": side.location,
            "step": side.step,
            "start": time(&side.start, window.start.to_string()),
            "end": time(&side.end, window.end.to_string()),
        })
    };
    let scopes = query.scopes.iter().map(|scope| {
        let pair = json!({
            "controlScope": side(&scope.control),
            "experimentScope": side(&scope.experiment),
        });
        (scope.name.clone(), pair)
    });
    let body = json!({
        "scopes": Value::Object(scopes.collect::<Map<_, _>>()),
        "thresholds": {"pass": query.pass, "marginal": query.marginal},
    });
    let path = format!("/canary/{}", segment(config));
    let mut request = Request::post(path, Body::json(&body));
    request.parameters = owned([
        ("application", &query.application),
        ("metricsAccountName", &query.metrics_account_name),
        (
            "configurationAccountName",
            &query.configuration_account_name,
        ),
        ("storageAccountName", &query.storage_account_name),
    ]);
    let reply = transport.send(request).await?;
    let started: Started = read(&reply, &transport.origin())?;
    Ok(started.canary_execution_id)
}

fn read<T: DeserializeOwned>(reply: &Reply, origin: &str) -> Result<T, FetchError> {
    if reply.status.is_success() {
        return answer::json(reply, origin, ADDRESS_STEP);
    }
    let said = serde_json::from_slice::<Value>(&reply.body).ok();
    let said = said.and_then(|body| body.get("message")?.as_str().map(str::to_owned));
    Err(answer::refusal(reply, origin, said, QUERY_STEP))
}

fn score(state: &Execution, origin: &str) -> Result<Answer, FetchError> {
    let score = state.result.pointer("/judgeResult/score/score");
    if let Some(score) = score.and_then(Value::as_f64) {
        return Ok(Sample::Scalar(score).into());
    }
    let exception = match &state.exception {
        Value::Null => String::new(),
        Value::String(text) => format!(": {}", answer::first_line(text)),
        other => format!(": {}", answer::first_line(&other.to_string())),
    };
    let status = answer::first_line(&state.status);
    Err(FetchError::new(
        FetchErrorKind::Faulty,
        format!("{origin} ended the analysis without a score ({status}){exception}"),
        "look at Kayenta's log; the usual cause is a metric that cannot be read",
    ))
}

/// A value as one segment of a path.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn owned<const N: usize>(pairs: [(&str, &String); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
}
