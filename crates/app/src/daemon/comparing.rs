//! The comparisons of a service's rollout in the real world: the proxy's counters into the ledger, the ledger
//! into the store.
//!
//! What is counted and what it proves is the analysis's matter (`sluice_analysis::ledger`).

use super::parts::Parts;
use sluice_analysis::RecentLatency;
use sluice_analysis::ledger::{Evaluator, Ledger, SegmentObservation};
use sluice_analysis::window::Snapshot;
use sluice_model::plan::{Check, Limit};
use sluice_model::{Measurement, Plan, Rollout, Routes, ServiceStatus, Timestamp, Weight};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two writings of the ledger. A crash costs at most this much evidence.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// Segments whose weights are remembered; the proxy forgets its counters sooner.
const SEGMENTS_MAX: usize = 64;

/// What is remembered from turn to turn.
#[derive(Default)]
pub(super) struct Comparing {
    ledger: Option<Ledger>,
    /// The ledger as it was written last, and when.
    stored: Option<(Timestamp, Ledger)>,
    /// Whether the store was asked for what a former process had counted.
    asked: bool,
    /// The canary's weight in each segment in which two revisions share the users.
    weights: BTreeMap<u64, Weight>,
    recent: RecentLatency,
    evaluator: Evaluator,
}

impl Comparing {
    /// The proxy routes by these weights from now on.
    pub(super) fn routed(&mut self, status: &ServiceStatus, routes: &Routes) {
        let (Some(rollout), Some(stable)) = (status.running(), status.stable) else {
            return;
        };
        let weight_of = |revision| routes.weights.get(&revision).copied().unwrap_or_default();
        let weight = weight_of(rollout.target);
        // With a third revision in between, a request's side is not a matter of these two alone.
        if weight > Weight::ZERO && weight_of(stable) == weight.rest() && weight < Weight::FULL {
            self.weights.insert(routes.segment, weight);
            while self.weights.len() > SEGMENTS_MAX {
                self.weights.pop_first();
            }
        }
    }

    /// Takes the counters over.
    pub(super) fn look(
        &mut self,
        parts: &Parts,
        status: &ServiceStatus,
        plan: &Plan,
        snapshot: &Snapshot,
        now: Timestamp,
    ) {
        let Some(rollout) = status.running() else {
            self.close(parts, status);
            if let Some(stable) = status.stable
                && let Some(counters) = snapshot.counters.get(&stable)
            {
                self.recent.note(now, stable, &counters.latency);
            }
            return;
        };
        let checks = comparisons(plan);
        if checks.is_empty() {
            return;
        }
        let segments = self.segments(parts, status, rollout);
        let ledger = self.open(parts, status, rollout, &checks, now);
        ledger.observe(&segments);
        let is_due = self
            .stored
            .as_ref()
            .is_none_or(|(at, _)| now < *at || now.since(*at) >= STORE_EVERY);
        if is_due {
            self.store(parts, status, now);
        }
    }

    fn segments(
        &self,
        parts: &Parts,
        status: &ServiceStatus,
        rollout: &Rollout,
    ) -> Vec<SegmentObservation> {
        let mut counters = parts.proxy.segment_counters(&status.service);
        self.weights
            .iter()
            .filter_map(|(segment, weight)| {
                let mut take = |revision| counters.remove(&(revision, *segment));
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
        parts: &Parts,
        status: &ServiceStatus,
        rollout: &Rollout,
        checks: &[Check],
        now: Timestamp,
    ) -> &mut Ledger {
        let is_present = |ledger: &Ledger| ledger.is_of(rollout.id, rollout.attempt);
        let at_hand = self.ledger.take().filter(is_present);
        let ledger = at_hand
            .or_else(|| self.of_former_process(parts, status).filter(is_present))
            .unwrap_or_else(|| {
                let latency = status
                    .stable
                    .map(|stable| self.recent.of(stable))
                    .unwrap_or_default();
                let segment = status.routes.segment;
                Ledger::open(rollout.id, rollout.attempt, now, segment, checks, &latency)
            });
        self.ledger.insert(ledger)
    }

    fn of_former_process(&mut self, parts: &Parts, status: &ServiceStatus) -> Option<Ledger> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        match parts.store.ledger::<Ledger>(&status.service) {
            Ok(ledger) => ledger.map(Ledger::reopened),
            Err(error) => {
                tracing::warn!(%error, service = %status.service, "what was counted before cannot be read");
                None
            }
        }
    }

    /// Writes down what is not written yet.
    pub(super) fn store(&mut self, parts: &Parts, status: &ServiceStatus, now: Timestamp) {
        let Some(ledger) = &self.ledger else { return };
        if self
            .stored
            .as_ref()
            .is_some_and(|(_, stored)| stored == ledger)
        {
            return;
        }
        match parts.store.save_ledger(&status.service, Some(ledger)) {
            Ok(()) => self.stored = Some((now, ledger.clone())),
            // The evidence is still at hand; only a crash would lose it.
            Err(error) => {
                tracing::warn!(%error, service = %status.service, "what was counted cannot be stored");
            }
        }
    }

    /// No rollout runs: what was counted is of no use any more.
    fn close(&mut self, parts: &Parts, status: &ServiceStatus) {
        self.ledger = None;
        self.weights.clear();
        if self.stored.take().is_some()
            && let Err(error) = parts.store.save_ledger::<Ledger>(&status.service, None)
        {
            tracing::debug!(%error, service = %status.service, "an old ledger stays in the store");
        }
    }

    /// The measurement of a comparison.
    pub(super) fn measure(
        &mut self,
        check: &Check,
        status: &ServiceStatus,
        now: Timestamp,
    ) -> Option<Measurement> {
        let target = status.running()?.target;
        let weight = status.routes.weights.get(&target).copied()?;
        let ledger = self.ledger.as_ref()?;
        ledger.measure(check, weight, now, &mut self.evaluator)
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
