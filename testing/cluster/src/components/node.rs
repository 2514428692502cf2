//! A node with real pods: containerd, kubelet, kube-proxy, and the files that they read.

use super::Component;
use crate::credentials::Credentials;
use crate::name::ClusterName;
use crate::network::{NODE_ADDRESS, NODE_POD_RANGE, POD_RANGE};
use crate::programs::{CNI_PLUGINS, Programs};
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// The node's name.
pub(crate) const NODE: &str = "node";
/// The image of the process that holds a pod's namespaces.
pub(crate) const PAUSE_IMAGE: &str = "localhost/pause:1";

/// containerd's socket; reachable from outside the namespaces too.
pub(crate) fn socket(name: &ClusterName) -> PathBuf {
    name.folder().join("containerd.sock")
}

/// Writes the files that the node's programs read.
pub(crate) fn write_files(name: &ClusterName, programs: &Programs) -> Result<()> {
    let folder = name.folder();
    fs::create_dir_all(folder.join("cni"))?;
    for (file, content) in [
        ("containerd.toml", containerd_config(name, programs)?),
        ("kubelet.json", kubelet_config(name)?),
        ("cni/10-pods.conflist", pod_network()?),
    ] {
        let path = folder.join(file);
        fs::write(&path, content)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

pub(crate) fn containerd(folder: &Path) -> Component {
    let config = folder.join("containerd.toml");
    Component::new("containerd", [format!("--config={}", config.display())])
}

pub(crate) fn kubelet(folder: &Path, credentials: &Credentials) -> Component {
    Component::new(
        "kubelet",
        [
            format!("--config={}", folder.join("kubelet.json").display()),
            format!("--kubeconfig={}", credentials.kubeconfig().display()),
            format!("--hostname-override={NODE}"),
            format!("--node-ip={NODE_ADDRESS}"),
        ],
    )
}

/// It leaves alone what is set for the whole machine, as far as the kernel lets a network namespace have its own.
pub(crate) fn proxy(credentials: &Credentials) -> Component {
    Component::new(
        "kube-proxy",
        [
            format!("--kubeconfig={}", credentials.kubeconfig().display()),
            format!("--hostname-override={NODE}"),
            format!("--cluster-cidr={POD_RANGE}"),
            "--proxy-mode=iptables".to_owned(),
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-tcp-timeout-established=0".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            "--oom-score-adj=0".to_owned(),
            "--metrics-bind-address=127.0.0.1:10249".to_owned(),
            "--healthz-bind-address=127.0.0.1:10256".to_owned(),
        ],
    )
}

/// Its folders lie in those that the cluster's processes see in place of the machine's.
fn containerd_config(name: &ClusterName, programs: &Programs) -> Result<String> {
    // Lowering a process's oom_score_adj is not permitted everywhere, hence restrict_oom_score_adj. The plugin `opt` would write outside.
    Ok(format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
"#,
        socket = socket(name).display(),
        cni = name.folder().join("cni").display(),
        runc = programs.path_inside("runc")?.display(),
    ))
}

/// Nothing is ever evicted or collected: images cannot be pulled again, and how full the machine is does not matter here. Everybody
/// inside the namespace may ask the kubelet for everything.
fn kubelet_config(name: &ClusterName) -> Result<String> {
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", socket(name).display()),
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", name.cgroup()),
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "5s",
        "oomScoreAdj": 0,
        "resolvConf": "",
        "serializeImagePulls": false,
    });
    Ok(serde_json::to_string_pretty(&config)?)
}

/// Each pod is a peer of the node, not one of many on a bridge: the way to a Service and back then always leads through the node's
/// rules, whatever the kernel does with bridges.
fn pod_network() -> Result<String> {
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": NODE_POD_RANGE}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    Ok(serde_json::to_string_pretty(&network)?)
}
