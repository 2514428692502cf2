//! The compiled routes of one service, and the decision for one request.

use crate::bucket::{BUCKETS, Salt, remix, scale};
use crate::matching::{RequestFacts, holds};
use sluice_model::routes::{Assignment, MatchRoute, MirrorRoute, RequestMatch};
use sluice_model::{RevisionNumber, Routes, Weight};
use std::fmt;

/// Routes that cannot be served as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The weights are neither empty nor 100 %.
    WeightsSum {
        /// Their sum, in basis points.
        basis_points: u32,
    },
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::WeightsSum { basis_points } => write!(
                f,
                "the weights of the revisions sum to {} %; they must sum to 100 %, or there must be none",
                f64::from(*basis_points) / 100.0
            ),
        }
    }
}

impl std::error::Error for RouteError {}

/// The random name of a unit that had none: the value of the cookie to be set. 16 hexadecimal
/// digits, without any meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnitId([u8; 16]);

impl UnitId {
    fn from_draw(draw: u64) -> UnitId {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 16];
        for (index, digit) in text.iter_mut().enumerate() {
            *digit = HEX[(draw >> (60 - 4 * index)) as usize & 0xf];
        }
        UnitId(text)
    }

    /// The name as text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl fmt::Debug for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitId({self})")
    }
}

/// What led to a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The match with this index.
    Match(usize),
    /// The weights.
    Weight,
    /// The preview address.
    Preview,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteDecision {
    /// The revision.
    pub revision: RevisionNumber,
    /// What led to it.
    pub by: DecidedBy,
    /// The value of the assignment's cookie ([`RouteTable::cookie`]) that the answer has to set.
    pub set_unit: Option<UnitId>,
    /// The hash of the unit whose side the weights chose; none when the request alone was assigned.
    pub unit: Option<u64>,
    /// Where a copy goes.
    pub mirror: Option<MirrorDecision>,
}

/// A copy of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorDecision {
    /// The revision that gets it; never the one that answers.
    pub revision: RevisionNumber,
    /// Whether the answers are compared.
    pub compare: bool,
}

/// Compiled routes: immutable, cheap to ask.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Revisions with the ends of their bucket ranges, rising; the canary's first. The last end is
    /// [`BUCKETS`], or the list is empty.
    ranges: Vec<(u16, RevisionNumber)>,
    matches: Vec<MatchRoute>,
    goals: Vec<RequestMatch>,
    mirror: Option<MirrorRoute>,
    preview: Option<RevisionNumber>,
    assignment: Assignment,
    salt: Salt,
    fallback: Option<RevisionNumber>,
}

impl RouteTable {
    /// Compiles routes.
    ///
    /// # Errors
    /// When the weights are neither empty nor sum to 100 %.
    pub fn new(routes: &Routes) -> Result<RouteTable, RouteError> {
        let basis_points: u32 = routes
            .weights
            .values()
            .map(|weight| u32::from(weight.basis_points()))
            .sum();
        if !routes.weights.is_empty() && basis_points != u32::from(BUCKETS) {
            return Err(RouteError::WeightsSum { basis_points });
        }
        let canary_first = routes
            .weights
            .iter()
            .filter(|(revision, _)| routes.canary == Some(**revision))
            .chain(
                routes
                    .weights
                    .iter()
                    .filter(|(revision, _)| routes.canary != Some(**revision)),
            );
        let mut end = 0;
        let mut ranges = Vec::with_capacity(routes.weights.len());
        for (revision, weight) in canary_first.filter(|(_, weight)| **weight != Weight::ZERO) {
            end += weight.basis_points();
            ranges.push((end, *revision));
        }
        let fallback = routes
            .weights
            .iter()
            .filter(|(_, weight)| **weight != Weight::ZERO)
            // On equal weights the side that is not the canary is the safer one.
            .max_by_key(|(revision, weight)| (**weight, routes.canary != Some(**revision)))
            .map(|(revision, _)| *revision);
        let mut assignment = routes.assignment.clone();
        if let Assignment::Header { name } = &mut assignment {
            name.make_ascii_lowercase();
        }
        Ok(RouteTable {
            ranges,
            matches: routes.matches.clone(),
            goals: routes.goals.clone(),
            mirror: routes
                .mirror
                .clone()
                .filter(|route| route.mirror.share != Weight::ZERO),
            preview: routes.preview,
            assignment,
            salt: Salt::of_rollout(routes.salt),
            fallback,
        })
    }

