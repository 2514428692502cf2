//! The part `metrics`: metric sources against a real Prometheus and a real Graphite.
//!
//! The tests are those that are marked `#[ignore = "part metrics: …"]` in the crate of the metric
//! sources, in the app's `tests/queries.rs`, where releases are judged by them, among the unit tests of its
//! `controller`, where analysis runs are, and in the Kubernetes controller's crate, which Prometheus looks at. Prometheus is found on `PATH`;
//! Graphite is Python's package, in the user's cache folder.

use super::tally::Tally;
use super::{Context, rust};
use crate::debian::{PROMETHEUS, PYTHON};
use crate::{cache, child};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const GRAPHITE: &str = "graphite-web==1.1.10";
/// What Graphite is run with: Django as of its own releases, and what Django 3 needs of setuptools.
const GRAPHITE_NEEDS: [&str; 3] = ["whisper==1.1.10", "Django==3.0.14", "setuptools==69.5.1"];
const FETCH_MAX: Duration = Duration::from_secs(5 * 60);
const PROBE_MAX: Duration = Duration::from_secs(20);

pub(super) fn installs() -> Result<Option<String>> {
    let mut missing = Vec::new();
    if PROMETHEUS.find()?.is_none() {
        missing.push(format!("Debian's {}", PROMETHEUS.package));
    }
    if !graphite_folder()?.is_dir() {
        missing.push(format!("Python's {GRAPHITE}"));
    }
    let what = format!(
        "{} (fetched and unpacked into the user's cache folder)",
        missing.join(" and ")
    );
    Ok((!missing.is_empty()).then_some(what))
}

pub(super) fn run(context: &Context<'_>) -> Result<Tally> {
    let mut skips = Tally::default();
    let mut arguments = vec!["--test", "metrics", "--", "--ignored"];
    let mut folders = Vec::new();
    let prometheus = if context.no_install {
        let found = PROMETHEUS.find()?;
        found.ok_or_else(|| "prometheus is not there, and --no-install is set".to_owned())
    } else {
        PROMETHEUS.obtain().map_err(|why| format!("{why:#}"))
    };
    let has_prometheus = prometheus.is_ok();
    match prometheus {
        Ok(place) => folders.extend(place.parent().map(PathBuf::from)),
        Err(why) => {
            skips.add(&Tally::skip("metric sources with a real Prometheus", &why));
            arguments.extend(["--skip", "real_prometheus"]);
        }
    }
    let graphite = match graphite(context)? {
        Ok((python, python_path)) => {
            folders.extend(python.parent().map(PathBuf::from));
            python_path
        }
        Err(why) => {
            skips.add(&Tally::skip("metric sources with a real Graphite", &why));
            arguments.extend(["--skip", "real_graphite"]);
            String::new()
        }
    };
    let path = rust::path_with(folders)?;
    let variables = [
        ("PATH", path.as_str()),
        ("SLUICE_TEST_GRAPHITE_PYTHONPATH", &graphite),
    ];
    let mut tally = rust::test(context, &arguments, &variables)?;
    if has_prometheus {
        let releases = ["--test", "queries", "--", "--ignored"];
        tally.add(&rust::test(context, &releases, &variables)?);
        let name = "real_prometheus";
        let units = ["--lib", "--bin", "sluice", "--", "--ignored", name];
        tally.add(&rust::test(context, &units, &variables)?);
    }
    tally.add(&skips);
    Ok(tally)
}

fn graphite_folder() -> Result<PathBuf> {
    cache::place(&GRAPHITE.replace("==", "-"))
}

/// Python and where it finds Graphite, or why there is none.
fn graphite(context: &Context<'_>) -> Result<Result<(PathBuf, String), String>> {
    let folder = graphite_folder()?;
    let Some(python) = PYTHON.find()? else {
        return Ok(Err("python3 is not there".to_owned()));
    };
    if !folder.is_dir() {
        if context.no_install {
            return Ok(Err("it is not there, and --no-install is set".to_owned()));
        }
        if !fetch(&python, &folder).unwrap_or(false) {
            return Ok(Err(format!(
                "Python's package {GRAPHITE} could not be fetched"
            )));
        }
    }
    let python_path = format!(
        "{}:{}",
        folder.display(),
        folder.join("opt/graphite/webapp").display()
    );
    let mut probe = Command::new(&python);
    probe
        .args(["-c", "import cairocffi, django, graphite, whisper"])
        .env("PYTHONPATH", &python_path)
        .stderr(Stdio::null());
    let runs = child::run(probe, PROBE_MAX, |_| {}).is_ok_and(|status| status.success());
    Ok(if runs {
        Ok((python, python_path))
    } else {
        Err("it does not run with this python3 (it needs libcairo, too)".to_owned())
    })
}

/// Fetches into a folder aside, so that the final one is whole or not there.
fn fetch(python: &Path, folder: &Path) -> Result<bool> {
    let aside = PathBuf::from(format!("{}.part", folder.display()));
    println!(
        "Fetching Python's package {GRAPHITE} into {}",
        folder.display()
    );
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "install", "--quiet"])
        .args(["--disable-pip-version-check", "--root-user-action=ignore"])
        .args(["--upgrade", GRAPHITE])
        .args(GRAPHITE_NEEDS)
        .arg("--target")
        .arg(&aside);
    if !child::show(command, FETCH_MAX)? {
        return Ok(false);
    }
    std::fs::rename(&aside, folder)?;
    Ok(true)
}
