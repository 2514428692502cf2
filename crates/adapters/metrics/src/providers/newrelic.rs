//! New Relic: NRQL through NerdGraph.
//!
//! Source: docs.newrelic.com, "NerdGraph tutorial: Query your data with NRQL". The address is
//! `https://api.newrelic.com`, or `https://api.eu.newrelic.com`; the user key is the header `API-Key`.
//! The window is the query's own (`SINCE …`). The real service cannot run here: the tests speak the
//! documented API.

use crate::answer;
use crate::error::FetchError;
use crate::providers::graphql;
use crate::sample::{Answer, Sample};
use crate::transport::Transport;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time that NerdGraph lets a query take, in seconds.
const SECONDS_MAX: u64 = 120;

const GRAPHQL: &str = "query($accountId: Int!, $nrql: Nrql!, $seconds: Seconds!) { actor { \
     account(id: $accountId) { nrql(query: $nrql, timeout: $seconds) { results } } } }";

/// An NRQL query; the sample is its result as a JSON object, or a list of them when there are
/// several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRelicQuery {
    /// The account that is asked about.
    pub account_id: u64,
    /// NRQL.
    pub query: String,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &NewRelicQuery,
    timeout: Duration,
) -> Result<Answer, FetchError> {
    let seconds = timeout.as_secs().clamp(1, SECONDS_MAX);
    let variables = json!({
        "accountId": query.account_id,
        "nrql": query.query,
        "seconds": seconds,
    });
    let query_step = "correct the query (New Relic's query builder shows it best)";
    let (data, warnings) = graphql::ask(transport, GRAPHQL, variables, query_step).await?;
    let results = data.pointer("/actor/account/nrql/results");
    let Some(results) = results.and_then(Value::as_array) else {
        let said = match warnings.first() {
            Some(said) => format!(
                "{} answered: {}",
                transport.origin(),
                answer::first_line(said)
            ),
            None => format!("{} answered without results", transport.origin()),
        };
        return Err(FetchError::malformed(
            said,
            "see that the account id is right, and that the key may read it",
        ));
    };
    let is_empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    let sample = match results.as_slice() {
        [] => Sample::Nothing,
        [only] if is_empty(only) => Sample::Nothing,
        [only] => Sample::Json(only.clone()),
        several => Sample::Json(Value::Array(several.to_vec())),
    };
    Ok(Answer { sample, warnings })
}
