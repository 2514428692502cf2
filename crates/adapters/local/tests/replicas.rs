//! Replicas as real processes: start, routing, drain, stop, identity and measurement.

mod support;

use sluice_local::{LocalPlatform, ReplicaState, Usage};
use sluice_model::workload::{ProbeAction, Stopping, Workload};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use support::{Stage, get, http_probe, is_alive, probe, revision, server, shop, until, until_dead};

/// What a replica says its environment is.
fn environment_of(port: u16) -> BTreeMap<String, String> {
    get(port, "/env")
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test]
async fn replicas_start_with_their_own_port_and_environment_and_are_routed_when_ready() {
    let stage = Stage::open().await;
    let mut workload = server(&["--tag=$SLUICE_SERVICE/${COLOUR}"]);
    workload.env.insert("COLOUR".to_owned(), "blue".to_owned());
    workload.env.insert("PORT".to_owned(), "1".to_owned());
    workload.readiness = http_probe("/ready");
    let one = revision(1, workload);
    stage.want(&[(&one, 3)]);
    stage.until_ready(1, 3).await;
    let routed = stage.proxy.routed(1);
    let ports: BTreeSet<u16> = routed.iter().map(|(_, address)| address.port()).collect();
    assert_eq!((routed.len(), ports.len()), (3, 3));
    for (id, address) in routed {
        let env = environment_of(address.port());
        let value = |name: &str| env.get(name).map(String::as_str);
        assert_eq!(value("SLUICE_REPLICA"), Some(id.as_str()));
        assert_eq!(value("PORT"), Some(address.port().to_string().as_str()));
        let rest = ["HOST", "SLUICE_SERVICE", "SLUICE_REVISION", "COLOUR"].map(value);
        assert_eq!(
            rest,
            [Some("127.0.0.1"), Some("shop"), Some("1"), Some("blue")]
        );
        assert!(
            value("CARGO_MANIFEST_DIR").is_none(),
            "only a minimum is inherited"
        );
    }
    let pid = stage.replicas()[0].pid.expect("it runs");
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("it runs");
    assert!(command.contains("--tag=shop/blue"), "{command}");
    stage.close().await;
}

#[tokio::test]
async fn asking_for_the_same_again_changes_nothing() {
    let stage = Stage::open().await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    let ids = || {
        stage
            .replicas()
            .into_iter()
            .map(|replica| (replica.id, replica.pid))
            .collect::<Vec<_>>()
    };
    let before = ids();
    let mut changes = stage.platform.subscribe();
    // Availability is told once.
    until("all is available", async || {
        let sides = stage.platform.observe(&shop(), one.plan.min_ready * 2);
        sides
            .values()
            .any(|side| side.available == 2)
            .then_some(())
            .ok_or(format!("{sides:?}"))
    })
    .await;
    changes.mark_unchanged();
    stage.want(&[(&one, 2)]);
    assert_eq!(ids(), before);
    assert_eq!(
        changes.has_changed().ok(),
        Some(false),
        "a loop that applies on changes comes to rest"
    );
    stage.close().await;
}

#[tokio::test]
async fn a_replica_that_leaves_finishes_its_requests_first_and_is_not_taken_back() {
    let stage = Stage::open().await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    let all = stage.replicas();
    all.iter()
        .for_each(|replica| stage.proxy.set_in_flight(&replica.id, 1));
    stage.want(&[(&one, 1)]);
    assert_eq!(
        stage.proxy.routed(1).len(),
        1,
        "it is out of routing at once"
    );
    let kept = stage.proxy.routed(1)[0].0.clone();
    let leaving = all
        .iter()
        .find(|replica| replica.id != kept)
        .expect("one of two leaves")
        .clone();
    let pid = leaving.pid.expect("it runs");
    assert_eq!((stage.side(1).ready, stage.side(1).stopping), (1, 1));
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    assert!(is_alive(pid), "it still has a request");
    let state = stage
        .replicas()
        .into_iter()
        .find(|replica| replica.id == leaving.id);
    assert_eq!(
        state.map(|replica| replica.state),
        Some(ReplicaState::Draining)
    );
    assert!(
        stage
            .proxy
            .routed(1)
            .iter()
            .all(|(id, _)| *id != leaving.id)
    );
    stage.proxy.set_in_flight(&leaving.id, 0);
    until_dead(pid).await;
    all.iter()
        .for_each(|replica| stage.proxy.set_in_flight(&replica.id, 0));
    stage.close().await;
}

#[tokio::test]
async fn a_request_that_never_ends_holds_a_replica_for_the_drains_time_only() {
    let stage = Stage::open().await;
    let mut workload = server(&[]);
    workload.stop.drain = Duration::from_millis(50);
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    stage.proxy.set_in_flight(&stage.replicas()[0].id, 1);
    stage.want(&[]);
    stage.until_empty().await;
    stage.close().await;
}

#[tokio::test]
async fn whoever_ignores_sigterm_is_killed_with_all_that_it_started() {
    let stage = Stage::open().await;
    let pids = stage.folder.path().join("pids");
    let path = pids.display().to_string();
    let mut workload = server(&["--ignore-term", "--child", "--daemon", "--pids", &path]);
    workload.stop = Stopping {
        drain: Duration::ZERO,
        grace: Duration::from_millis(300),
    };
    let one = revision(1, workload);
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let leader = stage.replicas()[0].pid.expect("it runs");
    let mut all: Vec<i32> = fs::read_to_string(&pids)
        .expect("it wrote its children")
        .lines()
        .map(|line| line.parse().expect("a pid"))
        .collect();
    all.push(leader);
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|pid| is_alive(*pid)));
    stage.want(&[]);
    stage.until_empty().await;
    assert_eq!(
        all.into_iter()
            .filter(|pid| is_alive(*pid))
            .collect::<Vec<_>>(),
        Vec::<i32>::new()
    );
    stage.close().await;
}

