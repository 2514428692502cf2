//! Promises about what reaches the world: traffic, capacity, and that nothing runs ahead of the store.

use super::{Acted, Scene, Watch};
use crate::store::Store;
use sluice_model::plan::{Exposure, Hook, RolloutHooks};
use sluice_model::{
    Decision, EffectAction, Plan, RevisionNumber, RolloutState, Routes, ServiceStatus, Stage,
    Weight,
};

/// Whether no step of a plan takes replicas from the stable side.
fn keeps_stable(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .all(|step| matches!(step.exposure, Exposure::Split { .. }))
}

fn weight(routes: &Routes, revision: RevisionNumber) -> Weight {
    routes.weights.get(&revision).copied().unwrap_or_default()
}

/// The exposure of everything but the stable revision never exceeds what the status says.
fn no_more_than(routes: &Routes, status: &ServiceStatus) -> bool {
    let stored = &status.routes;
    let other = |revision: &RevisionNumber| Some(*revision) != status.stable;
    let weights = routes.weights.keys().filter(|it| other(it));
    let matches = routes.matches.iter().filter(|it| other(&it.revision));
    weights
        .into_iter()
        .all(|it| weight(routes, *it) <= weight(stored, *it))
        && matches.into_iter().all(|it| stored.matches.contains(it))
        && (routes.mirror.is_none() || routes.mirror == stored.mirror)
}

impl Watch {
    /// Routes are brought into force that the stored status does not know of.
    pub(crate) fn routed(&mut self, now: i64, stored: &ServiceStatus, routes: &Routes) {
        let holds = *routes == stored.routes || no_more_than(routes, stored);
        self.promise(
            holds,
            now,
            "what is stored is never behind what is acted on",
            || {
                format!(
                    "in force: {:?}, stored: {:?}",
                    routes.weights, stored.routes.weights
                )
            },
        );
    }

    /// A decision reaches the world.
    pub(crate) fn acts(&mut self, scene: &Scene<'_>, decision: &Decision) {
        let now = scene.now;
        let changed = scene.acted.is_none_or(|before| {
            before.routes != decision.desired.routes || before.replicas != decision.desired.replicas
        });
        if changed {
            self.weights(now, decision);
            self.stable_side(scene, decision);
            self.replacing(scene, decision);
            self.extras(now, decision);
        }
        if let Some(acted) = scene.acted
            && acted.routes != decision.desired.routes
        {
            self.capacity_first(scene, acted, decision);
        }
        self.routed(now, &scene.store.status, &decision.desired.routes);
        if scene.effects {
            self.effects_are_stored(now, scene.store, decision);
        }
    }

    fn weights(&mut self, now: i64, decision: &Decision) {
        let Decision {
            status, desired, ..
        } = decision;
        let weights = &desired.routes.weights;
        let sum: u32 = weights
            .values()
            .map(|weight| u32::from(weight.basis_points()))
            .sum();
        self.promise(
            sum == 10_000 || weights.is_empty(),
            now,
            "weights sum to 100",
            || format!("{weights:?}"),
        );
        let served = |(revision, weight): (&RevisionNumber, &Weight)| {
            *weight == Weight::ZERO || desired.replicas.get(revision).is_some_and(|it| *it > 0)
        };
        let holds = weights.iter().all(served);
        self.promise(holds, now, "no weight without replicas", || {
            format!("{weights:?} on {:?}", desired.replicas)
        });
        let rollout = status.rollout.as_ref();
        if let (Some(rollout), None) = (rollout, &status.restoring)
            && matches!(rollout.state, RolloutState::Aborted { .. })
            && status.stable != Some(rollout.target)
        {
            let left = weight(&desired.routes, rollout.target);
            self.promise(
                left == Weight::ZERO,
                now,
                "an aborted canary has no traffic",
                || format!("{left} to revision {}", rollout.target),
            );
        }
    }

