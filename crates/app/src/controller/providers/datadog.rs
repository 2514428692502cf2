//! Datadog: a timeseries query (v1), or scalar queries with a formula (v2).

use super::{INTERVAL, TIMEOUT, duration};
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued, written};
use serde_json::{Value as Json, json};
use sluice_argo::api::DatadogMetric;
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{
    DatadogAggregator, DatadogQuery, Element, Query, Sample, Secrets, Server, Text,
};
use std::collections::BTreeMap;

const NAME: &str = "datadog";
/// The Secret of metrics that name none, in the controller's namespace.
const SECRET: &str = "datadog";
const SITE: &str = "https://api.datadoghq.com";
/// Most groups that are noted, those with the lowest and the highest values: a run's status has a bound.
const GROUPS_MAX: usize = 100;

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &DatadogMetric,
) -> Result<Answer, String> {
    let query = query(metric)?;
    let span = duration(NAME, "interval", &metric.interval, INTERVAL)?;
    let account = Account::find(servers, question, metric).await?;
    let mut server = Server::at(account.address);
    server.timeout = duration(NAME, "requestTimeout", &metric.request_timeout, TIMEOUT)?;
    for key in ["DD-API-KEY", "DD-APPLICATION-KEY"] {
        server.headers.insert(key.to_owned(), Text::secret(key));
    }
    let is_first_version = matches!(query, DatadogQuery::V1 { .. });
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none()
            .with("DD-API-KEY", account.api_key)
            .with("DD-APPLICATION-KEY", account.app_key),
        query: Query::Datadog(query),
        window: super::window(question, span),
    };
    let answered = servers.fetch(question, asked).await?;
    let mut answer = match &answered.sample {
        Sample::Nothing => nothing(),
        Sample::Scalar(number) => valued(written::plain(*number), *number),
        Sample::Vector(elements) if is_first_version => match elements.first() {
            Some(first) => valued(written::plain(first.value), first.value),
            None => nothing(),
        },
        Sample::Vector(elements) if elements.is_empty() => nothing(),
        Sample::Vector(elements) => {
            let numbers = answered.sample.values();
            let text = written::list(&numbers, written::plain);
            let mut answer = valued(text, Value::from(numbers));
            note_groups(&mut answer, elements);
            answer
        }
        other => return Err(unexpected(NAME, other)),
    };
    note_warnings(&mut answer, &answered.warnings);
    Ok(answer)
}

/// No data: `nil` to conditions, which may have a `default` for it.
fn nothing() -> Answer {
    valued("[]".to_owned(), Value::Nil)
}

fn query(metric: &DatadogMetric) -> Result<DatadogQuery, String> {
    let refused = |cause: &str| Err(format!("{NAME}: {cause}"));
    let (one, several) = (!metric.query.is_empty(), !metric.queries.is_empty());
    let is_first_version = match metric.api_version.as_str() {
        "" | "v1" => true,
        "v2" => false,
        other => {
            return refused(&format!(
                "apiVersion `{other}` is not known; write v1 or v2"
            ));
        }
    };
    match (one, several) {
        (false, false) => return refused("there is no query; write `query` or `queries`"),
        (true, true) => return refused("`query` and `queries` are both written; leave out one"),
        _ => {}
    }
    if is_first_version {
        if !one {
            return refused("v1 takes one `query`; write it, or set apiVersion to v2");
        }
        if !metric.aggregator.is_empty() {
            return refused("v1 has no aggregator; leave it out, or set apiVersion to v2");
        }
        let query = metric.query.clone();
        return Ok(DatadogQuery::V1 { query });
    }
    let formula = Some(metric.formula.clone()).filter(|formula| !formula.is_empty());
    if formula.is_some() && !several {
        return refused("a formula needs `queries`; write them, or leave out the formula");
    }
    let aggregator = match metric.aggregator.as_str() {
        "" => DatadogAggregator::default(),
        word => match serde_json::from_value(Json::from(word)) {
            Ok(aggregator) => aggregator,
            Err(_) => {
                return refused(&format!(
                    "the aggregator `{word}` is not known; write avg, min, max, sum, last, percentile, mean, l2norm or area"
                ));
            }
        },
    };
    let queries = if several {
        metric.queries.clone()
    } else {
        BTreeMap::from([("query".to_owned(), metric.query.clone())])
    };
    Ok(DatadogQuery::V2 {
        queries,
        formula,
        aggregator,
    })
}

/// Which element has which value.
fn note_groups(answer: &mut Answer, elements: &[Element]) {
    let mut shown: Vec<&Element> = elements.iter().collect();
    if shown.len() > GROUPS_MAX {
        shown.sort_by(|a, b| a.value.total_cmp(&b.value));
        shown.drain(GROUPS_MAX / 2..shown.len() - GROUPS_MAX / 2);
        let key = "groups_truncated".to_owned();
        answer.notes.insert(key, "true".to_owned());
    }
    let groups = shown.into_iter().map(|element| {
        let tags: Vec<&str> = element.labels.values().map(String::as_str).collect();
        json!({"name": tags.join(","), "value": element.value})
    });
    let groups = written::json(&groups.collect());
    answer.notes.insert("groups".to_owned(), groups);
}

/// Where Datadog is, and the keys for it.
struct Account {
    address: String,
    api_key: String,
    app_key: String,
}

impl Account {
    async fn find(
        servers: &Servers,
        question: &Question<'_>,
        metric: &DatadogMetric,
    ) -> Result<Account, String> {
        let environment = &servers.environment;
        let reference = &metric.secret_ref;
        let namespace = match (reference.namespaced, reference.name.as_str()) {
            (true, "") => {
                return Err(format!(
                    "{NAME}: a Secret of the run's namespace has no default name; write secretRef.name"
                ));
            }
            (true, _) => &question.run.metadata.namespace,
            (false, _) => &environment.namespace,
        };
        let keys = (environment.get("DD_API_KEY"), environment.get("DD_APP_KEY"));
        if let (Some(api_key), Some(app_key)) = keys
            && reference.name.is_empty()
            && environment.is_set("DD_ADDRESS")
        {
            return Ok(Account {
                address: environment.get("DD_ADDRESS").unwrap_or(SITE).to_owned(),
                api_key: api_key.to_owned(),
                app_key: app_key.to_owned(),
            });
        }
        let name = match reference.name.as_str() {
            "" => SECRET,
            name => name,
        };
        let secret = question.lookup.secret(namespace, name).await;
        let secret = secret.map_err(|cause| format!("{NAME}: {cause}"))?;
        let place = format!("{namespace}/{name}");
        let address = secret.get("address").map(str::trim);
        Ok(Account {
            address: address
                .filter(|text| !text.is_empty())
                .unwrap_or(SITE)
                .to_owned(),
            api_key: super::needed(NAME, &place, &secret, "api-key")?.to_owned(),
            app_key: super::needed(NAME, &place, &secret, "app-key")?.to_owned(),
        })
    }
}
