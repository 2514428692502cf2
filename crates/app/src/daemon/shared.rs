//! What the control thread and the API share: the latest views, who waits for which answer, and the
//! alarm that wakes the control thread.
//!
//! Locks here are held for moments only, never across IO.

use sluice_model::command::{Command, CommandKind, CommandOutcome};
use sluice_model::report::CommandAnswer;
use sluice_model::view::ServiceView;
use sluice_model::{CommandId, EffectId, EffectOutcome, ServiceName, ServiceStatus, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// Locks a mutex whose data stays sound when a holder panicked: every change below is one statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// See the module.
pub(super) struct Shared {
    alarm: Mutex<Alarm>,
    rang: Condvar,
    views: Mutex<BTreeMap<ServiceName, ViewCell>>,
    changes: watch::Sender<u64>,
    waiters: Mutex<Waiters>,
    effects: Mutex<BTreeMap<ServiceName, BTreeMap<EffectId, EffectOutcome>>>,
    volatile: Mutex<BTreeMap<ServiceName, Vec<Command>>>,
}

/// A service as it stood after its latest turn: for people, and for the daemon itself.
#[derive(Clone)]
pub(super) struct ViewCell {
    pub(super) view: ServiceView,
    pub(super) waiting: Option<String>,
    pub(super) status: ServiceStatus,
}

#[derive(Default)]
struct Waiters {
    by_command: BTreeMap<(ServiceName, CommandId), oneshot::Sender<CommandOutcome>>,
    /// Nobody decides any more.
    closed: bool,
}

#[derive(Default)]
struct Alarm {
    services: BTreeSet<ServiceName>,
    all: bool,
    stop: bool,
}

/// What rang the alarm.
pub(super) enum Rang {
    /// These services have news.
    Services(BTreeSet<ServiceName>),
    /// Anything may be new.
    All,
    /// The time is up.
    Time,
    /// The loop shall end.
    Stop,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            alarm: Mutex::default(),
            rang: Condvar::new(),
            views: Mutex::default(),
            changes: watch::Sender::new(0),
            waiters: Mutex::default(),
            effects: Mutex::default(),
            volatile: Mutex::default(),
        }
    }

    /// Wakes the control thread for one service.
    pub(super) fn wake(&self, service: &ServiceName) {
        lock(&self.alarm).services.insert(service.clone());
        self.rang.notify_one();
    }

    /// Wakes the control thread for every service.
    pub(super) fn wake_all(&self) {
        lock(&self.alarm).all = true;
        self.rang.notify_one();
    }

    /// Ends the control loop after its present turn.
    pub(super) fn stop_loop(&self) {
        lock(&self.alarm).stop = true;
        self.rang.notify_one();
    }

    /// Waits until the alarm rings or the time is up.
    pub(super) fn wait(&self, longest: Duration) -> Rang {
        let until = Instant::now() + longest;
        let mut alarm = lock(&self.alarm);
        loop {
            if alarm.stop {
                return Rang::Stop;
            }
            if std::mem::take(&mut alarm.all) {
                alarm.services.clear();
                return Rang::All;
            }
            if !alarm.services.is_empty() {
                return Rang::Services(std::mem::take(&mut alarm.services));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Rang::Time;
            }
            alarm = self
                .rang
                .wait_timeout(alarm, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Publishes a view.
    pub(super) fn publish(&self, name: &ServiceName, cell: ViewCell) {
        lock(&self.views).insert(name.clone(), cell);
        self.changes.send_modify(|number| *number += 1);
    }

    pub(super) fn views(&self) -> Vec<ServiceView> {
        lock(&self.views)
            .values()
            .map(|cell| cell.view.clone())
            .collect()
    }

    pub(super) fn view(&self, name: &ServiceName) -> Option<ViewCell> {
        lock(&self.views).get(name).cloned()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Runs `send`, which makes a command's number, and registers who waits for its answer; an answer
    /// cannot slip through in between.
    pub(super) fn register<E>(
        &self,
        service: &ServiceName,
        send: impl FnOnce() -> Result<CommandId, E>,
    ) -> Result<oneshot::Receiver<CommandOutcome>, E> {
        let mut waiters = lock(&self.waiters);
        waiters.by_command.retain(|_, waiter| !waiter.is_closed());
        let id = send()?;
        let (sender, receiver) = oneshot::channel();
        if !waiters.closed {
            waiters.by_command.insert((service.clone(), id), sender);
        }
        Ok(receiver)
    }

    /// Nobody decides any more: those who wait for an answer are told at once, by its loss.
    pub(super) fn close(&self) {
        let mut waiters = lock(&self.waiters);
        waiters.closed = true;
        waiters.by_command.clear();
    }

    /// Tells those who wait what became of their commands.
    pub(super) fn answered(&self, service: &ServiceName, answers: &[CommandAnswer]) {
        let mut waiters = lock(&self.waiters);
        for answer in answers {
            let key = (service.clone(), answer.id);
            if let Some(waiter) = waiters.by_command.remove(&key) {
                // A client that left has closed its end: the answer is in the store for it.
                let _left = waiter.send(answer.outcome.clone());
            }
        }
    }

    /// Keeps a command that the store could not take, so that an abort works without it.
    pub(super) fn add_volatile(
        &self,
        service: &ServiceName,
        actor: &str,
        kind: CommandKind,
        at: Timestamp,
    ) -> CommandId {
        let answered = self
            .view(service)
            .map_or(CommandId(0), |cell| cell.status.last_command);
        let mut all = lock(&self.volatile);
        let commands = all.entry(service.clone()).or_default();
        let last = commands
            .last()
            .map_or(answered, |command| command.id.max(answered));
        // Far above the numbers that the store gives to commands that wait there.
        let id = CommandId(last.0 + 1 + sluice_store::COMMANDS_PENDING_MAX);
        commands.push(Command {
            id,
            actor: actor.to_owned(),
            at,
            kind,
        });
        id
    }

    /// The commands that the store could not take and no decision has answered.
    pub(super) fn volatile(&self, service: &ServiceName, after: CommandId) -> Vec<Command> {
        let mut all = lock(&self.volatile);
        let Some(commands) = all.get_mut(service) else {
            return Vec::new();
        };
        commands.retain(|command| command.id > after);
        commands.clone()
    }

    pub(super) fn set_effects(
        &self,
        service: &ServiceName,
        effects: BTreeMap<EffectId, EffectOutcome>,
    ) {
        lock(&self.effects).insert(service.clone(), effects);
    }

    pub(super) fn effect(&self, service: &ServiceName, id: &EffectId, outcome: EffectOutcome) {
        lock(&self.effects)
            .entry(service.clone())
            .or_default()
            .insert(id.clone(), outcome);
    }

    /// The effects of the rollout whose ids begin with `prefix`; older ones are forgotten here (the
    /// store keeps them for a while).
    pub(super) fn effects_of(
        &self,
        service: &ServiceName,
        prefix: &str,
    ) -> BTreeMap<EffectId, EffectOutcome> {
        let mut all = lock(&self.effects);
        let Some(effects) = all.get_mut(service) else {
            return BTreeMap::new();
        };
        effects.retain(|id, _| id.as_str().starts_with(prefix));
        effects.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_answer_is_told_when_nobody_decides_any_more() {
        let shared = Shared::new();
        let service = ServiceName::new("web").expect("a name");
        let register = || shared.register(&service, || Ok::<_, ()>(CommandId(1)));
        let mut before = register().expect("it is registered");
        shared.close();
        let mut after = register().expect("it is registered");
        for waiting in [&mut before, &mut after] {
            assert_eq!(
                waiting.try_recv(),
                Err(oneshot::error::TryRecvError::Closed)
            );
        }
    }
}
