//! Promises about the evidence of the comparisons: it is all that was handed out to this attempt and nothing
//! else, it is carried over steps and restarts, nothing passes without it, and whatever was decided on it can be
//! decided again from the log.

use super::Watch;
use crate::counting::{Attempt, Handed};
use crate::traffic::Traffic;
use sluice_analysis::replay;
use sluice_model::plan::{Check, Exposure, Limit, Metric, NotWorse, Step};
use sluice_model::{
    Judgement, Measurement, Plan, ReportEntry, RevisionNumber, RolloutState, Rule, Sequential,
    ServiceStatus, SideCounters, Verdict, Weight, WeightCounts,
};
use std::collections::BTreeMap;

/// What a comparison may have seen of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Side {
    assigned: u64,
    requests: u64,
    errors: u64,
    refused: u64,
    timeouts: u64,
}

impl Side {
    fn of(counters: &SideCounters) -> Side {
        Side {
            assigned: counters.assigned,
            requests: counters.requests,
            errors: counters.errors(),
            refused: counters.classes[3],
            timeouts: counters.timeouts,
        }
    }

    fn without(self, lost: Side) -> Side {
        Side {
            assigned: self.assigned - lost.assigned,
            requests: self.requests - lost.requests,
            errors: self.errors - lost.errors,
            refused: self.refused - lost.refused,
            timeouts: self.timeouts - lost.timeouts,
        }
    }

    fn events(self, metric: Metric) -> u64 {
        match metric {
            Metric::ErrorRatio => self.errors,
            Metric::ClientErrorRatio => self.refused,
            _ => self.timeouts,
        }
    }
}

/// Both sides: the canary, the stable revision.
type Both = [Side; 2];

fn both(handed: &Handed) -> Both {
    [Side::of(&handed.canary), Side::of(&handed.baseline)]
}

/// What the present attempt's evidence must hold, kept without the production code.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    attempt: Option<Attempt>,
    /// What crashes took before it was stored.
    lost: BTreeMap<Weight, Both>,
    /// What the stored books hold, and of which attempt.
    stored: Option<(Attempt, BTreeMap<Weight, Both>)>,
}

/// What became of comparisons: whether a simulation reached what it is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparisons {
    /// Steps that a comparison let pass.
    pub passed: u64,
    /// Log entries that blame a comparison.
    pub failed: u64,
    /// Starts of Sluice that found evidence in the store.
    pub carried: u64,
}

impl Comparisons {
    /// Adds another run's.
    pub fn add(&mut self, other: Comparisons) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.carried += other.carried;
    }
}

impl Account {
    fn of(&mut self, attempt: Attempt) {
        if self.attempt != Some(attempt) {
            self.attempt = Some(attempt);
            self.lost.clear();
        }
    }

    /// What was handed out less what was lost.
    fn due(&self, attempt: Attempt, traffic: &Traffic) -> BTreeMap<Weight, Both> {
        let due = |(weight, handed): (Weight, &Handed)| {
            let lost = self.lost.get(&weight).copied().unwrap_or_default();
            let [canary, baseline] = both(handed);
            (weight, [canary.without(lost[0]), baseline.without(lost[1])])
        };
        traffic.handed(attempt).map(due).collect()
    }
}

impl Watch {
    /// The counters were taken over for an attempt, and perhaps stored.
    pub(crate) fn counted(&mut self, attempt: Attempt, stored: bool, traffic: &Traffic) {
        self.account.of(attempt);
        if stored {
            let due = self.account.due(attempt, traffic);
            self.account.stored = Some((attempt, due));
        }
    }

