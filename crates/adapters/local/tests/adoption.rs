//! What a Sluice that was killed leaves behind is found again, or ended; strangers are left alone.

mod support;

use sluice_local::{AdoptionReport, LocalPlatform};
use sluice_model::{ReplicaId, Revision};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use support::{FakeProxy, SERVER, Stage, config, is_alive, revision, server, shop, until_dead};
use tempfile::TempDir;

/// A Sluice of its own process.
struct Elsewhere {
    process: Child,
}

impl Elsewhere {
    /// Starts it on `folder` and waits until its replicas are ready.
    fn start(folder: &Path, revision: &Revision, count: u32) -> Elsewhere {
        let file = folder.join("revision.json");
        let json = serde_json::to_vec(revision).expect("a revision is JSON");
        fs::write(&file, json).expect("the folder is writable");
        let mut process = Command::new(SERVER)
            .arg("supervise")
            .args([folder, Path::new(&config(folder).sluice_id), &file])
            .arg(count.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut said = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out)
            .read_line(&mut said)
            .expect("it says something");
        assert_eq!(said, "up\n");
        Elsewhere { process }
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it is our child");
    }
}

async fn open(folder: TempDir) -> (Stage, AdoptionReport) {
    let proxy = Arc::new(FakeProxy::default());
    let opened = LocalPlatform::open(config(folder.path()), proxy.clone()).await;
    let (platform, report) = opened.expect("the folder can be used");
    (
        Stage {
            folder,
            proxy,
            platform,
        },
        report,
    )
}

fn pids(report: &AdoptionReport) -> Vec<i32> {
    let mut pids: Vec<i32> = report.adopted.iter().map(|replica| replica.pid).collect();
    pids.sort_unstable();
    pids
}

#[tokio::test]
async fn replicas_survive_kill_9_and_serve_on_under_the_next_sluice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut workload = server(&["--ignore-term"]);
    workload.stop.grace = Duration::from_millis(200);
    let one = revision(1, workload);
    Elsewhere::start(folder.path(), &one, 2).kill();
    let (stage, report) = open(folder).await;
    let adopted = pids(&report);
    assert_eq!(
        (adopted.len(), report.ended.len(), report.gone.len()),
        (2, 0, 0),
        "{report:?}"
    );
    // Nobody has said yet what is wanted: they are kept, and routed as soon as they answer.
    stage.until_ready(1, 2).await;
    assert_eq!(stage.proxy.routed(1).len(), 2);
    stage.want(&[(&one, 2)]);
    let mut running: Vec<i32> = stage
        .replicas()
        .iter()
        .filter_map(|replica| replica.pid)
        .collect();
    running.sort_unstable();
    assert_eq!(running, adopted, "the same processes, and no other");
    // One that ends is replaced, although it is nobody's child here.
    let status = Command::new("kill")
        .args(["-KILL", &adopted[0].to_string()])
        .status();
    assert!(status.expect("kill is there").success());
    support::until("another process takes its place", async || {
        let replicas = stage.replicas();
        let replaced = replicas
            .iter()
            .any(|replica| replica.restarts == 1 && replica.ready_since.is_some());
        replaced.then_some(()).ok_or(format!("{replicas:?}"))
    })
    .await;
    let failure = stage.side(1).last_failure.expect("one failed");
    assert!(failure.contains("exit code unknown"), "{failure}");
    // And the other can be stopped, although it ignores SIGTERM.
    stage.want(&[]);
    stage.until_empty().await;
    assert!(adopted.iter().all(|pid| !is_alive(*pid)));
    stage.close().await;
}

#[tokio::test]
async fn replicas_that_are_no_longer_wanted_end_and_those_of_another_version_are_replaced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = revision(1, server(&[]));
    Elsewhere::start(folder.path(), &one, 1).kill();
    let (stage, report) = open(folder).await;
    let mut other = one;
    other.digest = "another version under the same number".to_owned();
    stage.want(&[(&other, 1)]);
    until_dead(pids(&report)[0]).await;
    stage.until_ready(1, 1).await;
    stage.close().await;
}

