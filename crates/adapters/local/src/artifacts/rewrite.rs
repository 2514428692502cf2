//! Making a command run from the copy: paths within what was captured become paths within the copy.

use super::copy::Captured;
use sluice_model::workload::{Probe, ProbeAction, Workload};
use std::path::{Component, Path, PathBuf};

/// The workload that runs from the copy in `home`.
pub(super) fn run_from(
    given: &Workload,
    program: &Path,
    copies: &[Captured],
    home: &Path,
) -> Workload {
    let workdir = Path::new(&given.workdir);
    let moved = |path: &Path| moved(path, copies, home);
    let around_workdir = holder(&normal(workdir), copies);
    let path_word = |word: &str| -> Option<String> {
        let path = normal(&workdir.join(word));
        // A relative word holds where it is when `workdir` moves with it.
        let moves_along = Path::new(word).is_relative()
            && around_workdir.is_some_and(|copy| holder(&path, copies) == Some(copy));
        // `./serve serve`: the program's name as an argument is a subcommand, not a path.
        let is_bare = !word.contains('/') && holder(&path, copies).is_some_and(|copy| !copy.listed);
        if word.is_empty() || moves_along || is_bare {
            return None;
        }
        moved(&path).map(|path| path.display().to_string())
    };
    let word = |word: &String| -> String {
        let value = match word.split_once('=') {
            Some((name, value)) if word.starts_with('-') => {
                path_word(value).map(|path| format!("{name}={path}"))
            }
            _ => path_word(word),
        };
        value.unwrap_or_else(|| word.clone())
    };
    let command = |words: &[String]| -> Vec<String> { words.iter().map(word).collect() };
    let probe = |probe: &Option<Probe>| -> Option<Probe> {
        let mut probe = probe.clone()?;
        if let ProbeAction::Command { command: words } = &mut probe.action {
            *words = command(words);
        }
        Some(probe)
    };
    let program = moved(&normal(program)).unwrap_or_else(|| program.to_owned());
    let mut words = vec![program.display().to_string()];
    words.extend(command(given.command.get(1..).unwrap_or_default()));
    let workdir = moved(&normal(workdir)).unwrap_or_else(|| workdir.to_owned());
    Workload {
        command: words,
        workdir: workdir.display().to_string(),
        readiness: probe(&given.readiness),
        liveness: probe(&given.liveness),
        startup: probe(&given.startup),
        ..given.clone()
    }
}

/// The captured path in which a path lies.
fn holder<'a>(path: &Path, copies: &'a [Captured]) -> Option<&'a Captured> {
    copies.iter().find(|copy| path.starts_with(&copy.path))
}

/// Where a path within what was captured lies in the copy.
fn moved(path: &Path, copies: &[Captured], home: &Path) -> Option<PathBuf> {
    let copy = holder(path, copies)?;
    let within = path.strip_prefix(&copy.path).ok()?;
    let target = home.join(&copy.name);
    // Joining nothing would end the path in `/`.
    Some(if within.as_os_str().is_empty() {
        target
    } else {
        target.join(within)
    })
}

/// The path without `.` and `..`, by its text alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                normal.push(component);
            }
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::workload::Stopping;
    use std::time::Duration;

    fn rewritten(workdir: &str, command: &[&str]) -> Vec<String> {
        let copies = [
            ("/srv/shop/site", "site", true),
            ("/srv/shop/server.py", "server.py", true),
            ("/srv/shop/shop", "shop", false),
        ]
        .map(|(path, name, listed)| Captured {
            path: path.into(),
            name: name.to_owned(),
            listed,
        });
        let given = Workload {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            artifacts: Vec::new(),
            env: Default::default(),
            env_files: Vec::new(),
            workdir: workdir.to_owned(),
            user: None,
            readiness: None,
            liveness: None,
            startup: None,
            stop: Stopping {
                drain: Duration::ZERO,
                grace: Duration::ZERO,
            },
        };
        let run = run_from(
            &given,
            Path::new("/usr/bin/python3"),
            &copies,
            Path::new("/state/abc"),
        );
        [run.command, vec![run.workdir]].concat()
    }

    #[test]
    fn words_that_are_captured_paths_point_into_the_copy() {
        let words = [
            "python3",
            "server.py",
            "--root=./site/en",
            "/srv/shop/site",
            "../shop/server.py",
            "./shop",
        ];
        let expected = [
            "/usr/bin/python3",
            "/state/abc/server.py",
            "--root=/state/abc/site/en",
            "/state/abc/site",
            "/state/abc/server.py",
            "/state/abc/shop",
            "/srv/shop",
        ];
        assert_eq!(rewritten("/srv/shop", &words), expected);
    }

    #[test]
    fn everything_else_stays_as_it_was_written() {
        let words = [
            "python3",
            "sites",
            "--root=",
            "site.conf",
            "A=site",
            "-x=$PORT",
            "$SLUICE_ARTIFACTS/site",
            "shop",
            "",
        ];
        let mut expected: Vec<&str> = words.to_vec();
        expected[0] = "/usr/bin/python3";
        expected.push("/srv/shop");
        assert_eq!(rewritten("/srv/shop", &words), expected);
    }

    #[test]
    fn a_captured_working_directory_moves_and_its_relative_words_hold_there() {
        let words = [
            "python3",
            "index.html",
            "serve",
            "--root=.",
            "../server.py",
            "/srv/shop/site/en",
        ];
        let expected = [
            "/usr/bin/python3",
            "index.html",
            "serve",
            "--root=.",
            "/state/abc/server.py",
            "/state/abc/site/en",
            "/state/abc/site",
        ];
        assert_eq!(rewritten("/srv/shop/site", &words), expected);
    }
}
