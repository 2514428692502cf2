//! A fake platform: replicas that start, get ready, flap, crash, and take their time to stop.
//!
//! It is level-triggered like a real one: [`Platform::apply`] says what shall be, time does the rest.

use crate::random::Random;
use sluice_model::{ReplicaCounts, RevisionNumber};
use std::collections::BTreeMap;
use std::time::Duration;

/// The moment of an event that never comes.
const NEVER: i64 = i64::MAX;

/// Most replicas of one service, those being stopped included.
const REPLICAS_MAX: usize = 400;

/// How the replicas of a revision behave. Spans in milliseconds.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// From start to ready, at least and at most.
    pub start_ms: (i64, i64),
    /// Whether they ever get ready.
    pub ready: bool,
    /// How long they run before they crash.
    pub crash_after_ms: Option<i64>,
    /// How long they are ready, and then not, in turn.
    pub flap_ms: Option<(i64, i64)>,
    /// From being told to stop to gone.
    pub stop_ms: i64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            start_ms: (500, 500),
            ready: true,
            crash_after_ms: None,
            flap_ms: None,
            stop_ms: 200,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Waiting,
    Starting,
    Unready,
    Ready,
    Stopping,
}

#[derive(Clone, Debug)]
struct Replica {
    revision: RevisionNumber,
    state: State,
    ready_since: i64,
    restarts: u32,
    /// When it crashes, counted from its start.
    crash_at: i64,
    /// The next event of its life.
    next_at: i64,
}

/// The replicas of one service.
#[derive(Clone, Debug)]
pub struct Platform {
    replicas: Vec<Replica>,
    behaviours: BTreeMap<RevisionNumber, Behaviour>,
    wanted: BTreeMap<RevisionNumber, u32>,
    random: Random,
}

impl Platform {
    /// An empty platform.
    #[must_use]
    pub fn new(random: Random) -> Self {
        Self {
            replicas: Vec::new(),
            behaviours: BTreeMap::new(),
            wanted: BTreeMap::new(),
            random,
        }
    }

    /// Sets how a revision's replicas behave from their next event on.
    pub fn set_behaviour(&mut self, revision: RevisionNumber, behaviour: Behaviour) {
        self.behaviours.insert(revision, behaviour);
    }

    /// Lets every revision behave well from now on: what failed comes back.
    pub fn heal(&mut self, now: i64) {
        for behaviour in self.behaviours.values_mut() {
            let start_ms = behaviour.start_ms;
            let stop_ms = behaviour.stop_ms;
            *behaviour = Behaviour {
                start_ms,
                stop_ms,
                ..Behaviour::default()
            };
        }
        for replica in &mut self.replicas {
            replica.crash_at = NEVER;
            match replica.state {
                State::Ready => replica.next_at = NEVER,
                State::Starting | State::Unready => {
                    replica.next_at = replica.next_at.min(now + 500)
                }
                State::Waiting | State::Stopping => {}
            }
        }
    }

    /// What shall be. A revision that is absent shall have no replica.
    pub fn apply(&mut self, now: i64, wanted: &BTreeMap<RevisionNumber, u32>) {
        if self.wanted != *wanted {
            self.wanted.clone_from(wanted);
        }
        for index in 0..self.replicas.len() {
            let replica = &self.replicas[index];
            if replica.state != State::Stopping && !wanted.contains_key(&replica.revision) {
                self.stop(now, index);
            }
        }
        for (revision, count) in wanted {
            let count = *count as usize;
            let mut kept = self.kept_of(*revision);
            while kept > count {
                self.stop_worst(now, *revision);
                kept -= 1;
            }
            while kept < count && self.replicas.len() < REPLICAS_MAX {
                self.start(now, *revision);
                kept += 1;
            }
        }
    }

    fn kept_of(&self, revision: RevisionNumber) -> usize {
        let kept =
            |replica: &&Replica| replica.revision == revision && replica.state != State::Stopping;
        self.replicas.iter().filter(kept).count()
    }

    fn start(&mut self, now: i64, revision: RevisionNumber) {
        let mut replica = Replica {
            revision,
            state: State::Starting,
            ready_since: now,
            restarts: 0,
            crash_at: NEVER,
            next_at: NEVER,
        };
        self.launch(now, &mut replica);
        self.replicas.push(replica);
    }

    fn launch(&mut self, now: i64, replica: &mut Replica) {
        let behaviour = self.behaviours.entry(replica.revision).or_default();
        let (low, high) = behaviour.start_ms;
        replica.state = State::Starting;
        replica.crash_at = behaviour.crash_after_ms.map_or(NEVER, |span| now + span);
        replica.next_at = if behaviour.ready {
            now + self.random.between(low, high)
        } else {
            NEVER
        };
        replica.next_at = replica.next_at.min(replica.crash_at);
    }

