//! Keys that are kept until shortly before they expire, and fetched by one at a time.

use super::error::AwsError;
use super::keys::Keys;
use sluice_model::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most identities whose keys are kept; the one that was not used for the longest time goes.
const IDENTITIES_MAX: usize = 64;

/// Keys are renewed this long before they expire. Instance metadata has new ones no later than that
/// (Amazon EC2 User Guide, "Retrieve security credentials from instance metadata").
const EXPIRY_MARGIN: Duration = Duration::from_secs(5 * 60);

/// Between two tries to renew keys that have not expired yet.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);

/// How long keys are kept that do not say when they expire: a file's may be replaced.
const LIFETIME_UNTOLD: Duration = Duration::from_secs(60);

/// How long a refusal is handed on to whoever asks, so that those who waited do not all ask once more.
const REFUSAL_KEPT: Duration = Duration::from_secs(5);

/// Longest wait for keys, through all the calls that they take.
const FETCH_MAX: Duration = Duration::from_secs(30);

/// Keys by what they are for.
pub(super) struct Cache<K> {
    /// Newest first.
    entries: Mutex<VecDeque<(K, Arc<tokio::sync::Mutex<Slot>>)>>,
}

/// What is known of one identity. Its lock is held while keys are fetched.
#[derive(Default)]
struct Slot {
    outcome: Option<Result<Keys, AwsError>>,
    /// When the outcome came, and when somebody is to be asked again.
    came: Timestamp,
    again: Timestamp,
}

impl<K> Default for Cache<K> {
    fn default() -> Cache<K> {
        Cache {
            entries: Mutex::default(),
        }
    }
}

impl<K: PartialEq> Cache<K> {
    /// The keys for this identity: those that are kept, or those that `fetch` brings.
    pub(super) async fn keys(
        &self,
        identity: K,
        clock: impl Fn() -> Timestamp,
        fetch: impl Future<Output = Result<Keys, AwsError>>,
    ) -> Result<Keys, AwsError> {
        let slot = self.slot(identity);
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.kept(clock()) {
            return kept;
        }
        let fetched = tokio::time::timeout(FETCH_MAX, fetch).await;
        let fetched = fetched.unwrap_or_else(|_elapsed| {
            Err(AwsError::new(
                format!(
                    "credentials were not there within {} seconds",
                    FETCH_MAX.as_secs()
                ),
                "see why STS or the metadata service is slow, or this machine",
            ))
        });
        slot.put(fetched, clock())
    }

    fn slot(&self, identity: K) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.iter().position(|(known, _)| *known == identity);
        let entry = known.and_then(|place| entries.remove(place));
        let entry = entry.unwrap_or_else(|| (identity, Arc::default()));
        let slot = Arc::clone(&entry.1);
        entries.push_front(entry);
        entries.truncate(IDENTITIES_MAX);
        slot
    }
}

impl Slot {
    /// What is given out at this moment without asking anybody. A clock that was set back makes
    /// everything old.
    fn kept(&self, now: Timestamp) -> Option<Result<Keys, AwsError>> {
        let is_fresh = (self.came..self.again).contains(&now);
        self.outcome.clone().filter(|_| is_fresh)
    }

    /// Notes an outcome. Keys that have not expired outlast a failure to renew them.
    fn put(&mut self, fetched: Result<Keys, AwsError>, now: Timestamp) -> Result<Keys, AwsError> {
        self.came = now;
        self.again = match (&fetched, self.expiry()) {
            (Ok(keys), _) => renewal(keys.expires, now),
            (Err(error), Some(expires)) if now < expires => {
                tracing::warn!(%error, "AWS credentials are not renewed; those at hand are used until they expire");
                self.again = now.after(RENEWAL_PAUSE).min(expires);
                return self.outcome.clone().unwrap_or(fetched);
            }
            (Err(_), _) => now.after(REFUSAL_KEPT),
        };
        self.outcome = Some(fetched.clone());
        fetched
    }

    /// When the keys at hand expire.
    fn expiry(&self) -> Option<Timestamp> {
        self.outcome.as_ref()?.as_ref().ok()?.expires
    }
}

