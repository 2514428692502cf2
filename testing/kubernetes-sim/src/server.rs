//! The fake API server as a controller is connected to it.

use crate::bugs::Bug;
use crate::clock;
use crate::requests::{Request, Verb};
use crate::weather::Fault;
use crate::world::{Chosen, World};
use futures_util::{Stream, stream};
use serde_json::Value;
use sluice_kubernetes::api::{Api, ApiError, Feed, Key, Notice, Page, Patch, Reason, Selection};
use sluice_kubernetes::resource::{ANALYSIS_RUN, EVENT, POD, REPLICA_SET, Resource};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The deadline of a request, as a controller's client has it.
const REQUEST_MS: u64 = 30_000;
/// The longest that a webhook has until the server gives up on it.
const WEBHOOK_MS: u64 = 10_000;

/// A controller's connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) world: Arc<Mutex<World>>,
    /// Which controller.
    pub(crate) controller: usize,
}

/// How long a request is on its way, and what becomes of it there.
struct Way {
    there: u64,
    back: u64,
    /// The server asks a webhook first, which does not answer in time.
    is_refused: bool,
}

impl Way {
    fn draw(world: &mut World, verb: Verb) -> Way {
        let hangs = world.chance(Fault::SlowRequests, 4);
        let slow = if hangs { REQUEST_MS } else { 0 };
        let there = world.random.u64(1..=6);
        let back = world.random.u64(1..=6);
        // The server has done it, or has not heard of it, when the deadline passes.
        let (there, back) = if world.random.bool() {
            (there + slow, back)
        } else {
            (there, back + slow)
        };
        let is_slow = world.chance(Fault::SlowWebhooks, 30) || clock::now() < world.slow_until;
        if !hangs && verb.is_write() && is_slow {
            let asked = world.random.u64(500..=WEBHOOK_MS + 2_000);
            return Way {
                there: there + asked.min(WEBHOOK_MS),
                back,
                is_refused: asked > WEBHOOK_MS,
            };
        }
        Way {
            there,
            back,
            is_refused: false,
        }
    }
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a request: it takes a while to get there and back, and a controller that is killed meanwhile hears
    /// nothing more.
    async fn ask<T>(
        &self,
        verb: Verb,
        resource: &Resource,
        target: &str,
        request: impl FnOnce(&mut World) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let way = Way::draw(&mut self.lock(), verb);
        tokio::time::sleep(Duration::from_millis(way.there)).await;
        let timed_out = || ApiError::new(Reason::Unavailable, "no answer within 30 s");
        if way.there >= REQUEST_MS {
            return self.heard(Err(timed_out())).await;
        }
        let asked = Request {
            verb,
            resource: resource.clone(),
            target: target.to_owned(),
        };
        let answer = self.lock().serve(self.controller, asked, |world| {
            if way.is_refused {
                let message = "failed calling webhook: context deadline exceeded";
                return Err(ApiError::new(Reason::Unavailable, message));
            }
            request(world)
        });
        let Some(answer) = answer else {
            return std::future::pending().await;
        };
        tokio::time::sleep(Duration::from_millis(way.back)).await;
        let answer = if way.back >= REQUEST_MS {
            Err(timed_out())
        } else {
            answer
        };
        self.heard(answer).await
    }

    async fn ask_about<T>(
        &self,
        verb: Verb,
        key: &Key,
        request: impl FnOnce(&mut World) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let target = format!("{}/{}", key.namespace, key.name);
        self.ask(verb, &key.resource, &target, request).await
    }

    async fn heard<T>(&self, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        let is_dead = self.lock().seats[self.controller].is_dead;
        if is_dead {
            return std::future::pending().await;
        }
        answer
    }

