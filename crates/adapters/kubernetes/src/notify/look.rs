//! What follows for notifications from one look at a Rollout.

use super::Notifier;
use super::outbox::{LaneKey, Posted};
use super::sending::failed;
use crate::api::{Api, ApiError, Key, Patch, Reason};
use crate::cache::{Cache, version_of};
use crate::reconcile::Reconciler;
use crate::resource::ANALYSIS_RUN;
use serde_json::{Value, json};
use sluice_argo::api::{POD_TEMPLATE_HASH_LABEL, Rollout};
use sluice_argo::event::Event;
use sluice_argo::notification::{
    Config, Due, Facts, NOTIFIED, Notified, Outcome, on_event, standing,
};
use sluice_argo::rollout::REVISION;
use sluice_model::time::Timestamp;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// When what found no room, or could not be remembered, is looked at again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// How often the annotation is written when others write the Rollout at the same time.
const TRIES: usize = 3;
/// How often conditions that read the time are looked at while nothing happens.
const TIME_PASSES: Duration = Duration::from_secs(60);

/// Events of one look, as they may notify.
#[derive(Debug, Default)]
pub(crate) struct Told(Vec<(Event, bool)>);

impl Told {
    /// An event was recorded; `is_fresh` when it was not known already.
    pub(crate) fn push(&mut self, event: Event, is_fresh: bool) {
        self.0.push((event, is_fresh));
    }
}

/// A message that is due, with what it comes from.
struct Wanted {
    due: Due,
    namespace: String,
    warning: bool,
    reason: String,
}

impl Notifier {
    /// What notifies of a look whose writes failed: what tells of a write that was made. The rest is owed to the next.
    fn of_failed(&self, key: &Key, told: Told) -> Vec<Event> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, later): (Vec<_>, Vec<_>) = told
            .0
            .into_iter()
            .filter(|(_, is_fresh)| *is_fresh)
            .map(|(event, _)| event)
            .partition(Event::is_of_a_write);
        if !later.is_empty() {
            let reasons = later.into_iter().map(|event| event.reason);
            owed.entry(key.clone()).or_default().extend(reasons);
        }
        now
    }

    /// What notifies of a look whose writes were made.
    pub(super) fn of_made(&self, key: &Key, told: Told) -> Vec<Event> {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = owed.remove(key).unwrap_or_default();
        let told = told.0.into_iter();
        told.filter(|(event, is_fresh)| *is_fresh || owed.contains(&event.reason))
            .map(|(event, _)| event)
            .collect()
    }
}

