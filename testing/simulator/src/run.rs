//! One run: services, weather and operators by a seed, turn after turn, every promise watched.
//!
//! `seat` is one of its services, `weather` and `mishaps` are what goes wrong, `operators` what is asked
//! for, `watch` what must hold, `telling` how a turn is shown.

use crate::bugs::Bug;
use crate::effects::Fate;
use crate::mishaps::Mishaps;
use crate::operators;
use crate::random::Random;
use crate::rules::RuleCounts;
use crate::seat::Seat;
use crate::site::START;
use crate::telling::describe;
use crate::watch::{Comparisons, Rest, Violation};
use crate::weather::{Fault, Faults, Weather};
use sluice_control::Cell;
use sluice_engine::plan_revision;
use sluice_model::command::CommandKind;
use std::sync::atomic::{AtomicI64, Ordering};

/// Longest time in which a service comes to rest when nothing goes wrong any more.
const REST_MAX_MS: i64 = 15 * 60_000;
/// How long what waits for data or somebody is watched further.
const WAIT_WATCHED_MS: i64 = 60_000;
/// Most turns at one moment: more is a spin.
const TURNS_AT_ONCE_MAX: u32 = 50;
/// Most revisions of one service.
const REVISIONS_MAX: usize = 8;

/// What a run may do.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What may go wrong.
    pub faults: Faults,
    /// Whether operators ask for anything but deployments.
    pub operators: bool,
    /// Most services.
    pub services_max: u64,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Whether every turn is told.
    pub trace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            faults: Faults::ALL,
            operators: true,
            services_max: 3,
            bug: None,
            trace: false,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The first broken promise, and the service that it was broken for.
    pub violation: Option<(String, Violation)>,
    /// A number over all decisions: the same for the same seed and settings.
    pub digest: u64,
    /// Turns taken.
    pub turns: u64,
    /// How often each rule stands in the logs.
    pub rules: RuleCounts,
    /// How often Sluice was killed.
    pub crashes: u64,
    /// How often a decision was acted on that could not be stored.
    pub retreats: u64,
    /// Services of which no request could be lost.
    pub lossless: u64,
    /// What became of comparisons.
    pub comparisons: Comparisons,
    /// The turns, told.
    pub trace: Vec<String>,
}

struct Run {
    settings: Settings,
    weather: Weather,
    random: Random,
    seats: Vec<Seat>,
    now: i64,
    skew: i64,
    /// Since when nothing goes wrong any more.
    quiet_since: Option<i64>,
    report: RunReport,
}

/// Something outside of the seed, for the bug that depends on it.
static HIDDEN: AtomicI64 = AtomicI64::new(0);

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, settings: &Settings) -> RunReport {
    let mut random = Random::new(seed);
    let weather = Weather::draw(&mut random, settings.faults);
    let services = random.pick(&[1, 1, 1, 2, 3]).min(settings.services_max);
    let mut run = Run {
        settings: *settings,
        weather,
        seats: (0..services)
            .map(|number| Seat::new(number, &random, &weather))
            .collect(),
        random,
        now: 0,
        skew: 0,
        quiet_since: None,
        report: RunReport::default(),
    };
    for seat in &mut run.seats {
        seat.site.bug = settings.bug;
    }
    if settings.bug == Some(Bug::HiddenState) {
        run.weather.pace_ms += HIDDEN.fetch_add(1, Ordering::Relaxed) % 50;
    }
    run.go();
    run.finish()
}

impl Run {
    fn go(&mut self) {
        let end = self.weather.quiet_at + REST_MAX_MS;
        while let Some(index) = self.next_seat() {
            let at = self.seats[index].next_at;
            if at >= end {
                return;
            }
            if at >= self.weather.quiet_at && self.quiet_since.is_none() {
                self.calm_down();
                continue;
            }
            self.now = self.now.max(at);
            self.turn(index);
            let violated = self.seats[index].site.watch.violation.is_some();
            if violated || self.quiet_since.is_some() && self.at_rest() {
                return;
            }
        }
    }

