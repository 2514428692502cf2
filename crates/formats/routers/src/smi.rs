//! Service Mesh Interface: a TrafficSplit, created where there is none.

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};
use crate::{kinds, owned, tree};
use serde_json::{Value, json};

/// Weights are quantities, spelled as texts, in this version only.
const QUANTITIES: &str = "v1alpha1";

/// The versions of a TrafficSplit.
const VERSIONS: [&str; 3] = [QUANTITIES, "v1alpha2", "v1alpha3"];

/// Which TrafficSplit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smi {
    /// The TrafficSplit; named after the owner when absent.
    pub traffic_split: Option<String>,
    /// The Service that clients call; the stable one when absent.
    pub root_service: Option<String>,
    /// `v1alpha1` to `v1alpha3`; the first when absent.
    pub api_version: Option<String>,
}

impl Routing for Smi {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        vec![self.object(traffic)]
    }

    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        let done = self.split(traffic, objects, split, draft);
        draft.sound(done);
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let object = self.object(traffic);
        let (stable, canary) = traffic.services()?;
        let Some(body) = objects.look(&object)? else {
            return Ok(Current::default());
        };
        let mut place = Place::new(&object, "spec.backends");
        for (index, backend) in backends(body, &object)?.iter().enumerate() {
            let weight = quantity(backend, index, &object)?;
            let share = match tree::text(backend, &["service"]) {
                name if name == stable => Share::Stable,
                name if name == canary => Share::Canary,
                name => Share::Other(name),
            };
            place.add(share, weight);
        }
        Ok(Current {
            places: vec![place],
            ..Current::default()
        })
    }
}

impl Smi {
    fn object(&self, traffic: &Traffic) -> ObjectRef {
        let name = self.traffic_split.as_ref().unwrap_or(&traffic.owner.name);
        kinds::TRAFFIC_SPLIT
            .in_version(self.api_version.as_deref())
            .named(&traffic.owner.namespace, name)
    }

    fn split(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        split: &Split,
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let object = self.object(traffic);
        if !VERSIONS.contains(&object.kind.version.as_str()) {
            return Err(Problem::at(
                &object,
                "version",
                "apiVersion",
                format!("there is no version `{}`", object.kind.version),
                format!("use one of {}", VERSIONS.join(", ")),
            ));
        }
        let (stable, canary) = traffic.services()?;
        let wanted = weights(split, stable, canary);
        let root = self.root_service.as_deref().unwrap_or(stable);
        let Some(before) = objects.look(&object)? else {
            let mut body = owned::new(&object, &traffic.owner);
            write(&mut body, root, &wanted, &object)?;
            draft.create(&object, body);
            return Ok(());
        };
        owned::must_belong(before, &object, &traffic.owner)?;
        let mut after = before.clone();
        write(&mut after, root, &wanted, &object)?;
        let raises = self
            .current(traffic, objects)
            .is_ok_and(|now| now.canary().unwrap_or(0) < split.canary);
        draft.update(&object, before, after, Effect::raises_if(raises));
        Ok(())
    }
}

/// The backends in the order in which they stand: canary, additional ones, stable.
fn weights<'a>(split: &'a Split, stable: &'a str, canary: &'a str) -> Vec<(&'a str, u32)> {
    let shares = split.shares(0);
    let additional = split.additional.iter();
    std::iter::once((canary, shares.canary))
        .chain(additional.map(|one| (one.service.as_str(), one.weight)))
        .chain([(stable, shares.stable)])
        .collect()
}

fn write(
    body: &mut Value,
    root: &str,
    wanted: &[(&str, u32)],
    object: &ObjectRef,
) -> Result<(), Problem> {
    let right = backends(body, object).is_ok_and(|backends| {
        backends.len() == wanted.len()
            && backends.iter().enumerate().all(|(index, backend)| {
                let (service, weight) = wanted[index];
                tree::text(backend, &["service"]) == service
                    && quantity(backend, index, object) == Ok(weight)
            })
    });
    let texts = object.kind.version == QUANTITIES;
    let spec = tree::fields_mut(body, &["spec"], object)?;
    tree::put(spec, "service", root.into());
    if !right {
        let backends = wanted.iter().map(|(service, weight)| {
            let weight = if texts {
                Value::from(weight.to_string())
            } else {
                Value::from(*weight)
            };
            json!({"service": service, "weight": weight})
        });
        spec.insert("backends".to_owned(), backends.collect());
    }
    Ok(())
}

fn backends<'a>(body: &'a Value, object: &ObjectRef) -> Result<&'a [Value], Problem> {
    let found = tree::list(body, &["spec", "backends"], object)?;
    Ok(found.map_or(&[], Vec::as_slice))
}

/// A backend's weight, as a number or as a whole quantity in text.
fn quantity(backend: &Value, index: usize, object: &ObjectRef) -> Result<u32, Problem> {
    let path = format!("spec.backends[{index}]");
    match tree::child(backend, &["weight"]) {
        Some(Value::String(text)) => text.parse().map_err(|_| {
            Problem::malformed(object, format!("{path}.weight"), "a whole number from 0")
        }),
        _ => Ok(tree::weight(backend, &path, object)?.unwrap_or(0)),
    }
}
