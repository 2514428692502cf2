//! The fake world of one service: [`World`] over the fake platform, traffic, executor and store.
//!
//! Everything here happens on the simulation's own clock, in milliseconds since the start; only what
//! Sluice sees carries the wall clock, which may jump. Whoever drives the site (`run`, or a scenario)
//! moves the time and makes things go wrong. What is measured of the traffic is in `measuring`.

mod measuring;

use crate::bugs::Bug;
use crate::comparing::Comparing;
use crate::effects::{Effects, Fate};
use crate::platform::Platform;
use crate::random::Random;
use crate::store::Store;
use crate::traffic::{Traffic, Watched};
use crate::watch::{Acted, Scene, Watch};
use sluice_analysis::window::History;
use sluice_control::{Record, World};
use sluice_model::report::CommandAnswer;
use sluice_model::{
    Command, Decision, Observation, Plan, RevisionNumber, Routes, ServiceName, ServiceStatus,
    Timestamp,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The wall clock at the start of every simulation: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_767_225_600_000);

/// Where Sluice is killed within a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// While it stores: nothing was stored.
    BeforePersist,
    /// After it stored, before it acted.
    BeforeAct,
    /// After it acted.
    AfterAct,
}

/// What the effects of a site do next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hooks {
    /// How the next effect ends.
    pub fate: Fate,
    /// How long it takes, in milliseconds.
    pub takes_ms: i64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Site {
    /// Milliseconds since the start.
    pub now: i64,
    /// What the wall clock is ahead of the start plus `now`.
    pub skew: i64,
    /// The replicas.
    pub platform: Platform,
    /// The requests.
    pub traffic: Traffic,
    /// The executor of hooks.
    pub effects: Effects,
    /// What survives a crash.
    pub store: Store,
    /// What hooks do next.
    pub hooks: Hooks,
    /// Where Sluice is killed in this turn.
    pub crash_at: Option<CrashPoint>,
    /// Whether it is killed only when there is something to log, not at a heartbeat.
    pub crash_at_entries: bool,
    /// Whether it was; nothing that it does afterwards reaches the world.
    pub crashed: bool,
    /// Until when the replicas are not looked at after a start.
    pub settled_at: i64,
    /// Whether replicas look ready all the same until then.
    pub looks_ready: bool,
    /// Until when the platform is seen as it was.
    pub stale_until: i64,
    /// Until when nothing is measured.
    pub blind_until: i64,
    /// Checks what the world sees.
    pub watch: Watch,
    /// The planted bug.
    pub bug: Option<Bug>,
    comparing: Comparing,
    /// The segment that this process of Sluice brought into force last.
    in_force: Option<u64>,
    history: History,
    covers: Option<(u64, u32, Option<u32>)>,
    /// The simulation's time of the history's snapshots by their wall time.
    taken: BTreeMap<Timestamp, i64>,
    seen: Observation,
    acted: Option<Acted>,
    /// The routes that were stored when the turn began.
    stored_before: Routes,
    plan: Option<Arc<Plan>>,
}

impl Site {
    /// A service that never had a revision.
    #[must_use]
    pub fn new(service: ServiceName, random: &Random) -> Self {
        Self {
            now: 0,
            skew: 0,
            platform: Platform::new(random.fork(1)),
            traffic: Traffic::new(100.0),
            effects: Effects::default(),
            store: Store::new(ServiceStatus::new(service)),
            hooks: Hooks::default(),
            crash_at: None,
            crash_at_entries: false,
            crashed: false,
            settled_at: 0,
            looks_ready: false,
            stale_until: 0,
            blind_until: 0,
            watch: Watch::default(),
            bug: None,
            comparing: Comparing::default(),
            in_force: None,
            history: History::default(),
            covers: None,
            taken: BTreeMap::new(),
            seen: Observation::default(),
            acted: None,
            stored_before: Routes::default(),
            plan: None,
        }
    }

    /// The time that Sluice sees.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        START.shifted(self.now + self.skew)
    }

    /// Lets time pass up to `now`.
    pub fn advance(&mut self, now: i64) {
        let span = now - self.now;
        if span > 0 {
            let lost_before = self.traffic.lost();
            if let Some(acted) = &self.acted {
                self.traffic.pass(span, &acted.routes, &self.platform);
            }
            let served = self.store.status.stable.is_some();
            self.watch
                .served(self.now, served, self.traffic.lost() - lost_before);
            self.now = now;
        }
        self.platform.advance(now);
        self.effects.advance(now);
    }

    /// When something next happens by itself.
    #[must_use]
    pub fn next_event(&self) -> Option<i64> {
        self.platform
            .next_event()
            .into_iter()
            .chain(self.effects.next_event())
            .min()
    }

    /// Sluice starts anew after a crash or an end: only the world and the store are as they were.
    pub fn restart(&mut self, hooks_survive: bool, settles_after_ms: i64) {
        self.crashed = false;
        self.crash_at = None;
        self.history = History::default();
        self.covers = None;
        self.comparing = Comparing::default();
        self.in_force = None;
        let running = self.store.status.running();
        let attempt = running.map(|rollout| (rollout.id, rollout.attempt));
        if let Some(attempt) = attempt {
            let stored = self.store.has_ledger();
            let survives = self.watch.evidence_survives(attempt, stored, &self.traffic);
            if let (false, Some(watched)) = (survives, self.traffic.watched()) {
                // Nothing is known any more of where the attempt began.
                let first_segment = self.store.status.routes.segment;
                self.traffic.watch(Some(Watched {
                    first_segment,
                    ..watched
                }));
            }
        }
        let with_segments = self.bug != Some(Bug::CountsRestartTwice);
        self.traffic.reset(attempt, with_segments);
        self.effects.crash(hooks_survive);
        self.settled_at = self.now + settles_after_ms;
        self.watch.restarted();
    }

    /// What was last acted on.
    #[must_use]
    pub fn acted(&self) -> Option<&Acted> {
        self.acted.as_ref()
    }
}

