//! One VirtualService as it should be, and as it is.

use super::destinations::{self, Sides};
use super::managed::Target;
use super::selection::{Protocol, Selection};
use super::{Istio, VirtualService};
use crate::changes::Problem;
use crate::current::Current;
use crate::object::{ObjectRef, Objects};
use crate::split::{ManagedRoute, Split, Traffic};
use crate::tree;
use serde_json::Value;

/// A VirtualService before and after.
pub(super) struct Changed<'a> {
    pub(super) before: &'a Value,
    pub(super) after: Value,
    /// Whether it sent anything to the canary.
    pub(super) reached_canary: bool,
    /// Whether it sends more to the canary.
    pub(super) raises: bool,
    /// What is wrong with some of its routes.
    pub(super) problems: Vec<Problem>,
    /// What is named and not there, beside other routes that are split.
    pub(super) warnings: Vec<Problem>,
}

impl Istio {
    /// Makes a VirtualService say the split.
    pub(super) fn change<'a>(
        &self,
        traffic: &Traffic,
        objects: &'a Objects,
        split: &Split,
        (service, object): (&VirtualService, &ObjectRef),
        rule_host: Option<&str>,
    ) -> Result<Changed<'a>, Problem> {
        let before = objects.need(object)?;
        let mut after = before.clone();
        let sides = self.sides(traffic);
        let selection = selection(traffic, service, &sides, object);
        let mut problems = Vec::new();
        let (mut reached_canary, mut raises, mut is_split) = (false, false, false);
        let mut first_http = None;
        for protocol in Protocol::ALL {
            for index in selection.of(protocol, before, &mut problems) {
                let path = protocol.path(index);
                let route = &mut after["spec"][protocol.field()][index];
                match sides.weigh(route, split, &path, object) {
                    Ok(weighed) => {
                        reached_canary |= weighed.before > 0;
                        raises |= weighed.after > weighed.before;
                    }
                    Err(problem) => problems.push(problem),
                }
                is_split = true;
                if protocol == Protocol::Http && first_http.is_none() {
                    first_http = Some(destinations::list(route).to_vec());
                }
            }
        }
        if !is_split && problems.is_empty() {
            return Err(selection.nothing());
        }
        let target = Target {
            host: match rule_host {
                Some(host) if !host.is_empty() => host,
                _ => traffic.canary_service.as_deref().unwrap_or_default(),
            },
            subset: self
                .destination_rule
                .as_ref()
                .map(|rule| rule.canary_subset.as_str()),
            split: first_http.as_deref().unwrap_or_default(),
        };
        let in_force = match (&first_http, split.routes.first()) {
            (None, Some(route)) => {
                problems.push(Problem::at(
                    object,
                    "no-route",
                    "spec.http",
                    format!("route `{}` needs an HTTP route that is split", route.name),
                    format!("add an HTTP route to {sides}"),
                ));
                &[][..]
            }
            _ => &split.routes,
        };
        if after["spec"]["http"].is_array() {
            let managed = arrange(&mut after, traffic, in_force, &target, object)?;
            reached_canary |= managed.existed;
            raises |= managed.raises;
        }
        let protocols = Protocol::ALL.into_iter();
        Ok(Changed {
            before,
            after,
            reached_canary,
            raises,
            problems,
            warnings: protocols
                .filter_map(|protocol| selection.absent(protocol, before))
                .collect(),
        })
    }

    /// Adds what a VirtualService says.
    pub(super) fn read(
        &self,
        traffic: &Traffic,
        (service, object): (&VirtualService, &ObjectRef),
        body: &Value,
        current: &mut Current,
    ) -> Result<(), Problem> {
        let sides = self.sides(traffic);
        let selection = selection(traffic, service, &sides, object);
        let places = current.places.len();
        let mut problems = Vec::new();
        for protocol in Protocol::ALL {
            for index in selection.of(protocol, body, &mut problems) {
                let route = &body["spec"][protocol.field()][index];
                let path = protocol.path(index);
                current.places.push(sides.read(route, &path, object)?);
            }
        }
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        if current.places.len() == places {
            return Err(selection.nothing());
        }
        let http = tree::list(body, &["spec", "http"], object)?;
        for route in http.into_iter().flatten() {
            let name = tree::text(route, &["name"]).to_owned();
            if traffic.managed_routes.contains(&name) && !current.managed.contains(&name) {
                current.managed.push(name);
            }
        }
        Ok(())
    }

    fn sides<'a>(&'a self, traffic: &'a Traffic) -> Sides<'a> {
        Sides {
            traffic,
            rule: self.destination_rule.as_ref(),
        }
    }
}

fn selection<'a>(
    traffic: &'a Traffic,
    service: &'a VirtualService,
    sides: &'a Sides<'a>,
    object: &'a ObjectRef,
) -> Selection<'a> {
    Selection {
        traffic,
        service,
        sides,
        object,
    }
}

/// What became of the managed routes.
struct Managed {
    existed: bool,
    raises: bool,
}

/// Puts the managed routes in force first, in order, and takes away the others.
fn arrange(
    body: &mut Value,
    traffic: &Traffic,
    in_force: &[ManagedRoute],
    target: &Target<'_>,
    object: &ObjectRef,
) -> Result<Managed, Problem> {
    let routes = tree::list_mut(body, &["spec", "http"], object)?;
    let is_managed = |route: &Value| {
        let name = tree::text(route, &["name"]);
        traffic.managed_routes.iter().any(|one| one == name)
    };
    let (old, others): (Vec<Value>, Vec<Value>) = routes.drain(..).partition(is_managed);
    let mut raises = false;
    for name in &traffic.managed_routes {
        let Some(route) = in_force.iter().rfind(|route| route.name == *name) else {
            continue;
        };
        let existing = old.iter().find(|one| tree::text(one, &["name"]) == name);
        let wanted = target.route(route, existing);
        raises |= existing != Some(&wanted);
        routes.push(wanted);
    }
    routes.extend(others);
    Ok(Managed {
        existed: !old.is_empty(),
        raises,
    })
}
