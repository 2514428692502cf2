//! Arguments of `sluice controller`.

use clap::{Args, ValueHint};
use std::path::PathBuf;

/// Arguments of `sluice controller`.
#[derive(Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Kubeconfig of the cluster [default: the pod's own account, or KUBECONFIG, or ~/.kube/config]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,

    /// Look at one namespace only [default: all]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Look only at objects with this argo-rollouts.argoproj.io/controller-instance-id label
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) instance_id: String,

    /// Let one of several controllers act: the one that holds a Lease
    #[arg(long)]
    pub(crate) leader_elect: bool,

    /// Namespace of the Lease [default: the pod's own, or argo-rollouts]
    #[arg(long, value_name = "NAME")]
    pub(crate) leader_elect_namespace: Option<String>,

    /// Name of the Lease; by default the one that Argo's controller takes, so that only one of both acts
    #[arg(
        long,
        value_name = "NAME",
        default_value = "argo-rollouts-controller-lock"
    )]
    pub(crate) leader_elect_name: String,

    /// Rollouts that are looked at, at a time
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: u16,
}
