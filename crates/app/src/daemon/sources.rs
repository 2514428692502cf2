//! Outside metric servers as they are spoken to: settings and secrets put together, one question answered with one
//! number.
//!
//! Secrets are read anew for each question, and kept only within the connections that they were used for.

use super::shared::lock;
use sluice_metrics::{
    Authentication, FetchError, PrometheusQuery, Query, Retry, Sample, Secrets, Server, Source,
    Text, Tls, WebQuery, Window,
};
use sluice_model::outside::{Credentials, HeaderText, MetricSource, Provider, SecretPlace};
use sluice_model::{SourceName, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// Servers whose connections are kept.
const KEPT_MAX: usize = 64;
/// Longest file with a secret or with certificates, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What a question may take besides the source's own timeout: reading its files.
const FILES_TIMEOUT: Duration = Duration::from_secs(5);

/// One question to one server.
pub(super) struct Question {
    /// What messages call the server.
    pub(super) source: SourceName,
    /// The server, without placeholders.
    pub(super) server: MetricSource,
    /// The query as it is sent.
    pub(super) query: String,
    /// The moment that is asked about.
    pub(super) at: Timestamp,
}

/// Why there is no number.
pub(super) struct Failure {
    /// The cause and the next step, in words without secrets.
    pub(super) cause: String,
    /// How long the server wants to be left alone; zero when it did not say.
    pub(super) rest: Duration,
}

impl From<String> for Failure {
    fn from(cause: String) -> Failure {
        Failure {
            cause,
            rest: Duration::ZERO,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Failure {
        tracing::debug!(%error, "no sample");
        Failure {
            cause: format!("{}; {}", error.cause, error.next_step),
            rest: match error.retry {
                Retry::After(rest) => rest,
                Retry::Later | Retry::Never => Duration::ZERO,
            },
        }
    }
}

/// The servers that were asked lately.
#[derive(Default)]
pub(super) struct Sources {
    /// Oldest first.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    server: Server,
    secrets: Secrets,
    source: Arc<Source>,
}

impl Sources {
    /// The number that the server answers.
    pub(super) async fn ask(&self, question: &Question) -> Result<f64, Failure> {
        let settings = settings(&question.server);
        let settings = tokio::time::timeout(FILES_TIMEOUT, settings).await;
        let (server, secrets) = settings.map_err(|_elapsed| {
            "the files of its secrets could not be read in time; see what they are".to_owned()
        })??;
        let source = self.source(&question.source, server, secrets)?;
        let window = Window::ending(question.at, Duration::ZERO);
        let query = match question.server.provider {
            Provider::Prometheus => {
                Query::Prometheus(PrometheusQuery::instant(question.query.as_str()))
            }
            Provider::Web => Query::Web(WebQuery {
                json_path: Some(question.query.clone()),
                ..WebQuery::default()
            }),
        };
        let answer = source.fetch(&query, window).await?;
        for warning in &answer.warnings {
            tracing::debug!(source = %question.source, warning, "the server's own words");
        }
        Ok(number(&answer.sample)?)
    }

    /// The connections to a server, as long as its settings and secrets are the same.
    fn source(
        &self,
        name: &SourceName,
        server: Server,
        secrets: Secrets,
    ) -> Result<Arc<Source>, FetchError> {
        let mut kept = lock(&self.kept);
        let is_same = |it: &&Kept| it.server == server && it.secrets == secrets;
        if let Some(known) = kept.iter().find(is_same) {
            return Ok(Arc::clone(&known.source));
        }
        let source = Arc::new(Source::new(name.as_str(), &server, &secrets)?);
        if kept.len() >= KEPT_MAX {
            kept.remove(0);
        }
        kept.push(Kept {
            server,
            secrets,
            source: Arc::clone(&source),
        });
        Ok(source)
    }
}

/// The settings with the secrets that they name.
async fn settings(source: &MetricSource) -> Result<(Server, Secrets), String> {
    let mut server = Server::at(source.address.as_str());
    let mut secrets = Secrets::none();
    server.timeout = source.timeout;
    server.tls = Tls {
        authorities: match &source.authorities {
            Some(path) => Some(file(path).await?),
            None => None,
        },
        insecure: source.insecure,
    };
    server.authentication = match &source.credentials {
        Credentials::None => Authentication::None,
        Credentials::Bearer(place) => {
            secrets = secrets.with("bearer", secret(place).await?);
            Authentication::Token {
                scheme: "Bearer".to_owned(),
                token: Text::secret("bearer"),
            }
        }
        Credentials::Basic { username, password } => {
            secrets = secrets.with("password", secret(password).await?);
            Authentication::Basic {
                username: username.as_str().into(),
                password: Text::secret("password"),
            }
        }
    };
    for (name, value) in &source.headers {
        let text = match value {
            HeaderText::Plain(text) => text.as_str().into(),
            HeaderText::Secret(place) => {
                let key = format!("header {name}");
                secrets = secrets.with(key.as_str(), secret(place).await?);
                Text::secret(key)
            }
        };
        server.headers.insert(name.clone(), text);
    }
    Ok((server, secrets))
}

async fn secret(place: &SecretPlace) -> Result<String, String> {
    match place {
        SecretPlace::Env(name) => std::env::var(name).map_err(|error| {
            format!(
                "the variable `{name}` of Sluice's environment: {error}; start `sluice up` with it"
            )
        }),
        SecretPlace::File(path) => {
            let text = file(path).await?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
        }
    }
}

async fn file(path: &str) -> Result<String, String> {
    let read = async {
        // Opening a pipe would wait for whoever writes into it.
        if !tokio::fs::metadata(path).await?.is_file() {
            return Err(std::io::Error::other("it is no file"));
        }
        let mut text = String::new();
        let file = tokio::fs::File::open(path).await?;
        let mut bounded = file.take(FILE_BYTES_MAX + 1);
        if bounded.read_to_string(&mut text).await? as u64 > FILE_BYTES_MAX {
            return Err(std::io::Error::other("it is longer than 1 MiB"));
        }
        Ok(text)
    };
    read.await
        .map_err(|error| format!("cannot read {path}: {error}; correct the path or its rights"))
}

/// The one number of an answer.
fn number(sample: &Sample) -> Result<f64, String> {
    if sample.is_empty() {
        return Err("the server has nothing that the query asks for".to_owned());
    }
    match sample {
        Sample::Json(serde_json::Value::Number(number)) => number
            .as_f64()
            .ok_or_else(|| "the answer is no number that can be told".to_owned()),
        Sample::Json(serde_json::Value::String(text)) => text
            .trim()
            .parse()
            .map_err(|_| "the answer is a text; name a number in it by the path".to_owned()),
        Sample::Json(_) => {
            Err("the answer is no number; name one in it by a path, as in `{$.rate}`".to_owned())
        }
        sample => match sample.values()[..] {
            [value] => Ok(value),
            ref several => Err(format!(
                "the answer has {} series; make them one in the query, as by `sum(…)`",
                several.len()
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sluice_metrics::Element;
    use std::collections::BTreeMap;

    fn vector(values: &[f64]) -> Sample {
        let element = |value: &f64| Element {
            labels: BTreeMap::new(),
            value: *value,
        };
        Sample::Vector(values.iter().map(element).collect())
    }

    #[test]
    fn an_answer_is_one_number_or_says_what_it_is_instead() {
        for (sample, expected) in [
            (vector(&[2.5]), Ok(2.5)),
            (Sample::Scalar(-1.0), Ok(-1.0)),
            (Sample::Json(json!(0.25)), Ok(0.25)),
            (Sample::Json(json!(" 7 ")), Ok(7.0)),
            (vector(&[]), Err("nothing that the query asks for")),
            (Sample::Nothing, Err("nothing that the query asks for")),
            (vector(&[1.0, 2.0]), Err("2 series")),
            (Sample::Json(json!("ok")), Err("a text")),
            (Sample::Json(json!(null)), Err("no number")),
            (Sample::Json(json!({"rate": 1})), Err("no number")),
        ] {
            match (number(&sample), expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{sample:?}"),
                (Err(told), Err(words)) => assert!(told.contains(words), "{told}"),
                (told, _) => panic!("{sample:?}: {told:?}"),
            }
        }
    }

    #[tokio::test]
    async fn secrets_are_found_where_the_source_says_and_what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token").display().to_string();
        std::fs::write(&path, "hunter2\n").expect("written");
        let mut source = MetricSource {
            provider: Provider::Prometheus,
            address: "http://127.0.0.1:9".into(),
            credentials: Credentials::Bearer(SecretPlace::File(path)),
            headers: BTreeMap::new(),
            authorities: None,
            insecure: false,
            timeout: Duration::from_secs(1),
        };
        let (server, secrets) = settings(&source).await.expect("all is there");
        assert_eq!(secrets, Secrets::none().with("bearer", "hunter2"));
        assert!(!format!("{server:?}").contains("hunter2"));

        let missing = SecretPlace::Env("SLUICE_TEST_NO_SUCH_VARIABLE".into());
        source.credentials = Credentials::Bearer(missing);
        let told = settings(&source).await.expect_err("it is missing");
        assert!(told.contains("SLUICE_TEST_NO_SUCH_VARIABLE"), "{told}");
        let folder = folder.path().display().to_string();
        for (path, words) in [
            ("/nonexistent/token", "/nonexistent/token"),
            (folder.as_str(), "it is no file"),
            ("/dev/zero", "it is no file"),
        ] {
            source.credentials = Credentials::Bearer(SecretPlace::File(path.into()));
            let told = settings(&source).await.expect_err("it is no secret");
            assert!(told.contains(words), "{told}");
        }
    }
}