    /// Sluice starts anew in the middle of an attempt, with or without books in its store; the counters are as
    /// they were. Whether the books are this attempt's.
    pub(crate) fn evidence_survives(
        &mut self,
        attempt: Attempt,
        stored: bool,
        traffic: &Traffic,
    ) -> bool {
        let account = &mut self.account;
        account.attempt = Some(attempt);
        account.stored.take_if(|(of, _)| !stored || *of != attempt);
        let stored = account.stored.as_ref();
        let lost = |(weight, handed): (Weight, &Handed)| {
            let kept = stored.and_then(|(_, stored)| stored.get(&weight));
            let kept = kept.copied().unwrap_or_default();
            let [canary, baseline] = both(handed);
            (weight, [canary.without(kept[0]), baseline.without(kept[1])])
        };
        account.lost = traffic.handed(attempt).map(lost).collect();
        let survives = account.stored.is_some();
        self.comparisons.carried += u64::from(survives);
        survives
    }

    /// A comparison was measured.
    pub(crate) fn compared(
        &mut self,
        at: i64,
        check: &Check,
        measured: &Measurement,
        traffic: &Traffic,
    ) {
        let Some(evidence) = measured.sequential() else {
            self.promise(false, at, "evidence can always be computed", || {
                format!("{}: {measured:?}", check.name)
            });
            return;
        };
        let attempt = (evidence.rollout, evidence.attempt);
        self.account.of(attempt);
        let due = self.account.due(attempt, traffic);
        let of = |weight| due.get(&weight).copied().unwrap_or_default();
        for it in &evidence.split {
            let [canary, baseline] = of(it.weight);
            self.agrees(
                at,
                evidence,
                [it.canary, it.baseline],
                [canary.assigned, baseline.assigned],
            );
        }
        if matches!(check.metric, Metric::Latency(_)) {
            return self.latencies(at, evidence, attempt, traffic);
        }
        let known: Vec<Weight> = evidence.counts.iter().map(|it| it.weight).collect();
        let forgotten = due
            .iter()
            .find(|(weight, due)| !known.contains(weight) && due.iter().any(|it| it.requests > 0));
        self.promise(forgotten.is_none(), at, CARRIED, || {
            format!("{}: {forgotten:?}", check.name)
        });
        for it in &evidence.counts {
            let [canary, baseline] = of(it.weight);
            self.agrees(
                at,
                evidence,
                [
                    it.canary_requests,
                    it.canary_events,
                    it.baseline_requests,
                    it.baseline_events,
                ],
                [
                    canary.requests,
                    canary.events(check.metric),
                    baseline.requests,
                    baseline.events(check.metric),
                ],
            );
        }
    }

    /// What was counted is what was due, neither more nor less.
    fn agrees<const N: usize>(
        &mut self,
        at: i64,
        evidence: &Sequential,
        counted: [u64; N],
        due: [u64; N],
    ) {
        let attempt = (evidence.rollout, evidence.attempt);
        let seen = || format!("{attempt:?}: counted {counted:?} of {due:?}");
        let more = counted.iter().zip(&due).any(|(counted, due)| counted > due);
        self.promise(!more, at, TWICE, seen);
        self.promise(more || counted == due, at, CARRIED, seen);
    }

    /// What is slow is learned first, so that latencies may be counted from later on: never more than there were.
    fn latencies(&mut self, at: i64, evidence: &Sequential, attempt: Attempt, traffic: &Traffic) {
        let slow = evidence.slower_than_micros.unwrap_or(0);
        let known: BTreeMap<Weight, &Handed> = traffic.handed(attempt).collect();
        let more = |it: &WeightCounts| {
            let Some(handed) = known.get(&it.weight) else {
                return it.canary_requests + it.baseline_requests > 0;
            };
            let beyond = |side: &SideCounters, requests: u64, events: u64| {
                requests > side.latency.total() + side.timeouts
                    || events > side.latency.above(slow) + side.timeouts
            };
            beyond(&handed.canary, it.canary_requests, it.canary_events)
                || beyond(&handed.baseline, it.baseline_requests, it.baseline_events)
        };
        let wrong = evidence.counts.iter().find(|it| more(it));
        self.promise(wrong.is_none(), at, TWICE, || format!("{wrong:?}"));
    }

