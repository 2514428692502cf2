//! A successor that cannot do its work leaves the old Sluice in charge; one that can follows the document.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use std::net::{SocketAddr, TcpListener};
use support::{Sluice, document, load, signal, wait_for_exit};

const CANARY: &str = "{ strategy: canary, checks: none, bake: 200ms, steps: [{ weight: 50 }, { weight: 100, bake: 0s }] }";

/// A second service of the document, with this program on this address.
fn and_another(run: &str, listen: &str) -> String {
    format!("  other:\n    run: {run}\n    listen: {listen}\n    release: {CANARY}\n")
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_successor_that_fails_leaves_the_old_sluice_in_charge_without_a_lost_request() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listening.local_addr().unwrap().to_string();
    let good = document(CANARY, 2);
    let sluice = Sluice::up_with(&good);
    sluice.wait_healthy();
    let (pid, replicas) = (sluice.pid(), sluice.replica_pids());
    let load = load::start(sluice.address(), 4, 20);
    for (run, listen, cause) in [
        ("sluice demo-service --port $PORT", taken.as_str(), "in use"),
        ("./missing/file", "127.0.0.1:0", "missing/file"),
    ] {
        sluice.write(&(good.clone() + &and_another(run, listen)));
        let mut successor = sluice.spawn_up(&["--take-over"]);
        let code = wait_for_exit(&mut successor);
        assert!(matches!(code, Some(1..)), "{code:?} {}", sluice.log());
        assert!(sluice.log().contains(cause), "{cause}: {}", sluice.log());
        let status = sluice.wait_status("the old one to answer again", |status| {
            status["phase"] == "Healthy"
        });
        assert_eq!(status["stable"], 1, "{status}");
    }
    drop(listening);
    assert_eq!(sluice.replica_pids(), replicas, "replicas were replaced");
    sluice.write(&good);
    sluice.deploy("2", "0");
    sluice.wait_status("a release by the old one", |status| {
        status["stable"] == 2 && status["phase"] == "Healthy"
    });
    let seen = load.stop();
    assert_eq!(seen.failures, Vec::<String>::new());
    let holder = std::fs::read_to_string(sluice.state().join("sluice.lock")).unwrap();
    assert_eq!(holder.trim(), pid.to_string());
}

#[test]
fn somebody_who_connects_to_the_hand_over_socket_and_leaves_changes_nothing() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    let replicas = sluice.replica_pids();
    // What is in the document meanwhile is for the next deployment.
    sluice.write("services: { web: { nonsense: true } }\n");
    drop(std::os::unix::net::UnixStream::connect(sluice.state().join("handover.sock")).unwrap());
    sluice.wait_until("the hand-over ends", |sluice| {
        sluice.log().contains("this process goes on")
    });
    sluice.wait_healthy();
    assert_eq!(sluice.replica_pids(), replicas);
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
}

#[test]
fn a_successor_listens_where_its_document_says_not_where_the_old_one_did() {
    let (first, second) = (free_address(), free_address());
    let at = |address: SocketAddr| document(CANARY, 1).replace("127.0.0.1:0", &address.to_string());
    let mut sluice = Sluice::up_with(&at(first));
    sluice.wait_healthy();
    sluice.write(&at(second));
    let mut old = sluice.take_over();
    assert_eq!(wait_for_exit(&mut old), Some(0), "{}", sluice.log());
    sluice.wait_until("the new address answers", |_| {
        load::ask(second, &mut None).is_ok()
    });
    assert_eq!(sluice.address(), second);
    assert!(
        load::ask(first, &mut None).is_err(),
        "the old address still answers"
    );
}

#[test]
fn a_first_start_that_fails_or_is_ended_leaves_nothing_running() {
    let two = document(CANARY, 2) + &and_another("./missing/file", "127.0.0.1:0");
    let sluice = Sluice::new(&two);
    let mut child = sluice.spawn_up(&[]);
    let code = wait_for_exit(&mut child);
    assert!(matches!(code, Some(1..)), "{code:?} {}", sluice.log());
    assert!(sluice.log().contains("missing/file"), "{}", sluice.log());
    assert!(sluice.replica_pids().is_empty(), "{}", sluice.log());
    for delay_ms in (0..400).step_by(50) {
        let sluice = Sluice::new(&document(CANARY, 3));
        let mut child = sluice.spawn_up(&[]);
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        signal(child.id(), "TERM");
        wait_for_exit(&mut child);
        let left = sluice.replica_pids();
        assert!(left.is_empty(), "after {delay_ms} ms: {}", sluice.log());
    }
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_running() {
    let sluice = Sluice::new("");
    let mut demo = sluice.spawn(&["demo", "--json"]);
    sluice.wait_until("the demo's replicas", |sluice| {
        sluice.replica_pids().len() == 2
    });
    signal(demo.id(), "INT");
    let code = wait_for_exit(&mut demo);
    assert!(matches!(code, Some(1..)), "{code:?} {}", sluice.log());
    assert!(sluice.replica_pids().is_empty(), "{}", sluice.log());
}

#[test]
fn the_api_address_of_the_document_is_listened_on_also_after_a_hand_over() {
    let api = free_address();
    let text =
        document(CANARY, 1) + &format!("api: {{ listen: {api} }}\nproxy: {{ workers: 1 }}\n");
    let mut sluice = Sluice::up_with(&text);
    sluice.wait_healthy();
    std::net::TcpStream::connect(api).unwrap();
    let workers = std::fs::read_dir(format!("/proc/{}/task", sluice.pid()))
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.starts_with("sluice-proxy"))
        .count();
    assert_eq!(workers, 1);
    let mut old = sluice.take_over();
    assert_eq!(wait_for_exit(&mut old), Some(0), "{}", sluice.log());
    std::net::TcpStream::connect(api).unwrap();
}

#[test]
fn a_successor_that_is_killed_at_any_moment_costs_no_replica() {
    let mut sluice = Sluice::up_with(&document(CANARY, 2));
    sluice.wait_healthy();
    let replicas = sluice.replica_pids();
    for delay_ms in (0..250).step_by(25) {
        let mut successor = sluice.spawn_up(&["--take-over"]);
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        successor.kill().unwrap();
        successor.wait().unwrap();
        // Killed after it was ready, it was all there was: then the next start finds the replicas.
        sluice.wait_until("the old one answers, or has handed over", |sluice| {
            sluice.has_ended() || sluice.try_status()["phase"] == "Healthy"
        });
        if sluice.has_ended() {
            sluice.up();
            sluice.wait_healthy();
        }
        assert_eq!(
            sluice.replica_pids(),
            replicas,
            "killed after {delay_ms} ms\n{}",
            sluice.log()
        );
    }
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
}
