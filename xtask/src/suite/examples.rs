//! The part `examples`: programs that nobody here wrote, taken through their rollouts.
//!
//! The tests are those that are marked `#[ignore = "part examples: …"]` in the app's
//! `tests/examples.rs`; the programs are found on `PATH`.

use super::tally::Tally;
use super::{Context, rust};
use crate::debian::{NGINX, PYTHON, Program};
use anyhow::Result;
use std::path::PathBuf;

const PROGRAMS: [Program; 2] = [NGINX, PYTHON];

pub(super) fn installs() -> Result<Option<String>> {
    let mut missing = Vec::new();
    for program in &PROGRAMS {
        if program.find()?.is_none() {
            missing.push(program.package);
        }
    }
    let what = format!(
        "Debian's {} (fetched and unpacked into the user's cache folder)",
        missing.join(" and ")
    );
    Ok((!missing.is_empty()).then_some(what))
}

pub(super) fn run(context: &Context<'_>) -> Result<Tally> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let mut skips = Tally::default();
    let mut arguments = vec!["--test", "examples", "--", "--ignored"];
    for program in &PROGRAMS {
        let place = if context.no_install {
            program.find()?
        } else {
            Some(program.obtain()?)
        };
        match place {
            Some(place) => folders.extend(place.parent().map(PathBuf::from)),
            None => {
                let why = format!("{} is not there, and --no-install is set", program.name);
                skips.add(&Tally::skip(
                    &format!("examples with {}", program.name),
                    &why,
                ));
                arguments.extend(["--skip", program.name]);
            }
        }
    }
    let mut tally = rust::test(context, &arguments, &[("PATH", &rust::path_with(folders)?)])?;
    tally.add(&skips);
    Ok(tally)
}
