//! What `sluice controller` connects: the metric servers of analysis runs, which `sluice_kubernetes` asks for and
//! `sluice_metrics` speaks to.
//!
//! `providers` has a file for each provider of Argo's: where its server and its credentials are, what it is
//! asked, and what its answer is to conditions and to people, as Argo's own controller has it. `sequential` is
//! Sluice's own analysis among Argo's providers. `kept` keeps connections, `written` writes values, `environment` has the variables that providers read,
//! `aws` says as whom requests to AWS are signed, `notifications` takes messages to Slack and to webhooks.
//!
//! What differs from Argo's controller on purpose: no redirection is followed, no proxy variable is read, and
//! times without a number are passed over instead of counted as zero.

mod aws;
mod environment;
mod kept;
mod notifications;
mod providers;
mod sequential;
#[cfg(test)]
mod tests;
mod written;

use kept::Kept;
use providers::{
    cloudwatch, datadog, graphite, influxdb, kayenta, newrelic, prometheus, skywalking, wavefront,
    web,
};
use sluice_kubernetes::{Answer, Answering, MEASURE_MAX, Meaning, Measure, Question};
use sluice_metrics::{
    Authentication, AwsCredentials, FetchErrorKind, Query, Sample, Secrets, Server, Window,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use environment::Environment;
pub(crate) use notifications::Services;

/// Between two looks whether Kayenta is done, as Argo has it.
const KAYENTA_POLL: Duration = Duration::from_secs(15);

/// All metric servers.
pub(crate) struct Servers {
    environment: Environment,
    aws: AwsCredentials,
    kept: Kept,
    kayenta_poll: Duration,
}

impl Measure for Servers {
    fn measure<'a>(&'a self, question: Question<'a>) -> Answering<'a> {
        Box::pin(self.answer(question))
    }
}

impl Servers {
    /// Servers as they are reached from this environment.
    pub(crate) fn new(environment: Environment) -> Servers {
        Servers {
            aws: AwsCredentials::new(environment.aws()),
            environment,
            kept: Kept::default(),
            kayenta_poll: KAYENTA_POLL,
        }
    }

    async fn answer(&self, question: Question<'_>) -> Result<Answer, String> {
        let (servers, question) = (self, &question);
        let provider = &question.metric.provider;
        // In Argo's order, should there be several.
        if let Some(asked) = &provider.prometheus {
            prometheus::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.kayenta {
            kayenta::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.web {
            web::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.datadog {
            datadog::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.wavefront {
            wavefront::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.new_relic {
            newrelic::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.cloud_watch {
            cloudwatch::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.graphite {
            graphite::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.influxdb {
            influxdb::measure(servers, question, asked).await
        } else if let Some(asked) = &provider.skywalking {
            skywalking::measure(servers, question, asked).await
        } else if let Some(written) = provider.plugin.0.get(sequential::NAME) {
            sequential::measure(servers, question, written).await
        } else if let Some(name) = provider.plugin.0.keys().next() {
            Err(format!(
                "the plugin `{name}` is not known to this controller, which loads no plugins but has `{}`; measure the metric by another provider",
                sequential::NAME
            ))
        } else {
            Err(format!(
                "the metric `{}` names no provider that this controller knows; name one in `provider`",
                question.metric.name
            ))
        }
    }

    /// Asks a server.
    async fn fetch(
        &self,
        question: &Question<'_>,
        asked: Asked,
    ) -> Result<sluice_metrics::Answer, String> {
        let Asked {
            name,
            mut server,
            secrets,
            query,
            window,
        } = asked;
        server.timeout = server.timeout.min(MEASURE_MAX);
        let has_tokens = matches!(server.authentication, Authentication::OAuth2 { .. });
        let namespace = &question.run.metadata.namespace;
        let source = self.kept.source(name, namespace, server, secrets);
        let source = source.map_err(|error| error.to_string())?;
        let answered = match source.fetch(&query, window).await {
            // The token was withdrawn while several asked: only the first of them has asked again with a new one.
            Err(error) if has_tokens && error.kind == FetchErrorKind::Unauthorized => {
                source.fetch(&query, window).await
            }
            answered => answered,
        };
        answered.map_err(|error| error.to_string())
    }
}

/// One question to one server.
struct Asked {
    /// The provider, as messages call it.
    name: &'static str,
    server: Server,
    secrets: Secrets,
    query: Query,
    window: Window,
}

/// An answer whose meaning the conditions say.
fn valued(text: String, value: impl Into<sluice_argo::condition::Value>) -> Answer {
    Answer {
        text,
        meaning: Meaning::ByConditions(value.into()),
        metadata: BTreeMap::new(),
        notes: BTreeMap::new(),
    }
}

/// Notes a server's warnings, if there are any.
fn note_warnings(answer: &mut Answer, warnings: &[String]) {
    if !warnings.is_empty() {
        let quoted: Vec<String> = warnings.iter().map(|text| format!("\"{text}\"")).collect();
        answer
            .notes
            .insert("warnings".to_owned(), quoted.join(", "));
    }
}

/// A defect: the query of a provider gave a sample of a form that it does not have.
fn unexpected(name: &str, sample: &Sample) -> String {
    let form = match sample {
        Sample::Nothing => "nothing",
        Sample::Scalar(_) => "a number",
        Sample::Vector(_) => "a vector",
        Sample::Series(_) => "series",
        Sample::Json(_) => "JSON",
    };
    format!(
        "{name}: the server answered {form}, which its query cannot give; see that the address is the right one"
    )
}
