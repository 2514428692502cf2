//! Validations of a Rollout that an API server can do itself: bounds, and rules in CEL.
//!
//! They refuse nothing that Argo's controller would roll out; it would take the object and say
//! `InvalidSpec`. The list of steps has no bound in Argo's API, and so a rule over it may cost little: an
//! API server refuses rules that would cost too much in the worst case. What has no rule here, as the
//! names of managed routes, is in `validation`, which has all of them.

use super::Kind;
use serde_json::{Value, json};

/// A rule: where it holds, what must be true, and what is said otherwise.
type Rule = (&'static str, &'static str, &'static str);

const RULES: &[Rule] = &[
    (
        "spec",
        "has(self.strategy)",
        "strategy is missing: write strategy.canary or strategy.blueGreen",
    ),
    (
        "spec",
        "has(self.workloadRef) || has(self.selector)",
        "selector is missing: write the labels of the pod template, or name a workload in workloadRef",
    ),
    (
        "spec",
        "(has(self.progressDeadlineSeconds) ? self.progressDeadlineSeconds : 600) > (has(self.minReadySeconds) ? self.minReadySeconds : 0)",
        "progressDeadlineSeconds must be greater than minReadySeconds",
    ),
    (
        "spec",
        "!has(self.strategy) || !has(self.strategy.blueGreen) || !has(self.strategy.blueGreen.scaleDownDelayRevisionLimit) || self.strategy.blueGreen.scaleDownDelayRevisionLimit <= (has(self.revisionHistoryLimit) ? self.revisionHistoryLimit : 10)",
        "strategy.blueGreen.scaleDownDelayRevisionLimit must not exceed revisionHistoryLimit",
    ),
    (
        "spec.selector",
        "self == oldSelf",
        "selector cannot be changed",
    ),
    (
        "spec.selector",
        "(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",
        "selector must not be empty",
    ),
    (
        "spec.strategy",
        "has(self.canary) != has(self.blueGreen)",
        "strategy must have exactly one of canary and blueGreen",
    ),
    (
        "spec.strategy.blueGreen",
        "self.activeService != (has(self.previewService) ? self.previewService : '')",
        "activeService and previewService must be two Services",
    ),
    (
        "spec.strategy.blueGreen.antiAffinity",
        ONE_ANTI_AFFINITY,
        "antiAffinity must have exactly one rule",
    ),
    (
        "spec.strategy.canary.antiAffinity",
        ONE_ANTI_AFFINITY,
        "antiAffinity must have exactly one rule",
    ),
    (
        "spec.strategy.canary",
        "!(has(self.maxSurge) && has(self.maxUnavailable)) || !((type(self.maxSurge) == int ? self.maxSurge == 0 : self.maxSurge in ['0', '0%']) && (type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable in ['0', '0%']))",
        "maxSurge and maxUnavailable must not both be 0",
    ),
    (
        "spec.strategy.canary",
        "!has(self.canaryService) || self.canaryService == '' || !has(self.stableService) || self.canaryService != self.stableService",
        "canaryService and stableService must be two Services",
    ),
    (
        "spec.strategy.canary",
        "!has(self.scaleDownDelaySeconds) || has(self.trafficRouting)",
        "scaleDownDelaySeconds needs trafficRouting",
    ),
    (
        "spec.strategy.canary",
        "!has(self.dynamicStableScale) || !self.dynamicStableScale || (has(self.trafficRouting) && !has(self.scaleDownDelaySeconds))",
        "dynamicStableScale needs trafficRouting, and excludes scaleDownDelaySeconds",
    ),
    (
        "spec.strategy.canary",
        "!has(self.trafficRouting) || !(has(self.trafficRouting.smi) || has(self.trafficRouting.apisix) || has(self.trafficRouting.ambassador) || has(self.trafficRouting.nginx) || has(self.trafficRouting.appMesh) || has(self.trafficRouting.traefik) || (!has(self.pingPong) && (has(self.trafficRouting.alb) || (has(self.trafficRouting.istio) && !has(self.trafficRouting.istio.destinationRule))))) || (has(self.canaryService) && self.canaryService != '' && has(self.stableService) && self.stableService != '')",
        "canaryService and stableService are needed by these routers",
    ),
    (
        "spec.strategy.canary",
        "!has(self.pingPong) || !has(self.trafficRouting) || has(self.trafficRouting.alb) || has(self.trafficRouting.istio) || has(self.trafficRouting.plugins)",
        "pingPong works with alb, istio and plugins only",
    ),
    (
        "spec.strategy.canary",
        "!has(self.pingPong) || !has(self.trafficRouting) || !has(self.trafficRouting.alb) || (has(self.trafficRouting.alb.rootService) && self.trafficRouting.alb.rootService != '')",
        "pingPong with alb needs trafficRouting.alb.rootService",
    ),
    (
        "spec.strategy.canary.pingPong",
        "self.pingService != '' && self.pongService != '' && self.pingService != self.pongService",
        "pingService and pongService must be two Services",
    ),
    (
        "spec.strategy.canary.trafficRouting",
        "!has(self.maxTrafficWeight) || has(self.nginx) || has(self.plugins)",
        "maxTrafficWeight works with nginx and plugins only",
    ),
    (
        "spec.strategy.canary",
        "!has(self.steps) || (has(self.trafficRouting) && has(self.trafficRouting.maxTrafficWeight)) || self.steps.all(s, !has(s.setWeight) || s.setWeight <= 100)",
        "setWeight must be 0 to 100, unless trafficRouting.maxTrafficWeight says otherwise",
    ),
    (
        "spec.strategy.canary",
        "has(self.trafficRouting) || !has(self.steps) || !self.steps.exists(s, has(s.setCanaryScale))",
        "setCanaryScale needs trafficRouting",
    ),
    (
        "spec.strategy.canary",
        "!has(self.steps) || !self.steps.exists(s, has(s.setHeaderRoute)) || (has(self.trafficRouting) && (has(self.trafficRouting.istio) || has(self.trafficRouting.alb) || has(self.trafficRouting.apisix) || has(self.trafficRouting.plugins)))",
        "setHeaderRoute works with istio, alb, apisix and plugins only",
    ),
    (
        "spec.strategy.canary",
        "!has(self.steps) || !self.steps.exists(s, has(s.setMirrorRoute)) || (has(self.trafficRouting) && (has(self.trafficRouting.istio) || has(self.trafficRouting.plugins)))",
        "setMirrorRoute works with istio and plugins only",
    ),
    (
        "spec.strategy.canary",
        "!has(self.trafficRouting) || has(self.trafficRouting.managedRoutes) || !has(self.steps) || !self.steps.exists(s, has(s.setHeaderRoute) || has(s.setMirrorRoute))",
        "steps that set routes need trafficRouting.managedRoutes",
    ),
    (
        "spec.strategy.canary.steps[]",
        "(has(self.setWeight) ? 1 : 0) + (has(self.pause) ? 1 : 0) + (has(self.experiment) ? 1 : 0) + (has(self.analysis) ? 1 : 0) <= 1",
        "a step must be one of setWeight, pause, experiment, analysis",
    ),
];

const ONE_ANTI_AFFINITY: &str = "has(self.preferredDuringSchedulingIgnoredDuringExecution) != has(self.requiredDuringSchedulingIgnoredDuringExecution)";

/// Bounds of numbers, and of how many fields something has.
const BOUNDS: &[(&str, &str, i64)] = &[
    ("spec.replicas", "minimum", 0),
    ("spec.minReadySeconds", "minimum", 0),
    ("spec.revisionHistoryLimit", "minimum", 0),
    ("spec.progressDeadlineSeconds", "minimum", 0),
    ("spec.strategy.canary.steps[]", "minProperties", 1),
    ("spec.strategy.canary.steps[].setWeight", "minimum", 0),
    (
        "spec.strategy.canary.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight",
        "minimum",
        1,
    ),
    (
        "spec.strategy.canary.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight",
        "maximum",
        100,
    ),
    (
        "spec.strategy.blueGreen.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight",
        "minimum",
        1,
    ),
    (
        "spec.strategy.blueGreen.antiAffinity.preferredDuringSchedulingIgnoredDuringExecution.weight",
        "maximum",
        100,
    ),
];

/// Adds the rules of a kind to its schema.
pub(super) fn add(kind: Kind, schema: &mut Value) {
    if kind != Kind::Rollout {
        return;
    }
    for &(path, rule, message) in RULES {
        let place = at(schema, path);
        let rule = json!({"rule": rule, "message": message});
        match place
            .get_mut("x-kubernetes-validations")
            .and_then(Value::as_array_mut)
        {
            Some(rules) => rules.push(rule),
            None => place["x-kubernetes-validations"] = json!([rule]),
        }
    }
    for &(path, key, bound) in BOUNDS {
        at(schema, path)[key] = json!(bound);
    }
}

fn at<'a>(schema: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(schema, |place, name| {
        let inner = &mut place["properties"][name.trim_end_matches("[]")];
        assert!(inner.is_object(), "`{path}` is no field of the API");
        if name.ends_with("[]") {
            &mut inner["items"]
        } else {
            inner
        }
    })
}
