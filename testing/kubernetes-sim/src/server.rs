//! The fake API server as a controller is connected to it.

use crate::bugs::Bug;
use crate::clock;
use crate::weather::Fault;
use crate::world::{World, is_event};
use futures_util::{Stream, stream};
use serde_json::Value;
use sluice_kubernetes::api::{Api, ApiError, Feed, Key, Notice, Page, Patch, Reason};
use sluice_kubernetes::resource::{POD, REPLICA_SET, Resource};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The deadline of a request, as a controller's client has it.
const REQUEST_MS: u64 = 30_000;

/// A controller's connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) world: Arc<Mutex<World>>,
    /// Which controller.
    pub(crate) controller: usize,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a request: it takes a while to get there and back, and a controller that is killed meanwhile hears
    /// nothing more.
    async fn ask<T>(
        &self,
        is_write: bool,
        request: impl FnOnce(&mut World) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let (there, back) = {
            let mut world = self.lock();
            let hangs = world.chance(Fault::SlowRequests, 4);
            let slow = if hangs { REQUEST_MS } else { 0 };
            let there = world.random.u64(1..=6);
            let back = world.random.u64(1..=6);
            // The server has done it, or has not heard of it, when the deadline passes.
            if world.random.bool() {
                (there + slow, back)
            } else {
                (there, back + slow)
            }
        };
        tokio::time::sleep(Duration::from_millis(there)).await;
        let timed_out = || ApiError::new(Reason::Unavailable, "no answer within 30 s");
        if there >= REQUEST_MS {
            return self.heard(Err(timed_out())).await;
        }
        let answer = self.lock().serve(self.controller, is_write, request);
        let Some(answer) = answer else {
            return std::future::pending().await;
        };
        tokio::time::sleep(Duration::from_millis(back)).await;
        let answer = if back >= REQUEST_MS {
            Err(timed_out())
        } else {
            answer
        };
        self.heard(answer).await
    }

    async fn heard<T>(&self, answer: Result<T, ApiError>) -> Result<T, ApiError> {
        let is_dead = self.lock().seats[self.controller].is_dead;
        if is_dead {
            return std::future::pending().await;
        }
        answer
    }
}

impl Api for Connection {
    async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        self.ask(false, |world| {
            let found = world.store.get(key).cloned();
            found.ok_or_else(|| ApiError::new(Reason::NotFound, format!("{key} not found")))
        })
        .await
    }

    async fn list(
        &self,
        resource: &Resource,
        _namespace: &str,
        selector: &str,
    ) -> Result<Vec<Value>, ApiError> {
        self.ask(false, |world| {
            if *resource == POD {
                world.tell(|| format!("pods of {selector} are listed"));
                return Ok(world.cluster.list(&world.store, selector));
            }
            Ok(world
                .store
                .of_kind(resource.clone())
                .map(|(_, object)| object.clone())
                .collect())
        })
        .await
    }

    async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, ApiError> {
        if is_event(resource) {
            return self.ask(false, |_| Ok(object.clone())).await;
        }
        self.ask(true, |world| {
            if *resource == REPLICA_SET && clock::now() < world.refuses_until {
                let message = "admission webhook denied the request".to_owned();
                return Err(ApiError::new(Reason::Refused, message));
            }
            let mut object = object.clone();
            if world.bug == Some(Bug::NamesAtRandom) && *resource == REPLICA_SET {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                object["metadata"]["name"] = format!("{name}-{}", world.random.u16(..)).into();
            }
            let change = world
                .store
                .create(resource, namespace, &object, clock::now())?;
            world.done(Some(self.controller), &change);
            Ok(change.after.unwrap_or_default())
        })
        .await
    }

    async fn patch(
        &self,
        key: &Key,
        subresource: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        if key.resource == POD {
            return self
                .ask(true, |world| {
                    let Patch::Merge(patch) = patch else {
                        return Err(ApiError::new(Reason::Refused, "pods are merged only"));
                    };
                    let patched = world.cluster.patch(&key.name, patch);
                    patched.ok_or_else(|| ApiError::new(Reason::NotFound, "the pod is gone"))
                })
                .await;
        }
        self.ask(true, |world| {
            let mut patch = patch.clone();
            if let Some(bug) = world.bug {
                bug.on_patch(world, key, &mut patch);
            }
            match world.store.patch(key, subresource, &patch)? {
                Some(change) => {
                    world.done(Some(self.controller), &change);
                    Ok(change.after.unwrap_or_default())
                }
                None => Ok(world.store.get(key).cloned().unwrap_or_default()),
            }
        })
        .await
    }

    async fn replace(&self, key: &Key, object: &Value) -> Result<Value, ApiError> {
        self.ask(true, |world| match world.store.replace(key, object)? {
            Some(change) => {
                world.done(Some(self.controller), &change);
                Ok(change.after.unwrap_or_default())
            }
            None => Ok(object.clone()),
        })
        .await
    }

    async fn delete(&self, key: &Key) -> Result<(), ApiError> {
        self.ask(true, |world| {
            let change = world.store.delete(key)?;
            world.done(Some(self.controller), &change);
            Ok(())
        })
        .await
    }

    async fn evict(&self, pod: &Key) -> Result<(), ApiError> {
        self.ask(true, |world| {
            if world.random.u8(..100) < 20 {
                world.tell(|| format!("{pod} may not be evicted now"));
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                return Err(ApiError::new(Reason::TooManyRequests, message));
            }
            if !world.cluster.evict(&pod.name, clock::now()) {
                return Err(ApiError::new(Reason::NotFound, "the pod is gone"));
            }
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
        _namespace: Option<&str>,
        after: Option<&str>,
    ) -> Result<Page, ApiError> {
        self.ask(false, |world| world.page(resource, after)).await
    }

    async fn watch(
        &self,
        resource: &Resource,
        _namespace: Option<&str>,
        version: u64,
    ) -> Result<impl Stream<Item = Result<Notice, ApiError>> + Send + use<>, ApiError> {
        let controller = self.controller;
        let told = self
            .ask(false, |world| {
                Ok(world.watch(controller, resource.clone(), version))
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
