//! A real Sluice in a folder of its own: the binary, its processes, and a load on its proxy.
//!
//! Every wait has a deadline; dropping a [`Sluice`] ends what it started, also after a failed test.

#![allow(dead_code, reason = "each test file uses the part it needs")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a failed step fails the test"
)]

pub(crate) mod load;

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The binary under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_sluice");

/// Longest wait for anything to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a document and a state, and the Sluice that runs on them.
pub(crate) struct Sluice {
    folder: tempfile::TempDir,
    running: Option<Child>,
    /// Marks the replicas of this test among all processes.
    mark: String,
}

/// The document of one service that runs the demo's program. `release` is the YAML of its release.
pub(crate) fn document(release: &str, replicas: u32) -> String {
    format!(
        r#"services:
  web:
    run: sluice demo-service --port $PORT
    env: {{ DEMO_VERSION: "1", DEMO_FAIL_RATIO: "0" }}
    listen: 127.0.0.1:0
    ready: /healthz
    replicas: {replicas}
    stop: {{ drain: 3s, grace: 3s }}
    release: {release}
"#
    )
}

impl Sluice {
    /// A folder with this document; nothing runs yet.
    pub(crate) fn new(document: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sluice-test-")
            .tempdir()
            .unwrap();
        let mark = folder
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let sluice = Self {
            folder,
            running: None,
            mark,
        };
        sluice.write(document);
        sluice
    }

    /// The same, and up.
    pub(crate) fn up_with(document: &str) -> Self {
        let mut sluice = Self::new(document);
        sluice.up();
        sluice
    }

    pub(crate) fn write(&self, document: &str) {
        fs::write(self.folder.path().join("sluice.yaml"), document).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join(".sluice")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.as_ref().unwrap().id()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let programs = Path::new(BIN).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(BIN);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PATH", format!("{programs}:{path}"))
            .env("HOME", self.folder.path())
            .env("LANG", &self.mark)
            .env_remove("SLUICE_STATE")
            .stdin(Stdio::null());
        command
    }

    /// Starts `sluice up` with further arguments, without waiting for it.
    pub(crate) fn spawn_up(&self, arguments: &[&str]) -> Child {
        let mut all = vec!["up"];
        all.extend(arguments);
        self.spawn(&all)
    }

    /// Starts a command of the binary without waiting for it; what it writes goes to the log.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("up.log"))
            .unwrap();
        self.command(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Whether the running process has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_none_or(|rest| rest.starts_with('Z'))
    }

    /// Starts Sluice and waits until it answers.
    pub(crate) fn up(&mut self) {
        self.running = Some(self.spawn_up(&[]));
        self.wait_until("sluice answers", |sluice| {
            sluice.run(&["status", "-o", "json"]).status.success()
        });
    }

    /// A second Sluice takes over from the running one; returns the old process.
    pub(crate) fn take_over(&mut self) -> Child {
        let old = self
            .running
            .replace(self.spawn_up(&["--take-over"]))
            .unwrap();
        let new_pid = self.pid().to_string();
        self.wait_until("the successor holds the state folder", |sluice| {
            let holder = fs::read_to_string(sluice.state().join("sluice.lock")).unwrap_or_default();
            holder.trim() == new_pid
        });
        self.wait_until("the successor answers", |sluice| {
            sluice.run(&["status", "-o", "json"]).status.success()
        });
        old
    }

    /// Takes a process that was started by [`Sluice::spawn_up`] as the running one.
    pub(crate) fn adopt(&mut self, child: Child) {
        self.running = Some(child);
    }

    /// Process numbers of the replicas as Sluice knows them.
    pub(crate) fn known_pids(&self) -> BTreeSet<u32> {
        let replicas = self.json(&["replicas", "web"]);
        let pids = replicas.as_array().unwrap().iter();
        pids.filter_map(|replica| replica["pid"].as_u64())
            .map(|pid| pid as u32)
            .collect()
    }

    /// What Sluice has written itself.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default()
    }

    /// SIGKILL to Sluice alone; its replicas go on.
    pub(crate) fn kill_9(&mut self) {
        let mut child = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends Sluice in order and returns its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.running.take()?;
        signal(child.id(), "TERM");
        wait_for_exit(&mut child)
    }

    /// Runs a command of the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed, and reads its JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["-o", "json"]].concat());
        assert!(
            output.status.success(),
            "sluice {arguments:?}: {}\n{}{}\n--- sluice itself:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log(),
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub(crate) fn status(&self) -> Value {
        self.json(&["status", "web"])
    }

    /// The status, or null while Sluice does not answer.
    pub(crate) fn try_status(&self) -> Value {
        let output = self.run(&["status", "web", "-o", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until the service's status is as wanted.
    pub(crate) fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            last = self.try_status();
            if wanted(&last) {
                return last;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "waited in vain for: {what}\nlast status: {last:#}\n--- sluice itself:\n{}",
            self.log()
        );
    }

    pub(crate) fn wait_healthy(&self) -> Value {
        self.wait_status("healthy", |status| status["phase"] == "Healthy")
    }

    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if wanted(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "waited in vain for: {what}\n--- sluice itself:\n{}",
            self.log()
        );
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        let status = self.wait_status("an address", |status| status["listen"].is_string());
        status["listen"].as_str().unwrap().parse().unwrap()
    }

    /// Releases another version.
    pub(crate) fn deploy(&self, version: &str, fail_ratio: &str) -> Value {
        let (version, fails) = (
            format!("DEMO_VERSION={version}"),
            format!("DEMO_FAIL_RATIO={fail_ratio}"),
        );
        self.json(&["deploy", "web", "--env", &version, "--env", &fails])
    }

    /// Process numbers of the replicas, wherever they came from. They alone carry both the mark of
    /// this test and the name of a replica.
    pub(crate) fn replica_pids(&self) -> BTreeSet<u32> {
        let mark = format!("LANG={}", self.mark);
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                let mut variables = environ.split(|byte| *byte == 0);
                let has =
                    |variable: &[u8]| environ.split(|byte| *byte == 0).any(|one| one == variable);
                has(mark.as_bytes()) && variables.any(|one| one.starts_with(b"SLUICE_REPLICA="))
            })
            .collect()
    }
}

impl Drop for Sluice {
    fn drop(&mut self) {
        if let Some(mut child) = self.running.take() {
            signal(child.id(), "TERM");
            if wait_for_exit(&mut child).is_none() {
                child.kill().ok();
                child.wait().ok();
            }
        }
        for pid in self.replica_pids() {
            signal(pid, "KILL");
        }
    }
}

/// Sends a signal to a process that this test started.
pub(crate) fn signal(pid: u32, name: &str) {
    Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .ok();
}

/// Waits for a process to end; its exit code, or `None` when it did not end or was killed.
pub(crate) fn wait_for_exit(child: &mut Child) -> Option<i32> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}
