//! The NGINX ingress controller: a second Ingress with the canary's share beside the stable one.

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};
use crate::{ingress, kinds, owned, tree};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Chooses the controller of an Ingress, as an annotation.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Prefix of the controller's annotations, where no other is configured.
const PREFIX: &str = "nginx.ingress.kubernetes.io";

const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];

/// The controller's own total.
const TOTAL: u32 = 100;

/// Which Ingresses, and how the canary's are annotated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nginx {
    /// The Ingresses with the stable Service.
    pub stable_ingresses: Vec<String>,
    /// Prefix of the controller's annotations; `nginx.ingress.kubernetes.io` when absent.
    pub annotation_prefix: Option<String>,
    /// Further annotations of the canary Ingresses, below the prefix: `canary-by-header`.
    pub additional_annotations: BTreeMap<String, String>,
    /// Further annotations of the canary Ingresses, by their whole names.
    pub canary_annotations: BTreeMap<String, String>,
}

impl Routing for Nginx {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        self.pairs(traffic)
            .flat_map(|(stable, canary)| [stable, canary])
            .collect()
    }

    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        for (stable, canary) in self.pairs(traffic) {
            let done = self.split(traffic, objects, split, (&stable, &canary), draft);
            draft.sound(done);
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let mut current = Current::default();
        for (stable, canary) in self.pairs(traffic) {
            objects.need(&stable)?;
            let (mut total, mut weight) = (None, None);
            if let Some(body) = objects.look(&canary)? {
                total = self.number(body, "canary-weight-total", &canary)?;
                weight = self.number(body, "canary-weight", &canary)?;
            }
            let (total, weight) = (total.unwrap_or(TOTAL), weight.unwrap_or(0));
            let path = format!("metadata.annotations[{}]", self.key("canary-weight"));
            let mut place = Place::new(&canary, path);
            place.add(Share::Canary, weight);
            place.add(Share::Stable, total.saturating_sub(weight));
            current.places.push(place);
        }
        Ok(current)
    }
}

impl Nginx {
    fn pairs<'a>(
        &'a self,
        traffic: &'a Traffic,
    ) -> impl Iterator<Item = (ObjectRef, ObjectRef)> + 'a {
        let kind = kinds::CANARY_INGRESS.in_version(None);
        let owner = &traffic.owner;
        self.stable_ingresses.iter().map(move |name| {
            let canary = owned::name_with(&format!("{}-{name}", owner.name), "-canary");
            (
                kind.named(&owner.namespace, name),
                kind.named(&owner.namespace, &canary),
            )
        })
    }

    fn split(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        split: &Split,
        (stable, canary): (&ObjectRef, &ObjectRef),
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let of = objects.need(stable)?;
        match objects.look(canary)? {
            None => {
                let mut body = owned::new(canary, &traffic.owner);
                self.fill(&mut body, of, traffic, split, (stable, canary))?;
                draft.create(canary, body);
            }
            Some(before) => {
                owned::must_belong(before, canary, &traffic.owner)?;
                let weight = self.number(before, "canary-weight", canary).ok().flatten();
                let mut after = before.clone();
                let filled = self.fill(&mut after, of, traffic, split, (stable, canary));
                if draft.sound(filled).is_none() {
                    // What the stable Ingress says now is unclear; the weight is not.
                    let annotations = tree::fields_mut(&mut after, &ANNOTATIONS, canary)?;
                    self.annotate(annotations, of, split);
                }
                let raises = split.canary > weight.unwrap_or(0);
                draft.update(canary, before, after, Effect::raises_if(raises));
            }
        }
        Ok(())
    }

    /// Makes a canary Ingress say the split: the stable one's rules with a path to the stable Service, TLS and
    /// class, and the annotations. Labels and annotations of others stay.
    fn fill(
        &self,
        body: &mut Value,
        of: &Value,
        traffic: &Traffic,
        split: &Split,
        (stable_ref, canary_ref): (&ObjectRef, &ObjectRef),
    ) -> Result<(), Problem> {
        let (stable, canary) = traffic.services()?;
        let mut rules: Vec<Value> = ingress::rules(of, stable_ref, stable)?
            .iter()
            .filter(|rule| ingress::leads_to(rule, stable))
            .cloned()
            .collect();
        for rule in &mut rules {
            let paths = rule["http"]["paths"].as_array_mut().into_iter().flatten();
            for path in paths.filter(|path| ingress::service(path) == stable) {
                path["backend"]["service"]["name"] = canary.into();
            }
        }
        let spec = tree::fields_mut(body, &["spec"], canary_ref)?;
        tree::put(spec, "rules", Value::Array(rules));
        for field in ["tls", "ingressClassName"] {
            match tree::child(of, &["spec", field]) {
                Some(value) => tree::put(spec, field, value.clone()),
                None => drop(spec.remove(field)),
            }
        }
        let annotations = tree::fields_mut(body, &ANNOTATIONS, canary_ref)?;
        self.annotate(annotations, of, split);
        Ok(())
    }

    fn annotate(&self, annotations: &mut Map<String, Value>, of: &Value, split: &Split) {
        let class = tree::annotation(of, CLASS);
        if !class.is_empty() {
            tree::put(annotations, CLASS, class.into());
        }
        for (key, value) in &self.additional_annotations {
            let key = if key.starts_with(self.prefix()) {
                key.clone()
            } else {
                self.key(key)
            };
            tree::put(annotations, &key, value.as_str().into());
        }
        for (key, value) in &self.canary_annotations {
            tree::put(annotations, key, value.as_str().into());
        }
        let total = self.key("canary-weight-total");
        if split.total != TOTAL || annotations.contains_key(&total) {
            tree::put(annotations, &total, split.total.to_string().into());
        }
        let weight = split.two_sided().canary.to_string();
        tree::put(annotations, &self.key("canary"), "true".into());
        tree::put(annotations, &self.key("canary-weight"), weight.into());
    }

    fn prefix(&self) -> &str {
        self.annotation_prefix.as_deref().unwrap_or(PREFIX)
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix())
    }

    /// The number in one of the controller's annotations.
    fn number(&self, body: &Value, name: &str, object: &ObjectRef) -> Result<Option<u32>, Problem> {
        let key = self.key(name);
        match tree::annotation(body, &key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                let path = format!("metadata.annotations[{key}]");
                Problem::malformed(object, path, "a whole number from 0")
            }),
        }
    }
}
