//! The part `cluster`: tests against a real Kubernetes cluster on this machine.
//!
//! They are those that are marked `#[ignore = "part cluster: …"]`; each starts the cluster that it needs and ends it. The
//! programs are found on `PATH`.

use super::tally::Tally;
use super::{Context, rust};
use crate::cluster;
use crate::go::ARGO_ROLLOUTS;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;

/// The tests' names, in crates of testing/. The last one runs the product's program.
const TESTS: [&str; 2] = ["cluster", "controller"];

/// The tests that need Argo's controller have this in their names.
const WITH_ARGO: &str = "takeover";

pub(super) fn installs() -> Result<Option<String>> {
    if cluster::obstacle().is_some() {
        return Ok(None);
    }
    let workspace = Workspace::find()?;
    let argo = ARGO_ROLLOUTS.missing(&ARGO_ROLLOUTS.source(&workspace))?;
    let parts: Vec<String> = cluster::missing(&workspace)?
        .into_iter()
        .chain(argo)
        .collect();
    Ok((!parts.is_empty()).then(|| parts.join("; ")))
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
    let argo = argo(context);
    let path = cluster::search_path(context.workspace)?;
    if !rust::build_program(context, "controller")? {
        return Ok(Tally::of(false));
    }
    let mut tally = Tally::default();
    for test in TESTS {
        let mut arguments = vec!["--test", test, "--", "--ignored"];
        if argo.is_err() {
            arguments.extend(["--skip", WITH_ARGO]);
        }
        tally.add(&rust::test(context, &arguments, &[("PATH", &path)])?);
    }
    if let Err(why) = argo {
        tally.add(&Tally::skip("taking over from Argo's controller", &why));
    }
    Ok(tally)
}

/// Argo's controller, or why it is not there.
fn argo(context: &Context<'_>) -> Result<PathBuf, String> {
    let source = ARGO_ROLLOUTS.source(context.workspace);
    if !context.no_install {
        return ARGO_ROLLOUTS
            .obtain(&source)
            .map_err(|why| format!("{why:#}"));
    }
    let found = ARGO_ROLLOUTS.find(&source);
    found.map_err(|why| format!("{why:#}"))?.ok_or_else(|| {
        let name = ARGO_ROLLOUTS.name;
        format!("--no-install is set, and the controller of {name} is not built")
    })
}
