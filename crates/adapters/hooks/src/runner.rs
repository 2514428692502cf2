//! The runner: which effects run now, which wait for a place, which are done.
//!
//! Not here: how a command or a webhook is run (`command`, `webhook`).

use crate::{command, leftover, webhook};
use sluice_model::plan::HookAction;
use sluice_model::time::format_span;
use sluice_model::{Effect, EffectAction, EffectId, EffectOutcome};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Hooks that run at a time; more than a few dozen services need, few enough for a small machine.
pub const HOOKS_RUNNING_MAX: usize = 16;

/// Hooks that wait for a place at a time. Beyond, none is taken on: the next decision asks again.
pub const HOOKS_WAITING_MAX: usize = 256;

/// Outcomes that are remembered, so that an effect that is asked for again before its outcome was
/// recorded is answered and not run twice.
pub const OUTCOMES_KEPT: usize = 1_024;

/// Runs effects on a Tokio runtime. Cheap to clone; clones share everything.
#[derive(Clone, Debug)]
pub struct HookRunner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    owner: String,
    runtime: Handle,
    places: Semaphore,
    webhooks: webhook::Client,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    running: BTreeSet<EffectId>,
    done: BTreeMap<EffectId, EffectOutcome>,
    done_in_order: VecDeque<EffectId>,
}

/// What became of a request to start an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// It runs, or waits for a place; its callback will be called.
    Now,
    /// It runs already; the callback of the one who started it will be called, not this one.
    Before,
    /// It is done already; the callback is called with the remembered outcome.
    Done,
    /// [`HOOKS_WAITING_MAX`] hooks wait already: nothing happened, ask again.
    Full,
}

impl HookRunner {
    /// A runner whose hooks run on `runtime`. `owner` tells the processes of this Sluice from those
    /// of another on the same machine (the state folder's absolute path is a good one).
    #[must_use]
    pub fn new(owner: impl Into<String>, runtime: Handle) -> Self {
        Self {
            shared: Arc::new(Shared {
                owner: owner.into(),
                runtime,
                places: Semaphore::new(HOOKS_RUNNING_MAX),
                webhooks: webhook::Client::default(),
                ledger: Mutex::default(),
            }),
        }
    }

    /// Ends the hook commands that a former process of the same owner left behind when it was
    /// killed, and returns how many processes those were. To be called once, before the first effect
    /// is started again under its old id. Blocks for a look through the process table.
    #[must_use]
    pub fn end_leftovers(&self) -> usize {
        leftover::end_all(&self.shared.owner)
    }

    /// Starts an effect and returns at once; may be called from any thread. `on_done` is called on
    /// the runtime, exactly once, unless the runtime shuts down before; then the effect's processes
    /// are ended.
    pub fn start(
        &self,
        effect: Effect,
        on_done: impl FnOnce(EffectId, EffectOutcome) + Send + 'static,
    ) -> Started {
        let claim = match self.claim(&effect.id) {
            Claimed::Mine(claim) => claim,
            Claimed::Running => return Started::Before,
            Claimed::Full => return Started::Full,
            Claimed::Done(outcome) => {
                self.shared
                    .runtime
                    .spawn(async move { on_done(effect.id, outcome) });
                return Started::Done;
            }
        };
        let runner = self.clone();
        self.shared.runtime.spawn(async move {
            // In a task of its own: a panic in there is an outcome like any other.
            let id = effect.id.clone();
            let work = tokio::spawn(async move { runner.carry_out(&effect).await });
            let outcome = work.await.unwrap_or_else(|error| EffectOutcome::Failed {
                message: format!(
                    "hook `{id}`: Sluice failed in carrying it out: {error}; report it"
                ),
            });
            claim.finish(outcome.clone());
            on_done(id, outcome);
        });
        Started::Now
    }

    /// Runs an effect to its end. One that is done already is answered with its outcome, and one
    /// that runs already, or finds no place to wait, with [`EffectOutcome::Running`]. When the future
    /// is dropped, the effect's processes are ended.
    pub async fn run(&self, effect: &Effect) -> EffectOutcome {
        match self.claim(&effect.id) {
            Claimed::Mine(claim) => {
                let outcome = self.carry_out(effect).await;
                claim.finish(outcome.clone());
                outcome
            }
            Claimed::Done(outcome) => outcome,
            Claimed::Running | Claimed::Full => EffectOutcome::Running,
        }
    }

    async fn carry_out(&self, effect: &Effect) -> EffectOutcome {
        let EffectAction::Hook {
            name,
            action,
            facts,
        } = &effect.action;
        let hook = HookCall {
            name,
            id: &effect.id,
            facts,
            owner: &self.shared.owner,
            timeout: effect.timeout,
        };
        let place = self.shared.places.acquire();
        // Places are never closed; without one in time, the hook has failed.
        let Ok(Ok(_place)) = tokio::time::timeout(effect.timeout, place).await else {
            return hook.failed(&format!(
                "{HOOKS_RUNNING_MAX} other hooks ran for the whole of its {}; look for hooks that hang, or raise its timeout",
                format_span(effect.timeout)
            ));
        };
        tracing::debug!(hook = %name, effect = %effect.id, "hook starts");
        let began = Instant::now();
        let result = match action {
            HookAction::Command { command, env } => command::run(&hook, command, env).await,
            HookAction::Webhook { url, headers } => {
                self.shared.webhooks.call(&hook, url, headers).await
            }
        };
        let elapsed_ms = began.elapsed().as_millis();
        match result {
            Ok(()) => {
                tracing::info!(hook = %name, effect = %effect.id, elapsed_ms, "hook succeeded");
                EffectOutcome::Succeeded
            }
            Err(cause) => {
                tracing::warn!(hook = %name, effect = %effect.id, elapsed_ms, "hook failed");
                hook.failed(&cause)
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Nothing in here panics half way: a poisoned ledger is a sound one.
        self.shared
            .ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn claim(&self, id: &EffectId) -> Claimed {
        let mut ledger = self.ledger();
        if let Some(outcome) = ledger.done.get(id) {
            return Claimed::Done(outcome.clone());
        }
        if ledger.running.contains(id) {
            return Claimed::Running;
        }
        if ledger.running.len() >= HOOKS_RUNNING_MAX + HOOKS_WAITING_MAX {
            return Claimed::Full;
        }
        ledger.running.insert(id.clone());
        Claimed::Mine(Claim {
            runner: self.clone(),
            id: id.clone(),
        })
    }
}

/// One call of a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookCall<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a EffectId,
    pub(crate) facts: &'a BTreeMap<String, String>,
    pub(crate) owner: &'a str,
    pub(crate) timeout: Duration,
}

impl HookCall<'_> {
    fn failed(&self, cause: &str) -> EffectOutcome {
        EffectOutcome::Failed {
            message: format!("hook `{}`: {cause}", self.name),
        }
    }
}

enum Claimed {
    Mine(Claim),
    Running,
    Done(EffectOutcome),
    Full,
}

/// The right to run one effect. Dropped unfinished (a panic, a dropped future), the effect may be
/// started again.
struct Claim {
    runner: HookRunner,
    id: EffectId,
}

impl Claim {
    fn finish(self, outcome: EffectOutcome) {
        let mut ledger = self.runner.ledger();
        ledger.done.insert(self.id.clone(), outcome);
        ledger.done_in_order.push_back(self.id.clone());
        if ledger.done_in_order.len() > OUTCOMES_KEPT
            && let Some(oldest) = ledger.done_in_order.pop_front()
        {
            ledger.done.remove(&oldest);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.runner.ledger().running.remove(&self.id);
    }
}
