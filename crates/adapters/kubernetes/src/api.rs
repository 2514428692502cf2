//! What the controller needs of an API server. The cluster's own implements it, and so does a fake one in
//! simulations: what is simulated is the code that runs.

use crate::resource::Resource;
pub use crate::stored::Stored;
use futures_util::Stream;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// A change of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// JSON Merge Patch (RFC 7396).
    Merge(Value),
    /// JSON Patch (RFC 6902).
    Operations(Vec<Value>),
}

/// Which object is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its kind.
    pub resource: Resource,
    /// Its namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The object of a kind, namespace and name.
    #[must_use]
    pub fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Key {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// What it is called among those of its kind: `namespace/name`. Neither has a slash in it.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The reverse of [`Self::place`].
    #[must_use]
    pub fn at(resource: &Resource, place: &str) -> Self {
        let (namespace, name) = place.split_once('/').unwrap_or(("", place));
        Key::new(resource.clone(), namespace, name)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.resource.kind, self.namespace, self.name)
    }
}

/// An API server. Each call has a deadline of its own.
pub trait Api: Send + Sync + 'static {
    /// The object as it is now.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Value, ApiError>> + Send;
    /// The objects of a namespace that a label selector fits.
    fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
    ) -> impl Future<Output = Result<Vec<Value>, ApiError>> + Send;
    /// Creates an object; answers with it as it was stored.
    fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> impl Future<Output = Result<Value, ApiError>> + Send;
    /// Creates an Event of a namespace.
    fn record(
        &self,
        namespace: &str,
        event: &Value,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Changes an object, or its subresource; answers with it as it was stored.
    fn patch(
        &self,
        key: &Key,
        subresource: Option<&'static str>,
        patch: &Patch,
    ) -> impl Future<Output = Result<Value, ApiError>> + Send;
    /// Replaces an object that is still the version in `object`; answers with it as it was stored.
    fn replace(
        &self,
        key: &Key,
        object: &Value,
    ) -> impl Future<Output = Result<Value, ApiError>> + Send;
    /// Deletes an object, if it is still of the version that is given; what it owns goes with it, later.
    fn delete(
        &self,
        key: &Key,
        version: Option<u64>,
    ) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Evicts a pod, if its disruption budget allows it.
    fn evict(&self, pod: &Key) -> impl Future<Output = Result<(), ApiError>> + Send;
}

/// Which objects of a kind are listed and watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// Those of a namespace; of all when absent.
    pub namespace: Option<&'a str>,
    /// Those with a name; all when absent.
    pub name: Option<&'a str>,
}

/// What the cache is filled from.
pub trait Feed: Send + Sync + 'static {
    /// A page of the selected objects of a kind: the first, or the one after a page's `next`.
    fn page(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Page, ApiError>> + Send;
    /// Everything that happens to the selected objects of a kind after a version, until the server ends it.
    fn watch(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        version: u64,
    ) -> impl Future<
        Output = Result<impl Stream<Item = Result<Notice, ApiError>> + Send + use<Self>, ApiError>,
    > + Send;
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its objects.
    pub items: Vec<Stored>,
    /// The version of the whole list.
    pub version: u64,
    /// What asks for the next page, if there is one.
    pub next: Option<String>,
}

/// What a watch tells.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An object is there, or is another one than before.
    Changed(Stored),
    /// An object is gone; as it was at last, with the version of its end.
    Deleted(Stored),
    /// Everything up to this version was told.
    Bookmark(u64),
    /// The server cannot go on from where this watch is.
    Ended {
        /// The code of the status, as 410 for a version that is too old.
        code: u16,
        /// What the server said.
        message: String,
    },
}

/// Why an API server did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of failure.
    pub reason: Reason,
    /// What the server, or the connection, said.
    pub message: String,
    /// After which time the server wants to be asked again, if it said so.
    pub retry_after: Option<Duration>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The object, or its kind, does not exist.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The object changed since it was read.
    Conflict,
    /// The version, or the page of a list, is too old for the server: everything has to be listed anew.
    Expired,
    /// The server refuses it: a rule, a quota, a permission. Trying again needs something to change first.
    Refused,
    /// The server has too much to do, or a budget allows no more evictions now.
    TooManyRequests,
    /// No answer within the deadline, no connection, or a fault of the server.
    Unavailable,
}

impl ApiError {
    /// A failure without more to say than this.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        ApiError {
            reason,
            message: message.into(),
            retry_after: None,
        }
    }
}
