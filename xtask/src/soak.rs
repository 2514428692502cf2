//! Long randomized runs: in chunks, with progress, going on after an interruption where they were.
//!
//! A subject is a program that keeps its own state, or an integration test that reads the first seed and the number of runs from its
//! environment, fails when a run breaks a promise, and prints how to reproduce it. Where a soak stands is kept in `target/soak/NAME.json`, written after each chunk.

use crate::child;
use crate::cluster;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest time of one chunk, building included.
const CHUNK_MAX: Duration = Duration::from_secs(60 * 60);

/// What to run for long.
#[derive(Args)]
pub(crate) struct Options {
    /// Which test.
    #[arg(value_parser = subject_names())]
    name: String,
    /// How many runs in all; the subject's usual number when absent.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Seed of the first run.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Go on where the last soak of this name was interrupted or failed.
    #[arg(long)]
    resume: bool,
}

/// A randomized test.
pub(crate) struct Subject {
    /// What it is called here.
    name: &'static str,
    package: &'static str,
    /// The integration test's name.
    test: &'static str,
    /// Which of its tests, when it has others.
    only: Option<&'static str>,
    /// Whether it needs the program, and the programs of a cluster.
    cluster: bool,
    /// The variables by which it is told the first seed and the number of runs.
    first: &'static str,
    count: &'static str,
    /// Whether it is marked `#[ignore]`, because it does nothing but soak.
    ignored: bool,
    /// Whether it is worth an optimized build.
    release: bool,
    /// Runs between two entries of progress.
    chunk: u64,
    /// Runs of a whole soak.
    usual: u64,
}

pub(crate) const SIMULATOR: Subject = Subject {
    name: "simulator",
    package: "sluice-simulator",
    test: "soak",
    only: None,
    cluster: false,
    first: "SLUICE_SOAK_FIRST",
    count: "SLUICE_SOAK_COUNT",
    ignored: true,
    release: true,
    chunk: 2_000,
    usual: 100_000,
};

pub(crate) const KUBERNETES: Subject = Subject {
    name: "kubernetes",
    package: "sluice-kubernetes-sim",
    test: "soak",
    only: None,
    cluster: false,
    first: "SLUICE_SOAK_FIRST",
    count: "SLUICE_SOAK_COUNT",
    ignored: true,
    release: true,
    chunk: 500,
    usual: 20_000,
};

const KILLS: Subject = Subject {
    name: "kills",
    package: "sluice",
    test: "kills",
    only: None,
    cluster: false,
    first: "SLUICE_KILLS_FROM",
    count: "SLUICE_KILLS",
    ignored: false,
    release: false,
    chunk: 10,
    usual: 200,
};

const CONTROLLER: Subject = Subject {
    name: "controller",
    package: "sluice-controller-tests",
    test: "controller",
    only: Some("kills::"),
    cluster: true,
    first: "SLUICE_CONTROLLER_KILLS_FROM",
    count: "SLUICE_CONTROLLER_KILLS",
    ignored: true,
    release: false,
    chunk: 25,
    usual: 100,
};

const SUBJECTS: [&Subject; 4] = [&SIMULATOR, &KUBERNETES, &KILLS, &CONTROLLER];

/// A soak that writes down each run by itself and goes on where it was.
struct SelfKept {
    name: &'static str,
    package: &'static str,
    program: &'static str,
    /// What is soaked, of a program that does more than that.
    arguments: &'static [&'static str],
    /// The argument that says how many runs.
    count: &'static str,
    /// Its state, in the folder of the soaks.
    state: &'static str,
}

/// False rollbacks of the sequential analysis.
const ANALYSIS: SelfKept = SelfKept {
    name: "analysis",
    package: "sluice-decisions",
    program: "soak-analysis",
    arguments: &[],
    count: "--runs",
    state: "analysis.jsonl",
};

/// Good releases through engine and analysis, and bad ones: false rollbacks, and the time to detect.
const RELEASES: SelfKept = SelfKept {
    name: "releases",
    package: "sluice-simulator",
    program: "sluice-simulate",
    arguments: &["releases"],
    count: "--good",
    state: "releases.json",
};

