//! What the controller finds where it runs: variables that metric providers read, and its own namespace.

use std::collections::BTreeMap;

/// Where a pod finds its namespace.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// The namespace outside of a cluster.
const DEFAULT_NAMESPACE: &str = "argo-rollouts";

/// The variables that are read, and no others: those of Argo's controller and of AWS' tools.
const VARIABLES: [&str; 13] = [
    "ARGO_ROLLOUTS_PROMETHEUS_ADDRESS",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_CLOUDWATCH",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "DD_ADDRESS",
    "DD_API_KEY",
    "DD_APP_KEY",
    "HOME",
];

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
        let set = VARIABLES.into_iter();
        let set = set.filter_map(|name| Some((name, std::env::var(name).ok()?)));
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

    #[cfg(test)]
    pub(crate) fn in_namespace(mut self, namespace: &str) -> Environment {
        namespace.clone_into(&mut self.namespace);
        self
    }

    #[cfg(test)]
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Environment {
        assert!(VARIABLES.contains(&name), "{name} is not read");
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
