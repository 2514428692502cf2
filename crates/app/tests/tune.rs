//! `sluice tune`, as a shell sees it: on a recorded history, and on that of a real Sluice.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use serde_json::Value;
use sluice_model::{Minute, RevisionNumber, ServiceName, SideCounters, Timestamp};
use sluice_store::Store;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Sluice, document};

const DOCUMENT: &str = "\
services:
  checkout:
    run: [/bin/sleep, '1000']
    listen: 127.0.0.1:8080
    ready: /healthz
    release:
      strategy: canary
      steps: [50, 100]
      bake: 1m
";

const RELEASE_INDENT: &str = "      ";
const LAST: Timestamp = Timestamp(1_795_273_560_000);

/// So many minutes up to `last`, at 10 requests a second of which one in a hundred fails.
fn minutes(count: usize, last: Timestamp) -> Vec<Minute> {
    let mut random = fastrand::Rng::with_seed(4);
    let mut minute = |number: usize| {
        let mut counted = SideCounters {
            requests: 570 + random.u64(0..60),
            ..SideCounters::default()
        };
        for _ in 0..counted.requests {
            let failed = random.u32(0..100) == 0;
            counted.classes[if failed { 4 } else { 1 }] += 1;
            let slow = if random.u32(0..50) == 0 { 20 } else { 1 };
            counted.latency.record(slow * random.u64(5_000..30_000));
        }
        let at = last.shifted((number as i64 + 1 - count as i64) * 60_000);
        Minute {
            cpu_cores: Some(0.3),
            memory_bytes: Some(64 << 20),
            ..Minute::of(at, RevisionNumber(2), &counted)
        }
    };
    (0..count).map(&mut minute).collect()
}

fn file_of(minutes: &[Minute]) -> String {
    let head = r#"{"format":"sluice-minutes","version":1,"service":"checkout"}"#;
    let lines = minutes.iter().map(|it| serde_json::to_string(it).unwrap());
    std::iter::once(head.to_owned())
        .chain(lines)
        .map(|line| format!("{line}\n"))
        .collect()
}

struct Ran {
    exit: i32,
    out: String,
    err: String,
}

