//! What a controller does while it leads: watches that fill the cache, a queue, and workers that look at one
//! object each. It knows the API server as `Api` and `Feed` only, so that simulations run the same loops.

use crate::analysis::Analyst;
use crate::api::{Api, Feed, Key, Selection};
use crate::cache::Cache;
use crate::events::Events;
use crate::experiment::{self, Refusals};
use crate::measure::Measure;
use crate::metrics::{Metrics, Scrape, Told};
use crate::notify::{Notifications, Notifier, Post, SENDERS};
use crate::pods::Labelled;
use crate::queue::{Outcome, Queue};
use crate::reconcile::Reconciler;
use crate::references::References;
use crate::release;
use crate::resource::{
    ANALYSIS_RUN, ANALYSIS_TEMPLATE, CLUSTER_ANALYSIS_TEMPLATE, CONFIG_MAP, EXPERIMENT,
    REPLICA_SET, ROLLOUT, Resource, SECRET, SERVICE,
};
use crate::routing::{self, RouterVersions};
use crate::selectors::Selectors;
use crate::watch::{self, Seen};
use sluice_argo::api::Rollout;
use sluice_model::time::Timestamp;
use std::collections::HashSet;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What is watched from the start. Other kinds are watched once a Rollout needs them.
const WATCHED: [Resource; 7] = [
    ROLLOUT,
    REPLICA_SET,
    SERVICE,
    ANALYSIS_RUN,
    EXPERIMENT,
    ANALYSIS_TEMPLATE,
    CLUSTER_ANALYSIS_TEMPLATE,
];
/// What is watched for notifications.
const OF_NOTIFICATIONS: [Resource; 2] = [CONFIG_MAP, SECRET];
/// How long the first looks wait until it is known what notifications there are.
const NOTIFICATIONS_SYNC_MAX: Duration = Duration::from_secs(10);
/// How long a stopping controller waits for notifications: who leads next waits as long.
const NOTIFICATIONS_STOP_MAX: Duration = Duration::from_secs(5);
/// How long a stopping controller waits for what it is writing.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How long the first lists may take until the controller counts as ill.
const SYNC_MAX: Duration = Duration::from_secs(300);
/// How long an object may wait, or be looked at, until the controller counts as ill.
const OLDEST_MAX: Duration = Duration::from_secs(600);

/// What a controller looks at, and how much at a time.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespace that it looks at; all when absent.
    pub namespace: Option<String>,
    /// Its name: it looks at objects with this instance label only; without one, at those without the label.
    pub instance_id: String,
    /// How many Rollouts are looked at, at a time; at least 1.
    pub workers: usize,
    /// The API versions of routers' objects.
    pub routers: RouterVersions,
    /// Whether and how it notifies.
    pub notifications: Option<Notifications>,
}

/// What runs in a controller that leads.
pub struct Loops<A> {
    api: A,
    scope: Scope,
    cache: Cache,
    queue: Arc<Queue>,
    analyst: Analyst<A>,
    references: References,
    selectors: Selectors,
    labelled: Labelled,
    refusals: Refusals,
    /// Kinds that are watched, or about to be.
    watched: Mutex<HashSet<Resource>>,
    wanted: tokio::sync::mpsc::UnboundedSender<Resource>,
    clock: fn() -> Timestamp,
    metrics: Arc<Metrics>,
    notifier: Option<Notifier>,
    /// Since when it runs.
    since: OnceLock<Instant>,
}

impl<A: Api + Feed + Clone> Loops<A> {
    /// The loops over an API server. `clock` tells the time of the day.
    #[must_use]
    pub fn new(
        api: A,
        scope: Scope,
        source: Arc<dyn Measure>,
        clock: fn() -> Timestamp,
    ) -> (Arc<Self>, Wanted) {
        let (wanted, receiver) = tokio::sync::mpsc::unbounded_channel();
        let queue = Arc::new(Queue::default());
        let analyst = Analyst {
            api: api.clone(),
            source,
            queue: Arc::clone(&queue),
            measurements: Arc::default(),
            clock,
        };
        let notifier = scope.notifications.clone().map(Notifier::new);
        let loops = Loops {
            api,
            notifier,
            scope,
            analyst,
            cache: Cache::default(),
            queue,
            references: References::default(),
            selectors: Selectors::default(),
            labelled: Labelled::default(),
            refusals: Refusals::default(),
            watched: Mutex::default(),
            wanted,
            clock,
            metrics: Arc::default(),
            since: OnceLock::new(),
        };
        (Arc::new(loops), Wanted(receiver))
    }