    fn stable_side(&mut self, scene: &Scene<'_>, decision: &Decision) {
        let Scene {
            now, store, plan, ..
        } = *scene;
        let Decision {
            status, desired, ..
        } = decision;
        let Some(stable) = status.stable else {
            return;
        };
        let wanted = desired.replicas.get(&stable).copied().unwrap_or(0);
        let full = status.stable_replicas;
        let target_plan = status
            .running()
            .and_then(|rollout| store.plans.get(&rollout.target));
        let plan = target_plan.map_or(plan, |plan| &**plan);
        if status.restoring.is_none() && (status.running().is_none() || keeps_stable(plan)) {
            self.promise(
                wanted >= full,
                now,
                "the stable side keeps its capacity",
                || format!("{wanted} of {full} replicas of revision {stable}"),
            );
        }
    }

    /// Replicas that are replaced in place: enough of them serve, not too many run, and where the two sides
    /// must not run side by side they do not.
    fn replacing(&mut self, scene: &Scene<'_>, decision: &Decision) {
        let Scene {
            now, store, seen, ..
        } = *scene;
        let Decision {
            status, desired, ..
        } = decision;
        let (Some(stable), Some(rollout), true) = (status.stable, status.running(), seen.settled)
        else {
            return;
        };
        let (Some(plan), Some(exposure)) =
            (store.plans.get(&rollout.target), replaces(store, status))
        else {
            return;
        };
        let target = rollout.target;
        let wanted = |revision| desired.replicas.get(&revision).copied().unwrap_or(0);
        let counts = |revision| seen.replicas.get(&revision).cloned().unwrap_or_default();
        let others = seen
            .replicas
            .iter()
            .filter(|(revision, _)| **revision != target);
        let (full, old_full) = (plan.replicas.max(1), status.stable_replicas);
        match exposure {
            Exposure::Rolling {
                max_surge,
                max_unavailable,
            } => {
                let new = counts(target).available;
                let needed = full.saturating_sub(max_unavailable).saturating_sub(new);
                let needed = (old_full * needed).div_ceil(full);
                let old = wanted(stable);
                self.promise(
                    old >= needed,
                    now,
                    "a rolling rollout keeps enough old replicas",
                    || format!("{old} of {old_full} wanted, {new} new ones available"),
                );
                let surge = max_surge.max(u32::from(max_unavailable == 0));
                let counted = others.filter(|(revision, _)| !status.kept.contains_key(revision));
                let running: u32 = counted.map(|(_, counts)| counts.running).sum();
                let room = (full.max(old_full) + surge).saturating_sub(running);
                let kept = status.kept.get(&target).map_or(0, |kept| kept.replicas);
                let starts = wanted(target) > counts(target).running.max(room).max(kept);
                self.promise(
                    !starts,
                    now,
                    "a rolling rollout stays within its surge",
                    || {
                        format!(
                            "{} of {target} beside {running}, surge {surge}",
                            wanted(target)
                        )
                    },
                );
            }
            Exposure::Recreate => {
                let left: u32 = others
                    .map(|(_, counts)| counts.running + counts.stopping)
                    .sum();
                let begins = wanted(target) > 0 && counts(target).running == 0;
                self.promise(
                    left == 0 || !begins,
                    now,
                    "a recreate never runs two sides",
                    || format!("revision {target} starts beside {left} replicas"),
                );
            }
            Exposure::Split { .. } => {}
        }
    }

    fn extras(&mut self, now: i64, decision: &Decision) {
        let Decision {
            status, desired, ..
        } = decision;
        let routes = &desired.routes;
        let target = status.running().map(|rollout| rollout.target);
        let allowed = |revision: &RevisionNumber| {
            Some(*revision) == target || Some(*revision) == status.stable
        };
        let holds = routes.matches.iter().all(|it| allowed(&it.revision))
            && routes
                .mirror
                .as_ref()
                .is_none_or(|it| allowed(&it.revision))
            && routes.preview.as_ref().is_none_or(allowed);
        self.promise(
            holds,
            now,
            "matches, copies and preview end with the rollout",
            || {
                format!(
                    "{:?} {:?} {:?}",
                    routes.matches, routes.mirror, routes.preview
                )
            },
        );
    }

