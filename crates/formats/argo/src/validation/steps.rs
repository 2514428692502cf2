//! The rules of a canary's steps.

use super::Problems;
use super::canary::PATH;
use crate::api::{
    AnalysisRunArgument, CanaryStep, CanaryStrategy, RolloutTrafficRouting, SetHeaderRoute,
    SetMirrorRoute, StringMatch,
};

/// Fields of a step that exclude each other. Argo accepts further ones beside them, and objects rely on
/// that: setCanaryScale together with setWeight.
const EXCLUSIVE: [&str; 4] = ["setWeight", "pause", "experiment", "analysis"];

pub(super) fn check(canary: &CanaryStrategy, step: &CanaryStep, path: &str, found: &mut Problems) {
    kinds(step, path, found);
    let whole = canary.max_traffic_weight();
    if let Some(weight) = step
        .set_weight
        .filter(|weight| !(0..=whole).contains(weight))
    {
        found.error(
            "set-weight",
            format!("{path}.setWeight"),
            format!("{weight} is not within 0 to {whole}"),
            format!("write a weight from 0 to {whole}"),
        );
    }
    pause(step, path, found);
    canary_scale(canary, step, path, found);
    if let Some(route) = &step.set_header_route {
        header_route(canary.traffic_routing.as_ref(), route, path, found);
    }
    if let Some(route) = &step.set_mirror_route {
        mirror_route(canary.traffic_routing.as_ref(), route, path, found);
    }
    if let Some(plugin) = &step.plugin {
        found.warning(
            "step-plugin",
            format!("{path}.plugin"),
            format!(
                "Sluice's controller runs no plugins, `{}` neither, and leaves the Rollout as it is: the step would not end",
                plugin.name
            ),
            "write an analysis or an experiment, or leave the Rollout to Argo's controller, by an instance id",
        );
    }
    experiment(canary.traffic_routing.as_ref(), step, path, found);
    arguments(step, path, found);
}

fn kinds(step: &CanaryStep, path: &str, found: &mut Problems) {
    let kinds = step.kinds();
    let exclusive = kinds.iter().filter(|kind| EXCLUSIVE.contains(kind)).count();
    match kinds.as_slice() {
        [] => found.error(
            "one-kind-of-step",
            path,
            "the step does nothing",
            "write one of setWeight, pause, setCanaryScale, analysis, experiment, setHeaderRoute, setMirrorRoute, plugin",
        ),
        [_] => {}
        _ if exclusive > 1 => found.error(
            "one-kind-of-step",
            path,
            format!("the step is {} at once", kinds.join(" and ")),
            "make each a step of its own",
        ),
        _ => found.warning(
            "one-kind-of-step",
            path,
            format!(
                "the step is {} at once; it goes on when the first of them is done",
                kinds.join(" and ")
            ),
            "make each a step of its own",
        ),
    }
}

fn pause(step: &CanaryStep, path: &str, found: &mut Problems) {
    let Some(pause) = &step.pause else {
        return;
    };
    let path = format!("{path}.pause.duration");
    match pause.seconds() {
        Ok(Some(seconds)) if seconds < 0 => found.error(
            "pause-duration",
            path,
            format!("{seconds} s is before now"),
            "write a duration above 0, or leave it out to wait for a promotion",
        ),
        Ok(_) => {}
        Err(cause) => found.error(
            "pause-duration",
            path,
            cause,
            "write seconds as `90`, or a duration as `10m`",
        ),
    }
}

fn canary_scale(canary: &CanaryStrategy, step: &CanaryStep, path: &str, found: &mut Problems) {
    let Some(scale) = &step.set_canary_scale else {
        return;
    };
    if canary.traffic_routing.is_none() {
        found.error(
            "canary-scale-router",
            format!("{path}.setCanaryScale"),
            "without a router the canary's pods are its traffic: there is no scale apart from it",
            "name a router in trafficRouting, or use setWeight",
        );
    }
    let set = [
        scale.weight.is_some(),
        scale.replicas.is_some(),
        scale.match_traffic_weight,
    ];
    if set.iter().filter(|is_set| **is_set).count() != 1 {
        found.warning(
            "canary-scale-fields",
            format!("{path}.setCanaryScale"),
            "of weight, replicas and matchTrafficWeight one decides: matchTrafficWeight before replicas before weight",
            "keep exactly one of them",
        );
    }
    for (field, number) in [("weight", scale.weight), ("replicas", scale.replicas)] {
        if let Some(number) = number.filter(|number| *number < 0) {
            found.warning(
                "canary-scale-fields",
                format!("{path}.setCanaryScale.{field}"),
                format!("{number} is below 0 and counts as 0"),
                "write 0 or more",
            );
        }
    }
}

