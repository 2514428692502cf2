//! Which split objects express.

use crate::object::ObjectRef;
use std::collections::BTreeMap;

/// What a router's objects say now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Current {
    /// Each place where traffic is split; without any, all of it goes to the stable side.
    pub places: Vec<Place>,
    /// The managed routes that exist, first those that win.
    pub managed: Vec<String>,
    /// The hash label that the stable side is chosen by, where the router chooses by label.
    pub stable_hash: Option<String>,
    /// The same of the canary.
    pub canary_hash: Option<String>,
}

/// The weights in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The object.
    pub object: ObjectRef,
    /// Where in the object, as `spec.http[0]`.
    pub path: String,
    /// The stable side's weight.
    pub stable: u32,
    /// The canary's weight.
    pub canary: u32,
    /// Weights of other destinations, by their Services' or hosts' names.
    pub others: BTreeMap<String, u32>,
}

/// Whom a weight in a place belongs to.
pub(crate) enum Share<'a> {
    Stable,
    Canary,
    Other(&'a str),
}

impl Place {
    /// A place without weights.
    pub(crate) fn new(object: &ObjectRef, path: impl Into<String>) -> Self {
        Self {
            object: object.clone(),
            path: path.into(),
            stable: 0,
            canary: 0,
            others: BTreeMap::new(),
        }
    }

    /// Adds a weight.
    pub(crate) fn add(&mut self, to: Share<'_>, weight: u32) {
        let sum = match to {
            Share::Stable => &mut self.stable,
            Share::Canary => &mut self.canary,
            Share::Other(name) => self.others.entry(name.to_owned()).or_default(),
        };
        *sum = sum.saturating_add(weight);
    }

    /// The weight of all traffic here.
    #[must_use]
    pub fn total(&self) -> u32 {
        let others = self.others.values();
        others.fold(self.stable.saturating_add(self.canary), |sum, weight| {
            sum.saturating_add(*weight)
        })
    }
}

impl Current {
    /// The canary's weight, if all places agree on it.
    #[must_use]
    pub fn canary(&self) -> Option<u32> {
        let mut weights = self.places.iter().map(|place| place.canary);
        let first = weights.next().unwrap_or(0);
        weights.all(|weight| weight == first).then_some(first)
    }
}
