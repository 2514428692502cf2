//! A revision keeps its own copy of its files, by digest, so that going back never depends on what
//! is on the disk now.
//!
//! # What a copy holds, and how a revision runs from it
//!
//! - **The program**, when the command names it by a path (it has a `/`; relative ones are taken from
//!   `workdir`). A plain name such as `nginx` or `python3` belongs to the machine: it is looked up in
//!   PATH now, the absolute path is recorded, and the file is not copied.
//! - **Every path of `artifacts`**, files and folders. A path within another one is not copied twice.
//! - They lie side by side in `STATE/artifacts/DIGEST/` under their own names (`site`, `server.py`);
//!   of two that have the same name, the later becomes `NAME-2`. The replica is told that folder in
//!   `SLUICE_ARTIFACTS`.
//! - **The command and `workdir` are rewritten**: a word of the command (or, in a word like
//!   `--root=site`, what follows the first `=`) that, taken as a path from `workdir`, is a captured
//!   path or lies in one, becomes the absolute path within the copy. So do `workdir`, and the
//!   commands of probes. Where `workdir` itself lies in a captured folder, relative words within that
//!   folder stay, for they hold in the copy too. A word without `/` is rewritten only if it was listed
//!   (`python3 server.py`); the program's own name as an argument (`./shop shop`) stays. A word that
//!   is the name of a listed file by chance is rewritten as well.
//! - Everything else is used where it is: libraries, interpreters, files that are not listed.
//! - Symbolic links within a captured folder stay links; one to a file outside becomes that file; one
//!   to a folder outside, or to nothing, is an error. Files in the copy are not writable.
//! - **`env_files` are read now** and become part of `env`, below what `env` says itself.
//!
//! The digest is over the workload as it was given (with the environment that the files gave it) and
//! over names, executable bits and contents of everything that is copied; not over times or owners.
//! The same input has the same digest, and its copy is made once.
//!
//! `copy` walks and copies, `rewrite` changes the command, `env_file` reads `NAME=value` lines,
//! `garbage` removes what nobody needs.

mod copy;
mod env_file;
mod error;
mod garbage;
mod rewrite;

pub use copy::{ARTIFACT_BYTES_MAX, ARTIFACT_FILES_MAX};
pub use error::ArtifactError;
pub use garbage::collect_garbage;

use crate::config::{DEFAULT_PATH, inherited_env};
use crate::environment::{self, AT_START, CommandError};
use copy::{Captured as CopiedPath, Draft};
use sha2::{Digest, Sha256};
use sluice_model::workload::{ProbeAction, Workload};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Variable that names the folder of a revision's copy.
const ARTIFACTS_VARIABLE: &str = "SLUICE_ARTIFACTS";
/// Begins what is hashed; another rule of hashing gets another number.
const DIGEST_SALT: &[u8] = b"sluice artifact 1\n";

/// A workload that runs from its own copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// SHA-256 (hex) over the workload and its files.
    pub digest: String,
    /// The workload, changed to run from the copy; `env_files` is empty.
    pub workload: Workload,
}