fn header_route(
    routing: Option<&RolloutTrafficRouting>,
    route: &SetHeaderRoute,
    path: &str,
    found: &mut Problems,
) {
    let path = format!("{path}.setHeaderRoute");
    let able = routing.filter(|routing| {
        routing.istio.is_some()
            || routing.alb.is_some()
            || routing.apisix.is_some()
            || routing.has_plugins()
    });
    match able {
        None => found.error(
            "header-route-router",
            path.as_str(),
            "routes by header work with istio, alb, apisix and plugins only",
            "name one of those routers in trafficRouting",
        ),
        Some(routing) => {
            for (at, header) in route.matches.iter().enumerate() {
                let path = format!("{path}.match[{at}].headerValue");
                let value = header.header_value.as_ref();
                let only_exact = value.is_some_and(|value| {
                    !value.exact.is_empty() && value.regex.is_empty() && value.prefix.is_empty()
                });
                if routing.alb.is_some() && value.is_some() && !only_exact {
                    found.error(
                        "header-route-alb",
                        path,
                        "alb compares whole values only",
                        "write `exact`, and neither prefix nor regex",
                    );
                } else {
                    one_comparison(value, path, found);
                }
            }
        }
    }
    managed(routing, &route.name, &path, found);
}

fn mirror_route(
    routing: Option<&RolloutTrafficRouting>,
    route: &SetMirrorRoute,
    path: &str,
    found: &mut Problems,
) {
    let path = format!("{path}.setMirrorRoute");
    let can = |routing: &RolloutTrafficRouting| routing.istio.is_some() || routing.has_plugins();
    if !routing.is_some_and(can) {
        found.error(
            "mirror-route-router",
            path.as_str(),
            "copies of requests work with istio and plugins only",
            "name one of those routers in trafficRouting",
        );
    }
    for (at, condition) in route.matches.iter().enumerate() {
        let path = format!("{path}.match[{at}]");
        for (field, value) in [("method", &condition.method), ("path", &condition.path)] {
            if value.is_some() {
                one_comparison(value.as_ref(), format!("{path}.{field}"), found);
            }
        }
        // Argo looks at the method twice and never at the headers: it rolls such a one out.
        for (name, value) in &condition.headers {
            if let Err(cause) = comparisons(Some(value)) {
                let path = format!("{path}.headers[{name:?}]");
                found.warning("one-comparison", path, cause, ONE_COMPARISON);
            }
        }
    }
    if let Some(percentage) = route
        .percentage
        .filter(|percent| !(0..=100).contains(percent))
    {
        found.warning(
            "mirror-route-percentage",
            format!("{path}.percentage"),
            format!("{percentage} is not within 0 to 100"),
            "write a percentage from 0 to 100",
        );
    }
    managed(routing, &route.name, &path, found);
}

fn one_comparison(value: Option<&StringMatch>, path: String, found: &mut Problems) {
    if let Err(cause) = comparisons(value) {
        found.error("one-comparison", path, cause, ONE_COMPARISON);
    }
}

const ONE_COMPARISON: &str = "write exactly one of exact, prefix and regex";

fn comparisons(value: Option<&StringMatch>) -> Result<(), &'static str> {
    let count = value.map_or(0, |value| {
        [&value.exact, &value.prefix, &value.regex]
            .iter()
            .filter(|text| !text.is_empty())
            .count()
    });
    match count {
        0 => Err("no comparison is written"),
        1 => Ok(()),
        _ => Err("several comparisons are written"),
    }
}

