//! Notifications about Rollouts: which configurations there are, what is due after a look, and who sends it.
//!
//! `sluice_argo::notification` decides. A look ends with [`Notifier::note`]: what is due is first remembered in the
//! Rollout's annotation and then put into the `outbox`, from which `sending` takes it, beside all looks. So nothing
//! is sent twice, also when the controller is killed in between; what was remembered and not sent yet is lost then.
//! `failing` remembers what could not be sent. `deliver` is what the app brings: the way to the services.

mod deliver;
mod failing;
mod look;
mod outbox;
mod sending;

pub use deliver::{Deliver, Delivering, DeliveryError};
pub(crate) use look::Told;
pub(crate) use sending::{Post, SENDERS};

use crate::api::Key;
use crate::cache::Cache;
use crate::resource::{CONFIG_MAP, ROLLOUT, Resource, SECRET};
use failing::Failing;
use outbox::Outbox;
use serde_json::Value;
use sluice_argo::notification::{CONFIG_MAP_NAME, Config, SECRET_NAME, Source};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Whether and how a controller notifies.
#[derive(Clone)]
pub struct Notifications {
    /// The namespace of the controller's own ConfigMap and Secret.
    pub namespace: String,
    /// Whether each namespace may have a ConfigMap and a Secret of its own, beside the controller's.
    pub self_service: bool,
    /// The way to the services.
    pub deliver: Arc<dyn Deliver>,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("namespace", &self.namespace)
            .field("self_service", &self.self_service)
            .finish_non_exhaustive()
    }
}

/// Configurations, and messages on their way.
pub(crate) struct Notifier {
    settings: Notifications,
    configs: Mutex<HashMap<String, Known>>,
    outbox: Outbox,
    failing: Failing,
    /// Events of looks whose writes failed: the next look is to tell of them although their warnings are known.
    owed: Mutex<BTreeMap<Key, BTreeSet<String>>>,
    dropped: AtomicU64,
}

/// A configuration, and the versions that it was read from.
struct Known {
    versions: [Option<u64>; 2],
    config: Arc<Config>,
}

impl Notifier {
    pub(crate) fn new(settings: Notifications) -> Self {
        Notifier {
            settings,
            configs: Mutex::default(),
            outbox: Outbox::default(),
            failing: Failing::default(),
            owed: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// The namespace in which a kind is watched, and the name of what is: the ConfigMap and the Secret alone.
    pub(crate) fn watched(&self, resource: &Resource) -> Option<(Option<&str>, &'static str)> {
        let name = if *resource == CONFIG_MAP {
            CONFIG_MAP_NAME
        } else if *resource == SECRET {
            SECRET_NAME
        } else {
            return None;
        };
        let namespace = &self.settings.namespace;
        Some(((!self.settings.self_service).then_some(namespace), name))
    }

    /// The Rollouts that a configuration is for, when it has changed.
    pub(crate) fn concerned(&self, cache: &Cache, changed: &Key) -> Vec<Key> {
        let is_for_all = changed.namespace == self.settings.namespace;
        let mut rollouts = cache.keys(&ROLLOUT);
        rollouts.retain(|rollout| is_for_all || rollout.namespace == changed.namespace);
        rollouts
    }

    /// How many messages found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many messages wait or are being sent.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.left()
    }

    /// A Rollout is gone.
    pub(crate) fn forget(&self, rollout: &Key) {
        self.failing.forget(rollout);
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.remove(rollout);
    }

    /// The configurations for Rollouts of a namespace: its own before the controller's, and none without triggers.
    fn configs(&self, cache: &Cache, namespace: &str) -> Vec<Arc<Config>> {
        let own = (self.settings.self_service && namespace != self.settings.namespace)
            .then(|| self.config(cache, namespace, true));
        let common = self.config(cache, &self.settings.namespace, false);
        let configs = own.into_iter().chain([common]);
        configs.filter(|config| !config.is_empty()).collect()
    }

    fn config(&self, cache: &Cache, namespace: &str, self_service: bool) -> Arc<Config> {
        let keys = [
            Key::new(CONFIG_MAP, namespace, CONFIG_MAP_NAME),
            Key::new(SECRET, namespace, SECRET_NAME),
        ];
        let versions = [cache.version(&keys[0]), cache.version(&keys[1])];
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = configs.get(namespace)
            && known.versions == versions
        {
            return Arc::clone(&known.config);
        }
        let [config_map, secret] = keys.map(|key| cache.get::<Value>(&key));
        let source = Source {
            namespace: namespace.to_owned(),
            self_service,
        };
        let config = Config::read(source, config_map.as_ref(), secret.as_ref());
        for problem in &config.problems {
            tracing::warn!(
                namespace,
                config_map = CONFIG_MAP_NAME,
                key = problem.place,
                cause = problem.cause,
                "notifications: a part of the configuration does not work"
            );
        }
        let config = Arc::new(config);
        if versions[0].is_none() {
            // Most namespaces have none; that is quickly found out again.
            configs.remove(namespace);
        } else {
            let known = Known {
                versions,
                config: Arc::clone(&config),
            };
            configs.insert(namespace.to_owned(), known);
        }
        config
    }
}

#[cfg(test)]
mod tests;