    /// Traffic comes to a revision only when enough of its replicas were seen available; what was stored
    /// before had its replicas when it was decided.
    fn capacity_first(&mut self, scene: &Scene<'_>, acted: &Acted, decision: &Decision) {
        let Scene {
            now, plan, seen, ..
        } = *scene;
        let Decision {
            status, desired, ..
        } = decision;
        let (Some(rollout), Some(stable)) = (status.rollout.as_ref(), status.stable) else {
            return;
        };
        let target = rollout.target;
        let old = weight(&acted.routes, target).max(weight(scene.stored_before, target));
        let new = weight(&desired.routes, target);
        let known = acted
            .routes
            .matches
            .len()
            .max(scene.stored_before.matches.len());
        if new <= old && desired.routes.matches.len() <= known {
            return;
        }
        let available = seen
            .replicas
            .get(&target)
            .map_or(0, |counts| counts.available);
        let alone = desired.replicas.get(&stable).is_none_or(|it| *it == 0);
        let in_place = !plan
            .steps
            .iter()
            .all(|step| matches!(step.exposure, Exposure::Split { .. }));
        let needed = if in_place {
            u32::from(!alone)
        } else {
            new.of_replicas(plan.replicas).max(1)
        };
        self.promise(available >= needed, now, "capacity before traffic", || {
            format!("{old} to {new} for revision {target} with {available} of {needed} available")
        });
        let held = rollout.pause.is_some() || !seen.settled;
        let holds = !held || target == stable || in_place;
        self.promise(
            holds,
            now,
            "nothing goes forward while held or unsettled",
            || format!("{old} to {new} for revision {target}"),
        );
    }

    fn effects_are_stored(&mut self, now: i64, store: &Store, decision: &Decision) {
        let Some(effect) = decision.effects.first() else {
            return;
        };
        let stored = store.status.rollout.as_ref();
        let known = stored.is_some_and(|rollout| {
            let prefix = format!(
                "{}/{}/{}/",
                store.status.service, rollout.id, rollout.attempt
            );
            effect.id.as_str().starts_with(&prefix)
        });
        self.promise(
            known,
            now,
            "an effect starts only for what is stored",
            || format!("{} for {stored:?}", effect.id),
        );
        let EffectAction::Hook { name, .. } = &effect.action;
        let plan = stored.and_then(|rollout| store.plans.get(&rollout.target));
        let own = plan.is_some_and(|plan| hooks_of(plan).any(|hook| hook.name == *name));
        self.promise(own, now, "a hook is of the plan that is rolled out", || {
            format!("{name} as {}", effect.id)
        });
    }
}

/// The exposure of the running step, in the part of it that replaces replicas.
fn replaces(store: &Store, status: &ServiceStatus) -> Option<Exposure> {
    let rollout = status.running()?;
    let plan = store.plans.get(&rollout.target)?;
    match &rollout.state {
        RolloutState::Stepping {
            stage: Stage::Before { .. },
            ..
        }
        | RolloutState::Starting { .. } => None,
        RolloutState::Stepping { .. } if rollout.fast => Some(plan.fast_step().exposure),
        RolloutState::Stepping { step, .. } => {
            Some(plan.steps.get(*step as usize)?.exposure.clone())
        }
        _ => None,
    }
}

/// Every hook of a plan.
fn hooks_of(plan: &Plan) -> impl Iterator<Item = &Hook> {
    let of_steps = plan
        .steps
        .iter()
        .flat_map(|step| step.before.iter().chain(&step.after));
    let RolloutHooks {
        start,
        promoted,
        aborted,
    } = &plan.hooks;
    of_steps.chain(start).chain(promoted).chain(aborted)
}
