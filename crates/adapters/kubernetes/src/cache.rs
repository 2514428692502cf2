//! What is known of the cluster: the newest version of each watched object, by name and by owner.
//!
//! Objects are kept as text, without the fields that no decision reads, and are parsed where they are
//! needed: a reconcile reads a handful of them, and thousands lie still. What the controller wrote itself is
//! put in at once, so that it never decides on a world before its own last write.

use crate::api::Key;
use crate::resource::{ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, ROLLOUT, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The newest known versions of objects.
#[derive(Debug, Default)]
pub(crate) struct Cache(RwLock<Objects>);

#[derive(Debug, Default)]
struct Objects {
    by_key: HashMap<Key, Entry>,
    /// Objects by the identity of their controlling owner.
    by_owner: HashMap<Box<str>, HashSet<Key>>,
    /// ReplicaSets that nobody controls.
    orphans: HashSet<Key>,
    /// Objects that may own others, by their identity.
    by_uid: HashMap<Box<str>, Key>,
    /// The version at which an object was seen to be gone: what is older came late.
    gone: HashMap<Key, u64>,
    /// Their keys, those first that went first.
    gone_order: VecDeque<Key>,
    synced: HashSet<Resource>,
    /// Kinds that may not be listed.
    refused: HashSet<Resource>,
}

#[derive(Debug)]
struct Entry {
    version: u64,
    /// Its identity, if it may own others.
    uid: Option<Box<str>>,
    owner: Option<Box<str>>,
    text: Box<str>,
}

/// Kinds whose objects own others that are watched.
const OWNERS: [Resource; 3] = [ROLLOUT, EXPERIMENT, ANALYSIS_RUN];
/// How many deleted objects are remembered at most.
const GONE_MAX: usize = 4_096;

/// An object as it was put in: what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is as new as what was known, or older.
    None,
    /// It is new, or newer; with the identity of its controlling owner.
    Newer(Option<Box<str>>),
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
        let known = objects.by_key.get(&key).map_or(0, |entry| entry.version);
        let gone = objects.gone.get(&key).copied().unwrap_or(0);
        if version <= known.max(gone) {
            return Change::None;
        }
        strip(&mut object, resource);
        let text = object.to_string().into_boxed_str();
        objects.remove(&key);
        if let Some(owner) = &owner {
            let owned = objects.by_owner.entry(owner.clone()).or_default();
            owned.insert(key.clone());
        }
        if owner.is_none() && *resource == REPLICA_SET {
            objects.orphans.insert(key.clone());
        }
        let uid = OWNERS
            .contains(resource)
            .then(|| object.pointer("/metadata/uid").and_then(Value::as_str))
            .flatten()
            .map(Box::from);
        if let Some(uid) = &uid {
            objects.by_uid.insert(Box::clone(uid), key.clone());
        }
        let entry = Entry {
            version,
            uid,
            owner: owner.clone(),
            text,
        };
        objects.by_key.insert(key, entry);
        Change::Newer(owner)
    }

    /// Takes an object out that is gone at a version; its controlling owner, if it was known.
    pub(crate) fn remove(&self, key: &Key, version: u64) -> Option<Box<str>> {
        let mut objects = self.write();
        let known = objects.by_key.get(key).map_or(0, |entry| entry.version);
        if version < known {
            return None;
        }
        // Noted also when it was not known: the answer to a write of ours may come later than this.
        if objects.gone.insert(key.clone(), version).is_none() {
            objects.gone_order.push_back(key.clone());
        }
        while objects.gone_order.len() > GONE_MAX {
            if let Some(first) = objects.gone_order.pop_front() {
                objects.gone.remove(&first);
            }
        }
        objects.remove(key)
    }

    /// Takes out what is not among `seen`, after everything of a kind was listed at a version; their keys
    /// and owners.
    pub(crate) fn retain(
        &self,
        resource: &Resource,
        seen: &HashSet<Key>,
        version: u64,
    ) -> Vec<(Key, Option<Box<str>>)> {
        let mut objects = self.write();
        objects.synced.insert(resource.clone());
        objects.refused.remove(resource);
        let mut stale: Vec<Key> = objects
            .by_key
            .iter()
            .filter(|(key, entry)| {
                key.resource == *resource && entry.version <= version && !seen.contains(*key)
            })
            .map(|(key, _)| key.clone())
            .collect();
        stale.sort();
        stale
            .into_iter()
            .map(|key| {
                let owner = objects.remove(&key);
                (key, owner)
            })
            .collect()
    }

    /// Whether a kind could not be listed when it was last tried, because that is not allowed.
    pub(crate) fn is_refused(&self, resource: &Resource) -> bool {
        self.read().refused.contains(resource)
    }

    /// Notes that a kind may not be listed.
    pub(crate) fn refuse(&self, resource: &Resource) {
        self.write().refused.insert(resource.clone());
    }

    /// Whether all objects of a kind have been listed once.
    #[must_use]
    pub(crate) fn is_synced(&self, resource: &Resource) -> bool {
        self.read().synced.contains(resource)
    }

    /// The object, parsed; `None` when it does not exist, or is not what it should be.
    #[must_use]
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let objects = self.read();
        parse(key, objects.by_key.get(key)?)
    }

    /// The keys of all objects of a kind, in their order.
    #[must_use]
    pub(crate) fn keys(&self, resource: &Resource) -> Vec<Key> {
        let objects = self.read();
        let keys = objects.by_key.keys();
        let mut keys: Vec<Key> = keys
            .filter(|key| key.resource == *resource)
            .cloned()
            .collect();
        drop(objects);
        keys.sort_unstable();
        keys
    }

    /// The version of an object that is known.
    #[must_use]
    pub(crate) fn version(&self, key: &Key) -> Option<u64> {
        self.read().by_key.get(key).map(|entry| entry.version)
    }

    /// The objects of a kind that an owner controls, parsed, by name.
    #[must_use]
    pub(crate) fn owned<T: DeserializeOwned>(&self, owner: &str, resource: &Resource) -> Vec<T> {
        let objects = self.read();
        let Some(keys) = objects.by_owner.get(owner) else {
            return Vec::new();
        };
        let mut keys: Vec<&Key> = keys
            .iter()
            .filter(|key| key.resource == *resource)
            .collect();
        keys.sort();
        keys.into_iter()
            .filter_map(|key| parse(key, objects.by_key.get(key)?))
            .collect()
    }

    /// The ReplicaSets of a namespace that nobody controls, parsed, by name.
    #[must_use]
    pub(crate) fn orphans<T: DeserializeOwned>(&self, namespace: &str) -> Vec<T> {
        let objects = self.read();
        let orphans = objects.orphans.iter();
        let mut keys: Vec<&Key> = orphans.filter(|key| key.namespace == namespace).collect();
        keys.sort();
        keys.into_iter()
            .filter_map(|key| parse(key, objects.by_key.get(key)?))
            .collect()
    }

    /// The object with an identity, if it is one that may own others.
    #[must_use]
    pub(crate) fn key_of_uid(&self, uid: &str) -> Option<Key> {
        self.read().by_uid.get(uid).cloned()
    }
}

