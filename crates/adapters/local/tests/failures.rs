//! Replicas that fail, and probes: what is said, what is restarted, and what goes on undisturbed.

mod support;

use sluice_local::ReplicaState;
use sluice_model::workload::{ProbeAction, Workload};
use std::fs;
use std::time::Duration;
use support::{
    SERVER, Stage, get, http_probe, is_alive, probe, revision, server, until, until_dead,
};

/// Ways to fail, and what is said about each.
fn failures(folder: &std::path::Path) -> Vec<(&'static str, Workload, Vec<String>)> {
    let plain = |words: &[&str]| Workload {
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        ..server(&[])
    };
    let not_a_program = folder.join("notes.txt");
    fs::write(&not_a_program, "no program").expect("the folder is writable");
    let said = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    vec![
        (
            "exit code and last line",
            plain(&[
                "sh",
                "-c",
                "echo listening; echo 'bind: address in use' >&2; exit 3",
            ]),
            said(&["exited with code 3 after ", ": bind: address in use"]),
        ),
        (
            "signal",
            plain(&["sh", "-c", "kill -SEGV $$$$"]),
            said(&["killed by signal 11"]),
        ),
        (
            "not in PATH",
            plain(&["no-such-shop"]),
            said(&["command not found: no-such-shop"]),
        ),
        (
            "no such file",
            plain(&["./no-such-shop"]),
            said(&["command not found: ./no-such-shop"]),
        ),
        (
            "not executable",
            plain(&[not_a_program.to_str().expect("it is UTF-8")]),
            said(&["notes.txt is not executable"]),
        ),
        (
            "unknown variable",
            plain(&["sh", "-c", "$NO_SUCH"]),
            said(&["NO_SUCH, which is not set"]),
        ),
        (
            "no working directory",
            Workload {
                workdir: "/no/such/folder".to_owned(),
                ..server(&[])
            },
            said(&["working directory /no/such/folder"]),
        ),
        (
            "no such user",
            Workload {
                user: Some("nobody-of-that-name".to_owned()),
                ..server(&[])
            },
            said(&["there is no user `nobody-of-that-name`"]),
        ),
    ]
}

#[tokio::test]
async fn a_replica_that_cannot_run_is_restarted_and_says_why() {
    let stage = Stage::open().await;
    for (name, workload, said) in failures(stage.folder.path()) {
        let one = revision(1, workload);
        stage.want(&[(&one, 1)]);
        until(name, async || {
            let side = stage.side(1);
            let failure = side.last_failure.clone().unwrap_or_default();
            let found = said.iter().all(|text| failure.contains(text)) && side.restarts_max >= 2;
            found.then_some(()).ok_or(format!("{side:?}"))
        })
        .await;
        assert_eq!(stage.side(1).ready, 0, "{name}");
        assert_eq!(stage.proxy.routed(1), [], "{name}");
        stage.want(&[]);
        stage.until_empty().await;
    }
    stage.close().await;
}

#[tokio::test]
async fn a_replica_that_fails_gets_another_chance_and_serves() {
    let stage = Stage::open().await;
    let file = stage.folder.path().join("second-time");
    let script = format!(
        "test -e {0} && exec {SERVER} serve; touch {0}; exit 1",
        file.display()
    );
    let workload = Workload {
        command: vec!["sh".into(), "-c".into(), script],
        ..server(&[])
    };
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    assert_eq!(stage.side(1).restarts_max, 1);
    let port = stage.replicas()[0].port.expect("it runs");
    assert_eq!(get(port, "/ready"), "ok");
    stage.close().await;
}

#[tokio::test]
async fn a_probe_that_never_passes_is_said_and_the_stable_revision_serves_on() {
    let stage = Stage::open().await;
    let good = revision(1, server(&[]));
    stage.want(&[(&good, 1)]);
    stage.until_ready(1, 1).await;
    let bad = revision(
        2,
        Workload {
            readiness: http_probe("/nowhere"),
            ..server(&[])
        },
    );
    stage.want(&[(&good, 1), (&bad, 1)]);
    let failure = until("the failure is said", async || {
        stage
            .side(2)
            .last_failure
            .ok_or(format!("{:?}", stage.side(2)))
    })
    .await;
    assert_eq!(failure, "not ready: GET /nowhere: answered 404");
    let (good, bad) = (stage.side(1), stage.side(2));
    assert_eq!(
        (good.ready, bad.running, bad.ready, bad.restarts_max),
        (1, 1, 0, 0)
    );
    assert_eq!(
        (stage.proxy.routed(1).len(), stage.proxy.routed(2).len()),
        (1, 0)
    );
    stage.close().await;
}

#[tokio::test]
async fn readiness_takes_a_replica_out_of_traffic_and_back_without_a_restart() {
    let stage = Stage::open().await;
    let file = stage.folder.path().join("busy");
    let path = file.display().to_string();
    let workload = Workload {
        readiness: http_probe("/ready"),
        ..server(&["--unready-while", &path])
    };
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let pid = stage.replicas()[0].pid;
    fs::write(&file, "").expect("the folder is writable");
    stage.until_ready(1, 0).await;
    until("it is out of routing", async || {
        stage
            .proxy
            .routed(1)
            .is_empty()
            .then_some(())
            .ok_or("it is routed".to_owned())
    })
    .await;
    assert_eq!(
        stage.side(1).last_failure.as_deref(),
        Some("not ready: GET /ready: answered 503")
    );
    fs::remove_file(&file).expect("it exists");
    stage.until_ready(1, 1).await;
    assert_eq!(stage.replicas()[0].pid, pid);
    stage.close().await;
}