    fn next_seat(&self) -> Option<usize> {
        let seats = self.seats.iter().enumerate();
        seats
            .min_by_key(|(_, seat)| seat.next_at)
            .map(|(index, _)| index)
    }

    /// Faults and operators stop.
    fn calm_down(&mut self) {
        self.now = self.now.max(self.weather.quiet_at);
        self.quiet_since = Some(self.now);
        for seat in &mut self.seats {
            seat.site.advance(self.now);
            seat.site.store.fails_until = 0;
            seat.site.blind_until = 0;
            seat.site.stale_until = 0;
            seat.site.hooks.fate = Fate::Succeeds;
            seat.site.crash_at = None;
            if self.weather.heals {
                seat.site.platform.heal(self.now);
            }
            seat.next_at = seat.next_at.min(self.now);
        }
        self.tell(|| "quiet".to_owned());
    }

    fn at_rest(&self) -> bool {
        let waited = self
            .quiet_since
            .is_some_and(|since| self.now - since > WAIT_WATCHED_MS);
        self.seats.iter().all(|seat| match seat.rest {
            Rest::Resting => true,
            Rest::WaitsForOperator | Rest::WaitsForWorld => waited,
            Rest::Moving => waited && !self.weather.heals && !seat.at_once,
        })
    }

    fn turn(&mut self, index: usize) {
        if self.quiet_since.is_none() {
            self.mishaps(index);
            self.operate(index);
        }
        let settings = self.settings;
        let seat = &mut self.seats[index];
        let at_once = seat.site.now == self.now;
        seat.turns_here = if at_once { seat.turns_here + 1 } else { 0 };
        seat.site.skew = self.skew;
        seat.site.advance(self.now);
        let now = seat.site.wall();
        let before = seat.cell.status().clone();
        let outcome = seat.cell.turn(&mut seat.site, now);
        self.report.turns += 1;
        if let Some(decision) = &outcome.decision {
            seat.site.watch.decided(self.now, now, &before, decision);
            let stored = outcome.store_error.is_none();
            self.report.retreats += u64::from(!stored && decision.retreat && !seat.site.crashed);
            let retargeted = outcome.wake_at.is_some_and(|at| at <= now);
            if stored
                && !retargeted
                && let Some(plan) = plan_revision(&before, &outcome.observation.commands)
                && let Some(plan) = seat.site.store.plans.get(&plan).cloned()
            {
                seat.site
                    .watch
                    .decides_again(self.now, now, &plan, decision, &outcome.observation);
            }
        }
        if seat.turns_here > TURNS_AT_ONCE_MAX {
            seat.site.watch.spins(self.now);
        }
        let line = settings
            .trace
            .then(|| describe(&seat.site, &seat.cell, &outcome));
        if let Some(line) = line {
            self.tell(|| line);
        }
        let seat = &mut self.seats[index];
        seat.last = outcome.decision;
        if seat.site.crashed {
            return self.crash();
        }
        let plan = seat.plan();
        seat.rest = Rest::of(seat.cell.status(), plan.as_deref(), seat.last.as_ref());
        seat.at_once = outcome.wake_at.is_some_and(|at| at <= now);
        if outcome.store_error.is_some() || seat.at_once {
            seat.rest = Rest::Moving;
        }
        self.schedule(index, outcome.wake_at.map(|at| at.0 - START.0 - self.skew));
    }

    fn schedule(&mut self, index: usize, wake: Option<i64>) {
        let (now, weather) = (self.now, self.weather);
        let seat = &mut self.seats[index];
        let wake = wake.filter(|_| self.settings.bug != Some(Bug::Oversleeps));
        let mut next = i64::MAX;
        if let Some(wake) = wake {
            if wake <= now {
                seat.next_at = now;
                return;
            }
            let late = seat.random.between(0, weather.late_ms);
            next = wake.max(now + weather.pace_ms) + late;
        }
        if let Some(event) = seat.site.next_event() {
            next = next.min(event.max(now + weather.pace_ms.min(50)));
        }
        if self.quiet_since.is_none() {
            next = next.min(seat.command_at.max(now + 1)).min(weather.quiet_at);
        }
        seat.next_at = next.max(now + 1);
    }

