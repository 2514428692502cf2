//! Promises about what is stored: evidence before every promotion, and a log and answers that neither
//! lose nor repeat anything.

use super::Watch;
use crate::store::Store;
use sluice_control::Record;
use sluice_model::plan::{Check, Exposure, Limit, Metric, Step};
use sluice_model::{
    Observation, Plan, ReportEntry, RolloutId, RolloutState, Rule, ServiceStatus, Verdict, Weight,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the log said so far of the present rollout.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    started: u64,
    ended: u64,
    passed: BTreeSet<u32>,
    skipped_rest: bool,
    skipped: bool,
    began: BTreeMap<u32, i64>,
}

/// The number behind the word `step` in a message; messages name steps from 1.
fn step_in(entry: &ReportEntry) -> Option<u32> {
    let rest = entry.message.split("step ").nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether a check of a step can, and so must, have passed.
fn must_pass(step: &Step, check: &Check, of_plan: bool) -> bool {
    let compared = matches!(check.limit, Limit::NotWorse(_));
    let relative = check.limit.needs_baseline();
    match &step.exposure {
        Exposure::Split { weight, .. } if compared && *weight == Weight::ZERO => !of_plan,
        Exposure::Split { weight, .. } if relative && *weight == Weight::FULL => false,
        Exposure::Split { mirror, .. } if of_plan && check.metric == Metric::MirrorDiffRatio => {
            mirror.as_ref().is_some_and(|mirror| mirror.compare)
        }
        Exposure::Split { weight, mirror, .. } => {
            !of_plan || *weight > Weight::ZERO || mirror.is_some()
        }
        Exposure::Rolling { .. } | Exposure::Recreate => {
            !(relative || of_plan && check.metric == Metric::MirrorDiffRatio)
        }
    }
}

impl Watch {
    /// A transition is about to be stored in `store`.
    pub(crate) fn stored(
        &mut self,
        now: i64,
        store: &Store,
        seen: &Observation,
        record: &Record<'_>,
    ) {
        self.numbers_rise(now, &store.status, record.status);
        self.answers(now, store, record);
        let plan_of = |status: &ServiceStatus| {
            let rollout = status.rollout.as_ref();
            rollout.and_then(|it| store.plans.get(&it.target)).cloned()
        };
        let plan = plan_of(record.status);
        // What was said before a new rollout began is about the one before it.
        let begins = |entry: &ReportEntry| entry.rule == Rule::RolloutStarted;
        let start = record.entries.iter().rposition(begins);
        let earlier = start.and_then(|_| plan_of(&store.status));
        for (index, entry) in record.entries.iter().enumerate() {
            self.rules.count(entry.rule);
            self.digest.word(entry.rule as u64);
            self.digest.text(&entry.message);
            let before = start.is_some_and(|start| index < start);
            let (plan, status) = if before {
                (&earlier, &store.status)
            } else {
                (&plan, record.status)
            };
            self.judged_again(now, entry);
            if let Some(plan) = plan {
                self.entry(now, plan, status, entry);
                if entry.rule == Rule::Promoted {
                    self.promoted(now, plan, status, seen);
                    self.promoted_over(now, plan, store.status.stable, status);
                }
            }
        }
        if let (Some(plan), Some(rollout)) = (&plan, record.status.running())
            && let (RolloutState::Stepping { step, .. }, Some(traffic_step)) =
                (&rollout.state, rollout.traffic_step)
            && traffic_step == *step
            && rolls(plan, step + 1)
        {
            self.ledger.begins(plan, step + 1, now);
        }
        self.log_agrees(now, record.status);
    }

    fn numbers_rise(&mut self, now: i64, before: &ServiceStatus, after: &ServiceStatus) {
        let holds = before.next_rollout <= after.next_rollout
            && before.last_command <= after.last_command
            && before.routes.segment <= after.routes.segment;
        self.promise(holds, now, "numbers never go back", || {
            format!("{:?} then {:?}", before.last_command, after.last_command)
        });
    }

    fn answers(&mut self, now: i64, store: &Store, record: &Record<'_>) {
        for answer in record.answers {
            let asked = store.commands.iter().any(|command| command.id == answer.id);
            let again = store.answers.contains_key(&answer.id);
            self.promise(asked && !again, now, "a command is answered once", || {
                format!(
                    "command {}, asked {asked}, answered before {again}",
                    answer.id
                )
            });
        }
        let told = record.answers.iter().map(|answer| answer.id).max();
        let last = told
            .max(store.answers.keys().next_back().copied())
            .unwrap_or_default();
        let holds = record.status.last_command <= last;
        self.promise(
            holds,
            now,
            "a command that counts as answered has an answer",
            || format!("command {} of {last}", record.status.last_command),
        );
    }

    fn entry(&mut self, now: i64, plan: &Plan, status: &ServiceStatus, entry: &ReportEntry) {
        let by_operator = entry.actor.is_some();
        match entry.rule {
            Rule::RolloutStarted => {
                self.ledger = Ledger {
                    started: self.ledger.started + 1,
                    ended: self.ledger.ended,
                    ..Ledger::default()
                };
            }
            Rule::Retried => {
                self.ledger.passed.clear();
                self.ledger.began.clear();
                self.ledger.skipped_rest = false;
                self.ledger.skipped = false;
                self.ledger.ended = self.ledger.ended.saturating_sub(1);
            }
            Rule::StepEntered => {
                if let Some(step) = step_in(entry) {
                    self.ledger.begins(plan, step, now);
                }
            }
            Rule::StepPassed => self.step_passed(now, plan, status, entry),
            Rule::StepSkipped | Rule::GateAnswered => {
                self.promise(by_operator, now, "only an operator skips", || {
                    entry.message.clone()
                });
                self.ledger.skipped |= entry.rule == Rule::StepSkipped;
                self.ledger.passed.extend(step_in(entry));
            }
            Rule::PromotedFully => self.ledger.skipped_rest = by_operator,
            Rule::Promoted | Rule::Aborted | Rule::ReturnedToStable | Rule::RolloutSuperseded => {
                self.ledger.ended += 1;
            }
            _ => {}
        }
    }

    fn step_passed(&mut self, now: i64, plan: &Plan, status: &ServiceStatus, entry: &ReportEntry) {
        let Some(number) = step_in(entry) else {
            return;
        };
        let fast = status.rollout.as_ref().is_some_and(|rollout| rollout.fast);
        let step = plan.steps.get(number as usize - 1).filter(|_| !fast);
        let began = self.ledger.began.get(&number).copied();
        let own = step
            .into_iter()
            .flat_map(|step| step.checks.iter().map(move |it| (step, it, false)));
        let of_plan = step
            .into_iter()
            .flat_map(|step| plan.checks.iter().map(move |it| (step, it, true)));
        let required = own
            .chain(of_plan)
            .filter(|(step, check, plans)| must_pass(step, check, *plans));
        for (step, check, _) in required {
            let judged = entry
                .evidence
                .iter()
                .find(|judgement| judgement.check == check.name);
            let passed = judged.is_some_and(|judgement| judgement.verdict == Verdict::Pass);
            self.promise(passed, now, "a step passes on evidence", || {
                format!("step {number}: check `{}`: {judged:?}", check.name)
            });
            if let Limit::NotWorse(limit) = check.limit {
                self.not_worse(now, status, step, &limit, judged);
                continue;
            }
            let since = self.measured.get(&check.name).copied();
            let fresh = since
                .zip(began)
                .is_some_and(|(since, began)| since >= began);
            self.promise(
                fresh,
                now,
                "evidence is from the step's own traffic",
                || {
                    format!(
                        "check `{}` since {since:?}, step {number} since {began:?}",
                        check.name
                    )
                },
            );
        }
        self.ledger.passed.insert(number);
    }

    fn promoted(&mut self, now: i64, plan: &Plan, status: &ServiceStatus, seen: &Observation) {
        let Some(rollout) = &status.rollout else {
            return;
        };
        let steps = plan.steps.len() as u32;
        let passed = self.ledger.passed.clone();
        let all = (1..=steps).all(|step| passed.contains(&step));
        let skipped = self.ledger.skipped_rest || rollout.fast;
        self.promise(
            all || skipped,
            now,
            "a promotion has every step behind it",
            || format!("of {steps} steps {passed:?} passed"),
        );
        let available = seen
            .replicas
            .get(&rollout.target)
            .map_or(0, |counts| counts.available);
        self.promise(
            available >= plan.replicas,
            now,
            "a promotion has its replicas",
            || format!("{available} of {} available", plan.replicas),
        );
        let hopeless = self.hopeless.contains(&rollout.target);
        let by_operator = skipped || self.skipped_by_operator();
        self.promise(
            !hopeless || by_operator,
            now,
            "a bad revision is never promoted",
            || format!("revision {}", rollout.target),
        );
    }

    /// Whether an operator skipped a step, or what was left of the plan.
    pub(super) fn skipped_by_operator(&self) -> bool {
        self.ledger.skipped || self.ledger.skipped_rest
    }

    /// The log tells of every rollout that began and ended, once.
    fn log_agrees(&mut self, now: i64, status: &ServiceStatus) {
        let RolloutId(next) = status.next_rollout;
        let started = self.ledger.started;
        self.promise(
            started + 1 == next,
            now,
            "the log neither loses nor repeats a start",
            || format!("{started} starts in the log, {} rollouts", next - 1),
        );
        let running = u64::from(status.running().is_some());
        let ended = self.ledger.ended;
        self.promise(
            ended + running == started,
            now,
            "the log neither loses nor repeats an end",
            || {
                let state = status.rollout.as_ref().map(|rollout| &rollout.state);
                format!("{ended} ends of {started} starts in the log, now {state:?}")
            },
        );
    }
}

/// Whether a step, from 1, rolls: its traffic begins with its first replica, before it is told that the
/// step was entered.
fn rolls(plan: &Plan, step: u32) -> bool {
    let step = plan.steps.get(step as usize - 1);
    step.is_some_and(|step| matches!(step.exposure, Exposure::Rolling { .. }))
}

impl Ledger {
    fn begins(&mut self, plan: &Plan, step: u32, now: i64) {
        if !rolls(plan, step) {
            self.began.remove(&step);
        }
        self.began.entry(step).or_insert(now);
    }
}
