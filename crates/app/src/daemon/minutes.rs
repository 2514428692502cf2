//! What was counted of a service in each minute, for the store: the history by which limits are tuned.
//!
//! Fed with every look of the control thread; the time is passed in. A minute that was not seen from its
//! beginning to its end is not told: the one in which Sluice started, or the machine slept. Not here: writing it
//! (`turns`).

use sluice_local::Usage;
use sluice_model::minute::{MINUTE, Minute, minute_of};
use sluice_model::{RevisionNumber, ServiceStatus, SideCounters, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How late a minute's first look may be; there is one a second.
const LATE_MAX: Duration = Duration::from_secs(5);

type Counters = BTreeMap<RevisionNumber, SideCounters>;

/// What is known of a service at one moment.
pub(super) struct Look<'a> {
    pub(super) now: Timestamp,
    pub(super) status: &'a ServiceStatus,
    /// Revisions that lack none of the replicas they should have.
    pub(super) complete: BTreeSet<RevisionNumber>,
    pub(super) counters: &'a Counters,
    pub(super) usage: &'a BTreeMap<RevisionNumber, Usage>,
}

/// The present minute of a service.
#[derive(Default)]
pub(super) struct Minutes {
    present: Option<Present>,
}

struct Present {
    at: Timestamp,
    /// The first look, and the counters then.
    since: Timestamp,
    before: Counters,
    /// Whether the first look was at its beginning.
    from_the_beginning: bool,
    rollout: bool,
    seen: BTreeMap<RevisionNumber, Seen>,
}

struct Seen {
    healthy: bool,
    cpu_cores: Option<f64>,
    memory_bytes: Option<u64>,
}

impl Minutes {
    /// Takes a look; the minutes of the revisions that have just ended with it.
    pub(super) fn look(&mut self, look: &Look<'_>) -> Vec<Minute> {
        let at = minute_of(look.now);
        let mut ended = Vec::new();
        let mut follows = false;
        if let Some(present) = self.present.take_if(|present| present.at != at) {
            let in_time = look.now.since(at) <= LATE_MAX;
            follows = present.at.after(MINUTE) == at && in_time;
            if follows && present.from_the_beginning {
                ended = present.end(look);
            }
        }
        let present = self.present.get_or_insert_with(|| Present {
            at,
            since: look.now,
            before: look.counters.clone(),
            from_the_beginning: follows,
            rollout: false,
            seen: BTreeMap::new(),
        });
        present.note(look);
        ended
    }
}

impl Present {
    fn note(&mut self, look: &Look<'_>) {
        let running = look.status.running().map(|rollout| rollout.target);
        self.rollout |= running.is_some();
        for revision in look.status.stable.into_iter().chain(running) {
            let healthy = look.complete.contains(&revision);
            let seen = self.seen.entry(revision).or_insert(Seen {
                healthy,
                cpu_cores: None,
                memory_bytes: None,
            });
            seen.healthy &= healthy;
            if let Some(usage) = look.usage.get(&revision) {
                let cpu = seen.cpu_cores.unwrap_or(0.0);
                seen.cpu_cores = Some(cpu.max(usage.cpu_cores));
                seen.memory_bytes = seen.memory_bytes.max(Some(usage.memory_bytes_max));
            }
        }
    }

