//! What must hold at every moment, whatever goes wrong.
//!
//! `acting` looks at every decision that reaches the world, `records` at everything that is stored,
//! `comparing` at the evidence of the comparisons, `deciding` at the decisions themselves, `resting` at what a service comes to when nothing goes wrong
//! any more. The first violation ends a run.

mod acting;
mod comparing;
mod deciding;
mod records;
mod resting;

pub use comparing::Comparisons;
pub use resting::Rest;

use crate::rules::RuleCounts;
use crate::store::Store;
use comparing::Account;
use records::Ledger;
use sluice_model::{CheckName, Decision, Observation, Plan, RevisionNumber, Routes};
use std::collections::{BTreeMap, BTreeSet};

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Milliseconds since the start.
    pub at: i64,
    /// The promise.
    pub promise: &'static str,
    /// What was seen.
    pub seen: String,
}

/// What the world was last brought to.
#[derive(Clone, Debug, PartialEq)]
pub struct Acted {
    /// The routes in force.
    pub routes: Routes,
    /// The replicas that shall be.
    pub replicas: BTreeMap<RevisionNumber, u32>,
}

impl Acted {
    /// After a decision.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        Self {
            routes: decision.desired.routes.clone(),
            replicas: decision.desired.replicas.clone(),
        }
    }

    /// After the next one.
    pub fn update(&mut self, decision: &Decision) {
        if self.routes != decision.desired.routes {
            self.routes.clone_from(&decision.desired.routes);
        }
        if self.replicas != decision.desired.replicas {
            self.replicas.clone_from(&decision.desired.replicas);
        }
    }
}

/// What a decision is judged against when it reaches the world.
pub(crate) struct Scene<'a> {
    /// Milliseconds since the start.
    pub(crate) now: i64,
    /// The store as it is now.
    pub(crate) store: &'a Store,
    /// The plan that was decided by.
    pub(crate) plan: &'a Plan,
    /// What the replicas looked like.
    pub(crate) seen: &'a Observation,
    /// What was in force until now.
    pub(crate) acted: Option<&'a Acted>,
    /// The routes that were stored when the turn began.
    pub(crate) stored_before: &'a Routes,
    /// Whether effects are started.
    pub(crate) effects: bool,
}

/// Watches one service.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// Revisions that no check may let pass.
    pub hopeless: Vec<RevisionNumber>,
    /// Revisions that fail half of their requests.
    pub bad: BTreeSet<RevisionNumber>,
    /// Whether nothing that happens in this run may cost a request.
    pub lossless: bool,
    /// What became of comparisons.
    pub comparisons: Comparisons,
    ledger: Ledger,
    account: Account,
    measured: BTreeMap<CheckName, i64>,
    starts: u32,
    rules: RuleCounts,
    digest: Digest,
}

impl Watch {
    /// Sluice started anew.
    pub fn restarted(&mut self) {
        self.starts += 1;
    }

    /// How often it did.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// How often each rule stands in the log.
    #[must_use]
    pub fn rules(&self) -> &RuleCounts {
        &self.rules
    }

    /// A measurement was handed out that truly covers the time since then.
    pub fn measured(&mut self, check: &CheckName, since: i64) {
        match self.measured.get_mut(check) {
            Some(known) => *known = since,
            None => {
                self.measured.insert(check.clone(), since);
            }
        }
    }

    /// A number over everything that was decided, to compare two runs by.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest.0
    }

    /// Some time of traffic is over, in which this much found no replica.
    pub(crate) fn served(&mut self, at: i64, has_stable: bool, lost: f64) {
        let holds = lost == 0.0 || !has_stable || !self.lossless;
        self.promise(holds, at, "no request finds no replica", || {
            format!("{lost} requests lost")
        });
    }

    /// A service wants turn after turn at one moment.
    pub(crate) fn spins(&mut self, at: i64) {
        self.promise(false, at, "a service does not spin", || {
            "turn after turn".to_owned()
        });
    }

    fn promise(
        &mut self,
        holds: bool,
        at: i64,
        promise: &'static str,
        seen: impl FnOnce() -> String,
    ) {
        if !holds && self.violation.is_none() {
            let seen = seen();
            self.violation = Some(Violation { at, promise, seen });
        }
    }
}

/// FNV-1a over words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    fn text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }
}
