//! The memory of a soak across interruptions: a file to which each run's result is appended.
//!
//! The first line says of which settings the runs are, each other line is a run. A line that an
//! interruption left unfinished at the end is cut off, and its run is done again.

use crate::soak::{Kind, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest file that is read: more than a million runs.
const BYTES_MAX: u64 = 256 << 20;

/// What all runs of a file have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// From which all runs' seeds are made.
    pub seed: u64,
    /// Requests of a run.
    pub requests: u64,
    /// The bound that was tested.
    pub alpha: f64,
}

/// Why a state cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("{path} cannot be {what}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `opened`, `read` or `written`.
        what: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// Another soak writes it now.
    #[error("{path} is in use by another soak; wait for it, or give another file", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line is not of a soak.
    #[error("{path}, line {line}, is damaged; remove the file to begin anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// The cause.
        source: serde_json::Error,
    },
    /// The file is of other settings.
    #[error("{path} is of other settings, {theirs:?}; give those, or another file, or remove it to begin anew", path = path.display())]
    OtherSettings {
        /// The file.
        path: PathBuf,
        /// Its settings.
        theirs: Settings,
    },
    /// The file is larger than any soak's.
    #[error("{path} is larger than {BYTES_MAX} bytes and so of no soak", path = path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
}

/// The runs that are done.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    file: File,
    runs: BTreeMap<(Kind, u64), Run>,
}

impl State {
    /// Opens a file, or begins it, and reads what is done. It stays locked until it is dropped.
    ///
    /// # Errors
    /// When it cannot be used; nothing has been changed then.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self, StateError> {
        let failed = |what| {
            move |source| StateError::File {
                path: path.to_owned(),
                what,
                source,
            }
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed("opened"))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed("opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(StateError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(failed("opened")(error)),
        }
        let mut text = String::new();
        let read = (&file).take(BYTES_MAX).read_to_string(&mut text);
        if read.map_err(failed("read"))? as u64 == BYTES_MAX {
            return Err(StateError::Large {
                path: path.to_owned(),
            });
        }
        let finished = text.rfind('\n').map_or(0, |end| end + 1);
        let runs = runs_of(path, &text[..finished], settings)?;
        file.set_len(finished as u64).map_err(failed("written"))?;
        file.seek(SeekFrom::End(0)).map_err(failed("written"))?;
        let mut state = Self {
            path: path.to_owned(),
            file,
            runs,
        };
        if finished == 0 {
            state.append(settings)?;
        }
        Ok(state)
    }

    /// Adds a run, at once in the file too.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, run: &Run) -> Result<(), StateError> {
        self.append(run)?;
        self.runs.insert((run.kind, run.run), *run);
        Ok(())
    }

    fn append(&mut self, line: &impl Serialize) -> Result<(), StateError> {
        // One write of a whole line: an interruption leaves it, or a part that is cut off later.
        serde_json::to_string(line)
            .map_err(std::io::Error::from)
            .and_then(|text| self.file.write_all(format!("{text}\n").as_bytes()))
            .map_err(|source| StateError::File {
                path: self.path.clone(),
                what: "written",
                source,
            })
    }

    /// The runs of a kind that are done, of those with numbers below `count`.
    pub fn done(&self, kind: Kind, count: u64) -> impl Iterator<Item = &Run> {
        self.runs
            .range((kind, 0)..(kind, count))
            .map(|(_, run)| run)
    }

    /// The numbers below `count` whose runs of a kind are still to be done.
    #[must_use]
    pub fn missing(&self, kind: Kind, count: u64) -> Vec<u64> {
        (0..count)
            .filter(|number| !self.runs.contains_key(&(kind, *number)))
            .collect()
    }
}

fn runs_of(
    path: &Path,
    text: &str,
    settings: &Settings,
) -> Result<BTreeMap<(Kind, u64), Run>, StateError> {
    let damaged = |line| {
        move |source| StateError::Damaged {
            path: path.to_owned(),
            line,
            source,
        }
    };
    let mut lines = text.lines().zip(1..);
    if let Some((first, line)) = lines.next() {
        let theirs: Settings = serde_json::from_str(first).map_err(damaged(line))?;
        if theirs != *settings {
            return Err(StateError::OtherSettings {
                path: path.to_owned(),
                theirs,
            });
        }
    }
    let mut runs = BTreeMap::new();
    for (text, line) in lines {
        let run: Run = serde_json::from_str(text).map_err(damaged(line))?;
        runs.insert((run.kind, run.run), run);
    }
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        seed: 1,
        requests: 2_000_000,
        alpha: 0.01,
    };

    fn run(kind: Kind, number: u64) -> Run {
        Run {
            kind,
            run: number,
            requests: 2_000_017,
            looks: 20_000,
            log_e_max: 1.25,
            rolled_back: false,
        }
    }

    #[test]
    fn an_interrupted_soak_goes_on_where_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/soak.jsonl");
        let mut state = State::open(&path, &SETTINGS).expect("it is begun");
        for number in [0, 2] {
            state
                .add(&run(Kind::Ramping, number))
                .expect("it is written");
        }
        drop(state);
        // Killed in the middle of a line.
        let whole = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, format!("{whole}{{\"kind\":\"ramp")).expect("a file");

        let mut state = State::open(&path, &SETTINGS).expect("it is read");
        assert_eq!(state.missing(Kind::Ramping, 4), [1, 3]);
        assert_eq!(state.missing(Kind::Fixed, 2), [0, 1]);
        state.add(&run(Kind::Ramping, 1)).expect("it is written");
        drop(state);
        let state = State::open(&path, &SETTINGS).expect("it is read");
        let done: Vec<Run> = state.done(Kind::Ramping, 2).copied().collect();
        assert_eq!(done, [run(Kind::Ramping, 0), run(Kind::Ramping, 1)]);
    }

    #[test]
    fn two_soaks_do_not_share_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soak.jsonl");
        let _first = State::open(&path, &SETTINGS).expect("it is begun");
        let error = State::open(&path, &SETTINGS).expect_err("it is in use");
        assert!(matches!(error, StateError::InUse { .. }), "{error}");
    }

    #[test]
    fn a_file_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("soak.jsonl");
        drop(State::open(&path, &SETTINGS).expect("it is begun"));
        let begun = std::fs::read_to_string(&path).expect("a file");
        for (name, text, told) in [
            ("not ours", "hello\n".to_owned(), "line 1, is damaged"),
            (
                "a bad line",
                format!("{begun}nonsense\n"),
                "line 2, is damaged",
            ),
            (
                "another seed",
                begun.replace("\"seed\":1", "\"seed\":2"),
                "of other settings",
            ),
        ] {
            std::fs::write(&path, &text).expect("a file");
            let error = State::open(&path, &SETTINGS).expect_err(name).to_string();
            assert!(error.contains(told), "{name}: {error}");
            assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
        }
    }
}
