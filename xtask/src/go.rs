//! Programs built from pinned Go modules, kept in the user's cache folder.
//!
//! A tools module is a folder with a `go.mod` and a `go.sum`, and no code: they say which version of which module is meant, and of
//! everything that it needs. What was built is kept with a copy of both files, and built anew when they change.

use crate::workspace::Workspace;
use crate::{cache, child};
use anyhow::{Context, Result, bail};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest build of one module, with everything that it needs, on a slow machine.
const BUILD_MAX: Duration = Duration::from_secs(40 * 60);
/// Longest wait for another run that builds the same.
const OTHERS_MAX: Duration = Duration::from_secs(45 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a build says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// A tools module, and what is built from it.
pub(crate) struct Tools {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The tools module, below the workspace's folder.
    folder: &'static str,
    /// The module that has the programs; its version is the folder's in the cache.
    module: &'static str,
    /// Packages of programs, with the programs' names.
    programs: &'static [(&'static str, &'static str)],
    /// What the programs are told about themselves: variables of packages, with `{version}` in the values, or `{number}`
    /// for the same without its `v`.
    variables: &'static [(&'static str, &'static str)],
    /// How long a first build takes on two cores, for people.
    takes: &'static str,
    /// The oldest Go that builds it.
    needs_go: &'static str,
}

pub(crate) const KUBERNETES: Tools = Tools {
    name: "kubernetes",
    folder: "testing/cluster/tools/kubernetes",
    module: "k8s.io/kubernetes",
    programs: &[
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        (
            "kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        ),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    ],
    variables: &[
        ("k8s.io/component-base/version.gitVersion", "{version}"),
        ("k8s.io/component-base/version.gitMajor", "{major}"),
        ("k8s.io/component-base/version.gitMinor", "{minor}"),
    ],
    takes: "about 8 minutes",
    needs_go: "1.25",
};

pub(crate) const ETCD: Tools = Tools {
    name: "etcd",
    folder: "testing/cluster/tools/etcd",
    module: "go.etcd.io/etcd/server/v3",
    programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
    variables: &[],
    takes: "half a minute",
    needs_go: "1.25",
};

pub(crate) const KWOK: Tools = Tools {
    name: "kwok",
    folder: "testing/cluster/tools/kwok",
    module: "sigs.k8s.io/kwok",
    programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
    variables: &[],
    takes: "about a minute",
    needs_go: "1.25",
};

/// The peer of `sluice controller`: it knows its own version by a variable alone.
pub(crate) const ARGO_ROLLOUTS: Tools = Tools {
    name: "argo-rollouts",
    folder: "testing/controller/tools/argo-rollouts",
    module: "github.com/argoproj/argo-rollouts",
    programs: &[(
        "rollouts-controller",
        "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
    )],
    variables: &[(
        "github.com/argoproj/argo-rollouts/utils/version.version",
        "{number}",
    )],
    takes: "about 4 minutes",
    needs_go: "1.26",
};

/// Whether Go is there to build with.
fn is_there() -> bool {
    let mut command = Command::new("go");
    command.arg("version");
    child::text(command, Duration::from_secs(20)).is_ok_and(|said| said.is_some())
}

impl Tools {
    /// The tools module.
    pub(crate) fn source(&self, workspace: &Workspace) -> PathBuf {
        workspace.root().join(self.folder)
    }

    /// What would be built from `source`, for people; `None` when it is there.
    pub(crate) fn missing(&self, source: &Path) -> Result<Option<String>> {
        if self.find(source)?.is_some() {
            return Ok(None);
        }
        Ok(Some(format!(
            "{} {} (built from its Go module into the user's cache folder, {} once)",
            self.name,
            self.version(source)?,
            self.takes
        )))
    }

    /// The folder with the programs, if they are there as `source` wants them.
    pub(crate) fn find(&self, source: &Path) -> Result<Option<PathBuf>> {
        let place = self.place(source)?;
        let built_from = fs::read_to_string(place.join(BUILT_FROM)).ok();
        let is_current =
            built_from.is_some_and(|text| self.recipe(source).is_ok_and(|recipe| recipe == text));
        let is_whole = self
            .programs
            .iter()
            .all(|(name, _)| place.join("bin").join(name).is_file());
        Ok((is_current && is_whole).then(|| place.join("bin")))
    }

    /// The folder with the programs, built when they are not there. `source` is the tools module.
    pub(crate) fn obtain(&self, source: &Path) -> Result<PathBuf> {
        if let Some(folder) = self.find(source)? {
            return Ok(folder);
        }
        if !is_there() {
            bail!(
                "{} is built with Go, and there is no `go` on PATH; install Go {} or newer",
                self.name,
                self.needs_go
            );
        }
        let place = self.place(source)?;
        let _lock = self.lock(&place)?;
        // Somebody else may have built them meanwhile.
        if let Some(folder) = self.find(source)? {
            return Ok(folder);
        }
        self.build(source, &place)?;
        self.find(source)?
            .with_context(|| format!("{} was built, and is not there", self.name))
    }

    fn place(&self, source: &Path) -> Result<PathBuf> {
        cache::place(&format!("go/{}-{}", self.name, self.version(source)?))
    }

    /// The version that `go.mod` names.
    fn version(&self, source: &Path) -> Result<String> {
        let path = source.join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        version_of(self.module, &text)
            .with_context(|| format!("{} requires no {}", path.display(), self.module))
    }

    /// Everything that decides what is built.
    fn recipe(&self, source: &Path) -> Result<String> {
        let read = |file: &str| {
            let path = source.join(file);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let version = self.version(source)?;
        Ok([
            self.arguments(&version).join(" "),
            read("go.mod")?,
            read("go.sum")?,
        ]
        .join("\n"))
    }

    fn arguments(&self, version: &str) -> Vec<String> {
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (
            numbers.next().unwrap_or_default(),
            numbers.next().unwrap_or_default(),
        );
        let mut flags = "-s -w".to_owned();
        for (name, value) in self.variables {
            let value = value
                .replace("{version}", version)
                .replace("{number}", version.trim_start_matches('v'))
                .replace("{major}", major)
                .replace("{minor}", minor);
            flags.push_str(&format!(" -X {name}={value}"));
        }
        ["build", "-v", "-mod=readonly", "-trimpath", "-ldflags"]
            .map(str::to_owned)
            .into_iter()
            .chain([flags])
            .collect()
    }

    fn lock(&self, place: &Path) -> Result<File> {
        fs::create_dir_all(place).with_context(|| format!("{} cannot be made", place.display()))?;
        let path = place.join("lock");
        let file =
            File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        let started = Instant::now();
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => {
                    return Err(error)
                        .with_context(|| format!("{} cannot be locked", path.display()));
                }
                Err(TryLockError::WouldBlock) if started.elapsed() > OTHERS_MAX => {
                    bail!(
                        "another run builds {} for too long; it holds {}",
                        self.name,
                        path.display()
                    );
                }
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut is_told, true) {
                        println!("Waiting for another run that builds {}", self.name);
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
            }
        }
    }

    fn build(&self, source: &Path, place: &Path) -> Result<()> {
        let version = self.version(source)?;
        println!(
            "Building {} {version} into {}: {} once",
            self.name,
            place.display(),
            self.takes
        );
        // Nothing is called built that was not built to its end.
        let new = place.join("new");
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir_all(&new)?;
        for (name, package) in self.programs {
            let mut command = Command::new("sh");
            // Go names the packages that it compiles on its standard error.
            command
                .args(["-c", "exec go \"$@\" 2>&1", "go"])
                .args(self.arguments(&version))
                .arg("-o")
                .arg(new.join(name))
                .arg(package)
                .current_dir(source)
                .env("CGO_ENABLED", "0");
            run_telling(command, name)?;
        }
        let programs = place.join("bin");
        if programs.exists() {
            fs::remove_dir_all(&programs)?;
        }
        fs::rename(&new, &programs)?;
        fs::write(place.join(BUILT_FROM), self.recipe(source)?)?;
        Ok(())
    }
}

/// The file beside the programs that says what they were built from.
const BUILT_FROM: &str = "built-from";

fn version_of(module: &str, go_mod: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("require ").unwrap_or(line);
        let version = line.strip_prefix(module)?.strip_prefix(' ')?;
        version
            .starts_with('v')
            .then(|| version.split(' ').next().map(str::to_owned))?
    })
}

