//! The controllers that are compared, and how each is started.

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use sluice_cluster::Cluster;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where the Lease is that each of them holds.
pub(crate) const LEASE_NAMESPACE: &str = "argo-rollouts";

/// A controller with its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Contestant {
    /// Argo's, as it comes: 40 requests a second, 80 at once, for each of its clients.
    Argo,
    /// Argo's with a limit that it does not reach.
    ArgoUnlimited,
    /// Sluice's, as it comes: without a limit.
    Sluice,
    /// Sluice's with the limit that Argo's has.
    SluiceLimited,
}

impl Contestant {
    /// Whether it is Sluice.
    #[must_use]
    pub fn is_sluice(self) -> bool {
        matches!(self, Contestant::Sluice | Contestant::SluiceLimited)
    }

    /// What it is called, short.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Contestant::Argo => "Argo Rollouts",
            Contestant::ArgoUnlimited => "Argo Rollouts, unlimited",
            Contestant::Sluice => "Sluice",
            Contestant::SluiceLimited => "Sluice, limited",
        }
    }

    /// Its arguments, those aside that say where the cluster is.
    #[must_use]
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            // It elects a leader unless it is told not to.
            Contestant::Argo => &[],
            Contestant::ArgoUnlimited => &["--qps=10000", "--burst=20000"],
            Contestant::Sluice => &["controller", "--leader-elect"],
            Contestant::SluiceLimited => {
                &["controller", "--leader-elect", "--qps=40", "--burst=80"]
            }
        }
    }
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `sluice`.
    pub sluice: PathBuf,
    /// Argo's `rollouts-controller`; it is needed only when it takes part.
    pub argo: Option<PathBuf>,
}

impl Programs {
    fn of(&self, contestant: Contestant) -> Result<&Path> {
        if contestant.is_sluice() {
            return Ok(&self.sluice);
        }
        self.argo
            .as_deref()
            .context("Argo's controller takes part; say where it is with --argo")
    }

    /// What the programs say about their versions.
    ///
    /// # Errors
    /// When one cannot be run.
    pub fn version(&self, contestant: Contestant) -> Result<String> {
        let program = self.of(contestant)?;
        let output = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} cannot be run", program.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.split_whitespace().find(|word| {
            let word = word.trim_start_matches('v');
            word.starts_with(|first: char| first.is_ascii_digit())
        });
        let version = version.and_then(|version| version.split('+').next());
        let version = version.with_context(|| format!("{} says no version", program.display()))?;
        Ok(version.to_owned())
    }

    /// The cluster's definitions of Argo's kinds.
    ///
    /// # Errors
    /// When `sluice` cannot be run.
    pub(crate) fn definitions(&self) -> Result<String> {
        let output = Command::new(&self.sluice)
            .arg("crds")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} cannot be run", self.sluice.display()))?;
        if !output.status.success() {
            bail!("`{} crds` failed", self.sluice.display());
        }
        String::from_utf8(output.stdout).context("the definitions are not text")
    }
}

/// A controller that runs in a cluster, ended with the value.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a controller inside a cluster. The API server logs its requests.
    pub(crate) fn start(
        programs: &Programs,
        contestant: Contestant,
        cluster: &Cluster,
    ) -> Result<Self> {
        let program = programs.of(contestant)?;
        let log = cluster.log("controller");
        let output =
            File::create(&log).with_context(|| format!("{} cannot be made", log.display()))?;
        let process = cluster
            .run_inside(program)
            .args(contestant.arguments())
            .arg("--kubeconfig")
            .arg(cluster.observed_kubeconfig())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        Ok(Self { process, log })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u32 {
        self.process.id()
    }

    /// An error when it has ended, with its last words.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(status) = self.process.try_wait()? else {
            return Ok(());
        };
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = said.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!(
            "the controller has ended, {status}; its last words:\n{}",
            last.join("\n")
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which `check` has told then.
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}
