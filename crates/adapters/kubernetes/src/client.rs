//! A cluster's API server, over kube's client.

use crate::api::{Api, ApiError, Feed, Key, Notice, Page, Patch, Reason, Selection};
use crate::leadership::Leadership;
use crate::limit::Limit;
use crate::requests::{Requests, Verb};
use crate::resource::{EVENT, LEASE, Resource};
use crate::stored::{Lean, Stored, Unread};
use futures_util::{Stream, StreamExt};
use http::{Method, Request};
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// The deadline of each request but watches.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Objects a page of a list.
const PAGE: usize = 100;
/// After which time the server ends a watch, in seconds; it begins anew then.
const WATCH_SECONDS: u32 = 290;

/// A cluster's API server. Writes are refused here once the controller leads no longer.
#[derive(Clone)]
pub(crate) struct ClusterApi {
    client: Client,
    leadership: Arc<Leadership>,
    requests: Arc<Requests>,
    /// How fast requests may follow each other; as fast as they can when absent.
    limit: Option<Arc<Limit>>,
}

impl ClusterApi {
    /// An API server behind a client.
    #[must_use]
    pub(crate) fn new(
        client: Client,
        leadership: Arc<Leadership>,
        limit: Option<Arc<Limit>>,
    ) -> Self {
        ClusterApi {
            client,
            leadership,
            requests: Arc::default(),
            limit,
        }
    }

    /// How many requests were made.
    #[must_use]
    pub(crate) fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    async fn send<T: DeserializeOwned>(
        &self,
        verb: Verb,
        resource: &Resource,
        path: String,
        body: Option<(&str, Value)>,
    ) -> Result<T, ApiError> {
        if let Some(limit) = &self.limit {
            limit.wait().await;
        }
        self.send_now(verb, resource, path, body).await
    }

    async fn send_now<T: DeserializeOwned>(
        &self,
        verb: Verb,
        resource: &Resource,
        path: String,
        body: Option<(&str, Value)>,
    ) -> Result<T, ApiError> {
        let method = match verb {
            Verb::Get | Verb::List | Verb::Watch => Method::GET,
            Verb::Create => Method::POST,
            Verb::Update => Method::PUT,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let mut request = Request::builder().method(method).uri(path);
        let body = match body {
            Some((content_type, body)) => {
                request = request.header(http::header::CONTENT_TYPE, content_type);
                body.to_string().into_bytes()
            }
            None => Vec::new(),
        };
        let request = request
            .body(body)
            .map_err(|cause| ApiError::new(Reason::Refused, cause.to_string()))?;
        deadline(self.count(verb, resource, self.client.request::<T>(request)))
            .await
            .map_err(|cause| cause.unwrap_or_else(timed_out))
    }

    /// Counts a request by its answer; one without an answer, with the status 0.
    async fn count<T>(
        &self,
        verb: Verb,
        resource: &Resource,
        request: impl Future<Output = kube::Result<T>>,
    ) -> kube::Result<T> {
        let counted = self.requests.begin(verb, resource);
        let answer = request.await;
        counted.answered(match &answer {
            Ok(_) => verb.success(),
            Err(kube::Error::Api(status)) => status.code,
            Err(_) => 0,
        });
        answer
    }

    async fn change<T: DeserializeOwned>(
        &self,
        verb: Verb,
        resource: &Resource,
        path: String,
        body: Option<(&str, Value)>,
    ) -> Result<T, ApiError> {
        if !self.leadership.may_write() {
            return Err(ApiError::new(
                Reason::Unavailable,
                "another controller may lead by now; nothing is written any more",
            ));
        }
        self.send(verb, resource, path, body).await
    }
}

fn timed_out() -> ApiError {
    ApiError::new(
        Reason::Unavailable,
        format!(
            "the API server did not answer within {} s",
            REQUEST_TIMEOUT.as_secs()
        ),
    )
}

/// `Err(None)` when the deadline passed.
async fn deadline<T>(
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Option<ApiError>> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(cause)) => Err(Some(failure(&cause))),
        Err(_) => Err(None),
    }
}

/// What an error of the client means.
fn failure(cause: &kube::Error) -> ApiError {
    let kube::Error::Api(status) = cause else {
        return ApiError::new(Reason::Unavailable, cause.to_string());
    };
    let reason = match (status.code, status.reason.as_str()) {
        (404, _) => Reason::NotFound,
        (409, "AlreadyExists") => Reason::AlreadyExists,
        (409, _) => Reason::Conflict,
        // A failed `test` of a JSON Patch: somebody else changed the field.
        (422, _)
            if status.message.contains("testing") || status.message.contains("test failed") =>
        {
            Reason::Conflict
        }
        (410, _) => Reason::Expired,
        (429, _) => Reason::TooManyRequests,
        // Nothing is wrong with what was asked for: credentials are renewed, a server gets ready.
        (401 | 408, _) => Reason::Unavailable,
        (400..=499, _) => Reason::Refused,
        _ => Reason::Unavailable,
    };
    let seconds = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    ApiError {
        reason,
        message: status.message.clone(),
        retry_after: (seconds > 0).then(|| Duration::from_secs(u64::from(seconds))),
    }
}

fn path_of(key: &Key) -> String {
    format!(
        "{}/{}",
        key.resource.path(Some(&key.namespace)),
        encoded(&key.name)
    )
}

