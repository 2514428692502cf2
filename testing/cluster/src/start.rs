//! Bringing a cluster up: which part after which, and how each is awaited.

use crate::cluster::Cluster;
use crate::components::{Component, control_plane, kwok, node};
use crate::credentials::Credentials;
use crate::image::Image;
use crate::run::{self, wait_until};
use crate::state::{self, State};
use crate::variant::Variant;
use crate::{cgroups, holder::Holder, network};
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::time::Duration;

/// Longest wait for the API server, on a busy machine.
const API_MAX: Duration = Duration::from_secs(90);
/// Longest wait for containerd's socket.
const CONTAINERD_MAX: Duration = Duration::from_secs(60);
/// Longest wait for the nodes to be Ready.
const NODES_MAX: Duration = Duration::from_secs(120);
/// Longest wait for the first pod to run.
const POD_MAX: Duration = Duration::from_secs(90);
/// The pod that shows that pods run; it is removed again.
const FIRST_POD: &str = "first-pod";
/// The image of busybox that every node has.
pub const BUSYBOX_IMAGE: &str = "busybox:stable";

/// Starts everything in a folder that is empty, and waits until the cluster does what it is there for.
pub(crate) fn start(cluster: &mut Cluster, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let variant = cluster.variant();
    let folder = state::create_folder(cluster.name())?;
    let mut state = State::beginning(variant);
    state.write(cluster.name())?;
    fs::create_dir_all(folder.join("logs"))?;
    let credentials = Credentials::of(&folder);
    credentials.write()?;
    network::create(cluster.name())?;
    let (holder, child) = Holder::start(cluster.name(), cluster.programs())?;
    cluster.hold(holder, child);

    tell("starting etcd and the API server");
    cluster.launch(&control_plane::etcd(&folder))?;
    cluster.launch(&control_plane::api_server(
        &credentials,
        &cluster.audit_log(),
        variant,
    ))?;
    if variant == Variant::Node {
        cgroups::create(&cluster.name().cgroup())?;
        node::write_files(cluster.name(), cluster.programs())?;
        cluster.launch(&node::containerd(&folder))?;
        tell("importing images");
        import_images(cluster)?;
    }
    wait_for_api(cluster)?;
    tell("starting controllers and nodes");
    let mut others = vec![
        control_plane::controller_manager(&credentials),
        control_plane::scheduler(&credentials),
    ];
    match variant {
        Variant::Node => others.extend([
            node::kubelet(&folder, &credentials),
            node::proxy(&credentials),
        ]),
        Variant::Kwok { nodes } => {
            cluster.apply(&kwok::nodes(nodes))?;
            others.push(kwok::kwok(&credentials));
        }
        Variant::ControlPlane => {}
    }
    for component in &others {
        cluster.launch(component)?;
    }
    match variant {
        Variant::Node => wait_for_nodes(cluster, 1)?,
        Variant::Kwok { nodes } => wait_for_nodes(cluster, nodes as usize)?,
        Variant::ControlPlane => {}
    }
    wait_for_accounts(cluster)?;
    if variant != Variant::ControlPlane {
        tell("running a first pod");
        run_first_pod(cluster)?;
    }
    state.is_complete = true;
    state.write(cluster.name())
}

/// The component of this name, as it was started.
pub(crate) fn component(cluster: &Cluster, name: &str) -> Result<Component> {
    let folder = cluster.name().folder();
    let credentials = Credentials::of(&folder);
    let mut all = vec![
        control_plane::etcd(&folder),
        control_plane::api_server(&credentials, &cluster.audit_log(), cluster.variant()),
        control_plane::controller_manager(&credentials),
        control_plane::scheduler(&credentials),
    ];
    match cluster.variant() {
        Variant::Node => all.extend([
            node::containerd(&folder),
            node::kubelet(&folder, &credentials),
            node::proxy(&credentials),
        ]),
        Variant::Kwok { .. } => all.push(kwok::kwok(&credentials)),
        Variant::ControlPlane => {}
    }
    all.into_iter()
        .find(|component| component.name == name)
        .with_context(|| format!("{name} is no part of this cluster ({})", cluster.variant()))
}

/// Waits until the API server says that it is ready.
pub(crate) fn wait_for_api(cluster: &mut Cluster) -> Result<()> {
    wait_until("an answer of the API server", API_MAX, || {
        cluster.check_running()?;
        let answer = cluster.kubectl_raw(&["get", "--raw", "/readyz"], "")?;
        Ok((!answer.status.success()).then(|| answer.stderr.trim().to_owned()))
    })
}

fn import_images(cluster: &mut Cluster) -> Result<()> {
    let socket = node::socket(cluster.name());
    wait_until("containerd's socket", CONTAINERD_MAX, || {
        cluster.check_running()?;
        let answer = run::finish(&mut cluster.ctr(&["version"])?, "", CONTAINERD_MAX)?;
        Ok((!answer.status.success())
            .then(|| format!("{}: {}", socket.display(), answer.stderr.trim())))
    })?;
    let busybox = cluster.programs().path("busybox")?;
    let pause = Image::of_program(node::PAUSE_IMAGE, busybox)?.with_entrypoint(&[
        "/bin/busybox",
        "sleep",
        "2147483647",
    ]);
    let busybox = Image::of_busybox(BUSYBOX_IMAGE, busybox)?;
    cluster.load_images(&[pause, busybox])
}

fn wait_for_nodes(cluster: &mut Cluster, count: usize) -> Result<()> {
    let template = r#"jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    wait_until("a Ready from every node", NODES_MAX, || {
        cluster.check_running()?;
        let said = cluster.kubectl(&["get", "nodes", "-o", template])?;
        let ready = said.lines().filter(|line| line.ends_with("=True")).count();
        Ok((ready < count).then(|| {
            format!("{ready} of {count} nodes are Ready; see logs/kubelet.log or logs/kwok.log")
        }))
    })
}

/// No pod can be made in a namespace that has no service account yet.
fn wait_for_accounts(cluster: &mut Cluster) -> Result<()> {
    wait_until(
        "the service account of the namespace default",
        API_MAX,
        || {
            cluster.check_running()?;
            let answer = cluster.kubectl_raw(&["get", "serviceaccount", "default"], "")?;
            Ok((!answer.status.success()).then(|| answer.stderr.trim().to_owned()))
        },
    )
}

fn run_first_pod(cluster: &mut Cluster) -> Result<()> {
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": FIRST_POD, "namespace": "default"},
        "spec": {"containers": [{
            "name": "sleep",
            "image": BUSYBOX_IMAGE,
            "command": ["sleep", "3600"],
        }]},
    }))?;
    let ready = r#"jsonpath={.status.phase} {.status.conditions[?(@.type=="Ready")].status}"#;
    wait_until("the first pod", POD_MAX, || {
        cluster.check_running()?;
        let said = cluster.kubectl(&["get", "pod", FIRST_POD, "-o", ready])?;
        if said == "Running True" {
            return Ok(None);
        }
        let events = cluster.kubectl(&[
            "get",
            "events",
            "-o",
            r#"jsonpath={range .items[*]}{.message}{"\n"}{end}"#,
        ])?;
        Ok(Some(format!("it is `{said}`; events: {events}")))
    })?;
    cluster.kubectl(&["delete", "pod", FIRST_POD, "--grace-period=0", "--force"])?;
    Ok(())
}
