//! Copies: whom they reach, what is compared, and that they never get in the way.

use crate::support::{CANARY, Plan, STABLE, Server, eventually, full, read_head};
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode};
use sluice_model::Weight;
use sluice_model::routes::{Mirror, MirrorRoute};
use std::time::Duration;
use tokio::io::AsyncReadExt;

fn mirror(plan: Plan, unsafe_methods: bool) -> Plan {
    plan.split(0.0).routes(|routes| {
        routes.mirror = Some(MirrorRoute {
            mirror: Mirror {
                share: Weight::FULL,
                unsafe_methods,
                compare: true,
            },
            revision: CANARY,
        });
    })
}

/// Answers with what it got; `/differ` with the server's own name.
async fn repeating(name: &'static str) -> Server {
    Server::http(move |request| async move {
        let path = request.uri().path().to_owned();
        let status = if path == "/fail" && name == "canary" {
            500
        } else {
            200
        };
        let body = request
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes());
        let text = match (path.as_str(), body) {
            ("/differ", _) => full(name),
            (_, Ok(body)) => full(body),
            (_, Err(_)) => full("broken"),
        };
        let mut answer = Response::new(text);
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        answer
    })
    .await
}

#[tokio::test]
async fn copies_are_compared_and_charged_to_the_mirrored_revision() {
    let (stable, canary) = (repeating("stable").await, repeating("canary").await);
    let plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address]);
    let setup = mirror(plan, true).start();
    let mut client = setup.client().await;
    let long = "x".repeat(100_000);
    for (path, body, times) in [
        ("/same", "hello", 3),
        ("/same", &long, 2),
        ("/differ", "", 4),
        ("/fail", "", 1),
    ] {
        for _ in 0..times {
            let request = Request::post(path).body(full(body.to_owned())).unwrap();
            let answer = client.send(request).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(path != "/same" || answer.body() == body);
        }
    }
    let counters = setup
        .counted(CANARY, |counters| counters.mirrored == 10)
        .await;
    assert_eq!(counters.mirror_diffs, 5);
    assert_eq!(counters.classes, [0, 9, 0, 0, 1]);
    assert_eq!(counters.in_flight, 0);
    let original = setup
        .counted(STABLE, |counters| counters.requests == 10)
        .await;
    assert_eq!((original.mirrored, original.errors()), (0, 0));
}

#[tokio::test]
async fn writes_are_not_copied_unless_asked() {
    let (stable, canary) = (repeating("stable").await, repeating("canary").await);
    let plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[canary.address]);
    let setup = mirror(plan, false).start();
    let mut client = setup.client().await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        client
            .send(
                Request::builder()
                    .method(method)
                    .uri("/")
                    .body(full("x"))
                    .unwrap(),
            )
            .await;
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        client
            .send(
                Request::builder()
                    .method(method)
                    .uri("/")
                    .body(full(""))
                    .unwrap(),
            )
            .await;
    }
    setup
        .counted(CANARY, |counters| counters.mirrored == 3)
        .await;
    assert_eq!((canary.requests(), stable.requests()), (3, 7));
}

#[tokio::test]
async fn a_stuck_mirror_slows_nobody_and_is_bounded() {
    let stable = repeating("stable").await;
    let stuck = Server::raw(|mut stream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let _ = stream.read_u8().await;
    })
    .await;
    let mut plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[stuck.address]);
    plan.config.workers = 1;
    plan.config.mirror.concurrent_max = 5;
    plan.config.mirror.body_bytes_max = 10_000;
    let setup = mirror(plan, true).start();
    let mut client = setup.client().await;
    for size in [10, 5_000_000].repeat(20) {
        let body = "x".repeat(size);
        let answer = client
            .send(Request::post("/same").body(full(body.clone())).unwrap())
            .await;
        assert!(*answer.body() == body, "the original was harmed");
    }
    let counters = setup
        .counted(STABLE, |counters| counters.requests == 40)
        .await;
    assert_eq!(counters.errors(), 0);
    assert!(setup.counters(CANARY).in_flight <= 5);
    // Copies with more to say than may wait are given up, and make room.
    eventually("large copies are given up", || {
        setup.counters(CANARY).client_aborts > 0
    })
    .await;
}

#[tokio::test]
async fn a_lost_copy_differs() {
    let stable = repeating("stable").await;
    let plan = Plan::http()
        .with(STABLE, &[stable.address])
        .with(CANARY, &[crate::support::dead_address()]);
    let setup = mirror(plan, false).start();
    assert_eq!(setup.get("/").await.0, StatusCode::OK);
    let counters = setup
        .counted(CANARY, |counters| counters.mirrored == 1)
        .await;
    assert_eq!(
        (
            counters.mirror_diffs,
            counters.errors(),
            counters.connect_failures
        ),
        (1, 1, 1)
    );
}
