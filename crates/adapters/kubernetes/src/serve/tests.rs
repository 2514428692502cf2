#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod real_prometheus;

use super::*;
use crate::api::Key;
use crate::cache::Cache;
use crate::metrics::{Metrics, Told};
use crate::queue::Queue;
use crate::requests::Requests;
use crate::resource::ROLLOUT;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A controller with some Rollouts, which may hang.
#[derive(Default)]
struct Pretended {
    cache: Cache,
    queue: Queue,
    metrics: Metrics,
    requests: Arc<Requests>,
    hangs: AtomicBool,
}

impl Pretended {
    fn with_rollouts(count: u64) -> Self {
        let pretended = Pretended::default();
        for number in 1..=count {
            let name = format!("service-{number}");
            let object = json!({
                "metadata": {"namespace": "shop", "name": name, "resourceVersion": number.to_string()},
                "spec": {"replicas": 3, "strategy": {"canary": {}}},
                "status": {"replicas": 3, "availableReplicas": 2},
            });
            pretended.cache.put(&ROLLOUT, object);
            let key = Key::new(ROLLOUT, "shop", &name);
            pretended
                .metrics
                .looked(&key, Duration::from_millis(5), number % 2 == 0);
        }
        pretended
    }
}

impl Source for Pretended {
    fn scrape(&self) -> Scrape {
        let scrape = Scrape::of(&Told {
            cache: &self.cache,
            queue: &self.queue,
            metrics: &self.metrics,
            notifier: None,
            instance_id: "",
        });
        scrape.with_process(&self.requests, 1.0)
    }

    fn health(&self) -> Result<(), String> {
        if self.hangs.load(Ordering::Relaxed) {
            return Err("Rollout shop/a waits for 700 s".to_owned());
        }
        Ok(())
    }
}

async fn get(address: SocketAddr, what: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{what} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn metrics_and_health_are_answered_and_nothing_else() {
    let source = Arc::new(Pretended::with_rollouts(1));
    let serving = serve(Arc::clone(&source), &[loopback(), loopback()])
        .await
        .unwrap();
    for address in serving.addresses() {
        let metrics = get(*address, "GET /metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(
            metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
            "{metrics}"
        );
        assert!(
            metrics.contains("rollout_info{namespace=\"shop\""),
            "{metrics}"
        );
        let health = get(*address, "GET /healthz").await;
        assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
        assert!(health.ends_with("\r\n\r\nok"), "{health}");
    }
    let address = serving.addresses()[0];
    let missing = get(address, "GET /").await;
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    let posted = get(address, "POST /metrics").await;
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    source.hangs.store(true, Ordering::Relaxed);
    let health = get(address, "GET /healthz").await;
    assert!(health.starts_with("HTTP/1.1 503 "), "{health}");
    assert!(
        health.contains("shop/a waits"),
        "the cause is told: {health}"
    );
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind(loopback()).unwrap();
    let address = taken.local_addr().unwrap();
    let failed = serve(Arc::new(Pretended::default()), &[address])
        .await
        .unwrap_err();
    assert!(
        failed.to_string().contains(&address.to_string()),
        "{failed}"
    );
}

#[tokio::test]
async fn the_server_ends_when_it_is_dropped() {
    let serving = serve(Arc::new(Pretended::default()), &[loopback()])
        .await
        .unwrap();
    let address = serving.addresses()[0];
    drop(serving);
    let mut tries = 0;
    while TcpStream::connect(address).await.is_ok() {
        tries += 1;
        assert!(tries < 1_000, "it still listens");
        tokio::task::yield_now().await;
    }
}
