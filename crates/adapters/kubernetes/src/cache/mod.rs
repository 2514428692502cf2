//! What is known of the cluster: the newest version of each watched object, by name and by owner.
//!
//! Objects are kept as text, without the fields that no decision reads, [packed](crate::packed) and in [cells](crate::cells), and are parsed where they are
//! needed: a reconcile reads a handful of them, and thousands lie still. What the controller wrote itself is
//! put in at once, so that it never decides on a world before its own last write.

mod objects;

use crate::api::Key;
use crate::packed::Packed;
use crate::resource::{ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, ROLLOUT, Resource};
use objects::{Entry, Kind, Objects, Written};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The newest known versions of objects.
#[derive(Debug, Default)]
pub(crate) struct Cache(RwLock<Objects>);

/// Kinds whose objects own others that are watched.
const OWNERS: [Resource; 3] = [ROLLOUT, EXPERIMENT, ANALYSIS_RUN];

/// An object as it was put in: what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is as new as what was known, or older.
    None,
    /// It is new, or newer.
    Newer {
        /// The identity of its controlling owner.
        owner: Option<String>,
        /// Whether its spec may be another one than what was known.
        spec: bool,
    },
}

impl Cache {
    fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object in, unless a newer version is known.
    pub(crate) fn put(&self, resource: &Resource, mut object: Value) -> Change {
        let version = version_of(&object);
        let key = key_of(resource, &object);
        let owner = owner_of(&object);
        let mut objects = self.write();
        let known = objects.known(&key).map_or(0, Entry::version);
        if version <= known.max(objects.gone_at(&key)) {
            return Change::None;
        }
        strip(&mut object, resource);
        let uid = OWNERS
            .contains(resource)
            .then(|| object.pointer("/metadata/uid").and_then(Value::as_str))
            .flatten();
        let written = Written {
            version,
            generation: object
                .pointer("/metadata/generation")
                .and_then(Value::as_i64),
        };
        let text = Packed::new(&object.to_string());
        objects.put(&key, written, uid, owner.as_deref(), &text)
    }

    /// Whether an object is known at a version, or at a newer one.
    #[must_use]
    pub(crate) fn knows(&self, key: &Key, version: u64) -> bool {
        self.version(key).is_some_and(|known| version <= known)
    }

    /// Takes an object out that is gone at a version; its controlling owner, if it was known.
    pub(crate) fn remove(&self, key: &Key, version: u64) -> Option<String> {
        let mut objects = self.write();
        let known = objects.known(key).map_or(0, Entry::version);
        if version < known {
            return None;
        }
        // Noted also when it was not known: the answer to a write of ours may come later than this.
        objects.note_gone(key, version);
        objects.remove(key)
    }

    /// Takes out what is not among `seen` (each a [`Key::place`]), after everything of a kind was listed at a version; their
    /// keys and owners.
    pub(crate) fn retain(
        &self,
        resource: &Resource,
        seen: &HashSet<String>,
        version: u64,
    ) -> Vec<(Key, Option<String>)> {
        let mut objects = self.write();
        let kind = objects.kind_mut(resource);
        kind.synced = true;
        kind.refused = false;
        let older = kind.older_than(version);
        let stale = older.filter(|name| !seen.contains(name));
        let mut stale: Vec<Key> = stale.map(|name| Key::at(resource, &name)).collect();
        stale.sort_unstable();
        stale
            .into_iter()
            .map(|key| {
                let owner = objects.remove(&key);
                (key, owner)
            })
            .collect()
    }

    /// Whether all objects of a kind have been listed once.
    #[must_use]
    pub(crate) fn is_synced(&self, resource: &Resource) -> bool {
        let objects = self.read();
        objects.kind(resource).is_some_and(|kind| kind.synced)
    }

    /// Notes that a kind may not be listed.
    pub(crate) fn refuse(&self, resource: &Resource) {
        self.write().kind_mut(resource).refused = true;
    }

    /// Whether a kind could not be listed when it was last tried, because that is not allowed.
    #[must_use]
    pub(crate) fn is_refused(&self, resource: &Resource) -> bool {
        let objects = self.read();
        objects.kind(resource).is_some_and(|kind| kind.refused)
    }