impl Objects {
    fn remove(&mut self, key: &Key) -> Option<Box<str>> {
        let entry = self.by_key.remove(key)?;
        self.orphans.remove(key);
        if let Some(uid) = &entry.uid {
            self.by_uid.remove(uid);
        }
        let owner = entry.owner?;
        if let Some(owned) = self.by_owner.get_mut(&owner) {
            owned.remove(key);
            if owned.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
        Some(owner)
    }
}

fn parse<T: DeserializeOwned>(key: &Key, entry: &Entry) -> Option<T> {
    serde_json::from_str(&entry.text)
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

fn owner_of(object: &Value) -> Option<Box<str>> {
    let references = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = references
        .iter()
        .find(|reference| reference["controller"] == Value::Bool(true))?;
    controller["uid"].as_str().map(Box::from)
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
mod tests {
    use super::*;
    use crate::resource::REPLICA_SET;
    use serde_json::json;

    fn set(name: &str, version: u64, owner: &str) -> Value {
        json!({
            "metadata": {
                "name": name,
                "namespace": "shop",
                "resourceVersion": version.to_string(),
                "managedFields": [{"manager": "kubectl"}],
                "ownerReferences": [{"uid": owner, "controller": true}],
            },
        })
    }

    fn key(name: &str) -> Key {
        Key::new(REPLICA_SET, "shop", name)
    }

    #[test]
    fn an_older_version_never_takes_a_newer_ones_place() {
        let cache = Cache::default();
        assert_ne!(cache.put(&REPLICA_SET, set("a", 7, "one")), Change::None);
        assert_eq!(cache.put(&REPLICA_SET, set("a", 7, "one")), Change::None);
        assert_eq!(cache.put(&REPLICA_SET, set("a", 6, "two")), Change::None);
        assert_eq!(cache.version(&key("a")), Some(7));
        assert_eq!(cache.owned::<Value>("two", &REPLICA_SET).len(), 0);
    }

    #[test]
    fn what_was_deleted_is_not_brought_back_by_a_late_answer() {
        for known in [true, false] {
            let cache = Cache::default();
            if known {
                cache.put(&REPLICA_SET, set("a", 7, "one"));
            }
            cache.remove(&key("a"), 9);
            assert_eq!(cache.put(&REPLICA_SET, set("a", 8, "one")), Change::None);
            assert_eq!(cache.version(&key("a")), None, "known before: {known}");
            assert_ne!(cache.put(&REPLICA_SET, set("a", 10, "one")), Change::None);
        }
    }

    #[test]
    fn a_set_that_nobody_controls_is_known_as_such_until_somebody_does() {
        let cache = Cache::default();
        let mut orphan = set("a", 7, "one");
        orphan["metadata"]["ownerReferences"] = json!([{"uid": "one"}]);
        cache.put(&REPLICA_SET, orphan);
        assert_eq!(cache.orphans::<Value>("shop").len(), 1);
        assert_eq!(cache.orphans::<Value>("other").len(), 0);
        cache.put(&REPLICA_SET, set("a", 8, "one"));
        assert_eq!(cache.orphans::<Value>("shop").len(), 0);
    }

    #[test]
    fn a_deletion_that_is_older_than_what_is_known_deletes_nothing() {
        let cache = Cache::default();
        cache.put(&REPLICA_SET, set("a", 7, "one"));
        cache.remove(&key("a"), 6);
        assert_eq!(cache.version(&key("a")), Some(7));
    }

    /// An update without it makes `kubectl apply` forget which fields it wrote.
    #[test]
    fn objects_that_are_replaced_keep_what_kubectl_noted() {
        let cache = Cache::default();
        let route = Resource {
            group: "networking.istio.io".into(),
            ..REPLICA_SET
        };
        for (resource, keeps) in [(REPLICA_SET, false), (route, true)] {
            let mut object = set("a", 7, "one");
            object["metadata"]["annotations"] =
                json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
            cache.put(&resource, object);
            let known: Value = cache
                .get(&Key::new(resource, "shop", "a"))
                .expect("it was put in");
            let annotations = known["metadata"]["annotations"].as_object();
            assert_eq!(!annotations.expect("they were kept").is_empty(), keeps);
        }
    }

    #[test]
    fn a_list_takes_away_what_is_not_in_it_and_not_newer_than_it() {
        let cache = Cache::default();
        for (name, version) in [("listed", 3), ("gone", 4), ("newer", 9)] {
            cache.put(&REPLICA_SET, set(name, version, "one"));
        }
        let gone = cache.retain(&REPLICA_SET, &HashSet::from([key("listed")]), 8);
        assert_eq!(gone.len(), 1, "{gone:?}");
        assert_eq!(cache.owned::<Value>("one", &REPLICA_SET).len(), 2);
    }

    #[test]
    fn only_so_many_deleted_objects_are_remembered_the_last_ones() {
        let cache = Cache::default();
        for number in 0..=GONE_MAX {
            cache.remove(&key(&format!("set-{number}")), 5);
        }
        assert_ne!(
            cache.put(&REPLICA_SET, set("set-0", 4, "one")),
            Change::None
        );
        let last = format!("set-{GONE_MAX}");
        assert_eq!(cache.put(&REPLICA_SET, set(&last, 4, "one")), Change::None);
    }
}
