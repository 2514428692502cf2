//! The objects by which Kubernetes' routers split traffic.
//!
//! A [`Router`] is one router's configuration and whose [`Traffic`] it splits. [`Router::wants`] names the
//! objects, [`Router::apply`] says which of them are written so that they express a [`Split`], and
//! [`Router::current`] which split they express now. `kinds` lists the routers with their objects and what
//! each of them can do; every router has a file or a folder of its own.
//!
//! Objects are data: whole Kubernetes objects as JSON. What is not about the split is left as it is. Nothing
//! here talks to a cluster, and nothing knows whose objects ask for a split. Where a field's meaning is a
//! client's promise (names, annotations), it is that of Argo Rollouts at commit 9f8d111; where the result
//! differs on purpose, the place says so.
//!
//! An adapter has one loop for all routers:
//!
//! ```
//! use sluice_routers::{Objects, Router, Split};
//! # use serde_json::Value;
//! # use sluice_routers::{Changes, ObjectRef, Write};
//! # fn read(_: &ObjectRef) -> Option<Value> { None }
//! # fn write(_: &Write) -> Result<(), ()> { Ok(()) }
//!
//! /// One round; to be repeated when an object changes, and at once when the changes are not complete.
//! fn reconcile(router: &Router, split: &Split) -> Result<Changes, ()> {
//!     let mut objects = Objects::default();
//!     while let Some(object) = router.missing(&objects) {
//!         let body = read(&object);
//!         objects.insert(object, body);
//!     }
//!     let changes = router.apply(&objects, split);
//!     for one in &changes.writes {
//!         write(one)?;
//!     }
//!     Ok(changes)
//! }
//! ```

mod alb;
mod ambassador;
mod apisix;
mod app_mesh;
mod changes;
mod current;
mod ingress;
mod istio;
mod kinds;
mod nginx;
mod object;
mod owned;
mod router;
mod smi;
mod split;
mod traefik;
mod tree;

pub use alb::{Alb, Stickiness};
pub use ambassador::Ambassador;
pub use apisix::Apisix;
pub use app_mesh::AppMesh;
pub use changes::{Changes, Problem, Write};
pub use current::{Current, Place};
pub use istio::{DestinationRule, Istio, TcpRoute, TlsRoute, VirtualService, release};
pub use kinds::{Access, Facts, KindFacts, PingPong, ROUTERS};
pub use nginx::Nginx;
pub use object::{ObjectKind, ObjectRef, Objects};
pub use router::{Means, Router};
pub use smi::Smi;
pub use split::{
    Destination, HeaderMatch, ManagedRoute, Marks, Owner, RequestMatch, RouteRule, Split, Text,
    Traffic,
};
pub use traefik::Traefik;
