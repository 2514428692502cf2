//! A cluster in memory, and the owner whose traffic is split in it.

use serde_json::Value;
use sluice_routers::{
    Changes, Current, Destination, HeaderMatch, ManagedRoute, Marks, Means, ObjectKind, ObjectRef,
    Objects, Owner, Problem, ROUTERS, RouteRule, Router, Split, Text, Traffic, Write,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

pub(crate) const HASH: &str = "rollouts-pod-template-hash";
pub(crate) const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";
pub(crate) const MANAGED_ALB: &str = "rollouts.argoproj.io/managed-alb-annotations";

/// A Rollout `checkout` in namespace `shop`, with Services `stable` and `canary`.
pub(crate) fn traffic() -> Traffic {
    Traffic {
        owner: Owner {
            api_version: "argoproj.io/v1alpha1".to_owned(),
            kind: "Rollout".to_owned(),
            name: "checkout".to_owned(),
            namespace: "shop".to_owned(),
            uid: "uid-of-checkout".to_owned(),
        },
        stable_service: Some("stable".to_owned()),
        canary_service: Some("canary".to_owned()),
        managed_routes: Vec::new(),
        marks: Marks {
            pod_hash_label: HASH.to_owned(),
            managed_by: Some(MANAGED_BY.to_owned()),
            managed_alb_annotations: Some(MANAGED_ALB.to_owned()),
        },
    }
}

pub(crate) fn router(means: Means) -> Router {
    let traffic = traffic();
    Router { traffic, means }
}

pub(crate) fn managing(means: Means, names: &[&str]) -> Router {
    let mut router = router(means);
    router.traffic.managed_routes = names.iter().map(|name| (*name).to_owned()).collect();
    router
}

/// `canary` of 100, from stable pods `old` to canary pods `new`.
pub(crate) fn split(canary: u32) -> Split {
    Split {
        canary,
        total: 100,
        additional: Vec::new(),
        stable_hash: Some("old".to_owned()),
        canary_hash: Some("new".to_owned()),
        weight_first: false,
        routes: Vec::new(),
    }
}

pub(crate) fn with(mut split: Split, additional: &[(&str, u32)]) -> Split {
    let additional = additional.iter();
    split.additional = additional
        .map(|(service, weight)| Destination {
            service: (*service).to_owned(),
            pod_hash: Some(format!("{service}-hash")),
            weight: *weight,
        })
        .collect();
    split
}

pub(crate) fn by_header(mut split: Split, routes: &[(&str, &[(&str, Text)])]) -> Split {
    split.routes.extend(routes.iter().map(|(name, matches)| {
        let matches = matches.iter().map(|(header, value)| HeaderMatch {
            header: (*header).to_owned(),
            value: value.clone(),
        });
        ManagedRoute {
            name: (*name).to_owned(),
            rule: RouteRule::Header(matches.collect()),
        }
    }));
    split
}

pub(crate) fn exact(text: &str) -> Text {
    Text::Exact(text.to_owned())
}

/// The objects of a cluster.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<(String, String, String), Value>,
    writes: u64,
}

impl World {
    /// From documents; those without a namespace are in `shop`.
    pub(crate) fn new(documents: &str) -> Self {
        let mut world = Self::default();
        for text in documents.split("\n---\n") {
            let mut body: Value = serde_saphyr::from_str(text).expect("YAML");
            if body["metadata"]["namespace"].is_null() {
                body["metadata"]["namespace"] = "shop".into();
            }
            world.store(body);
        }
        world
    }

    pub(crate) fn store(&mut self, mut body: Value) {
        self.writes += 1;
        body["metadata"]["resourceVersion"] = self.writes.to_string().into();
        if body["metadata"]["uid"].is_null() {
            body["metadata"]["uid"] = format!("uid-{}", self.writes).into();
        }
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let key = (
            text(&body["kind"]),
            text(&body["metadata"]["namespace"]),
            text(&body["metadata"]["name"]),
        );
        self.objects.insert(key, body);
    }

    pub(crate) fn object(&self, kind: &str, name: &str) -> &Value {
        self.find(kind, name).expect("the object")
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        let key = (kind.to_owned(), "shop".to_owned(), name.to_owned());
        self.objects.get(&key)
    }

    pub(crate) fn edit(&mut self, kind: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut body = self.object(kind, name).clone();
        edit(&mut body);
        self.store(body);
    }

    pub(crate) fn read(&self, router: &Router) -> Objects {
        let mut objects = Objects::default();
        while let Some(object) = router.missing(&objects) {
            let key = (
                object.kind.kind.clone(),
                object.namespace.clone(),
                object.name.clone(),
            );
            objects.insert(object, self.objects.get(&key).cloned());
        }
        objects
    }

    pub(crate) fn changes(&self, router: &Router, split: &Split) -> Changes {
        router.apply(&self.read(router), split)
    }

    pub(crate) fn current(&self, router: &Router) -> Result<Current, Problem> {
        router.current(&self.read(router))
    }