    /// Not ready first, then the youngest.
    fn stop_worst(&mut self, now: i64, revision: RevisionNumber) {
        let worst = self
            .replicas
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, replica)| replica.revision == revision && replica.state != State::Stopping)
            .min_by_key(|(_, replica)| replica.state);
        if let Some((index, _)) = worst {
            self.stop(now, index);
        }
    }

    fn stop(&mut self, now: i64, index: usize) {
        let replica = &mut self.replicas[index];
        let has_process = replica.state != State::Waiting;
        let stop_ms = self
            .behaviours
            .get(&replica.revision)
            .map_or(0, |it| it.stop_ms);
        replica.state = State::Stopping;
        replica.next_at = if has_process { now + stop_ms } else { now };
    }

    /// Kills replicas of a revision, as a machine that fails would; they start again.
    pub fn kill(&mut self, now: i64, revision: RevisionNumber, count: usize) {
        let mut left = count;
        for replica in &mut self.replicas {
            let alive = !matches!(replica.state, State::Stopping | State::Waiting);
            if left > 0 && replica.revision == revision && alive {
                crash(now, replica);
                left -= 1;
            }
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: i64) {
        // An event may bring the next one; each moves a replica on by at least its shortest span.
        while let Some(index) = self
            .replicas
            .iter()
            .position(|replica| replica.next_at <= now)
        {
            let mut replica = self.replicas.swap_remove(index);
            if self.live(&mut replica) {
                self.replicas.push(replica);
            }
        }
    }

    /// The next event of a replica; whether it is still there.
    fn live(&mut self, replica: &mut Replica) -> bool {
        let at = replica.next_at;
        let flap_ms = self
            .behaviours
            .get(&replica.revision)
            .and_then(|it| it.flap_ms);
        match replica.state {
            State::Stopping => return false,
            State::Waiting => self.launch(at, replica),
            _ if replica.crash_at <= at => crash(at, replica),
            State::Starting | State::Unready => {
                replica.state = State::Ready;
                replica.ready_since = at;
                replica.next_at = flap_ms
                    .map_or(NEVER, |(up, _)| at + up)
                    .min(replica.crash_at);
            }
            State::Ready => {
                replica.state = State::Unready;
                replica.next_at = flap_ms
                    .map_or(at, |(_, down)| at + down)
                    .min(replica.crash_at);
            }
        }
        true
    }

    /// When the next event comes.
    #[must_use]
    pub fn next_event(&self) -> Option<i64> {
        self.replicas
            .iter()
            .map(|replica| replica.next_at)
            .filter(|at| *at < NEVER)
            .min()
    }

    /// What is seen of the replicas.
    #[must_use]
    pub fn counts(&self, now: i64, min_ready: Duration) -> BTreeMap<RevisionNumber, ReplicaCounts> {
        let min_ready_ms = i64::try_from(min_ready.as_millis()).unwrap_or(i64::MAX);
        let mut counts: BTreeMap<RevisionNumber, ReplicaCounts> = BTreeMap::new();
        for replica in &self.replicas {
            let side = counts.entry(replica.revision).or_default();
            if replica.state == State::Stopping {
                side.stopping += 1;
                continue;
            }
            side.restarts_max = side.restarts_max.max(replica.restarts);
            if replica.restarts > 0 && side.last_failure.is_none() {
                side.last_failure = Some("exit code 1".to_owned());
            }
            side.running += u32::from(replica.state != State::Waiting);
            if replica.state == State::Ready {
                side.ready += 1;
                side.available += u32::from(now - replica.ready_since >= min_ready_ms);
            }
        }
        counts
    }

    /// Whether requests to a revision find a ready replica.
    #[must_use]
    pub fn serves(&self, revision: RevisionNumber) -> bool {
        let ready =
            |replica: &Replica| replica.revision == revision && replica.state == State::Ready;
        self.replicas.iter().any(ready)
    }

    /// Whether what shall be is there, all of it ready, and nothing else.
    #[must_use]
    pub fn converged(&self) -> bool {
        let wanted: usize = self.wanted.values().map(|count| *count as usize).sum();
        self.replicas.len() == wanted && self.replicas.iter().all(|it| it.state == State::Ready)
    }
}

/// Back-off of a crashed replica: doubling from a tenth of a second to five.
fn crash(at: i64, replica: &mut Replica) {
    let wait = (100_i64 << replica.restarts.min(6)).min(5_000);
    replica.restarts += 1;
    replica.state = State::Waiting;
    replica.next_at = at + wait;
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: RevisionNumber = RevisionNumber(1);

    fn platform(behaviour: Behaviour, count: u32) -> Platform {
        let mut platform = Platform::new(Random::new(1));
        platform.set_behaviour(ONE, behaviour);
        platform.apply(0, &BTreeMap::from([(ONE, count)]));
        platform
    }

    fn seen(platform: &mut Platform, at: i64) -> (u32, u32, u32, u32) {
        platform.advance(at);
        let counts = platform
            .counts(at, Duration::from_secs(1))
            .remove(&ONE)
            .unwrap_or_default();
        (
            counts.running,
            counts.ready,
            counts.available,
            counts.stopping,
        )
    }

    #[test]
    fn replicas_start_get_ready_and_stop() {
        let mut platform = platform(Behaviour::default(), 3);
        assert_eq!(seen(&mut platform, 499), (3, 0, 0, 0));
        assert_eq!(seen(&mut platform, 500), (3, 3, 0, 0));
        assert_eq!(seen(&mut platform, 1_500), (3, 3, 3, 0));
        platform.apply(1_500, &BTreeMap::from([(ONE, 1)]));
        assert_eq!(seen(&mut platform, 1_699), (1, 1, 1, 2));
        assert_eq!(seen(&mut platform, 1_700), (1, 1, 1, 0));
        assert!(platform.converged());
    }

    #[test]
    fn replicas_crash_and_flap_until_they_are_healed() {
        let crashing = Behaviour {
            crash_after_ms: Some(700),
            ..Behaviour::default()
        };
        let mut platform = platform(crashing, 1);
        platform.advance(60_000);
        let restarts = platform.counts(60_000, Duration::ZERO)[&ONE].restarts_max;
        assert!(restarts > 5, "{restarts}");
        platform.heal(60_000);
        assert_eq!(seen(&mut platform, 90_000), (1, 1, 1, 0));
    }
}
