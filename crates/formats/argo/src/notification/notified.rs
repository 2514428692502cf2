//! What was sent already, as an annotation of the Rollout remembers it.

use super::subscription::Destination;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest as _, Sha1};
use sluice_model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// The annotation that remembers, of Argo's notifications-engine.
pub const NOTIFIED: &str = "notified.notifications.argoproj.io";
/// How many messages are remembered that nothing holds any more, as the engine has it; the oldest go first.
const REMEMBERED_MAX: usize = 100;

/// Keys of messages, with the second since 1970 in which each was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notified(BTreeMap<String, i64>);

impl Notified {
    /// What an annotation says; nothing when it is absent or cannot be read.
    #[must_use]
    pub fn read(annotation: Option<&str>) -> Self {
        let read = annotation.and_then(|text| serde_json::from_str(text).ok());
        Notified(read.unwrap_or_default())
    }

    /// The annotation; `None` when there is nothing to remember.
    #[must_use]
    pub fn written(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| serde_json::json!(self.0).to_string())
    }

    /// Whether a message was sent.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A message is sent now.
    pub fn note(&mut self, key: &str, now: Timestamp) {
        self.0.insert(key.to_owned(), now.0.div_euclid(1_000));
    }

    /// A message may be sent again.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Forgets the oldest beyond the bound, but none that `held` names: it would be sent again at once.
    pub(super) fn bound(&mut self, held: &BTreeSet<String>) {
        let mut loose: Vec<(i64, &String)> = self
            .0
            .iter()
            .filter(|(key, _)| !held.contains(*key))
            .map(|(key, at)| (*at, key))
            .collect();
        loose.sort();
        let surplus = loose.len().saturating_sub(REMEMBERED_MAX);
        let gone: Vec<String> = loose
            .into_iter()
            .take(surplus)
            .map(|(_, key)| key.clone())
            .collect();
        for key in gone {
            self.0.remove(&key);
        }
    }
}

/// The key of a message, as the engine writes it. `namespace` is that of a configuration beside the controller's own.
pub(super) fn key(
    namespace: Option<&str>,
    trigger: &str,
    condition: &str,
    once_per: Option<&str>,
    destination: &Destination,
) -> String {
    let Destination { service, recipient } = destination;
    let mut key = String::new();
    if let Some(once_per) = once_per.filter(|text| !text.is_empty()) {
        key = format!("{once_per}:");
    }
    if let Some(namespace) = namespace {
        key = format!("{key}{namespace}:");
    }
    format!("{key}{trigger}:{condition}:{service}:{recipient}")
}

/// What names a trigger's condition in a key: its place, and a hash of its text.
pub(super) fn condition_key(place: usize, when: &str) -> String {
    let hash = URL_SAFE_NO_PAD.encode(Sha1::digest(when.as_bytes()));
    format!("[{place}].{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_slack() -> Destination {
        Destination {
            service: "slack".to_owned(),
            recipient: "releases".to_owned(),
        }
    }

    #[test]
    fn keys_are_those_of_the_engine() {
        // sha1("") and sha1("true"), as `base64.RawURLEncoding` writes them.
        let always = condition_key(0, "");
        assert_eq!(always, "[0].2jmj7l5rSw0yVb_vlWAYkK_YBwk");
        let holds = condition_key(1, "true");
        assert_eq!(holds, "[1].X_5TO4MPCKAyY0ipFgr6_IraRNs");
        for (namespace, once_per, expected) in [
            (None, None, format!("on-x:{always}:slack:releases")),
            (
                Some("shop"),
                None,
                format!("shop:on-x:{always}:slack:releases"),
            ),
            (None, Some("7"), format!("7:on-x:{always}:slack:releases")),
            (None, Some(""), format!("on-x:{always}:slack:releases")),
            (
                Some("shop"),
                Some("7"),
                format!("7:shop:on-x:{always}:slack:releases"),
            ),
        ] {
            let found = key(namespace, "on-x", &always, once_per, &to_slack());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_oldest_are_forgotten_but_none_that_still_holds() {
        let mut notified = Notified::default();
        for number in 0..110_i64 {
            notified.note(&format!("key-{number:03}"), Timestamp(number * 1_000));
        }
        let held = BTreeSet::from(["key-000".to_owned()]);
        notified.bound(&held);
        assert!(notified.has("key-000"), "it still holds");
        assert!(!notified.has("key-009"));
        assert!(notified.has("key-010"));
    }

    #[test]
    fn an_annotation_reads_back_and_one_that_is_not_understood_is_none() {
        let mut notified = Notified::default();
        assert_eq!(notified.written(), None);
        notified.note("a", Timestamp(1_795_273_567_123));
        let text = notified.written().expect("something is noted");
        assert_eq!(text, r#"{"a":1795273567}"#);
        assert_eq!(Notified::read(Some(&text)), notified);
        assert_eq!(Notified::read(Some("no JSON")), Notified::default());
        notified.forget("a");
        assert_eq!(notified.written(), None);
    }
}
