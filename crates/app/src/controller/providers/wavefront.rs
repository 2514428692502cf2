//! Wavefront: the value of a query now.

use super::LONG_TIMEOUT;
use crate::controller::{Asked, Servers, note_warnings, unexpected, valued, written};
use sluice_argo::api::WavefrontMetric;
use sluice_argo::condition::Value;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{Authentication, Query, Sample, Secrets, Server, Text, WavefrontQuery};
use std::time::Duration;

const NAME: &str = "wavefront";
/// The Secret with a token for each address, in the controller's namespace.
const SECRET: &str = "wavefront-api-tokens";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &WavefrontMetric,
) -> Result<Answer, String> {
    let address = metric.address.as_str();
    if address.is_empty() {
        return Err(format!(
            "{NAME}: no address is written; write the cluster's, as in `example.wavefront.com`"
        ));
    }
    let namespace = &servers.environment.namespace;
    let secret = question.lookup.secret(namespace, SECRET).await;
    let secret = secret.map_err(|cause| format!("{NAME}: {cause}"))?;
    let token = super::needed(NAME, &format!("{namespace}/{SECRET}"), &secret, address)?;
    let mut server = Server::at(if address.contains("://") {
        address.to_owned()
    } else {
        format!("https://{address}")
    });
    server.timeout = LONG_TIMEOUT;
    server.authentication = Authentication::Token {
        scheme: "Bearer".to_owned(),
        token: Text::secret("token"),
    };
    let query = metric.query.clone();
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none().with("token", token),
        query: Query::Wavefront(WavefrontQuery { query }),
        window: super::window(question, Duration::ZERO),
    };
    let answered = servers.fetch(question, asked).await?;
    let mut answer = match &answered.sample {
        Sample::Scalar(number) => valued(hundredths(*number), *number),
        Sample::Vector(elements) if !elements.is_empty() => {
            let numbers = answered.sample.values();
            valued(written::list(&numbers, hundredths), Value::from(numbers))
        }
        Sample::Nothing | Sample::Vector(_) => {
            return Err(format!(
                "{NAME}: the query has no data; see in Wavefront's chart builder what it finds"
            ));
        }
        other => return Err(unexpected(NAME, other)),
    };
    note_warnings(&mut answer, &answered.warnings);
    Ok(answer)
}

fn hundredths(number: f64) -> String {
    written::fixed(number, 2)
}
