//! Bad input gets an error that names the place, the cause and the next step, and nothing that runs is
//! touched.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed step fails the test"
)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use support::{Sluice, document, load, wait_for_exit};

const CANARY: &str = "{ strategy: canary, checks: none, bake: 0s, progressDeadline: 2s, steps: [{ weight: 50 }, { weight: 100 }] }";

fn text(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Starts Sluice, which must end by itself; returns its exit code and what it wrote.
fn fails_to_start(sluice: &Sluice) -> (Option<i32>, String) {
    let mut child = sluice.spawn_up(&[]);
    let code = wait_for_exit(&mut child);
    if code.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    (code, sluice.log())
}

#[test]
fn a_misspelt_field_names_file_line_and_what_was_meant() {
    let sluice = Sluice::new(&document(CANARY, 1).replace("replicas:", "replicsa:"));
    let (code, log) = fails_to_start(&sluice);
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("replicsa") && log.contains("`replicas`"),
        "{log}"
    );
    assert!(log.contains("sluice.yaml:7"), "{log}");
}

#[test]
fn an_invalid_document_at_deploy_changes_nothing() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    sluice.write(&document(CANARY, 1).replace("weight: 50", "weight: 150"));
    let output = sluice.run(&["deploy", "web"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("150"), "{}", text(&output));
    assert_eq!(sluice.status()["stable"], 1);
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_left_running() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sluice = Sluice::new(&document(CANARY, 1).replace("127.0.0.1:0", &address));
    let (code, log) = fails_to_start(&sluice);
    assert!(matches!(code, Some(1..)), "{code:?} {log}");
    assert!(log.contains(&address) && log.contains("in use"), "{log}");
    assert!(sluice.replica_pids().is_empty());
}

#[test]
fn a_second_up_on_the_same_state_is_refused_with_the_pid_of_the_first() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    let mut second = sluice.spawn_up(&[]);
    assert!(matches!(wait_for_exit(&mut second), Some(1..)));
    let log = sluice.log();
    assert!(log.contains(&sluice.pid().to_string()), "{log}");
    assert_eq!(sluice.status()["phase"], "Healthy");
}

#[test]
fn a_command_that_is_not_there_is_refused_and_stable_serves_on() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    for (run, named) in [
        ("no-such-program-here --port $PORT", "no-such-program-here"),
        ("./missing/file --port $PORT", "missing/file"),
    ] {
        sluice.write(&document(CANARY, 1).replace("sluice demo-service --port $PORT", run));
        let output = sluice.run(&["deploy", "web", "--wait"]);
        assert!(
            matches!(output.status.code(), Some(1 | 2)),
            "{}",
            text(&output)
        );
        assert!(text(&output).contains(named), "{}", text(&output));
        assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
    }
}

#[test]
fn a_probe_that_never_passes_leaves_the_service_degraded_on_its_stable_revision() {
    let sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    sluice.write(&document(CANARY, 1).replace(
        "ready: /healthz",
        "ready: { command: [\"false\"], period: 100ms }",
    ));
    let output = sluice.run(&["deploy", "web", "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let status = sluice.status();
    assert_eq!(status["phase"], "Degraded", "{status}");
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("0 of 1 replicas"),
        "{status}"
    );
    assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
}

#[test]
fn a_hook_that_fails_or_hangs_takes_the_rollout_back_and_is_named() {
    for (command, said) in [
        ("[\"sh\", \"-c\", \"echo no stock; exit 3\"]", "no stock"),
        ("[sleep, \"60\"]", "smoke"),
    ] {
        let release = format!(
            "{{ strategy: canary, checks: none, bake: 0s, steps: [{{ weight: 50, before: [{{ name: smoke, run: {command}, timeout: 1s }}] }}, {{ weight: 100 }}] }}"
        );
        let sluice = Sluice::up_with(&document(&release, 1));
        sluice.wait_healthy();
        let env = ["--env", "DEMO_VERSION=2"];
        let output = sluice.run(&[["deploy", "web", "--wait"].as_slice(), &env].concat());
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let status = sluice.status();
        let message = status["message"].as_str().unwrap();
        assert!(
            message.contains("hook `smoke` failed") && message.contains(said),
            "{message}"
        );
        assert_eq!(load::ask(sluice.address(), &mut None).unwrap().0, "1");
    }
}

#[test]
fn a_state_folder_of_a_newer_version_is_refused_and_left_as_it_is() {
    let mut sluice = Sluice::up_with(&document(CANARY, 1));
    sluice.wait_healthy();
    assert_eq!(sluice.stop(), Some(0));
    let path = sluice.state().join(sluice_store::DATABASE_FILE);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "user_version", 9_999)
        .unwrap();
    connection.close().unwrap();
    let bytes = fs::read(&path).unwrap();
    let (code, log) = fails_to_start(&sluice);
    assert!(matches!(code, Some(1..)), "{log}");
    assert!(log.contains("9999") && log.contains("newer"), "{log}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Needs root, for a file system of its own that can be filled.
#[test]
fn a_full_disk_holds_the_rollout_but_not_the_abort() {
    let sluice = Sluice::new(&document(&CANARY.replace("bake: 0s", "bake: 5m"), 1));
    fs::create_dir(sluice.state()).unwrap();
    let state = sluice.state().display().to_string();
    let mount = |arguments: &[&str]| {
        Command::new(arguments[0])
            .args(&arguments[1..])
            .output()
            .unwrap()
    };
    let mounted = mount(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=8m,mode=700",
        "tmpfs",
        &state,
    ]);
    if !mounted.status.success() {
        eprintln!(
            "not run: no file system may be mounted here: {}",
            text(&mounted).trim()
        );
        return;
    }
    let mut sluice = Mounted { sluice, state };
    sluice.sluice.up();
    sluice.sluice.wait_healthy();
    sluice.sluice.deploy("2", "0");
    sluice.sluice.wait_status("half of the traffic", |status| {
        status["weights"]["2"] == 50.0
    });
    let filler = sluice.sluice.state().join("filler");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", &format!("of={}", filler.display()), "bs=4k"])
        .output()
        .unwrap();
    assert!(!filled.status.success(), "the disk did not fill up");
    let output = sluice.sluice.run(&["pause", "web"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("disk is full"), "{}", text(&output));
    sluice
        .sluice
        .json(&["abort", "web", "--reason", "the disk is full"]);
    let status = sluice.sluice.status();
    assert_eq!(status["weights"]["1"], 100.0, "{status}");
    fs::remove_file(filler).unwrap();
    sluice
        .sluice
        .wait_until("the abort is recorded later", |sluice| {
            let log = sluice.json(&["audit", "show", "web"]);
            log.as_array()
                .unwrap()
                .iter()
                .any(|entry| entry["rule"] == "aborted")
        });
    assert_eq!(sluice.sluice.json(&["audit", "verify"])["intact"], true);
}

/// Unmounts what the test mounted, also after a failure.
struct Mounted {
    sluice: Sluice,
    state: String,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.sluice.stop();
        Command::new("umount")
            .arg("--lazy")
            .arg(&self.state)
            .status()
            .ok();
    }
}
