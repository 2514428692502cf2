//! Replicas that fail: who saves the request, and who is charged.

use crate::support::{
    CANARY, Plan, STABLE, Server, dead_address, endpoints, eventually, full, read_head, status,
};
use hyper::{Request, StatusCode};
use sluice_proxy::Ejection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Never leaves a replica out.
const NEVER: Ejection = Ejection {
    failures: u32::MAX,
    base: Duration::from_secs(1),
    max: Duration::from_secs(1),
};

#[tokio::test]
async fn a_dead_replica_costs_a_try_and_is_charged() {
    let server = Server::saying("alive").await;
    let mut plan = Plan::http()
        .with(CANARY, &[server.address, dead_address()])
        .split(100.0);
    plan.config.ejection = NEVER;
    let setup = plan.start();
    let mut client = setup.client().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.body(), "alive");
    }
    // About half of them met the dead one first; each such try is a failed request of the revision.
    let counters = setup
        .counted(CANARY, |counters| counters.classes[1] == 100)
        .await;
    assert!(
        (20..=80).contains(&counters.errors()),
        "{}",
        counters.errors()
    );
    assert_eq!(counters.connect_failures, counters.errors());
    assert_eq!(counters.requests, 100 + counters.errors());
    assert_eq!(setup.proxy.proxy_failures(&setup.service), 0);
}

#[tokio::test]
async fn a_revision_that_is_all_dead_is_charged_while_stable_serves() {
    let stable = Server::saying("stable").await;
    let mut plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[dead_address(), dead_address()])
        .split(30.0);
    plan.config.ejection = NEVER;
    let setup = plan.start();
    let mut client = setup.client().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.body(), "stable");
    }
    let canary = setup
        .counted(CANARY, |counters| counters.requests > 30)
        .await;
    assert_eq!(canary.errors(), canary.requests);
    assert_eq!(
        setup
            .counted(STABLE, |counters| counters.requests == 100)
            .await
            .errors(),
        0
    );
}

#[tokio::test]
async fn retries_are_bounded() {
    let dead: Vec<_> = (0..6).map(|_| dead_address()).collect();
    let mut plan = Plan::http()
        .with(STABLE, &dead)
        .split(0.0)
        .limits(|limits| limits.retries_max = 3);
    plan.config.ejection = NEVER;
    let setup = plan.start();
    let (status, text) = setup.get("/").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(
        text.contains("`shop`") && text.contains("of revision 1 cannot be reached"),
        "{text}"
    );
    let counters = setup
        .counted(STABLE, |counters| counters.requests > 0)
        .await;
    assert_eq!((counters.requests, counters.connect_failures), (4, 4));
}

