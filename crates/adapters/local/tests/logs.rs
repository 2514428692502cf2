//! The output of replicas: captured, rotated while it is written, and read as a stream.

mod support;

use sluice_local::{LogLimits, LogLine, LogQuery};
use sluice_model::RevisionNumber;
use std::fs;
use std::path::Path;
use support::{PATIENCE, Stage, revision, server, shop, until};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

async fn next(lines: &mut Receiver<LogLine>) -> Option<LogLine> {
    timeout(PATIENCE, lines.recv())
        .await
        .expect("a line, or the end, in time")
}

fn speaking(script: &str) -> sluice_model::workload::Workload {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    sluice_model::workload::Workload {
        command,
        ..server(&[])
    }
}

fn size(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten();
    files
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum()
}

#[tokio::test]
async fn a_log_that_grows_without_end_stays_small_and_its_reader_misses_no_more_than_moments() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let limits = LogLimits {
        file_bytes_max: 200_000,
        rotated_max: 2,
        ended_replicas_max: 1,
    };
    let stage = Stage::open_with(folder, |config| config.log_limits = limits).await;
    let one = revision(1, server(&["--chatter"]));
    stage.want(&[(&one, 1)]);
    stage.until_ready(1, 1).await;
    let id = stage.replicas()[0].id.clone();
    let log = stage.platform.log_file(&shop(), RevisionNumber(1), &id);
    let mut lines = stage.platform.follow_logs(
        &shop(),
        LogQuery {
            follow: true,
            ..LogQuery::default()
        },
    );
    let rotated = log.with_extension("log.2");
    let mut last: Option<u64> = None;
    let mut read = 0_u64;
    while !rotated.exists() || read < 20_000 {
        let line = next(&mut lines).await.expect("it is followed");
        assert_eq!((&line.replica, line.revision), (&id, RevisionNumber(1)));
        // A line may be cut where the file was truncated under its writer.
        let number = line
            .text
            .strip_prefix("line ")
            .and_then(|rest| rest.get(..9)?.parse().ok());
        if let Some(number) = number {
            assert!(
                last.is_none_or(|last| last < number),
                "{last:?} before {number}"
            );
            last = Some(number);
            read += 1;
        }
    }
    let pid = stage.replicas()[0].pid.expect("it runs");
    assert!(
        support::is_alive(pid),
        "rotation does not disturb the writer"
    );
    stage.want(&[]);
    stage.until_empty().await;
    assert!(!log.with_extension("log.3").exists());
    // Two rotated files of at most four times the limit, and what was written since.
    let folder = log.parent().expect("it has a folder");
    assert!(
        size(folder) < 20 * limits.file_bytes_max,
        "{} bytes",
        size(folder)
    );
    stage.close().await;
}

#[tokio::test]
async fn the_last_lines_of_each_replica_are_read_and_then_the_stream_ends() {
    let stage = Stage::open().await;
    let one = revision(
        1,
        speaking("echo one; echo two; echo three >&2; exec sleep 1000"),
    );
    let two = revision(2, speaking("echo other; exec sleep 1000"));
    stage.want(&[(&one, 1), (&two, 1)]);
    let query = LogQuery {
        tail_lines: 2,
        ..LogQuery::default()
    };
    let lines = until("all has been written", async || {
        let mut lines = stage.platform.follow_logs(&shop(), query.clone());
        let mut seen = Vec::new();
        while let Some(line) = next(&mut lines).await {
            seen.push((line.revision.0, line.text));
        }
        seen.sort();
        if seen.len() == 3 {
            Ok(seen)
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    let expected = [(1, "three"), (1, "two"), (2, "other")].map(|(r, text)| (r, text.to_owned()));
    assert_eq!(lines, expected);
    let query = LogQuery {
        tail_lines: 9,
        revision: Some(RevisionNumber(2)),
        ..query
    };
    let mut lines = stage.platform.follow_logs(&shop(), query);
    assert_eq!(
        next(&mut lines).await.map(|line| line.text),
        Some("other".to_owned())
    );
    assert_eq!(next(&mut lines).await, None);
    stage.close().await;
}

#[tokio::test]
async fn who_follows_hears_replicas_that_start_later_and_the_last_words_of_those_that_end() {
    let stage = Stage::open().await;
    let mut lines = stage.platform.follow_logs(
        &shop(),
        LogQuery {
            follow: true,
            ..LogQuery::default()
        },
    );
    let script =
        "trap 'echo bye; printf unfinished; exit 0' TERM; echo hello; while :; do sleep 0.05; done";
    let one = revision(1, speaking(script));
    stage.want(&[(&one, 1)]);
    let hello = next(&mut lines).await.expect("it is followed");
    assert_eq!(hello.text, "hello");
    stage.want(&[]);
    // The shell may say that its `sleep` was ended, too.
    let mut heard = Vec::new();
    while heard.last().is_none_or(|text| text != "unfinished") {
        heard.push(next(&mut lines).await.expect("it is followed").text);
    }
    assert_eq!(
        heard.iter().rev().nth(1).map(String::as_str),
        Some("bye"),
        "{heard:?}"
    );
    stage.until_empty().await;
    // Its log is still there for whoever looks later.
    let query = LogQuery {
        tail_lines: 1,
        replica: Some(hello.replica),
        ..LogQuery::default()
    };
    let mut lines = stage.platform.follow_logs(&shop(), query);
    assert_eq!(
        next(&mut lines).await.map(|line| line.text),
        Some("unfinished".to_owned())
    );
    stage.close().await;
}