/// Runs a build, and says now and then how far it is.
fn run_telling(command: Command, name: &str) -> Result<()> {
    let started = Instant::now();
    let mut told = started;
    let mut packages = 0;
    let mut last = Vec::new();
    let status = child::run(command, BUILD_MAX, |line| {
        packages += 1;
        last.push(line.to_owned());
        if last.len() > 20 {
            last.remove(0);
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            println!(
                "  {name}: {packages} packages, {} s",
                started.elapsed().as_secs()
            );
        }
    })?;
    if !status.success() {
        bail!("{name} could not be built:\n{}", last.join("\n"));
    }
    println!("  {name}: built in {} s", started.elapsed().as_secs());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_module_itself() {
        let go_mod = "module tools\n\nrequire (\n\tk8s.io/kubernetes-x v9.9.9\n\tk8s.io/kubernetes v1.34.4 // indirect\n)\n\
                      tool k8s.io/kubernetes/cmd/kubelet\n";
        assert_eq!(
            version_of("k8s.io/kubernetes", go_mod).as_deref(),
            Some("v1.34.4")
        );
        assert_eq!(
            version_of("k8s.io/kubernetes", "require k8s.io/kubernetes v1.2.3\n").as_deref(),
            Some("v1.2.3")
        );
        assert_eq!(
            version_of("k8s.io/kubernetes", "module k8s.io/kubernetes\n"),
            None
        );
    }

    #[test]
    fn the_programs_are_told_their_version() {
        let arguments = KUBERNETES.arguments("v1.34.4");
        let flags = arguments.last().expect("flags");
        assert!(
            flags.contains("gitVersion=v1.34.4") && flags.contains("gitMinor=34"),
            "{flags}"
        );
    }

    #[test]
    fn every_tools_module_pins_a_version() {
        let root = crate::workspace::Workspace::find().expect("the workspace");
        for tools in [&KUBERNETES, &ETCD, &KWOK, &ARGO_ROLLOUTS] {
            let source = tools.source(&root);
            let recipe = tools.recipe(&source).expect("go.mod and go.sum");
            for (_, package) in tools.programs {
                assert!(
                    recipe.contains(package),
                    "{package} is no tool of {}",
                    source.display()
                );
            }
        }
    }
}