#[tokio::test]
async fn a_hand_over_keeps_every_process_and_sends_no_signal() {
    let stage = Stage::open().await;
    let one = revision(1, server(&[]));
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    let mut before: Vec<i32> = stage
        .replicas()
        .iter()
        .filter_map(|replica| replica.pid)
        .collect();
    before.sort_unstable();
    stage.platform.detach();
    assert_eq!(
        stage.proxy.routed(1).len(),
        2,
        "the proxy serves until the successor has it"
    );
    stage.want(&[(&one, 0)]);
    let (stage, report) = open(stage.folder).await;
    assert_eq!(pids(&report), before);
    stage.want(&[(&one, 2)]);
    stage.until_ready(1, 2).await;
    assert!(before.iter().all(|pid| is_alive(*pid)));
    stage.close().await;
    assert!(before.iter().all(|pid| !is_alive(*pid)));
}

#[tokio::test]
async fn a_replica_that_was_being_stopped_is_not_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut workload = server(&["--ignore-term"]);
    workload.stop.grace = Duration::from_millis(100);
    let one = revision(1, workload);
    Elsewhere::start(folder.path(), &one, 1).kill();
    let record = fs::read_dir(folder.path().join("replicas"))
        .expect("it exists")
        .next()
        .expect("there is one")
        .expect("it can be read")
        .path();
    let text = fs::read_to_string(&record).expect("it is text");
    fs::write(
        &record,
        text.replace("\"stopping\":false", "\"stopping\":true"),
    )
    .expect("writable");
    let (stage, report) = open(folder).await;
    assert_eq!(
        (report.adopted.len(), report.ended.len()),
        (0, 1),
        "{report:?}"
    );
    until_dead(report.ended[0].pid).await;
    stage.close().await;
    assert!(!record.exists());
}

/// A process that is not Sluice's child, killed at the end of the test whatever happens.
struct Stray {
    child: Child,
}

impl Stray {
    fn start(change: impl FnOnce(&mut Command)) -> Stray {
        let mut command = Command::new("sleep");
        command
            .arg("1000")
            .env_clear()
            .stdin(Stdio::null())
            .process_group(0);
        change(&mut command);
        Stray {
            child: command.spawn().expect("sleep is there"),
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        // It may have been ended, which is what most tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn what_started_before_its_record_was_written_is_ended() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let id = config(folder.path()).sluice_id;
    let mark = |command: &mut Command| {
        command
            .env("SLUICE_STATE_ID", &id)
            .env("SLUICE_REPLICA", "shop-1-abc");
    };
    let marked = Stray::start(mark);
    let younger = Stray::start(mark);
    // One that has written its title over its environment is known by its output.
    let logs = folder.path().join("logs/shop/1");
    fs::create_dir_all(&logs).expect("the folder is writable");
    let log = fs::File::create(logs.join("shop-1-def.log")).expect("the folder is writable");
    let unmarked = Stray::start(|command| {
        command.stdout(log);
    });
    let (stage, report) = open(folder).await;
    let mut ended: Vec<(i32, &str)> = report
        .ended
        .iter()
        .map(|process| (process.pid, process.replica.as_str()))
        .collect();
    ended.sort_unstable();
    let mut expected = [
        (marked.pid(), "shop-1-abc"),
        (younger.pid(), "shop-1-abc"),
        (unmarked.pid(), "shop-1-def"),
    ];
    expected.sort_unstable();
    assert_eq!(ended, expected);
    until_dead(marked.pid()).await;
    until_dead(younger.pid()).await;
    until_dead(unmarked.pid()).await;
    stage.close().await;
}

#[tokio::test]
async fn strangers_are_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = revision(1, server(&[]));
    let elsewhere = Elsewhere::start(folder.path(), &one, 1);
    elsewhere.kill();
    // Another state folder's replica, a stranger with nothing, and one that got a recorded pid.
    let other = Stray::start(|command| {
        command
            .env("SLUICE_STATE_ID", "another folder")
            .env("SLUICE_REPLICA", "shop-1-abc");
    });
    let stranger = Stray::start(|_| {});
    let records = folder.path().join("replicas");
    let record = fs::read_dir(&records)
        .expect("it exists")
        .next()
        .expect("there is one");
    let path = record.expect("it can be read").path();
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).expect("it can be read")).expect("it is JSON");
    json["id"] = "shop-1-reused".into();
    json["process"]["pid"] = stranger.pid().into();
    // Never the same as the replica's: a pid does not come round within a tick.
    json["process"]["startTicks"] = 1.into();
    fs::write(records.join("shop-1-reused.json"), json.to_string()).expect("writable");
    json["id"] = "shop-1-boot".into();
    json["bootId"] = "an earlier one".into();
    fs::write(records.join("shop-1-boot.json"), json.to_string()).expect("writable");
    fs::write(records.join("shop-1-torn.json"), "{\"version\":").expect("writable");
    let (stage, report) = open(folder).await;
    let mut gone = report.gone.clone();
    gone.sort();
    assert_eq!(
        gone,
        ["shop-1-boot", "shop-1-reused"].map(|id| ReplicaId(id.to_owned()))
    );
    assert_eq!(
        (report.adopted.len(), report.ended.len()),
        (1, 0),
        "{report:?}"
    );
    stage.want(&[]);
    stage.until_empty().await;
    assert!(is_alive(other.pid()) && is_alive(stranger.pid()));
    let left = fs::read_dir(stage.folder.path().join("replicas"))
        .expect("it exists")
        .count();
    assert_eq!(left, 0, "no record stays");
    stage.close().await;
}

