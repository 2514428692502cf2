//! A real Prometheus that scrapes a real exporter, behind TLS and a password.
//!
//! Everything is on loopback.

use crate::program::{Program, free_port, last};
use crate::support::PATIENCE;
use sluice_metrics::{
    Answer, Authentication, FetchError, FetchErrorKind, PrometheusQuery, Query, Sample, Secrets,
    Server, Source, Text, Tls,
};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// bcrypt of `hunter2`, cost 4.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

/// What the exporter shows: a counter that grows with every scrape, and odd gauges.
async fn exporter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let scrapes = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let scrape = scrapes.fetch_add(1, Ordering::Relaxed);
            let body = format!(
                "# TYPE shop_requests_total counter\n\
                 shop_requests_total{{code=\"200\"}} {}\n\
                 shop_requests_total{{code=\"500\"}} {}\n\
                 # TYPE shop_ratio gauge\n\
                 shop_ratio{{kind=\"usual\"}} 0.25\n\
                 shop_ratio{{kind=\"odd\"}} NaN\n\
                 shop_ratio{{kind=\"endless\"}} +Inf\n",
                scrape * 10,
                scrape
            );
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // A scrape's head is one small packet; its content does not matter.
                let _read = stream.read(&mut request).await;
                let _sent = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

/// A running Prometheus.
struct Prometheus {
    program: Program,
    server: Server,
}

impl Prometheus {
    /// Starts one that looks at `target` every second.
    fn start(target: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("cert.pem", &made.cert.pem());
        write("key.pem", &made.signing_key.serialize_pem());
        write(
            "web.yml",
            &format!(
                "tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\n\
                 basic_auth_users: {{rosa: '{HASH}'}}\n"
            ),
        );
        write(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
                 scrape_configs:\n- {{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}\n"
            ),
        );
        let port = free_port();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--config.file=prometheus.yml", "--web.config.file=web.yml"])
            .args(["--storage.tsdb.path=data", "--query.max-samples=50"]);
        let mut server = Server::at(format!("https://localhost:{port}"));
        server.timeout = PATIENCE;
        server.tls = Tls {
            authorities: Some(made.cert.pem()),
            insecure: false,
        };
        server.authentication = Authentication::Basic {
            username: "rosa".into(),
            password: Text::secret("password"),
        };
        Prometheus {
            program: Program::start(command, folder),
            server,
        }
    }
}

fn source(server: &Server, password: &str) -> Source {
    let secrets = Secrets::none().with("password", password);
    Source::new("shop metrics", server, &secrets).unwrap()
}

async fn ask(source: &Source, promql: &str) -> Result<Answer, FetchError> {
    let query = Query::Prometheus(PrometheusQuery::instant(promql));
    source.fetch(&query, last(60)).await
}

/// Asks until the answer is as it should be.
async fn until(
    prometheus: &Prometheus,
    source: &Source,
    promql: &str,
    is_good: impl Fn(&Sample) -> bool,
) -> Sample {
    let began = Instant::now();
    loop {
        let answered = ask(source, promql).await;
        if let Ok(answer) = &answered
            && is_good(&answer.sample)
        {
            return answer.sample.clone();
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{promql}: {answered:?}\n{}",
            prometheus.program.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
#[ignore = "part metrics: needs prometheus"]
async fn a_real_prometheus_is_asked_for_what_a_real_exporter_shows() {
    let prometheus = Prometheus::start(exporter().await);
    let source = source(&prometheus.server, "hunter2");
    // Some scrapes, so that there is a rate.
    until(&prometheus, &source, "shop_requests_total > 20", |sample| {
        !sample.is_empty()
    })
    .await;

    let Sample::Vector(elements) = ask(&source, "shop_ratio{kind=\"usual\"}")
        .await
        .unwrap()
        .sample
    else {
        panic!("a selector gives a vector");
    };
    assert_eq!(elements.len(), 1);
    assert_eq!(elements[0].labels["kind"], "usual");
    assert_eq!(elements[0].labels["job"], "shop");
    assert_eq!(elements[0].value, 0.25);

    for (promql, expected) in [
        ("scalar(shop_ratio{kind=\"usual\"}) * 2", 0.5),
        ("shop_ratio{kind=\"endless\"}", f64::INFINITY),
        ("vector(-1) / 0", f64::NEG_INFINITY),
        (
            "sum(rate(shop_requests_total{code=\"500\"}[1m])) / sum(rate(shop_requests_total{code=\"200\"}[1m]))",
            0.1,
        ),
    ] {
        let answer = ask(&source, promql).await.unwrap();
        let values = answer.sample.values();
        assert_eq!(values.len(), 1, "{promql}: {answer:?}");
        let is_close = values[0] == expected || (values[0] - expected).abs() < 1e-9;
        assert!(is_close, "{promql}: {answer:?}");
    }

    // A NaN that was scraped, a NaN of a division, and no data: three different answers.
    for promql in ["shop_ratio{kind=\"odd\"}", "vector(0) / 0"] {
        let sample = ask(&source, promql).await.unwrap().sample;
        assert!(
            sample.values()[0].is_nan() && !sample.is_empty(),
            "{promql}: {sample:?}"
        );
    }
    let nothing = ask(&source, "shop_ratio{kind=\"unheard of\"}")
        .await
        .unwrap();
    assert_eq!(nothing.sample, Sample::Vector(Vec::new()));
}

#[tokio::test]
#[ignore = "part metrics: needs prometheus"]
async fn a_real_prometheus_answers_ranges_and_refuses_what_is_wrong() {
    let prometheus = Prometheus::start(exporter().await);
    let source = source(&prometheus.server, "hunter2");
    until(&prometheus, &source, "shop_requests_total > 20", |sample| {
        !sample.is_empty()
    })
    .await;

    let range = PrometheusQuery::range("shop_requests_total", Duration::from_secs(1));
    let answer = source
        .fetch(&Query::Prometheus(range), last(10))
        .await
        .unwrap();
    let Sample::Series(series) = &answer.sample else {
        panic!("a range query gives series: {answer:?}");
    };
    assert_eq!(series.len(), 2);
    for series in series {
        assert!(series.points.len() >= 2, "{series:?}");
        assert!(
            series
                .points
                .is_sorted_by(|a, b| a.at < b.at && a.value <= b.value)
        );
    }

    for (promql, said) in [
        ("sum(", "parse error"),
        ("sum_over_time(shop_ratio[1m:10ms])", "too many samples"),
        ("\"text\"", "answered a text, and no number"),
    ] {
        let error = ask(&source, promql).await.unwrap_err();
        assert_eq!(error.kind, FetchErrorKind::Rejected, "{error}");
        assert!(error.to_string().contains(said), "no {said:?} in: {error}");
    }

    let stranger = self::source(&prometheus.server, "wrong");
    let error = ask(&stranger, "up").await.unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Unauthorized, "{error}");
    let mut server = prometheus.server.clone();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    server.tls.authorities = Some(other.cert.pem());
    let error = ask(&self::source(&server, "hunter2"), "up")
        .await
        .unwrap_err();
    assert_eq!(error.kind, FetchErrorKind::Untrusted, "{error}");
}
