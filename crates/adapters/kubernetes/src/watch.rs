//! Keeps the cache up to date: everything of a kind is listed once, and watched from there.

use crate::api::{ApiError, Feed, Key, Notice, Page, Reason, Selection, Stored};
use crate::cache::{Cache, Change};
use crate::resource::Resource;
use futures_util::{StreamExt, pin_mut};
use std::collections::HashSet;
use std::time::Duration;

/// The first wait after a failure; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The wait where listing is not allowed and what needs the objects can do without.
const REFUSED_WAIT: Duration = Duration::from_secs(600);
/// After which time without any event, bookmarks included, a watch is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(300);

/// Something that happened to an object.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: Key,
    /// The identity of the object that controls it.
    pub(crate) owner: Option<String>,
    /// Whether its spec may be another one than before, or it is gone.
    pub(crate) spec: bool,
}

/// Watches a kind until the task ends. `tell` hears of every change.
pub(crate) async fn watch(
    api: &impl Feed,
    cache: &Cache,
    resource: Resource,
    selection: Selection<'_>,
    tell: impl Fn(Seen),
) {
    let mut wait = BACKOFF_MIN;
    loop {
        match list(api, cache, &resource, selection, &tell).await {
            Ok(version) => {
                if follow(api, cache, &resource, selection, version, &tell).await {
                    wait = BACKOFF_MIN;
                }
            }
            Err(cause) => {
                if cause.reason == Reason::Refused {
                    cache.refuse(&resource);
                    if resource.is_routed() {
                        tracing::warn!(
                            kind = %resource.kind,
                            %cause,
                            "objects may not be listed: each is read when it is needed, and what others change of it is not noticed; allow the controller to `list` and `watch` them"
                        );
                        tokio::time::sleep(REFUSED_WAIT).await;
                        continue;
                    }
                }
                tracing::warn!(kind = %resource.kind, %cause, "objects cannot be listed; it is tried again");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(BACKOFF_MAX);
    }
}

async fn list(
    api: &impl Feed,
    cache: &Cache,
    resource: &Resource,
    selection: Selection<'_>,
    tell: &impl Fn(Seen),
) -> Result<u64, ApiError> {
    let mut seen = HashSet::new();
    let mut version = 0;
    let mut after: Option<String> = None;
    loop {
        let page: Page = match api.page(resource, selection, after.as_deref()).await {
            Ok(page) => page,
            // A kind that the cluster does not know has no objects.
            Err(cause) if cause.reason == Reason::NotFound && after.is_none() => Page {
                items: Vec::new(),
                version: 0,
                next: None,
            },
            Err(cause) => return Err(cause),
        };
        if version == 0 {
            // All pages are of the first one's version.
            version = page.version;
        }
        for object in page.items {
            seen.insert(key_of(resource, &object).place());
            learn(cache, resource, object, tell);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for (key, owner) in cache.retain(resource, &seen, version) {
        let spec = true;
        tell(Seen { key, owner, spec });
    }
    if version == 0 {
        return Err(ApiError::new(
            Reason::NotFound,
            format!("the cluster does not know {}", resource.plural),
        ));
    }
    Ok(version)
}

/// Follows what happens until the version is too old for the server. A watch that cannot begin, or breaks, goes on from where it
/// was: thousands of objects are not listed for it again. True when anything was heard.
async fn follow(
    api: &impl Feed,
    cache: &Cache,
    resource: &Resource,
    selection: Selection<'_>,
    mut version: u64,
    tell: &impl Fn(Seen),
) -> bool {
    let mut wait = BACKOFF_MIN;
    let mut heard = false;
    loop {
        let events = match api.watch(resource, selection, version).await {
            Ok(events) => events,
            Err(cause) if matches!(cause.reason, Reason::Expired | Reason::NotFound) => {
                tracing::info!(kind = %resource.kind, %cause, "a watch cannot go on; everything is listed again");
                return heard;
            }
            Err(cause) => {
                tracing::warn!(kind = %resource.kind, %cause, "a watch cannot begin; it is tried again");
                tokio::time::sleep(cause.retry_after.unwrap_or_default().max(wait)).await;
                wait = (wait * 2).min(BACKOFF_MAX);
                continue;
            }
        };
        pin_mut!(events);
        let mut is_silent = true;
        loop {
            let event = match tokio::time::timeout(SILENCE_MAX, events.next()).await {
                Ok(Some(event)) => event,
                // The server ends a watch after its time; it goes on from where it was.
                Ok(None) | Err(_) => break,
            };
            if event.is_ok() {
                (heard, is_silent) = (true, false);
            }
            match event {
                Ok(Notice::Changed(object)) => {
                    version = version.max(object.version());
                    learn(cache, resource, object, tell);
                }
                Ok(Notice::Deleted(object)) => {
                    version = version.max(object.version());
                    forget(cache, resource, &object, tell);
                }
                Ok(Notice::Bookmark(noted)) => version = version.max(noted),
                Ok(Notice::Ended { code, message }) => {
                    tracing::info!(
                        kind = %resource.kind,
                        code,
                        cause = message,
                        "a watch ended; everything is listed again"
                    );
                    return heard;
                }
                Err(cause) if is_silent => {
                    // Perhaps what comes first cannot be understood.
                    tracing::info!(kind = %resource.kind, %cause, "a watch broke; everything is listed again");
                    return heard;
                }
                Err(cause) => {
                    tracing::info!(kind = %resource.kind, %cause, "a watch broke; it goes on");
                    break;
                }
            }
        }
        if is_silent {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(BACKOFF_MAX);
        } else {
            wait = BACKOFF_MIN;
        }
    }
}

fn key_of(resource: &Resource, object: &Stored) -> Key {
    Key::new(resource.clone(), object.namespace(), object.name())
}

/// Puts an object into the cache if it is news there. One that cannot be read, as it nests too deep, is left out until it is
/// another one: it must not keep all others from being known.
fn learn(cache: &Cache, resource: &Resource, object: Stored, tell: &impl Fn(Seen)) {
    let key = key_of(resource, &object);
    let version = object.version();
    if cache.knows(&key, version) {
        return;
    }
    let object = match object.read() {
        Ok(object) => object,
        Err(cause) => {
            tracing::error!(%key, %cause, "an object cannot be read, and is left out until it changes");
            let owner = cache.remove(&key, version);
            let spec = true;
            tell(Seen { key, owner, spec });
            return;
        }
    };
    if let Change::Newer { owner, spec } = cache.put(resource, object) {
        tell(Seen { key, owner, spec });
    }
}

fn forget(cache: &Cache, resource: &Resource, object: &Stored, tell: &impl Fn(Seen)) {
    let key = key_of(resource, object);
    let owner = cache.remove(&key, object.version());
    let spec = true;
    tell(Seen { key, owner, spec });
}

#[cfg(test)]
mod tests;
