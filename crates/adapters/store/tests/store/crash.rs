//! `kill -9` in the middle of commits: nothing that was acknowledged is lost, nothing is there by
//! half, and the folder is free again at once.

use crate::samples::{entry, shop, status};
use sluice_model::{CommandId, CommandKind, CommandOutcome, Timestamp, report::CommandAnswer};
use sluice_store::{LogQuery, Reader, Store, Transition};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Tells the child process what folder to write to.
const FOLDER: &str = "SLUICE_STORE_TEST_FOLDER";
/// Entries of each commit.
const ENTRIES: u64 = 3;
/// Commits after which a child ends by itself, should nobody kill it.
const COMMITS_MAX: i64 = 100_000;

/// This program again, running only the test `name`, which finds [`FOLDER`] set.
fn child(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The number in a line such as `acked 12`.
fn number(line: &str, word: &str) -> Option<u64> {
    line.strip_prefix(word)?.trim().parse().ok()
}

/// In the child: commits until it is killed, and tells of each commit that returned.
fn commit_for_ever(folder: &Path) {
    let store = Store::open(folder).unwrap();
    let start = store
        .status(&shop())
        .unwrap()
        .map_or(0, |status| status.decided_at.0);
    let mut stdout = std::io::stdout();
    for round in start + 1..start + COMMITS_MAX {
        let command = store.add_command(&shop(), "rosa", CommandKind::Resume, Timestamp(round));
        let id = command.unwrap();
        let entries: Vec<_> = (0..ENTRIES).map(|_| entry(&round.to_string())).collect();
        let answers = [CommandAnswer {
            id,
            outcome: CommandOutcome::Accepted,
        }];
        let at = Timestamp(round);
        let status = status(round);
        let written = store
            .commit(&Transition {
                status: &status,
                entries: &entries,
                answers: &answers,
                at,
            })
            .unwrap();
        if writeln!(stdout, "acked {}", written.end - 1)
            .and_then(|()| stdout.flush())
            .is_err()
        {
            return;
        }
    }
}

#[test]
fn kill_nine_loses_nothing_that_was_acknowledged() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return commit_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acked = 0;
    for round in 0..20 {
        let mut child = child(
            "crash::kill_nine_loses_nothing_that_was_acknowledged",
            folder.path(),
        );
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let before = acked;
        for line in lines.by_ref() {
            acked = number(&line, "acked").unwrap_or(acked);
            if acked > before + round {
                break;
            }
        }
        assert!(
            acked > before,
            "the child of round {round} committed nothing"
        );
        thread::sleep(Duration::from_micros(round * 211));
        child.kill().unwrap();
        acked = lines
            .filter_map(|line| number(&line, "acked"))
            .last()
            .unwrap_or(acked);
        child.wait().unwrap();

        let store = Store::open(folder.path()).expect("the dead child's folder is free");
        let report = store.verify().unwrap();
        assert_eq!(report.first_bad, None, "round {round}");
        // One commit may have reached the disk without having been acknowledged; never a part of it.
        assert!(
            report.head.seq >= acked,
            "round {round}: {acked} of {}",
            report.head.seq
        );
        assert!(report.head.seq <= acked + ENTRIES, "round {round}: {acked}");
        assert_eq!(report.head.seq % ENTRIES, 0, "round {round}");
        acked = report.head.seq;

        let newest = LogQuery {
            newest_first: true,
            limit: 1,
            ..LogQuery::default()
        };
        let last = store.log(&newest).unwrap().remove(0);
        let decided = store.status(&shop()).unwrap().unwrap().decided_at;
        assert_eq!(
            last.message,
            decided.0.to_string(),
            "status and log are of one decision"
        );
        let pending = store.pending_commands(&shop(), CommandId(0)).unwrap();
        assert!(
            pending.len() <= usize::try_from(round).unwrap() + 1,
            "{pending:?}"
        );
    }
}

#[test]
fn a_process_that_sluice_left_behind_does_not_hold_the_folder() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let store = Store::open(Path::new(&folder)).unwrap();
        let mut sleeper = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = std::io::stdout();
        writeln!(stdout, "\nsleeper {}", sleeper.id())
            .and_then(|()| stdout.flush())
            .unwrap();
        sleeper.wait().unwrap();
        return drop(store);
    }
    let folder = tempfile::tempdir().unwrap();
    let name = "crash::a_process_that_sluice_left_behind_does_not_hold_the_folder";
    let mut child = child(name, folder.path());
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let sleeper = output
        .by_ref()
        .lines()
        .map_while(Result::ok)
        .find_map(|line| number(&line, "sleeper"));
    let sleeper = sleeper.expect("the child tells of its own child");
    let refused = Store::open(folder.path()).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {}", child.id())),
        "{refused}"
    );
    assert!(Reader::open(folder.path()).is_ok(), "readers need no lock");
    child.kill().unwrap();
    child.wait().unwrap();

    let reopened = Store::open(folder.path());
    let pid = rustix::process::Pid::from_raw(i32::try_from(sleeper).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
        .expect("the sleeper outlived its parent");
    reopened.unwrap();
}
