//! The rules between the crates, checked: who may depend on whom, and that the pure crates are pure.
//!
//! `graph` reads `cargo metadata`, `rules` judges its edges and closures, `sources` reads the pure
//! crates' code for what no manifest shows: clocks, files, sockets, threads, globals. The reasons
//! for the rules are in ARCHITECTURE.md.

mod graph;
mod names;
mod rules;
mod sources;

use crate::workspace::Workspace;
use anyhow::Result;
use graph::Graph;
use std::fmt;

/// One broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The edge, the chain of edges, or the place in a file.
    pub(crate) place: String,
    /// The rule that it breaks, and what to do instead.
    pub(crate) rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.rule)
    }
}

/// What was looked at, and what is wrong with it.
pub(crate) struct Findings {
    /// Crates of the workspace.
    pub(crate) crates: usize,
    /// Source files of pure crates.
    pub(crate) files: usize,
    /// Broken rules.
    pub(crate) violations: Vec<Violation>,
}

/// Checks the workspace as it is on disk.
pub(crate) fn check(workspace: &Workspace) -> Result<Findings> {
    let graph = Graph::from_metadata(&workspace.metadata(&[])?)?;
    let mut violations = rules::check(&graph);
    let mut files = 0;
    for member in graph.members().filter(|member| rules::is_pure(member)) {
        let scan = sources::scan_crate(workspace.root(), &member.folder)?;
        files += scan.files;
        violations.extend(scan.violations);
    }
    Ok(Findings {
        crates: graph.members().count(),
        files,
        violations,
    })
}

/// Checks and prints; `true` when no rule is broken.
pub(crate) fn check_and_report(workspace: &Workspace) -> Result<bool> {
    let findings = check(workspace)?;
    for violation in &findings.violations {
        println!("{violation}");
    }
    println!(
        "{} crates and {} files of pure crates checked, {} rules broken",
        findings.crates,
        findings.files,
        findings.violations.len()
    );
    Ok(findings.violations.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_keeps_its_layers() {
        let findings = check(&Workspace::find().expect("the workspace")).expect("it can be read");
        let broken: Vec<String> = findings
            .violations
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(broken.is_empty(), "broken rules:\n{}", broken.join("\n"));
        assert!(
            findings.crates > 10 && findings.files > 10,
            "hardly anything was looked at"
        );
    }
}
