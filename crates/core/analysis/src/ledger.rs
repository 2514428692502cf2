//! The books of a rollout's sequential comparisons: from the proxy's counters to evidence.
//!
//! A [`Ledger`] belongs to one attempt of one rollout. It is fed with the cumulative counters of each weight
//! segment, as often as one likes, and keeps for every comparison what was counted at each weight. The order
//! of the weights does not matter to the tests, so late answers of an earlier step are simply added where they
//! belong. It can be stored and read again: what a former process counted is kept, and the present one counts
//! on from zero.
//!
//! Which requests are counted is the proxy's matter: those that chance alone assigned. The test itself is in
//! [`crate::sequential`], the verdict in [`crate::judge_comparisons`].

use crate::evaluation::is_sound;
pub use crate::evaluation::{Evaluator, evaluate};
use crate::learned::latency_of;
use serde::{Deserialize, Serialize};
use sluice_model::analysis::{Arm, Evidence, GoalFacts};
use sluice_model::plan::{Check, Limit, Metric, goals_of};
use sluice_model::{
    CheckName, Histogram, Measurement, RolloutId, Sequential, Side, SideCounters, SplitCounts,
    Timestamp, Weight, WeightCounts,
};
use std::collections::BTreeMap;

/// What the proxy has counted in one weight segment since it started.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentObservation {
    /// The segment's number.
    pub segment: u64,
    /// The canary's weight in it.
    pub weight: Weight,
    /// The canary's counters.
    pub canary: SideCounters,
    /// The baseline's.
    pub baseline: SideCounters,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    rollout: RolloutId,
    attempt: u32,
    from: Timestamp,
    /// Segments before this one are not the attempt's.
    first_segment: u64,
    /// Whether users are kept on their side, and counted instead of requests.
    of_users: bool,
    books: BTreeMap<CheckName, Book>,
    /// What chance assigned.
    assigned: Pages<Pair>,
    /// What the split is told by: all that was assigned, or each user where it was first seen.
    split: Pages<Pair>,
    /// Of the assigned requests, those that are over with an outcome.
    finished: Pages<Pair>,
    /// What all comparisons share, as of the last look.
    #[serde(skip)]
    common: Common,
}

/// The split so far, and what hangs.
#[derive(Clone, Debug, Default, PartialEq)]
struct Common {
    split: Vec<SplitCounts>,
    hanging: u64,
}

/// The book of one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Book {
    metric: Metric,
    /// For a goal: its place in the plan's.
    #[serde(default)]
    goal: Option<usize>,
    /// For latency: what is slow, once that is known.
    slower_than_micros: Option<u64>,
    pages: Pages<Page>,
}

/// What was counted at each weight: by former processes, and by this one in each segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "T: Deserialize<'de> + Default")
)]
struct Pages<T> {
    kept: BTreeMap<Weight, T>,
    live: BTreeMap<u64, (Weight, T)>,
    /// What the counters showed when counting began, where that was not at zero.
    #[serde(skip)]
    offsets: BTreeMap<u64, T>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            kept: BTreeMap::new(),
            live: BTreeMap::new(),
            offsets: BTreeMap::new(),
        }
    }
}

/// Requests and events on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    requests: Pair,
    events: Pair,
}

/// A number for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    canary: u64,
    baseline: u64,
}

/// Numbers that can be added up and taken from each other.
trait Tally: Copy + Default {
    fn plus(self, more: Self) -> Self;
    fn minus(self, less: Self) -> Self;
    /// Of the sides that are meant; nothing of the others.
    fn only(self, canary: bool, baseline: bool) -> Self;
}

impl Tally for Pair {
    fn plus(self, more: Pair) -> Pair {
        Pair {
            canary: self.canary.saturating_add(more.canary),
            baseline: self.baseline.saturating_add(more.baseline),
        }
    }
    fn minus(self, less: Pair) -> Pair {
        Pair {
            canary: self.canary.saturating_sub(less.canary),
            baseline: self.baseline.saturating_sub(less.baseline),
        }
    }
    fn only(self, canary: bool, baseline: bool) -> Pair {
        Pair {
            canary: if canary { self.canary } else { 0 },
            baseline: if baseline { self.baseline } else { 0 },
        }
    }
}

