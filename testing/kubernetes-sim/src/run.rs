//! One run: a cluster, controllers and users by a seed, with every promise watched.
//!
//! The production loops run on tokio's paused clock: whoever waits, waits for simulated time, and nothing of it
//! passes while somebody has something to do. `weather` and `mishaps` are what goes wrong, `users` what is asked for,
//! `promises` and `rest` what must hold.

use crate::app::App;
use crate::bugs::Bug;
use crate::clock;
use crate::manifests;
use crate::metrics::Metrics;
use crate::promises::{Reached, Violation};
use crate::recipients;
use crate::requests::SETTLED_MS;
use crate::rest;
use crate::server::Connection;
use crate::users::{self, Missing};
use crate::weather::{Fault, Faults, Weather};
use crate::world::{Seat, World};
use fastrand::Rng;
use serde_json::Value;
use sluice_kubernetes::resource::{ANALYSIS_RUN, EXPERIMENT, REPLICA_SET, ROLLOUT, SERVICE};
use sluice_kubernetes::{Loops, RouterVersions, Scope};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two looks at the cluster, in milliseconds.
const TICK_MS: i64 = 250;
/// The same when nothing has changed for [`CALM_MS`].
const CALM_TICK_MS: i64 = 1_500;
const CALM_MS: i64 = 20_000;
/// Without a write for so long, a Rollout rests: longer than anything it waits for by itself.
const REST_MS: i64 = 240_000;
/// Longest time in which it comes to rest.
const REST_MAX_MS: i64 = 40 * 60_000;
/// How long a new controller is watched that finds everything done; above [`SETTLED_MS`].
const RESTART_WATCHED_MS: i64 = 100_000;
/// Most looks of a controller a minute while nothing changes.
const LOOKS_MAX: u64 = 12;
/// Between two looks of an autoscaler.
const AUTOSCALER_MS: i64 = 15_000;

/// What a run may do.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What may go wrong.
    pub faults: Faults,
    /// Whether users ask for anything but new versions.
    pub users: bool,
    /// The planted bug.
    pub bug: Option<Bug>,
    /// Whether every write is told.
    pub trace: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            faults: Faults::ALL,
            users: true,
            bug: None,
            trace: false,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// A number over all writes: the same for the same seed and settings.
    pub digest: u64,
    /// What was reached.
    pub reached: Reached,
    /// The Rollouts' phases at the end.
    pub phases: Vec<String>,
    /// What happened, told.
    pub trace: Vec<String>,
}

/// A controller that runs.
pub(crate) struct Running {
    pub(crate) controller: usize,
    task: JoinHandle<()>,
}

pub(crate) struct Run {
    pub(crate) world: Arc<Mutex<World>>,
    /// The one that leads, unless it was killed.
    pub(crate) leads: Option<Running>,
    /// One that lost the lead and does not know yet, and when it is gone.
    pub(crate) old: Option<(Running, i64)>,
    /// When another controller starts.
    starts_at: i64,
    pub(crate) missing: Vec<Missing>,
    /// Rollouts whose number of pods an autoscaler chooses.
    autoscaled: Vec<App>,
    /// Whether somebody is notified of the Rollouts.
    notifies: bool,
    random: Rng,
}

/// Runs one seed.
///
/// # Panics
/// When no runtime can be made.
#[must_use]
pub fn run(seed: u64, settings: &Settings) -> RunReport {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime on this thread needs nothing that could be missing");
    runtime.block_on(simulate(seed, settings))
}

async fn simulate(seed: u64, settings: &Settings) -> RunReport {
    clock::begin();
    let mut random = Rng::with_seed(seed);
    let weather = Weather::draw(&mut random, settings.faults);
    let mut world = World::new(weather, Rng::with_seed(random.u64(..)));
    world.bug = settings.bug;
    world.trace = settings.trace.then(Vec::new);
    let mut drawn = manifests::draw(&mut random);
    let notifies = random.u8(..100) < 30;
    if notifies {
        drawn.notify();
    }
    world.store.is_older = weather.has(Fault::OlderDefinitions);
    world.apps = drawn.apps;
    for app in world.apps.clone() {
        users::new_image(&mut world, app);
    }
    for (key, object) in &drawn.objects {
        world.apply(key, object);
    }
    let mut run = Run::of(world, random);
    run.autoscaled = drawn.autoscaled;
    run.notifies = notifies;
    run.go(settings).await;
    run.finish()
}

