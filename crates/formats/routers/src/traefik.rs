//! Traefik: the weights of a TraefikService.

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};
use crate::{kinds, tree};
use serde_json::Value;

const SERVICES: [&str; 3] = ["spec", "weighted", "services"];

/// What Traefik takes for a weight that is absent.
const DEFAULT_WEIGHT: u32 = 1;

/// Which TraefikService.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traefik {
    /// The TraefikService with the weights.
    pub service: String,
    /// `group/version`; `traefik.io/v1alpha1` when absent.
    pub api_version: Option<String>,
}

impl Routing for Traefik {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        vec![self.object(traffic)]
    }

    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        let done = self.split(traffic, objects, split, draft);
        draft.sound(done);
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let object = self.object(traffic);
        let body = objects.need(&object)?;
        let (stable, canary) = sides(body, traffic, &object)?;
        let weight = |index: usize| {
            let path = place(index);
            let service = &body["spec"]["weighted"]["services"][index];
            let weight = tree::weight(service, &path, &object)?;
            Ok(weight.unwrap_or(DEFAULT_WEIGHT))
        };
        let mut place = Place::new(&object, SERVICES.join("."));
        place.add(Share::Stable, weight(stable)?);
        place.add(Share::Canary, weight(canary)?);
        Ok(Current {
            places: vec![place],
            ..Current::default()
        })
    }
}

impl Traefik {
    fn object(&self, traffic: &Traffic) -> ObjectRef {
        kinds::TRAEFIK_SERVICE
            .in_version(self.api_version.as_deref())
            .named(&traffic.owner.namespace, &self.service)
    }

    fn split(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        split: &Split,
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let object = self.object(traffic);
        let before = objects.need(&object)?;
        let (stable, canary) = sides(before, traffic, &object)?;
        let shares = split.two_sided();
        let mut after = before.clone();
        let services = tree::list_mut(&mut after, &SERVICES, &object)?;
        let old = tree::weight(&services[canary], &place(canary), &object)?;
        let raises = old.unwrap_or(DEFAULT_WEIGHT) < shares.canary;
        tree::set_weight(
            &mut services[stable],
            shares.stable,
            &place(stable),
            &object,
        )?;
        tree::set_weight(
            &mut services[canary],
            shares.canary,
            &place(canary),
            &object,
        )?;
        draft.update(&object, before, after, Effect::raises_if(raises));
        Ok(())
    }
}

fn place(index: usize) -> String {
    format!("{}[{index}]", SERVICES.join("."))
}

/// Where the stable and the canary Service are in the list.
fn sides(body: &Value, traffic: &Traffic, object: &ObjectRef) -> Result<(usize, usize), Problem> {
    let (stable, canary) = traffic.services()?;
    let services = tree::list(body, &SERVICES, object)?.map_or(&[][..], Vec::as_slice);
    let find = |name: &str, side: &str| {
        let found = services
            .iter()
            .position(|one| tree::text(one, &["name"]) == name);
        found.ok_or_else(|| {
            Problem::at(
                object,
                "side-missing",
                SERVICES.join("."),
                format!("it has no entry for the {side} Service `{name}`"),
                format!("add an entry with the name `{name}`"),
            )
        })
    };
    Ok((find(stable, "stable")?, find(canary, "canary")?))
}
