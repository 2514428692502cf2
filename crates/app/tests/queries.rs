//! Checks that ask an outside metric server: a release that loses orders is taken back, and one whose server is away
//! waits, and goes on. With a server of the test that answers JSON, and with a real Prometheus.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use support::{Sluice, document};

/// bcrypt of `hunter2`, cost 4.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";
/// Ends a server when its test was killed and could not.
const LIFETIME_SECONDS: &str = "180";

/// What a shop knows of itself: orders a second, by revision.
#[derive(Clone, Default)]
struct Shop {
    rates: Arc<Mutex<BTreeMap<u32, f64>>>,
}

impl Shop {
    fn sells(&self, revision: u32, per_second: f64) {
        self.rates.lock().unwrap().insert(revision, per_second);
    }

    /// For Prometheus: counters, as they grew since the beginning.
    fn metrics(&self, since: Instant) -> String {
        let rates = self.rates.lock().unwrap();
        let lines = rates.iter().map(|(revision, rate)| {
            let orders = rate * since.elapsed().as_secs_f64();
            format!("orders_total{{revision=\"{revision}\"}} {orders}\n")
        });
        "# TYPE orders_total counter\n".to_owned() + &lines.collect::<String>()
    }

    /// For those who read JSON; a revision that nobody knows has no rate.
    fn json(&self, path: &str) -> String {
        let revision = path.rsplit('=').next().and_then(|it| it.parse().ok());
        let rates = self.rates.lock().unwrap();
        match revision.and_then(|revision: u32| rates.get(&revision)) {
            Some(rate) => format!("{{\"orders\": {{\"rate\": {rate}}}}}"),
            None => "{\"orders\": {}}".to_owned(),
        }
    }
}

