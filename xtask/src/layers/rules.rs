//! Which crate may depend on which, and what the pure crates must not reach.
//!
//! `app → adapters → {formats, core} → model`, never back. What tests and the project's own tasks
//! use lies outside, and nothing of the product depends on it.

use super::Violation;
use super::graph::{Graph, Kind, Package};

/// A layer, by the folder of the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Model,
    Core,
    Format,
    Adapter,
    App,
    Testing,
    Tasks,
}

/// Core crates that may use a sibling; the others know only the vocabulary.
const CORE_SIBLINGS: [(&str, &str); 8] = [
    ("sluice-analysis", "sluice-kayenta"),
    ("sluice-analysis", "sluice-conditions"),
    ("sluice-engine", "sluice-analysis"),
    ("sluice-forecast", "sluice-analysis"),
    ("sluice-tuning", "sluice-analysis"),
    ("sluice-tuning", "sluice-forecast"),
    ("sluice-control", "sluice-engine"),
    ("sluice-control", "sluice-analysis"),
];

/// Languages in which parts of documents are written: read by the same code that judges by them.
const LANGUAGES: [&str; 2] = ["sluice-conditions", "sluice-kayenta"];

/// What no pure crate may reach, over however many steps, and why.
const IMPURE: [(&str, &str); 31] = [
    ("async-std", "is an async runtime"),
    ("axum", "is a server"),
    ("chrono", "reads the clock"),
    ("crossbeam-channel", "is for threads"),
    ("fastrand", "is random"),
    ("futures-executor", "is an async runtime"),
    ("getrandom", "is random"),
    ("h2", "is network code"),
    ("hyper", "is network code"),
    ("hyper-util", "is network code"),
    ("jiff", "reads the clock"),
    ("kube", "is a client"),
    ("mio", "is network code"),
    ("nix", "calls the system"),
    ("parking_lot", "is for threads"),
    ("rand", "is random"),
    ("rayon", "is for threads"),
    ("reqwest", "is a client"),
    ("rusqlite", "is a database"),
    ("rustix", "calls the system"),
    ("rustls", "is network code"),
    ("smol", "is an async runtime"),
    ("socket2", "is network code"),
    ("tempfile", "writes files"),
    ("time", "reads the clock"),
    ("tokio", "is an async runtime"),
    ("tonic", "is network code"),
    ("tracing", "writes to a global; return data instead"),
    ("tungstenite", "is network code"),
    ("ureq", "is a client"),
    ("uuid", "is random"),
];

/// Whether a crate must be pure: values in, values out.
pub(super) fn is_pure(package: &Package) -> bool {
    matches!(
        layer(package),
        Some(Layer::Model | Layer::Core | Layer::Format)
    )
}

/// All broken rules of the graph.
pub(super) fn check(graph: &Graph) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in graph.members().filter(|member| layer(member).is_none()) {
        violations.push(Violation {
            place: format!("{} in {}", member.name, member.folder),
            rule: "lies in no layer; move it, or name the new layer in xtask's rules and in ARCHITECTURE.md"
                .to_owned(),
        });
    }
    for (from, to, kinds) in graph.member_edges() {
        let (Some(above), Some(below)) = (layer(from), layer(to)) else {
            continue;
        };
        // A crate's own tests may use it under its own name.
        if from.name == to.name {
            continue;
        }
        if let Some(rule) = broken(above, below, &from.name, &to.name) {
            let only_in_tests = !kinds.contains(&Kind::Normal) && !kinds.contains(&Kind::Build);
            let what = if only_in_tests {
                " (for its tests)"
            } else {
                ""
            };
            violations.push(Violation {
                place: format!("{} → {}{what}", from.name, to.name),
                rule: rule.to_owned(),
            });
        }
    }
    for member in graph.members().filter(|member| is_pure(member)) {
        let closure = graph.closure(member);
        for (impure, why) in IMPURE {
            if let Some(chain) = closure.get(impure) {
                violations.push(Violation {
                    place: chain.join(" → "),
                    rule: format!(
                        "`{impure}` {why}, and model, core and formats are pure; do it in an adapter and pass the value"
                    ),
                });
            }
        }
    }
    violations
}