/// Closes each connection after the first request on it, without an answer.
async fn hanging_up() -> Server {
    Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn only_requests_that_may_be_sent_twice_are_sent_twice() {
    for (method, body, saved) in [
        ("GET", "", true),
        ("PUT", "", true),
        ("DELETE", "", true),
        ("POST", "", false),
        ("PATCH", "", false),
        ("PUT", "data", false),
    ] {
        let stable = Server::saying("stable").await;
        let bad = hanging_up().await;
        let setup = Plan::http()
            .with(STABLE, &[stable.address])
            .with(CANARY, &[bad.address])
            .split(49.0)
            .routes(|routes| {
                let when = sluice_model::routes::RequestMatch {
                    all: vec![sluice_model::routes::Condition::Path {
                        value: sluice_model::routes::TextMatch::Present,
                    }],
                };
                routes.matches = vec![sluice_model::routes::MatchRoute {
                    when,
                    revision: CANARY,
                }];
            })
            .start();
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(full(body))
            .unwrap();
        let answer = setup.client().await.send(request).await;
        let expected = if saved {
            StatusCode::OK
        } else {
            StatusCode::BAD_GATEWAY
        };
        assert_eq!(answer.status(), expected, "{method} {body}");
        let canary = setup
            .counted(CANARY, |counters| counters.requests == 1)
            .await;
        assert_eq!(canary.connect_failures, 1, "{method} {body}");
        assert_eq!(stable.requests(), u64::from(saved), "{method} {body}");
    }
}

#[tokio::test]
async fn an_idle_connection_that_the_replica_closed_is_nobodys_failure() {
    // Answers one request on each connection as if it would keep it, and closes it.
    let server = Server::scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let mut client = setup.client().await;
    for method in ["GET", "POST", "GET", "POST", "POST", "GET"] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .body(full(""))
            .unwrap();
        let answer = client.send(request).await;
        assert_eq!(answer.status(), StatusCode::OK, "{method}");
        // Until the end of the connection has arrived, a POST on it could not be told from one
        // that was lost.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 6)
        .await;
    assert_eq!(counters.classes, [0, 6, 0, 0, 0]);
    assert_eq!(counters.connect_failures, 0);
}

#[tokio::test]
async fn a_replica_that_keeps_failing_is_left_out_but_never_the_last_one() {
    let server = Server::saying("alive").await;
    let bad = hanging_up().await;
    let mut plan = Plan::http()
        .with(STABLE, &[server.address, bad.address])
        .split(0.0);
    plan.config.ejection = Ejection {
        failures: 3,
        base: Duration::from_secs(600),
        max: Duration::from_secs(600),
    };
    let setup = plan.start();
    let mut client = setup.client().await;
    for _ in 0..200 {
        assert_eq!(client.get("/").await.body(), "alive");
    }
    assert_eq!(bad.connections(), 3, "it was asked after it was left out");
    let counters = setup
        .counted(STABLE, |counters| counters.classes[1] == 200)
        .await;
    assert_eq!(
        counters.errors(),
        3,
        "the failures are counted all the same"
    );
    // Alone it is asked again: a failing replica is better than none.
    setup
        .proxy
        .set_endpoints(&setup.service, STABLE, endpoints(STABLE, &[bad.address]))
        .unwrap();
    let mut list = endpoints(STABLE, &[server.address, bad.address]);
    setup
        .proxy
        .set_endpoints(&setup.service, STABLE, list.split_off(1))
        .unwrap();
    for _ in 0..5 {
        assert_eq!(client.get("/").await.status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(bad.connections(), 8);
}

#[tokio::test]
async fn answers_that_are_failures_do_not_get_a_replica_left_out() {
    let bad = Server::http(|_| async {
        let mut answer = hyper::Response::new(full("no"));
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
    .await;
    let good = Server::saying("ok").await;
    let setup = Plan::http()
        .with(CANARY, &[bad.address, good.address])
        .split(100.0)
        .start();
    let mut client = setup.client().await;
    for _ in 0..200 {
        client.get("/").await;
    }
    assert!(
        bad.requests() > 60,
        "its failures are the revision's: {}",
        bad.requests()
    );
    let counters = setup
        .counted(CANARY, |counters| counters.requests == 200)
        .await;
    assert_eq!(counters.errors(), bad.requests());
}

#[tokio::test]
async fn a_silent_replica_times_out_and_is_not_tried_elsewhere() {
    let silent = Server::http(|_| async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        hyper::Response::new(full(""))
    })
    .await;
    let stable = Server::saying("stable").await;
    let setup = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[silent.address])
        .split(100.0)
        .limits(|limits| limits.request_timeout = Duration::from_millis(100))
        .start();
    let (status, text) = setup.get("/").await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(
        text.contains("of revision 2 did not answer in time"),
        "{text}"
    );
    let counters = setup
        .counted(CANARY, |counters| counters.requests == 1)
        .await;
    assert_eq!(
        (
            counters.errors(),
            counters.timeouts,
            counters.connect_failures
        ),
        (1, 1, 0)
    );
    assert_eq!(stable.requests(), 0);
}

#[tokio::test]
async fn the_time_for_an_answer_counts_from_the_end_of_the_upload() {
    let server = Server::http(|request| async move {
        let body = http_body_util::BodyExt::collect(request.into_body())
            .await
            .unwrap()
            .to_bytes();
        hyper::Response::new(full(body.len().to_string()))
    })
    .await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .limits(|limits| limits.request_timeout = Duration::from_millis(400))
        .start();
    let mut stream = tokio::net::TcpStream::connect(setup.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        stream.write_all(b"x").await.unwrap();
    }
    let answer = crate::support::read_all(&mut stream).await;
    assert!(status(&answer) == 200 && answer.ends_with("12"), "{answer}");
}

#[tokio::test]
async fn a_replica_that_falls_silent_in_the_middle_is_charged() {
    let server = Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            .await
            .unwrap();
        let mut byte = [0];
        let _ = stream.read(&mut byte).await;
    })
    .await;
    let setup = Plan::http()
        .with(CANARY, &[server.address])
        .split(100.0)
        .limits(|limits| limits.idle_timeout = Duration::from_millis(100))
        .start();
    let answer = setup.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.ends_with("half"), "{answer}");
    let counters = setup
        .counted(CANARY, |counters| counters.requests == 1)
        .await;
    assert_eq!((counters.errors(), counters.timeouts), (1, 1));
}