const SELF_KEPT: [&SelfKept; 2] = [&ANALYSIS, &RELEASES];

/// Longest time of a soak that keeps its own state; it goes on with `--resume`.
const SELF_KEPT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn subject_names() -> clap::builder::PossibleValuesParser {
    let names = SUBJECTS.iter().map(|subject| subject.name);
    let names = names.chain(SELF_KEPT.iter().map(|subject| subject.name));
    clap::builder::PossibleValuesParser::new(names)
}

/// How far a soak came.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Seed of the first run.
    first: u64,
    /// Seed of the next run.
    next: u64,
    /// Seed after the last run.
    end: u64,
    /// The commit that was run, with `+` when the work tree differed from it.
    commit: String,
    /// Whether the chunk that begins at `next` failed.
    failed: bool,
}

impl Subject {
    /// The command that runs `count` seeds from `first`.
    pub(crate) fn command(&self, workspace: &Workspace, first: u64, count: u64) -> Command {
        let mut command = workspace.cargo(&["test", "--locked", "--quiet", "-p", self.package]);
        command.args(["--test", self.test]);
        if self.release {
            command.arg("--release");
        }
        command.args(["--", "--nocapture"]);
        command.args(self.only);
        if self.ignored {
            command.arg("--ignored");
        }
        command
            .env(self.first, first.to_string())
            .env(self.count, count.to_string());
        command
    }
}

/// Runs a soak to its end, or to its first failure; `true` when all runs held.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    if let Some(subject) = SELF_KEPT.iter().find(|it| it.name == options.name) {
        return subject.run(workspace, options);
    }
    let subject = SUBJECTS
        .into_iter()
        .find(|subject| subject.name == options.name)
        .context("the command line accepts known names only")?;
    let path = if subject.cluster {
        if let Some(why) = cluster::obstacle() {
            bail!("{why}");
        }
        cluster::obtain(workspace)?;
        let build = workspace.cargo(&["build", "--locked", "--package", "sluice"]);
        if !child::show(build, CHUNK_MAX)? {
            return Ok(false);
        }
        Some(cluster::search_path(workspace)?)
    } else {
        None
    };
    let file = progress_file(workspace, subject)?;
    let commit = commit(workspace);
    let mut progress = if options.resume {
        resumed(&file, options.count, &commit)?
    } else {
        let count = options.count.unwrap_or(subject.usual);
        let end = options
            .first
            .checked_add(count)
            .context("the seeds end at 2^64 - 1")?;
        Progress {
            first: options.first,
            next: options.first,
            end,
            commit,
            failed: false,
        }
    };
    let started = Instant::now();
    let began_at = progress.next;
    while progress.next < progress.end {
        let count = subject.chunk.min(progress.end - progress.next);
        let mut command = subject.command(workspace, progress.next, count);
        if let Some(path) = &path {
            command.env("PATH", path);
        }
        let passed = child::show(command, CHUNK_MAX)?;
        progress.failed = !passed;
        if passed {
            progress.next += count;
        }
        write(&file, &progress)?;
        println!(
            "{}",
            progress.line(subject.name, started.elapsed(), progress.next - began_at)
        );
        if !passed {
            println!("The first failure ends the soak; --resume tries the same seeds again.");
            return Ok(false);
        }
    }
    Ok(true)
}

impl SelfKept {
    fn run(&self, workspace: &Workspace, options: &Options) -> Result<bool> {
        let folder = soak_folder(workspace)?;
        let state = folder.join(self.state);
        if !options.resume && state.exists() {
            std::fs::remove_file(&state)
                .with_context(|| format!("{} cannot be removed", state.display()))?;
        }
        let build = ["build", "--locked", "--release", "--package", self.package];
        if !child::show(workspace.cargo(&build), CHUNK_MAX)? {
            return Ok(false);
        }
        let mut command = Command::new(workspace.target_dir()?.join("release").join(self.program));
        command
            .current_dir(workspace.root())
            .args(self.arguments)
            .arg("--state")
            .arg(&state)
            .args(["--seed", &options.first.to_string()]);
        if let Some(count) = options.count {
            command.args([self.count, &count.to_string()]);
        }
        child::show(command, SELF_KEPT_MAX)
    }
}

