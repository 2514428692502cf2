//! Apache SkyWalking: a GraphQL query over the last minutes.

use super::{INTERVAL, LONG_TIMEOUT, duration};
use crate::controller::{Asked, Servers, unexpected, valued, written};
use sluice_argo::api::SkyWalkingMetric;
use sluice_kubernetes::{Answer, Question};
use sluice_metrics::{Query, Sample, Secrets, Server, SkyWalkingQuery};

const NAME: &str = "skywalking";

pub(in crate::controller) async fn measure(
    servers: &Servers,
    question: &Question<'_>,
    metric: &SkyWalkingMetric,
) -> Result<Answer, String> {
    let span = duration(NAME, "interval", &metric.interval, INTERVAL)?;
    let mut server = Server::at(&*metric.address);
    server.timeout = LONG_TIMEOUT;
    let query = metric.query.clone();
    let asked = Asked {
        name: NAME,
        server,
        secrets: Secrets::none(),
        query: Query::Skywalking(SkyWalkingQuery { query }),
        window: super::window(question, span),
    };
    let answered = servers.fetch(question, asked).await?;
    if let Some(said) = answered.warnings.first() {
        return Err(format!(
            "{NAME}: the server answered with an error: {said}; correct the query"
        ));
    }
    match answered.sample {
        Sample::Json(value) => Ok(valued(written::json(&value), value)),
        other => Err(unexpected(NAME, &other)),
    }
}
