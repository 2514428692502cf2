//! New Relic: an NRQL query.

use super::needed;
use crate::controller::{Asked, Servers, unexpected, valued, written};
use sluice_argo::api::NewRelicMetric;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{NewRelicQuery, Query, Sample, Secrets, Server, Text};
use std::time::Duration;

const NAME: &str = "newRelic";
/// The Secret of metrics that name no profile, in the controller's namespace.
const SECRET: &str = "newrelic";
/// How long New Relic may take when the metric does not say.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// What the way there and back may take besides; below a second, so that the query's own seconds stay what
/// they are.
const ON_THE_WAY: Duration = Duration::from_millis(900);

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &NewRelicMetric,
) -> Result<Answer, String> {
    let name = match metric.profile.as_str() {
        "" => SECRET,
        profile => profile,
    };
    let namespace = &servers.environment.namespace;
    let secret = question.lookup.secret(namespace, name).await;
    let secret = secret.map_err(|cause| format!("{NAME}: {cause}"))?;
    let place = format!("{namespace}/{name}");
    let account_id = needed(NAME, &place, &secret, "account-id")?;
    let account_id = account_id.parse().map_err(|_| {
        format!(
            "{NAME}: `account-id` of the Secret `{place}` is no number; write the account's number"
        )
    })?;
    let mut server = Server::at(address(
        &place,
        secret.get("region").unwrap_or("us").trim(),
        secret.get("base-url-nerdgraph").map(str::trim),
    )?);
    server.timeout = super::seconds(NAME, "timeout", metric.timeout, QUERY_TIMEOUT)? + ON_THE_WAY;
    let key = needed(NAME, &place, &secret, "personal-api-key")?;
    server
        .headers
        .insert("API-Key".to_owned(), Text::secret("API-Key"));
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none().with("API-Key", key),
        query: Query::NewRelic(NewRelicQuery {
            account_id,
            query: metric.query.clone(),
        }),
        window: super::window(question, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    if let Some(said) = answered.warnings.first() {
        return Err(format!(
            "{NAME}: the server answered with an error: {said}; correct the query"
        ));
    }
    let mut answer = match answered.sample {
        Sample::Json(value) => valued(written::json(&value), value),
        Sample::Nothing => {
            return Err(format!(
                "{NAME}: the query has no results; see in New Relic's query builder what it finds"
            ));
        }
        other => return Err(unexpected(NAME, &other)),
    };
    if !metric.query.is_empty() {
        let key = "ResolvedNewRelicQuery".to_owned();
        answer.metadata.insert(key, metric.query.clone());
    }
    Ok(answer)
}

fn address(place: &str, region: &str, own: Option<&str>) -> Result<String, String> {
    if let Some(own) = own {
        // The path is put behind it again.
        let base = own.trim_end_matches('/').strip_suffix("/graphql");
        return base.map(str::to_owned).ok_or_else(|| {
            format!("{NAME}: `base-url-nerdgraph` of the Secret `{place}` does not end in `/graphql`; write NerdGraph's URL")
        });
    }
    let host = match region.to_ascii_lowercase().as_str() {
        "us" => "api.newrelic.com",
        "eu" => "api.eu.newrelic.com",
        "staging" => "staging-api.newrelic.com",
        other => {
            return Err(format!(
                "{NAME}: the region `{other}` of the Secret `{place}` is not known; write us or eu"
            ));
        }
    };
    Ok(format!("https://{host}"))
}
