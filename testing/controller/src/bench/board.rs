//! What is seen of the Rollouts and their ReplicaSets, and when: two watches of our own.

use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::task::JoinSet;

/// After which time the server ends a watch, in seconds; it begins anew where it was.
const WATCH_SECONDS: u32 = 600;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Board {
    seen: Mutex<Seen>,
    /// Ended with the value.
    watches: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Rollouts by name.
    rollouts: HashMap<String, Standing>,
    /// The first look at each ReplicaSet, by the Rollout that owns it.
    sets: HashMap<String, HashMap<String, Instant>>,
    /// Why a watch ended.
    failure: Option<String>,
}

/// When a Rollout was Healthy for the first time since the spec of its generation.
#[derive(Clone, Copy, Debug)]
struct Standing {
    generation: i64,
    healthy_at: Instant,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<S> {
    metadata: Metadata,
    status: Option<S>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Metadata {
    name: String,
    generation: i64,
    resource_version: String,
    owner_references: Vec<Owner>,
}

#[derive(Clone, Debug, Deserialize)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RolloutStatus {
    phase: String,
    observed_generation: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct AnyStatus {}

#[derive(Deserialize)]
struct List {
    metadata: Metadata,
}

impl Board {
    /// Watches the objects of a namespace in which there are none yet.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub(crate) async fn watch(client: &Client, namespace: &str) -> Result<Arc<Self>> {
        let board = Arc::new(Board::default());
        let rollouts = format!("/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts");
        board
            .follow(client, rollouts, |seen, object: Object<RolloutStatus>| {
                seen.rollout(object);
            })
            .await?;
        let sets = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
        board
            .follow(client, sets, |seen, object: Object<AnyStatus>| {
                seen.set(object.metadata);
            })
            .await?;
        Ok(board)
    }

    /// How many of these Rollouts are Healthy in at least this generation; and when the last of them became so, if all are.
    ///
    /// # Errors
    /// When a watch ended.
    pub(crate) fn healthy(&self, wanted: &[(String, i64)]) -> Result<(usize, Option<Instant>)> {
        let seen = self.lock();
        if let Some(why) = &seen.failure {
            bail!("the objects can be watched no longer: {why}");
        }
        let healthy: Vec<Instant> = wanted
            .iter()
            .filter_map(|(name, generation)| {
                let standing = seen.rollouts.get(name)?;
                (standing.generation >= *generation).then_some(standing.healthy_at)
            })
            .collect();
        let all = healthy.len() == wanted.len();
        let last = all.then(|| healthy.iter().max().copied()).flatten();
        Ok((healthy.len(), last))
    }

    /// When the first ReplicaSet of a Rollout was seen that was not there before a moment.
    pub(crate) fn new_set_since(&self, rollout: &str, moment: Instant) -> Option<Instant> {
        let seen = self.lock();
        let sets = seen.sets.get(rollout)?;
        sets.values().filter(|at| **at >= moment).min().copied()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows a kind from how it is now, in a task.
    async fn follow<T: DeserializeOwned + Clone + Send + Metadatas + 'static>(
        self: &Arc<Self>,
        client: &Client,
        path: String,
        note: fn(&mut Seen, T),
    ) -> Result<()> {
        let list = Request::get(format!("{path}?limit=1")).body(Vec::new())?;
        let list: List = client
            .request(list)
            .await
            .with_context(|| format!("{path} cannot be listed"))?;
        let board = Arc::downgrade(self);
        let client = client.clone();
        let mut version = list.metadata.resource_version;
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.spawn(async move {
            loop {
                let ended = one_watch(&client, &path, &mut version, |object| {
                    if let Some(board) = board.upgrade() {
                        note(&mut board.lock(), object);
                    }
                })
                .await;
                let Some(board) = board.upgrade() else { return };
                if let Err(cause) = ended {
                    board.lock().failure = Some(format!("{path}: {cause:#}"));
                    return;
                }
            }
        });
        Ok(())
    }
}

/// What has metadata.
trait Metadatas {
    fn version(&self) -> &str;
}

impl<S> Metadatas for Object<S> {
    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// Watches until the server ends the watch after its time. What is deleted is of no interest.
async fn one_watch<T: DeserializeOwned + Clone + Metadatas + 'static>(
    client: &Client,
    path: &str,
    version: &mut String,
    mut note: impl FnMut(T),
) -> Result<()> {
    let request = Request::get(format!(
        "{path}?watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
    ))
    .body(Vec::new())?;
    let events = client.request_events::<T>(request).await?;
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                object.version().clone_into(version);
                note(object);
            }
            WatchEvent::Deleted(object) => object.version().clone_into(version),
            WatchEvent::Bookmark(bookmark) => *version = bookmark.metadata.resource_version,
            WatchEvent::Error(status) => bail!("{} ({})", status.message, status.code),
        }
    }
    Ok(())
}

impl Seen {
    fn rollout(&mut self, object: Object<RolloutStatus>) {
        let Metadata {
            name, generation, ..
        } = object.metadata;
        let status = object.status.unwrap_or_default();
        let known = self.rollouts.get(&name);
        let is_known = known.is_some_and(|standing| standing.generation >= generation);
        let is_healthy =
            status.phase == "Healthy" && status.observed_generation == generation.to_string();
        if is_healthy && !is_known {
            let standing = Standing {
                generation,
                healthy_at: Instant::now(),
            };
            self.rollouts.insert(name, standing);
        }
    }

    fn set(&mut self, metadata: Metadata) {
        let owners = metadata.owner_references;
        let Some(owner) = owners.into_iter().find(|owner| owner.kind == "Rollout") else {
            return;
        };
        let sets = self.sets.entry(owner.name).or_default();
        sets.entry(metadata.name).or_insert_with(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn healthy_is_what_is_healthy_in_the_generation_that_was_seen() {
        let board = Board::default();
        let note = |generation: i64, phase: &str, observed: &str| {
            let object = json!({
                "metadata": {"name": "a", "generation": generation, "resourceVersion": "1"},
                "status": {"phase": phase, "observedGeneration": observed},
            });
            let object = serde_json::from_value(object).expect("a Rollout");
            board.lock().rollout(object);
            [1, 2].map(|generation| {
                let wanted = [("a".to_owned(), generation)];
                board.healthy(&wanted).expect("no watch ended").0
            })
        };
        assert_eq!(note(1, "Progressing", "1"), [0, 0]);
        assert_eq!(note(1, "Healthy", "1"), [1, 0]);
        assert_eq!(note(2, "Healthy", "1"), [1, 0], "of the spec before");
        assert_eq!(note(2, "Paused", "2"), [1, 0]);
        assert_eq!(note(2, "Healthy", "2"), [1, 1]);
    }

    #[test]
    fn a_new_set_is_one_that_was_not_there_before() {
        let board = Board::default();
        let set = |name: &str| Metadata {
            name: name.to_owned(),
            owner_references: vec![Owner {
                kind: "Rollout".to_owned(),
                name: "a".to_owned(),
            }],
            ..Metadata::default()
        };
        board.lock().set(set("a-1"));
        let moment = Instant::now();
        board.lock().set(set("a-1"));
        assert_eq!(board.new_set_since("a", moment), None);
        board.lock().set(set("a-2"));
        assert!(board.new_set_since("a", moment).is_some());
    }
}
