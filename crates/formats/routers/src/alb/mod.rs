//! The AWS load balancer controller: annotations of an Ingress say what an action does. `action` has their
//! texts, `paths` the paths that lead to routes by header.

mod action;
mod paths;

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{RouteRule, Split, Traffic};
use crate::{ingress, kinds, tree};
use action::{Action, TargetGroup};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Prefix of the controller's annotations, where no other is configured.
const PREFIX: &str = "alb.ingress.kubernetes.io";

const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];

/// Which Ingresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alb {
    /// The Ingresses.
    pub ingresses: Vec<String>,
    /// The action that their paths lead to: the root Service, or else the stable one as the owner names it
    /// (not ping or pong).
    pub action: String,
    /// The port of the Services.
    pub service_port: i32,
    /// Prefix of the controller's annotations; `alb.ingress.kubernetes.io` when absent.
    pub annotation_prefix: Option<String>,
    /// Whether users stay on their side.
    pub stickiness: Option<Stickiness>,
}

/// Users stay on their side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stickiness {
    /// For how long, in seconds: 1 to 604,800, which is a week.
    pub seconds: i64,
}

impl Routing for Alb {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        let kind = kinds::INGRESS.in_version(None);
        let namespace = &traffic.owner.namespace;
        let names = self.ingresses.iter();
        names.map(|name| kind.named(namespace, name)).collect()
    }

    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        for object in self.wants(traffic, objects) {
            let done = self.split(traffic, objects, split, &object, draft);
            draft.sound(done);
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let (stable, canary) = traffic.services()?;
        let mut current = Current::default();
        for object in self.wants(traffic, objects) {
            let body = objects.need(&object)?;
            let rules = ingress::rules(body, &object, &self.action)?;
            for name in &traffic.managed_routes {
                let exists = rules.iter().any(|rule| ingress::leads_to(rule, name));
                if exists && !current.managed.contains(name) {
                    current.managed.push(name.clone());
                }
            }
            let key = self.key("actions", &self.action);
            let text = tree::annotation(body, &key);
            let path = annotation_path(&key);
            let mut place = Place::new(&object, path.clone());
            let action = match Action::read(text) {
                None if !text.is_empty() => {
                    return Err(Problem::malformed(&object, path, "a forward action"));
                }
                action => action,
            };
            for group in action.iter().flat_map(Action::target_groups) {
                let share = match group.service_name.as_str() {
                    name if name == stable => Share::Stable,
                    name if name == canary => Share::Canary,
                    name => Share::Other(name),
                };
                place.add(share, group.weight);
            }
            current.places.push(place);
        }
        Ok(current)
    }
}

impl Alb {
    fn split(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        split: &Split,
        object: &ObjectRef,
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let (_, canary) = traffic.services()?;
        let before = objects.need(object)?;
        ingress::rules(before, object, &self.action)?;
        self.check_stickiness()?;
        let mut after = before.clone();
        let annotations = tree::fields_mut(&mut after, &ANNOTATIONS, object)?;
        let root = self.key("actions", &self.action);
        let old = Action::read(annotations.get(&root).and_then(Value::as_str).unwrap_or(""));
        put_text(annotations, &root, self.weights(traffic, split)?.text());
        let mut managed = vec![root];
        let mut dropped = Vec::new();
        for name in &traffic.managed_routes {
            let keys = [self.key("actions", name), self.key("conditions", name)];
            match split.route(name).map(|route| &route.rule) {
                Some(RouteRule::Header(matches)) => {
                    let to_canary = self.action(vec![self.group(canary, 100)]).text();
                    put_text(annotations, &keys[0], to_canary);
                    put_text(annotations, &keys[1], action::conditions(name, matches)?);
                    managed.extend(keys);
                }
                _ => {
                    for key in keys {
                        annotations.remove(&key);
                        dropped.push(key);
                    }
                }
            }
        }
        if let Some(mark) = &traffic.marks.managed_alb_annotations {
            // The list is for people; traffic does not wait for it.
            let listed = (traffic.owner.name.as_str(), &managed[..], &dropped[..]);
            draft.sound(list_managed(annotations, mark, listed, object));
        }
        paths::arrange(&mut after, traffic, split, &self.action, object)?;
        let old = old.map_or(0, |action| action.weight_of(canary));
        let more_headers = split.routes.iter().any(|route| {
            let key = self.key("conditions", &route.name);
            tree::annotation(before, &key) != tree::annotation(&after, &key)
        });
        let raises = old < split.canary || more_headers;
        draft.update(object, before, after, Effect::raises_if(raises));
        Ok(())
    }

    /// The action that splits the traffic: canary, further destinations, stable.
    fn weights(&self, traffic: &Traffic, split: &Split) -> Result<Action, Problem> {
        let (stable, canary) = traffic.services()?;
        let shares = split.shares(0);
        let mut groups = vec![self.group(canary, shares.canary)];
        for one in &split.additional {
            groups.push(self.group(&one.service, one.weight));
        }
        groups.push(self.group(stable, shares.stable));
        Ok(self.action(groups))
    }

    fn group(&self, service: &str, weight: u32) -> TargetGroup {
        TargetGroup {
            service_name: service.to_owned(),
            service_port: self.service_port.to_string(),
            weight,
        }
    }

    fn action(&self, groups: Vec<TargetGroup>) -> Action {
        Action::forward(groups, self.stickiness.map(|sticky| sticky.seconds))
    }

    fn key(&self, what: &str, name: &str) -> String {
        let prefix = self.annotation_prefix.as_deref().unwrap_or(PREFIX);
        format!("{prefix}/{what}.{name}")
    }

    /// The range that AWS accepts (API reference, TargetGroupStickinessConfig).
    fn check_stickiness(&self) -> Result<(), Problem> {
        match self.stickiness {
            Some(Stickiness { seconds }) if !(1..=604_800).contains(&seconds) => {
                Err(Problem::asked(
                    "stickiness",
                    "stickiness",
                    format!("{seconds} seconds are not accepted"),
                    "set 1 to 604800 seconds, which is a week".to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn annotation_path(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

/// Sets an annotation that holds JSON, unless it means the same already.
fn put_text(annotations: &mut Map<String, Value>, key: &str, text: String) {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    let old = annotations.get(key).and_then(Value::as_str).and_then(parse);
    let is_right = old
        .zip(parse(&text))
        .is_some_and(|(old, new)| tree::same(&old, &new));
    if !is_right {
        annotations.insert(key.to_owned(), text.into());
    }
}

/// Lists the owner's annotations in the one that all owners share.
fn list_managed(
    annotations: &mut Map<String, Value>,
    mark: &str,
    (owner, managed, dropped): (&str, &[String], &[String]),
    object: &ObjectRef,
) -> Result<(), Problem> {
    let text = annotations.get(mark).and_then(Value::as_str).unwrap_or("");
    let mut lists: BTreeMap<String, Vec<String>> = match text {
        "" => BTreeMap::new(),
        text => serde_json::from_str(text).map_err(|_| {
            let wanted = "a JSON object with a list of annotations for each owner";
            Problem::malformed(object, annotation_path(mark), wanted)
        })?,
    };
    let list = lists.entry(owner.to_owned()).or_default();
    list.retain(|key| !dropped.contains(key));
    for key in managed {
        if !list.contains(key) {
            list.push(key.clone());
        }
    }
    let text = serde_json::to_string(&lists).expect("texts in lists are JSON");
    put_text(annotations, mark, text);
    Ok(())
}
