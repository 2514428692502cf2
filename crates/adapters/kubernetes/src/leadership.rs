//! Who of several controllers acts: the one that holds the Lease.

use crate::api::{ApiError, Key, Reason};
use crate::client::ClusterApi;
use crate::resource::LEASE;
use serde_json::{Value, json};
use sluice_argo::api::Time;
use sluice_model::time::Timestamp;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How a leader is elected. The defaults are those of Argo's controller, and so is the name: where both run,
/// only one acts.
#[derive(Clone, Debug)]
pub struct Election {
    /// The namespace of the Lease.
    pub namespace: String,
    /// The name of the Lease.
    pub name: String,
    /// The name of this controller among the candidates.
    pub identity: String,
    /// After which time without renewal others may take the Lease.
    pub duration: Duration,
    /// After which time without renewal the leader stops to act; below `duration`.
    pub deadline: Duration,
    /// Between two tries.
    pub retry: Duration,
}

/// Whether this controller may write now.
#[derive(Debug)]
pub(crate) struct Leadership(Mutex<Until>);

#[derive(Clone, Copy, Debug)]
enum Until {
    /// There is no election.
    Always,
    /// Not elected.
    Never,
    /// Elected; without renewal until then.
    At(Instant),
}

impl Leadership {
    /// Without an election: always.
    #[must_use]
    pub(crate) fn alone() -> Self {
        Leadership(Mutex::new(Until::Always))
    }

    /// With an election: not before it is won.
    #[must_use]
    pub(crate) fn candidate() -> Self {
        Leadership(Mutex::new(Until::Never))
    }

    /// Whether it may write now.
    #[must_use]
    pub(crate) fn may_write(&self) -> bool {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Until::Always => true,
            Until::Never => false,
            Until::At(end) => Instant::now() < end,
        }
    }

    fn set(&self, until: Until) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

/// What is known of a Lease that somebody else holds: since when it has not moved, by this machine's clock.
struct Rival {
    holder: String,
    version: String,
    since: Instant,
}

/// Waits until this controller leads.
pub(crate) async fn acquire(api: &ClusterApi, election: &Election, leadership: &Leadership) {
    let mut rival: Option<Rival> = None;
    loop {
        let asked = Instant::now();
        match try_in_time(api, election, &mut rival).await {
            Ok(true) => {
                leadership.set(Until::At(asked + election.deadline));
                return;
            }
            Ok(false) => {}
            Err(cause) => {
                let next_step = match cause.reason {
                    Reason::NotFound => {
                        "create its namespace, or name another with --leader-elect-namespace"
                    }
                    _ => "",
                };
                tracing::warn!(%cause, next_step, "the Lease cannot be read or written; it is tried again");
            }
        }
        tokio::time::sleep(election.retry).await;
    }
}

/// Renews the Lease; returns when it is lost.
pub(crate) async fn hold(api: &ClusterApi, election: &Election, leadership: &Leadership) {
    let mut rival = None;
    loop {
        tokio::time::sleep(election.retry).await;
        let asked = Instant::now();
        match try_in_time(api, election, &mut rival).await {
            Ok(true) => leadership.set(Until::At(asked + election.deadline)),
            Ok(false) => {
                leadership.set(Until::Never);
                tracing::warn!("another controller holds the Lease");
                return;
            }
            Err(cause) => tracing::warn!(%cause, "the Lease cannot be renewed"),
        }
        if !leadership.may_write() {
            return;
        }
    }
}

/// Gives the Lease up, so that the next leader need not wait.
pub(crate) async fn release(api: &ClusterApi, election: &Election, leadership: &Leadership) {
    leadership.set(Until::Never);
    let key = Key::new(LEASE, &election.namespace, &election.name);
    let Ok(mut lease) = api.read_lease(&key).await else {
        return;
    };
    if lease.pointer("/spec/holderIdentity") == Some(&json!(election.identity)) {
        lease["spec"]["holderIdentity"] = json!("");
        lease["spec"]["leaseDurationSeconds"] = json!(1);
        lease["spec"]["renewTime"] = json!(now_text());
        if let Err(cause) = api.write_lease(&key, &lease).await {
            tracing::warn!(%cause, "the Lease is not given up; it runs out");
        }
    }
}

/// As [`try_hold`], with a deadline: one request that hangs must leave time for another before the lead is lost.
async fn try_in_time(
    api: &ClusterApi,
    election: &Election,
    rival: &mut Option<Rival>,
) -> Result<bool, ApiError> {
    let deadline = election.deadline / 2;
    tokio::time::timeout(deadline, try_hold(api, election, rival))
        .await
        .unwrap_or_else(|_| {
            let message = format!("no answer within {} s", deadline.as_secs());
            Err(ApiError::new(Reason::Unavailable, message))
        })
}

/// Takes or renews the Lease; false when somebody else holds it.
async fn try_hold(
    api: &ClusterApi,
    election: &Election,
    rival: &mut Option<Rival>,
) -> Result<bool, ApiError> {
    let key = Key::new(LEASE, &election.namespace, &election.name);
    let lease = match api.read_lease(&key).await {
        Ok(lease) => lease,
        Err(cause) if cause.reason == Reason::NotFound => {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": election.name, "namespace": election.namespace},
                "spec": held(election, 0, &now_text()),
            });
            api.create_lease(&election.namespace, &lease).await?;
            return Ok(true);
        }
        Err(cause) => return Err(cause),
    };
    let text = |path: &str| lease.pointer(path).and_then(Value::as_str).unwrap_or("");
    let holder = text("/spec/holderIdentity");
    let transitions = lease
        .pointer("/spec/leaseTransitions")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let is_own = holder == election.identity;
    if !is_own && !holder.is_empty() {
        // Its time is counted by our own clock, from when we saw it move: clocks differ.
        let version = text("/metadata/resourceVersion");
        let known = rival.as_ref().filter(|rival| rival.version == version);
        let Some(known) = known else {
            if rival.as_ref().is_none_or(|rival| rival.holder != holder) {
                tracing::info!(holder, "another controller holds the Lease; this one waits");
            }
            *rival = Some(Rival {
                holder: holder.to_owned(),
                version: version.to_owned(),
                since: Instant::now(),
            });
            return Ok(false);
        };
        let seconds = lease
            .pointer("/spec/leaseDurationSeconds")
            .and_then(Value::as_u64)
            .unwrap_or(election.duration.as_secs());
        if known.since.elapsed() < Duration::from_secs(seconds) {
            return Ok(false);
        }
    }
    let acquired = if is_own {
        text("/spec/acquireTime").to_owned()
    } else {
        now_text()
    };
    let mut next = lease.clone();
    next["spec"] = held(election, transitions + i64::from(!is_own), &acquired);
    match api.write_lease(&key, &next).await {
        Ok(()) => Ok(true),
        // Another candidate was quicker. What is still our own was annotated, or written by a try whose answer is lost: the next
        // try reads who holds it.
        Err(cause) if cause.reason == Reason::Conflict && !is_own => Ok(false),
        Err(cause) => Err(cause),
    }
}

fn held(election: &Election, transitions: i64, acquired: &str) -> Value {
    json!({
        "holderIdentity": election.identity,
        "leaseDurationSeconds": election.duration.as_secs(),
        "acquireTime": acquired,
        "renewTime": now_text(),
        "leaseTransitions": transitions,
    })
}

/// The time as Leases write it: with six digits after the second.
fn now_text() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let text = Time(Timestamp(millis)).to_string();
    format!("{}.{:06}Z", text.trim_end_matches('Z'), now.subsec_micros())
}