/// Copies a workload's files below `state_dir` and answers the workload that runs from the copy. A
/// copy that exists is used as it is; what it answers is stored with the revision and not captured
/// again (a restart of a revision runs from the same copy). Atomic: a copy is complete, or not there. Blocks for as long
/// as reading and copying take.
///
/// # Errors
/// What is missing, unreadable, too large or not executable, and what to do about it; nothing stays
/// behind then.
pub fn capture(state_dir: &Path, workload: &Workload) -> Result<Captured, ArtifactError> {
    let mut given = workload.clone();
    let workdir = PathBuf::from(&given.workdir);
    let mut env = BTreeMap::new();
    for file in given.env_files.drain(..) {
        env.extend(env_file::read(&workdir.join(file))?);
    }
    env.extend(std::mem::take(&mut given.env));
    given.env = env;
    check_variables(&given)?;
    let program = given.command.first().ok_or(CommandError::Empty)?;
    if !workdir.is_dir() {
        return Err(ArtifactError::Workdir(workdir));
    }
    let path = given
        .env
        .get("PATH")
        .cloned()
        .or_else(|| std::env::var("PATH").ok());
    let path = path.as_deref().unwrap_or(DEFAULT_PATH);
    let program_file = environment::resolve(program, Some(path), &workdir)?;
    let listed = given
        .artifacts
        .iter()
        .map(|path| (rewrite::normal(&workdir.join(path)), true));
    let mut paths: Vec<(PathBuf, bool)> = listed.collect();
    if program.contains('/') {
        paths.push((rewrite::normal(&program_file), false));
    }
    let copies = name_copies(&paths);
    let salted = || {
        let mut hasher = Sha256::new_with_prefix(DIGEST_SALT);
        hasher.update(serde_json::to_vec(&given).map_err(ArtifactError::Encode)?);
        Ok::<_, ArtifactError>(hasher)
    };
    let folder = std::path::absolute(state_dir.join("artifacts"))
        .map_err(ArtifactError::at("find", state_dir))?;
    let digest = if copies.is_empty() {
        hex(&salted()?.finalize())
    } else {
        let mut hasher = salted()?;
        copy::read_all(&copies, &mut hasher)?;
        let digest = hex(&hasher.finalize());
        if folder.join(&digest).is_dir() {
            digest
        } else {
            make_copy(&folder, &copies, salted()?)?
        }
    };
    let home = folder.join(&digest);
    let mut workload = rewrite::run_from(&given, &program_file, &copies, &home);
    if !copies.is_empty() {
        workload
            .env
            .insert(ARTIFACTS_VARIABLE.to_owned(), home.display().to_string());
    }
    Ok(Captured { digest, workload })
}

/// Copies everything, and answers the digest of the copy: that of what was read this time, should a
/// file have changed since it was read before.
fn make_copy(
    folder: &Path,
    copies: &[CopiedPath],
    mut hasher: Sha256,
) -> Result<String, ArtifactError> {
    let draft = Draft::create(folder)?;
    draft.fill(copies, &mut hasher)?;
    let digest = hex(&hasher.finalize());
    draft.publish(&digest)?;
    Ok(digest)
}

/// The paths to be copied, each with its name in the copy, of paths and whether they were listed.
fn name_copies(paths: &[(PathBuf, bool)]) -> Vec<CopiedPath> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut copies: Vec<CopiedPath> = Vec::new();
    for (path, listed) in paths {
        let is_within = |(outer, _): &(PathBuf, bool)| path.starts_with(outer) && path != outer;
        if paths.iter().any(is_within) || copies.iter().any(|copy| copy.path == *path) {
            continue;
        }
        let own = path
            .file_name()
            .map_or_else(|| "root".into(), |name| name.to_string_lossy());
        let mut name = own.clone().into_owned();
        let mut number = 2;
        while !names.insert(name.clone()) {
            name = format!("{own}-{number}");
            number += 1;
        }
        copies.push(CopiedPath {
            path: path.clone(),
            name,
            listed: *listed,
        });
    }
    copies
}

/// Refuses references to variables that no replica will have, before anything is started.
fn check_variables(workload: &Workload) -> Result<(), ArtifactError> {
    let inherited = inherited_env();
    let known = |name: &str| {
        let exists = AT_START.contains(&name)
            || name == ARTIFACTS_VARIABLE
            || workload.env.contains_key(name)
            || inherited.contains_key(name)
            || (workload.user.is_some() && ["HOME", "USER", "LOGNAME"].contains(&name));
        exists.then(String::new)
    };
    let probes = [&workload.startup, &workload.readiness, &workload.liveness];
    let probe_words = probes
        .into_iter()
        .flatten()
        .flat_map(|probe| match &probe.action {
            ProbeAction::Command { command } => command.as_slice(),
            ProbeAction::Http { .. } | ProbeAction::Tcp => &[],
        });
    for word in workload.command.iter().chain(probe_words) {
        environment::expand(word, known)?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The folder of copies, made if it is not there.
fn ensure_folder(folder: &Path) -> Result<(), ArtifactError> {
    fs::create_dir_all(folder).map_err(ArtifactError::at("create", folder))
}
