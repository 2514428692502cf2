//! Documents that are made from the program itself: the reference of the command line and the
//! schema of `sluice.yaml`.
//!
//! They lie in `docs/` and are checked in, so that they can be read without building; the suite
//! compares them with what the program says now.

use crate::argo_hashes;
use crate::child;
use crate::kubernetes;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest time to build the program.
const BUILD_MAX: Duration = Duration::from_secs(30 * 60);
/// Longest time to print one page.
const PRINT_MAX: Duration = Duration::from_secs(20);
/// Depth of commands within commands that is followed.
const DEPTH_MAX: usize = 4;

/// How to generate.
#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a document is not up to date.
    #[arg(long)]
    check: bool,
    /// Write Kubernetes' definitions of a pod anew, from `api/openapi-spec/v3` of its source, and nothing
    /// else.
    #[arg(long, value_name = "FOLDER", conflicts_with = "check")]
    kubernetes: Option<PathBuf>,
    /// Write how Go writes Argo's objects anew, and the hashes that Argo's functions compute, and nothing else.
    /// Needs Go.
    #[arg(long, conflicts_with_all = ["check", "kubernetes"])]
    argo_hashes: bool,
}

/// A document: where it lies, and what it should say.
struct Document {
    file: &'static str,
    text: String,
}

/// Writes the documents, or checks them; `true` when they are up to date now.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    if options.check {
        return check(workspace);
    }
    if let Some(folder) = &options.kubernetes {
        kubernetes::generate(workspace.root(), folder)?;
        return Ok(true);
    }
    if options.argo_hashes {
        argo_hashes::generate(workspace)?;
        return Ok(true);
    }
    for document in documents(workspace)? {
        let path = workspace.root().join(document.file);
        std::fs::write(&path, &document.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        println!("{} written", document.file);
    }
    Ok(true)
}

/// Compares the documents with what the program prints now; `true` when they are the same.
pub(crate) fn check(workspace: &Workspace) -> Result<bool> {
    let mut same = true;
    for Document { file, text } in documents(workspace)? {
        match difference(&workspace.root().join(file), &text) {
            None => println!("{file} is up to date"),
            Some(line) => {
                println!("{file} differs from line {line} on; run `cargo xtask generate`");
                same = false;
            }
        }
    }
    Ok(same)
}

fn documents(workspace: &Workspace) -> Result<[Document; 2]> {
    let build = workspace.cargo(&["build", "--locked", "--quiet", "-p", "sluice"]);
    if !child::show(build, BUILD_MAX)? {
        bail!("`sluice` could not be built, so it cannot print its documents");
    }
    let sluice = Sluice {
        program: workspace.target_dir()?.join("debug/sluice"),
    };
    let mut reference = "\
# Command line

Made from `sluice --help` by `cargo xtask generate`; changes belong into the program.
"
    .to_owned();
    sluice.describe(&[], &mut reference)?;
    let schema = sluice.print(&["schema"])?;
    Ok([
        Document {
            file: "docs/cli.md",
            text: reference,
        },
        Document {
            file: "docs/sluice.schema.json",
            text: schema,
        },
    ])
}

/// The program as it was built.
struct Sluice {
    program: PathBuf,
}

impl Sluice {
    /// What a command prints.
    fn print(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        // Without a terminal anywhere, so that its width does not matter.
        command.args(arguments).stderr(Stdio::null());
        match child::text(command, PRINT_MAX)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => bail!(
                "`sluice {}` printed nothing, or failed",
                arguments.join(" ")
            ),
        }
    }

    /// Adds the help of a command, and of the commands within it.
    fn describe(&self, command: &[&str], reference: &mut String) -> Result<()> {
        if command.len() > DEPTH_MAX {
            bail!(
                "`sluice {}`: commands are nested too deep",
                command.join(" ")
            );
        }
        let help = self.print(&[command, &["--help"]].concat())?;
        let title = ["sluice"]
            .iter()
            .chain(command)
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        let level = "#".repeat(2 + command.len().min(1));
        write!(
            reference,
            "\n{level} {title}\n\n```text\n{}\n```\n",
            help.trim_end()
        )?;
        for name in commands_in(&help) {
            self.describe(&[command, &[name]].concat(), reference)?;
        }
        Ok(())
    }
}

/// The names under `Commands:` in a help text.
fn commands_in(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A description that goes on in the next line is indented further than a name.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// The first line, from 1, in which the file differs from `text`; a file that cannot be read differs in the first.
fn difference(file: &Path, text: &str) -> Option<usize> {
    let written = std::fs::read_to_string(file).unwrap_or_default();
    if written == text {
        return None;
    }
    let same = written
        .lines()
        .zip(text.lines())
        .take_while(|(left, right)| left == right)
        .count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_missing_document_differs() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.md");
        assert_eq!(difference(&file, "one\n"), Some(1));
        std::fs::write(&file, "one\ntwo\n").expect("a file");
        assert_eq!(difference(&file, "one\ntwo\n"), None);
        assert_eq!(difference(&file, "one\n2\n"), Some(2));
        assert_eq!(difference(&file, "one\n"), Some(2));
    }

    #[test]
    fn every_command_of_a_help_text_is_found() {
        let help = "\
Take a change to its users

Usage: sluice <COMMAND>

Commands:
  up      Run the services of a document
  deploy  Roll out what the document says now; a long description
          goes on here
  help    Print this message

Options:
  -h, --help  Print help
";
        assert_eq!(commands_in(help), ["up", "deploy"]);
        assert_eq!(commands_in("Usage: sluice up\n"), Vec::<&str>::new());
    }
}
