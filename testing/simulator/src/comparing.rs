//! The comparisons of a rollout in the fake world: the fake proxy's counters into the ledger, the ledger into the
//! fake store.
//!
//! It does what the daemon does (`crates/app/src/daemon/comparing.rs`), step by step; what is counted and what it
//! proves is the production code of `sluice_analysis::ledger`. What must come of it is in `watch`.

use crate::bugs::Bug;
use crate::counting::Attempt;
use crate::store::Store;
use crate::traffic::Traffic;
use sluice_analysis::RecentLatency;
use sluice_analysis::ledger::{Evaluator, Ledger, SegmentObservation};
use sluice_model::plan::{Check, Limit};
use sluice_model::{
    Evidence, Measurement, Plan, Rollout, Routes, ServiceStatus, Timestamp, Weight,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two writings of the ledger. A crash costs at most this much evidence.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// Segments whose weights are remembered.
const SEGMENTS_MAX: usize = 64;

/// What is remembered from turn to turn; gone when Sluice is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparing {
    ledger: Option<Ledger>,
    /// The ledger as it was written last, and when.
    stored: Option<(Timestamp, Ledger)>,
    /// Whether the store was asked for what a former process had counted.
    asked: bool,
    /// The canary's weight in each segment in which two revisions share the users.
    weights: BTreeMap<u64, Weight>,
    recent: RecentLatency,
    evaluator: Evaluator,
    /// The routes that the proxy has.
    routes: Option<Routes>,
    /// The attempt that runs, and the first segment that is its own.
    began: Option<(Attempt, u64)>,
    /// The step whose traffic flows, for the bug that begins anew with it.
    step: Option<u32>,
}

/// What the ledger is fed from, and kept in.
pub(crate) struct Books<'a> {
    pub(crate) traffic: &'a Traffic,
    pub(crate) store: &'a mut Store,
    /// Whether the store can be written just now.
    pub(crate) can_store: bool,
    pub(crate) bug: Option<Bug>,
}

impl Comparing {
    /// The proxy routes by these weights from now on, or goes on to.
    pub(crate) fn routed(&mut self, status: &ServiceStatus, routes: &Routes) {
        let in_force = self.routes.as_ref().map(|routes| routes.segment);
        let (Some(rollout), Some(stable)) = (status.running(), status.stable) else {
            self.routes = Some(routes.clone());
            return;
        };
        let attempt = (rollout.id, rollout.attempt);
        if self.began.is_none_or(|(known, _)| known != attempt) {
            // What an attempt finds in force is what the one before left: its counts are not its own.
            let found = in_force == Some(routes.segment);
            self.began = Some((attempt, routes.segment + u64::from(found)));
        }
        if self.routes.as_ref() == Some(routes) {
            return;
        }
        self.routes = Some(routes.clone());
        let weight_of = |revision| routes.weights.get(&revision).copied().unwrap_or_default();
        let weight = weight_of(rollout.target);
        if weight > Weight::ZERO && weight_of(stable) == weight.rest() && weight < Weight::FULL {
            self.weights.insert(routes.segment, weight);
            while self.weights.len() > SEGMENTS_MAX {
                self.weights.pop_first();
            }
        }
    }

    /// Takes the counters over; whether the ledger was stored as it is now.
    pub(crate) fn look(
        &mut self,
        books: Books<'_>,
        status: &ServiceStatus,
        plan: &Plan,
        now: Timestamp,
    ) -> bool {
        let Some(rollout) = status.running() else {
            if books.bug != Some(Bug::KeepsEvidenceOfAttempt) {
                self.close(books);
            } else if let Some(ledger) = &mut self.ledger {
                *ledger = ledger.clone().reopened(now);
            }
            return false;
        };
        let checks = comparisons(plan);
        if checks.is_empty() {
            return false;
        }
        if books.bug == Some(Bug::ForgetsEvidenceOfStep) && self.step != rollout.traffic_step {
            self.ledger = None;
            self.asked = true;
        }
        self.step = rollout.traffic_step;
        let segments = self.segments(books.traffic, status, rollout);
        let ledger = self.open(&books, status, rollout, &checks, now);
        ledger.observe(&segments);
        self.store(books, now)
    }

