//! What Argo's own routers wrote, against what Sluice writes.
//!
//! `tests/argo` was recorded from Argo Rollouts' routers at commit 9f8d111, run over these objects with a
//! client in memory: in each stage the routes by header and the mirrors, then the hashes, then the weights.
//! Objects that Argo wrote are also taken over in every stage, as they are when its controller is replaced
//! in the middle of a rollout.

use crate::argo_rollout::{routers, split};
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where ours differ, and why: file, stage, object.
const ON_PURPOSE: [(&str, &str, &str); 1] = [
    // Argo's weights add up to 120 here.
    ("istio-kept-subset", "all", "VirtualService edge"),
];

#[expect(clippy::disallowed_methods, reason = "a test reads its recordings")]
fn recordings() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/argo");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the recordings")
        .map(|entry| entry.expect("a recording").path())
        .collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&file).expect("a recording");
        (
            name.into_owned(),
            serde_json::from_str(&text).expect("JSON"),
        )
    };
    files.into_iter().map(read).collect()
}

fn world(objects: &Value) -> World {
    let mut world = World::default();
    for object in objects.as_array().expect("objects") {
        let mut object = object.clone();
        object["metadata"]["namespace"] = "shop".into();
        world.store(object);
    }
    world
}

/// The objects by kind and name, without what a server adds, and with owners for nobody: Argo's canary
/// Mappings have none, and stay behind when their Rollout is deleted.
fn bare<'a>(objects: impl Iterator<Item = &'a Value>) -> BTreeMap<String, Value> {
    let bare = objects.map(|object| {
        let mut object = object.clone();
        let metadata = object["metadata"].as_object_mut().expect("fields");
        for field in ["namespace", "resourceVersion", "uid"] {
            metadata.remove(field);
        }
        if object["kind"] == "Mapping" {
            metadata_of(&mut object).remove("ownerReferences");
        }
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let name = format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        );
        (name, object)
    });
    bare.collect()
}

fn metadata_of(object: &mut Value) -> &mut serde_json::Map<String, Value> {
    object["metadata"].as_object_mut().expect("fields")
}

fn is_on_purpose(file: &str, stage: &str, object: &str) -> bool {
    ON_PURPOSE.contains(&(file, stage, object))
}

#[test]
fn the_objects_are_those_that_argos_routers_write() {
    let mut compared = 0;
    for (file, recording) in recordings() {
        let mut world = world(&recording["objects"]);
        for stage in recording["stages"].as_array().expect("stages") {
            let name = stage["stage"]["name"].as_str().expect("a name");
            for router in routers(&recording["strategy"]) {
                world.settle(&router, &split(&recording["strategy"], &stage["stage"]));
            }
            let theirs = bare(stage["objects"].as_array().expect("objects").iter());
            let ours = bare(world.objects.values());
            assert_eq!(
                ours.keys().collect::<Vec<_>>(),
                theirs.keys().collect::<Vec<_>>(),
                "{file} {name}"
            );
            for (object, ours) in &ours {
                let same = same(ours, &theirs[object]);
                assert_ne!(
                    same,
                    is_on_purpose(&file, name, object),
                    "{file} {name} {object}: {ours:#} and Argo's {:#}",
                    theirs[object]
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 140, "only {compared} objects were compared");
}

#[test]
fn taking_over_in_the_middle_of_a_rollout_writes_nothing() {
    for (file, recording) in recordings() {
        for stage in recording["stages"].as_array().expect("stages") {
            let name = stage["stage"]["name"].as_str().expect("a name");
            let world = world(&stage["objects"]);
            for router in routers(&recording["strategy"]) {
                let wanted = split(&recording["strategy"], &stage["stage"]);
                let changes = world.changes(&router, &wanted);
                assert_eq!(changes.problems, Vec::new(), "{file} {name}");
                for write in &changes.writes {
                    let object = write.object();
                    let object = format!("{} {}", object.kind.kind, object.name);
                    assert!(
                        is_on_purpose(&file, name, &object),
                        "{file} {name} {write:?}"
                    );
                }
            }
        }
    }
}

/// Whether two objects mean the same: Go's types leave out a weight of 0 in a mirror.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys = ours.keys().chain(theirs.keys());
            keys.into_iter().all(|key| {
                let zero = json!(0);
                let absent = if key == "weight" { &zero } else { &Value::Null };
                same(
                    ours.get(key).unwrap_or(absent),
                    theirs.get(key).unwrap_or(absent),
                )
            })
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .zip(theirs)
                    .all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        _ => ours == theirs,
    }
}