    /// Sluice is killed: every service begins again from what is stored.
    fn crash(&mut self) {
        let away = match self.random.below(4) {
            0 if self.weather.faults.has(Fault::Downtime) => self.random.between(10_000, 90_000),
            _ => self.random.between(10, 3_000),
        };
        let hooks_survive = self.random.chance(50);
        let settles_after_ms = self.random.between(0, 1_500);
        let looks_ready = self.random.chance(50);
        let forgets = self.random.chance(20) && self.weather.faults.has(Fault::LostLedgers);
        let at = self.now + away;
        for seat in &mut self.seats {
            seat.site.advance(at);
            if forgets {
                seat.site.store.save_ledger(None);
            }
            seat.site.restart(hooks_survive, settles_after_ms);
            seat.site.looks_ready = looks_ready;
            seat.cell = Cell::new(seat.site.store.status.clone());
            seat.next_at = at;
            seat.turns_here = 0;
            seat.at_once = true;
            seat.rest = Rest::Moving;
        }
        self.now = at;
        self.report.crashes += 1;
        self.tell(|| format!("Sluice was killed, and is back after {away} ms"));
    }

    fn mishaps(&mut self, index: usize) {
        let now = self.now;
        let seat = &mut self.seats[index];
        let mishaps = Mishaps::draw(&mut seat.random, &self.weather);
        mishaps.strike(&mut seat.site, now);
        if let Some(span) = mishaps.store_fails_ms {
            // One disk for all services.
            for seat in &mut self.seats {
                seat.site.store.fails_until = now + span;
            }
        }
        if let Some(jump) = mishaps.clock_jumps_ms {
            self.skew += jump;
            self.tell(|| format!("the wall clock jumps by {jump} ms"));
        }
    }

    fn operate(&mut self, index: usize) {
        let (now, weather, operators) = (self.now, self.weather, self.settings.operators);
        let seat = &mut self.seats[index];
        if now < seat.command_at {
            return;
        }
        let mean = weather.command_ms;
        seat.command_at = now + seat.random.between(mean / 4, mean * 2);
        let kind = operators::draw(&mut seat.random, seat.cell.status(), &seat.site.store);
        let kind = match kind {
            operators::Wish::NewRevision => {
                if seat.site.store.plans.len() >= REVISIONS_MAX {
                    return;
                }
                let revision = seat.new_revision(&weather);
                CommandKind::Deploy { revision }
            }
            operators::Wish::Command(_) if !operators => return,
            operators::Wish::Command(kind) => kind,
        };
        let line = format!("{}: {kind:?}", seat.site.store.status.service);
        let at = START.shifted(now + self.skew);
        seat.site.store.ask(at, "ada", kind);
        self.tell(|| line);
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.settings.trace {
            let line = format!("{:>9.3} s  {}", self.now as f64 / 1_000.0, line());
            self.report.trace.push(line);
        }
    }

    fn finish(mut self) -> RunReport {
        let healed = self.weather.heals;
        let broken = self
            .seats
            .iter()
            .any(|seat| seat.site.watch.violation.is_some());
        for seat in &mut self.seats {
            self.report.rules.add(seat.site.watch.rules());
            self.report.lossless += u64::from(seat.site.watch.lossless);
            self.report.comparisons.add(seat.site.watch.comparisons);
            if !broken {
                if seat.rest == Rest::Resting {
                    let settled = seat.site.now.max(self.now) + 30_000;
                    seat.site.advance(settled);
                }
                let mut watch = seat.site.watch.clone();
                watch.rests(&seat.site, seat.rest, seat.last.as_ref(), healed);
                seat.site.watch = watch;
            }
            self.report.digest = self.report.digest.rotate_left(7) ^ seat.site.watch.digest();
            if let (None, Some(violation)) = (&self.report.violation, &seat.site.watch.violation) {
                let service = seat.site.store.status.service.to_string();
                self.report.violation = Some((service, violation.clone()));
            }
        }
        self.report
    }
}
