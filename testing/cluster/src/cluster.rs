//! A running cluster, as tests and the command line use it.

use crate::components::{Component, node};
use crate::credentials::Credentials;
use crate::holder::{Holder, tail};
use crate::image::{Image, write_archive};
use crate::lock::Lock;
use crate::members::{self, marks};
use crate::name::ClusterName;
use crate::programs::Programs;
use crate::run::{self, Output, wait_until};
use crate::state::State;
use crate::variant::Variant;
use crate::{network, start, teardown};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// Longest time of one call of kubectl; it has a shorter limit of its own for each request.
const KUBECTL_MAX: Duration = Duration::from_secs(120);
const REQUEST_MAX: &str = "--request-timeout=60s";
/// Longest time of an import of images.
const IMPORT_MAX: Duration = Duration::from_secs(180);
/// By this label containerd's side towards the kubelet says that it has taken note of an image.
const KNOWN_IMAGE: &str = "io.cri-containerd.image=managed";
/// Variables that would send requests to a proxy, which cannot be reached from inside.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

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

    /// The log of a part, such as `kube-apiserver`.
    #[must_use]
    pub fn log(&self, component: &str) -> PathBuf {
        crate::holder::log_path(&self.name, component)
    }

    /// A command that runs `program` inside the cluster's network, with `KUBECONFIG` set and kubectl on `PATH`; everything else is
    /// as outside. The process is the program's own, and ends with the cluster at the latest.
    #[must_use]
    pub fn run_inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let search = std::env::var("PATH").unwrap_or_default();
        command
            .arg(format!("--net={}", self.name.namespace_path().display()))
            .arg("--")
            .arg(program)
            .env("KUBECONFIG", self.kubeconfig())
            .env("PATH", format!("{}:{search}", self.programs.search_path()))
            .envs(marks(&self.name, "inside"));
        for variable in PROXY_VARIABLES {
            command.env_remove(variable);
        }
        command
    }

    /// Runs `work` on a thread of its own inside the cluster's network: sockets that it opens, and threads that it starts, are inside.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| network::enter(&self.name).map(|()| work()));
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Calls kubectl; what it printed.
    ///
    /// # Errors
    /// When it fails; the error has its own words.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl_input(arguments, "")
    }

    /// Applies an object, or a `List` of them, on the server's side.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl_input(&arguments, &object.to_string())
            .map(drop)
    }

    fn kubectl_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let output = self.kubectl_raw(arguments, input)?;
        if !output.status.success() {
            bail!(
                "`kubectl {}` failed: {}",
                arguments.join(" "),
                output.stderr.trim()
            );
        }
        Ok(output.stdout)
    }

    pub(crate) fn kubectl_raw(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut command = self.run_inside(self.programs.path("kubectl")?);
        // Its cache of what kinds there are would lie in the user's home.
        command
            .env("HOME", self.name.folder())
            .arg(REQUEST_MAX)
            .args(arguments);
        run::finish(&mut command, input, KUBECTL_MAX)
    }

    /// Gives images to the node; pods find them by their names, unless they insist on pulling.
    ///
    /// # Errors
    /// When the cluster has no node with real pods, or an image cannot be assembled.
    pub fn load_images(&self, images: &[Image]) -> Result<()> {
        if self.variant != Variant::Node {
            bail!("no image is ever run in this cluster ({})", self.variant);
        }
        let archive = tempfile::Builder::new()
            .prefix("images-")
            .suffix(".tar")
            .tempfile_in(self.name.folder())?;
        write_archive(images, archive.path())?;
        let path = archive.path().to_string_lossy().into_owned();
        run::succeed(&mut self.ctr(&["images", "import", &path])?, "", IMPORT_MAX)?;
        for name in images.iter().flat_map(Image::names) {
            let filter = format!("name=={name}");
            wait_until(
                &format!("containerd's notice of {name}"),
                IMPORT_MAX,
                || {
                    let list =
                        run::succeed(&mut self.ctr(&["images", "list", &filter])?, "", IMPORT_MAX)?;
                    Ok((!list.contains(KNOWN_IMAGE)).then_some(list))
                },
            )?;
        }
        Ok(())
    }

    /// containerd's own command line, for the images and containers of the kubelet.
    pub(crate) fn ctr(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(self.programs.path("ctr")?);
        command
            .arg("--address")
            .arg(node::socket(&self.name))
            .args(["--namespace", "k8s.io", "--timeout", "60s"])
            .args(arguments);
        Ok(command)
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
