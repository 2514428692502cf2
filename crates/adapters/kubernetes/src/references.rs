//! Which Rollouts name which objects that are not their own: Services, objects of routers, workloads.

use crate::api::Key;
use crate::names::{ByKey, ByName};
use crate::resource::ROLLOUT;
use smallvec::SmallVec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What thousands of Rollouts name, kept by numbers.
#[derive(Debug, Default)]
pub(crate) struct References(Mutex<Named>);

#[derive(Debug, Default)]
struct Named {
    /// By [`Key::place`]: the objects that a Rollout names, as a rule two Services and an object of a router.
    rollouts: ByName<SmallVec<[u32; 4]>>,
    /// The Rollouts that name an object, as a rule one.
    objects: ByKey<SmallVec<[u32; 4]>>,
}

impl References {
    fn lock(&self) -> MutexGuard<'_, Named> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a Rollout names; answers with what no Rollout names any more.
    pub(crate) fn note(&self, rollout: &Key, named: &[Key]) -> Vec<Key> {
        let mut all = self.lock();
        let all = &mut *all;
        let place = rollout.place();
        let objects = named.iter();
        let objects: SmallVec<[u32; 4]> = objects
            .map(|key| all.objects.or_insert_with(key, SmallVec::new).0)
            .collect();
        let known = all.rollouts.number(&place);
        let rollout = match known {
            None if objects.is_empty() => return Vec::new(),
            _ => all.rollouts.or_insert_with(&place, SmallVec::new).0,
        };
        let before = all.rollouts.get_mut(rollout).map(std::mem::take);
        let before = before.unwrap_or_default();
        for object in &objects {
            if let Some(rollouts) = all.objects.get_mut(*object)
                && !rollouts.contains(&rollout)
            {
                rollouts.push(rollout);
            }
        }
        let mut given_up = Vec::new();
        for object in before.iter().filter(|object| !objects.contains(object)) {
            let Some(rollouts) = all.objects.get_mut(*object) else {
                continue;
            };
            rollouts.retain(|other| *other != rollout);
            if rollouts.is_empty() {
                given_up.extend(all.objects.key(*object));
                all.objects.remove(*object);
            }
        }
        if objects.is_empty() {
            all.rollouts.remove(rollout);
        } else if let Some(named) = all.rollouts.get_mut(rollout) {
            *named = objects;
        }
        given_up
    }

    /// The Rollouts that name an object, in their order.
    pub(crate) fn of(&self, key: &Key) -> Vec<Key> {
        let all = self.lock();
        let rollouts = all.objects.find(key).into_iter().flatten();
        let mut rollouts: Vec<Key> = rollouts
            .map(|rollout| Key::at(&ROLLOUT, &all.rollouts.name(*rollout)))
            .collect();
        rollouts.sort_unstable();
        rollouts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{DEPLOYMENT, SERVICE};

    fn rollout(name: &str) -> Key {
        Key::new(ROLLOUT, "shop", name)
    }

    #[test]
    fn an_object_is_given_up_when_its_last_rollout_names_it_no_more() {
        let references = References::default();
        let service = Key::new(SERVICE, "shop", "web");
        let workload = Key::new(DEPLOYMENT, "shop", "web");
        let both = [service.clone(), workload.clone()];
        type Step<'a> = (&'a str, &'a [Key], &'a [Key], &'a [&'a str]);
        let steps: [Step<'_>; 7] = [
            ("web", &both, &[], &["web"]),
            ("api", &both[..1], &[], &["api", "web"]),
            ("web", &both, &[], &["api", "web"]),
            ("web", &both[1..], &[], &["api"]),
            ("web", &[], &both[1..], &["api"]),
            ("gone", &[], &[], &["api"]),
            ("api", &[], &both[..1], &[]),
        ];
        for (at, (name, named, given_up, left)) in steps.into_iter().enumerate() {
            assert_eq!(
                references.note(&rollout(name), named),
                given_up,
                "step {at}"
            );
            let left: Vec<Key> = left.iter().map(|name| rollout(name)).collect();
            assert_eq!(references.of(&service), left, "step {at}");
        }
        let all = references.lock();
        assert_eq!(
            (all.rollouts.len(), all.objects.number(&workload)),
            (0, None)
        );
    }

    #[test]
    fn an_object_that_is_named_twice_is_one() {
        let references = References::default();
        let service = Key::new(SERVICE, "shop", "web");
        let twice = [service.clone(), service.clone()];
        assert!(references.note(&rollout("web"), &twice).is_empty());
        assert_eq!(references.of(&service), [rollout("web")]);
        let given_up = references.note(&rollout("web"), &[]);
        assert_eq!(given_up, std::slice::from_ref(&service));
        assert!(references.of(&service).is_empty());
    }
}