impl Run {
    /// A run of a world, in which no controller has started yet.
    pub(crate) fn of(world: World, random: Rng) -> Run {
        Run {
            world: Arc::new(Mutex::new(world)),
            leads: None,
            old: None,
            starts_at: 0,
            missing: Vec::new(),
            autoscaled: Vec::new(),
            notifies: false,
            random,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn go(&mut self, settings: &Settings) {
        let weather = self.lock().weather;
        let mut next_user = self.random.i64(20_000..=60_000);
        let mut next_mishap = self.random.i64(100..=weather.mishap_ms);
        let mut next_scale = AUTOSCALER_MS;
        while clock::elapsed_ms() < weather.quiet_at && !self.is_broken() {
            self.tick().await;
            let now = clock::elapsed_ms();
            if now >= next_user {
                next_user = now + self.random.i64(weather.user_ms / 4..=weather.user_ms * 2);
                self.somebody_asks(settings);
            }
            if now >= next_scale {
                next_scale = now + AUTOSCALER_MS;
                for app in self.autoscaled.clone() {
                    users::autoscale(&mut self.lock(), app);
                }
            }
            if now >= next_mishap {
                next_mishap = now
                    + self
                        .random
                        .i64(weather.mishap_ms / 4..=weather.mishap_ms * 2);
                self.mishap(now);
            }
        }
        self.calm_down();
        self.rest().await;
    }

    fn is_broken(&self) -> bool {
        self.lock().promises.violation.is_some()
    }

    /// A moment passes.
    pub(crate) async fn tick(&mut self) {
        let is_calm = self.lock().is_quiet && clock::elapsed_ms() - self.changed_at() > CALM_MS;
        let span = if is_calm { CALM_TICK_MS } else { TICK_MS };
        tokio::time::sleep(Duration::from_millis(span.unsigned_abs())).await;
        let now = clock::elapsed_ms();
        self.lock().tick();
        if let Some((_, until)) = &self.old
            && *until <= now
            && let Some((old, _)) = self.old.take()
        {
            self.end(old);
        }
        let is_dead = |run: &Running| self.lock().seats[run.controller].is_dead;
        if self.leads.as_ref().is_some_and(is_dead) {
            if let Some(dead) = self.leads.take() {
                self.end(dead);
            }
            self.lock().promises.reached.crashes += 1;
            self.starts_at = now + self.random.i64(50..=15_000);
        }
        if self.leads.is_none() && self.starts_at <= now {
            self.start();
        }
        let (back, away) = self.missing.drain(..).partition(|it| it.back_at <= now);
        self.missing = away;
        let back: Vec<Missing> = back;
        for missing in back {
            missing.restore(&mut self.lock());
        }
    }

    /// Another controller begins, with nothing known.
    pub(crate) fn start(&mut self) {
        let mut world = self.lock();
        let controller = world.seats.len();
        let mut seat = Seat::default();
        if world.chance(Fault::Crashes, 500) {
            seat.writes_left = Some(world.random.u32(1..=60));
        }
        world.seats.push(seat);
        let off = if world.weather.has(Fault::ClockSkew) {
            world.random.i64(-8_000..=8_000)
        } else {
            0
        };
        clock::skew(controller, off);
        world.tell(|| format!("controller {controller} begins"));
        drop(world);
        let connection = Connection {
            world: Arc::clone(&self.world),
            controller,
        };
        let scope = Scope {
            namespace: None,
            instance_id: String::new(),
            workers: 2,
            routers: RouterVersions::default(),
            notifications: self
                .notifies
                .then(|| recipients::settings(&self.world, controller)),
        };
        let metrics = Arc::new(Metrics {
            world: Arc::clone(&self.world),
        });
        let (loops, wanted) = Loops::new(connection, scope, metrics, clock::of(controller));
        let task = tokio::spawn(async move {
            loops.run(wanted, std::future::pending::<()>()).await;
        });
        self.leads = Some(Running { controller, task });
    }

    fn end(&self, running: Running) {
        let mut world = self.lock();
        world.seats[running.controller].is_dead = true;
        world.tell(|| format!("controller {} is gone", running.controller));
        running.task.abort();
    }

    fn somebody_asks(&mut self, settings: &Settings) {
        let mut world = self.lock();
        if settings.users {
            users::ask(&mut world);
        } else {
            let app = users::any_app(&mut world);
            users::update(&mut world, app);
        }
    }

    /// Nothing goes wrong any more, and nobody asks for anything.
    fn calm_down(&mut self) {
        if let Some((old, _)) = self.old.take() {
            self.end(old);
        }
        let missing = std::mem::take(&mut self.missing);
        let mut world = self.lock();
        for missing in missing {
            missing.restore(&mut world);
        }
        world.tell(|| "quiet".to_owned());
        world.weather.clear();
        world.is_quiet = true;
        world.cluster.quota = None;
        let now = clock::now();
        world.away_until = now;
        world.storm_until = now;
        world.refuses_until = now;
        world.blind_until = now;
        for seat in &mut world.seats {
            seat.writes_left = None;
        }
    }

    /// Everything comes to rest, and a new controller finds nothing to do.
    async fn rest(&mut self) {
        let begin = clock::elapsed_ms();
        let mut settled = (begin, 0);
        loop {
            if self.is_broken() {
                return;
            }
            self.tick().await;
            let now = clock::elapsed_ms();
            let last = self.changed_at().max(begin);
            if now - last < SETTLED_MS {
                settled = (now, clock::reads());
            }
            if now - last > REST_MS && self.leads.is_some() {
                self.is_silent(last);
                self.is_asleep(now - settled.0, clock::reads() - settled.1);
                break;
            }
            if now - begin > REST_MAX_MS {
                let seen = format!("something still changed {} ms ago", now - last);
                let mut world = self.lock();
                return world
                    .promises
                    .broken(clock::now(), "a Rollout comes to rest", seen);
            }
        }
        self.look();
        if self.is_broken() {
            return;
        }
        if let Some(leads) = self.leads.take() {
            self.end(leads);
        }
        self.start();
        let writes = self.lock().promises.reached.writes;
        let begin = clock::elapsed_ms();
        while clock::elapsed_ms() - begin < RESTART_WATCHED_MS && !self.is_broken() {
            self.tick().await;
        }
        let more = self.lock().promises.reached.writes - writes;
        if more > 0 {
            let seen = format!("{more} writes");
            let mut world = self.lock();
            world
                .promises
                .broken(clock::now(), "a new controller finds everything done", seen);
        }
        self.is_silent(begin);
    }

    /// When something last changed, in milliseconds since the run began.
    fn changed_at(&self) -> i64 {
        self.lock().changed_at.0 - clock::START.0
    }

    /// Long after the last change, controllers ask for nothing.
    fn is_silent(&self, since: i64) {
        let mut world = self.lock();
        let Some((at, request)) = world.requests.last.clone() else {
            return;
        };
        let later = at.0 - clock::START.0 - since;
        if later > SETTLED_MS {
            let seen = format!("{request}, {later} ms after the last change");
            world.promises.broken(
                clock::now(),
                "a controller asks for nothing while nothing changes",
                seen,
            );
        }
    }

    /// Long after the last change, controllers hardly look at anything: an invalid Rollout three times a minute, in
    /// case that what it names is there by now.
    fn is_asleep(&self, span: i64, reads: u64) {
        let mut world = self.lock();
        let minutes = u64::try_from(span / 60_000 + 1).unwrap_or(1);
        if reads > minutes * LOOKS_MAX {
            let seen = format!("the clock was read {reads} times in {span} ms");
            world.promises.broken(
                clock::now(),
                "a controller sleeps while nothing changes",
                seen,
            );
        }
    }

    fn look(&self) {
        let mut world = self.lock();
        if let Some((promise, seen)) = rest::broken(&world) {
            world.promises.broken(clock::now(), promise, seen);
        }
    }

    fn finish(self) -> RunReport {
        let mut world = self.lock();
        let kinds = [ROLLOUT, EXPERIMENT, ANALYSIS_RUN, REPLICA_SET, SERVICE];
        let left: Vec<String> = kinds
            .into_iter()
            .flat_map(|resource| world.store.of_kind(resource))
            .map(|(key, object)| format!("{key} is {object}"))
            .collect();
        if let Some(trace) = &mut world.trace {
            trace.extend(left);
        }
        let rollouts = world
            .apps
            .iter()
            .filter_map(|app| world.store.get(&app.rollout()));
        let phase = |rollout: &Value| {
            rollout["status"]["phase"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        RunReport {
            phases: rollouts.map(phase).collect(),
            violation: world.promises.violation.clone(),
            digest: world.digest,
            reached: world.promises.reached,
            trace: world.trace.take().unwrap_or_default(),
        }
    }
}