    /// The object, parsed; `None` when it does not exist, or is not what it should be.
    #[must_use]
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let packed = {
            let objects = self.read();
            objects.text(objects.known(key)?)
        };
        parse(key, &packed)
    }

    /// The keys of all objects of a kind, in their order.
    #[must_use]
    pub(crate) fn keys(&self, resource: &Resource) -> Vec<Key> {
        let objects = self.read();
        let names = objects.kind(resource).into_iter();
        let names = names.flat_map(Kind::names);
        let mut keys: Vec<Key> = names.map(|name| Key::at(resource, &name)).collect();
        drop(objects);
        keys.sort_unstable();
        keys
    }

    /// The version of an object that is known.
    #[must_use]
    pub(crate) fn version(&self, key: &Key) -> Option<u64> {
        self.read().known(key).map(Entry::version)
    }

    /// The objects of a kind that an owner controls, parsed, by name.
    #[must_use]
    pub(crate) fn owned<T: DeserializeOwned>(&self, owner: &str, resource: &Resource) -> Vec<T> {
        let objects = self.read();
        let owned = texts(&objects, resource, objects.owned(owner, resource));
        drop(objects);
        parse_all(&owned)
    }

    /// The keys of the objects of a kind that an owner controls, by name.
    #[must_use]
    pub(crate) fn owned_keys(&self, owner: &str, resource: &Resource) -> Vec<Key> {
        let objects = self.read();
        let owned = objects.owned(owner, resource).into_iter();
        owned.map(|(name, _)| Key::at(resource, &name)).collect()
    }

    /// Notes that nobody knows what became of a write to what an object owns.
    pub(crate) fn doubt(&self, owner: &Key) {
        self.write().doubted.insert(owner.clone());
    }

    /// Whether that was noted; it is not any more.
    pub(crate) fn take_doubt(&self, owner: &Key) -> bool {
        self.write().doubted.remove(owner)
    }

    /// The ReplicaSets of a namespace that nobody controls, parsed, by name.
    #[must_use]
    pub(crate) fn orphans<T: DeserializeOwned>(&self, namespace: &str) -> Vec<T> {
        let objects = self.read();
        let orphans = texts(&objects, &REPLICA_SET, objects.orphans(namespace));
        drop(objects);
        parse_all(&orphans)
    }

    /// The object with an identity, if it is one that may own others.
    #[must_use]
    pub(crate) fn key_of_uid(&self, uid: &str) -> Option<Key> {
        let objects = self.read();
        let (kind, name) = objects.of_uid(uid)?;
        Some(Key::at(&kind.resource, &name))
    }
}

/// Objects of a kind as keys and texts, which are parsed when nobody is held up by it.
fn texts(
    objects: &Objects,
    resource: &Resource,
    entries: Vec<(String, &Entry)>,
) -> Vec<(Key, Packed)> {
    let entries = entries.into_iter();
    entries
        .map(|(name, entry)| (Key::at(resource, &name), objects.text(entry)))
        .collect()
}

fn parse_all<T: DeserializeOwned>(packed: &[(Key, Packed)]) -> Vec<T> {
    let packed = packed.iter();
    packed
        .filter_map(|(key, packed)| parse(key, packed))
        .collect()
}

fn parse<T: DeserializeOwned>(key: &Key, packed: &Packed) -> Option<T> {
    serde_json::from_slice(&packed.text())
        .inspect_err(|cause| tracing::warn!(%key, %cause, "an object is not of its kind's form"))
        .ok()
}

/// The key of an object.
#[must_use]
pub(crate) fn key_of(resource: &Resource, object: &Value) -> Key {
    let metadata = |field: &str| {
        let value = object.pointer(&format!("/metadata/{field}"));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    Key::new(resource.clone(), metadata("namespace"), metadata("name"))
}

/// The version of an object. Kubernetes' are numbers that rise with each write (as documented since 1.35 for
/// comparing, and true of etcd before).
#[must_use]
pub(crate) fn version_of(object: &Value) -> u64 {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .and_then(|version| version.parse().ok())
        .unwrap_or(0)
}

/// Whether an object has an owner.
pub(crate) fn is_owned(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .any(|owner| owner["uid"] == uid)
}

fn owner_of(object: &Value) -> Option<String> {
    let references = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = references
        .iter()
        .find(|reference| reference["controller"] == Value::Bool(true))?;
    controller["uid"].as_str().map(str::to_owned)
}

/// Takes away what no decision reads and what is most of a small object. Objects of routers are replaced as a whole, and
/// keep what `kubectl apply` noted.
fn strip(object: &mut Value, resource: &Resource) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    metadata.remove("managedFields");
    if !resource.is_routed()
        && let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
    {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

#[cfg(test)]
mod tests;
