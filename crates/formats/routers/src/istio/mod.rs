//! Istio: the weights of VirtualServices, and the subsets of a DestinationRule.
//!
//! `selection` finds the routes that are split, `destinations` sets their weights, `managed` makes the routes
//! by header and the mirrors, `virtual_service` puts these together for one object; `subsets` has the
//! DestinationRule.

mod destinations;
mod managed;
mod selection;
mod subsets;
mod virtual_service;

use crate::changes::{Draft, Effect, Problem};
use crate::current::Current;
use crate::kinds::{self, KindFacts};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};

pub use subsets::release;

/// Which VirtualServices, and which DestinationRule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Istio {
    /// The VirtualServices with the weights.
    pub virtual_services: Vec<VirtualService>,
    /// The DestinationRule whose subsets are the sides; without one, the sides are Services.
    pub destination_rule: Option<DestinationRule>,
    /// Version of Istio's kinds; `v1alpha3` when absent.
    pub api_version: Option<String>,
}

/// A VirtualService and its routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualService {
    /// Its name, or `name.namespace`.
    pub name: String,
    /// HTTP routes that are split, by name; the only one when empty.
    pub routes: Vec<String>,
    /// TLS routes that are split; the only one when empty.
    pub tls_routes: Vec<TlsRoute>,
    /// TCP routes that are split; the only one when empty.
    pub tcp_routes: Vec<TcpRoute>,
}

/// A TLS route: the one whose matches have this port and these hosts, and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsRoute {
    /// Its port; 0 when its matches name none.
    pub port: i64,
    /// Its SNI hosts.
    pub sni_hosts: Vec<String>,
}

/// A TCP route: the one whose matches have this port and no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpRoute {
    /// Its port; 0 when its matches name none.
    pub port: i64,
}

/// A DestinationRule and its subsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestinationRule {
    /// Its name.
    pub name: String,
    /// The stable subset.
    pub stable_subset: String,
    /// The canary's subset.
    pub canary_subset: String,
    /// Subsets in the split routes that keep their weight.
    pub additional_subsets: Vec<String>,
}

impl Routing for Istio {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        let services = self.virtual_services.iter();
        services
            .map(|service| self.virtual_service(traffic, service))
            .chain(self.rule(traffic))
            .collect()
    }

    /// Subsets first, so that a weight finds its pods. When the canary's traffic ends, or shrinks for fewer pods, the present
    /// pods keep their subset until the weights are written: the DestinationRule is then written in two parts.
    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        let mut services = Vec::new();
        let rule_host = draft.sound(self.rule_host(traffic, objects)).flatten();
        for service in &self.virtual_services {
            let object = self.virtual_service(traffic, service);
            let changed = self.change(traffic, objects, split, (service, &object), rule_host);
            if let Some(changed) = draft.sound(changed) {
                services.push((object, changed));
            }
        }
        let ends = services.iter().any(|(_, one)| {
            let shrinks = split.weight_first && one.before != &one.after;
            one.reached_canary && (split.spares_canary() || shrinks)
        });
        if let Some((rule, object)) = self.destination_rule.as_ref().zip(self.rule(traffic)) {
            let wanted = |objects| subsets::change(rule, traffic, split, objects, &object, !ends);
            if let Some((before, after, follows)) = draft.sound(wanted(objects)) {
                draft.update(&object, before, after, Effect::Raises);
                if follows {
                    draft.more_follows();
                }
            }
        }
        for (object, changed) in services {
            let effect = Effect::raises_if(changed.raises);
            draft.problems(changed.problems);
            draft.warnings.extend(changed.warnings);
            draft.update(&object, changed.before, changed.after, effect);
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let mut current = Current::default();
        for service in &self.virtual_services {
            let object = self.virtual_service(traffic, service);
            let body = objects.need(&object)?;
            self.read(traffic, (service, &object), body, &mut current)?;
        }
        if let Some((rule, object)) = self.destination_rule.as_ref().zip(self.rule(traffic)) {
            let hash = |subset| subsets::hash(objects.need(&object)?, subset, traffic, &object);
            current.stable_hash = hash(&rule.stable_subset)?;
            current.canary_hash = hash(&rule.canary_subset)?;
        }
        Ok(current)
    }
}

impl Istio {
    fn object(&self, kind: KindFacts, namespace: &str, name: &str) -> ObjectRef {
        kind.in_version(self.api_version.as_deref())
            .named(namespace, name)
    }

    /// A name may have its namespace behind the last period, and the cluster's domain behind that.
    fn virtual_service(&self, traffic: &Traffic, service: &VirtualService) -> ObjectRef {
        let name = service.name.strip_suffix(".cluster.local");
        let name = name.unwrap_or(&service.name);
        let (name, namespace) = name
            .rsplit_once('.')
            .unwrap_or((name, &traffic.owner.namespace));
        self.object(kinds::VIRTUAL_SERVICE, namespace, name)
    }

    fn rule(&self, traffic: &Traffic) -> Option<ObjectRef> {
        let rule = self.destination_rule.as_ref()?;
        let namespace = &traffic.owner.namespace;
        Some(self.object(kinds::DESTINATION_RULE, namespace, &rule.name))
    }

    /// The host of the DestinationRule, where managed routes send requests.
    fn rule_host<'a>(
        &self,
        traffic: &Traffic,
        objects: &'a Objects,
    ) -> Result<Option<&'a str>, Problem> {
        let Some(object) = self.rule(traffic) else {
            return Ok(None);
        };
        Ok(Some(crate::tree::text(
            objects.need(&object)?,
            &["spec", "host"],
        )))
    }
}
