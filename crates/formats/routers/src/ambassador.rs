//! Ambassador: a copy of a Mapping with the canary's share beside it, while the canary has one.
//!
//! Argo's controller sleeps five seconds between the weight 0 and the deletion of the copy, inside its
//! loop. Here the deletion is the next write.

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};
use crate::{kinds, owned, tree};
use serde_json::Value;

/// Mappings without weights share what the others leave evenly, and there are two.
const EVEN_SHARE: u32 = 50;

/// Which Mappings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ambassador {
    /// The Mappings of the stable Service.
    pub mappings: Vec<String>,
    /// `group/version`; `getambassador.io/v2` when absent.
    pub api_version: Option<String>,
}

impl Routing for Ambassador {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        self.pairs(traffic)
            .into_iter()
            .flat_map(|(base, canary)| [base, canary])
            .collect()
    }

    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        let weight = split.two_sided().canary;
        for (base, canary) in self.pairs(traffic) {
            let done = set(traffic, objects, weight, (&base, &canary), draft);
            draft.sound(done);
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let mut current = Current::default();
        for (base, canary) in self.pairs(traffic) {
            objects.need(&base)?;
            let weight = match objects.look(&canary)? {
                Some(body) => tree::weight(&body["spec"], "spec", &canary)?.unwrap_or(EVEN_SHARE),
                None => 0,
            };
            let mut place = Place::new(&canary, "spec.weight");
            place.add(Share::Canary, weight);
            place.add(Share::Stable, 100_u32.saturating_sub(weight));
            current.places.push(place);
        }
        Ok(current)
    }
}

impl Ambassador {
    fn pairs(&self, traffic: &Traffic) -> Vec<(ObjectRef, ObjectRef)> {
        let kind = kinds::MAPPING.in_version(self.api_version.as_deref());
        let namespace = &traffic.owner.namespace;
        let pair = |name: &String| {
            let canary = owned::name_with(name, "-canary");
            (kind.named(namespace, name), kind.named(namespace, &canary))
        };
        self.mappings.iter().map(pair).collect()
    }
}

fn set(
    traffic: &Traffic,
    objects: &Objects,
    weight: u32,
    (base, canary): (&ObjectRef, &ObjectRef),
    draft: &mut Draft,
) -> Result<(), Problem> {
    match objects.look(canary)? {
        None if weight == 0 => {
            objects.need(base)?;
        }
        None => {
            let body = beside(traffic, objects.need(base)?, weight, (base, canary))?;
            draft.create(canary, body);
        }
        Some(before) => {
            let old = tree::weight(&before["spec"], "spec", canary)?.unwrap_or(EVEN_SHARE);
            let mut after = before.clone();
            tree::set_weight(&mut after["spec"], weight, "spec", canary)?;
            draft.update(canary, before, after, Effect::raises_if(old < weight));
            if weight == 0 {
                draft.delete(canary, before);
            }
        }
    }
    Ok(())
}

/// The canary's Mapping for a base.
fn beside(
    traffic: &Traffic,
    of: &Value,
    weight: u32,
    (base, canary): (&ObjectRef, &ObjectRef),
) -> Result<Value, Problem> {
    if tree::weight(&of["spec"], "spec", base)?.unwrap_or(0) != 0 {
        return Err(Problem::at(
            base,
            "weights",
            "spec.weight",
            "it has a weight of its own, and gets what the canary's Mapping leaves".to_owned(),
            "remove the weight".to_owned(),
        ));
    }
    let (stable_service, canary_service) = traffic.services()?;
    let service = tree::text(of, &["spec", "service"]);
    let host_at = service.find("://").map_or(0, |scheme| scheme + 3);
    let rest = service[host_at..].strip_prefix(stable_service);
    let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with(['.', ':', '/']))
    else {
        return Err(Problem::at(
            base,
            "side-missing",
            "spec.service",
            format!("`{service}` is not the stable Service `{stable_service}`"),
            format!("let it lead to `{stable_service}`, or name another Mapping"),
        ));
    };
    let mut body = owned::new(canary, &traffic.owner);
    body["spec"] = of["spec"].clone();
    body["spec"]["service"] = format!("{}{canary_service}{rest}", &service[..host_at]).into();
    body["spec"]["weight"] = weight.into();
    Ok(body)
}
