//! The destinations of a route, and their weights. One without a weight gets nothing beside others.

use super::DestinationRule;
use crate::changes::Problem;
use crate::current::{Place, Share};
use crate::object::ObjectRef;
use crate::split::{Split, Traffic};
use crate::tree;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;

/// How the two sides are told apart.
pub(super) struct Sides<'a> {
    pub(super) traffic: &'a Traffic,
    pub(super) rule: Option<&'a DestinationRule>,
}

/// What a destination is to the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Stable,
    Canary,
    /// One of the split's further destinations, by its index.
    Additional(usize),
    /// It keeps its weight.
    Kept,
    Foreign,
}

/// What became of the canary's weight.
pub(super) struct Weighed {
    pub(super) before: u32,
    pub(super) after: u32,
}

impl fmt::Display for Sides<'_> {
    /// As in `no route leads to …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, stable, canary) = self.names();
        write!(f, "{what}s `{stable}` and `{canary}`")
    }
}

impl<'a> Sides<'a> {
    /// What tells the sides apart, and its value for the stable and the canary side.
    fn names(&self) -> (&'static str, &'a str, &'a str) {
        let name = |service: &'a Option<String>| service.as_deref().unwrap_or_default();
        match self.rule {
            Some(rule) => ("subset", &rule.stable_subset, &rule.canary_subset),
            None => (
                "Service",
                name(&self.traffic.stable_service),
                name(&self.traffic.canary_service),
            ),
        }
    }

    /// Whether the route leads to any of the two sides.
    pub(super) fn any(&self, route: &Value) -> bool {
        let (_, stable, canary) = self.names();
        self.leads_to(route, stable) || self.leads_to(route, canary)
    }

    /// # Errors
    /// The route does not lead to both sides.
    pub(super) fn both(
        &self,
        route: &Value,
        path: &str,
        object: &ObjectRef,
    ) -> Result<(), Problem> {
        let (what, stable, canary) = self.names();
        for (side, name) in [("stable", stable), ("canary", canary)] {
            if !self.leads_to(route, name) {
                return Err(Problem::at(
                    object,
                    "side-missing",
                    format!("{path}.route"),
                    format!("no destination is the {side} {what} `{name}`"),
                    format!("add a destination with {what} `{name}`"),
                ));
            }
        }
        Ok(())
    }

    fn leads_to(&self, route: &Value, name: &str) -> bool {
        let by_subset = self.rule.is_some();
        !name.is_empty()
            && list(route).iter().any(|one| {
                let side = if by_subset { subset(one) } else { host(one) };
                side == name
            })
    }

    fn role(&self, destination: &Value, split: Option<&Split>) -> Role {
        let (host, subset) = (host(destination), subset(destination));
        let is = |service: &Option<String>, name: Option<&String>| {
            service.as_deref() == Some(host)
                || (!subset.is_empty() && name.is_some_and(|one| one == subset))
        };
        let rule = self.rule;
        let additional = split.into_iter().flat_map(|split| &split.additional);
        if is(
            &self.traffic.canary_service,
            rule.map(|rule| &rule.canary_subset),
        ) {
            Role::Canary
        } else if is(
            &self.traffic.stable_service,
            rule.map(|rule| &rule.stable_subset),
        ) {
            Role::Stable
        } else if let Some((index, _)) = additional.enumerate().find(|(_, one)| one.service == host)
        {
            Role::Additional(index)
        } else if rule.is_some_and(|rule| rule.additional_subsets.iter().any(|one| one == subset)) {
            Role::Kept
        } else {
            Role::Foreign
        }
    }

    /// Sets the weights of a route. What is left of former further destinations goes; a destination of others
    /// with weight 0 stays.
    pub(super) fn weigh(
        &self,
        route: &mut Value,
        split: &Split,
        path: &str,
        object: &ObjectRef,
    ) -> Result<Weighed, Problem> {
        let path = format!("{path}.route");
        let old = list(route);
        let mut weights = Vec::with_capacity(old.len());
        for (index, destination) in old.iter().enumerate() {
            let weight = tree::weight(destination, &format!("{path}[{index}]"), object)?;
            weights.push(weight.unwrap_or(0));
        }
        let mut seen = BTreeSet::new();
        let roles: Vec<Role> = old
            .iter()
            .map(|destination| match self.role(destination, Some(split)) {
                Role::Additional(index) if !seen.insert(index) => Role::Foreign,
                role => role,
            })
            .collect();
        let sum_of = |role: Role| -> u32 {
            let weights = roles.iter().zip(&weights);
            weights
                .filter(|(one, _)| **one == role)
                .fold(0, |sum, (_, weight)| sum.saturating_add(*weight))
        };
        let shares = split.shares(sum_of(Role::Kept));
        let mut stable = portions(
            shares.stable,
            roles.iter().filter(|one| **one == Role::Stable).count(),
        );
        let mut canary = portions(
            shares.canary,
            roles.iter().filter(|one| **one == Role::Canary).count(),
        );
        let before = sum_of(Role::Canary);
        let mut new = Vec::with_capacity(old.len());
        for (index, (destination, role)) in old.iter().zip(&roles).enumerate() {
            let weight = match role {
                Role::Stable => stable.next().unwrap_or(0),
                Role::Canary => canary.next().unwrap_or(0),
                Role::Additional(one) => split.additional[*one].weight,
                Role::Kept => weights[index],
                Role::Foreign if weights[index] == 0 => 0,
                Role::Foreign => continue,
            };
            let mut destination = destination.clone();
            if weight != weights[index] {
                tree::set_weight(&mut destination, weight, &path, object)?;
            }
            new.push(destination);
        }
        let missing = split.additional.iter().enumerate();
        let mut missing: Vec<_> = missing.filter(|(index, _)| !seen.contains(index)).collect();
        missing.sort_by(|(_, one), (_, other)| one.service.cmp(&other.service));
        new.extend(
            missing.into_iter().map(
                |(_, one)| json!({"destination": {"host": one.service}, "weight": one.weight}),
            ),
        );
        route["route"] = Value::Array(new);
        Ok(Weighed {
            before,
            after: shares.canary,
        })
    }

    /// The weights of a route as they are.
    pub(super) fn read(
        &self,
        route: &Value,
        path: &str,
        object: &ObjectRef,
    ) -> Result<Place, Problem> {
        let mut place = Place::new(object, path);
        for (index, destination) in list(route).iter().enumerate() {
            let weight = tree::weight(destination, &format!("{path}.route[{index}]"), object)?;
            let weight = weight.unwrap_or(0);
            let share = match self.role(destination, None) {
                Role::Stable => Share::Stable,
                Role::Canary => Share::Canary,
                _ => Share::Other(host(destination)),
            };
            place.add(share, weight);
        }
        Ok(place)
    }
}

/// The destinations of a route.
pub(super) fn list(route: &Value) -> &[Value] {
    route["route"].as_array().map_or(&[], Vec::as_slice)
}

/// The Service's name in a destination's host, which may go on with the namespace and the domain.
fn host(destination: &Value) -> &str {
    let host = tree::text(destination, &["destination", "host"]);
    host.split('.').next().unwrap_or_default()
}

fn subset(destination: &Value) -> &str {
    tree::text(destination, &["destination", "subset"])
}

/// A side's weight over its destinations in one route, of which there may be several, as with two ports.
fn portions(weight: u32, among: usize) -> impl Iterator<Item = u32> {
    let among = u32::try_from(among).unwrap_or(u32::MAX).max(1);
    (0..among).map(move |index| weight / among + u32::from(index < weight % among))
}