#[tokio::test]
async fn liveness_restarts_a_replica_that_is_stuck() {
    let stage = Stage::open().await;
    let file = stage.folder.path().join("stuck");
    let path = file.display().to_string();
    let workload = Workload {
        liveness: http_probe("/live"),
        ..server(&["--dead-while", &path])
    };
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let pid = stage.replicas()[0].pid.expect("it runs");
    fs::write(&file, "").expect("the folder is writable");
    until_dead(pid).await;
    fs::remove_file(&file).expect("it exists");
    until("another process serves", async || {
        let replica = stage.replicas().remove(0);
        let restarted = replica.state == ReplicaState::Ready && replica.pid != Some(pid);
        restarted.then_some(()).ok_or(format!("{replica:?}"))
    })
    .await;
    let failure = stage.side(1).last_failure.expect("it failed");
    assert_eq!(
        failure,
        "liveness probe failed 2 times in a row: GET /live: answered 500"
    );
    assert!(stage.side(1).restarts_max >= 1);
    stage.close().await;
}

#[tokio::test]
async fn commands_and_plain_connections_are_probes_too() {
    let stage = Stage::open().await;
    let file = stage.folder.path().join("seen");
    // The shell's variables are not Sluice's to replace: they are written with `$$`.
    let script = format!("test -n \"$$PORT\" && echo $$0 > {}", file.display());
    let words = ["sh", "-c", &script, "$SLUICE_REPLICA"]
        .map(str::to_owned)
        .to_vec();
    let workload = Workload {
        startup: probe(ProbeAction::Tcp),
        readiness: probe(ProbeAction::Command { command: words }),
        liveness: probe(ProbeAction::Command {
            command: vec!["true".to_owned()],
        }),
        ..server(&[])
    };
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let seen = fs::read_to_string(&file).expect("the probe ran");
    assert_eq!(seen.trim(), stage.replicas()[0].id.as_str());
    let failing = ProbeAction::Command {
        command: vec!["false".to_owned()],
    };
    let two = revision(
        2,
        Workload {
            readiness: probe(failing),
            ..server(&[])
        },
    );
    stage.want(&[(&one, 1), (&two, 1)]);
    let failure = until("the failure is said", async || {
        stage
            .side(2)
            .last_failure
            .ok_or(format!("{:?}", stage.side(2)))
    })
    .await;
    assert_eq!(failure, "not ready: `false` exited with code 1");
    stage.close().await;
}

#[tokio::test]
async fn a_service_that_speaks_http_2_only_is_probed_so() {
    let stage = Stage::open().await;
    let mut one = revision(
        1,
        Workload {
            readiness: http_probe("/ready"),
            ..server(&["--h2c"])
        },
    );
    one.listener.protocol = sluice_model::workload::Protocol::H2c;
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    stage.close().await;
}

#[tokio::test]
async fn what_a_crashed_leader_leaves_behind_is_ended_before_the_restart() {
    let stage = Stage::open().await;
    let pids = stage.folder.path().join("pids");
    let path = pids.display().to_string();
    let mut workload = server(&["--child", "--daemon", "--pids", &path]);
    // The children ignore SIGTERM: the end of the test shall not wait for them.
    workload.stop.grace = Duration::from_millis(100);
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let leader = stage.replicas()[0].pid.expect("it runs");
    let left: Vec<i32> = fs::read_to_string(&pids)
        .expect("it wrote its children")
        .lines()
        .map(|line| line.parse().expect("a pid"))
        .collect();
    let status = std::process::Command::new("kill")
        .args(["-KILL", &leader.to_string()])
        .status();
    assert!(status.expect("kill is there").success());
    until("another process serves", async || {
        let replica = stage.replicas().remove(0);
        let restarted = replica.state == ReplicaState::Ready && replica.restarts == 1;
        restarted.then_some(()).ok_or(format!("{replica:?}"))
    })
    .await;
    assert!(left.iter().all(|pid| !is_alive(*pid)), "{left:?}");
    assert!(
        stage
            .side(1)
            .last_failure
            .is_some_and(|failure| failure.starts_with("killed by signal 9"))
    );
    stage.close().await;
}

#[tokio::test]
async fn a_disk_that_takes_neither_record_nor_log_does_not_keep_a_service_from_running() {
    let stage = Stage::open().await;
    for name in ["replicas", "logs"] {
        let folder = stage.folder.path().join(name);
        fs::remove_dir_all(&folder).expect("it exists");
        fs::write(&folder, "no folder any more").expect("writable");
    }
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let port = stage.replicas()[0].port.expect("it runs");
    assert_eq!(get(port, "/ready"), "ok");
    stage.close().await;
}
