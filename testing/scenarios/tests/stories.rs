//! Plays every script of `scenarios/` and compares what happened with the report next to it.
//! `UPDATE_GOLDEN=1` writes the reports anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "txt"));
    files.sort();
    files
}

/// The first line in which two texts differ.
fn difference(expected: &str, report: &str) -> String {
    let mut expected = expected.lines();
    let mut lines = report.lines().enumerate();
    loop {
        match (expected.next(), lines.next()) {
            (Some(one), Some((_, other))) if one == other => {}
            (one, other) => {
                let (number, other) = other.unzip();
                let number =
                    number.map_or_else(|| "end".to_owned(), |it| format!("line {}", it + 1));
                return format!("{number}:\n  golden: {one:?}\n  now:    {other:?}");
            }
        }
    }
}

#[test]
fn every_story_goes_as_its_report_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some_and(|it| it == "1");
    let scripts = scripts();
    assert!(
        scripts.len() >= 12,
        "only {} scripts were found",
        scripts.len()
    );
    let mut wrong = Vec::new();
    for script in scripts {
        let name = script.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&script).unwrap();
        let report = match sluice_scenarios::play(&text) {
            Ok(report) => report,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        assert_eq!(
            sluice_scenarios::play(&text).as_ref(),
            Ok(&report),
            "{name}: twice the same"
        );
        let golden = script.with_extension("golden");
        if update {
            fs::write(&golden, &report).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if expected != report {
            wrong.push(format!("{name}, {}", difference(&expected, &report)));
        }
    }
    assert!(
        wrong.is_empty(),
        "UPDATE_GOLDEN=1 writes the reports anew\n{}",
        wrong.join("\n")
    );
}