fn managed(routing: Option<&RolloutTrafficRouting>, name: &str, path: &str, found: &mut Problems) {
    let Some(routing) = routing else {
        return;
    };
    match &routing.managed_routes {
        None => found.error(
            "managed-routes",
            format!("{PATH}.trafficRouting.managedRoutes"),
            "steps create routes, and their order is not given",
            format!("list the routes, `{name}` among them, those that win first"),
        ),
        Some(routes) if !routes.iter().any(|route| route.name == name) => found.error(
            "managed-routes",
            format!("{path}.name"),
            format!("`{name}` is not in trafficRouting.managedRoutes"),
            "add it there; the order of that list says which route wins",
        ),
        Some(_) => {}
    }
}

fn experiment(
    routing: Option<&RolloutTrafficRouting>,
    step: &CanaryStep,
    path: &str,
    found: &mut Problems,
) {
    let Some(experiment) = &step.experiment else {
        return;
    };
    for (at, template) in experiment.templates.iter().enumerate() {
        let path = format!("{path}.experiment.templates[{at}]");
        if template.weight.is_some() {
            let cause = match routing {
                None => Some("the experiment's share of the traffic needs a router"),
                Some(routing) => {
                    let can = routing.alb.is_some()
                        || routing.smi.is_some()
                        || routing.istio.is_some()
                        || routing.has_plugins();
                    (!can).then_some(
                        "an experiment gets traffic from smi, alb, istio and plugins only",
                    )
                }
            };
            if let Some(cause) = cause {
                found.error(
                    "experiment-weight",
                    format!("{path}.weight"),
                    cause,
                    "remove it, or name such a router in trafficRouting",
                );
            }
        }
        if !["stable", "canary"].contains(&template.spec_ref.as_str()) {
            found.warning(
                "experiment-spec-ref",
                format!("{path}.specRef"),
                format!("`{}` names no pods", template.spec_ref),
                "write stable or canary",
            );
        }
    }
    if !experiment.duration.0.is_empty()
        && let Err(cause) = experiment.duration.nanoseconds()
    {
        found.error(
            "experiment-duration",
            format!("{path}.experiment.duration"),
            cause,
            "write a duration as `10m`",
        );
    }
}

/// Arguments that name a field of the Rollout name one that exists for each object.
fn arguments(step: &CanaryStep, path: &str, found: &mut Problems) {
    let of_experiment = step.experiment.iter().flat_map(|experiment| {
        experiment
            .analyses
            .iter()
            .enumerate()
            .map(|(at, analysis)| (format!("{path}.experiment.analyses[{at}]"), &analysis.args))
    });
    let of_analysis = step
        .analysis
        .iter()
        .map(|analysis| (format!("{path}.analysis"), &analysis.args));
    for (path, args) in of_experiment.chain(of_analysis) {
        for (at, argument) in args.iter().enumerate() {
            check_argument(argument, &format!("{path}.args[{at}]"), found);
        }
    }
}

fn check_argument(argument: &AnalysisRunArgument, path: &str, found: &mut Problems) {
    let field = argument
        .value_from
        .as_ref()
        .and_then(|from| from.field_ref.as_ref());
    let Some(field) = field else {
        return;
    };
    let name = field.field_path.as_str();
    if name.starts_with("metadata") && !is_metadata_field(name) {
        found.error(
            "argument-field",
            format!("{path}.valueFrom.fieldRef.fieldPath"),
            format!("`{name}` is no field of an object's metadata"),
            "write metadata.name, metadata.namespace, metadata.uid, metadata.labels['…'] or metadata.annotations['…']",
        );
    }
}

/// The fields that Kubernetes' downward API knows.
fn is_metadata_field(path: &str) -> bool {
    let entry = ["metadata.labels", "metadata.annotations"]
        .iter()
        .find_map(|map| {
            path.strip_prefix(map)?
                .strip_prefix("['")?
                .strip_suffix("']")
        });
    match entry {
        Some(key) => !key.is_empty(),
        None => [
            "metadata.annotations",
            "metadata.labels",
            "metadata.name",
            "metadata.namespace",
            "metadata.uid",
        ]
        .contains(&path),
    }
}
