//! What this system has too little of is no replica's failure.

use crate::support::{Plan, STABLE, Server};
use hyper::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::process::Command;

/// Set where the test has a process to itself: descriptors are shared by all tests of one.
const ALONE: &str = "SLUICE_TEST_ALONE";

#[test]
fn a_lack_of_descriptors_is_the_proxys_failure_and_leaves_no_replica_out() {
    if std::env::var_os(ALONE).is_none() {
        let name =
            "exhaustion::a_lack_of_descriptors_is_the_proxys_failure_and_leaves_no_replica_out";
        let output = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return;
    }
    let limit = Rlimit {
        current: Some(100),
        maximum: Some(200),
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(without_descriptors());
}

async fn without_descriptors() {
    let server = Server::saying("ok").await;
    let setup = Plan::http()
        .with(STABLE, &[server.address])
        .split(0.0)
        .start();
    assert_eq!(
        getrlimit(Resource::Nofile).current,
        Some(200),
        "the soft limit is not raised"
    );
    let mut client = setup.client().await;
    // An answer without a replica: the connection is accepted, and none to the replica is open.
    let nothing_ready = setup
        .proxy
        .set_endpoints(&setup.service, STABLE, Vec::new());
    nothing_ready.unwrap();
    assert_eq!(
        client.get("/").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let endpoints = crate::support::endpoints(STABLE, &[server.address]);
    setup
        .proxy
        .set_endpoints(&setup.service, STABLE, endpoints)
        .unwrap();
    let mut hogs = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hogs.push(file);
    }
    let before = setup.proxy.proxy_failures(&setup.service);
    for _ in 0..10 {
        let answer = client.get("/").await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            answer.body().contains("cannot open a connection"),
            "{}",
            answer.body()
        );
    }
    assert_eq!(
        setup.proxy.proxy_failures(&setup.service),
        before + 10,
        "it is the proxy's own failure"
    );
    let counters = setup
        .counted(STABLE, |counters| counters.in_flight == 0)
        .await;
    assert_eq!(
        (
            counters.requests,
            counters.connect_failures,
            counters.client_aborts
        ),
        (0, 0, 0)
    );
    drop(hogs);
    assert_eq!(client.get("/").await.body(), "ok");
}
