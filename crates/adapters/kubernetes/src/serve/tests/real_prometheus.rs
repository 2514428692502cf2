//! A real Prometheus reads what the controller tells.

use super::*;
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The longest wait for Prometheus to start and to look once.
const PATIENCE: Duration = Duration::from_secs(60);
const ROLLOUTS: u64 = 5_000;

/// A running Prometheus; ended with the value.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// One that looks at `target` every second.
    fn start(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
             scrape_configs:\n- {{job_name: argo-rollouts-metrics, static_configs: [{{targets: ['{target}']}}]}}\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let free = std::net::TcpListener::bind(loopback()).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new("prometheus")
            .arg(format!("--web.listen-address={address}"))
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus is on PATH; `cargo xtask test --only metrics` puts it there");
        Prometheus {
            process,
            address,
            _folder: folder,
        }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }

    /// The values of a query, once there are any.
    async fn query(&self, promql: &str) -> Vec<String> {
        let began = Instant::now();
        let path = format!("/api/v1/query?query={promql}");
        loop {
            let answer = self.get(&path).await.unwrap_or_default();
            let result = answer["data"]["result"].as_array();
            if let Some(result) = result.filter(|result| !result.is_empty()) {
                let values = result.iter().map(|one| one["value"][1].as_str().unwrap());
                return values.map(str::to_owned).collect();
            }
            assert!(began.elapsed() < PATIENCE, "{promql}: {answer}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "part metrics: needs Prometheus"]
async fn the_queries_of_argos_dashboard_have_answers() {
    let source = Arc::new(Pretended::with_rollouts(ROLLOUTS));
    let serving = serve(source, &[loopback()]).await.unwrap();
    let prometheus = Prometheus::start(serving.addresses()[0]);
    let all = ROLLOUTS.to_string();
    let half = (ROLLOUTS / 2).to_string();
    let job = r#"job="argo-rollouts-metrics""#;
    let one = r#"namespace="shop",name="service-7""#;
    let table = [
        (format!("up{{{job}}}"), "1"),
        (format!("sum(rollout_info{{{job}}})"), &*all),
        (
            format!(r#"sum(rollout_info{{phase="Progressing",{job}}})"#),
            &*all,
        ),
        (
            format!("rollout_info_replicas_unavailable{{{job},{one}}}"),
            "1",
        ),
        (format!("rollout_info_replicas_desired{{{job},{one}}}"), "3"),
        (format!("sum(rollout_reconcile_count{{{job}}})"), &*all),
        ("sum(rollout_reconcile_error)".to_owned(), &*half),
        (
            "count(count(rollout_reconcile_bucket)by(le))".to_owned(),
            "6",
        ),
        (format!("max(process_start_time_seconds{{{job}}})"), "1"),
    ];
    for (promql, value) in table {
        let encoded: String = promql.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(prometheus.query(&encoded).await, [value], "{promql}");
    }
    let metadata = prometheus.get("/api/v1/metadata").await.unwrap();
    for (name, kind) in [
        ("rollout_info", "gauge"),
        ("rollout_reconcile", "histogram"),
        ("rollout_reconcile_error", "counter"),
    ] {
        assert_eq!(metadata["data"][name][0]["type"], kind, "{name}");
    }
}