    /// Runs until `ending` is there; answers with it. Whoever drops it instead cuts everything off where it is.
    pub async fn run<T>(
        self: &Arc<Self>,
        mut wanted: Wanted,
        ending: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(ending);
        self.since.get_or_init(Instant::now);
        let (events, outlet) = Events::new(self.clock, Arc::clone(&self.metrics));
        let events = Arc::new(events);
        let mut tasks = JoinSet::new();
        let sender = Arc::clone(self);
        let outlet = tokio::spawn(async move { outlet.run(&sender.api).await });
        for resource in WATCHED {
            self.watch(resource);
        }
        let mut senders = JoinSet::new();
        if self.notifier.is_some() {
            for resource in OF_NOTIFICATIONS {
                self.watch(resource);
            }
            for _ in 0..SENDERS {
                let (loops, events) = (Arc::clone(self), Arc::clone(&events));
                senders.spawn(async move { loops.send(&events).await });
            }
        }
        for _ in 0..self.scope.workers.max(1) {
            let loops = Arc::clone(self);
            let events = Arc::clone(&events);
            tasks.spawn(async move { loops.work(&events).await });
        }
        let mut watches = JoinSet::new();
        let ended = loop {
            tokio::select! {
                Some(resource) = wanted.0.recv() => {
                    let loops = Arc::clone(self);
                    watches.spawn(async move { loops.follow(resource).await });
                }
                ended = &mut ending => break ended,
            }
        };
        watches.shutdown().await;
        tasks.shutdown().await;
        if let Some(notifier) = &self.notifier {
            if tokio::time::timeout(NOTIFICATIONS_STOP_MAX, notifier.emptied())
                .await
                .is_err()
            {
                let left = notifier.waiting();
                tracing::warn!(left, "notifications were not sent in time; they are lost");
            }
            senders.shutdown().await;
        }
        drop(events);
        if tokio::time::timeout(STOP_MAX, outlet).await.is_err() {
            tracing::warn!("events were not sent in time");
        }
        ended
    }

    /// What is told of everything that runs here.
    pub(crate) fn scrape(&self) -> Scrape {
        Scrape::of(&Told {
            cache: &self.cache,
            queue: &self.queue,
            metrics: &self.metrics,
            notifier: self.notifier.as_ref(),
            instance_id: &self.scope.instance_id,
        })
    }

    /// Whether it works; otherwise what hangs. Who does not run yet waits for the lead, and is well.
    pub(crate) fn health(&self) -> Result<(), String> {
        let Some(since) = self.since.get() else {
            return Ok(());
        };
        let missing: Vec<_> = self
            .unknown_kinds()
            .map(|resource| resource.plural)
            .collect();
        if !missing.is_empty() && since.elapsed() > SYNC_MAX {
            return Err(format!(
                "after {} s these could not be listed: {}; see the log for the cause",
                SYNC_MAX.as_secs(),
                missing.join(", ")
            ));
        }
        match self.queue.oldest() {
            Some((key, age)) if missing.is_empty() && age > OLDEST_MAX => Err(format!(
                "{key} waits, or is being looked at, for {} s",
                age.as_secs()
            )),
            _ => Ok(()),
        }
    }