impl Tally for Page {
    fn plus(self, more: Page) -> Page {
        Page {
            requests: self.requests.plus(more.requests),
            events: self.events.plus(more.events),
        }
    }
    fn minus(self, less: Page) -> Page {
        Page {
            requests: self.requests.minus(less.requests),
            events: self.events.minus(less.events),
        }
    }
    fn only(self, canary: bool, baseline: bool) -> Page {
        Page {
            requests: self.requests.only(canary, baseline),
            events: self.events.only(canary, baseline),
        }
    }
}

impl<T: Tally> Pages<T> {
    /// All counters begin again, as those of another process do: what was counted so far is kept.
    fn carry_over(&mut self) {
        for (weight, page) in std::mem::take(&mut self.live).into_values() {
            let kept = self.kept.entry(weight).or_default();
            *kept = kept.plus(page);
        }
        self.offsets.clear();
    }

    /// Counters of one segment begin again, or are not shown any more, perhaps of one side only: what was counted
    /// there so far is kept, and the others go on.
    fn begin_again(&mut self, segment: u64, canary: bool, baseline: bool) {
        if let Some((weight, page)) = self.live.get_mut(&segment) {
            let counted = page.only(canary, baseline);
            *page = page.minus(counted);
            let kept = self.kept.entry(*weight).or_default();
            *kept = kept.plus(counted);
        }
        if let Some(offset) = self.offsets.get_mut(&segment) {
            *offset = offset.minus(offset.only(canary, baseline));
        }
    }

    fn set(&mut self, segment: u64, weight: Weight, shown: T) {
        let offset = self.offsets.get(&segment).copied().unwrap_or_default();
        self.live.insert(segment, (weight, shown.minus(offset)));
    }

    fn by_weight(&self) -> BTreeMap<Weight, T> {
        let mut sums = self.kept.clone();
        for (weight, page) in self.live.values() {
            let sum = sums.entry(*weight).or_default();
            *sum = sum.plus(*page);
        }
        sums
    }
}

impl Ledger {
    /// Opens the books of an attempt that begins with `first_segment`. What is slow is learned from
    /// `latency`, the baseline's requests before the rollout, or later from those in it if these are too few.
    #[must_use]
    pub fn open(
        rollout: RolloutId,
        attempt: u32,
        now: Timestamp,
        first_segment: u64,
        checks: &[Check],
        latency: &Histogram,
    ) -> Ledger {
        let goals = goals_of(checks);
        let books = checks
            .iter()
            .filter(|check| matches!(check.limit, Limit::NotWorse(_) | Limit::Goal(_)))
            .map(|check| {
                let book = Book {
                    metric: check.metric,
                    goal: goals.iter().position(|(name, _)| **name == check.name),
                    slower_than_micros: latency_of(check.metric, latency),
                    pages: Pages::default(),
                };
                (check.name.clone(), book)
            })
            .collect();
        Ledger {
            rollout,
            attempt,
            from: now,
            first_segment,
            of_users: false,
            books,
            assigned: Pages::default(),
            split: Pages::default(),
            finished: Pages::default(),
            common: Common::default(),
        }
    }

    /// The same for a service that keeps users on their side: users are counted instead of requests.
    #[must_use]
    pub fn of_users(mut self, of_users: bool) -> Ledger {
        self.of_users = of_users;
        self
    }

    /// Whether these are the books of that attempt.
    #[must_use]
    pub fn is_of(&self, rollout: RolloutId, attempt: u32) -> bool {
        (self.rollout, self.attempt) == (rollout, attempt)
    }

    /// The same books in a process whose proxy counts from zero since `now`.
    #[must_use]
    pub fn reopened(mut self, now: Timestamp) -> Ledger {
        self.carry_over();
        // The proxy does not know any more which users were counted. Each would count twice, on the same side: that is no
        // second draw, and no evidence.
        let of_users = self.of_users;
        let counts_users = |book: &&mut Book| of_users || book.goal.is_some();
        for book in self.books.values_mut().filter(counts_users) {
            book.pages = Pages::default();
        }
        if of_users {
            self.from = now;
            self.assigned = Pages::default();
            self.split = Pages::default();
            self.finished = Pages::default();
        }
        self
    }

    fn carry_over(&mut self) {
        for book in self.books.values_mut() {
            book.pages.carry_over();
        }
        self.assigned.carry_over();
        self.split.carry_over();
        self.finished.carry_over();
    }

