//! The objects of routers: looked up, and written until they express what a decision asks for.

use super::{Pass, Reconciler};
use crate::api::{Api, ApiError, Key, Reason};
use crate::resource::Resource;
use crate::routing;
use serde_json::Value;
use sluice_argo::event::Event;
use sluice_argo::rollout::Routing;
use sluice_routers::{Objects, Router, Write};

/// How often a router's objects are read and written until they express a split.
const SPLIT_ROUNDS: usize = 3;

impl<A: Api> Reconciler<'_, A> {
    /// Has every router that the Rollout names express the routing.
    pub(super) async fn route(
        &self,
        key: &Key,
        pass: &mut Pass,
        routing: &Routing,
    ) -> Result<bool, ApiError> {
        let routers = routing::routers(&pass.world.rollout, routing, self.routers);
        let split = routing::split(routing);
        let mut changed = false;
        for _ in 0..SPLIT_ROUNDS {
            let mut objects = Objects::default();
            for router in &routers {
                self.look_up_all(router, &mut objects).await?;
            }
            let wanted = routers.iter().map(|router| (router, &split));
            let changes = Router::apply_all(wanted, &objects);
            changed |= !changes.writes.is_empty();
            for write in changes.writes {
                self.write_routed(write).await?;
            }
            for warning in changes.warnings {
                tracing::warn!(%key, %warning, "a router cannot do all that is asked for");
            }
            if let Some(problem) = changes.problems.first() {
                let event = Event {
                    warning: true,
                    reason: "TrafficRoutingError".to_owned(),
                    message: problem.to_string(),
                };
                self.record(key, pass, event);
                return Err(ApiError::new(Reason::Refused, problem.to_string()));
            }
            if changes.complete {
                return Ok(changed);
            }
        }
        Err(ApiError::new(
            Reason::Conflict,
            "the routers' objects do not settle; somebody else writes them as well",
        ))
    }

    /// Looks up the objects that a router needs; one may name another.
    async fn look_up_all(&self, router: &Router, objects: &mut Objects) -> Result<(), ApiError> {
        while let Some(wanted) = router.missing(objects) {
            let resource = Resource::of_router(&wanted.kind);
            let target = Key::new(resource, &wanted.namespace, &wanted.name);
            let body = self.look_up(&target).await?;
            objects.insert(wanted, body);
        }
        Ok(())
    }

    /// An object, from what is known or, while its kind is not watched, from the server.
    pub(super) async fn look_up(&self, target: &Key) -> Result<Option<Value>, ApiError> {
        let resource = &target.resource;
        if self.cache.is_synced(resource) && !self.cache.is_refused(resource) {
            return Ok(self.cache.get(target));
        }
        match self.api.get(target).await {
            Ok(body) => Ok(Some(body)),
            Err(cause) if cause.reason == Reason::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    async fn write_routed(&self, write: Write) -> Result<(), ApiError> {
        let object = write.object();
        let resource = Resource::of_router(&object.kind);
        let target = Key::new(resource, &object.namespace, &object.name);
        match write {
            Write::Create { body, .. } => {
                let resource = target.resource.clone();
                self.create(resource, &target.namespace, &body).await?;
            }
            Write::Update { body, .. } => {
                let stored = self.api.replace(&target, &body).await?;
                self.learn(&target.resource, stored);
            }
            Write::Delete { .. } => {
                self.delete(&target).await?;
            }
        }
        Ok(())
    }
}
