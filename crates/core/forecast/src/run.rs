//! One release, taken through a course by chance.
//!
//! Within a step it is looked every [`LOOK_MIN`], later every hundredth of the step's time so far, so that a
//! decision is found late by a hundredth at most and a run stays short. Counts are exact all the same: how many
//! requests come in a span is one Poisson draw, whatever its length, and each goes to the new side by chance.

use crate::Chance;
use crate::comparing::{self, Book};
use crate::course::{Course, Phase};
use crate::release::Release;
use crate::signal::{FAILED, among};
use crate::threshold::Window;
use serde::Serialize;
use sluice_model::plan::OnTrouble;
use sluice_model::{CheckName, Verdict, millis};
use std::time::Duration;

/// Shortest time between two looks, in milliseconds.
const LOOK_MIN: u64 = 250;
/// Looks per time that a step lasts already.
const LOOKS_PER_STEP: u64 = 100;
/// Looks per window of a threshold.
const LOOKS_PER_WINDOW: u64 = 20;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// How it ended.
    pub ending: Ending,
    /// When, since the start of the rollout.
    #[serde(with = "millis")]
    pub at: Duration,
    /// The same since the new side got its first request by weight; zero if it never did.
    #[serde(with = "millis")]
    pub since_traffic: Duration,
    /// Requests that the new side had until then.
    pub exposed: u64,
    /// Of these, those that failed.
    pub failed: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// It went all the way.
    Promoted,
    /// A check took it back.
    TakenBack(CheckName),
    /// A check holds it until a person decides.
    Held(CheckName),
    /// Neither, for as long as it was followed.
    Undecided,
}

/// Takes a release through a course.
#[must_use]
pub fn simulate(course: &Course, release: Release, chance: &mut impl Chance) -> Run {
    let mut walk = Walk {
        course,
        rates: [
            course.signals.rates(&course.traffic, release),
            course.baseline.clone(),
        ],
        events: [
            vec![0; course.baseline.len()],
            vec![0; course.baseline.len()],
        ],
        books: course.comparisons.iter().map(Book::open).collect(),
        now: 0,
        traffic_since: None,
        exposed: 0,
        failed: 0,
    };
    let ending = walk.go(chance);
    let since = walk.traffic_since.unwrap_or(walk.now);
    Run {
        ending,
        at: Duration::from_millis(walk.now),
        since_traffic: Duration::from_millis(walk.now - since),
        exposed: walk.exposed,
        failed: walk.failed,
    }
}

/// Where a run stands. Of two, the new side comes first.
struct Walk<'c> {
    course: &'c Course,
    rates: [Vec<f64>; 2],
    /// Of the latest draw.
    events: [Vec<u64>; 2],
    books: Vec<Book<'c>>,
    /// Milliseconds since the start.
    now: u64,
    traffic_since: Option<u64>,
    exposed: u64,
    failed: u64,
}

impl<'c> Walk<'c> {
    fn go(&mut self, chance: &mut impl Chance) -> Ending {
        let phases = &self.course.phases;
        self.now = phases.first().map_or(0, |phase| phase.prepare);
        for (at, phase) in phases.iter().enumerate() {
            // While the next step prepares, this one's traffic goes on.
            let lingers = phases.get(at + 1).map_or(0, |next| next.prepare);
            if let Some(ending) = self.step(phase, lingers, chance) {
                return ending;
            }
        }
        Ending::Promoted
    }