    fn watch(&self, resource: Resource) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.insert(resource.clone()) && self.wanted.send(resource).is_err() {
            tracing::debug!("the controller ends; nothing more is watched");
        }
    }

    async fn follow(&self, resource: Resource) {
        let of_notifications = self.notifier.as_ref();
        let watched = of_notifications.and_then(|notifier| notifier.watched(&resource));
        let selection = match watched {
            Some((namespace, name)) => Selection {
                namespace,
                name: Some(name),
            },
            None => Selection {
                namespace: self.scope.namespace.as_deref(),
                name: None,
            },
        };
        watch::watch(&self.api, &self.cache, resource, selection, |seen| {
            self.saw(&seen);
        })
        .await;
    }

    async fn send(&self, events: &Events) {
        if let Some(notifier) = &self.notifier {
            let post = Post {
                events,
                metrics: &self.metrics,
                queue: &self.queue,
                clock: self.clock,
            };
            notifier.send_all(&post).await;
        }
    }

    /// Whoever is concerned is looked at.
    fn saw(&self, seen: &Seen) {
        if seen.key.resource == ROLLOUT {
            if seen.spec {
                self.refer(&seen.key);
            }
            self.queue.add(&seen.key);
            return;
        }
        if OF_NOTIFICATIONS.contains(&seen.key.resource) {
            let notifier = self.notifier.iter();
            for rollout in notifier.flat_map(|notifier| notifier.concerned(&self.cache, &seen.key))
            {
                self.queue.add(&rollout);
            }
            return;
        }
        if seen.key.resource == ANALYSIS_RUN || seen.key.resource == EXPERIMENT {
            self.queue.add(&seen.key);
        }
        if let Some(owner) = seen
            .owner
            .as_ref()
            .and_then(|uid| self.cache.key_of_uid(uid))
        {
            self.queue.add(&owner);
        }
        let rollouts = self.references.of(&seen.key);
        if rollouts.is_empty() && release::has_marks(&seen.key.resource) {
            self.queue.add(&seen.key);
        }
        for rollout in rollouts {
            self.queue.add(&rollout);
        }
    }

    /// Notes which objects a Rollout names, and which pods are its own, and looks at what none names any more.
    fn refer(&self, key: &Key) {
        let mut named = Vec::new();
        let rollout = self.cache.get::<Rollout>(key);
        for rival in self.selectors.note(key, rollout.as_ref()) {
            self.queue.add(&rival);
        }
        if let Some(rollout) = rollout {
            named = routing::named(&rollout, &self.scope.routers);
            for named in &named {
                self.watch(named.resource.clone());
            }
            if let Some(reference) = &rollout.spec.workload_ref
                && let Some(resource) =
                    crate::resource::workload(&reference.api_version, &reference.kind)
            {
                self.watch(resource.clone());
                named.push(Key::new(resource, &key.namespace, &reference.name));
            }
        }
        for given_up in self.references.note(key, &named) {
            if release::has_marks(&given_up.resource) {
                self.queue.add(&given_up);
            }
        }
    }

    /// The kinds whose objects must be known before anything is decided, and are not. Who looks at one namespace
    /// may have no right to what belongs to none, and does without.
    fn unknown_kinds(&self) -> impl Iterator<Item = Resource> {
        let of_namespace = self.scope.namespace.is_some();
        WATCHED.into_iter().filter(move |resource| {
            let optional = of_namespace && !resource.namespaced;
            !(self.cache.is_synced(resource) || optional && self.cache.is_refused(resource))
        })
    }

    /// Whether it is known what notifications there are. Rollouts do not wait for it for long: it may be forbidden.
    fn knows_notifications(&self) -> bool {
        self.notifier.is_none()
            || OF_NOTIFICATIONS
                .iter()
                .all(|resource| self.cache.is_synced(resource) || self.cache.is_refused(resource))
    }

    async fn work(&self, events: &Events) {
        // What is not known yet must not be taken for missing.
        let patience = Instant::now() + NOTIFICATIONS_SYNC_MAX;
        while self.unknown_kinds().next().is_some()
            || !self.knows_notifications() && Instant::now() < patience
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        loop {
            let key = self.queue.next().await;
            let tell = |seen: Seen| self.saw(&seen);
            let reconciler = Reconciler {
                api: &self.api,
                cache: &self.cache,
                selectors: &self.selectors,
                labelled: &self.labelled,
                events,
                instance_id: &self.scope.instance_id,
                routers: &self.scope.routers,
                tell: &tell,
                metrics: &self.metrics,
                notifier: self.notifier.as_ref(),
            };
            let begun = Instant::now();
            let look = if key.resource == ROLLOUT {
                reconciler.rollout(&key, (self.clock)()).await
            } else if key.resource == ANALYSIS_RUN {
                self.analyst.run(&reconciler, &key).await
            } else if key.resource == EXPERIMENT {
                experiment::look(&reconciler, &self.refusals, &key, (self.clock)()).await
            } else {
                reconciler.marked(&key).await
            };
            for resource in look.missing {
                self.watch(resource);
            }
            let failed = matches!(look.outcome, Outcome::Failed(_));
            if release::has_marks(&key.resource) {
                // Argo's metrics know no looks at these.
            } else if self.cache.version(&key).is_some() {
                self.metrics.looked(&key, begun.elapsed(), failed);
            } else {
                self.metrics.forget(&key);
                if let Some(notifier) = &self.notifier {
                    notifier.forget(&key);
                }
            }
            self.queue.finish(&key, look.outcome);
        }
    }
}

/// Kinds that the controller asks to be watched.
pub struct Wanted(tokio::sync::mpsc::UnboundedReceiver<Resource>);
