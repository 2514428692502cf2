//! InfluxDB 2: a Flux query.

use super::{LONG_TIMEOUT, needed};
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued};
use sluice_argo::api::InfluxdbMetric;
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{Authentication, InfluxdbQuery, Query, Sample, Secrets, Server, Text};
use std::time::Duration;

const NAME: &str = "influxdb";
/// The Secret of metrics that name no profile, in the controller's namespace.
const SECRET: &str = "influxdb";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &InfluxdbMetric,
) -> Result<Answer, String> {
    let name = match metric.profile.as_str() {
        "" => SECRET,
        profile => profile,
    };
    let namespace = &servers.environment.namespace;
    let secret = question.lookup.secret(namespace, name).await;
    let secret = secret.map_err(|cause| format!("{NAME}: {cause}"))?;
    let place = format!("{namespace}/{name}");
    let mut server = Server::at(needed(NAME, &place, &secret, "address")?);
    server.timeout = LONG_TIMEOUT;
    server.authentication = Authentication::Token {
        scheme: "Token".to_owned(),
        token: Text::secret("token"),
    };
    let token = needed(NAME, &place, &secret, "authToken")?;
    let query = InfluxdbQuery {
        org: needed(NAME, &place, &secret, "org")?.to_owned(),
        query: metric.query.clone(),
    };
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none().with("token", token),
        query: Query::Influxdb(query),
        window: super::window(question, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    let value = match answered.sample {
        Sample::Vector(elements) => {
            Value::from(elements.iter().map(|it| it.value).collect::<Vec<f64>>())
        }
        Sample::Json(values) => Value::from(values),
        other => return Err(unexpected(NAME, &other)),
    };
    if value.is_nil_or_empty() {
        return Err(format!(
            "{NAME}: the query has no records; see in InfluxDB's data explorer what it finds"
        ));
    }
    let mut answer = valued(value.to_string(), value);
    note_warnings(&mut answer, &answered.warnings);
    Ok(answer)
}
