//! APISIX: the weights of an ApisixRoute's backends. `header` has the routes by header, which are
//! ApisixRoutes of their own.

mod header;

use crate::changes::{Draft, Effect, Problem};
use crate::current::{Current, Place, Share};
use crate::object::{ObjectRef, Objects};
use crate::router::Routing;
use crate::split::{Split, Traffic};
use crate::{kinds, owned, tree};
use serde_json::Value;

const HTTP: [&str; 2] = ["spec", "http"];

/// What APISIX's ingress controller takes for a weight that is absent.
const DEFAULT_WEIGHT: u32 = 100;

/// Which ApisixRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apisix {
    /// The ApisixRoute.
    pub route: String,
    /// Its rules that are changed; the one named like the route when empty.
    pub rules: Vec<String>,
    /// `group/version`; `apisix.apache.org/v2` when absent.
    pub api_version: Option<String>,
}

/// A rule that is split: where it is, and where in its backends the sides are.
struct Rule {
    index: usize,
    stable: usize,
    canary: usize,
}

impl Routing for Apisix {
    fn wants(&self, traffic: &Traffic, _: &Objects) -> Vec<ObjectRef> {
        std::iter::once(&self.route)
            .chain(&traffic.managed_routes)
            .map(|name| self.object(traffic, name))
            .collect()
    }

    /// Routes by header that end come first, before the weights, and those that begin come last: both are
    /// in force only beside the split that they were asked for with.
    fn apply(&self, traffic: &Traffic, objects: &Objects, split: &Split, draft: &mut Draft) {
        for name in &traffic.managed_routes {
            if split.route(name).is_none() {
                let done = self.remove(traffic, objects, name, draft);
                draft.sound(done);
            }
        }
        let done = self.weigh(traffic, objects, split, draft);
        if draft.sound(done).is_none() {
            return;
        }
        for (order, name) in traffic.managed_routes.iter().enumerate() {
            if let Some(route) = split.route(name) {
                let done = self.header_route(traffic, objects, (order, route), draft);
                draft.sound(done);
            }
        }
    }

    fn current(&self, traffic: &Traffic, objects: &Objects) -> Result<Current, Problem> {
        let object = self.object(traffic, &self.route);
        let body = objects.need(&object)?;
        let mut current = Current::default();
        for rule in self.sound_rules(traffic, body, &object)? {
            let mut place = Place::new(&object, rule.path());
            for (index, backend) in rule.backends(body).iter().enumerate() {
                let weight = tree::weight(backend, &rule.backend_path(index), &object)?;
                let weight = weight.unwrap_or(DEFAULT_WEIGHT);
                let share = if index == rule.stable {
                    Share::Stable
                } else if index == rule.canary {
                    Share::Canary
                } else {
                    Share::Other(tree::text(backend, &["serviceName"]))
                };
                place.add(share, weight);
            }
            current.places.push(place);
        }
        for name in &traffic.managed_routes {
            if objects.look(&self.object(traffic, name))?.is_some() {
                current.managed.push(name.clone());
            }
        }
        Ok(current)
    }
}

impl Apisix {
    fn object(&self, traffic: &Traffic, name: &str) -> ObjectRef {
        kinds::APISIX_ROUTE
            .in_version(self.api_version.as_deref())
            .named(&traffic.owner.namespace, name)
    }

    fn weigh(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        split: &Split,
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let object = self.object(traffic, &self.route);
        let before = objects.need(&object)?;
        let shares = split.two_sided();
        let mut after = before.clone();
        let mut raises = false;
        let mut problems = Vec::new();
        for rule in self.rules(traffic, before, &object, &mut problems)? {
            let backends = &mut after["spec"]["http"][rule.index]["backends"];
            for (side, weight) in [(rule.stable, shares.stable), (rule.canary, shares.canary)] {
                let path = rule.backend_path(side);
                let old = tree::weight(&backends[side], &path, &object)?;
                let old = old.unwrap_or(DEFAULT_WEIGHT);
                raises |= side == rule.canary && old < weight;
                tree::set_weight(&mut backends[side], weight, &path, &object)?;
            }
        }
        draft.problems(problems);
        draft.update(&object, before, after, Effect::raises_if(raises));
        Ok(())
    }