/// The shop's own HTTP server.
struct Served {
    address: SocketAddr,
    stop: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn at(address: &str, shop: &Shop) -> Served {
        let listener = TcpListener::bind(address).unwrap();
        let (stop, shop) = (listener.try_clone().unwrap(), shop.clone());
        let address = listener.local_addr().unwrap();
        let since = Instant::now();
        let thread = std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split_whitespace().nth(1).unwrap_or_default();
                let body = match path {
                    "/stop" => return,
                    "/metrics" => shop.metrics(since),
                    path => shop.json(path),
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\
                     content-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who asked and went away is nobody's loss.
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        Served {
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let address = self.stop.local_addr().unwrap();
        if let Ok(mut stream) = TcpStream::connect(address) {
            stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n").ok();
        }
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// A document with these sources, whose canary has nothing but this check.
fn with_check(sources: &str, check: &str, bake: &str) -> String {
    let release = format!(
        "{{ strategy: canary, bake: {bake}, keepWarm: 0s, defaultChecks: false, steps: [50, 100], checks: [{check}] }}"
    );
    format!("sources: {{ {sources} }}\n{}", document(&release, 1))
}

fn taken_back(sluice: &Sluice) -> String {
    let status = sluice.wait_status("taken back", |status| {
        status["phase"] == "Degraded" && status["stable"] == 1 && status["canary"].is_null()
    });
    status["message"].as_str().unwrap().to_owned()
}

/// Deploys a version whose check has no data for this cause, and waits until it is told.
fn held(sluice: &Sluice, version: &str, cause: &str) -> Value {
    sluice.deploy(version, "0");
    sluice.wait_status("held for want of data", |status| {
        let check = &status["checks"][0];
        let message = check["message"].as_str().unwrap_or_default();
        check["verdict"] == "noData" && message.contains(cause)
    })
}

/// The evidence of the log, each judged again with the same outcome.
fn evidence(sluice: &Sluice) -> Vec<Value> {
    let log = sluice.json(&["audit", "show", "web"]);
    let mut found = Vec::new();
    for entry in log.as_array().unwrap() {
        let evidence = entry["evidence"].as_array().cloned().unwrap_or_default();
        if evidence.is_empty() {
            continue;
        }
        let replayed = sluice.json(&["audit", "replay", &entry["sequence"].to_string()]);
        for check in replayed.as_array().unwrap() {
            assert_eq!(check["same"], true, "{check:#}");
        }
        found.extend(evidence);
    }
    found
}

#[test]
fn a_release_that_loses_orders_is_taken_back_and_one_whose_server_is_away_waits_for_it() {
    let shop = Shop::default();
    shop.sells(1, 10.0);
    shop.sells(2, 2.0);
    let served = Served::at("127.0.0.1:0", &shop);
    let address = served.address.to_string();
    let sources = format!("shop: {{ web: 'http://{address}/rate?revision={{{{revision}}}}' }}");
    let check = "{ name: orders, query: '{$.orders.rate}', source: shop, minRelative: 0.5x, window: 1s, interval: 1s }";
    let mut sluice = Sluice::up_with(&with_check(&sources, check, "2s"));
    sluice.wait_healthy();
    let list = sluice.run(&["check", "web"]).stdout;
    let list = String::from_utf8_lossy(&list).into_owned();
    let words = "the check `orders` gets 10 from `shop` for revision 1";
    assert!(list.contains(words), "{list}");
    sluice.deploy("2", "0");
    let message = taken_back(&sluice);
    assert!(
        message.contains("check `orders` failed: 2 from `shop`, at least 5 allowed (stable: 10)"),
        "{message}"
    );
    let failed = evidence(&sluice);
    let outside = &failed[0]["measurement"]["outside"];
    assert_eq!(outside["canary"]["query"], "{$.orders.rate}");

    // Nobody knows the next revision, then nobody answers at all: both times it waits.
    held(&sluice, "3", "in which the path finds nothing");
    drop(served);
    let is_away = |status: &Value| {
        let message = status["checks"][0]["message"].as_str().unwrap_or_default();
        message.contains(&format!(
            "no data from `shop`: http://{address} cannot be asked: "
        ))
    };
    sluice.wait_status("its server is away", is_away);
    let explained = sluice.run(&["explain", "web"]).stdout;
    let explained = String::from_utf8_lossy(&explained).into_owned();
    assert!(explained.contains("cannot be asked"), "{explained}");
    // A restart knows whom to ask.
    sluice.kill_9();
    sluice.up();
    let status = sluice.wait_status("asked again", is_away);
    assert_eq!(status["stable"], 1, "{status:#}");
    assert_eq!(status["weights"]["3"], 50.0, "{status:#}");
    shop.sells(3, 9.0);
    let _served = Served::at(&address, &shop);
    sluice.wait_status("promoted", |status| {
        status["phase"] == "Healthy" && status["stable"] == 3
    });
    let passed = evidence(&sluice);
    let passed = passed.iter().filter(|it| it["verdict"] == "pass");
    assert!(passed.count() > 0);
}

#[test]
fn an_alarm_on_answers_takes_a_release_back_after_several() {
    let shop = Shop::default();
    shop.sells(1, 10.0);
    shop.sells(2, 2.5);
    let served = Served::at("127.0.0.1:0", &shop);
    let address = served.address;
    let sources = format!("shop: {{ web: 'http://{address}/rate?revision={{{{revision}}}}' }}");
    let check = "{ name: orders, query: '{$.orders.rate}', source: shop, min: 5, window: 1s, interval: 1s, \
                 alarm: { datapoints: 2 of 3 } }";
    let sluice = Sluice::up_with(&with_check(&sources, check, "10m"));
    sluice.wait_healthy();
    sluice.deploy("2", "0");
    let message = taken_back(&sluice);
    assert!(
        message.contains("check `orders` failed: 2 of the last 2 datapoints below 5")
            && message.contains("the last 2.5"),
        "{message}"
    );
    let failed = evidence(&sluice);
    assert_eq!(failed[0]["verdict"], "fail");
}

#[test]
fn a_server_that_never_answers_holds_a_release_and_nothing_else() {
    // Connections are taken by the system, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let sources = format!("slow: {{ prometheus: 'http://{address}', timeout: 500ms }}");
    let check = "{ query: up, source: slow, min: 1, interval: 1s }";
    let sluice = Sluice::up_with(&with_check(&sources, check, "1s"));
    sluice.wait_healthy();
    let status = held(&sluice, "2", "did not answer within 500ms");
    assert_eq!(status["weights"]["2"], 50.0, "{status:#}");
    sluice.json(&["abort", "web", "--reason", "nobody answers"]);
    let message = taken_back(&sluice);
    assert!(message.contains("nobody answers"), "{message}");
}

/// A running Prometheus that looks at the shop each second.
struct Prometheus {
    child: Option<Child>,
    folder: tempfile::TempDir,
    port: u16,
}

impl Prometheus {
    fn new(target: SocketAddr) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("password", "hunter2\n");
        write(
            "web.yml",
            &format!("basic_auth_users: {{rosa: '{HASH}'}}\n"),
        );
        write(
            "prometheus.yml",
            &format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
                 scrape_configs:\n- {{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}\n"
            ),
        );
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let mut prometheus = Prometheus {
            child: None,
            folder,
            port,
        };
        prometheus.start();
        prometheus
    }

    fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let started = Command::new("timeout")
            .args(["--kill-after=5", LIFETIME_SECONDS, "prometheus"])
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .args(["--config.file=prometheus.yml", "--web.config.file=web.yml"])
            .arg("--storage.tsdb.path=data")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(started.unwrap());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // `timeout` hands the signal on.
            support::signal(child.id(), "TERM");
            child.wait().unwrap();
        }
    }

    fn source(&self) -> String {
        let password = self.folder.path().join("password").display().to_string();
        format!(
            "prod: {{ prometheus: 'http://127.0.0.1:{}', basic: {{ username: rosa, password: {{ file: {password} }} }} }}",
            self.port
        )
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
#[ignore = "part metrics: needs prometheus"]
fn a_real_prometheus_takes_a_release_back_and_holds_one_while_it_is_away() {
    let shop = Shop::default();
    shop.sells(1, 10.0);
    let served = Served::at("127.0.0.1:0", &shop);
    let mut prometheus = Prometheus::new(served.address);
    let check = "{ name: orders, query: 'sum(rate(orders_total{revision=\"{{revision}}\"}[5s]))', source: prod, \
                 minRelative: 0.5x, window: 5s, interval: 1s }";
    let sluice = Sluice::up_with(&with_check(&prometheus.source(), check, "2s"));
    sluice.wait_healthy();

    // The counter of a revision begins when it sells.
    shop.sells(2, 2.0);
    sluice.deploy("2", "0");
    let message = taken_back(&sluice);
    assert!(
        message.contains("check `orders` failed: ") && message.contains(" from `prod`, at least "),
        "{message}"
    );
    let failed = evidence(&sluice);
    let failed = failed.iter().find(|it| it["verdict"] == "fail").unwrap();
    let outside = &failed["measurement"]["outside"];
    let asked = |side: &str| outside[side]["query"].as_str().unwrap().to_owned();
    assert!(asked("canary").contains("revision=\"2\""), "{outside:#}");
    assert!(asked("baseline").contains("revision=\"1\""), "{outside:#}");

    prometheus.stop();
    shop.sells(3, 11.0);
    held(&sluice, "3", "no data from `prod`");
    // Longer than the bake: nothing moves without data.
    std::thread::sleep(Duration::from_secs(4));
    let status = sluice.status();
    assert_eq!(status["weights"]["3"], 50.0, "{status:#}");
    prometheus.start();
    sluice.wait_status("promoted", |status| {
        status["phase"] == "Healthy" && status["stable"] == 3
    });
    let told = [
        sluice.log(),
        sluice.status().to_string(),
        sluice.json(&["audit", "show", "web"]).to_string(),
    ];
    assert!(told.iter().all(|text| !text.contains("hunter2")));
    for entry in std::fs::read_dir(sluice.state()).unwrap() {
        let stored = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        assert!(!stored.windows(7).any(|bytes| bytes == b"hunter2"));
    }
    evidence(&sluice);
}
