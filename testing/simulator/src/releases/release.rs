//! One release, from its beginning to its end.

use super::case::Case;
use crate::random::Random;
use crate::site::{START, Site};
use crate::traffic::Traffic;
use crate::watch::Violation;
use sluice_control::Cell;
use sluice_model::command::CommandKind;
use sluice_model::plan::Limit;
use sluice_model::{
    CheckName, ReportEntry, RevisionNumber, RolloutState, Rule, ServiceName, Timestamp, Verdict,
};

/// How long the stable revision serves alone before the release: what is slow is learned there.
const BEFORE_MS: i64 = 5 * 60_000;
/// Between two looks in that time.
const BEFORE_TICK_MS: i64 = 10_000;
/// A release that is not decided by then never is.
const LONGEST_MS: i64 = 6 * 3_600_000;
/// Most turns at one moment.
const TURNS_AT_ONCE_MAX: usize = 50;
const STABLE: RevisionNumber = RevisionNumber(1);

/// What a release came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The new revision took the place of the old one.
    Promoted,
    /// It was taken back, because of these checks.
    TakenBack {
        /// Whether a comparison is among them.
        compared: bool,
        /// Their names.
        checks: Vec<CheckName>,
    },
    /// It waited until nobody looked any more.
    Undecided {
        /// For what.
        waiting: String,
    },
    /// A promise of the simulator was broken.
    Broken(Violation),
}

/// A release that was played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// What it came to.
    pub end: End,
    /// From the canary's first traffic to the end, in milliseconds.
    pub took_ms: i64,
    /// Requests that the canary got.
    pub canary_requests: u64,
    /// Requests that both sides got while they shared the traffic.
    pub requests: u64,
    /// How often it was looked at.
    pub looks: u64,
}

/// Plays a case by a seed.
///
/// # Panics
/// Never: the service's name is valid.
#[must_use]
pub fn release(case: &Case, seed: u64) -> Release {
    let mut play = Play::new(case, seed);
    play.deploy();
    while play.site.now < BEFORE_MS && play.site.watch.violation.is_none() {
        play.look(BEFORE_TICK_MS);
    }
    play.deploy();
    play.looks = 0;
    let began = play.site.now;
    while play.is_open() && play.site.now - began < LONGEST_MS {
        play.look(case.tick_ms);
    }
    play.end()
}

struct Play<'a> {
    case: &'a Case,
    site: Site,
    cell: Cell,
    looks: u64,
    waiting: String,
}

impl<'a> Play<'a> {
    fn new(case: &'a Case, seed: u64) -> Self {
        let random = Random::new(seed);
        let name = ServiceName::new("shop".to_owned()).expect("a valid name");
        let mut site = Site::new(name, &random);
        site.traffic = Traffic::by_lot(case.rate, random.fork(2));
        Play {
            case,
            cell: Cell::new(site.store.status.clone()),
            site,
            looks: 0,
            waiting: String::new(),
        }
    }

    /// The next revision: first the stable one, then the canary.
    fn deploy(&mut self) {
        let revision = self.site.store.add_revision(self.case.plan.clone());
        let quality = match revision {
            STABLE => self.case.stable,
            _ => self.case.canary,
        };
        self.site.traffic.set_quality(revision, quality);
        let at = self.site.wall();
        self.site
            .store
            .ask(at, "ada", CommandKind::Deploy { revision });
        self.turns();
    }

    /// Time passes, and Sluice looks.
    fn look(&mut self, tick_ms: i64) {
        let (traffic, trouble) = self.case.course.at(self.site.now);
        self.site.traffic.rate = self.case.rate * traffic;
        self.site.traffic.trouble = trouble;
        self.site.advance(self.site.now + tick_ms);
        self.looks += 1;
        self.turns();
    }

    fn turns(&mut self) {
        for _ in 0..TURNS_AT_ONCE_MAX {
            let now = self.site.wall();
            let outcome = self.cell.turn(&mut self.site, now);
            let waiting = outcome.decision.and_then(|it| it.report.waiting);
            self.waiting = waiting.unwrap_or_default();
            if outcome.wake_at.is_none_or(|at| at > now) {
                return;
            }
        }
        self.site.watch.spins(self.site.now);
    }

    fn is_open(&self) -> bool {
        self.cell.status().running().is_some() && self.site.watch.violation.is_none()
    }

    fn end(self) -> Release {
        let log = &self.site.store.log;
        let began = log
            .iter()
            .rposition(|(_, entry)| entry.rule == Rule::RolloutStarted)
            .unwrap_or(0);
        let own = &log[began..];
        let time_of = |rule: Rule| {
            let entry = own.iter().find(|(_, entry)| entry.rule == rule);
            entry.map(|(at, _)| *at)
        };
        let now = START.shifted(self.site.now);
        let first = time_of(Rule::StepEntered).unwrap_or(now);
        let last = time_of(Rule::Aborted).or(time_of(Rule::Promoted));
        let rollout = self.cell.status().rollout.as_ref();
        let attempt = rollout.map(|rollout| (rollout.id, rollout.attempt));
        let handed = attempt.map(|attempt| self.site.traffic.handed(attempt));
        let (mut canary_requests, mut requests) = (0, 0);
        for (_, handed) in handed.into_iter().flatten() {
            canary_requests += handed.canary.assigned;
            requests += handed.canary.assigned + handed.baseline.assigned;
        }
        let state = rollout.map(|rollout| &rollout.state);
        let end = match (self.site.watch.violation.clone(), state) {
            (Some(violation), _) => End::Broken(violation),
            (None, Some(RolloutState::Promoted { .. })) => End::Promoted,
            (None, Some(RolloutState::Aborted { .. })) => taken_back(own),
            (None, _) => End::Undecided {
                waiting: self.waiting,
            },
        };
        Release {
            end,
            took_ms: span(first, last.unwrap_or(now)),
            canary_requests,
            requests,
            looks: self.looks,
        }
    }
}

fn span(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.since(from).as_millis()).unwrap_or(i64::MAX)
}

fn taken_back(log: &[(Timestamp, ReportEntry)]) -> End {
    let failed = log
        .iter()
        .filter(|(_, entry)| entry.rule == Rule::CheckFailed)
        .flat_map(|(_, entry)| &entry.evidence)
        .filter(|judgement| judgement.verdict == Verdict::Fail);
    let mut compared = false;
    let mut checks = Vec::new();
    for judgement in failed {
        compared |= matches!(judgement.limit, Limit::NotWorse(_));
        checks.push(judgement.check.clone());
    }
    End::TakenBack { compared, checks }
}