/// What asks for the objects with a name alone.
fn named(selection: Selection<'_>) -> String {
    let name = selection.name.map(encoded);
    name.map_or_else(String::new, |name| {
        format!("&fieldSelector=metadata.name%3D{name}")
    })
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const JSON: &str = "application/json";

#[derive(Deserialize)]
struct List<T> {
    #[serde(default)]
    metadata: ListMeta,
    items: Vec<T>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

impl Api for ClusterApi {
    async fn get(&self, key: &Key) -> Result<Value, ApiError> {
        self.send(Verb::Get, &key.resource, path_of(key), None)
            .await
            .map(|Lean(object)| object)
    }

    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<Value>, ApiError> {
        let path = format!(
            "{}?labelSelector={}",
            resource.path(Some(namespace)),
            encoded(selector)
        );
        let list: List<Lean> = self.send(Verb::List, resource, path, None).await?;
        Ok(list.items.into_iter().map(|Lean(item)| item).collect())
    }

    async fn create(
        &self,
        resource: &Resource,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, ApiError> {
        let path = resource.path(Some(namespace));
        self.change(Verb::Create, resource, path, Some((JSON, object.clone())))
            .await
            .map(|Lean(object)| object)
    }

    async fn record(&self, namespace: &str, event: &Value) -> Result<(), ApiError> {
        let path = EVENT.path(Some(namespace));
        self.change(Verb::Create, &EVENT, path, Some((JSON, event.clone())))
            .await
            .map(|Unread| ())
    }

    async fn patch(
        &self,
        key: &Key,
        subresource: Option<&'static str>,
        patch: &Patch,
    ) -> Result<Value, ApiError> {
        let path = match subresource {
            Some(subresource) => format!("{}/{subresource}", path_of(key)),
            None => path_of(key),
        };
        let body = match patch {
            Patch::Merge(patch) => ("application/merge-patch+json", patch.clone()),
            Patch::Operations(operations) => ("application/json-patch+json", json!(operations)),
        };
        self.change(Verb::Patch, &key.resource, path, Some(body))
            .await
            .map(|Lean(object)| object)
    }

    async fn replace(&self, key: &Key, object: &Value) -> Result<Value, ApiError> {
        let body = Some((JSON, object.clone()));
        self.change(Verb::Update, &key.resource, path_of(key), body)
            .await
            .map(|Lean(object)| object)
    }

    async fn delete(&self, key: &Key, version: Option<u64>) -> Result<(), ApiError> {
        let mut options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
        if let Some(version) = version {
            options["preconditions"] = json!({"resourceVersion": version.to_string()});
        }
        let body = Some((JSON, options));
        self.change(Verb::Delete, &key.resource, path_of(key), body)
            .await
            .map(|Unread| ())
    }

    async fn evict(&self, pod: &Key) -> Result<(), ApiError> {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
        });
        let path = format!("{}/eviction", path_of(pod));
        self.change(Verb::Create, &pod.resource, path, Some((JSON, eviction)))
            .await
            .map(|Unread| ())
    }
}

impl Feed for ClusterApi {
    async fn page(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        after: Option<&str>,
    ) -> Result<Page, ApiError> {
        let mut path = format!(
            "{}?limit={PAGE}{}",
            resource.path(selection.namespace),
            named(selection)
        );
        if let Some(after) = after {
            path = format!("{path}&continue={}", encoded(after));
        }
        let list: List<Stored> = self.send(Verb::List, resource, path, None).await?;
        let ListMeta {
            resource_version,
            next,
        } = list.metadata;
        Ok(Page {
            items: list.items,
            version: resource_version.parse().unwrap_or(0),
            next: Some(next).filter(|next| !next.is_empty()),
        })
    }

    async fn watch(
        &self,
        resource: &Resource,
        selection: Selection<'_>,
        version: u64,
    ) -> Result<impl Stream<Item = Result<Notice, ApiError>> + Send + use<>, ApiError> {
        if let Some(limit) = &self.limit {
            limit.wait().await;
        }
        let path = format!(
            "{}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}{}",
            resource.path(selection.namespace),
            named(selection)
        );
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(|cause| ApiError::new(Reason::Refused, cause.to_string()))?;
        let begun = self.client.request_events::<Stored>(request);
        let events = deadline(self.count(Verb::Watch, resource, begun))
            .await
            .map_err(|cause| cause.unwrap_or_else(timed_out))?;
        Ok(events.map(|event| event.map(notice).map_err(|cause| failure(&cause))))
    }
}

fn notice(event: WatchEvent<Stored>) -> Notice {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Notice::Changed(object),
        WatchEvent::Deleted(object) => Notice::Deleted(object),
        WatchEvent::Bookmark(bookmark) => {
            Notice::Bookmark(bookmark.metadata.resource_version.parse().unwrap_or(0))
        }
        WatchEvent::Error(status) => Notice::Ended {
            code: status.code,
            message: status.message,
        },
    }
}

/// The Lease is read and written by candidates too, and never waits for the limit: who leads must not hang on
/// how much is to be done.
impl ClusterApi {
    pub(crate) async fn read_lease(&self, key: &Key) -> Result<Value, ApiError> {
        self.send_now(Verb::Get, &key.resource, path_of(key), None)
            .await
            .map(|Lean(lease)| lease)
    }

    pub(crate) async fn write_lease(&self, key: &Key, lease: &Value) -> Result<(), ApiError> {
        let body = Some((JSON, lease.clone()));
        self.send_now(Verb::Update, &key.resource, path_of(key), body)
            .await
            .map(|Unread| ())
    }

    pub(crate) async fn create_lease(
        &self,
        namespace: &str,
        lease: &Value,
    ) -> Result<(), ApiError> {
        let path = LEASE.path(Some(namespace));
        let body = Some((JSON, lease.clone()));
        self.send_now(Verb::Create, &LEASE, path, body)
            .await
            .map(|Unread| ())
    }
}