    /// Where a request to the service's main address goes; `None` when nothing has weight and no
    /// match holds. `draw` is uniform over all 64-bit numbers, a new one for each request.
    #[must_use]
    pub fn decide(&self, facts: &impl RequestFacts, draw: u64) -> Option<RouteDecision> {
        let unit = self.unit(facts);
        let matched = self
            .matches
            .iter()
            .enumerate()
            .find(|(_, route)| holds(&route.when, facts, unit))
            .map(|(index, route)| (route.revision, DecidedBy::Match(index)));
        let mut hash = None;
        let mut of_unit = |unit: &[u8]| self.at(scale(*hash.insert(self.salt.hash(unit))));
        let (revision, by, set_unit) = match (matched, unit, &self.assignment) {
            (Some((revision, by)), ..) => (revision, by, None),
            (None, Some(unit), _) => (of_unit(unit)?, DecidedBy::Weight, None),
            (None, None, Assignment::Cookie { .. }) => {
                let id = UnitId::from_draw(draw);
                (of_unit(id.as_bytes())?, DecidedBy::Weight, Some(id))
            }
            (None, None, Assignment::PerRequest | Assignment::Header { .. }) => {
                (self.at(scale(draw))?, DecidedBy::Weight, None)
            }
        };
        let mirror = self.mirror_of(revision, facts.is_safe(), draw);
        Some(RouteDecision {
            revision,
            by,
            set_unit,
            unit: hash,
            mirror,
        })
    }

    /// The goals that a request reaches if it is answered well: a bit for each place, for the first eight.
    #[must_use]
    pub fn goals_of(&self, facts: &impl RequestFacts) -> u8 {
        if self.goals.is_empty() {
            return 0;
        }
        let unit = self.unit(facts);
        let reached = self.goals.iter().take(8).enumerate();
        let reached = reached.filter(|(_, when)| holds(when, facts, unit));
        reached.fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// Where a connection of a plain TCP service goes: by the weights alone.
    #[must_use]
    pub fn decide_connection(&self, draw: u64) -> Option<RevisionNumber> {
        self.at(scale(draw))
    }

    /// Where a request to the preview address goes.
    #[must_use]
    pub fn decide_preview(&self) -> Option<RouteDecision> {
        self.preview.map(|revision| RouteDecision {
            revision,
            by: DecidedBy::Preview,
            set_unit: None,
            unit: None,
            mirror: None,
        })
    }

    /// The revision that serves when the decided one has no replica left: the one with the largest
    /// weight, of two equal ones that which is not the canary.
    #[must_use]
    pub fn fallback(&self) -> Option<RevisionNumber> {
        self.fallback
    }

    /// The name of the assignment's cookie.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        match &self.assignment {
            Assignment::Cookie { name } => Some(name),
            Assignment::PerRequest | Assignment::Header { .. } => None,
        }
    }

    fn unit<'facts>(&self, facts: &'facts impl RequestFacts) -> Option<&'facts [u8]> {
        let unit = match &self.assignment {
            Assignment::PerRequest => None,
            Assignment::Header { name } => facts.header(name),
            Assignment::Cookie { name } => facts.cookie(name),
        };
        unit.filter(|unit| !unit.is_empty())
    }

    fn at(&self, bucket: u16) -> Option<RevisionNumber> {
        self.ranges
            .iter()
            .find(|(end, _)| bucket < *end)
            .map(|(_, revision)| *revision)
    }

    fn mirror_of(
        &self,
        answering: RevisionNumber,
        safe: bool,
        draw: u64,
    ) -> Option<MirrorDecision> {
        let route = self.mirror.as_ref()?;
        let wanted = route.revision != answering
            && (safe || route.mirror.unsafe_methods)
            && scale(remix(draw)) < route.mirror.share.basis_points();
        wanted.then_some(MirrorDecision {
            revision: route.revision,
            compare: route.mirror.compare,
        })
    }
}
