//! Where the project lies, and how its cargo is called.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The project's folder and toolchain.
pub(crate) struct Workspace {
    root: PathBuf,
    cargo: OsString,
}

impl Workspace {
    /// Finds the project from where cargo says that this crate lies.
    pub(crate) fn find() -> Result<Self> {
        // At run time first: a checkout that was moved keeps working with the binary built before.
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir
            .parent()
            .with_context(|| format!("{} has no parent folder", manifest_dir.display()))?
            .to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        Ok(Self { root, cargo })
    }

    /// The project's root folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A cargo command in the root folder.
    ///
    /// It does not see what cargo told this program about itself: build scripts that look at such
    /// variables would run again, and their crates be built again, with every change of the caller.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.cargo);
        for (name, _) in std::env::vars_os() {
            let of_package = name.to_str().is_some_and(|name| {
                name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
            });
            if of_package {
                command.env_remove(name);
            }
        }
        command.current_dir(&self.root).args(arguments);
        command
    }

    /// The folder of build results, also when it is configured to lie elsewhere.
    pub(crate) fn target_dir(&self) -> Result<PathBuf> {
        let metadata = self.metadata(&["--no-deps"])?;
        match metadata["target_directory"].as_str() {
            Some(folder) => Ok(PathBuf::from(folder)),
            None => bail!("`cargo metadata` names no target directory"),
        }
    }

    /// What `cargo metadata` says, with these further arguments.
    pub(crate) fn metadata(&self, arguments: &[&str]) -> Result<Value> {
        let output = self
            .cargo(&["metadata", "--format-version", "1", "--locked"])
            .args(arguments)
            .output()
            .context("`cargo metadata` could not be started")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")
    }
}