#[tokio::test]
async fn a_hurried_end_does_not_wait_for_a_long_grace() {
    let stage = Stage::open().await;
    let mut workload = server(&["--ignore-term"]);
    workload.stop.grace = Duration::from_secs(3_600);
    let one = revision(1, workload);
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    let pids: Vec<i32> = stage
        .replicas()
        .iter()
        .filter_map(|replica| replica.pid)
        .collect();
    let (stopped, ()) =
        tokio::join!(biased; stage.platform.stop_all(), async { stage.platform.hurry() });
    stopped.expect("every process can be ended");
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn replicas_get_the_limit_of_open_files_that_they_are_given() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stage = Stage::open_with(folder, |config| config.open_files = Some(77)).await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let pid = stage.replicas()[0].pid.expect("it runs");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    assert_eq!(soft, Some("77"));
    stage.close().await;
}

#[tokio::test]
async fn a_replica_runs_as_the_user_that_it_is_given() {
    let is_root = fs::read_to_string("/proc/self/status")
        .expect("/proc is there")
        .lines()
        .any(|line| line.starts_with("Uid:\t0\t"));
    let stage = Stage::open().await;
    let script = "id -u; id -g; echo $$HOME; exec sleep 1000";
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    let always = probe(ProbeAction::Command {
        command: vec!["true".to_owned()],
    });
    let user = if is_root { "nobody" } else { "root" };
    let user = Some(user.to_owned());
    let one = revision(
        1,
        Workload {
            command,
            user,
            readiness: always,
            ..server(&[])
        },
    );
    stage.want(&[(&one, 1)]);
    if !is_root {
        let failure = until("it is refused", async || {
            stage
                .side(1)
                .last_failure
                .ok_or(format!("{:?}", stage.side(1)))
        })
        .await;
        assert!(
            failure.contains("running as user `root` needs root"),
            "{failure}"
        );
        return stage.close().await;
    }
    stage.until_ready(1, 1).await;
    let replica = stage.replicas().remove(0);
    let status = fs::read_to_string(format!("/proc/{}/status", replica.pid.expect("it runs")))
        .expect("it runs");
    let ids: Vec<&str> = status
        .lines()
        .filter(|line| {
            ["Uid:", "Gid:", "Groups:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    let nobody = fs::read_to_string("/etc/passwd").expect("it exists");
    let nobody: Vec<&str> = nobody
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .expect("Debian has nobody")
        .split(':')
        .collect();
    let four = |id: &str| [id; 4].join("\t");
    assert_eq!(ids[0], format!("Uid:\t{}", four(nobody[2])));
    assert_eq!(ids[1], format!("Gid:\t{}", four(nobody[3])));
    assert_eq!(
        ids[2].trim(),
        format!("Groups:\t{}", nobody[3]),
        "no group of root's is left"
    );
    stage.close().await;
}

/// The eldest replica is followed, with what it has on hand and what it could have.
fn has_gauges(side: &Usage) -> bool {
    side.open_files_max.is_some_and(|files| files >= 3)
        && side.eldest.is_some_and(|eldest| {
            let below = |value: Option<u64>, ceiling: Option<u64>| value < ceiling;
            eldest.age > Duration::ZERO
                && below(Some(eldest.memory_bytes), eldest.memory_bytes_ceiling)
                && eldest.open_files.is_some()
        })
}

#[tokio::test]
async fn cpu_and_memory_are_measured() {
    let stage = Stage::open().await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let port = stage.replicas()[0].port.expect("it runs");
    until("its work shows", async || {
        let burn = tokio::task::spawn_blocking(move || get(port, "/burn"));
        burn.await.expect("it answers");
        let usage = stage.platform.usage(&shop());
        let seen = usage.values().any(|side| {
            side.cpu_cores > 0.01 && side.memory_bytes_max > 100_000 && has_gauges(side)
        });
        seen.then_some(()).ok_or(format!("{usage:?}"))
    })
    .await;
    stage.close().await;
}

#[tokio::test]
async fn every_change_wakes_the_listener_and_availability_does_too() {
    let stage = Stage::open().await;
    let mut changes = stage.platform.subscribe();
    let one = revision(1, server(&[]));
    let min_ready = one.plan.min_ready;
    stage.want(&[(&one, 1)]);
    // Only woken by changes: no polling.
    let available = async {
        loop {
            changes.changed().await.expect("the platform is there");
            let sides = stage.platform.observe(&shop(), min_ready);
            if sides.values().any(|side| side.available == 1) {
                return;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, available)
        .await
        .expect("it is told");
    stage.close().await;
}

#[tokio::test]
async fn nothing_starts_any_more_when_all_was_stopped() {
    let stage = Stage::open().await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    let pids: Vec<i32> = stage
        .replicas()
        .iter()
        .filter_map(|replica| replica.pid)
        .collect();
    stage
        .platform
        .stop_all()
        .await
        .expect("every process can be ended");
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    assert_eq!(stage.proxy.routed(1), []);
    stage.want(&[(&one, 2)]);
    assert_eq!(stage.replicas(), []);
    let records = fs::read_dir(stage.folder.path().join("replicas"))
        .expect("it exists")
        .count();
    assert_eq!(records, 0);
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_used_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("state");
    fs::write(&file, "a file").expect("the folder is writable");
    let proxy = std::sync::Arc::new(support::FakeProxy::default());
    let opened = LocalPlatform::open(support::config(&file), proxy).await;
    let error = opened.err().expect("a file is no folder").to_string();
    assert!(
        error.starts_with(&format!("cannot create {}", file.display())),
        "{error}"
    );
}
