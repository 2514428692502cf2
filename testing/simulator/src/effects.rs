//! A fake executor of effects: hooks that succeed, fail, hang, and answers that get lost or come late.

use sluice_model::{Effect, EffectId, EffectOutcome};
use std::collections::BTreeMap;

/// What happens to the next effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It succeeds.
    #[default]
    Succeeds,
    /// It fails.
    Fails,
    /// It never ends; the executor ends it at its timeout, and says so.
    Hangs,
    /// It is done, but the answer never arrives.
    AnswerLost,
    /// It is done, but the answer arrives long after anybody waits for it.
    AnswerLate,
}

#[derive(Clone, Debug)]
struct Running {
    answer_at: Option<i64>,
    outcome: EffectOutcome,
}

/// The effects of one service.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    running: BTreeMap<EffectId, Running>,
    outcomes: BTreeMap<EffectId, EffectOutcome>,
    /// How often each was run.
    runs: BTreeMap<EffectId, u32>,
}

impl Effects {
    /// Starts an effect that takes `takes_ms`, unless it was started before.
    pub fn start(&mut self, now: i64, effect: &Effect, takes_ms: i64, fate: Fate) {
        if self.outcomes.contains_key(&effect.id) {
            return;
        }
        let timeout_ms = i64::try_from(effect.timeout.as_millis()).unwrap_or(i64::MAX);
        let failed = |message: &str| EffectOutcome::Failed {
            message: message.to_owned(),
        };
        let (answer_at, outcome) = match fate {
            Fate::Succeeds => (Some(now + takes_ms), EffectOutcome::Succeeded),
            Fate::Fails => (Some(now + takes_ms), failed("exit code 1")),
            Fate::Hangs => (Some(now + timeout_ms), failed("it did not end in time")),
            Fate::AnswerLost => (None, EffectOutcome::Succeeded),
            Fate::AnswerLate => (Some(now + timeout_ms + 30_000), EffectOutcome::Succeeded),
        };
        *self.runs.entry(effect.id.clone()).or_default() += 1;
        self.outcomes
            .insert(effect.id.clone(), EffectOutcome::Running);
        self.running
            .insert(effect.id.clone(), Running { answer_at, outcome });
    }

    /// Lets time pass: answers arrive.
    pub fn advance(&mut self, now: i64) {
        if self.running.is_empty() {
            return;
        }
        let outcomes = &mut self.outcomes;
        self.running.retain(|id, running| {
            let arrived = running.answer_at.is_some_and(|at| at <= now);
            if arrived {
                outcomes.insert(id.clone(), running.outcome.clone());
            }
            !arrived
        });
    }

    /// Sluice crashes: what runs is forgotten with its answer (`survive` is false), or goes on.
    pub fn crash(&mut self, survive: bool) {
        if !survive {
            for id in self.running.keys() {
                self.outcomes.remove(id);
            }
            self.running.clear();
        }
    }

    /// When the next answer arrives.
    #[must_use]
    pub fn next_event(&self) -> Option<i64> {
        self.running
            .values()
            .filter_map(|running| running.answer_at)
            .min()
    }

    /// What became of the effects.
    #[must_use]
    pub fn outcomes(&self) -> &BTreeMap<EffectId, EffectOutcome> {
        &self.outcomes
    }

    /// The most runs of one effect.
    #[must_use]
    pub fn runs_max(&self) -> u32 {
        self.runs.values().copied().max().unwrap_or(0)
    }
}
