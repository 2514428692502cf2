//! A service of a run: its cell, its world, its own dice, and its revisions.

use crate::plans;
use crate::platform::Behaviour;
use crate::random::Random;
use crate::site::Site;
use crate::traffic::{Quality, Traffic};
use crate::watch::Rest;
use crate::weather::{Fault, Faults, Weather};
use sluice_control::Cell;
use sluice_model::command::CommandKind;
use sluice_model::{Decision, Plan, RevisionNumber, ServiceName};
use std::sync::Arc;

/// One service of a run, and when it next does something.
pub(crate) struct Seat {
    pub(crate) cell: Cell,
    pub(crate) site: Site,
    pub(crate) random: Random,
    pub(crate) replicas: u32,
    /// Whether its plans compare the revisions, and its traffic is random.
    pub(crate) compares: bool,
    /// Median latency of all its revisions.
    pub(crate) latency_ms: u64,
    pub(crate) next_at: i64,
    pub(crate) command_at: i64,
    pub(crate) turns_here: u32,
    /// Whether the last turn asked for another one at once.
    pub(crate) at_once: bool,
    pub(crate) last: Option<Decision>,
    pub(crate) rest: Rest,
}

impl Seat {
    /// A service whose first revision is asked for.
    pub(crate) fn new(number: u64, random: &Random, weather: &Weather) -> Seat {
        let name = ServiceName::new(format!("service{number}")).expect("a valid name");
        let mut random = random.fork(100 + number);
        let site = Site::new(name, &random);
        let mut seat = Seat {
            cell: Cell::new(site.store.status.clone()),
            site,
            replicas: random.between(1, 6) as u32,
            compares: random.chance(50),
            latency_ms: random.pick(&[10, 40, 200]),
            next_at: 0,
            command_at: random.between(2_000, 5_000),
            turns_here: 0,
            at_once: true,
            last: None,
            rest: Rest::Moving,
            random,
        };
        // A retreat that could not be stored is not remembered when Sluice is killed then.
        let forgets = weather.faults.has(Fault::StoreOutages) && weather.faults.has(Fault::Crashes);
        let costly = Faults::COSTLY
            .into_iter()
            .any(|fault| weather.faults.has(fault));
        seat.site.watch.lossless = !costly && !forgets;
        let rate: f64 = seat.random.pick(&[100.0, 500.0, 0.0]);
        let lots = seat.random.fork(7);
        seat.site.traffic = match seat.compares {
            true => Traffic::by_lot(rate.max(20.0) * 2.0, lots),
            false => Traffic::new(rate),
        };
        let revision = seat.new_revision(weather);
        let at = seat.site.wall();
        seat.site
            .store
            .ask(at, "ada", CommandKind::Deploy { revision });
        seat
    }

    /// Another revision, drawn by lot: its plan, its replicas, its answers.
    pub(crate) fn new_revision(&mut self, weather: &Weather) -> RevisionNumber {
        let random = &mut self.random;
        let plan = plans::plan(random, self.replicas, self.compares);
        let mut draw = |fault, percent| random.chance(percent) && weather.faults.has(fault);
        // Beside a bad stable revision no other is worse.
        let first = self.compares && self.site.store.plans.is_empty();
        let bad = draw(Fault::BadRevisions, 35) && !first;
        let catches = plans::catches_bad_revisions(&plan);
        let flaps = draw(Fault::Flapping, 25);
        let crashes = draw(Fault::CrashLoops, 20);
        let ready = !draw(Fault::NeverReady, 12);
        let slow = draw(Fault::SlowStops, 30);
        // Drawn whether or not it is used, so that leaving a fault out leaves the rest as it was.
        let fastest = random.between(50, 800);
        let slowest = fastest + random.between(0, 1_500);
        let crash_after_ms = random.between(200, 6_000);
        let flap_ms = (random.between(500, 6_000), random.between(100, 2_500));
        let stop_ms = (random.between(0, 300), random.between(1_000, 8_000));
        let good = random.pick(&[0.0, 0.001]);
        let hangs = random.chance(30);
        let behaviour = Behaviour {
            start_ms: (fastest, slowest),
            ready,
            crash_after_ms: crashes.then_some(crash_after_ms),
            flap_ms: flaps.then_some(flap_ms),
            stop_ms: if slow { stop_ms.1 } else { stop_ms.0 },
        };
        let mut quality = Quality {
            errors: if bad { 0.5 } else { good },
            ..Quality::default()
        };
        if self.compares {
            quality.latency_ms = self.latency_ms;
            quality.latency_spread = 0.4;
            quality.client_errors = 0.02;
            if bad && hangs {
                // It fails by not answering, which shows late.
                (quality.errors, quality.hangs) = (0.0, 0.5);
            }
        }
        self.site.watch.lossless &= plans::keeps_serving(&plan);
        let revision = self.site.store.add_revision(plan);
        self.site.platform.set_behaviour(revision, behaviour);
        self.site.traffic.set_quality(revision, quality);
        if bad {
            self.site.watch.bad.insert(revision);
        }
        // A threshold sees what has failed, not what hangs.
        if bad && catches && quality.hangs == 0.0 {
            self.site.watch.hopeless.push(revision);
        }
        revision
    }

    /// The plan of the running or last rollout.
    pub(crate) fn plan(&self) -> Option<Arc<Plan>> {
        let status = self.cell.status();
        let rollout = status.rollout.as_ref();
        rollout
            .and_then(|rollout| self.site.store.plans.get(&rollout.target))
            .cloned()
    }
}
