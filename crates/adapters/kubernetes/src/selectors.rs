//! Which Rollouts' selectors match pods of other Rollouts: those of two such Rollouts cannot be told apart by
//! labels, whoever looks.

use crate::api::Key;
use sluice_argo::api::{LabelSelector, Rollout};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The selectors of all Rollouts, by the labels of their pods.
#[derive(Debug, Default)]
pub(crate) struct Selectors(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    rollouts: HashMap<Key, Pods>,
    /// Which Rollouts' pods have a label, by namespace.
    by_label: HashMap<(String, String, String), BTreeSet<Key>>,
    /// Which Rollouts have a selector that asks for a label, by namespace.
    by_wish: HashMap<(String, String, String), BTreeSet<Key>>,
    rivals: HashMap<Key, BTreeSet<Key>>,
}

/// The pods of a Rollout, and how it finds them.
#[derive(Clone, Debug, PartialEq)]
struct Pods {
    selector: LabelSelector,
    labels: BTreeMap<String, String>,
}

impl Selectors {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a Rollout's pods are like, `None` when it is gone; the Rollouts that have to do with it
    /// now, or had before, when something changed. Those that refer to a workload are not judged here.
    pub(crate) fn note(&self, key: &Key, rollout: Option<&Rollout>) -> BTreeSet<Key> {
        let pods = rollout.and_then(|rollout| {
            Some(Pods {
                selector: rollout.spec.selector.clone()?,
                labels: rollout.spec.template.labels(),
            })
        });
        let mut known = self.lock();
        if known.rollouts.get(key) == pods.as_ref() {
            return BTreeSet::new();
        }
        let mut concerned = known.forget(key);
        if let Some(pods) = pods {
            concerned.extend(known.learn(key, pods));
        }
        concerned
    }

    /// The names of the Rollouts with which one shares pods by its selector or theirs.
    pub(crate) fn rivals(&self, key: &Key) -> Vec<String> {
        let known = self.lock();
        let rivals = known.rivals.get(key).into_iter().flatten();
        rivals.map(|rival| rival.name.clone()).collect()
    }
}

impl Known {
    fn forget(&mut self, key: &Key) -> BTreeSet<Key> {
        if let Some(pods) = self.rollouts.remove(key) {
            for label in labels_of(key, &pods.labels) {
                take(&mut self.by_label, &label, key);
            }
            for label in labels_of(key, &pods.selector.match_labels) {
                take(&mut self.by_wish, &label, key);
            }
        }
        let rivals = self.rivals.remove(key).unwrap_or_default();
        for rival in &rivals {
            take(&mut self.rivals, rival, key);
        }
        rivals
    }

    fn learn(&mut self, key: &Key, pods: Pods) -> BTreeSet<Key> {
        let mut candidates: BTreeSet<Key> = BTreeSet::new();
        for label in labels_of(key, &pods.labels) {
            candidates.extend(self.by_wish.get(&label).into_iter().flatten().cloned());
            self.by_label.entry(label).or_default().insert(key.clone());
        }
        for label in labels_of(key, &pods.selector.match_labels) {
            candidates.extend(self.by_label.get(&label).into_iter().flatten().cloned());
            self.by_wish.entry(label).or_default().insert(key.clone());
        }
        candidates.remove(key);
        candidates.retain(|other| {
            self.rollouts.get(other).is_some_and(|others| {
                pods.selector.matches(&others.labels) || others.selector.matches(&pods.labels)
            })
        });
        for rival in &candidates {
            let rivals = self.rivals.entry(rival.clone()).or_default();
            rivals.insert(key.clone());
        }
        if !candidates.is_empty() {
            self.rivals.insert(key.clone(), candidates.clone());
        }
        self.rollouts.insert(key.clone(), pods);
        candidates
    }
}

fn labels_of(
    key: &Key,
    labels: &BTreeMap<String, String>,
) -> impl Iterator<Item = (String, String, String)> {
    labels
        .iter()
        .map(|(label, value)| (key.namespace.clone(), label.clone(), value.clone()))
}

fn take<K: std::hash::Hash + Eq>(map: &mut HashMap<K, BTreeSet<Key>>, at: &K, key: &Key) {
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ROLLOUT;
    use serde_json::json;

    fn rollout(selector: &[(&str, &str)], labels: &[(&str, &str)]) -> Rollout {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
                .collect()
        };
        serde_json::from_value(json!({
            "spec": {
                "selector": {"matchLabels": map(selector)},
                "template": {"metadata": {"labels": map(labels)}},
            },
        }))
        .expect("it has the form of a Rollout")
    }

    fn key(namespace: &str, name: &str) -> Key {
        Key::new(ROLLOUT, namespace, name)
    }

    #[test]
    fn one_selector_that_matches_the_other_s_pods_makes_both_rivals() {
        let selectors = Selectors::default();
        let wide = rollout(&[("app", "web")], &[("app", "web")]);
        let narrow = rollout(
            &[("app", "web"), ("tier", "api")],
            &[("app", "web"), ("tier", "api")],
        );
        selectors.note(&key("shop", "wide"), Some(&wide));
        let concerned = selectors.note(&key("shop", "narrow"), Some(&narrow));
        assert_eq!(concerned, BTreeSet::from([key("shop", "wide")]));
        assert_eq!(selectors.rivals(&key("shop", "wide")), ["narrow"]);
        assert_eq!(selectors.rivals(&key("shop", "narrow")), ["wide"]);
        // The same again changes nothing.
        let again = selectors.note(&key("shop", "narrow"), Some(&narrow));
        assert!(again.is_empty(), "{again:?}");
    }

    #[test]
    fn other_namespaces_and_other_labels_are_no_rivals() {
        let selectors = Selectors::default();
        let web = rollout(&[("app", "web")], &[("app", "web")]);
        let api = rollout(&[("app", "api")], &[("app", "api")]);
        selectors.note(&key("shop", "web"), Some(&web));
        selectors.note(&key("bank", "web"), Some(&web));
        selectors.note(&key("shop", "api"), Some(&api));
        for one in [key("shop", "web"), key("bank", "web"), key("shop", "api")] {
            assert!(selectors.rivals(&one).is_empty(), "{one}");
        }
    }

    #[test]
    fn a_rollout_that_is_gone_or_changed_is_nobody_s_rival() {
        let selectors = Selectors::default();
        let web = rollout(&[("app", "web")], &[("app", "web")]);
        let api = rollout(&[("app", "api")], &[("app", "api")]);
        for change in [None, Some(&api)] {
            selectors.note(&key("shop", "web"), Some(&web));
            selectors.note(&key("shop", "copy"), Some(&web));
            let concerned = selectors.note(&key("shop", "copy"), change);
            assert_eq!(concerned, BTreeSet::from([key("shop", "web")]));
            assert!(selectors.rivals(&key("shop", "web")).is_empty());
        }
    }
}