fn run_in(folder: &Path, words: &[&str]) -> Ran {
    let output = Command::new(support::BIN)
        .args(words)
        .current_dir(folder)
        .env_remove("SLUICE_STATE")
        .env_remove("SLUICE_SERVER")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn project(history: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sluice.yaml"), DOCUMENT).unwrap();
    fs::write(folder.path().join("history.jsonl"), history).unwrap();
    folder
}

#[test]
fn a_recorded_history_gives_a_block_that_lint_accepts() {
    let folder = project(&file_of(&minutes(800, LAST)));
    let asked = ["tune", "--from", "history.jsonl", "--target", "10%"];
    let ran = run_in(folder.path(), &asked);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    assert!(!ran.out.contains("warning"), "{}", ran.out);
    let json: Value =
        serde_json::from_str(&run_in(folder.path(), &[&asked[..], &["-o", "json"]].concat()).out)
            .unwrap();
    let yaml = json["yaml"].as_str().unwrap();
    assert!(
        ran.out.contains(yaml.trim_end()),
        "the same for people:\n{}",
        ran.out
    );
    assert!(json["proposedTogether"]["share"].as_f64().unwrap() <= 0.1);
    for name in ["error-limit", "latency-p99", "memory-limit"] {
        assert!(yaml.contains(name), "{yaml}");
    }
    let pasted: String = yaml
        .lines()
        .map(|line| format!("{RELEASE_INDENT}{line}\n"))
        .collect();
    fs::write(
        folder.path().join("tuned.yaml"),
        format!("{DOCUMENT}{pasted}"),
    )
    .unwrap();
    let before = run_in(folder.path(), &["lint", "sluice.yaml", "-o", "json"]);
    let after = run_in(folder.path(), &["lint", "tuned.yaml", "-o", "json"]);
    assert_eq!(after.exit, 0, "{}{pasted}", after.out);
    let codes = |text: &str| -> Vec<String> {
        let found: Value = serde_json::from_str(text).unwrap();
        let found = found.as_array().unwrap();
        found.iter().map(|it| it["code"].to_string()).collect()
    };
    assert_eq!(codes(&before.out), codes(&after.out), "nothing is worse");
    // What was proposed keeps the target when it is the document's.
    let again = run_in(
        folder.path(),
        &[&asked[..], &["-f", "tuned.yaml", "-o", "json"]].concat(),
    );
    let again: Value = serde_json::from_str(&again.out).unwrap();
    assert!(again["presentTogether"]["share"].as_f64().unwrap() <= 0.1);
}

#[test]
fn too_short_a_history_is_told_with_what_is_missing() {
    let folder = project(&file_of(&minutes(90, LAST)));
    let ran = run_in(folder.path(), &["tune", "--from", "history.jsonl"]);
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let warning = ran.out.lines().find(|line| line.starts_with("warning:"));
    assert!(warning.unwrap().contains("more days"), "{}", ran.out);
    fs::write(folder.path().join("history.jsonl"), file_of(&[])).unwrap();
    let ran = run_in(folder.path(), &["tune", "--from", "history.jsonl"]);
    assert_eq!(ran.exit, 1, "{}", ran.out);
    assert!(ran.err.contains("0 minutes are recorded"), "{}", ran.err);
}

#[test]
fn what_is_wrong_with_a_history_is_told_with_its_place() {
    let good = file_of(&minutes(3, LAST));
    let third = good.lines().nth(2).unwrap().to_owned();
    for (history, exit, said) in [
        (
            String::new(),
            2,
            "history.jsonl:1: this is no recorded history",
        ),
        (
            good.replace("sluice-minutes", "else"),
            2,
            "`else` of version 1",
        ),
        (
            good.replace("\"version\":1", "\"version\":9"),
            2,
            "of version 9",
        ),
        (
            good.replace("checkout", "orders"),
            2,
            "is that of `orders`, not of `checkout`",
        ),
        (
            good.replace(&third, "{}"),
            2,
            "history.jsonl:3: this is no minute",
        ),
        (
            good.replace(
                &third,
                &third.replace("\"classes\":[0,", "\"classes\":[99999999999999,"),
            ),
            2,
            "history.jsonl:3: more than",
        ),
        (
            good.replace(&third, &" ".repeat(70_000)),
            2,
            "line 3 has more than",
        ),
    ] {
        let folder = project(&history);
        let ran = run_in(folder.path(), &["tune", "--from", "history.jsonl"]);
        assert_eq!(ran.exit, exit, "{said}: {}", ran.err);
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
    }
    let folder = project(&good);
    for (words, exit, said) in [
        (["tune", "chekout"], 3, "checkout"),
        (["tune", "--from=nowhere.jsonl"], 3, "nowhere.jsonl"),
        (["tune", "--target=0%"], 2, "above 0%"),
        (["tune", "checkout"], 3, "no Sluice runs"),
    ] {
        let ran = run_in(folder.path(), &words);
        assert_eq!(ran.exit, exit, "{words:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{words:?}: {}", ran.err);
    }
}

/// The history lies in the store when Sluice starts: minutes themselves are made by the clock.
#[test]
fn the_history_of_a_running_sluice_is_read_exported_and_the_same_in_a_file() {
    let mut sluice = Sluice::new(&document(
        "{strategy: canary, steps: [50, 100], bake: 1m}",
        1,
    ));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let last = Timestamp(now / 60_000 * 60_000 - 120_000);
    // Two days and a bit: more than one answer holds.
    let recorded = minutes(3_000, last);
    {
        let store = Store::open(&sluice.state()).unwrap();
        let web = ServiceName::new("web").unwrap();
        let named: Vec<_> = recorded
            .iter()
            .map(|it| (web.clone(), it.clone()))
            .collect();
        store.append_minutes(&named).unwrap();
    }
    sluice.up();
    let folder = sluice.folder().to_owned();
    let exported = run_in(&folder, &["tune", "web", "--export", "web.jsonl"]);
    assert_eq!(exported.exit, 0, "{}", exported.err);
    let lines = fs::read_to_string(folder.join("web.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3_001, "{}", exported.out);
    let online = run_in(&folder, &["tune", "--since", "5h", "-o", "json"]);
    assert_eq!(online.exit, 0, "{}", online.err);
    let online: Value = serde_json::from_str(&online.out).unwrap();
    let minutes = online["coverage"]["minutes"].as_u64().unwrap();
    assert!((290..=300).contains(&minutes), "{minutes}");
    let offline = run_in(
        &folder,
        &["tune", "--from", "web.jsonl", "--since", "5h", "-o", "json"],
    );
    let offline: Value = serde_json::from_str(&offline.out).unwrap();
    assert_eq!(offline["service"], "web");
    assert_eq!(offline["coverage"]["minutes"], 300);
    let unknown = run_in(&folder, &["tune", "wab", "--export", "wab.jsonl"]);
    assert_eq!(unknown.exit, 3, "{}", unknown.err);
    assert!(unknown.err.contains("web"), "{}", unknown.err);
}
