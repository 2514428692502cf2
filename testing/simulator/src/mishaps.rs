//! What goes wrong in one turn.

use crate::effects::Fate;
use crate::random::Random;
use crate::site::{CrashPoint, Hooks, Site};
use crate::weather::{Fault, Weather};

/// The mishaps of one turn of a service.
pub(crate) struct Mishaps {
    crash_at: Option<CrashPoint>,
    stale_ms: Option<i64>,
    blind_ms: Option<i64>,
    /// How many replicas of which revision, counted from the oldest, are killed.
    killed: Option<usize>,
    hooks: Hooks,
    /// The disk is full for so long, for all services.
    pub(crate) store_fails_ms: Option<i64>,
    /// The wall clock jumps, for all services.
    pub(crate) clock_jumps_ms: Option<i64>,
}

impl Mishaps {
    /// Draws them. Everything is drawn whether or not it is allowed, so that leaving a kind of fault out
    /// leaves the others as they were.
    pub(crate) fn draw(random: &mut Random, weather: &Weather) -> Mishaps {
        let Weather { faults, rate, .. } = *weather;
        let mut strikes = |fault, rate| random.rarely(rate) && faults.has(fault);
        let crash = strikes(Fault::Crashes, rate);
        let store = strikes(Fault::StoreOutages, rate / 2);
        let clock = strikes(Fault::ClockJumps, rate / 3);
        let stale = strikes(Fault::StaleObservations, rate);
        let blind = strikes(Fault::MissingData, rate / 2);
        let kill = strikes(Fault::Kills, rate);
        let lost = strikes(Fault::LostReplies, 300);
        let fails = strikes(Fault::HookFailures, 300);
        let span = random.between(200, 4_000);
        let point = random.pick(&[
            CrashPoint::BeforePersist,
            CrashPoint::BeforeAct,
            CrashPoint::BeforeAct,
            CrashPoint::AfterAct,
        ]);
        let jump = random.pick(&[
            -3_600_000, -20_000, -1_500, -300, 700, 5_000, 40_000, 7_200_000,
        ]);
        let victims = random.between(1, 3) as usize;
        let lost_fate = random.pick(&[Fate::AnswerLost, Fate::AnswerLate]);
        let failed_fate = random.pick(&[Fate::Fails, Fate::Hangs]);
        let takes_ms = random.between(0, 2_000);
        let fate = match (lost, fails) {
            (true, _) => lost_fate,
            (false, true) => failed_fate,
            (false, false) => Fate::Succeeds,
        };
        Mishaps {
            crash_at: crash.then_some(point),
            stale_ms: stale.then_some(span),
            blind_ms: blind.then_some(span),
            killed: kill.then_some(victims),
            hooks: Hooks { fate, takes_ms },
            store_fails_ms: store.then_some(span * 3),
            clock_jumps_ms: clock.then_some(jump),
        }
    }

    /// Lets those that are the service's own happen.
    pub(crate) fn strike(&self, site: &mut Site, now: i64) {
        site.hooks = self.hooks;
        if self.crash_at.is_some() {
            site.crash_at = self.crash_at;
        }
        if let Some(span) = self.stale_ms {
            site.stale_until = now + span;
        }
        if let Some(span) = self.blind_ms {
            site.blind_until = now + span;
        }
        if let Some(victims) = self.killed
            && let Some(revision) = site.store.plans.keys().nth(victims - 1)
        {
            site.platform.kill(now, *revision, victims);
        }
    }
}
