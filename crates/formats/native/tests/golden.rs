//! Every document under `tests/bad` and `tests/risky` with the exact messages that it gets: the `.txt`
//! beside it. Run with `UPDATE_GOLDEN=1` to write them anew, and read the difference before keeping it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests read golden files"
)]

use sluice_model::Severity;
use sluice_model::time::format_span;
use sluice_native::{Parsed, outline, parse};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn documents(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

fn read(file: &Path) -> (String, Parsed) {
    let text = fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    let parsed = parse(&name, &text, "/srv/shop");
    (text, parsed)
}

fn messages(parsed: &Parsed) -> String {
    parsed
        .diagnostics
        .iter()
        .map(|found| format!("{found}\n"))
        .collect()
}

fn compare(file: &Path, actual: &str) -> Option<String> {
    let golden = file.with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, actual).unwrap();
        return None;
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    (actual != expected).then(|| {
        format!(
            "{}:\n--- expected\n{expected}--- actual\n{actual}",
            file.display()
        )
    })
}

#[test]
fn bad_documents_are_refused_with_these_messages() {
    let mut wrong = Vec::new();
    for file in documents("bad") {
        let (text, parsed) = read(&file);
        assert!(parsed.document.is_none(), "{} was accepted", file.display());
        for found in &parsed.diagnostics {
            assert!(
                found.help.is_some(),
                "{}: no next step in: {found}",
                file.display()
            );
            if let Some(place) = &found.place {
                let (offset, length) = place.span.expect("a span");
                assert!(
                    text.get(offset..offset + length).is_some(),
                    "{found}: span beyond the text"
                );
            }
        }
        wrong.extend(compare(&file, &messages(&parsed)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn risky_documents_are_accepted_with_these_warnings() {
    let mut wrong = Vec::new();
    for file in documents("risky") {
        let (_, parsed) = read(&file);
        wrong.extend(compare(&file, &messages(&parsed)));
        let errors = parsed
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .count();
        assert!(
            parsed.document.is_some() && errors == 0,
            "{} was refused",
            file.display()
        );
        assert!(
            !parsed.diagnostics.is_empty(),
            "{} has no warning",
            file.display()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `sluice plan` tells of a document.
fn outlines(parsed: &Parsed) -> String {
    let mut text = String::new();
    for service in &parsed.document.as_ref().unwrap().services {
        let plan = &service.plan;
        writeln!(text, "{} ({})", service.name, plan.strategy.as_str()).unwrap();
        for step in outline(plan, true) {
            let at = format_span(step.at_earliest);
            writeln!(text, "  {at:>6}  {}: {}", step.name, step.text).unwrap();
            for line in step.hooks.iter().chain(&step.checks) {
                writeln!(text, "          {line}").unwrap();
            }
        }
    }
    text
}

#[test]
fn plans_are_told_step_by_step() {
    let mut wrong = Vec::new();
    for file in documents("outline") {
        let (_, parsed) = read(&file);
        assert!(
            parsed.document.is_some(),
            "{}: {}",
            file.display(),
            messages(&parsed)
        );
        wrong.extend(compare(&file, &outlines(&parsed)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
