//! The part `cluster`: tests against a real Kubernetes cluster on this machine.
//!
//! They are those that are marked `#[ignore = "part cluster: …"]`; each starts the cluster that it needs and ends it. The
//! programs are found on `PATH`.

use super::tally::Tally;
use super::{Context, rust};
use crate::cluster;
use crate::workspace::Workspace;
use anyhow::Result;

/// The tests' names, in crates of testing/. The last one runs the product's program.
const TESTS: [&str; 2] = ["cluster", "controller"];

pub(super) fn installs() -> Result<Option<String>> {
    match cluster::obstacle() {
        Some(_) => Ok(None),
        None => cluster::missing(&Workspace::find()?),
    }
}

pub(super) fn run(context: &Context<'_>) -> Result<Tally> {
    if let Some(why) = cluster::obstacle() {
        return Ok(Tally::skip("cluster", &why));
    }
    if !context.no_install {
        if let Err(why) = cluster::obtain(context.workspace) {
            return Ok(Tally::skip("cluster", &format!("{why:#}")));
        }
    } else if let Some(what) = cluster::missing(context.workspace)? {
        let why = format!("--no-install is set, and this is not there: {what}");
        return Ok(Tally::skip("cluster", &why));
    }
    let path = cluster::search_path(context.workspace)?;
    if !rust::build_program(context, "controller")? {
        return Ok(Tally::of(false));
    }
    let mut tally = Tally::default();
    for test in TESTS {
        let arguments = ["--test", test, "--", "--ignored"];
        tally.add(&rust::test(context, &arguments, &[("PATH", &path)])?);
    }
    Ok(tally)
}
