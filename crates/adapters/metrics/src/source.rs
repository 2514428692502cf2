//! A server that is asked for metric values.

use crate::answer::first_line;
use crate::error::{FetchError, FetchErrorKind};
use crate::providers::{
    cloudwatch, datadog, graphite, influxdb, kayenta, newrelic, prometheus, skywalking, wavefront,
    web,
};
use crate::query::{Query, Window};
use crate::sample::Answer;
use crate::secret::Secrets;
use crate::server::Server;
use crate::transport::Transport;
use sluice_model::time::format_span;
use std::fmt;
use std::time::Duration;

/// Most warnings of an answer that are passed on.
const WARNINGS_MAX: usize = 10;

/// Longest text of a failure's cause or of a warning, in characters.
const SAID_CHARS_MAX: usize = 400;

/// A server with its credentials, its connections and the tokens that it gave out. Cheap to make;
/// worth keeping between fetches.
pub struct Source {
    name: String,
    timeout: Duration,
    transport: Transport,
    secrets: Secrets,
}

impl fmt::Debug for Source {
    /// Without what an address may hide in its path or query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("origin", &self.transport.origin())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// A source that messages call `name`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`FetchErrorKind::Misconfigured`]: the settings cannot work, or a secret is missing.
    pub fn new(
        name: impl Into<String>,
        server: &Server,
        secrets: &Secrets,
    ) -> Result<Source, FetchError> {
        let name = name.into();
        match Transport::new(server, secrets) {
            Ok(transport) => Ok(Source {
                name,
                timeout: server.timeout,
                transport,
                secrets: secrets.clone(),
            }),
            Err(mut error) => {
                error.source_name = name;
                Err(error)
            }
        }
    }

    /// What messages call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks for a sample of this span of time. Ends within the source's timeout; when the future is
    /// dropped, the requests end.
    ///
    /// # Errors
    /// See [`FetchErrorKind`]. That the source has no data is no error but an empty sample.
    pub async fn fetch(&self, query: &Query, window: Window) -> Result<Answer, FetchError> {
        let answered = tokio::time::timeout(self.timeout, self.ask(query, window)).await;
        answered
            .unwrap_or_else(|_elapsed| {
                Err(FetchError::new(
                    FetchErrorKind::TimedOut,
                    format!(
                        "{} did not answer within {}",
                        self.transport.origin(),
                        format_span(self.timeout)
                    ),
                    "make the query cheaper, see why the server is slow, or raise the source's timeout",
                ))
            })
            .map(|mut answer| {
                answer.warnings = self.told(answer.warnings);
                answer
            })
            .map_err(|mut error| {
                error.source_name.clone_from(&self.name);
                // What a parser quotes may be as long as the answer.
                error.cause = self.cut(&error.cause);
                error
            })
    }

    /// A text without secrets, and then no longer than a message may be.
    fn cut(&self, text: &str) -> String {
        let text = self.transport.discreet(text);
        text.chars().take(SAID_CHARS_MAX).collect()
    }

    /// The server's warnings within a message's measure.
    fn told(&self, warnings: Vec<String>) -> Vec<String> {
        let left_out = warnings.len().saturating_sub(WARNINGS_MAX);
        let mut told: Vec<String> = warnings
            .iter()
            .take(WARNINGS_MAX)
            .map(|warning| self.cut(&first_line(warning)))
            .collect();
        if left_out > 0 {
            told.push(format!("{left_out} more warnings are left out"));
        }
        told
    }

    async fn ask(&self, query: &Query, window: Window) -> Result<Answer, FetchError> {
        let transport = &self.transport;
        match query {
            Query::Prometheus(query) => {
                prometheus::fetch(transport, query, window, self.timeout).await
            }
            Query::Web(query) => web::fetch(transport, query, &self.secrets).await,
            Query::Datadog(query) => datadog::fetch(transport, query, window).await,
            Query::NewRelic(query) => newrelic::fetch(transport, query, self.timeout).await,
            Query::Wavefront(query) => wavefront::fetch(transport, query, window).await,
            Query::CloudWatch(query) => cloudwatch::fetch(transport, query, window).await,
            Query::Graphite(query) => graphite::fetch(transport, query, window).await,
            Query::Influxdb(query) => influxdb::fetch(transport, query, window).await,
            Query::Skywalking(query) => skywalking::fetch(transport, query, window).await,
            Query::Kayenta(query) => kayenta::fetch(transport, query, window).await,
        }
    }
}
