//! Why a workload's files cannot be kept.

use crate::environment::CommandError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a workload's files cannot be copied, or what else is wrong with it. Each says the next step.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The command is empty, names no program, or uses a variable that is not set.
    #[error("{0}")]
    Command(String),
    /// The working directory is not there.
    #[error("the working directory {} does not exist: create it, or correct `workdir`", .0.display())]
    Workdir(PathBuf),
    /// A listed file or folder is not there.
    #[error("the artifact {} does not exist: build it first, or correct its path", .0.display())]
    Missing(PathBuf),
    /// A symbolic link that a copy cannot keep.
    #[error("{} links to {}, a folder outside of what is captured, or nothing: list that folder among the artifacts, or replace the link", link.display(), target.display())]
    Link {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A socket, pipe or device.
    #[error("{} is neither a file nor a folder: it cannot be part of a revision; move it, or list its neighbours one by one", .0.display())]
    Special(PathBuf),
    /// The files are larger than a revision may be.
    #[error("the artifacts hold more than {bytes} bytes, at {}: list only what the service needs", at.display())]
    TooLarge {
        /// The bound, in bytes.
        bytes: u64,
        /// Where it was exceeded.
        at: PathBuf,
    },
    /// There are more files than a revision may have.
    #[error("the artifacts hold more than {files} files, at {}: list only what the service needs", at.display())]
    TooMany {
        /// The bound.
        files: u64,
        /// Where it was exceeded.
        at: PathBuf,
    },
    /// Folders lie deeper than a revision may have them.
    #[error("{} lies more than {depth} folders deep: flatten the folder", at.display())]
    TooDeep {
        /// The bound.
        depth: usize,
        /// Where it was exceeded.
        at: PathBuf,
    },
    /// A folder holds the state folder, and so would its copy.
    #[error("{} holds Sluice's own state folder {}: list what the service needs in it one by one", path.display(), state.display())]
    HoldsState {
        /// The captured folder.
        path: PathBuf,
        /// The folder of copies.
        state: PathBuf,
    },
    /// A line of an environment file.
    #[error("{}:{line}: {problem}: write NAME=value", file.display())]
    EnvFile {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The workload cannot be written as JSON to be hashed.
    #[error("the workload cannot be hashed: {0}")]
    Encode(serde_json::Error),
    /// Reading or writing failed.
    #[error("cannot {what} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl ArtifactError {
    pub(super) fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
        let path = path.to_owned();
        move |source| ArtifactError::Io { what, path, source }
    }
}

impl From<CommandError> for ArtifactError {
    fn from(error: CommandError) -> Self {
        ArtifactError::Command(error.to_string())
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make space: copies of revisions lie below the state folder"
        }
        io::ErrorKind::PermissionDenied => "; Sluice's user needs access to it",
        io::ErrorKind::ReadOnlyFilesystem => "; the state folder must be writable",
        _ => "",
    }
}
