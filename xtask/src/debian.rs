//! Programs from Debian's packages, unpacked into the user's cache folder.
//!
//! Nothing is installed on the machine: no root is needed, no service is started, no file outside
//! the cache folder is written. A program that the machine has already is taken as it is.

use crate::{cache, child};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const FETCH_MAX: Duration = Duration::from_secs(5 * 60);
const PROBE_MAX: Duration = Duration::from_secs(20);

/// A program, and the package that has it.
pub(crate) struct Program {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Debian's package.
    pub(crate) package: &'static str,
    /// The argument by which it prints its version and ends.
    version: &'static str,
}

pub(crate) const NGINX: Program = Program {
    name: "nginx",
    package: "nginx-light",
    version: "-v",
};
pub(crate) const HAPROXY: Program = Program {
    name: "haproxy",
    package: "haproxy",
    version: "-v",
};
pub(crate) const PROMETHEUS: Program = Program {
    name: "prometheus",
    package: "prometheus",
    version: "--version",
};
pub(crate) const PYTHON: Program = Program {
    name: "python3",
    package: "python3",
    version: "--version",
};

impl Program {
    /// Where the program is, when it is there and runs.
    pub(crate) fn find(&self) -> Result<Option<PathBuf>> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        // Servers are often outside an ordinary user's PATH.
        let places = std::env::split_paths(&search)
            .chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from))
            .map(|folder| folder.join(self.name))
            .chain([self.unpacked()?]);
        Ok(places
            .into_iter()
            .find(|place| place.is_file() && self.runs(place)))
    }

    /// Where the program is; fetched when it is not there.
    pub(crate) fn obtain(&self) -> Result<PathBuf> {
        if let Some(place) = self.find()? {
            return Ok(place);
        }
        println!(
            "Fetching Debian's package {} into {}",
            self.package,
            self.folder()?.display()
        );
        let folder = cache::folder(&self.folder_name())?;
        self.fetch(&folder)?;
        let root = folder.join("root");
        unpack_all(&folder, &root)?;
        let place = self.write_launcher(&folder, &root)?;
        if !self.runs(&place) {
            bail!(
                "{} was unpacked from Debian's package but does not run",
                place.display()
            );
        }
        Ok(place)
    }

    fn folder_name(&self) -> String {
        format!("debian/{}", self.package)
    }

    fn folder(&self) -> Result<PathBuf> {
        cache::place(&self.folder_name())
    }

    fn unpacked(&self) -> Result<PathBuf> {
        Ok(self.folder()?.join("bin").join(self.name))
    }

    fn runs(&self, place: &Path) -> bool {
        let mut command = Command::new(place);
        command
            .arg(self.version)
            .stderr(std::process::Stdio::null());
        child::run(command, PROBE_MAX, |_| {}).is_ok_and(|status| status.success())
    }

    /// Fetches the package and those that it needs and that are not installed.
    fn fetch(&self, folder: &Path) -> Result<()> {
        let archives = folder.join("archives");
        std::fs::create_dir_all(archives.join("partial"))
            .with_context(|| format!("{} cannot be made", archives.display()))?;
        let download = || {
            let mut command = Command::new("apt-get");
            command
                .args([
                    "install",
                    "--download-only",
                    "--yes",
                    "--quiet=2",
                    "--no-install-recommends",
                ])
                .arg("-o")
                .arg(format!("Dir::Cache::archives={}", archives.display()))
                // The archives lie in a folder of our own: no lock of the machine is needed.
                .args(["-o", "Debug::NoLocking=1", self.package]);
            child::show(command, FETCH_MAX)
        };
        if download()? {
            return Ok(());
        }
        println!("Debian's lists of packages may be old; updating them");
        let mut update = Command::new("apt-get");
        update.args(["update", "--quiet=2"]);
        if child::show(update, FETCH_MAX)? && download()? {
            return Ok(());
        }
        bail!(
            "Debian's package {} could not be fetched; install {} yourself, or run with --no-install",
            self.package,
            self.name
        )
    }

    /// A launcher that lets the program find its libraries; the program keeps the launcher's process id.
    fn write_launcher(&self, folder: &Path, root: &Path) -> Result<PathBuf> {
        let program = ["usr/sbin", "usr/bin"]
            .map(|place| root.join(place).join(self.name))
            .into_iter()
            .find(|place| place.is_file())
            .with_context(|| format!("package {} has no program {}", self.package, self.name))?;
        let mut libraries = String::new();
        // A program that is linked statically brings none.
        let folders = std::fs::read_dir(root.join("usr/lib"))
            .into_iter()
            .flatten();
        for entry in folders.flatten() {
            if entry.file_name().to_string_lossy().ends_with("-linux-gnu") {
                write!(libraries, "{}:", entry.path().display())?;
            }
        }
        let launcher = folder.join("bin").join(self.name);
        std::fs::create_dir_all(folder.join("bin"))?;
        let script = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH='{libraries}'\"$LD_LIBRARY_PATH\" exec '{}' \"$@\"\n",
            program.display()
        );
        std::fs::write(&launcher, script)
            .and_then(|()| std::fs::set_permissions(&launcher, PermissionsExt::from_mode(0o755)))
            .with_context(|| format!("{} cannot be written", launcher.display()))?;
        Ok(launcher)
    }
}

fn unpack_all(folder: &Path, root: &Path) -> Result<()> {
    std::fs::create_dir_all(root)?;
    let archives = folder.join("archives");
    for entry in std::fs::read_dir(&archives)? {
        let archive = entry?.path();
        if archive
            .extension()
            .is_some_and(|extension| extension == "deb")
        {
            let mut command = Command::new("dpkg-deb");
            command.arg("--extract").arg(&archive).arg(root);
            if !child::show(command, FETCH_MAX)? {
                bail!("{} cannot be unpacked", archive.display());
            }
        }
    }
    Ok(())
}