impl World for Site {
    fn commands(&mut self, status: &ServiceStatus) -> Vec<Command> {
        if self.stored_before != self.store.status.routes {
            self.stored_before.clone_from(&self.store.status.routes);
        }
        self.store.open_commands(status.last_command)
    }

    fn plan(&mut self, _: &ServiceStatus, revision: RevisionNumber) -> Option<Arc<Plan>> {
        self.store.plans.get(&revision).cloned()
    }

    fn observe(&mut self, status: &ServiceStatus, plan: &Plan, now: Timestamp) -> Observation {
        self.plan = self
            .store
            .plans
            .values()
            .find(|it| std::ptr::eq(Arc::as_ptr(it), plan))
            .cloned();
        self.cover(status);
        let settled = self.now >= self.settled_at;
        if self.now >= self.stale_until || !self.seen.settled || !settled {
            self.seen.replicas = self.platform.counts(self.now, plan.min_ready);
            self.seen.settled = settled;
            if !settled && !self.looks_ready {
                for counts in self.seen.replicas.values_mut() {
                    (counts.ready, counts.available) = (0, 0);
                }
            }
        }
        let mut observation = Observation {
            settled,
            replicas: self.seen.replicas.clone(),
            ..Observation::default()
        };
        self.count(status, plan, now);
        self.measure(status, plan, &mut observation);
        if let Some(rollout) = &status.rollout {
            let prefix = format!("{}/{}/", status.service, rollout.id);
            let outcomes = self.effects.outcomes().iter();
            let own = outcomes.filter(|(id, _)| id.as_str().starts_with(&prefix));
            observation.effects = own
                .map(|(id, outcome)| (id.clone(), outcome.clone()))
                .collect();
        }
        if let Some(bug) = self.bug {
            bug.on_observation(&mut observation, now);
        }
        observation
    }

    fn persist(&mut self, record: &Record<'_>) -> Result<(), String> {
        if self.bug == Some(Bug::ActsBeforePersisting)
            && let Some(acted) = &mut self.acted
        {
            acted.routes.clone_from(&record.status.routes);
            self.watch
                .routed(self.now, &self.store.status, &acted.routes);
        }
        if self.now < self.store.fails_until {
            return Err("no space left on the device".to_owned());
        }
        let due = !self.crash_at_entries || !record.entries.is_empty();
        if due && self.crash_at == Some(CrashPoint::BeforePersist) {
            self.crashed = true;
            return Err("killed".to_owned());
        }
        let lost;
        let repeated;
        let mut record = record.clone();
        if self.bug == Some(Bug::LosesAnswers) && !record.answers.is_empty() {
            lost = Vec::new();
            record.answers = &lost;
        }
        if self.bug == Some(Bug::RepeatsEntries) && self.watch.starts() > 0 {
            repeated = [record.entries, record.entries].concat();
            record.entries = &repeated;
        }
        self.watch
            .stored(self.now, &self.store, &self.seen, &record);
        self.store.commit(&record);
        if due {
            self.crash_at_entries = false;
            self.crashed = self.crash_at == Some(CrashPoint::BeforeAct);
        }
        Ok(())
    }

    fn act(&mut self, decision: &Decision, effects: bool) {
        if self.crashed {
            return;
        }
        let mutated;
        let mut decision = decision;
        if let (Some(bug), Some(plan)) = (self.bug, &self.plan) {
            let mut changed = decision.clone();
            bug.on_act(&mut changed, plan, self.acted.as_ref());
            mutated = changed;
            decision = &mutated;
        }
        if let Some(plan) = &self.plan {
            let scene = Scene {
                now: self.now,
                store: &self.store,
                plan,
                seen: &self.seen,
                acted: self.acted.as_ref(),
                stored_before: &self.stored_before,
                effects,
            };
            self.watch.acts(&scene, decision);
        }
        self.cover(&decision.status);
        self.route(decision);
        self.platform.apply(self.now, &decision.desired.replicas);
        match &mut self.acted {
            Some(acted) => acted.update(decision),
            None => self.acted = Some(Acted::of(decision)),
        }
        if effects {
            for effect in &decision.effects {
                self.effects
                    .start(self.now, effect, self.hooks.takes_ms, self.hooks.fate);
            }
        }
        if self.crash_at == Some(CrashPoint::AfterAct) && !self.crash_at_entries {
            self.crashed = true;
        }
    }

    fn answered(&mut self, _: &[CommandAnswer]) {}
}
