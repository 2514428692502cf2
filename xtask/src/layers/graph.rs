//! The dependency graph of the workspace, as `cargo metadata` tells it.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The packages of the workspace and everything they depend on.
pub(super) struct Graph {
    packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its folder relative to the workspace's root, with `/`; empty outside the workspace.
    pub(super) folder: String,
    /// Whether it belongs to the workspace.
    pub(super) is_member: bool,
    /// What it depends on.
    edges: Vec<Edge>,
}

#[derive(Debug)]
struct Edge {
    to: String,
    kinds: BTreeSet<Kind>,
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Part of the program.
    Normal,
    /// Part of a build script.
    Build,
    /// Part of the tests.
    Dev,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: BTreeSet<String>,
    workspace_root: String,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    manifest_path: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Graph {
    /// Reads the output of `cargo metadata --format-version 1`, dependencies included.
    pub(super) fn from_metadata(metadata: &Value) -> Result<Self> {
        let metadata =
            Metadata::deserialize(metadata).context("`cargo metadata` printed an unknown form")?;
        let mut packages = BTreeMap::new();
        for package in metadata.packages {
            let is_member = metadata.workspace_members.contains(&package.id);
            let folder = package
                .manifest_path
                .strip_prefix(metadata.workspace_root.as_str())
                .and_then(|path| path.strip_suffix("Cargo.toml"))
                .map(|path| path.trim_matches('/').to_owned())
                .filter(|_| is_member)
                .unwrap_or_default();
            packages.insert(
                package.id,
                Package {
                    name: package.name,
                    folder,
                    is_member,
                    edges: Vec::new(),
                },
            );
        }
        for node in metadata.resolve.nodes {
            let package = packages
                .get_mut(&node.id)
                .with_context(|| format!("`{}` is resolved but not listed", node.id))?;
            package.edges = node.deps.into_iter().map(Edge::from).collect();
        }
        Ok(Self { packages })
    }

    /// The packages of the workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_member)
    }

    /// The dependencies between packages of the workspace.
    pub(super) fn member_edges(
        &self,
    ) -> impl Iterator<Item = (&Package, &Package, &BTreeSet<Kind>)> {
        self.members().flat_map(move |from| {
            from.edges.iter().filter_map(move |edge| {
                let to = self.packages.get(&edge.to).filter(|to| to.is_member)?;
                Some((from, to, &edge.kinds))
            })
        })
    }

    /// Everything that `from` needs when it runs, each with the shortest chain of names that leads to it.
    pub(super) fn closure<'a>(&'a self, from: &Package) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let start = self.packages.values().find(|package| {
            package.name == from.name && package.folder == from.folder && package.is_member
        });
        let mut pending: VecDeque<(&Package, Vec<&str>)> = start
            .into_iter()
            .map(|package| (package, vec![package.name.as_str()]))
            .collect();
        let mut seen = BTreeSet::new();
        while let Some((package, chain)) = pending.pop_front() {
            for edge in package
                .edges
                .iter()
                .filter(|edge| edge.kinds.contains(&Kind::Normal))
            {
                let Some(to) = self
                    .packages
                    .get(&edge.to)
                    .filter(|_| seen.insert(&edge.to))
                else {
                    continue;
                };
                let mut chain = chain.clone();
                chain.push(&to.name);
                chains.entry(&to.name).or_insert_with(|| chain.clone());
                pending.push_back((to, chain));
            }
        }
        chains
    }
}

impl From<Dependency> for Edge {
    fn from(dependency: Dependency) -> Self {
        let kind = |kind: DependencyKind| match kind.kind.as_deref() {
            None => Kind::Normal,
            Some("build") => Kind::Build,
            Some(_) => Kind::Dev,
        };
        Self {
            to: dependency.pkg,
            kinds: dependency.dep_kinds.into_iter().map(kind).collect(),
        }
    }
}
