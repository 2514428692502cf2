//! What a service's rollout remembers in the real world: the proxy's counters and the replicas' gauges into the
//! books, the books into the store.
//!
//! What is counted and what it proves is the analysis's matter (`sluice_analysis::{ledger, standing}`).

use super::parts::Parts;
use serde::{Deserialize, Serialize};
use sluice_analysis::RecentLatency;
use sluice_analysis::ledger::{Evaluator, Ledger, SegmentObservation};
use sluice_analysis::outside::{self, Round};
use sluice_analysis::standing::{Look, Standing};
use sluice_analysis::window::Snapshot;
use sluice_model::analysis::Evidence;
use sluice_model::outside::OutsideQuery;
use sluice_model::plan::{Check, Limit};
use sluice_model::routes::Assignment;
use sluice_model::{
    Measurement, Plan, Rollout, RolloutId, Routes, ServiceName, ServiceStatus, Timestamp, Weight,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is written down of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Books {
    ledger: Ledger,
    standing: Standing,
}

impl Books {
    fn is_of(&self, rollout: &Rollout) -> bool {
        let (id, attempt) = (rollout.id, rollout.attempt);
        self.ledger.is_of(id, attempt) && self.standing.is_of(id, attempt)
    }
}

/// Between two writings of the books. A crash costs at most this much evidence.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// Segments whose weights are remembered; the proxy forgets its counters sooner.
const SEGMENTS_MAX: usize = 64;

/// What is remembered from turn to turn.
#[derive(Default)]
pub(super) struct Comparing {
    books: Option<Books>,
    /// The books as they were written last, and when.
    stored: Option<(Timestamp, Books)>,
    /// Whether the store was asked for what a former process had counted.
    asked: bool,
    /// The canary's weight in each segment in which two revisions share the users.
    weights: BTreeMap<u64, Weight>,
    recent: RecentLatency,
    evaluator: Evaluator,
    /// The rollout of which no more users are counted, and how many are.
    users_max: Option<(RolloutId, usize)>,
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

    /// Takes counters and gauges over. `judged` are the checks that are judged now.
    pub(super) fn look(
        &mut self,
        parts: &Parts,
        status: &ServiceStatus,
        plan: &Plan,
        judged: &[&Check],
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
        let remembers = |check: &&Check| {
            let limit = &check.limit;
            matches!(limit, Limit::Trend(_) | Limit::Alarm(_) | Limit::Score(_))
        };
        if checks.is_empty() && !judged.iter().any(remembers) {
            return;
        }
        self.note_users(parts, &status.service, rollout.id);
        let segments = self.segments(parts, status, rollout);
        let books = self.open(parts, status, rollout, plan, &checks, now);
        books.ledger.observe(&segments);
        let look = look_at(status, rollout, snapshot, now);
        books.standing.observe(judged.iter().copied(), &look);
        let is_due = self
            .stored
            .as_ref()
            .is_none_or(|(at, _)| now < *at || now.since(*at) >= STORE_EVERY);
        if is_due {
            self.store(parts, status, now);
        }
    }

    /// Tells once a rollout that no more of its users are counted.
    fn note_users(&mut self, parts: &Parts, service: &ServiceName, rollout: RolloutId) {
        if self.users_max.is_some_and(|(known, _)| known == rollout) {
            return;
        }
        self.users_max = parts
            .proxy
            .users_max_reached(service)
            .map(|users| (rollout, users));
        if let Some((_, users)) = self.users_max {
            tracing::warn!(%service, users, "the users of this rollout whose side chance chose are more than are counted; later ones are not");
        }
    }

    /// How many users of this rollout are counted, once that many were.
    pub(super) fn users_max(&self, rollout: &Rollout) -> Option<usize> {
        let of_rollout = self.users_max.filter(|(id, _)| *id == rollout.id);
        of_rollout.map(|(_, users)| users)
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

    /// The books of the present attempt: those at hand, those of a former process, or new ones.
    fn open(
        &mut self,
        parts: &Parts,
        status: &ServiceStatus,
        rollout: &Rollout,
        plan: &Plan,
        checks: &[Check],
        now: Timestamp,
    ) -> &mut Books {
        let is_present = |books: &Books| books.is_of(rollout);
        let at_hand = self.books.take().filter(is_present);
        let books = at_hand
            .or_else(|| {
                self.of_former_process(parts, status, now)
                    .filter(is_present)
            })
            .unwrap_or_else(|| {
                let latency = status
                    .stable
                    .map(|stable| self.recent.of(stable))
                    .unwrap_or_default();
                let segment = status.routes.segment;
                let (id, attempt) = (rollout.id, rollout.attempt);
                let of_users = plan.assignment != Assignment::PerRequest;
                let ledger = Ledger::open(id, attempt, now, segment, checks, &latency);
                Books {
                    ledger: ledger.of_users(of_users),
                    standing: Standing::open(id, attempt, now),
                }
            });
        self.books.insert(books)
    }

    fn of_former_process(
        &mut self,
        parts: &Parts,
        status: &ServiceStatus,
        now: Timestamp,
    ) -> Option<Books> {
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        match parts.store.ledger::<Books>(&status.service) {
            Ok(books) => books.map(|books| Books {
                ledger: books.ledger.reopened(now),
                standing: books.standing.reopened(),
            }),
            Err(error) => {
                tracing::warn!(%error, service = %status.service, "what was counted before cannot be read");
                None
            }
        }
    }

    /// Writes down what is not written yet.
    pub(super) fn store(&mut self, parts: &Parts, status: &ServiceStatus, now: Timestamp) {
        let Some(books) = &self.books else { return };
        let stored = self.stored.as_ref();
        if stored.is_some_and(|(_, stored)| stored == books) {
            return;
        }
        match parts.store.save_ledger(&status.service, Some(books)) {
            Ok(()) => self.stored = Some((now, books.clone())),
            // The evidence is still at hand; only a crash would lose it.
            Err(error) => {
                tracing::warn!(%error, service = %status.service, "what was counted cannot be stored");
            }
        }
    }

    /// No rollout runs: what was counted is of no use any more.
    fn close(&mut self, parts: &Parts, status: &ServiceStatus) {
        self.books = None;
        self.weights.clear();
        if self.stored.take().is_some()
            && let Err(error) = parts.store.save_ledger::<Books>(&status.service, None)
        {
            tracing::debug!(%error, service = %status.service, "an old ledger stays in the store");
        }
    }

    /// The measurement of a check that asks an outside server, from the latest answers.
    pub(super) fn answered(
        &mut self,
        check: &Check,
        (query, round): (&OutsideQuery, Round),
        status: &ServiceStatus,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Measurement> {
        let rollout = status.running()?;
        let since = rollout.traffic_since.unwrap_or(rollout.started_at);
        let latest = outside::measure(query, &round, (since, now));
        if let Limit::Alarm(_) = check.limit {
            let books = self.books.as_mut()?;
            books.standing.answered(check, query, &round, since);
            let look = look_at(status, rollout, snapshot, now);
            let alarm = books.standing.measure(check, &look);
            return Some(alarm_or_latest(alarm, latest));
        }
        Some(latest)
    }

    /// The measurement of a check that remembers; `None` for others.
    pub(super) fn measure(
        &mut self,
        check: &Check,
        status: &ServiceStatus,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<Measurement> {
        let rollout = status.running()?;
        let books = self.books.as_mut()?;
        if !matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)) {
            let look = look_at(status, rollout, snapshot, now);
            return books.standing.measure(check, &look);
        }
        let weight = status.routes.weights.get(&rollout.target).copied()?;
        books
            .ledger
            .measure(check, weight, now, &mut self.evaluator)
    }
}

/// What an alarm on answers says once it has a datapoint; until then, what the latest answers are.
fn alarm_or_latest(alarm: Option<Measurement>, latest: Measurement) -> Measurement {
    let is_known = |alarm: &Measurement| match &alarm.evidence {
        Some(Evidence::Alarm(facts)) => facts.datapoints.iter().any(|it| it.value.is_some()),
        _ => false,
    };
    alarm.filter(is_known).unwrap_or(latest)
}

fn look_at<'s>(
    status: &ServiceStatus,
    rollout: &Rollout,
    snapshot: &'s Snapshot,
    now: Timestamp,
) -> Look<'s> {
    Look {
        now,
        canary: rollout.target,
        baseline: status.stable,
        step: rollout.traffic_step,
        snapshot,
    }
}

/// The comparisons and goals of a plan; one may stand in several steps.
fn comparisons(plan: &Plan) -> Vec<Check> {
    let of_steps = plan.steps.iter().flat_map(|step| &step.checks);
    let all = plan.checks.iter().chain(of_steps);
    all.filter(|check| matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)))
        .cloned()
        .collect()
}
