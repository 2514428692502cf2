//! Going away without anybody noticing: draining, and handing the sockets over.

use crate::support::{Client, PATIENCE, Plan, STABLE, Server, endpoints, full, weights};
use hyper::{Request, Response, StatusCode};
use sluice_model::Routes;
use sluice_proxy::{ListenerRole, Proxy, ProxyConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_over_under_load_and_no_request_fails() {
    let server = Server::saying("ok").await;
    let plan = Plan::http().with(STABLE, &[server.address]).split(0.0);
    let listener = plan.listener.clone();
    let setup = plan.start();
    let address = setup.address;
    let (stop, served) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut load = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (stop, served) = (Arc::clone(&stop), Arc::clone(&served));
        load.spawn(async move {
            let mut client = Client::connect(address).await;
            while !stop.load(SeqCst) {
                let answer = client.get("/").await;
                assert_eq!(answer.status(), StatusCode::OK);
                served.fetch_add(1, SeqCst);
                let closes = answer
                    .headers()
                    .get("connection")
                    .is_some_and(|value| value == "close");
                // Some connect anew for every request, and so wait in the queue of the socket.
                if closes || number % 4 == 0 {
                    client = Client::connect(address).await;
                }
            }
        });
    }
    let mut proxy = setup.proxy.clone();
    let service = setup.service.clone();
    let first = setup;
    for _ in 0..5 {
        let before = served.load(SeqCst);
        crate::support::eventually("requests are served", || served.load(SeqCst) > before + 200)
            .await;
        let successor = Proxy::start(ProxyConfig {
            workers: 2,
            ..ProxyConfig::default()
        })
        .unwrap();
        successor
            .set_endpoints(&service, STABLE, endpoints(STABLE, &[server.address]))
            .unwrap();
        let routes = Routes {
            weights: weights(0.0),
            ..Routes::default()
        };
        successor.set_routes(&service, &routes).unwrap();
        for (name, role, socket) in proxy.listener_fds().unwrap() {
            let bound = successor
                .listen(&name, role, &listener, Some(vec![socket]))
                .unwrap();
            assert_eq!((bound, role), (address, ListenerRole::Main));
        }
        let report = proxy.drain(PATIENCE).await;
        assert_eq!((report.idle_closed, report.requests_cut), (0, 0));
        proxy = successor;
    }
    stop.store(true, SeqCst);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    drop(first);
}

#[tokio::test]
async fn an_idle_connection_may_still_be_used_while_the_proxy_drains() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    assert!(!client.get("/").await.headers().contains_key("connection"));
    let proxy = setup.proxy.clone();
    let draining = tokio::spawn(async move { proxy.drain(PATIENCE).await });
    // The port is free as soon as the drain has begun.
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect(setup.address).await.is_ok() {
        assert!(Instant::now() < deadline, "it still accepts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = client.get("/").await;
    assert_eq!(
        (last.status(), last.headers()["connection"].as_bytes()),
        (StatusCode::OK, &b"close"[..])
    );
    let report = draining.await.unwrap();
    assert_eq!((report.idle_closed, report.requests_cut), (0, 0));
}

#[tokio::test]
async fn a_drain_ends_at_its_time_and_tells_what_it_cut() {
    let server = Server::http(|request| async move {
        if request.uri() == "/slow" {
            tokio::time::sleep(Duration::from_secs(600)).await;
        }
        Response::new(full("ok"))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut idle = setup.client().await;
    idle.get("/").await;
    let mut busy = setup.client().await;
    let waiting = tokio::spawn(async move {
        busy.try_send(Request::get("/slow").body(full("")).unwrap())
            .await
            .is_err()
    });
    setup
        .counted(STABLE, |counters| counters.in_flight == 1)
        .await;
    let report = setup.proxy.drain(Duration::from_millis(50)).await;
    assert_eq!((report.idle_closed, report.requests_cut), (1, 1));
    assert!(waiting.await.unwrap(), "the cut request got an answer");
    let error = setup.proxy.listen(
        &setup.service,
        ListenerRole::Main,
        &Plan::http().listener,
        None,
    );
    assert!(error.unwrap_err().to_string().contains("draining"));
}

#[tokio::test]
async fn an_unlistened_service_frees_its_port_and_finishes_its_requests() {
    let server = Server::http(|request| async move {
        if request.uri() == "/slow" {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Response::new(full("ok"))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut busy = setup.client().await;
    let waiting = tokio::spawn(async move { busy.get("/slow").await });
    setup
        .counted(STABLE, |counters| counters.in_flight == 1)
        .await;
    setup.proxy.unlisten(&setup.service);
    let deadline = Instant::now() + PATIENCE;
    while std::net::TcpListener::bind(setup.address).is_err() {
        assert!(Instant::now() < deadline, "the port is never free");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = waiting.await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["connection"].as_bytes()),
        (StatusCode::OK, &b"close"[..])
    );
    assert!(setup.proxy.counters(&setup.service).is_empty());
}
