//! The folder where tools that are built or fetched once are kept for later runs and checkouts.
//!
//! It lies in the user's cache directory, outside the project: deleting it costs time only.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// The folder for `name` (with a version in it, so that another version gets another folder);
/// created when absent.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = place(name)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("the cache folder {} cannot be made", folder.display()))?;
    Ok(folder)
}

/// Where the folder for `name` is, or would be.
pub(crate) fn place(name: &str) -> Result<PathBuf> {
    let set = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty());
    let base = match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => {
            bail!("neither XDG_CACHE_HOME nor HOME is set; set one, tools are kept below it")
        }
    };
    Ok(base.join("sluice-xtask").join(name))
}
