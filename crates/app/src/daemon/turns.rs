//! The control thread: takes turns for each service when something is new or a wait is over.
//!
//! One thread for all services, because a turn takes microseconds, and a commit a few milliseconds
//! when something changed. Everything slow happens elsewhere and rings the alarm when it is done.

use super::clock;
use super::minutes::{Look, Minutes};
use super::parts::Parts;
use super::rates::Rates;
use super::shared::{Rang, ViewCell};
use super::view;
use super::world::{Memory, ServiceWorld};
use sluice_analysis::window::Snapshot;
use sluice_control::{Cell, Outcome};
use sluice_engine::plan_revision;
use sluice_model::{Minute, ServiceName, ServiceStatus, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longest sleep: views are refreshed at least this often, for the rates.
const REFRESH: Duration = Duration::from_secs(1);

/// Turns in a row for one service; what is left over follows after the others had theirs.
const TURNS_IN_A_ROW_MAX: usize = 8;

/// Tells those who wait for an answer, when the loop ends for whatever reason, that none will come.
pub(super) struct Closing(pub(super) Arc<Parts>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.shared.close();
    }
}

/// A service in the loop.
struct Seat {
    cell: Cell,
    memory: Memory,
    rates: Rates,
    minutes: Minutes,
    /// Minutes that are over and not written yet.
    ended: Vec<Minute>,
    wake_at: Option<Timestamp>,
    outcome: Outcome,
}

/// Runs the loop until it is told to stop. Services that are deployed for the first time arrive by
/// `arrivals`; `started` is told when each known service had its first turn, and has a view.
pub(super) fn run(
    parts: &Arc<Parts>,
    statuses: Vec<ServiceStatus>,
    arrivals: &mpsc::Receiver<ServiceName>,
    started: oneshot::Sender<()>,
) {
    let mut seats: BTreeMap<ServiceName, Seat> = statuses
        .into_iter()
        .map(|status| (status.service.clone(), Seat::new(status)))
        .collect();
    for (name, seat) in &mut seats {
        seat.take_turns(parts, name);
    }
    if started.send(()).is_err() {
        return;
    }
    loop {
        let rang = parts.shared.wait(sleep_for(&seats));
        while let Ok(name) = arrivals.try_recv() {
            seats
                .entry(name.clone())
                .or_insert_with(|| Seat::new(ServiceStatus::new(name)));
        }
        let now = clock::now();
        if matches!(rang, Rang::Stop) {
            // For a successor, or the next start.
            for seat in seats.values_mut() {
                let status = seat.cell.status();
                seat.memory.comparing.store(parts, status, now);
            }
            return;
        }
        for (name, seat) in &mut seats {
            let due = match &rang {
                Rang::Stop => false,
                Rang::All => true,
                Rang::Services(services) => services.contains(name) || seat.is_due(now),
                Rang::Time => true,
            };
            if due {
                seat.take_turns(parts, name);
            }
        }
        store_minutes(parts, &mut seats);
    }
}

/// Writes the minutes that are over, of all services at once. A minute that cannot be written is lost: it is no
/// part of any decision, and nothing waits for it.
fn store_minutes(parts: &Parts, seats: &mut BTreeMap<ServiceName, Seat>) {
    let ended: Vec<(ServiceName, Minute)> = seats
        .iter_mut()
        .flat_map(|(name, seat)| {
            let ended = std::mem::take(&mut seat.ended);
            ended.into_iter().map(|minute| (name.clone(), minute))
        })
        .collect();
    if !ended.is_empty()
        && let Err(error) = parts.store.append_minutes(&ended)
    {
        tracing::warn!(%error, minutes = ended.len(), "the last minute is missing in the history of `sluice tune`");
    }
}

fn sleep_for(seats: &BTreeMap<ServiceName, Seat>) -> Duration {
    let now = clock::now();
    seats
        .values()
        .filter_map(|seat| seat.wake_at)
        .map(|wake_at| wake_at.since(now))
        .min()
        .map_or(REFRESH, |wait| wait.min(REFRESH))
}

impl Seat {
    fn new(status: ServiceStatus) -> Self {
        Self {
            cell: Cell::new(status),
            memory: Memory::default(),
            rates: Rates::default(),
            minutes: Minutes::default(),
            ended: Vec::new(),
            wake_at: None,
            outcome: Outcome::default(),
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.wake_at.is_some_and(|wake_at| wake_at <= now)
    }

    fn take_turns(&mut self, parts: &Parts, name: &ServiceName) {
        let mut snapshot = Snapshot::default();
        for _ in 0..TURNS_IN_A_ROW_MAX {
            let now = clock::now();
            let mut world = ServiceWorld {
                parts,
                service: name.clone(),
                memory: &mut self.memory,
                snapshot: Snapshot::default(),
                now,
            };
            self.outcome = self.cell.turn(&mut world, now);
            snapshot = world.snapshot;
            self.wake_at = self.outcome.wake_at;
            self.tell();
            if self.outcome.store_error.is_some() || !self.is_due(now) {
                break;
            }
        }
        self.publish(parts, name, &snapshot);
    }

    /// Writes what was decided to Sluice's own output.
    fn tell(&self) {
        let Some(decision) = &self.outcome.decision else {
            return;
        };
        let service = &decision.status.service;
        if let Some(error) = &self.outcome.store_error {
            tracing::error!(%service, "{error}");
            if !decision.retreat {
                return;
            }
        }
        for entry in &decision.report.entries {
            tracing::info!(%service, rule = ?entry.rule, "{}", entry.message);
        }
    }

    fn publish(&mut self, parts: &Parts, name: &ServiceName, snapshot: &Snapshot) {
        let status = self.cell.status();
        let shown = status
            .rollout
            .as_ref()
            .map(|rollout| rollout.target)
            .or_else(|| plan_revision(status, &[]));
        let plan = shown.and_then(|number| parts.revisions.plan(name, number));
        let now = Instant::now();
        self.rates.sample(now, &snapshot.counters);
        let (listen, preview) = parts.addresses(name);
        let usage = parts.platform.usage(name);
        let view = view::build(&view::Parts {
            status,
            outcome: &self.outcome,
            plan: plan.as_deref(),
            counters: &snapshot.counters,
            usage: &usage,
            rates: &self.rates,
            listen,
            preview,
            users_max: status
                .running()
                .and_then(|rollout| self.memory.comparing.users_max(rollout)),
            now: clock::now(),
        });
        let of_all_replicas = view
            .revisions
            .iter()
            .filter(|(_, side)| side.replicas > 0 && side.ready >= side.replicas);
        self.ended.extend(self.minutes.look(&Look {
            now: view.at,
            status,
            complete: of_all_replicas.map(|(number, _)| *number).collect(),
            counters: &snapshot.counters,
            usage: &usage,
        }));
        let waiting = self
            .outcome
            .decision
            .as_ref()
            .and_then(|decision| decision.report.waiting.clone());
        let status = status.clone();
        parts.shared.publish(
            name,
            ViewCell {
                view,
                waiting,
                status,
            },
        );
        // Told after the view shows it.
        parts
            .shared
            .answered(name, &std::mem::take(&mut self.memory.answers));
    }
}