    /// Makes the writes as an API server would.
    pub(crate) fn write(&mut self, changes: &Changes) {
        for write in &changes.writes {
            let object = write.object();
            let old = self.objects.get(&(
                object.kind.kind.clone(),
                object.namespace.clone(),
                object.name.clone(),
            ));
            match write {
                Write::Create { body, .. } => {
                    assert!(old.is_none(), "{object} exists");
                    assert!(body["metadata"]["resourceVersion"].is_null(), "{object}");
                    self.store(body.clone());
                }
                Write::Update { body, .. } => {
                    let old = old.expect("the object that is updated");
                    assert_eq!(
                        old["metadata"]["resourceVersion"],
                        body["metadata"]["resourceVersion"]
                    );
                    self.store(body.clone());
                }
                Write::Delete { object, uid } => {
                    let old = old.expect("the object that is deleted");
                    assert_eq!(old["metadata"]["uid"].as_str(), uid.as_deref());
                    self.objects.remove(&(
                        object.kind.kind.clone(),
                        object.namespace.clone(),
                        object.name.clone(),
                    ));
                }
            }
        }
    }

    /// Applies until the objects express the split; `Update VirtualService shop/checkout` for each write.
    pub(crate) fn settle(&mut self, router: &Router, split: &Split) -> Vec<String> {
        let mut log = Vec::new();
        for _ in 0..3 {
            let changes = self.changes(router, split);
            assert_eq!(changes.problems, Vec::new());
            log.extend(changes.writes.iter().map(line));
            self.write(&changes);
            if changes.complete {
                let again = self.changes(router, split);
                assert!(again.is_settled(), "a second time: {again:#?}");
                return log;
            }
        }
        panic!("the split is not expressed after three rounds: {log:?}");
    }

    /// The canary's weight, where all places agree.
    pub(crate) fn canary(&self, router: &Router) -> u32 {
        let current = self.current(router).expect("a split");
        current.canary().expect("the same weight everywhere")
    }
}

pub(crate) fn line(write: &Write) -> String {
    let what = match write {
        Write::Create { .. } => "Create",
        Write::Update { .. } => "Update",
        Write::Delete { .. } => "Delete",
    };
    format!("{what} {}", write.object())
}

/// The problems as `rule place`, of applying a split that must not succeed.
pub(crate) fn problems(world: &World, router: &Router, split: &Split) -> Vec<String> {
    let changes = world.changes(router, split);
    assert!(!changes.complete);
    brief(&changes.problems)
}

pub(crate) fn brief(problems: &[Problem]) -> Vec<String> {
    let brief = |problem: &Problem| {
        let object = problem.object.as_deref().map(ObjectRef::to_string);
        let parts = [
            problem.rule.to_owned(),
            object.unwrap_or_default(),
            problem.path.clone(),
        ];
        let parts = parts.iter().map(String::as_str);
        parts
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    problems.iter().map(brief).collect()
}

/// The writes of one application, object by object, against the golden file.
pub(crate) fn golden(name: &str, changes: &Changes) {
    let mut text = String::new();
    for write in &changes.writes {
        writeln!(text, "# {}", line(write)).expect("a text");
        if let Write::Create { body, .. } | Write::Update { body, .. } = write {
            let body = serde_saphyr::to_string(body).expect("YAML");
            writeln!(text, "{}", body.trim_end()).expect("a text");
        }
        text.push_str("---\n");
    }
    for warning in &changes.warnings {
        writeln!(text, "# warning: {warning}").expect("a text");
    }
    for problem in &changes.problems {
        writeln!(text, "# problem: {problem}").expect("a text");
    }
    check(name, &text);
}

#[expect(clippy::disallowed_methods, reason = "a test reads its golden files")]
fn check(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.yaml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, text).expect("the golden file is written");
    }
    let wanted = std::fs::read_to_string(&file).expect("the golden file");
    assert_eq!(text, wanted, "{name} differs from its golden file");
}

#[test]
fn every_router_names_its_objects_and_the_versions_can_be_chosen() {
    let names: Vec<&str> = ROUTERS.iter().map(|router| router.name).collect();
    assert_eq!(
        names,
        [
            "istio",
            "alb",
            "nginx",
            "traefik",
            "apisix",
            "smi",
            "appMesh",
            "ambassador"
        ]
    );
    let spelled =
        |kind: ObjectKind| format!("{} {} {}", kind.api_version(), kind.kind, kind.plural);
    let ambassador = ROUTERS[7].kinds[0];
    for (api_version, wanted) in [
        (None, "getambassador.io/v2 Mapping mappings"),
        (
            Some("v3alpha1"),
            "getambassador.io/v3alpha1 Mapping mappings",
        ),
        (
            Some("x.getambassador.io/v3alpha1"),
            "x.getambassador.io/v3alpha1 AmbassadorMapping ambassadormappings",
        ),
    ] {
        assert_eq!(spelled(ambassador.in_version(api_version)), wanted);
    }
}
