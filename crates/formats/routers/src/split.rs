//! Whose traffic is split, and how.

use crate::changes::Problem;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The object that asks for the split, which owns what is created for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; objects are looked for there unless their name says otherwise.
    pub namespace: String,
    /// Its `metadata.uid`.
    pub uid: String,
}

impl Owner {
    pub(crate) fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

/// The labels and annotations by which an owner's API marks objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Label of pods whose value tells stable from canary ones.
    pub pod_hash_label: String,
    /// Annotation with the owner's name, of user's objects that are changed.
    pub managed_by: Option<String>,
    /// Annotation of an Ingress that lists the ALB annotations that each owner manages.
    pub managed_alb_annotations: Option<String>,
}

/// Whose traffic is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Who asks for it.
    pub owner: Owner,
    /// The stable Service. Routers that tell the sides apart by labels of their pods need none.
    pub stable_service: Option<String>,
    /// The canary's Service.
    pub canary_service: Option<String>,
    /// Names of the routes that may be created, in order: the first that matches a request wins. Routes
    /// with these names are the owner's: those not in force are removed.
    pub managed_routes: Vec<String>,
    /// Labels and annotations.
    pub marks: Marks,
}

impl Traffic {
    /// The stable and the canary's Service.
    ///
    /// # Errors
    /// One of them is not named.
    pub(crate) fn services(&self) -> Result<(&str, &str), Problem> {
        match (&self.stable_service, &self.canary_service) {
            (Some(stable), Some(canary)) => Ok((stable, canary)),
            (stable, _) => {
                let side = if stable.is_none() { "stable" } else { "canary" };
                Err(Problem::asked(
                    "no-service",
                    "",
                    format!("no {side} Service is named"),
                    format!("name the {side} Service; this router splits between Services"),
                ))
            }
        }
    }
}

/// A destination beside stable and canary, with a weight of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its Service.
    pub service: String,
    /// The value of its pods' hash label.
    pub pod_hash: Option<String>,
    /// Its weight, of the split's total.
    pub weight: u32,
}

/// How the traffic is split: all of it, not a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The canary's weight, 0 to `total`.
    pub canary: u32,
    /// The weight that is all of the traffic; 100 but for routers with `any_total`.
    pub total: u32,
    /// Destinations beside stable and canary. The stable side gets what all the others leave.
    pub additional: Vec<Destination>,
    /// The value of the stable pods' hash label.
    pub stable_hash: Option<String>,
    /// The value of the canary pods' hash label.
    pub canary_hash: Option<String>,
    /// Whether the canary's weight is written before its hash, where these are two objects: fewer pods have the new hash than
    /// the present weight needs.
    pub weight_first: bool,
    /// The routes in force, of the traffic's managed ones. Their order does not matter, but of several with
    /// one name the last is in force.
    pub routes: Vec<ManagedRoute>,
}

/// A route that goes before the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedRoute {
    /// Its name.
    pub name: String,
    /// What it does.
    pub rule: RouteRule,
}

/// What a managed route does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteRule {
    /// Requests with certain headers go to the canary. How several conditions go together is the router's:
    /// Istio takes any of them; ALB and APISIX want all, where ALB takes any value of one header.
    Header(Vec<HeaderMatch>),
    /// Copies of requests go to the canary; the requests themselves are split.
    Mirror {
        /// Which requests: any of these.
        matches: Vec<RequestMatch>,
        /// Which share of them, in percent.
        percent: u32,
    },
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The header.
    pub header: String,
    /// Its value.
    pub value: Text,
}

/// A condition on a request; all parts must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestMatch {
    /// The HTTP method.
    pub method: Option<Text>,
    /// The path.
    pub path: Option<Text>,
    /// Headers.
    pub headers: BTreeMap<String, Text>,
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Exactly this.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Matches this regular expression.
    Regex(String),
}

/// The weights of a split's sides; they add up to its total, less what others keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    pub(crate) stable: u32,
    pub(crate) canary: u32,
}

impl Split {
    /// The weights beside `kept`, which belongs to destinations that are not the owner's. Additional
    /// destinations come first and the canary before the stable side, so that nothing is below zero.
    pub(crate) fn shares(&self, kept: u32) -> Shares {
        let others = self.additional_weight().saturating_add(kept);
        let left = self.total.saturating_sub(others);
        let canary = self.canary.min(left);
        Shares {
            stable: left - canary,
            canary,
        }
    }

    /// The split for a router that knows only two sides.
    pub(crate) fn two_sided(&self) -> Shares {
        let canary = self.canary.min(self.total);
        Shares {
            stable: self.total - canary,
            canary,
        }
    }

    pub(crate) fn additional_weight(&self) -> u32 {
        self.additional
            .iter()
            .fold(0, |sum, one| sum.saturating_add(one.weight))
    }

    /// The route in force of this name.
    pub(crate) fn route(&self, name: &str) -> Option<&ManagedRoute> {
        self.routes.iter().rfind(|route| route.name == name)
    }

    /// Whether nothing is sent to the canary.
    pub(crate) fn spares_canary(&self) -> bool {
        self.canary == 0 && self.routes.is_empty()
    }
}
