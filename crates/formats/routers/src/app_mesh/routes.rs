//! The routes of a VirtualRouter that are split.

use super::AppMesh;
use crate::changes::Problem;
use crate::object::ObjectRef;
use crate::split::Traffic;
use crate::tree;
use serde_json::Value;

/// The types of routes that have weighted targets.
const TYPES: [&str; 4] = ["httpRoute", "tcpRoute", "http2Route", "grpcRoute"];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Stable,
    Canary,
}

/// A route that has targets on both sides.
pub(super) struct Route {
    pub(super) index: usize,
    pub(super) kind: &'static str,
}

impl Route {
    pub(super) fn path(&self) -> String {
        format!(
            "spec.routes[{}].{}.action.weightedTargets",
            self.index, self.kind
        )
    }

    pub(super) fn target_path(&self, index: usize) -> String {
        format!("{}[{index}]", self.path())
    }

    pub(super) fn targets<'a>(&self, router: &'a Value) -> &'a [Value] {
        let route = &router["spec"]["routes"][self.index];
        tree::child(route, &[self.kind, "action", "weightedTargets"])
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

impl AppMesh {
    /// The routes that are split: those that are named, or all that lead to one of the two nodes. Other
    /// routes are not touched. What is wrong with any is noted.
    pub(super) fn split_routes(
        &self,
        traffic: &Traffic,
        body: &Value,
        object: &ObjectRef,
        problems: &mut Vec<Problem>,
    ) -> Vec<Route> {
        let routes = match tree::list(body, &["spec", "routes"], object) {
            Ok(routes) => routes.map_or(&[][..], Vec::as_slice),
            Err(problem) => {
                problems.push(problem);
                return Vec::new();
            }
        };
        let names = |route: &Value, name: &String| tree::text(route, &["name"]) == name;
        for name in &self.routes {
            if !routes.iter().any(|route| names(route, name)) {
                problems.push(Problem::at(
                    object,
                    "route-not-found",
                    "spec.routes",
                    format!("it has no route `{name}`"),
                    "correct the name, or add the route".to_owned(),
                ));
            }
        }
        let mut chosen = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            let is_named = self.routes.iter().any(|name| names(route, name));
            if is_named || self.routes.is_empty() {
                match self.split_route(traffic, body, (index, is_named), object) {
                    Ok(route) => chosen.extend(route),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        if chosen.is_empty() && problems.is_empty() {
            problems.push(Problem::at(
                object,
                "no-route",
                "spec.routes",
                format!(
                    "no route leads to `{}` and `{}`",
                    self.stable_node, self.canary_node
                ),
                "add a route with both VirtualNodes as weighted targets".to_owned(),
            ));
        }
        chosen
    }

    /// The route of this index, if it is named or leads to one of the nodes.
    fn split_route(
        &self,
        traffic: &Traffic,
        body: &Value,
        (index, is_named): (usize, bool),
        object: &ObjectRef,
    ) -> Result<Option<Route>, Problem> {
        let fields = &body["spec"]["routes"][index];
        let mut kinds = TYPES.into_iter();
        let Some(kind) = kinds.find(|kind| tree::child(fields, &[kind]).is_some()) else {
            let wanted = format!("a route with one of {}", TYPES.join(", "));
            let path = format!("spec.routes[{index}]");
            let unknown = Problem::malformed(object, path, &wanted);
            return if is_named { Err(unknown) } else { Ok(None) };
        };
        let route = Route { index, kind };
        let targets = route.targets(body).iter();
        let sides: Vec<Side> = targets
            .filter_map(|target| self.side(traffic, target))
            .collect();
        if sides.is_empty() && !is_named {
            return Ok(None);
        }
        for (side, node) in [
            (Side::Stable, &self.stable_node),
            (Side::Canary, &self.canary_node),
        ] {
            if !sides.contains(&side) {
                return Err(Problem::at(
                    object,
                    "side-missing",
                    route.path(),
                    format!("no target is VirtualNode `{node}`"),
                    format!("add a target with weight 0 for `{node}`"),
                ));
            }
        }
        Ok(Some(route))
    }

    /// The side that a target is, by its node.
    pub(super) fn side(&self, traffic: &Traffic, target: &Value) -> Option<Side> {
        let namespace = tree::text(target, &["virtualNodeRef", "namespace"]);
        if !namespace.is_empty() && namespace != traffic.owner.namespace {
            return None;
        }
        match tree::text(target, &["virtualNodeRef", "name"]) {
            name if name == self.stable_node => Some(Side::Stable),
            name if name == self.canary_node => Some(Side::Canary),
            _ => None,
        }
    }
}
