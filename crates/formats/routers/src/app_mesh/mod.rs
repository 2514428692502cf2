//! AWS App Mesh: the weighted targets of a VirtualRouter, whose routes are found in `routes`, and the pods
//! of the two VirtualNodes.

mod routes;

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::kinds::{self, KindFacts};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Shares, Split, Traffic};
use crate::tree;
use routes::Side;
use serde_json::Value;

/// Labels that no pod has: two nodes that choose the same pods are refused.
const NO_STABLE_POD: &str = "stable-hash";
const NO_CANARY_POD: &str = "canary-hash";

/// Which VirtualService and VirtualNodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppMesh {
    /// The VirtualService whose VirtualRouter has the weights.
    pub virtual_service: String,
    /// The routes that are changed; all between the two nodes when empty.
    pub routes: Vec<String>,
    /// The stable VirtualNode.
    pub stable_node: String,
    /// The canary's VirtualNode.
    pub canary_node: String,
    /// Version of App Mesh's kinds; `v1beta2` when absent.
    pub api_version: Option<String>,
}

impl Routing for AppMesh {
    fn wants(&self, traffic: &Traffic, objects: &Objects) -> Vec<ObjectRef> {
        let mut wanted = vec![
            self.object(kinds::MESH_SERVICE, traffic, &self.virtual_service),
            self.object(kinds::MESH_NODE, traffic, &self.stable_node),
            self.object(kinds::MESH_NODE, traffic, &self.canary_node),
        ];
        wanted.extend(self.router(traffic, objects).ok());
        wanted
    }

    /// The stable node first: traffic that leaves the canary finds it ready. The canary's node last when
    /// its traffic ends, since the pods that it loses serve until then.
    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        let stable = split.stable_hash.as_deref().unwrap_or(NO_STABLE_POD);
        let canary = split.canary_hash.as_deref().filter(|hash| *hash != stable);
        let mut problems = Vec::new();
        let mut steps = [
            self.choose_pods(traffic, objects, &self.stable_node, stable),
            self.choose_pods(
                traffic,
                objects,
                &self.canary_node,
                canary.unwrap_or(NO_CANARY_POD),
            ),
            self.weigh(traffic, objects, &split.two_sided(), &mut problems),
        ];
        if split.canary == 0 || split.weight_first {
            steps.swap(1, 2);
        }
        draft.problems(problems);
        for step in steps {
            if let Some(change) = draft.sound(step) {
                draft.update(&change.object, change.before, change.after, change.effect);
            }
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let object = self.router(traffic, objects)?;
        let body = objects.need(&object)?;
        let mut current = Current::default();
        let mut problems = Vec::new();
        let routes = self.split_routes(traffic, body, &object, &mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        for route in routes {
            let mut place = Place::new(&object, route.path());
            for (index, target) in route.targets(body).iter().enumerate() {
                let weight = tree::weight(target, &route.target_path(index), &object)?.unwrap_or(0);
                let share = match self.side(traffic, target) {
                    Some(Side::Stable) => Share::Stable,
                    Some(Side::Canary) => Share::Canary,
                    None => Share::Other(tree::text(target, &["virtualNodeRef", "name"])),
                };
                place.add(share, weight);
            }
            current.places.push(place);
        }
        let hash = |node: &str| {
            let node = self.object(kinds::MESH_NODE, traffic, node);
            let label = traffic.marks.pod_hash_label.as_str();
            let keys = ["spec", "podSelector", "matchLabels", label];
            let hash = tree::text(objects.need(&node)?, &keys);
            Ok((!hash.is_empty()).then(|| hash.to_owned()))
        };
        current.stable_hash = hash(&self.stable_node)?;
        current.canary_hash = hash(&self.canary_node)?;
        Ok(current)
    }
}

/// An object as it is and as it should be.
struct Change<'a> {
    object: ObjectRef,
    before: &'a Value,
    after: Value,
    effect: Effect,
}

impl AppMesh {
    fn object(&self, kind: KindFacts, traffic: &Traffic, name: &str) -> ObjectRef {
        kind.in_version(self.api_version.as_deref())
            .named(&traffic.owner.namespace, name)
    }

    /// The VirtualRouter that the VirtualService names.
    fn router(&self, traffic: &Traffic, objects: &Objects) -> Result<ObjectRef, Problem> {
        let service = self.object(kinds::MESH_SERVICE, traffic, &self.virtual_service);
        let keys = ["spec", "provider", "virtualRouter", "virtualRouterRef"];
        let body = objects.need(&service)?;
        let Some(reference) = tree::child(body, &keys) else {
            return Err(Problem::at(
                &service,
                "no-route",
                keys.join("."),
                "it names no VirtualRouter".to_owned(),
                "let a VirtualRouter provide it; a VirtualNode has no weights".to_owned(),
            ));
        };
        let mut router = self.object(
            kinds::MESH_ROUTER,
            traffic,
            tree::text(reference, &["name"]),
        );
        let namespace = tree::text(reference, &["namespace"]);
        if !namespace.is_empty() {
            router.namespace = namespace.to_owned();
        }
        Ok(router)
    }

    /// Makes a node choose the pods with this hash.
    fn choose_pods<'a>(
        &self,
        traffic: &Traffic,
        objects: &'a Objects,
        node: &str,
        hash: &str,
    ) -> Result<Change<'a>, Problem> {
        let object = self.object(kinds::MESH_NODE, traffic, node);
        let before = objects.need(&object)?;
        let mut after = before.clone();
        let labels =
            tree::fields_mut(&mut after, &["spec", "podSelector", "matchLabels"], &object)?;
        tree::put(labels, &traffic.marks.pod_hash_label, hash.into());
        let effect = Effect::Raises;
        Ok(Change {
            object,
            before,
            after,
            effect,
        })
    }

    fn weigh<'a>(
        &self,
        traffic: &Traffic,
        objects: &'a Objects,
        shares: &Shares,
        problems: &mut Vec<Problem>,
    ) -> Result<Change<'a>, Problem> {
        let object = self.router(traffic, objects)?;
        let before = objects.need(&object)?;
        let mut after = before.clone();
        let mut raises = false;
        for route in self.split_routes(traffic, before, &object, problems) {
            let targets = &mut after["spec"]["routes"][route.index][route.kind]["action"];
            let targets = targets["weightedTargets"]
                .as_array_mut()
                .into_iter()
                .flatten();
            for (index, target) in targets.enumerate() {
                let path = route.target_path(index);
                let weight = match self.side(traffic, target) {
                    Some(Side::Stable) => shares.stable,
                    Some(Side::Canary) => {
                        let old = tree::weight(target, &path, &object)?.unwrap_or(0);
                        raises |= old < shares.canary;
                        shares.canary
                    }
                    None => continue,
                };
                tree::set_weight(target, weight, &path, &object)?;
            }
        }
        let effect = Effect::raises_if(raises);
        Ok(Change {
            object,
            before,
            after,
            effect,
        })
    }
}
