//! What a program is linked to, as the system's loader says.

use crate::run;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ASK_MAX: Duration = Duration::from_secs(20);

/// The libraries and the loader of a program, under the names by which it looks for them; none when it is linked statically.
pub(super) fn of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = run::finish(Command::new("ldd").arg(program), "", ASK_MAX)?;
    if !output.status.success() {
        if output.stderr.contains("not a dynamic executable") {
            return Ok(Vec::new());
        }
        bail!(
            "the libraries of {} are not known: {}",
            program.display(),
            output.stderr.trim()
        );
    }
    parse(&output.stdout)
}

/// The names by which busybox can be called.
pub(super) fn busybox_applets(busybox: &Path) -> Result<Vec<String>> {
    let list = run::succeed(Command::new(busybox).arg("--list"), "", ASK_MAX)?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Reads `NAME => PATH (ADDRESS)` and `PATH (ADDRESS)`; what the kernel itself provides has no path.
fn parse(said: &str) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in said.lines().map(str::trim) {
        if line.ends_with("=> not found") {
            bail!("a library is missing: {line}");
        }
        let place = line.split_once("=> ").map_or(line, |(_, place)| place);
        let place = place.split(" (").next().unwrap_or_default();
        if place.starts_with('/') {
            libraries.push(PathBuf::from(place));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_the_loader_are_found_and_the_kernels_part_is_not() {
        let said = "\tlinux-vdso.so.1 (0x00007ffd)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            parse(said).expect("well-formed"),
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
            .map(PathBuf::from)
        );
        assert!(
            parse("\tstatically linked\n")
                .expect("well-formed")
                .is_empty()
        );
        assert!(parse("\tlibz.so.1 => not found\n").is_err());
    }

    #[test]
    fn this_very_program_has_libraries_that_are_there() {
        let me = std::env::current_exe().expect("a path");
        let libraries = of(&me).expect("the loader knows");
        assert!(
            libraries.iter().all(|library| library.is_file()),
            "{libraries:?}"
        );
        assert!(
            libraries
                .iter()
                .any(|library| library.to_string_lossy().contains("libc.so"))
        );
    }
}
