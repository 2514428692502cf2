//! Which Rollouts' selectors match pods of other Rollouts: those of two such Rollouts cannot be told apart by
//! labels, whoever looks.

use crate::api::Key;
use crate::names::TextsByName;
use crate::resource::ROLLOUT;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sluice_argo::api::{LabelSelector, Rollout};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The selectors of all Rollouts, by the labels of their pods. There are thousands of Rollouts and hardly a rival: what is
/// kept of each is small, and is read where another one may have to do with it.
#[derive(Debug, Default)]
pub(crate) struct Selectors(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By [`Key::place`]: [`Pods`] as text.
    rollouts: TextsByName,
    /// Which Rollouts' pods have a label.
    by_label: Index,
    /// Which Rollouts have a selector that asks for a label.
    by_wish: Index,
    /// Those that have any. By number, as everywhere here.
    rivals: HashMap<u32, BTreeSet<u32>>,
}

/// The numbers of Rollouts by labels, which are hashes: of two labels they may be the same.
#[derive(Debug, Default)]
struct Index(HashMap<u64, SmallVec<[u32; 2]>>);

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
        let name = key.place();
        let mut known = self.lock();
        let is_same = match &text {
            Some(text) => known.rollouts.is(&name, text),
            None => known.rollouts.number(&name).is_none(),
        };
        if is_same {
            return BTreeSet::new();
        }
        let mut concerned = known.forget(&name);
        if let (Some(pods), Some(text)) = (pods, text) {
            concerned.extend(known.learn(&name, &pods, &text));
        }
        let concerned = concerned.iter();
        concerned
            .map(|number| Key::at(&ROLLOUT, &known.rollouts.name(*number)))
            .collect()
    }

    /// The names of the Rollouts with which one shares pods by its selector or theirs, in their order.
    pub(crate) fn rivals(&self, key: &Key) -> Vec<String> {
        let known = self.lock();
        let number = known.rollouts.number(&key.place());
        let rivals = number.and_then(|number| known.rivals.get(&number));
        let names = rivals.into_iter().flatten();
        let mut names: Vec<String> = names
            .map(|rival| Key::at(&ROLLOUT, &known.rollouts.name(*rival)).name)
            .collect();
        names.sort_unstable();
        names
    }
}

impl Known {
    fn pods(&self, number: u32) -> Option<Pods> {
        let text = self.rollouts.text(number)?;
        Some(serde_json::from_slice(&text).expect("what was written here can be read"))
    }

    /// Forgets a Rollout; who shared pods with it.
    fn forget(&mut self, name: &str) -> BTreeSet<u32> {
        let Some(number) = self.rollouts.number(name) else {
            return BTreeSet::new();
        };
        if let Some(pods) = self.pods(number) {
            for label in hashes(name, &pods.labels) {
                self.by_label.remove(label, number);
            }
            for label in hashes(name, &pods.selector.match_labels) {
                self.by_wish.remove(label, number);
            }
        }
        self.rollouts.remove(number);
        let rivals = self.rivals.remove(&number).unwrap_or_default();
        for rival in &rivals {
            if let Some(theirs) = self.rivals.get_mut(rival) {
                theirs.remove(&number);
                if theirs.is_empty() {
                    self.rivals.remove(rival);
                }
            }
        }
        rivals
    }

    /// Learns of a Rollout that is not known; who shares pods with it.
    fn learn(&mut self, name: &str, pods: &Pods, text: &str) -> BTreeSet<u32> {
        let mut candidates: BTreeSet<u32> = BTreeSet::new();
        for label in hashes(name, &pods.labels) {
            candidates.extend(self.by_wish.with(label));
        }
        for label in hashes(name, &pods.selector.match_labels) {
            candidates.extend(self.by_label.with(label));
        }
        candidates.retain(|other| {
            self.pods(*other).is_some_and(|others| {
                namespace_of(&self.rollouts.name(*other)) == namespace_of(name)
                    && (pods.selector.matches(&others.labels)
                        || others.selector.matches(&pods.labels))
            })
        });
        let number = self.rollouts.put(name, text);
        for label in hashes(name, &pods.labels) {
            self.by_label.insert(label, number);
        }
        for label in hashes(name, &pods.selector.match_labels) {
            self.by_wish.insert(label, number);
        }
        for rival in &candidates {
            self.rivals.entry(*rival).or_default().insert(number);
        }
        if !candidates.is_empty() {
            self.rivals.insert(number, candidates.clone());
        }
        candidates
    }
}

impl Index {
    fn insert(&mut self, label: u64, number: u32) {
        self.0.entry(label).or_default().push(number);
    }

    fn remove(&mut self, label: u64, number: u32) {
        if let Some(numbers) = self.0.get_mut(&label) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.0.remove(&label);
            }
        }
    }

    /// Whoever is in it with a label.
    fn with(&self, label: u64) -> impl Iterator<Item = u32> {
        self.0.get(&label).into_iter().flatten().copied()
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

    /// A label that all have (`managed-by: Helm`) says nothing about who has to do with whom.
    #[test]
    fn a_label_that_all_have_makes_no_rivals() {
        let selectors = Selectors::default();
        let name = |number: usize| key("shop", &format!("web-{number}"));
        for number in 0..50 {
            let app = format!("web-{number}");
            let labels = [("app", app.as_str()), ("managed-by", "Helm")];
            let rollout = rollout(&[("app", &app)], &labels);
            assert!(selectors.note(&name(number), Some(&rollout)).is_empty());
        }
        let all = rollout(&[("managed-by", "Helm")], &[("app", "all")]);
        let concerned = selectors.note(&key("shop", "all"), Some(&all));
        assert_eq!(concerned.len(), 50);
        assert_eq!(selectors.rivals(&key("shop", "all")).len(), 50);
        selectors.note(&name(7), None);
        assert_eq!(selectors.rivals(&key("shop", "all")).len(), 49);
    }
}
