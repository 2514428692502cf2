//! A Rollout of a run, and the names of what belongs to it.

use sluice_kubernetes::api::Key;
use sluice_kubernetes::resource::{DEPLOYMENT, ROLLOUT, Resource};

/// A Rollout by its name, which is the prefix of all that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct App {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
}

/// The Rollouts of a run, of which it has the first ones: two share a namespace, two a name.
pub(crate) const APPS: [App; 3] = [
    App {
        namespace: "shop",
        name: "web",
    },
    App {
        namespace: "shop",
        name: "api",
    },
    App {
        namespace: "bank",
        name: "web",
    },
];

impl App {
    /// An object of its namespace.
    pub(crate) fn key(self, resource: Resource, name: &str) -> Key {
        Key::new(resource, self.namespace, name)
    }

    /// The Rollout.
    pub(crate) fn rollout(self) -> Key {
        self.key(ROLLOUT, self.name)
    }

    /// The Deployment whose place the Rollout takes, where it refers to one.
    pub(crate) fn workload(self) -> Key {
        self.key(DEPLOYMENT, &self.named("before"))
    }

    /// The name of what it has in a role, as the Service `web-stable`.
    pub(crate) fn named(self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// The name of its images, without a number.
    pub(crate) fn image(self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
