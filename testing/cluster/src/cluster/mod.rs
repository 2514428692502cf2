//! A running cluster: how it begins and ends. What is done with it meanwhile is in `access`.

mod access;

use crate::components::Component;
use crate::credentials::Credentials;
use crate::holder::{Holder, tail};
use crate::lock::Lock;
use crate::members;
use crate::name::ClusterName;
use crate::programs::Programs;
use crate::state::State;
use crate::variant::Variant;
use crate::{start, teardown};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Child;

/// A cluster on this machine. One that this value started ends with it, unless it is [kept](Cluster::keep).
#[derive(Debug)]
pub struct Cluster {
    name: ClusterName,
    variant: Variant,
    programs: Programs,
    holder: Option<Holder>,
    /// Children of this process: reaped when the cluster ends, and told from those that run when one ends early.
    children: Vec<(&'static str, Child)>,
    /// Held by the one that ends the cluster.
    lock: Option<Lock>,
}

impl Cluster {
    /// Starts a cluster, and waits until it answers and pods run in it. What an earlier one of this name left, is removed first.
    ///
    /// # Errors
    /// When this is not root, a program is missing, another process uses the cluster, or a part does not come up in time; the error
    /// has the last words of the part's log, and nothing is left.
    pub fn up(name: &ClusterName, variant: Variant) -> Result<Self> {
        Self::up_telling(name, variant, &mut |_| {})
    }

    /// As [`Cluster::up`], telling what is being waited for.
    ///
    /// # Errors
    /// As [`Cluster::up`].
    pub fn up_telling(
        name: &ClusterName,
        variant: Variant,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("a cluster needs namespaces, mounts and cgroups of its own; run this as root");
        }
        let programs = Programs::find(variant)?;
        let lock = Lock::take(name)?;
        teardown::take_down(name).context("what an earlier cluster left cannot be removed")?;
        let mut cluster = Self {
            name: name.clone(),
            variant,
            programs,
            holder: None,
            children: Vec::new(),
            lock: Some(lock),
        };
        // On failure the value is dropped, and what was started ends.
        start::start(&mut cluster, tell)?;
        Ok(cluster)
    }

    /// A cluster that somebody else started completely, and will end.
    ///
    /// # Errors
    /// When there is none of this name, or it has not come up or has ended.
    pub fn find(name: &ClusterName) -> Result<Self> {
        let state = State::read(name)?.with_context(|| {
            format!("there is no cluster {name}; `cargo xtask cluster up {name}` starts one")
        })?;
        let holder = Holder::find(name)?
            .filter(|_| state.is_complete)
            .with_context(|| {
                format!(
                    "the cluster {name} is not up; `cargo xtask cluster up {name}` starts it anew"
                )
            })?;
        Ok(Self {
            name: name.clone(),
            variant: state.variant,
            programs: Programs::find(state.variant)?,
            holder: Some(holder),
            children: Vec::new(),
            lock: None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ClusterName {
        &self.name
    }

    /// What it consists of.
    #[must_use]
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// The administrator's kubeconfig. Its server can be reached from inside the cluster's network namespace only.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        Credentials::of(&self.name.folder()).kubeconfig()
    }

    /// A kubeconfig with the same rights, for a program whose requests are to be counted: each of them is in the
    /// [audit log](Cluster::audit_log), and those of others are not.
    #[must_use]
    pub fn observed_kubeconfig(&self) -> PathBuf {
        Credentials::of(&self.name.folder()).observed_kubeconfig()
    }

    /// The API server's audit log: a JSON object (`audit.k8s.io/v1` `Event`) a line.
    #[must_use]
    pub fn audit_log(&self) -> PathBuf {
        self.log("audit")
    }

    /// The log of a part, such as `kube-apiserver`.
    #[must_use]
    pub fn log(&self, component: &str) -> PathBuf {
        crate::holder::log_path(&self.name, component)
    }

    /// Kills a part, such as `kube-apiserver`, as `kill -9` does.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, component: &str) -> Result<()> {
        members::end_role(&self.name, component)?;
        if let Some(index) = self
            .children
            .iter()
            .position(|(name, _)| *name == component)
        {
            self.children.swap_remove(index).1.wait()?;
        }
        Ok(())
    }

    /// Starts a part anew that was [killed](Cluster::kill), and waits until the API server answers.
    ///
    /// # Errors
    /// When the cluster has no such part, or it does not come up.
    pub fn start(&mut self, component: &str) -> Result<()> {
        self.start_without_waiting(component)?;
        start::wait_for_api(self)
    }

    /// Starts a part anew that was [killed](Cluster::kill), while others are still missing.
    ///
    /// # Errors
    /// When the cluster has no such part.
    pub fn start_without_waiting(&mut self, component: &str) -> Result<()> {
        let component = start::component(self, component)?;
        self.launch(&component)
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Remembers the first process of the cluster.
    pub(crate) fn hold(&mut self, holder: Holder, child: Child) {
        self.holder = Some(holder);
        self.children.push(("holder", child));
    }

    /// Starts a part.
    pub(crate) fn launch(&mut self, component: &Component) -> Result<()> {
        let holder = self
            .holder
            .as_ref()
            .context("the cluster's first process does not run")?;
        let child = holder.spawn(component.name, &component.arguments, &self.programs)?;
        self.children.push((component.name, child));
        Ok(())
    }

    /// An error when a part that this process started has ended, with its last words.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        for (name, child) in &mut self.children {
            if let Some(status) = child.try_wait()? {
                bail!("{name} has ended, {status}; {}", tail(&self.name, name));
            }
        }
        Ok(())
    }

    /// Lets the cluster run on when this value, and this process, are gone.
    pub fn keep(mut self) {
        self.lock = None;
    }

    /// Ends the cluster now, and tells what could not be ended.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn down(mut self) -> Result<()> {
        let Some(lock) = self.lock.take() else {
            bail!("the cluster {} is somebody else's to end", self.name);
        };
        self.end(lock)
    }

    fn end(&mut self, lock: Lock) -> Result<()> {
        let strangers = teardown::take_down(&self.name)?;
        for (_, mut child) in self.children.drain(..) {
            child.wait()?;
        }
        lock.remove()?;
        if !strangers.is_empty() {
            bail!(
                "the cluster {} is down, but {}",
                self.name,
                strangers.join(", ")
            );
        }
        Ok(())
    }
}

impl Drop for Cluster {
    #[allow(clippy::print_stderr, reason = "there is nobody else to tell")]
    fn drop(&mut self) {
        if let Some(lock) = self.lock.take()
            && let Err(error) = self.end(lock)
        {
            eprintln!(
                "the cluster {} could not be taken down: {error:#}",
                self.name
            );
        }
    }
}

/// Ends a cluster and removes what is left of it, whoever started it and however far that got. Does nothing where there is none.
/// Answers what it left alone: processes of others in the cluster's network.
///
/// # Errors
/// When a running process uses the cluster, or something of it cannot be removed.
pub fn down(name: &ClusterName) -> Result<Vec<String>> {
    let lock = Lock::take(name)?;
    let strangers = teardown::take_down(name)?;
    lock.remove()?;
    Ok(strangers)
}