    /// The planted bug of a controller that asks for an object for ever instead of watching it.
    fn poll(&self, key: Key) {
        let connection = self.clone();
        tokio::spawn(async move {
            while connection.get(&key).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
}

impl Api for Connection {
    async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        self.ask_about(Verb::Get, key, |world| {
            let found = world.store.get(key).cloned();
            found.ok_or_else(|| ApiError::new(Reason::NotFound, format!("{key} not found")))
        })
        .await
    }

    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<Value>, ApiError> {
        let target = format!("{namespace}/{selector}");
        self.ask(Verb::List, resource, &target, |world| {
            if *resource == POD {
                world.tell(|| format!("pods of {selector} in {namespace} are listed"));
                return Ok(world.cluster.list(&world.store, namespace, selector));
            }
            let all = world.store.of_kind(resource.clone());
            let all = all.filter(|(key, _)| key.namespace == namespace);
            Ok(all.map(|(_, object)| object.clone()).collect())
        })
        .await
    }

    async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, ApiError> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let key = Key::new(resource.clone(), namespace, name);
        let created = self
            .ask_about(Verb::Create, &key, |world| {
                if let Some(message) = world.refusal(resource) {
                    return Err(ApiError::new(Reason::Refused, message));
                }
                let mut object = object.clone();
                if world.bug == Some(Bug::NamesAtRandom) && *resource == REPLICA_SET {
                    object["metadata"]["name"] = format!("{name}-{}", world.random.u16(..)).into();
                }
                let change = world
                    .store
                    .create(resource, namespace, &object, clock::now())?;
                world.done(Some(self.controller), &change);
                Ok(change.after.unwrap_or_default())
            })
            .await;
        let polls = self.lock().bug == Some(Bug::PollsInsteadOfWatching);
        if polls && *resource == ANALYSIS_RUN && created.is_ok() {
            self.poll(key);
        }
        created
    }

    async fn record(&self, namespace: &str, event: &Value) -> Result<(), ApiError> {
        let about = &event["involvedObject"]["name"];
        let target = format!("{namespace}/{about} {}", event["message"]);
        self.ask(Verb::Create, &EVENT, &target, |world| {
            world.record(event);
            Ok(())
        })
        .await
    }

    async fn patch(
        &self,
        key: &Key,
        subresource: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        self.ask_about(Verb::Patch, key, |world| {
            let mut patch = patch.clone();
            if let Some(bug) = world.bug {
                bug.on_patch(world, key, &mut patch);
            }
            match world.store.patch(key, subresource, &patch)? {
                Some(change) => {
                    world.done(Some(self.controller), &change);
                    Ok(change.after.unwrap_or_default())
                }
                None => {
                    let mut same = world.store.get(key).cloned().unwrap_or_default();
                    if let Some(bug) = world.bug {
                        bug.on_same(&mut same);
                    }
                    Ok(same)
                }
            }
        })
        .await
    }

    async fn replace(&self, key: &Key, object: &Value) -> Result<Value, ApiError> {
        self.ask_about(Verb::Replace, key, |world| {
            if key.resource == POD {
                let replaced = world.cluster.relabel(&key.name, object);
                world.requests.changed();
                return replaced.ok_or_else(|| ApiError::new(Reason::NotFound, "the pod is gone"));
            }
            match world.store.replace(key, object)? {
                Some(change) => {
                    world.done(Some(self.controller), &change);
                    Ok(change.after.unwrap_or_default())
                }
                None => Ok(object.clone()),
            }
        })
        .await
    }

    async fn delete(&self, key: &Key, version: Option<u64>) -> Result<(), ApiError> {
        self.ask_about(Verb::Delete, key, |world| {
            world.store.check_version(key, version)?;
            let change = world.store.delete(key)?;
            world.done(Some(self.controller), &change);
            Ok(())
        })
        .await
    }

    async fn evict(&self, pod: &Key) -> Result<(), ApiError> {
        self.ask_about(Verb::Evict, pod, |world| {
            if world.random.u8(..100) < 20 {
                world.tell(|| format!("{pod} may not be evicted now"));
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                return Err(ApiError::new(Reason::TooManyRequests, message));
            }
            if !world.cluster.evict(&pod.name, clock::now()) {
                return Err(ApiError::new(Reason::NotFound, "the pod is gone"));
            }
            world.requests.changed();
            world.tell(|| format!("{pod} is evicted"));
            Ok(())
        })
        .await
    }
}

impl Feed for Connection {
    async fn page(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        after: Option<&str>,
    ) -> Result<Page, ApiError> {
        let target = after.unwrap_or_default();
        self.ask(Verb::List, resource, target, |world| {
            world.page(resource, &Chosen::new(selection), after)
        })
        .await
    }

    async fn watch(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        version: u64,
    ) -> Result<impl Stream<Item = Result<Notice, ApiError>> + Send + use<>, ApiError> {
        let controller = self.controller;
        let told = self
            .ask(Verb::Watch, resource, "", |world| {
                let chosen = Chosen::new(selection);
                Ok(world.watch(controller, resource.clone(), chosen, version))
            })
            .await?;
        Ok(stream::unfold(told, |mut told| async move {
            let (at, notice) = told.recv().await?;
            let wait = at.since(clock::now());
            tokio::time::sleep(wait).await;
            Some((notice, told))
        }))
    }
}
