//! What the controller finds where it runs: variables that metric providers read, and its own namespace.

use sluice_metrics::{AWS_VARIABLES, AwsEnvironment};
use std::collections::BTreeMap;

/// Where a pod finds its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The namespace outside of a cluster.
const DEFAULT_NAMESPACE: &str = "argo-rollouts";

/// The variables that are read, besides those of AWS' tools ([`AWS_VARIABLES`]), and no others: those of Argo's
/// controller.
const VARIABLES: [&str; 4] = [
    "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS",
    "DD_ADDRESS",
    "DD_API_KEY",
    "DD_APP_KEY",
];

fn read() -> impl Iterator<Item = &'static str> {
    VARIABLES.into_iter().chain(AWS_VARIABLES)
}

/// Variables and namespace, as they were at the start.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<&'static str, String>,
    /// The controller's namespace: where Secrets of providers are.
    pub(crate) namespace: String,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Environment {
        let set = read().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        Environment {
            variables: set.collect(),
            namespace: own_namespace(),
        }
    }

    /// A variable, unless it is not set or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, be it empty.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// What of it says where credentials for AWS are.
    pub(crate) fn aws(&self) -> AwsEnvironment {
        AwsEnvironment::new(|name| self.get(name).map(str::to_owned))
    }

    #[cfg(test)]
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Environment {
        namespace.clone_into(&mut self.namespace);
        self
    }

    #[cfg(test)]
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Environment {
        assert!(read().any(|read| read == name), "{name} is not read");
        self.variables.insert(name, value.to_owned());
        self
    }
}

fn own_namespace() -> String {
    if let Ok(namespace) = std::env::var("POD_NAMESPACE") {
        return namespace;
    }
    let mounted = std::fs::read_to_string(OWN_NAMESPACE).unwrap_or_default();
    match mounted.trim() {
        "" => DEFAULT_NAMESPACE.to_owned(),
        namespace => namespace.to_owned(),
    }
}