    /// Takes the counters over as they stand. Segments from before the attempt are left out.
    pub fn observe(&mut self, segments: &[SegmentObservation]) {
        let own = segments
            .iter()
            .filter(|it| it.segment >= self.first_segment);
        let own: Vec<&SegmentObservation> = own.collect();
        for it in &own {
            let (canary, baseline) = self.went_back(it);
            if canary || baseline {
                self.assigned.begin_again(it.segment, canary, baseline);
                self.split.begin_again(it.segment, canary, baseline);
                self.finished.begin_again(it.segment, canary, baseline);
                for book in self.books.values_mut() {
                    book.pages.begin_again(it.segment, canary, baseline);
                }
            }
        }
        let mut in_flight = Pair::default();
        for it in &own {
            let assigned = Pair {
                canary: it.canary.assigned,
                baseline: it.baseline.assigned,
            };
            self.assigned.set(it.segment, it.weight, assigned);
            let drawn = if self.of_users {
                // Whoever was seen at a former weight keeps the side of then, and is no draw at this one.
                Pair {
                    canary: it.canary.exposed,
                    baseline: it.baseline.exposed,
                }
            } else {
                assigned
            };
            self.split.set(it.segment, it.weight, drawn);
            let finished = Pair {
                canary: it.canary.requests,
                baseline: it.baseline.requests,
            };
            self.finished.set(it.segment, it.weight, finished);
            in_flight = in_flight.plus(Pair {
                canary: it.canary.in_flight,
                baseline: it.baseline.in_flight,
            });
        }
        let (assigned, finished) = (self.assigned.by_weight(), self.finished.by_weight());
        self.common = Common::new(
            &self.split.by_weight(),
            total(&assigned),
            total(&finished),
            in_flight,
        );
        for book in self.books.values_mut() {
            book.learn(&own);
            for it in &own {
                if let Some(page) = book.page(it) {
                    book.pages.set(it.segment, it.weight, page);
                }
            }
        }
    }

    /// Of which side a segment's counters show less than before.
    fn went_back(&self, it: &SegmentObservation) -> (bool, bool) {
        let seen = self.assigned.live.get(&it.segment);
        let (_, seen) = seen.copied().unwrap_or_default();
        (
            it.canary.assigned < seen.canary,
            it.baseline.assigned < seen.baseline,
        )
    }

    /// The measurement of a comparison at the present weight; `None` for a check that has no book.
    #[must_use]
    pub fn measure(
        &self,
        check: &Check,
        weight: Weight,
        now: Timestamp,
        evaluator: &mut Evaluator,
    ) -> Option<Measurement> {
        let book = self.books.get(&check.name)?;
        let limit = match &check.limit {
            Limit::NotWorse(limit) => *limit,
            Limit::Goal(_) => return Some(self.reached(book, weight, now)),
            _ => return None,
        };
        let pages = book.pages.by_weight();
        let total = pages
            .values()
            .fold(Page::default(), |sum, page| sum.plus(*page));
        let counts = pages
            .iter()
            .map(|(weight, page)| WeightCounts {
                weight: *weight,
                canary_requests: page.requests.canary,
                canary_events: page.events.canary,
                baseline_requests: page.requests.baseline,
                baseline_events: page.events.baseline,
            })
            .collect();
        let mut sequential = Sequential {
            rollout: self.rollout,
            attempt: self.attempt,
            weight,
            counts,
            hanging: self.common.hanging,
            slower_than_micros: book.slower_than_micros,
            split: self.common.split.clone(),
            log_e_worse: 0.0,
            log_e_not_worse: 0.0,
            log_e_split: 0.0,
            requests_left: None,
        };
        evaluator.evaluate(&check.name, now, &limit, &mut sequential);
        let side = |events: u64, requests: u64| Side {
            value: (requests > 0).then(|| events as f64 / requests as f64),
            count: requests,
        };
        Some(Measurement {
            canary: side(total.events.canary, total.requests.canary),
            baseline: side(total.events.baseline, total.requests.baseline),
            from: self.from,
            window: now.since(self.from),
            // What is no number proves nothing, and cannot be written down either.
            evidence: is_sound(&sequential).then_some(Evidence::Sequential(sequential)),
        })
    }
}

