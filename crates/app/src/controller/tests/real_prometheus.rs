//! A real Prometheus that scrapes an exporter of the test: what its answers are to conditions, and a bad canary
//! that `sluice/sequential` finds by them.

use super::support::{Cluster, PATIENCE, fulfils, metric, run, servers};
use crate::controller::Environment;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sluice_argo::api::{AnalysisPhase, Measurement};
use sluice_kubernetes::{Meaning, Measure, Question};
use sluice_model::time::Timestamp;
use std::net::{SocketAddr, TcpListener as Port};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Ends a server when its test was killed and could not.
const LIFETIME_SECONDS: &str = "120";

/// Shows counters that grow with the time: every twentieth request of the canary fails, and every thousandth of
/// the stable side.
async fn exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let began = Instant::now();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let steps = began.elapsed().as_millis() / 10;
            let body = format!(
                "canary_total{{pod=\"a\"}} {}\ncanary_bad{{pod=\"a\"}} {}\n\
                 stable_total{{pod=\"b\"}} {}\nstable_bad{{pod=\"b\"}} {}\nodd NaN\n",
                steps * 20,
                steps,
                steps * 180,
                steps / 5
            );
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _read = stream.read(&mut request).await;
                let _sent = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

/// A running Prometheus, which ends with the test.
struct Prometheus {
    child: Child,
    folder: TempDir,
    url: String,
}

impl Prometheus {
    fn start(target: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- {{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let free = Port::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("timeout")
            .args(["--kill-after=5", LIFETIME_SECONDS, "prometheus"])
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={free}"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Prometheus {
            child,
            folder,
            url: format!("http://{free}"),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _sent = kill_process(pid, Signal::TERM);
        let _status = self.child.wait();
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_millis()).unwrap())
}

#[tokio::test]
#[ignore = "part metrics: needs prometheus"]
async fn what_a_real_prometheus_answers_is_what_conditions_see() {
    let prometheus = Prometheus::start(exporter().await);
    let environment = Environment::default();
    let servers = servers(environment.with("ARGO_ROLLOUTS_PROMETHEUS_ADDRESS", &prometheus.url));
    let ask = async |query: &str, more: serde_json::Value| {
        let mut provider = json!({"prometheus": {"query": query}});
        let fields = provider["prometheus"].as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let metric = metric(provider);
        let question = Question {
            metric: &metric,
            run: &run(),
            before: None,
            lookup: &Cluster::default(),
            now: now(),
        };
        servers.measure(question).await
    };
    let began = Instant::now();
    loop {
        let answer = ask("count_over_time(stable_total[1m]) > 3", json!({})).await;
        if answer.as_ref().is_ok_and(|answer| answer.text != "[]") {
            break;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{answer:?}\n{}",
            prometheus.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let range =
        json!({"rangeQuery": {"start": "now() - duration('3s')", "end": "now()", "step": "1s"}});
    for (query, more, condition) in [
        (
            "stable_total > 0",
            json!({}),
            "len(result) == 1 && result[0] > 0",
        ),
        ("scalar(vector(7))", json!({}), "result == 7"),
        ("odd", json!({}), "isNaN(result[0])"),
        ("vector(1) / 0", json!({}), "isInf(result[0])"),
        ("nothing", json!({}), "len(result) == 0"),
        (
            "vector(2)",
            range,
            "len(result) == 4 && all(result, # == 2)",
        ),
    ] {
        let answer = ask(query, more).await.unwrap();
        assert!(fulfils(&answer, condition), "{query}: {answer:?}");
    }
    let error = ask("sum(", json!({})).await.unwrap_err();
    assert!(
        error.contains("prometheus") && error.contains("parse error"),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "part metrics: needs prometheus"]
async fn a_bad_canary_is_found_by_the_counters_of_a_real_prometheus() {
    let prometheus = Prometheus::start(exporter().await);
    let servers = servers(Environment::default());
    let metric = metric(json!({"plugin": {"sluice/sequential": {
        "prometheus": {"address": prometheus.url},
        "canary": {"total": "sum by (pod) (canary_total)", "bad": "sum by (pod) (canary_bad)"},
        "stable": {"total": "sum by (pod) (stable_total)", "bad": "sum by (pod) (stable_bad)"},
        "every": "1s", "settle": "2s", "weight": "10",
    }}}));
    let mut before: Option<Measurement> = None;
    let began = Instant::now();
    loop {
        let question = Question {
            metric: &metric,
            run: &run(),
            before: before.as_ref(),
            lookup: &Cluster::default(),
            now: now(),
        };
        match servers.measure(question).await {
            Ok(answer) => {
                if let Meaning::Decided(phase, why) = &answer.meaning {
                    assert_eq!(*phase, AnalysisPhase::Failed, "{why}");
                    assert!(why.starts_with("worse than stable"), "{why}");
                    return;
                }
                before = Some(Measurement {
                    metadata: answer.notes,
                    ..Measurement::default()
                });
            }
            // It does not listen yet.
            Err(error) => assert!(error.contains("cannot be asked"), "{error}"),
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{before:?}\n{}",
            prometheus.log()
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