#[tokio::test]
async fn a_replica_out_of_routing_is_known_to_be_free_only_when_it_is() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = Arc::clone(&gate);
    let server = Server::http(move |_| {
        let gate = Arc::clone(&open);
        async move {
            gate.acquire().await.unwrap().forget();
            hyper::Response::new(full("done"))
        }
    })
    .await;
    let other = Server::saying("other").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    let replica = endpoints(STABLE, &[server.address])[0].id.clone();
    let waiting = tokio::spawn({
        let address = setup.address;
        async move {
            crate::support::Client::connect(address)
                .await
                .get("/")
                .await
                .into_body()
        }
    });
    eventually("the request is in flight", || {
        setup.proxy.in_flight(&replica) == 1
    })
    .await;
    let others = endpoints(STABLE, &[server.address, other.address]).split_off(1);
    setup
        .proxy
        .set_endpoints(&setup.service, STABLE, others)
        .unwrap();
    assert_eq!(
        setup.proxy.in_flight(&replica),
        1,
        "out of routing, but not free"
    );
    assert_eq!(setup.get("/").await.1, "other");
    gate.add_permits(1);
    assert_eq!(waiting.await.unwrap(), "done");
    eventually("the replica is free", || {
        setup.proxy.in_flight(&replica) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_reaches_a_replica_that_was_found_free() {
    // Two replicas take turns being in the routing. Each time one is out and free it is marked; a
    // request that a marked one still serves is the defect.
    let wrong = Arc::new(AtomicU64::new(0));
    let marked = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let mut servers = Vec::new();
    for mark in &marked {
        let (mark, wrong) = (Arc::clone(mark), Arc::clone(&wrong));
        let server = Server::http(move |_| {
            let (mark, wrong) = (Arc::clone(&mark), Arc::clone(&wrong));
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                wrong.fetch_add(mark.load(SeqCst), SeqCst);
                hyper::Response::new(full("ok"))
            }
        });
        servers.push(server.await);
    }
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let setup = Plan::http().with(STABLE, &addresses).split(0.0).start();
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let address = setup.address;
        load.spawn(async move {
            let mut client = crate::support::Client::connect(address).await;
            loop {
                assert_eq!(client.get("/").await.status(), StatusCode::OK);
            }
        });
    }
    let all = endpoints(STABLE, &addresses);
    for round in 0..100 {
        let (out, stays) = (&all[round % 2], &all[(round + 1) % 2]);
        setup
            .proxy
            .set_endpoints(&setup.service, STABLE, vec![stays.clone()])
            .unwrap();
        eventually("the replica is free", || {
            setup.proxy.in_flight(&out.id) == 0
        })
        .await;
        marked[round % 2].store(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        marked[round % 2].store(0, SeqCst);
        setup
            .proxy
            .set_endpoints(&setup.service, STABLE, all.clone())
            .unwrap();
    }
    assert!(load.try_join_next().is_none(), "a client failed");
    assert_eq!(wrong.load(SeqCst), 0);
}
