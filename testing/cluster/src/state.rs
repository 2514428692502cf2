//! What is written down about a cluster: what it is, and whether its start was completed.
//!
//! What runs is not written down. `members` reads it from the processes themselves, so that nothing has to be true that somebody
//! wrote a moment before being killed.

use crate::name::{CLUSTERS, ClusterName};
use crate::variant::Variant;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// A cluster as its folder tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) variant: Variant,
    /// Whether its start was completed.
    pub(crate) is_complete: bool,
}

fn path(name: &ClusterName) -> PathBuf {
    name.folder().join("cluster.json")
}

impl State {
    /// A cluster whose start begins now.
    pub(crate) fn beginning(variant: Variant) -> Self {
        Self {
            variant,
            is_complete: false,
        }
    }

    /// Writes it, as a whole or not at all.
    pub(crate) fn write(&self, name: &ClusterName) -> Result<()> {
        let path = path(name);
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(self)?)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Reads it; `None` when there is no such cluster, or its start did not get that far.
    pub(crate) fn read(name: &ClusterName) -> Result<Option<Self>> {
        let path = path(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged; take the cluster down", path.display()))
    }
}

/// Makes the folder of a cluster, for its owner's eyes only: it holds keys.
pub(crate) fn create_folder(name: &ClusterName) -> Result<PathBuf> {
    let folder = name.folder();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("{} cannot be made; this needs root", folder.display()))?;
    Ok(folder)
}

/// The names of all clusters that have a folder, in order.
pub(crate) fn names() -> Result<Vec<ClusterName>> {
    let entries = match fs::read_dir(CLUSTERS) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(CLUSTERS),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse().ok()),
            );
        }
    }
    names.sort();
    Ok(names)
}