    /// The step's traffic until it passes, and for `lingers` more; the ending if it comes in this step.
    fn step(&mut self, phase: &'c Phase, lingers: u64, chance: &mut impl Chance) -> Option<Ending> {
        let horizon = self.course.horizon_millis();
        let begin = self.now;
        let mut windows: Vec<Window<'c>> = phase
            .thresholds
            .iter()
            .map(|threshold| Window::open(threshold, begin))
            .collect();
        if phase.weight > 0.0 {
            self.traffic_since.get_or_insert(begin);
            self.books
                .iter_mut()
                .for_each(|book| book.at_weight(phase.weight));
        }
        let mut leaves = None;
        loop {
            if leaves.is_none()
                && self.now >= begin.saturating_add(phase.bake)
                && self.passes(phase, &windows)
            {
                leaves = Some(self.now.saturating_add(lingers));
            }
            if leaves.is_some_and(|leaves| self.now >= leaves) {
                return None;
            }
            if self.now >= horizon {
                return Some(Ending::Undecided);
            }
            let next = next_look(phase, begin, self.now, leaves).min(horizon);
            let span = next - self.now;
            self.now = next;
            if phase.weight > 0.0 {
                let suspicious = self.draw(phase.weight, span, &mut windows, chance);
                if let Some(ending) = self.failing(phase, &windows, suspicious) {
                    return Some(ending);
                }
            }
        }
    }

    /// Draws the requests of a span; whether a comparison may have come closer to "worse".
    fn draw(
        &mut self,
        weight: f64,
        span: u64,
        windows: &mut [Window<'c>],
        chance: &mut impl Chance,
    ) -> bool {
        let all = chance.poisson(self.course.traffic.rate * span as f64 / 1_000.0);
        let canary = among(all, weight, chance);
        let requests = [canary, all - canary];
        for ((requests, rates), events) in requests.iter().zip(&self.rates).zip(&mut self.events) {
            self.course.signals.draw(*requests, rates, chance, events);
        }
        self.exposed += canary;
        self.failed += self.events[0][FAILED];
        let events = [self.events[0].as_slice(), self.events[1].as_slice()];
        for window in windows {
            window.count(self.now, requests, events);
        }
        let mut suspicious = false;
        if weight < 1.0 {
            for book in &mut self.books {
                suspicious |= book.count(requests, events);
            }
        }
        suspicious
    }

    /// The evidence of "worse" grows with events on the new side only, so that nobody need ask without one.
    fn failing(
        &mut self,
        phase: &Phase,
        windows: &[Window<'_>],
        suspicious: bool,
    ) -> Option<Ending> {
        let mut held = None;
        if suspicious && let Some(at) = comparing::worst(&mut self.books, &phase.compared) {
            let found = &self.course.comparisons[at];
            match found.on_fail {
                OnTrouble::Abort => return Some(Ending::TakenBack(found.name.clone())),
                OnTrouble::Pause | OnTrouble::Continue => held = Some(&found.name),
            }
        }
        for (threshold, window) in phase.thresholds.iter().zip(windows) {
            let check = &threshold.check;
            if window.may_fail() && window.verdict(self.now) == Verdict::Fail {
                match check.on_fail {
                    OnTrouble::Abort => return Some(Ending::TakenBack(check.name.clone())),
                    OnTrouble::Pause | OnTrouble::Continue => {
                        held.get_or_insert(&check.name);
                    }
                }
            }
        }
        held.map(|name| Ending::Held(name.clone()))
    }

    fn passes(&mut self, phase: &Phase, windows: &[Window<'_>]) -> bool {
        let now = self.now;
        windows
            .iter()
            .all(|window| window.verdict(now) == Verdict::Pass)
            && comparing::all_pass(&mut self.books, &phase.compared)
    }
}

/// The time of the next look, in milliseconds; after `now`.
fn next_look(phase: &Phase, begin: u64, now: u64, leaves: Option<u64>) -> u64 {
    let baked = begin.saturating_add(phase.bake);
    let ends = [Some(baked), leaves].into_iter().flatten();
    let ends = ends.filter(|end| *end > now).min();
    if phase.weight == 0.0 {
        // Nobody comes: nothing to look at before the step ends.
        return ends.unwrap_or(now.saturating_add(LOOK_MIN));
    }
    let windows = phase.thresholds.iter().map(|it| it.check.window);
    let by_window = windows
        .map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX) / LOOKS_PER_WINDOW)
        .min();
    let span = ((now - begin) / LOOKS_PER_STEP).min(by_window.unwrap_or(u64::MAX));
    let next = now.saturating_add(span.max(LOOK_MIN));
    ends.map_or(next, |end| next.min(end))
}
