//! Which Rollouts' selectors match pods of other Rollouts: those of two such Rollouts cannot be told apart by
//! labels, whoever looks.

use crate::api::Key;
use crate::resource::ROLLOUT;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_argo::api::{LabelSelector, Rollout};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The selectors of all Rollouts, by the labels of their pods. There are thousands of Rollouts and hardly a rival: what is
/// kept of each is small, and is read where another one may have to do with it.
#[derive(Debug, Default)]
pub(crate) struct Selectors(Mutex<Known>);

/// A Rollout, by its [`Key::place`].
type Name = Arc<str>;

#[derive(Debug, Default)]
struct Known {
    /// [`Pods`] as text.
    rollouts: HashMap<Name, Box<str>>,
    /// Which Rollouts' pods have a label. Labels are hashes, of which two may be the same.
    by_label: BTreeSet<(u64, Name)>,
    /// Which Rollouts have a selector that asks for a label.
    by_wish: BTreeSet<(u64, Name)>,
    rivals: HashMap<Name, BTreeSet<Name>>,
}

/// The pods of a Rollout, and how it finds them.
#[derive(Debug, Serialize, Deserialize)]
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
        let text = pods.as_ref().map(|pods| json!(pods).to_string());
        let mut known = self.lock();
        let before = known.rollouts.get_key_value(&*key.place());
        if before.map(|(_, text)| &**text) == text.as_deref() {
            return BTreeSet::new();
        }
        let name = before.map_or_else(|| key.place().into(), |(name, _)| Arc::clone(name));
        let mut concerned = known.forget(&name);
        if let (Some(pods), Some(text)) = (pods, text) {
            concerned.extend(known.learn(&name, &pods, text));
        }
        concerned
            .iter()
            .map(|name| Key::at(&ROLLOUT, name))
            .collect()
    }

    /// The names of the Rollouts with which one shares pods by its selector or theirs.
    pub(crate) fn rivals(&self, key: &Key) -> Vec<String> {
        let known = self.lock();
        let rivals = known.rivals.get(&*key.place()).into_iter().flatten();
        rivals.map(|rival| Key::at(&ROLLOUT, rival).name).collect()
    }
}

impl Known {
    fn pods(&self, name: &str) -> Option<Pods> {
        let text = self.rollouts.get(name)?;
        Some(serde_json::from_str(text).expect("what was written here can be read"))
    }

    fn forget(&mut self, name: &Name) -> BTreeSet<Name> {
        if let Some(pods) = self.pods(name) {
            for label in hashes(name, &pods.labels) {
                self.by_label.remove(&(label, Arc::clone(name)));
            }
            for label in hashes(name, &pods.selector.match_labels) {
                self.by_wish.remove(&(label, Arc::clone(name)));
            }
            self.rollouts.remove(name);
        }
        let rivals = self.rivals.remove(name).unwrap_or_default();
        for rival in &rivals {
            if let Some(theirs) = self.rivals.get_mut(rival) {
                theirs.remove(name);
                if theirs.is_empty() {
                    self.rivals.remove(rival);
                }
            }
        }
        rivals
    }

    fn learn(&mut self, name: &Name, pods: &Pods, text: String) -> BTreeSet<Name> {
        let mut candidates: BTreeSet<Name> = BTreeSet::new();
        for label in hashes(name, &pods.labels) {
            candidates.extend(with(&self.by_wish, label));
            self.by_label.insert((label, Arc::clone(name)));
        }
        for label in hashes(name, &pods.selector.match_labels) {
            candidates.extend(with(&self.by_label, label));
            self.by_wish.insert((label, Arc::clone(name)));
        }
        candidates.remove(name);
        candidates.retain(|other| {
            self.pods(other).is_some_and(|others| {
                namespace_of(other) == namespace_of(name)
                    && (pods.selector.matches(&others.labels)
                        || others.selector.matches(&pods.labels))
            })
        });
        for rival in &candidates {
            let rivals = self.rivals.entry(Arc::clone(rival)).or_default();
            rivals.insert(Arc::clone(name));
        }
        if !candidates.is_empty() {
            self.rivals.insert(Arc::clone(name), candidates.clone());
        }
        self.rollouts
            .insert(Arc::clone(name), text.into_boxed_str());
        candidates
    }
}

fn namespace_of(name: &str) -> &str {
    name.split_once('/').map_or("", |(namespace, _)| namespace)
}

/// The labels of a Rollout in its namespace, as hashes.
fn hashes(name: &str, labels: &BTreeMap<String, String>) -> impl Iterator<Item = u64> {
    labels.iter().map(move |label| {
        let mut hasher = DefaultHasher::new();
        (namespace_of(name), label).hash(&mut hasher);
        hasher.finish()
    })
}

/// Whoever is in an index with a label.
fn with(index: &BTreeSet<(u64, Name)>, label: u64) -> impl Iterator<Item = Name> {
    let first: (u64, Name) = (label, Arc::from(""));
    let rest = index.range(first..).take_while(move |(at, _)| *at == label);
    rest.map(|(_, name)| Arc::clone(name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