impl Ledger {
    /// Who reached a goal, of those who came at the present weight: another mix of users came at another.
    fn reached(&self, book: &Book, weight: Weight, now: Timestamp) -> Measurement {
        let pages = book.pages.by_weight();
        let page = pages.get(&weight).copied().unwrap_or_default();
        let arm = |exposed, reached| Arm { exposed, reached };
        let canary = arm(page.requests.canary, page.events.canary);
        let baseline = arm(page.requests.baseline, page.events.baseline);
        let side = |arm: Arm| Side {
            value: (arm.exposed > 0).then(|| arm.reached as f64 / arm.exposed as f64),
            count: arm.exposed,
        };
        Measurement {
            canary: side(canary),
            baseline: side(baseline),
            from: self.from,
            window: now.since(self.from),
            evidence: Some(Evidence::Goal(GoalFacts {
                weight,
                canary,
                baseline,
            })),
        }
    }
}

impl Common {
    fn new(
        split: &BTreeMap<Weight, Pair>,
        assigned: Pair,
        finished: Pair,
        in_flight: Pair,
    ) -> Common {
        // Whoever left without an answer, and whom a restart cut off, was kept waiting as well.
        let unanswered = assigned.minus(finished);
        let counts = split.iter().map(|(weight, pair)| SplitCounts {
            weight: *weight,
            canary: pair.canary,
            baseline: pair.baseline,
        });
        Common {
            split: counts.collect(),
            hanging: hanging(assigned, in_flight).max(hanging(assigned, unanswered)),
        }
    }
}

fn total(pages: &BTreeMap<Weight, Pair>) -> Pair {
    let all = pages.values();
    all.fold(Pair::default(), |sum, pair| sum.plus(*pair))
}

/// Requests that wait on the canary beyond the share that the baseline's tell to expect: a canary that hangs must not
/// look good because its failures take long.
fn hanging(assigned: Pair, waiting: Pair) -> u64 {
    if assigned.baseline == 0 {
        return waiting.canary;
    }
    let due = waiting.baseline as f64 * assigned.canary as f64 / assigned.baseline as f64;
    let by_chance = WAITING_SLACK * (1.0 + due.sqrt());
    waiting
        .canary
        .saturating_sub((due + by_chance).ceil() as u64)
}

/// Standard deviations of a count by which the requests that wait may exceed their share by chance; of few, requests.
const WAITING_SLACK: f64 = 3.0;

impl Book {
    /// Learns what is slow from the baseline's requests in the rollout, and counts from here on.
    fn learn(&mut self, segments: &[&SegmentObservation]) {
        if self.slower_than_micros.is_some() || !matches!(self.metric, Metric::Latency(_)) {
            return;
        }
        let mut seen = Histogram::default();
        segments
            .iter()
            .for_each(|it| seen.merge(&it.baseline.latency));
        self.slower_than_micros = latency_of(self.metric, &seen);
        if self.slower_than_micros.is_some() {
            let shown = segments
                .iter()
                .filter_map(|it| Some((it.segment, self.page(it)?)));
            self.pages.offsets = shown.collect();
        }
    }

    /// What a segment's counters show for this comparison.
    fn page(&self, it: &SegmentObservation) -> Option<Page> {
        let both = |of: &dyn Fn(&SideCounters) -> u64| Pair {
            canary: of(&it.canary),
            baseline: of(&it.baseline),
        };
        // Counters are read one after the other, while requests end.
        let page = |events: &dyn Fn(&SideCounters) -> u64| Page {
            requests: both(&|side| side.requests),
            events: both(&|side| events(side).min(side.requests)),
        };
        Some(match self.metric {
            Metric::ErrorRatio => page(&SideCounters::errors),
            Metric::ClientErrorRatio => page(&|side| side.classes[3]),
            Metric::TimeoutRatio => page(&|side| side.timeouts),
            Metric::Latency(_) => {
                let slow = self.slower_than_micros?;
                // One that never answered was slow as well.
                Page {
                    requests: both(&|side| side.latency.total().saturating_add(side.timeouts)),
                    events: both(&|side| side.latency.above(slow).saturating_add(side.timeouts)),
                }
            }
            Metric::Goal => {
                let goal = self.goal?;
                Page {
                    requests: both(&|side| side.exposed),
                    events: both(&|side| side.goals[goal].min(side.exposed)),
                }
            }
            Metric::RequestRate
            | Metric::Cpu
            | Metric::Memory
            | Metric::OpenFiles
            | Metric::InFlight
            | Metric::MirrorDiffRatio
            | Metric::Condition
            | Metric::Score
            | Metric::Outside => {
                return None;
            }
        })
    }
}