    fn end(&self, look: &Look<'_>) -> Vec<Minute> {
        let minute = |(revision, seen): (&RevisionNumber, &Seen)| {
            let now = look.counters.get(revision);
            let counted = match (now, self.before.get(revision)) {
                (Some(now), Some(before)) => now.since(before),
                (Some(now), None) => now.clone(),
                (None, _) => SideCounters::default(),
            };
            Minute {
                span: look.now.since(self.since),
                rollout: self.rollout,
                healthy: seen.healthy,
                cpu_cores: seen.cpu_cores,
                memory_bytes: seen.memory_bytes,
                ..Minute::of(self.at, *revision, &counted)
            }
        };
        self.seen.iter().map(minute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::ServiceName;
    use sluice_model::plan::Strategy;
    use sluice_model::status::{RolloutState, Stage, Warned};
    use sluice_model::{Rollout, RolloutId};

    const STABLE: RevisionNumber = RevisionNumber(3);
    const CANARY: RevisionNumber = RevisionNumber(4);
    /// 15:06 UTC.
    const START: Timestamp = Timestamp(1_795_273_560_000);

    /// A service that gets ten requests a second since long before.
    struct Service {
        minutes: Minutes,
        status: ServiceStatus,
        complete: BTreeSet<RevisionNumber>,
        memory: u64,
    }

    impl Service {
        fn new() -> Service {
            let name = ServiceName::new("shop").expect("a name");
            let status = ServiceStatus {
                stable: Some(STABLE),
                ..ServiceStatus::new(name)
            };
            Service {
                minutes: Minutes::default(),
                status,
                complete: [STABLE].into(),
                memory: 1_000,
            }
        }

        fn release(&mut self) {
            self.status.rollout = Some(Rollout {
                id: RolloutId(2),
                target: CANARY,
                strategy: Strategy::Canary,
                steps: 2,
                fast: false,
                actor: "rosa".to_owned(),
                started_at: START,
                moved_at: START,
                state: RolloutState::Stepping {
                    step: 0,
                    stage: Stage::Baking { since: START },
                },
                traffic_step: None,
                traffic_since: None,
                restarts_before: 0,
                closing: None,
                pause: None,
                held_ms: 0,
                attempt: 1,
                warned: Warned::default(),
            });
        }

        /// A look each second of a time after the start.
        fn looks(&mut self, seconds: std::ops::Range<i64>) -> Vec<Minute> {
            seconds.flat_map(|second| self.look(second)).collect()
        }

        fn look(&mut self, second: i64) -> Vec<Minute> {
            let requests = 10 * u64::try_from(10_000 + second).expect("a count");
            let counters = [(
                STABLE,
                SideCounters {
                    requests,
                    classes: [0, requests, 0, 0, 0],
                    ..SideCounters::default()
                },
            )];
            let usage = Usage {
                cpu_cores: 0.5,
                memory_bytes_max: self.memory,
                ..Usage::default()
            };
            self.minutes.look(&Look {
                now: START.shifted(second * 1_000 + 200),
                status: &self.status,
                complete: self.complete.clone(),
                counters: &counters.into(),
                usage: &[(STABLE, usage)].into(),
            })
        }
    }

    #[test]
    fn each_minute_is_told_once_when_it_is_over() {
        let mut service = Service::new();
        let told = service.looks(-20..125);
        let short: Vec<_> = told
            .iter()
            .map(|it| (it.at, it.revision, it.requests, it.span.as_secs()))
            .collect();
        let second = START.after(MINUTE);
        assert_eq!(short, [(START, STABLE, 600, 60), (second, STABLE, 600, 60)]);
        assert!(told.iter().all(Minute::is_usual));
        assert_eq!(told[0].cpu_cores, Some(0.5));
    }

    #[test]
    fn the_minute_in_which_sluice_starts_or_the_machine_sleeps_is_not_told() {
        let mut service = Service::new();
        assert_eq!(service.looks(30..90), []);
        assert_eq!(service.looks(90..121).len(), 1, "whole");
        // From 15:08:01 to 15:12:40.
        assert_eq!(service.looks(400..479), []);
        let next = service.looks(479..481);
        assert_eq!(next.len(), 1);
        assert_eq!(next[0].at, START.after(7 * MINUTE));
        // A clock that goes back is a gap as well.
        assert_eq!(service.looks(100..119), []);
    }

    #[test]
    fn a_rollout_a_missing_replica_and_the_highest_usage_mark_the_whole_minute() {
        let mut service = Service::new();
        service.looks(-5..30);
        service.memory = 9_000;
        service.look(30);
        service.memory = 1_000;
        let calm = service.looks(31..61);
        assert_eq!(calm[0].memory_bytes, Some(9_000));
        service.complete.clear();
        service.look(70);
        service.complete.insert(STABLE);
        let sick = service.looks(71..121);
        assert!(!sick[0].healthy && !sick[0].rollout);
        service.release();
        service.look(130);
        service.status.rollout = None;
        let rolled: Vec<_> = service.looks(131..181);
        let of: Vec<_> = rolled.iter().map(|it| (it.revision, it.rollout)).collect();
        assert_eq!(of, [(STABLE, true), (CANARY, true)]);
        assert_eq!(rolled[1].requests, 0);
    }
}