impl<A: Api> Reconciler<'_, A> {
    /// Notifies after a look whose decision knew `rollout`; says when to look again, if nothing happens before.
    /// Nothing here makes a look fail: what cannot be done is told, and tried again.
    pub(crate) async fn notify(
        &self,
        key: &Key,
        rollout: &Rollout,
        told: Told,
        has_failed: bool,
        now: Timestamp,
    ) -> Option<Duration> {
        let notifier = self.notifier?;
        let events = if has_failed {
            notifier.of_failed(key, told)
        } else {
            notifier.of_made(key, told)
        };
        if has_failed && events.is_empty() {
            return None;
        }
        let configs = notifier.configs(self.cache, &key.namespace);
        if configs.is_empty() {
            return None;
        }
        let mut stored: Value = self.cache.get(key)?;
        let version = version_of(&stored);
        let annotation = stored["metadata"]["annotations"][NOTIFIED].as_str();
        let before = Notified::read(annotation);
        let mut notified = before.clone();
        let unsent = notifier.failing.unsent(key);
        for key in &unsent {
            notified.forget(key);
        }
        let mut wanted = Vec::new();
        let mut outcomes = Vec::new();
        if !events.is_empty() {
            let known = described(rollout);
            let runs = runs_of(self.cache, &rollout.metadata.uid, &known);
            let facts = facts(&known, &runs, now);
            for (config, event) in pairs(&configs, &events) {
                let mut outcome = on_event(config, &facts, &event.reason, &notified);
                for due in std::mem::take(&mut outcome.due) {
                    if let Some(key) = &due.key {
                        notified.note(key, now);
                    }
                    wanted.push(Wanted {
                        due,
                        namespace: config.source.namespace.clone(),
                        warning: event.warning,
                        reason: event.reason.clone(),
                    });
                }
                // An event is told of once; what it cannot send is, too.
                for failure in std::mem::take(&mut outcome.failures) {
                    self.events
                        .record(key, &rollout.metadata.uid, failed(&failure));
                    let took = Duration::ZERO;
                    let (warning, reason) = (event.warning, &event.reason);
                    self.metrics.notified(key, warning, reason, false, took);
                }
                outcomes.push(outcome);
            }
        }
        let mut wait = None;
        if !has_failed {
            complete(&mut stored, rollout);
            let runs = runs_of(self.cache, &rollout.metadata.uid, &stored);
            let facts = facts(&stored, &runs, now);
            for config in &configs {
                let mut outcome = standing(config, &facts, &mut notified);
                for due in std::mem::take(&mut outcome.due) {
                    let Some(of_due) = due.key.clone() else {
                        continue;
                    };
                    let again_at = notifier.failing.again_at(key, &of_due);
                    if let Some(again_at) = again_at.filter(|at| *at > now) {
                        sooner(&mut wait, again_at.since(now));
                        continue;
                    }
                    notified.note(&of_due, now);
                    wanted.push(Wanted {
                        reason: due.trigger.clone(),
                        due,
                        namespace: config.source.namespace.clone(),
                        warning: false,
                    });
                }
                if config.reads_time() {
                    sooner(&mut wait, TIME_PASSES);
                }
                outcomes.push(outcome);
            }
            self.tell_failures(key, rollout, &outcomes);
        }
        for cause in outcomes.iter().flat_map(|outcome| &outcome.untold) {
            tracing::debug!(%key, cause, "a trigger's condition cannot be told");
        }
        self.drop_surplus(key, &mut wanted, &mut notified, &mut wait);
        notified.settle(&outcomes);
        if notified != before {
            match self.remember(key, version, &before, &notified).await {
                Ok(()) => notifier.failing.taken_out(key, &unsent),
                Err(cause) => {
                    // What need not be remembered is sent all the same; the rest is due again.
                    tracing::info!(%key, %cause, "what is to be sent cannot be remembered now; it is tried again");
                    wanted.retain(|wanted| wanted.due.key.is_none());
                    sooner(&mut wait, AGAIN_AFTER);
                }
            }
        }
        for wanted in wanted {
            notifier.outbox.put(Posted {
                about: key.clone(),
                uid: rollout.metadata.uid.clone(),
                namespace: wanted.namespace,
                due: wanted.due,
                warning: wanted.warning,
                reason: wanted.reason,
            });
        }
        wait
    }

    /// Writes the annotation. Who else wrote the Rollout meanwhile is no obstacle, unless it was the annotation.
    async fn remember(
        &self,
        key: &Key,
        mut version: u64,
        before: &Notified,
        notified: &Notified,
    ) -> Result<(), ApiError> {
        let mut tries = 0;
        loop {
            let patch = Patch::Merge(json!({"metadata": {
                "annotations": {NOTIFIED: notified.written()},
                "resourceVersion": version.to_string(),
            }}));
            tries += 1;
            let cause = match self.patch(key, None, &patch).await {
                Ok(_) => return Ok(()),
                Err(cause) => cause,
            };
            let is_lost = cause.reason == Reason::Unavailable;
            if !is_lost && (cause.reason != Reason::Conflict || tries == TRIES) {
                return Err(cause);
            }
            let fresh = self.api.get(key).await?;
            let stored = Notified::read(fresh["metadata"]["annotations"][NOTIFIED].as_str());
            if is_lost && stored == *notified {
                // The answer was lost, and the write was not.
                self.learn(&key.resource, fresh);
                return Ok(());
            }
            if is_lost || stored != *before {
                return Err(cause);
            }
            version = version_of(&fresh);
            self.learn(&key.resource, fresh);
        }
    }

    /// Leaves out what finds no room, and says so.
    fn drop_surplus(
        &self,
        key: &Key,
        wanted: &mut Vec<Wanted>,
        notified: &mut Notified,
        wait: &mut Option<Duration>,
    ) {
        let Some(notifier) = self.notifier else {
            return;
        };
        wanted.retain(|wanted| {
            let lane = LaneKey::new(&wanted.namespace, &wanted.due);
            if notifier.outbox.has_room(&lane) {
                return true;
            }
            let (trigger, to) = (&wanted.due.trigger, &wanted.due.destination);
            let dropped = notifier.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::warn!(
                %key, trigger, service = to.service, recipient = to.recipient, dropped,
                "too many notifications wait for this recipient; one is dropped"
            );
            if let Some(key) = &wanted.due.key {
                notified.forget(key);
                sooner(wait, AGAIN_AFTER);
            }
            false
        });
    }

    /// Says, once, what cannot be sent as things are.
    fn tell_failures(&self, key: &Key, rollout: &Rollout, outcomes: &[Outcome]) {
        let Some(notifier) = self.notifier else {
            return;
        };
        let mut told = BTreeSet::new();
        for failure in outcomes.iter().flat_map(|outcome| &outcome.failures) {
            let event = failed(failure);
            if !notifier.failing.is_told(key, &event.message) && !told.contains(&event.message) {
                let trigger = &failure.trigger;
                self.metrics
                    .notified(key, false, trigger, false, Duration::ZERO);
                self.events
                    .record(key, &rollout.metadata.uid, event.clone());
            }
            told.insert(event.message);
        }
        let held = outcomes.iter().flat_map(|outcome| outcome.held.iter());
        notifier.failing.keep(key, &held.cloned().collect(), told);
    }
}

