//! What runs of a cluster, as its processes tell.

use crate::cluster::Cluster;
use crate::members::{Member, members};
use crate::name::ClusterName;
use crate::state::{self, State};
use crate::variant::Variant;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A cluster as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What it consists of; absent when its start did not get that far.
    pub variant: Option<Variant>,
    /// Whether it came up completely and its API server says that it is ready.
    pub is_ready: bool,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The network namespace, for `nsenter --net=…`.
    pub namespace: PathBuf,
    /// The parts that run.
    pub components: Vec<ComponentStatus>,
}

/// A running part of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentStatus {
    /// Its program.
    pub name: String,
    /// Its process, as this machine counts.
    pub pid: i32,
    /// Its resident memory.
    pub memory_bytes: u64,
}

/// The status of every cluster on this machine, by name.
///
/// # Errors
/// When the clusters' folders or `/proc` cannot be read.
pub fn all() -> Result<Vec<Status>> {
    state::names()?.iter().map(of).collect()
}

/// The status of one cluster, also of one that is not there.
///
/// # Errors
/// When its folder or `/proc` cannot be read.
pub fn of(name: &ClusterName) -> Result<Status> {
    let state = State::read(name)?;
    let is_ready = state.as_ref().is_some_and(|state| state.is_complete)
        && Cluster::find(name)
            .and_then(|cluster| cluster.kubectl_raw(&["get", "--raw", "/readyz"], ""))
            .is_ok_and(|answer| answer.status.success());
    Ok(Status {
        name: name.to_string(),
        variant: state.map(|state| state.variant),
        is_ready,
        kubeconfig: name.folder().join("kubeconfig"),
        namespace: name.namespace_path(),
        components: components(members(name)?),
    })
}

/// Of the processes of a part the one that is the part; the others are those around it.
fn components(members: Vec<Member>) -> Vec<ComponentStatus> {
    let by_role: BTreeMap<String, ComponentStatus> = members
        .into_iter()
        .filter(|member| member.program == member.role)
        .map(|member| {
            let status = ComponentStatus {
                name: member.program,
                pid: member.pid.as_raw_nonzero().get(),
                memory_bytes: member.resident,
            };
            (member.role, status)
        })
        .collect();
    by_role.into_values().collect()
}

impl Status {
    /// Resident memory of all parts together, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.components
            .iter()
            .map(|component| component.memory_bytes)
            .sum()
    }
}
