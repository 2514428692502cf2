//! Apache SkyWalking: a GraphQL query with the window as its variable `$duration`.
//!
//! Source: skywalking.apache.org, "Query Protocol". The address is the OAP server's, as in
//! `http://skywalking-oap:12800`. The server reads the window in its own time zone, which has to be
//! UTC. The real server cannot run here: the tests speak the documented API.

use crate::error::FetchError;
use crate::providers::graphql;
use crate::query::Window;
use crate::sample::{Answer, Sample};
use crate::transport::Transport;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_model::Timestamp;

/// A GraphQL query; the sample is its data as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkyWalkingQuery {
    /// GraphQL, with `$duration: Duration!` among its variables.
    pub query: String,
}

pub(crate) async fn fetch(
    transport: &Transport,
    query: &SkyWalkingQuery,
    window: Window,
) -> Result<Answer, FetchError> {
    let variables = json!({"duration": {
        "start": minute(window.start),
        "end": minute(window.end),
        "step": "MINUTE",
    }});
    let query_step = "correct the query (`swctl` shows it best)";
    let (data, warnings) = graphql::ask(transport, &query.query, variables, query_step).await?;
    Ok(Answer {
        sample: Sample::Json(data),
        warnings,
    })
}

/// A time as SkyWalking writes it when the step is a minute.
fn minute(at: Timestamp) -> String {
    let (year, month, day, hour, minute, ..) = at.civil();
    format!("{year:04}-{month:02}-{day:02} {hour:02}{minute:02}")
}
