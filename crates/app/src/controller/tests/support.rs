//! A small HTTP server that notes what it is sent, a cluster's Secrets, and builders.

use crate::controller::{Environment, Servers};
use serde_json::{Value, json};
use sluice_argo::api::{AnalysisPhase, AnalysisRun, Metric};
use sluice_argo::condition;
use sluice_kubernetes::{Answer, Lookup, Meaning, Measure, Question, Reading, SecretKeys};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// 2026-11-21T15:06:07Z.
pub(in crate::controller) const NOW: Timestamp = Timestamp(1_795_273_567_000);

/// Far longer than any wait here takes, on a busy machine too.
pub(in crate::controller) const PATIENCE: Duration = Duration::from_secs(60);

/// A request as the server got it: `POST /path?a=b`, its headers with names in lower case, and its body.
#[derive(Clone, Debug)]
pub(in crate::controller) struct Got {
    pub(in crate::controller) line: String,
    pub(in crate::controller) headers: String,
    pub(in crate::controller) body: String,
}

/// A server that answers one request after the other with what it was given, the last for ever.
#[derive(Clone)]
pub(in crate::controller) struct Fake {
    address: SocketAddr,
    answers: Arc<Vec<(u16, String)>>,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Fake {
    pub(in crate::controller) async fn answering(answers: &[(u16, &str)]) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let owned = answers
            .iter()
            .map(|(status, body)| (*status, (*body).to_owned()));
        let fake = Fake {
            address: listener.local_addr().unwrap(),
            answers: Arc::new(owned.collect()),
            got: Arc::default(),
        };
        let serving = fake.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        fake
    }

    pub(in crate::controller) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(in crate::controller) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let got = loop {
            if let Some(got) = parse(&bytes) {
                break got;
            }
            match stream.read(&mut buffer).await {
                Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
                _ => return,
            }
        };
        let (status, body) = {
            let mut all = self.got.lock().unwrap();
            let answer = self.answers[all.len().min(self.answers.len() - 1)].clone();
            all.push(got);
            answer
        };
        let answer = format!(
            "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let _sent = stream.write_all(answer.as_bytes()).await;
    }
}

fn parse(bytes: &[u8]) -> Option<Got> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (line, headers) = head.split_once("\r\n")?;
    let headers: Vec<String> = headers
        .lines()
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            format!("{}:{value}", name.to_ascii_lowercase())
        })
        .collect();
    let length = headers
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    (body.len() >= length).then(|| Got {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        headers: headers.join("\n"),
        body: body.to_owned(),
    })
}

/// Secrets by `namespace/name`, and a canary's weight.
#[derive(Default)]
pub(in crate::controller) struct Cluster {
    pub(in crate::controller) secrets: BTreeMap<&'static str, Vec<(String, String)>>,
    pub(in crate::controller) weight: Option<f64>,
}

impl Cluster {
    pub(in crate::controller) fn with(place: &'static str, keys: &[(&str, &str)]) -> Cluster {
        let keys = keys
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Cluster {
            secrets: BTreeMap::from([(place, keys.collect())]),
            weight: None,
        }
    }
}

impl Lookup for Cluster {
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> Reading<'a, SecretKeys> {
        Box::pin(async move {
            let place = format!("{namespace}/{name}");
            let keys = self.secrets.get(place.as_str());
            let missing = || format!("the Secret `{place}` cannot be read: not found");
            Ok(keys.ok_or_else(missing)?.iter().cloned().collect())
        })
    }

    fn canary_weight<'a>(&'a self, _: &'a AnalysisRun) -> Reading<'a, Option<f64>> {
        Box::pin(async { Ok(self.weight) })
    }
}

/// A metric with this provider, as a manifest has it.
pub(in crate::controller) fn metric(provider: Value) -> Metric {
    let metric = json!({"name": "errors", "interval": "1m", "provider": provider});
    serde_json::from_value(metric).unwrap()
}

/// A run in the namespace `shop` that began ten minutes ago.
pub(in crate::controller) fn run() -> AnalysisRun {
    let run = json!({
        "metadata": {"name": "run", "namespace": "shop"},
        "status": {"phase": "Running", "startedAt": "2026-11-21T14:56:07Z"},
    });
    serde_json::from_value(run).unwrap()
}

/// The controller's servers, in the namespace `argo`.
pub(in crate::controller) fn servers(environment: Environment) -> Servers {
    let mut servers = Servers::new(environment.in_namespace("argo"));
    servers.kayenta_poll = Duration::from_millis(100);
    servers
}

/// Measures once.
pub(in crate::controller) async fn measure(
    environment: Environment,
    metric: &Metric,
    lookup: &Cluster,
) -> Result<Answer, String> {
    let question = Question {
        metric,
        run: &run(),
        before: None,
        lookup,
        now: NOW,
    };
    servers(environment).measure(question).await
}

/// Whether an answer fulfils a condition.
pub(in crate::controller) fn fulfils(answer: &Answer, text: &str) -> bool {
    let Meaning::ByConditions(value) = &answer.meaning else {
        panic!("no value: {answer:?}");
    };
    let phase = condition::assess(text, "", value, NOW).unwrap();
    phase == AnalysisPhase::Successful
}
