//! However a cluster ends, nothing of it is left; and nothing ends that is somebody else's.

use super::name;
use sluice_cluster::{Cluster, ClusterName, Variant, down, remains};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// When the harness is killed, after its start: while it makes the namespaces, waits for the API server, imports images, waits for
/// the node, runs a pod, and perhaps after it is done.
const KILLED_AFTER_MS: [u64; 7] = [20, 100, 400, 1_500, 3_500, 5_500, 8_000];
/// Kills while `ip` makes the network namespace, which takes a moment somewhere in here: each of these milliseconds once.
const KILLED_IN_THE_NETWORK_MS: std::ops::Range<u64> = 3..45;
/// When the take-down is killed, after its start.
const DOWN_KILLED_AFTER_MS: [u64; 4] = [5, 30, 100, 250];

fn harness(arguments: &[&str], name: &ClusterName) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sluice-cluster"))
        .args(arguments)
        .arg(name.as_str())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill_after(mut harness: Child, milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
    harness.kill().unwrap();
    harness.wait().unwrap();
}

/// Kills a start after each of these times; a take-down then leaves nothing.
fn assert_a_killed_start_leaves_nothing(
    name: &ClusterName,
    milliseconds: impl IntoIterator<Item = u64>,
) {
    for after in milliseconds {
        kill_after(harness(&["up"], name), after);
        down(name).unwrap();
        assert_eq!(
            remains(name).unwrap(),
            Vec::<String>::new(),
            "killed after {after} ms"
        );
    }
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_harness_that_is_killed_anywhere_leaves_what_a_take_down_removes() {
    let name = name("ends");
    down(&name).unwrap();
    assert_a_killed_start_leaves_nothing(&name, KILLED_AFTER_MS);
    // The next start removes it as well, and a take-down that is killed is completed by the next one.
    kill_after(harness(&["up"], &name), KILLED_AFTER_MS[4]);
    assert!(harness(&["up"], &name).wait().unwrap().success());
    for after in DOWN_KILLED_AFTER_MS {
        kill_after(harness(&["down"], &name), after);
    }
    down(&name).unwrap();
    assert_eq!(remains(&name).unwrap(), Vec::<String>::new());
    down(&name).unwrap();
}

/// Once `ip`, whose harness had been killed, made the namespace after the take-down had looked for it.
#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn a_harness_killed_while_it_makes_the_network_leaves_no_network() {
    let name = name("network");
    down(&name).unwrap();
    assert_a_killed_start_leaves_nothing(&name, KILLED_IN_THE_NETWORK_MS);
}

#[test]
#[ignore = "part cluster: needs root and a cluster's programs"]
fn what_runs_inside_ends_with_the_cluster_and_a_strangers_process_does_not() {
    let name = name("strangers");
    let cluster = Cluster::up(&name, Variant::ControlPlane).unwrap();
    let mut ours = cluster.run_inside("sleep").arg("600").spawn().unwrap();
    let mut theirs = Command::new("nsenter")
        .arg(format!("--net={}", name.namespace_path().display()))
        .args(["sleep", "600"])
        .spawn()
        .unwrap();
    // Held by this process: nobody else takes it down.
    let refused = harness(&["down"], &name).wait().unwrap();
    assert!(!refused.success());
    assert!(cluster.kubectl(&["get", "--raw", "/readyz"]).is_ok());

    let told = cluster.down().unwrap_err();
    assert!(
        told.to_string().contains(&theirs.id().to_string()),
        "{told:#}"
    );
    assert!(!ours.wait().unwrap().success());
    assert!(
        theirs.try_wait().unwrap().is_none(),
        "a stranger's process was ended"
    );
    assert_eq!(remains(&name).unwrap(), Vec::<String>::new());
    theirs.kill().unwrap();
    theirs.wait().unwrap();
}