fn layer(package: &Package) -> Option<Layer> {
    let parts: Vec<&str> = package.folder.split('/').collect();
    match parts.as_slice() {
        ["crates", "model"] => Some(Layer::Model),
        ["crates", "core", _] => Some(Layer::Core),
        ["crates", "formats", _] => Some(Layer::Format),
        ["crates", "adapters", _] => Some(Layer::Adapter),
        ["crates", "app"] => Some(Layer::App),
        ["testing", _] => Some(Layer::Testing),
        ["xtask"] => Some(Layer::Tasks),
        _ => None,
    }
}

/// The rule that an edge breaks, if it breaks one.
fn broken(above: Layer, below: Layer, from: &str, to: &str) -> Option<&'static str> {
    match (above, below) {
        (_, Layer::Tasks) => Some("nothing depends on the project's tasks"),
        (Layer::Tasks, _) => {
            Some("the project's tasks build without the product; call it as a program")
        }
        (Layer::Testing, _) => None,
        (_, Layer::Testing) => {
            Some("the product does not depend on what tests it; move the test into `testing/`")
        }
        (Layer::Model, _) => Some("the vocabulary depends on nothing of Sluice"),
        (Layer::Core | Layer::Format, Layer::Model) => None,
        (Layer::Core, Layer::Core) if CORE_SIBLINGS.contains(&(from, to)) => None,
        (Layer::Core, Layer::Core) => Some(
            "core crates know only the vocabulary; let the caller pass the value, or give the edge a reason in xtask's rules",
        ),
        (Layer::Core, _) => {
            Some("core knows only core and the vocabulary; invert it with a trait or a value")
        }
        (Layer::Format, Layer::Core) if LANGUAGES.contains(&to) => None,
        (Layer::Format, _) => {
            Some("a format knows only the vocabulary, so that one dialect cannot lean on another")
        }
        (Layer::Adapter, Layer::Model | Layer::Core | Layer::Format) => None,
        (Layer::Adapter, Layer::Adapter) => Some(
            "adapters do not know each other; the app connects them over the traits in core/control",
        ),
        (Layer::Adapter, Layer::App) => Some("adapters do not know the app that starts them"),
        (Layer::App, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Metadata of a workspace with these crates (name, folder) and edges (from, to, kind).
    fn metadata(members: &[(&str, &str)], outside: &[&str], edges: &[(&str, &str, &str)]) -> Value {
        let package =
            |name: &str, path: String| json!({"id": name, "name": name, "manifest_path": path});
        let packages: Vec<Value> = members
            .iter()
            .map(|(name, folder)| package(name, format!("/w/{folder}/Cargo.toml")))
            .chain(
                outside
                    .iter()
                    .map(|name| package(name, format!("/registry/{name}/Cargo.toml"))),
            )
            .collect();
        let nodes: Vec<Value> = members
            .iter()
            .map(|(name, _)| *name)
            .chain(outside.iter().copied())
            .map(|name| {
                let deps: Vec<Value> = edges
                    .iter()
                    .filter(|(from, _, _)| *from == name)
                    .map(|(_, to, kind)| {
                        let kind = if *kind == "normal" {
                            Value::Null
                        } else {
                            json!(kind)
                        };
                        json!({"pkg": to, "dep_kinds": [{"kind": kind}]})
                    })
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        let ids: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
        json!({
            "packages": packages, "workspace_members": ids, "workspace_root": "/w",
            "resolve": {"nodes": nodes},
        })
    }

    const MEMBERS: [(&str, &str); 9] = [
        ("sluice-model", "crates/model"),
        ("sluice-analysis", "crates/core/analysis"),
        ("sluice-engine", "crates/core/engine"),
        ("sluice-native", "crates/formats/native"),
        ("sluice-proxy", "crates/adapters/proxy"),
        ("sluice-store", "crates/adapters/store"),
        ("sluice", "crates/app"),
        ("sluice-simulator", "testing/simulator"),
        ("xtask", "xtask"),
    ];

    const SOUND: [(&str, &str, &str); 8] = [
        ("sluice-engine", "sluice-model", "normal"),
        ("sluice-engine", "sluice-analysis", "normal"),
        ("sluice-native", "sluice-model", "normal"),
        ("sluice-proxy", "sluice-analysis", "normal"),
        ("sluice-proxy", "tokio", "normal"),
        ("sluice", "sluice-proxy", "normal"),
        ("sluice-simulator", "sluice-engine", "normal"),
        ("sluice-engine", "proptest", "dev"),
    ];

    fn broken_by(more: &[(&str, &str, &str)]) -> Vec<String> {
        let edges: Vec<_> = SOUND.iter().chain(more).copied().collect();
        let outside = ["tokio", "proptest", "rand", "helper", "build-helper"];
        let mut edges_all = edges;
        edges_all.push(("proptest", "rand", "normal"));
        let graph =
            Graph::from_metadata(&metadata(&MEMBERS, &outside, &edges_all)).expect("metadata");
        check(&graph).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_sound_workspace_breaks_no_rule() {
        assert_eq!(broken_by(&[]), Vec::<String>::new());
    }

    #[test]
    fn each_planted_edge_is_named_with_its_rule() {
        for (from, to, kind, edge, rule) in [
            (
                "sluice-model",
                "sluice-engine",
                "normal",
                "sluice-model → sluice-engine",
                "vocabulary",
            ),
            (
                "sluice-analysis",
                "sluice-engine",
                "normal",
                "sluice-analysis → sluice-engine",
                "core crates",
            ),
            (
                "sluice-engine",
                "sluice-native",
                "normal",
                "sluice-engine → sluice-native",
                "core knows only",
            ),
            (
                "sluice-native",
                "sluice-engine",
                "normal",
                "sluice-native → sluice-engine",
                "a format knows",
            ),
            (
                "sluice-proxy",
                "sluice-store",
                "normal",
                "sluice-proxy → sluice-store",
                "adapters do not know each",
            ),
            (
                "sluice-store",
                "sluice",
                "build",
                "sluice-store → sluice",
                "adapters do not know the app",
            ),
            (
                "sluice-store",
                "sluice-simulator",
                "dev",
                "sluice-store → sluice-simulator (for its tests)",
                "tests",
            ),
            (
                "xtask",
                "sluice-model",
                "normal",
                "xtask → sluice-model",
                "build without the product",
            ),
            (
                "sluice-simulator",
                "xtask",
                "normal",
                "sluice-simulator → xtask",
                "project's tasks",
            ),
        ] {
            let broken = broken_by(&[(from, to, kind)]);
            assert_eq!(broken.len(), 1, "{from} → {to}: {broken:?}");
            assert!(
                broken[0].starts_with(&format!("{edge}: ")) && broken[0].contains(rule),
                "{broken:?}"
            );
        }
    }

    #[test]
    fn an_impure_library_is_found_behind_another_one() {
        let broken = broken_by(&[
            ("sluice-model", "helper", "normal"),
            ("helper", "tokio", "normal"),
        ]);
        let chains: Vec<&str> = broken
            .iter()
            .filter_map(|text| text.split(": ").next())
            .collect();
        assert_eq!(
            chains,
            [
                "sluice-engine → sluice-model → helper → tokio",
                "sluice-model → helper → tokio",
                "sluice-native → sluice-model → helper → tokio",
            ]
        );
        assert!(broken[0].contains("async runtime"), "{broken:?}");
    }

    #[test]
    fn what_only_builds_or_tests_a_pure_crate_may_be_impure() {
        let edges = [
            ("sluice-model", "build-helper", "build"),
            ("build-helper", "tokio", "normal"),
        ];
        assert_eq!(broken_by(&edges), Vec::<String>::new());
    }

    #[test]
    fn a_crate_outside_every_layer_is_named() {
        let graph = Graph::from_metadata(&metadata(&[("stray", "crates/stray")], &[], &[]));
        let broken = check(&graph.expect("metadata"));
        assert_eq!(broken[0].place, "stray in crates/stray");
    }
}
