//! The part `dependencies`: cargo-deny over `deny.toml`.
//!
//! cargo-deny is built from its crate once and kept in the user's cache folder: unoptimized, which
//! takes about a minute instead of several, and it judges this workspace in a second all the same.
//! Building from source asks for nothing but the toolchain that is here already.

use super::Context;
use super::tally::Tally;
use crate::{cache, child};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The version whose configuration `deny.toml` is written in.
const VERSION: &str = "0.20.2";
const BUILD_MAX: Duration = Duration::from_secs(25 * 60);
const CHECK_MAX: Duration = Duration::from_secs(5 * 60);
/// A machine without a way out may wait for an answer instead of getting a refusal.
const DATABASE_MAX: Duration = Duration::from_secs(60);

fn folder_name() -> String {
    format!("cargo-deny-{VERSION}")
}

/// The program in the cache folder, whether or not it is there.
fn cached() -> Result<PathBuf> {
    Ok(cache::place(&folder_name())?.join("bin/cargo-deny"))
}

pub(super) fn installs() -> Result<Option<String>> {
    let program = cached()?;
    let what = format!(
        "cargo-deny {VERSION} into {} (built from its crate, one to five minutes)",
        program.display()
    );
    Ok((!program.is_file()).then_some(what))
}

pub(super) fn check(context: &Context<'_>) -> Result<Tally> {
    let program = cached()?;
    if !program.is_file() {
        if context.no_install {
            return Ok(Tally::skip(
                "dependencies",
                "cargo-deny is not there, and --no-install is set",
            ));
        }
        install(context)?;
    }
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(context.workspace.root())
            .args(["--log-level", "error"])
            .args(arguments);
        command
    };
    let checks = [
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ];
    let mut tally = Tally::of(child::show(deny(&checks), CHECK_MAX)?);
    // A check of its own, because it needs what the others do not: a database from outside.
    let mut fetch = deny(&["fetch", "db"]);
    fetch.stderr(Stdio::null());
    let fetched = child::show(fetch, DATABASE_MAX).unwrap_or_else(|error| {
        println!("{error:#}");
        false
    });
    tally.add(&if fetched {
        let checks = [
            "check",
            "--disable-fetch",
            "--hide-inclusion-graph",
            "advisories",
        ];
        Tally::of(child::show(deny(&checks), CHECK_MAX)?)
    } else {
        Tally::skip(
            "advisories",
            "the database of advisories cannot be reached from this machine",
        )
    });
    Ok(tally)
}

fn install(context: &Context<'_>) -> Result<()> {
    let root = cache::folder(&folder_name())?;
    let build = root.join("build");
    let package = format!("cargo-deny@{VERSION}");
    let mut command = context
        .workspace
        .cargo(&["install", "--quiet", "--locked", "--debug", &package]);
    command
        .arg("--root")
        .arg(&root)
        .arg("--target-dir")
        .arg(&build);
    if !child::show(command, BUILD_MAX)? {
        bail!(
            "cargo-deny could not be built; see above, or run with --no-install to go on without it"
        );
    }
    // Most of a gigabyte that nobody needs again.
    std::fs::remove_dir_all(&build)?;
    Ok(())
}