/// When keys are renewed that came now.
fn renewal(expires: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let Some(expires) = expires else {
        return now.after(LIFETIME_UNTOLD);
    };
    let margin = i64::try_from(EXPIRY_MARGIN.as_millis()).unwrap_or(i64::MAX);
    let early = expires.shifted(-margin);
    early.max(now.after(RENEWAL_PAUSE)).min(expires)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use std::cell::{Cell, RefCell};

    const START: Timestamp = Timestamp(1_795_273_567_000);

    fn at(seconds: i64) -> Timestamp {
        START.shifted(seconds * 1_000)
    }

    fn keys(name: &str, expires: Option<i64>) -> Result<Keys, AwsError> {
        Ok(Keys {
            id: Secret::new(name),
            secret: Secret::new("secret"),
            token: None,
            expires: expires.map(at),
        })
    }

    fn refused(cause: &str) -> Result<Keys, AwsError> {
        Err(AwsError::new(cause, "wait"))
    }

    /// Asks at these seconds; what is fetched comes in this order. Each look says which keys it got, or
    /// the cause.
    async fn looks(seconds: &[i64], fetched: Vec<Result<Keys, AwsError>>) -> Vec<String> {
        let (cache, fetched) = (Cache::default(), RefCell::new(fetched.into_iter()));
        let mut got = Vec::new();
        for second in seconds {
            let fetch = async { fetched.borrow_mut().next().expect("one more outcome") };
            let outcome = cache.keys("identity", || at(*second), fetch).await;
            got.push(outcome.map_or_else(|error| error.cause, |keys| keys.id.expose().to_owned()));
        }
        got
    }

    #[tokio::test]
    async fn keys_are_renewed_shortly_before_they_expire() {
        let outcomes = vec![keys("first", Some(3_600)), keys("second", Some(7_200))];
        let got = looks(&[0, 1, 3_299, 3_300, 3_600], outcomes).await;
        assert_eq!(got, ["first", "first", "first", "second", "second"]);
    }

    #[tokio::test]
    async fn keys_that_expire_soon_are_not_fetched_for_each_request() {
        let outcomes = vec![keys("short", Some(90)), keys("shorter", Some(90))];
        let got = looks(&[0, 59, 60, 89], outcomes).await;
        assert_eq!(got, ["short", "short", "shorter", "shorter"]);
    }

    #[tokio::test]
    async fn keys_that_do_not_say_when_they_expire_are_looked_for_again() {
        let outcomes = vec![keys("first", None), keys("second", None)];
        assert_eq!(
            looks(&[0, 59, 60], outcomes).await,
            ["first", "first", "second"]
        );
    }

    #[tokio::test]
    async fn keys_outlast_a_failure_to_renew_them_until_they_expire() {
        let outcomes = vec![
            keys("first", Some(600)),
            refused("STS is away"),
            refused("STS is still away"),
            refused("STS is gone"),
        ];
        let got = looks(&[0, 300, 359, 360, 600], outcomes).await;
        assert_eq!(got, ["first", "first", "first", "first", "STS is gone"]);
    }

    #[tokio::test]
    async fn a_refusal_is_handed_on_for_a_moment() {
        let outcomes = vec![refused("no"), keys("first", None)];
        assert_eq!(looks(&[0, 4, 5], outcomes).await, ["no", "no", "first"]);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_no_refusal_last() {
        let outcomes = vec![refused("no"), keys("first", None)];
        assert_eq!(looks(&[90_000, 0], outcomes).await, ["no", "first"]);
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_fetch() {
        let (cache, fetches) = (Cache::default(), Cell::new(0));
        let ask = || {
            cache.keys("identity", || at(0), async {
                fetches.set(fetches.get() + 1);
                tokio::task::yield_now().await;
                keys("first", Some(3_600))
            })
        };
        let (one, other) = tokio::join!(ask(), ask());
        assert_eq!((one, fetches.get()), (other, 1));
    }

    #[tokio::test]
    async fn identities_do_not_share_keys_and_have_a_bound() {
        let cache = Cache::default();
        for number in 0..=IDENTITIES_MAX {
            let name = number.to_string();
            let got = cache.keys(number, || at(0), async { keys(&name, None) });
            assert_eq!(got.await.expect("keys").id, Secret::new(name.as_str()));
        }
        let entries = cache.entries.lock().expect("a lock");
        assert_eq!(entries.len(), IDENTITIES_MAX);
        assert!(entries.iter().all(|(identity, _)| *identity != 0));
    }
}