impl Progress {
    /// `simulator: 4000 of 100000 runs, none failed, 61 s, about 1464 s to go`.
    fn line(&self, name: &str, elapsed: Duration, done_now: u64) -> String {
        let done = self.next - self.first;
        let all = self.end - self.first;
        let result = if self.failed {
            "FAILED in the next chunk"
        } else {
            "none failed"
        };
        let seconds = elapsed.as_secs();
        let line = format!("{name}: {done} of {all} runs, {result}, {seconds} s");
        if self.failed || done_now == 0 || done == all {
            return line;
        }
        let left = elapsed.as_secs_f64() / done_now as f64 * (all - done) as f64;
        format!("{line}, about {} s to go", left.round())
    }
}

fn soak_folder(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target_dir()?.join("soak");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

fn progress_file(workspace: &Workspace, subject: &Subject) -> Result<PathBuf> {
    Ok(soak_folder(workspace)?.join(format!("{}.json", subject.name)))
}

fn resumed(file: &Path, count: Option<u64>, commit: &str) -> Result<Progress> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read; start without --resume", file.display()))?;
    let mut progress: Progress = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged; start without --resume", file.display()))?;
    if let Some(count) = count {
        progress.end = progress
            .first
            .checked_add(count)
            .context("the seeds end at 2^64 - 1")?;
    }
    if progress.commit != commit {
        println!(
            "The runs up to now were of {}; those from here are of {commit}.",
            progress.commit
        );
        commit.clone_into(&mut progress.commit);
    }
    if progress.next >= progress.end {
        println!(
            "All {} runs are done already.",
            progress.end - progress.first
        );
    }
    Ok(progress)
}

/// Replaces the file at once, so that an interruption leaves the old one or the new one.
fn write(file: &Path, progress: &Progress) -> Result<()> {
    let draft = file.with_extension("json.new");
    std::fs::write(&draft, serde_json::to_string_pretty(progress)?)
        .and_then(|()| std::fs::rename(&draft, file))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn commit(workspace: &Workspace) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(workspace.root())
            .args(arguments)
            .output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| output.stdout)
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "an unknown commit".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|changes| !changes.is_empty());
    let head = String::from_utf8_lossy(&head);
    format!("{}{}", head.trim(), if changed { "+" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(next: u64) -> Progress {
        Progress {
            first: 1,
            next,
            end: 101,
            commit: "abc".to_owned(),
            failed: false,
        }
    }

    #[test]
    fn an_interrupted_soak_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.json");
        write(&file, &progress(41)).expect("it is written");
        let resumed = resumed(&file, Some(200), "abc").expect("it is read");
        assert_eq!((resumed.first, resumed.next, resumed.end), (1, 41, 201));
    }

    #[test]
    fn a_damaged_or_missing_state_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.json");
        for text in [None, Some("{")] {
            if let Some(text) = text {
                std::fs::write(&file, text).expect("a file");
            }
            let error = resumed(&file, None, "abc").expect_err("it cannot be resumed");
            assert!(
                format!("{error:#}").contains("start without --resume"),
                "{error:#}"
            );
        }
    }

    #[test]
    fn progress_tells_what_is_left() {
        let line =
            |progress: &Progress, done_now| progress.line("a", Duration::from_secs(10), done_now);
        assert_eq!(
            line(&progress(51), 25),
            "a: 50 of 100 runs, none failed, 10 s, about 20 s to go"
        );
        assert_eq!(
            line(&progress(101), 100),
            "a: 100 of 100 runs, none failed, 10 s"
        );
        let failed = Progress {
            failed: true,
            ..progress(51)
        };
        assert_eq!(
            line(&failed, 50),
            "a: 50 of 100 runs, FAILED in the next chunk, 10 s"
        );
    }
}