    /// A step passes a comparison.
    pub(super) fn not_worse(
        &mut self,
        at: i64,
        status: &ServiceStatus,
        step: &Step,
        limit: &NotWorse,
        judged: Option<&Judgement>,
    ) {
        let measured = judged.and_then(|it| it.measurement.as_ref());
        let evidence = measured.and_then(|it| it.sequential());
        let weight = match step.exposure {
            Exposure::Split { weight, .. } => Some(weight),
            _ => None,
        };
        let holds = evidence
            .zip(status.rollout.as_ref())
            .is_some_and(|(evidence, rollout)| {
                (evidence.rollout, evidence.attempt) == (rollout.id, rollout.attempt)
                    && weight.is_none_or(|weight| weight == evidence.weight)
                    && evidence.log_e_not_worse >= -limit.beta.ln()
            });
        self.comparisons.passed += 1;
        self.promise(
            holds,
            at,
            "a comparison passes on evidence of this attempt and weight",
            || format!("step at {weight:?}: {judged:?}"),
        );
    }

    /// Whatever is logged with evidence of comparisons gives the same verdict again, once written down and read
    /// back; and who blames a comparison shows the evidence.
    pub(super) fn judged_again(&mut self, at: i64, entry: &ReportEntry) {
        let compares = |it: &&Judgement| matches!(it.limit, Limit::NotWorse(_));
        if !entry.evidence.iter().any(|it| compares(&it)) {
            return;
        }
        let text = serde_json::to_string(&entry.evidence).unwrap_or_default();
        let read: Vec<Judgement> = serde_json::from_str(&text).unwrap_or_default();
        let again = replay(&read);
        let holds = read.len() == again.len()
            && read == entry.evidence
            && again.iter().all(sluice_analysis::Replayed::is_same);
        self.promise(
            holds,
            at,
            "a decision can be judged again from its evidence",
            || format!("{:?}: {again:?}", entry.rule),
        );
        if entry.rule == Rule::CheckFailed {
            let fails = |it: &sluice_analysis::Replayed| it.again.verdict == Verdict::Fail;
            let failed = again.iter().any(fails);
            let blames = |it: &Judgement| compares(&it) && it.verdict == Verdict::Fail;
            self.comparisons.failed += u64::from(read.iter().any(blames));
            self.promise(failed, at, "a failed comparison shows its evidence", || {
                format!("{}: {again:?}", entry.message)
            });
        }
    }

    /// A promotion over a stable revision that was well: no comparison of errors may have let a bad one pass.
    pub(super) fn promoted_over(
        &mut self,
        at: i64,
        plan: &Plan,
        stable: Option<RevisionNumber>,
        status: &ServiceStatus,
    ) {
        let (Some(rollout), Some(stable)) = (&status.rollout, stable) else {
            return;
        };
        let skipped = self.skipped_by_operator() || rollout.fast;
        let is_bad = |revision| self.bad.contains(revision);
        let passed = matches!(rollout.state, RolloutState::Promoted { .. })
            && is_bad(&rollout.target)
            && !is_bad(&stable)
            && compares_errors(plan);
        self.promise(
            !passed || skipped || !self.lossless,
            at,
            "a comparison lets no bad revision pass",
            || format!("revision {}", rollout.target),
        );
    }
}

/// Nothing is counted that was not handed out, and nothing more than once.
const TWICE: &str = "evidence never counts a request twice";
/// Nothing that was counted is forgotten, but what a crash takes before it is stored.
const CARRIED: &str = "evidence is carried over steps and restarts";

/// Whether a step shares the users by weight, and compares the errors of both sides.
fn compares_errors(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| {
        let shared = matches!(
            step.exposure,
            Exposure::Split { weight, .. } if weight > Weight::ZERO && weight < Weight::FULL
        );
        let mut checks = step.checks.iter().chain(&plan.checks);
        shared
            && checks.any(|check| {
                check.metric == Metric::ErrorRatio && matches!(check.limit, Limit::NotWorse(_))
            })
    })
}
