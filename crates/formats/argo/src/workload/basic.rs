//! Counts of a canary without a router: each pod takes its share of the traffic.

use super::{Counts, Pods};

/// A canary without a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicCanary {
    /// Pods of the Rollout.
    pub replicas: i32,
    /// The canary's share of `whole`.
    pub weight: i32,
    /// The weight that is all of it; above 0.
    pub whole: i32,
    /// Pods above `replicas`, at most.
    pub surge: i32,
    /// Pods below `replicas`, at most.
    pub unavailable: i32,
    /// The new revision's ReplicaSet, if it exists.
    pub canary: Option<Pods>,
    /// The stable revision's ReplicaSet; `None` when there is none, or when it is the canary's.
    pub stable: Option<Pods>,
    /// Pods that all other ReplicaSets should have, together.
    pub others: i32,
}

impl BasicCanary {
    /// The next counts on the way to the weight.
    ///
    /// Stable grows before the canary, both within `replicas` + `surge`. While other ReplicaSets have pods,
    /// nothing shrinks but a canary that has the room which stable wants, and only by pods that are not available:
    /// they serve nobody, and the way back would wait for them for ever (cured; in Argo it does). Then the side
    /// that gets too many shrinks, as far as `replicas` − `unavailable` pods stay available; pods of that side
    /// that are not available do not hold it up.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let wanted = match self.stable {
            Some(_) => split_by_weight(self.replicas, self.weight, self.whole, self.surge),
            None => Counts {
                canary: self.replicas,
                stable: 0,
            },
        };
        let most = self.replicas.saturating_add(self.surge);
        let grown = self.grow(wanted, most);
        if self.others > 0 {
            return self.make_room(wanted, grown);
        }
        self.shrink(wanted, grown, most)
    }

    fn grow(&self, wanted: Counts, most: i32) -> Counts {
        let desired = |pods: Option<Pods>| pods.map_or(0, |pods| pods.desired);
        let mut counts = Counts {
            canary: desired(self.canary),
            stable: desired(self.stable),
        };
        let mut room = [self.others, counts.canary, counts.stable]
            .into_iter()
            .fold(most, i32::saturating_sub)
            .max(0);
        if self.stable.is_some() {
            let more = wanted.stable.saturating_sub(counts.stable).clamp(0, room);
            counts.stable += more;
            room -= more;
        }
        if self.canary.is_some() {
            counts.canary += wanted.canary.saturating_sub(counts.canary).clamp(0, room);
        }
        counts
    }

    /// Takes pods away from the canary that are not available, where stable wants their room.
    fn make_room(&self, wanted: Counts, mut counts: Counts) -> Counts {
        if let Some(canary) = self.canary
            && counts.stable < wanted.stable
            && counts.canary > wanted.canary
        {
            counts.canary = wanted.canary.max(canary.available.min(counts.canary));
        }
        counts
    }

    fn shrink(&self, wanted: Counts, counts: Counts, most: i32) -> Counts {
        let least = self.replicas.saturating_sub(self.unavailable);
        let grows = self
            .canary
            .is_none_or(|canary| wanted.canary >= canary.desired);
        let serving = counted(self.canary, !grows).saturating_add(counted(self.stable, grows));
        let spare = serving.saturating_sub(least);
        if spare <= 0 {
            return counts;
        }
        let drained = |pods: Option<Pods>, wanted: i32, count: i32| match pods {
            Some(pods) if pods.desired > wanted => wanted.max(pods.desired.saturating_sub(spare)),
            _ => count,
        };
        if !grows {
            let canary = drained(self.canary, wanted.canary, counts.canary);
            let (canary, stable) =
                within(self.canary, self.stable, canary, counts.stable, most, least);
            Counts { canary, stable }
        } else if self.stable.is_some() {
            let stable = drained(self.stable, wanted.stable, counts.stable);
            let (stable, canary) =
                within(self.stable, self.canary, stable, counts.canary, most, least);
            Counts { canary, stable }
        } else {
            counts
        }
    }
}

