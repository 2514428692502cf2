use super::objects::GONE_MAX;
use super::*;
use crate::resource::{REPLICA_SET, ROLLOUT};
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
    let gone = cache.retain(&REPLICA_SET, &HashSet::from([key("listed").place()]), 8);
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

/// A key was forgotten with one that had been deleted twice.
#[test]
fn an_object_that_is_deleted_twice_is_remembered_once() {
    let cache = Cache::default();
    for _ in 0..2 {
        cache.remove(&key("twice"), 0);
    }
    for number in 0..GONE_MAX {
        cache.remove(&key(&format!("set-{number}")), 5);
    }
    cache.remove(&key("last"), 5);
    assert_eq!(cache.put(&REPLICA_SET, set("last", 4, "one")), Change::None);
    let second = cache.put(&REPLICA_SET, set("set-1", 4, "one"));
    assert_eq!(second, Change::None);
}

/// What follows from a spec alone is not looked at again for every status.
#[test]
fn a_change_tells_whether_the_spec_may_be_another_one() {
    let cache = Cache::default();
    let written = |uid: Option<&str>, version: u64, generation: Option<i64>| {
        let metadata = json!({
            "name": "web",
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": version.to_string(),
            "generation": generation,
        });
        match cache.put(&ROLLOUT, json!({"metadata": metadata})) {
            Change::Newer { spec, .. } => spec,
            Change::None => panic!("it is newer"),
        }
    };
    assert!(written(Some("a"), 1, Some(1)), "it is new");
    assert!(!written(Some("a"), 2, Some(1)), "a status");
    assert!(written(Some("a"), 3, Some(2)), "another spec");
    assert!(
        written(Some("b"), 4, Some(2)),
        "another object of that name"
    );
    assert!(written(Some("b"), 5, None), "nobody counts");
    assert!(written(Some("b"), 6, None), "nobody counts");
    assert!(written(None, 7, Some(1)), "nobody knows which it is");
}
