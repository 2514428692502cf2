//! Messages that could not be sent, and when they are tried again. It is kept in memory: another controller finds them
//! unsent, and tries at once.

use crate::api::Key;
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first wait; it doubles up to [`WAIT_MAX`].
const WAIT_MIN: Duration = Duration::from_secs(60);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(900);

/// What failed, by Rollout and by the message's key.
#[derive(Debug, Default)]
pub(super) struct Failing(Mutex<HashMap<Key, OfRollout>>);

#[derive(Debug, Default)]
struct OfRollout {
    messages: BTreeMap<String, Failed>,
    /// Keys that the annotation still has although nothing was sent.
    unsent: BTreeSet<String>,
    /// What was told of what can never be sent as things are.
    told: BTreeSet<String>,
}

#[derive(Debug)]
struct Failed {
    times: u32,
    again_at: Timestamp,
}

impl Failing {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, OfRollout>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message could not be sent that was remembered as sent.
    pub(super) fn note(&self, rollout: &Key, key: &str, now: Timestamp) {
        let mut all = self.lock();
        let of_rollout = all.entry(rollout.clone()).or_default();
        let failed = of_rollout.messages.entry(key.to_owned()).or_insert(Failed {
            times: 0,
            again_at: now,
        });
        let doubled = WAIT_MIN * 2_u32.saturating_pow(failed.times.min(8));
        failed.times = failed.times.saturating_add(1);
        failed.again_at = now.after(doubled.min(WAIT_MAX));
        of_rollout.unsent.insert(key.to_owned());
    }

    /// A message was sent.
    pub(super) fn clear(&self, rollout: &Key, key: &str) {
        let mut all = self.lock();
        if let Some(of_rollout) = all.get_mut(rollout) {
            of_rollout.messages.remove(key);
            of_rollout.unsent.remove(key);
        }
    }

    /// Keys that have to be taken out of the annotation.
    pub(super) fn unsent(&self, rollout: &Key) -> BTreeSet<String> {
        let all = self.lock();
        all.get(rollout)
            .map(|of_rollout| of_rollout.unsent.clone())
            .unwrap_or_default()
    }

    /// They were taken out.
    pub(super) fn taken_out(&self, rollout: &Key, keys: &BTreeSet<String>) {
        let mut all = self.lock();
        if let Some(of_rollout) = all.get_mut(rollout) {
            of_rollout.unsent.retain(|key| !keys.contains(key));
        }
    }

    /// When a message may be tried again, if it failed.
    pub(super) fn again_at(&self, rollout: &Key, key: &str) -> Option<Timestamp> {
        let all = self.lock();
        let failed = all.get(rollout)?.messages.get(key)?;
        Some(failed.again_at)
    }

    /// Only these keys still hold, and only this is still told.
    pub(super) fn keep(&self, rollout: &Key, held: &BTreeSet<String>, told: BTreeSet<String>) {
        let mut all = self.lock();
        let Some(of_rollout) = all.get_mut(rollout) else {
            if !told.is_empty() {
                let of_rollout = all.entry(rollout.clone()).or_default();
                of_rollout.told = told;
            }
            return;
        };
        let unsent = &of_rollout.unsent;
        of_rollout
            .messages
            .retain(|key, _| held.contains(key) || unsent.contains(key));
        of_rollout.told = told;
        if of_rollout.messages.is_empty()
            && of_rollout.unsent.is_empty()
            && of_rollout.told.is_empty()
        {
            all.remove(rollout);
        }
    }

    /// Whether this was told already.
    pub(super) fn is_told(&self, rollout: &Key, what: &str) -> bool {
        let all = self.lock();
        all.get(rollout)
            .is_some_and(|of_rollout| of_rollout.told.contains(what))
    }

    /// A Rollout is gone.
    pub(super) fn forget(&self, rollout: &Key) {
        self.lock().remove(rollout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ROLLOUT;

    #[test]
    fn the_wait_grows_up_to_a_bound_and_ends_with_success() {
        let failing = Failing::default();
        let rollout = Key::new(ROLLOUT, "shop", "web");
        let now = Timestamp(0);
        let mut waits = Vec::new();
        for _ in 0..6 {
            failing.note(&rollout, "a", now);
            let again = failing.again_at(&rollout, "a").expect("it failed");
            waits.push(again.since(now).as_secs());
        }
        assert_eq!(waits, [60, 120, 240, 480, 900, 900]);
        assert_eq!(failing.unsent(&rollout).len(), 1);
        failing.clear(&rollout, "a");
        assert_eq!(failing.again_at(&rollout, "a"), None);
        assert!(failing.unsent(&rollout).is_empty());
    }
}
