//! What one does with a running cluster: run something inside, call kubectl, give it images.

use super::Cluster;
use crate::components::node;
use crate::image::{Image, write_archive};
use crate::members::marks;
use crate::network;
use crate::run::{self, Output, wait_until};
use crate::variant::Variant;
use anyhow::{Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::process::Command;
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

impl Cluster {
    /// A command that runs `program` inside the cluster's network, with `KUBECONFIG` set and kubectl on `PATH`; everything else is
    /// as outside. The process is the program's own, and ends with the cluster at the latest.
    #[must_use]
    pub fn run_inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.name.namespace_path().display()))
            .arg("--")
            .arg(program)
            .env("KUBECONFIG", self.kubeconfig())
            .env("PATH", self.programs.search_path_for_users())
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
}