/// Pods of a ReplicaSet that may be counted on. Those above its desired number are going to end; those
/// that are not available are counted only for the side that is drained, so that it can be drained at
/// all.
fn counted(pods: Option<Pods>, ignores_availability: bool) -> i32 {
    pods.map_or(0, |pods| {
        if ignores_availability || pods.desired < pods.available {
            pods.desired
        } else {
            pods.available
        }
    })
}

/// Takes what exceeds `most` from the other side first, as far as `least` pods stay available, and then
/// from the drained one. (drained, other) in and out.
fn within(
    drained: Option<Pods>,
    other: Option<Pods>,
    drained_count: i32,
    other_count: i32,
    most: i32,
    least: i32,
) -> (i32, i32) {
    let Some(other) = other else {
        return (drained_count, other_count);
    };
    let excess =
        |drained: i32, other: i32| drained.saturating_add(other).saturating_sub(most).max(0);
    let reduced = other_count.saturating_sub(excess(drained_count, other_count));
    let drained_available = drained.map_or(0, |pods| pods.available.min(drained_count));
    let available = drained_available.saturating_add(other.available.min(reduced));
    let given_up = other.staying().saturating_sub(reduced).max(0);
    let missing = least.saturating_sub(available).max(0);
    let other_count = reduced.saturating_add(given_up.min(missing));
    (
        drained_count.saturating_sub(excess(drained_count, other_count)),
        other_count,
    )
}

/// The counts that come nearest to a weight: over `replicas` pods, or over one more where `surge` allows
/// it.
///
/// Candidates are the canary's share rounded up and down, over both totals in that order; the smallest
/// error wins, the first of equals; an exact half is rounded up. A weight between nothing and everything
/// leaves neither side without a pod, unless there is only one pod. A weight beyond them is the nearer one.
///
/// Where rounding up a half would leave stable without a pod, it is rounded down.
///
/// Compared exactly, where Argo compares floats: its error terms of equal candidates may differ in the
/// last bit.
#[must_use]
pub fn split_by_weight(replicas: i32, weight: i32, whole: i32, surge: i32) -> Counts {
    if replicas <= 0 {
        return Counts {
            canary: 0,
            stable: 0,
        };
    }
    // Wide enough for the product of three numbers.
    let whole = i128::from(whole.max(1));
    let weight = i128::from(weight).clamp(0, whole);
    let total = i128::from(replicas);
    let up = -(-(total * weight)).div_euclid(whole);
    let down = (total * weight).div_euclid(whole);
    let none_allowed = weight == whole || weight == 0 || (replicas == 1 && surge == 0);
    let is_half = |total: i128| 2 * (total * weight).rem_euclid(whole) == whole;
    let mut candidates = Vec::with_capacity(4);
    if up < total || none_allowed {
        candidates.push((up, total));
    }
    if !is_half(total) && (down != 0 || none_allowed) {
        candidates.push((down, total));
    }
    if surge > 0 {
        candidates.push((up, total + 1));
        if !is_half(total + 1) && (down != 0 || none_allowed) {
            candidates.push((down, total + 1));
        }
    }
    // |canary / total − weight / whole|, over the common denominator of both totals.
    let error = |(canary, of): (i128, i128)| {
        let other = if of == total { total + 1 } else { total };
        (canary * whole - weight * of).abs() * other
    };
    let best = candidates.into_iter().reduce(|best, next| {
        if error(next) < error(best) {
            next
        } else {
            best
        }
    });
    // An exact half that would be rounded up to all pods; Argo gives the canary none then.
    let (canary, of) = best.unwrap_or((down, total));
    let pods = |count: i128| i32::try_from(count.max(0)).unwrap_or(i32::MAX);
    Counts {
        canary: pods(canary),
        stable: pods(of - canary),
    }
}
