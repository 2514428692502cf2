//! Removing copies that no revision needs any more, and drafts that a crash left behind.

use super::copy::{DRAFT_PREFIX, remove_tree, try_lock};
use super::error::ArtifactError;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Removes every copy below `state_dir` whose digest is not in `keep`, and answers their digests.
/// A revision must be stored before, or together with, the next call: its copy is not in use for
/// anybody who does not know it. Blocks for as long as removing takes.
///
/// # Errors
/// The first copy that could not be removed; the others are removed all the same.
pub fn collect_garbage(
    state_dir: &Path,
    keep: &BTreeSet<String>,
) -> Result<Vec<String>, ArtifactError> {
    let folder = state_dir.join("artifacts");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ArtifactError::at("list", &folder)(error)),
    };
    let mut removed = Vec::new();
    let mut failure = None;
    for entry in entries {
        let entry = entry.map_err(ArtifactError::at("list", &folder))?;
        let (path, name) = (
            entry.path(),
            entry.file_name().to_string_lossy().into_owned(),
        );
        if keep.contains(&name) {
            continue;
        }
        let is_draft = name.starts_with(DRAFT_PREFIX);
        // A draft whose maker lives is locked.
        let lock = if is_draft { try_lock(&path) } else { Ok(None) };
        let in_use = is_draft && matches!(lock, Ok(None));
        if in_use {
            continue;
        }
        match lock.and_then(|_lock| remove_tree(&path)) {
            Ok(()) if is_draft => {}
            Ok(()) => removed.push(name),
            Err(error) => {
                failure.get_or_insert(ArtifactError::at("remove", &path)(error));
            }
        }
    }
    failure.map_or(Ok(removed), Err)
}
