//! How Go writes a pod template and a canary's steps, and hashes that Argo's own functions computed.
//!
//! `xtask/argo-hashes` is a Go program on Argo's pinned module; the table that it writes is part of `formats/argo`, the
//! hashes are what its tests compare with. Made anew for another version of Argo or Kubernetes, by hand:
//! `cargo xtask generate --argo-hashes`, which needs Go.

use crate::child;
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Duration;

const SOURCE: &str = "xtask/argo-hashes";
/// Which flag names the place of which document.
const DOCUMENTS: [(&str, &str); 3] = [
    ("-fields", "crates/formats/argo/src/go_json/table.rs"),
    (
        "-templates",
        "crates/formats/argo/tests/golden/template-hashes.jsonl",
    ),
    (
        "-steps",
        "crates/formats/argo/tests/golden/step-hashes.jsonl",
    ),
];
/// Longest time to fetch the modules, build the program and run it.
const RUN_MAX: Duration = Duration::from_secs(20 * 60);

/// Writes the table and the hashes anew.
pub(crate) fn generate(workspace: &Workspace) -> Result<()> {
    let mut command = Command::new("go");
    command
        .args(["run", "."])
        .current_dir(workspace.root().join(SOURCE));
    for (flag, file) in DOCUMENTS {
        command.arg(flag).arg(workspace.root().join(file));
    }
    if !child::show(command, RUN_MAX)? {
        bail!("the table was not written; see above for the cause, and whether Go is installed");
    }
    Ok(())
}