fn pairs<'a>(
    configs: &'a [Arc<Config>],
    events: &'a [Event],
) -> impl Iterator<Item = (&'a Arc<Config>, &'a Event)> {
    let with = move |event: &'a Event| configs.iter().map(move |config| (config, event));
    events.iter().flat_map(with)
}

fn facts<'a>(rollout: &'a Value, runs: &'a [Value], now: Timestamp) -> Facts<'a> {
    Facts {
        rollout,
        analysis_runs: runs,
        now,
    }
}

fn sooner(wait: &mut Option<Duration>, other: Duration) {
    *wait = Some(wait.map_or(other, |known| known.min(other)));
}

/// The Rollout as a look's decision knew it, with the template of the workload that it refers to.
fn described(rollout: &Rollout) -> Value {
    let mut object = json!(rollout);
    object["apiVersion"] = json!("argoproj.io/v1alpha1");
    object["kind"] = json!("Rollout");
    object
}

/// Puts the template and selector of the workload that a Rollout refers to into it.
fn complete(stored: &mut Value, rollout: &Rollout) {
    stored["apiVersion"] = json!("argoproj.io/v1alpha1");
    stored["kind"] = json!("Rollout");
    if rollout.spec.workload_ref.is_none() {
        return;
    }
    if let Some(spec) = stored.get_mut("spec").and_then(Value::as_object_mut) {
        spec.entry("template")
            .or_insert_with(|| json!(rollout.spec.template));
        spec.entry("selector")
            .or_insert_with(|| json!(rollout.spec.selector));
    }
}

/// The AnalysisRuns of a Rollout's revision, the newest first.
fn runs_of(cache: &Cache, uid: &str, rollout: &Value) -> Vec<Value> {
    let hash = rollout["status"]["currentPodHash"].as_str();
    let revision = rollout["metadata"]["annotations"][REVISION].as_str();
    let mut runs: Vec<Value> = cache.owned(uid, &ANALYSIS_RUN);
    runs.retain(|run| {
        let metadata = &run["metadata"];
        let hash_of_run = metadata["labels"][POD_TEMPLATE_HASH_LABEL].as_str();
        hash.is_some()
            && hash_of_run == hash
            && metadata["annotations"][REVISION].as_str() == revision
    });
    runs.sort_by(|one, other| {
        let of = |run: &Value| {
            run["metadata"]["creationTimestamp"]
                .as_str()
                .map(str::to_owned)
        };
        of(other).cmp(&of(one))
    });
    runs
}