    /// The names of the rules that are split.
    fn rule_names(&self) -> &[String] {
        if self.rules.is_empty() {
            std::slice::from_ref(&self.route)
        } else {
            &self.rules
        }
    }

    /// The rules that are split.
    ///
    /// # Errors
    /// Anything is wrong with any of them.
    fn sound_rules(
        &self,
        traffic: &Traffic,
        body: &Value,
        object: &ObjectRef,
    ) -> Result<Vec<Rule>, Problem> {
        let mut problems = Vec::new();
        let rules = self.rules(traffic, body, object, &mut problems)?;
        problems.into_iter().next().map_or(Ok(rules), Err)
    }

    /// The rules that are split and have both sides among their backends. What is wrong with others is
    /// noted.
    fn rules(
        &self,
        traffic: &Traffic,
        body: &Value,
        object: &ObjectRef,
        problems: &mut Vec<Problem>,
    ) -> Result<Vec<Rule>, Problem> {
        let services = traffic.services()?;
        let http = tree::list(body, &HTTP, object)?.map_or(&[][..], Vec::as_slice);
        let names = self.rule_names().iter();
        let rules = names.map(|name| {
            let mut places = http.iter();
            let index = places.position(|rule| tree::text(rule, &["name"]) == name);
            match index {
                Some(index) => rule(&http[index], index, services, object),
                None => Err(self.no_rule(name, object)),
            }
        });
        Ok(rules
            .filter_map(|rule| rule.map_err(|problem| problems.push(problem)).ok())
            .collect())
    }

    fn no_rule(&self, name: &str, object: &ObjectRef) -> Problem {
        let advice = if self.rules.is_empty() {
            "name the rules, which are otherwise taken to be called like the route"
        } else {
            "correct the name, or add the rule"
        };
        Problem::at(
            object,
            "route-not-found",
            HTTP.join("."),
            format!("it has no rule `{name}`"),
            advice.to_owned(),
        )
    }

    /// Deletes a route by header, unless it is somebody else's.
    fn remove(
        &self,
        traffic: &Traffic,
        objects: &Objects,
        name: &str,
        draft: &mut Draft,
    ) -> Result<(), Problem> {
        let object = self.object(traffic, name);
        if let Some(body) = objects.look(&object)?
            && owned::belongs_to(body, &traffic.owner)
        {
            draft.delete(&object, body);
        }
        Ok(())
    }
}

/// A rule with the stable and the canary's Service among its backends.
fn rule(
    rule: &Value,
    index: usize,
    (stable, canary): (&str, &str),
    object: &ObjectRef,
) -> Result<Rule, Problem> {
    let backends = tree::child(rule, &["backends"]).and_then(Value::as_array);
    let side = |service: &str, side: &str| {
        let mut backends = backends.into_iter().flatten();
        let at = backends.position(|one| tree::text(one, &["serviceName"]) == service);
        at.ok_or_else(|| {
            Problem::at(
                object,
                "side-missing",
                format!("{}[{index}].backends", HTTP.join(".")),
                format!("no backend is the {side} Service `{service}`"),
                format!("add a backend with `serviceName: {service}`"),
            )
        })
    };
    Ok(Rule {
        index,
        stable: side(stable, "stable")?,
        canary: side(canary, "canary")?,
    })
}

impl Rule {
    fn path(&self) -> String {
        format!("{}[{}].backends", HTTP.join("."), self.index)
    }

    fn backend_path(&self, index: usize) -> String {
        format!("{}[{index}]", self.path())
    }

    fn backends<'a>(&self, body: &'a Value) -> &'a [Value] {
        body["spec"]["http"][self.index]["backends"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }
}
