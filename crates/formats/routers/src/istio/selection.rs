//! The routes of a VirtualService that are split.
//!
//! Routes that are named must be there and lead to both sides. Where none are named, the only one of its
//! protocol is taken, managed ones apart; one that leads to neither side is somebody else's and is left
//! alone, where Argo's controller takes it for an error.

use super::destinations::Sides;
use super::{TcpRoute, TlsRoute, VirtualService};
use crate::changes::Problem;
use crate::object::ObjectRef;
use crate::split::Traffic;
use crate::tree;
use serde_json::Value;
use std::collections::BTreeSet;

/// A protocol's routes in a VirtualService.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Tls,
    Tcp,
}

impl Protocol {
    pub(super) const ALL: [Self; 3] = [Self::Http, Self::Tls, Self::Tcp];

    /// The field of `spec`.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// Where a route is.
    pub(super) fn path(self, index: usize) -> String {
        format!("spec.{}[{index}]", self.field())
    }
}

/// What is looked for, and where.
pub(super) struct Selection<'a> {
    pub(super) traffic: &'a Traffic,
    pub(super) service: &'a VirtualService,
    pub(super) sides: &'a Sides<'a>,
    pub(super) object: &'a ObjectRef,
}

impl Selection<'_> {
    /// The routes of a protocol that are split, by their index. What is wrong with others is noted.
    pub(super) fn of(
        &self,
        protocol: Protocol,
        body: &Value,
        problems: &mut Vec<Problem>,
    ) -> Vec<usize> {
        let keys = ["spec", protocol.field()];
        let mut sound =
            |result: Result<(), Problem>| result.map_err(|problem| problems.push(problem)).is_ok();
        let routes = match tree::list(body, &keys, self.object) {
            Ok(routes) => routes.map_or(&[][..], Vec::as_slice),
            Err(problem) => {
                sound(Err(problem));
                return Vec::new();
            }
        };
        let mut chosen = BTreeSet::new();
        let named = self.named(protocol, routes);
        if !self.names(protocol) {
            sound(self.only(protocol, routes).map(|only| chosen.extend(only)));
        }
        if tree::child(body, &keys).is_some() {
            for found in named {
                sound(found.map(|found| chosen.extend(found)));
            }
        }
        chosen.retain(|index| {
            let path = protocol.path(*index);
            sound(self.sides.both(&routes[*index], &path, self.object))
        });
        chosen.into_iter().collect()
    }

    /// Routes are named of a protocol of which there are none.
    pub(super) fn absent(&self, protocol: Protocol, body: &Value) -> Option<Problem> {
        let keys = ["spec", protocol.field()];
        let is_absent = self.names(protocol) && tree::child(body, &keys).is_none();
        is_absent.then(|| {
            Problem::at(
                self.object,
                "route-not-found",
                keys.join("."),
                format!("{} routes are named, and it has none", protocol.field()),
                "add them, or name none".to_owned(),
            )
        })
    }

    /// Nothing at all is split, which nobody wants.
    pub(super) fn nothing(&self) -> Problem {
        Problem::at(
            self.object,
            "no-route",
            "spec",
            format!("no route leads to {}", self.sides),
            "add both as destinations of a route, the canary with weight 0".to_owned(),
        )
    }

    /// Whether any route of the protocol is named.
    fn names(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Http => !self.service.routes.is_empty(),
            Protocol::Tls => !self.service.tls_routes.is_empty(),
            Protocol::Tcp => !self.service.tcp_routes.is_empty(),
        }
    }

    /// What is found for each that is named.
    fn named(&self, protocol: Protocol, routes: &[Value]) -> Vec<Result<Vec<usize>, Problem>> {
        let all = |found: Vec<usize>, wanted: String| {
            if found.is_empty() {
                Err(self.not_found(protocol, &wanted))
            } else {
                Ok(found)
            }
        };
        match protocol {
            Protocol::Http => {
                let names = self.service.routes.iter();
                let found = names.map(|name| {
                    self.not_managed(name)?;
                    let is_it = |route: &Value| tree::text(route, &["name"]) == name;
                    let first = routes.iter().position(is_it);
                    all(first.into_iter().collect(), name.clone())
                });
                found.collect()
            }
            Protocol::Tls => {
                let wanted = self.service.tls_routes.iter();
                let found = wanted.map(|wanted| {
                    let found = matching(routes, |route| is_tls(route, wanted));
                    let hosts = wanted.sni_hosts.join(", ");
                    all(found, format!("port {}, SNI hosts {hosts}", wanted.port))
                });
                found.collect()
            }
            Protocol::Tcp => {
                let wanted = self.service.tcp_routes.iter();
                let found = wanted.map(|wanted| {
                    let found = matching(routes, |route| is_tcp(route, *wanted));
                    all(found, format!("port {}", wanted.port))
                });
                found.collect()
            }
        }
    }

    /// The only route that is not managed, if it leads to the sides.
    fn only(&self, protocol: Protocol, routes: &[Value]) -> Result<Vec<usize>, Problem> {
        let is_managed = |route: &Value| {
            let name = tree::text(route, &["name"]);
            protocol == Protocol::Http && self.traffic.managed_routes.iter().any(|one| one == name)
        };
        let own = matching(routes, |route| !is_managed(route));
        let relevant = own.iter().any(|index| self.sides.any(&routes[*index]));
        if !relevant {
            return Ok(Vec::new());
        }
        if own.len() > 1 {
            return Err(Problem::at(
                self.object,
                "routes-ambiguous",
                format!("spec.{}", protocol.field()),
                format!("it has {} routes, and none is named", own.len()),
                "name those that are to be split".to_owned(),
            ));
        }
        Ok(own)
    }

    fn not_managed(&self, name: &String) -> Result<(), Problem> {
        if !self.traffic.managed_routes.contains(name) {
            return Ok(());
        }
        Err(Problem::at(
            self.object,
            "managed-route",
            "spec.http",
            format!(
                "route `{name}` is to be split and is one of the managed routes, which are removed"
            ),
            "take it out of the managed routes".to_owned(),
        ))
    }

    fn not_found(&self, protocol: Protocol, wanted: &str) -> Problem {
        Problem::at(
            self.object,
            "route-not-found",
            format!("spec.{}", protocol.field()),
            format!("it has no route `{wanted}`"),
            "correct what is named, or add the route".to_owned(),
        )
    }
}

fn matching(routes: &[Value], fits: impl Fn(&Value) -> bool) -> Vec<usize> {
    let routes = routes.iter().enumerate();
    routes
        .filter(|(_, route)| fits(route))
        .map(|(index, _)| index)
        .collect()
}

fn is_tls(route: &Value, wanted: &TlsRoute) -> bool {
    let hosts: BTreeSet<&str> = matches(route)
        .iter()
        .filter_map(|one| one["sniHosts"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let wanted_hosts: BTreeSet<&str> = wanted.sni_hosts.iter().map(String::as_str).collect();
    has_port(route, wanted.port) && hosts == wanted_hosts
}

fn is_tcp(route: &Value, wanted: TcpRoute) -> bool {
    has_port(route, wanted.port)
}

/// Whether the route's matches have this port and no other; none is 0.
fn has_port(route: &Value, port: i64) -> bool {
    let ports = matches(route).iter();
    let ports: BTreeSet<i64> = ports.map(|one| one["port"].as_i64().unwrap_or(0)).collect();
    match ports.len() {
        0 => port == 0,
        1 => ports.contains(&port),
        _ => false,
    }
}

fn matches(route: &Value) -> &[Value] {
    route["match"].as_array().map_or(&[], Vec::as_slice)
}