    /// What the stable revision's latency was before a rollout.
    pub(crate) fn remember(&mut self, traffic: &Traffic, status: &ServiceStatus, now: Timestamp) {
        if status.running().is_none()
            && let Some(stable) = status.stable
            && let Some(counters) = traffic.counted().counters.get(&stable)
        {
            self.recent.note(now, stable, &counters.latency);
        }
    }

    fn segments(
        &self,
        traffic: &Traffic,
        status: &ServiceStatus,
        rollout: &Rollout,
    ) -> Vec<SegmentObservation> {
        self.weights
            .iter()
            .filter_map(|(segment, weight)| {
                let take = |revision| traffic.in_segment(*segment, revision).cloned();
                let (canary, baseline) = (take(rollout.target), status.stable.and_then(take));
                (canary.is_some() || baseline.is_some()).then(|| SegmentObservation {
                    segment: *segment,
                    weight: *weight,
                    canary: canary.unwrap_or_default(),
                    baseline: baseline.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// The ledger of the present attempt: the one at hand, that of a former process, or a new one.
    fn open(
        &mut self,
        books: &Books<'_>,
        status: &ServiceStatus,
        rollout: &Rollout,
        checks: &[Check],
        now: Timestamp,
    ) -> &mut Ledger {
        let any = books.bug == Some(Bug::KeepsEvidenceOfAttempt);
        let is_present = |ledger: &Ledger| any || ledger.is_of(rollout.id, rollout.attempt);
        let at_hand = self.ledger.take().filter(is_present);
        let ledger = at_hand
            .or_else(|| self.of_former_process(books.store, now).filter(is_present))
            .unwrap_or_else(|| {
                let latency = status
                    .stable
                    .map(|stable| self.recent.of(stable))
                    .unwrap_or_default();
                let attempt = (rollout.id, rollout.attempt);
                let began = self.began.filter(|(known, _)| *known == attempt);
                let first = began.map_or(status.routes.segment, |(_, first)| first);
                Ledger::open(rollout.id, rollout.attempt, now, first, checks, &latency)
            });
        self.ledger.insert(ledger)
    }

    fn of_former_process(&mut self, store: &Store, now: Timestamp) -> Option<Ledger> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        store.ledger().map(|ledger| ledger.reopened(now))
    }

    fn store(&mut self, books: Books<'_>, now: Timestamp) -> bool {
        let Some(ledger) = &self.ledger else {
            return false;
        };
        let is_due = self.stored.as_ref().is_none_or(|(at, stored)| {
            (now < *at || now.since(*at) >= STORE_EVERY) && stored != ledger
        });
        if is_due && books.can_store {
            books.store.save_ledger(Some(ledger));
            self.stored = Some((now, ledger.clone()));
            return true;
        }
        false
    }

    /// No rollout runs: what was counted is of no use any more.
    fn close(&mut self, books: Books<'_>) {
        self.ledger = None;
        self.weights.clear();
        if self.stored.take().is_some() && books.can_store {
            books.store.save_ledger(None);
        }
    }

    /// The measurement of a comparison.
    pub(crate) fn measure(
        &mut self,
        check: &Check,
        status: &ServiceStatus,
        now: Timestamp,
        bug: Option<Bug>,
    ) -> Option<Measurement> {
        let rollout = status.running()?;
        let weight = status.routes.weights.get(&rollout.target).copied()?;
        let judged_at = match bug {
            Some(Bug::JudgesBySmallerWeight) => Weight::from_basis_points(100)?.min(weight),
            _ => weight,
        };
        let ledger = self.ledger.as_ref()?;
        let mut measured = ledger.measure(check, judged_at, now, &mut self.evaluator)?;
        let relabelled = matches!(
            bug,
            Some(Bug::JudgesBySmallerWeight | Bug::KeepsEvidenceOfAttempt)
        );
        if let (true, Some(Evidence::Sequential(evidence))) = (relabelled, &mut measured.evidence) {
            evidence.weight = weight;
            (evidence.rollout, evidence.attempt) = (rollout.id, rollout.attempt);
        }
        Some(measured)
    }
}

/// The comparisons of a plan; one may stand in several steps.
fn comparisons(plan: &Plan) -> Vec<Check> {
    let of_steps = plan.steps.iter().flat_map(|step| &step.checks);
    let all = plan.checks.iter().chain(of_steps);
    all.filter(|check| matches!(check.limit, Limit::NotWorse(_)))
        .cloned()
        .collect()
}