#[tokio::test]
async fn killing_it_again_and_again_never_loses_or_doubles_a_replica() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let one = revision(1, server(&[]));
    Elsewhere::start(folder.path(), &one, 2).kill();
    let service = shop();
    for round in 0..5_u64 {
        // Killed at a different moment of its start each time.
        let file = folder.path().join("revision.json");
        let mut process = Command::new(SERVER)
            .arg("supervise")
            .args([
                folder.path(),
                Path::new(&config(folder.path()).sluice_id),
                &file,
            ])
            .arg((2 + round).to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("it can be started");
        tokio::time::sleep(Duration::from_millis(4 * round * round)).await;
        process.kill().expect("it runs");
        process.wait().expect("it is our child");
    }
    let (stage, report) = open(folder).await;
    stage.platform.apply(
        &service,
        BTreeMap::from([(one.number, (3, Arc::new(one.clone())))]),
    );
    stage.until_ready(1, 3).await;
    for ended in &report.ended {
        until_dead(ended.pid).await;
    }
    let id = config(stage.folder.path()).sluice_id;
    let mut supervised: Vec<i32> = stage
        .replicas()
        .iter()
        .filter_map(|replica| replica.pid)
        .collect();
    supervised.sort_unstable();
    support::until("no process but the supervised ones", async || {
        let marked = marked_processes(&id);
        let mut now: Vec<i32> = stage
            .replicas()
            .iter()
            .filter_map(|replica| replica.pid)
            .collect();
        now.sort_unstable();
        (marked == now && now.len() == 3)
            .then_some(())
            .ok_or(format!("{marked:?} {now:?}"))
    })
    .await;
    stage.close().await;
    assert_eq!(marked_processes(&id), Vec::<i32>::new());
}

/// The living processes that carry a state folder's mark.
fn marked_processes(state_id: &str) -> Vec<i32> {
    let mark = format!("SLUICE_STATE_ID={state_id}");
    let mut pids: Vec<i32> = fs::read_dir("/proc")
        .expect("/proc is there")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark.as_bytes())
        })
        .filter(|pid| is_alive(*pid))
        .collect();
    pids.sort_unstable();
    pids
}
