//! Reads the pure crates' code for what no manifest shows: clocks, files, sockets, threads, globals.
//!
//! The modules are followed from `src/lib.rs`; whatever is compiled for tests only is left out. What
//! is looked for are names, not behaviour (see `names`): a call through a library is the closure
//! rule's business.

use super::Violation;
use super::names::scan_text;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// Depth of modules that is followed: more can only be a module that contains itself.
const MODULE_DEPTH_MAX: usize = 32;

/// What was read of one crate.
pub(super) struct Scan {
    /// Files read.
    pub(super) files: usize,
    /// What should not be there.
    pub(super) violations: Vec<Violation>,
}

/// Reads the library of the crate in `folder`, relative to `root`.
pub(super) fn scan_crate(root: &Path, folder: &str) -> Result<Scan> {
    let mut scan = Scan {
        files: 0,
        violations: Vec::new(),
    };
    let lib = Path::new(folder).join("src/lib.rs");
    let submodules = lib.parent().map(Path::to_owned).unwrap_or_default();
    scan_file(root, &lib, &submodules, 0, &mut scan)?;
    Ok(scan)
}

fn scan_file(
    root: &Path,
    file: &Path,
    submodules: &Path,
    depth: usize,
    scan: &mut Scan,
) -> Result<()> {
    if depth > MODULE_DEPTH_MAX {
        bail!(
            "{}: modules are nested deeper than {MODULE_DEPTH_MAX}",
            file.display()
        );
    }
    let path = root.join(file);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let (violations, modules) = scan_text(&file.display().to_string(), &text)?;
    scan.files += 1;
    scan.violations.extend(violations);
    for module in modules {
        let below = module
            .iter()
            .fold(submodules.to_owned(), |path, part| path.join(part));
        let flat = below.with_extension("rs");
        let nested = below.join("mod.rs");
        let next = if root.join(&flat).is_file() {
            flat
        } else {
            nested
        };
        scan_file(root, &next, &below, depth + 1, scan)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_followed_but_not_those_for_tests() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = folder.path().join("pure/src").join(path);
            std::fs::create_dir_all(path.parent().expect("it has a parent")).expect("folders");
            std::fs::write(path, text).expect("a file");
        };
        write("lib.rs", "mod a; mod b { mod c; }\n#[cfg(test)] mod tests;");
        write("a/mod.rs", "mod d;");
        write("a/d.rs", "use std::fs;");
        write("b/c.rs", "use std::env;");
        write("tests.rs", "use std::thread;");
        let scan = scan_crate(folder.path(), "pure").expect("it can be read");
        let places: Vec<&str> = scan
            .violations
            .iter()
            .map(|found| found.place.as_str())
            .collect();
        assert_eq!(places, ["pure/src/a/d.rs:1:10", "pure/src/b/c.rs:1:10"]);
        assert_eq!(scan.files, 4);
    }
}
