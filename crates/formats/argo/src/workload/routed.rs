//! Counts of a canary whose traffic a router splits: pods and traffic are set apart.

use super::{CanaryDemand, Counts, Pods};

/// A canary with a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoutedCanary {
    /// Pods of the Rollout.
    pub replicas: i32,
    /// The weight that is all of the traffic; above 0.
    pub whole: i32,
    /// What the canary needs.
    pub demand: CanaryDemand,
    /// Whether stable gives up pods as its traffic shrinks.
    pub dynamic_stable_scale: bool,
    /// Fewest pods of a side that has any.
    pub pods_min: Option<i32>,
    /// The weights that the routers have, canary and stable, if they were set.
    pub actual: Option<(i32, i32)>,
    /// Whether the rollout is aborted.
    pub aborted: bool,
}

impl RoutedCanary {
    /// The counts that both sides need.
    ///
    /// Stable keeps all its pods, so that going back starts none. With dynamic scale it has what the larger
    /// of its wanted and its actual weight needs; an aborted canary likewise, so that pods go only after
    /// their traffic.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let for_weight = |weight| pods_for_weight(self.replicas, weight, self.whole);
        let (canary, weight) = match self.demand {
            CanaryDemand::Pods(pods) => (pods.max(0), 0),
            CanaryDemand::Weight(weight) => (self.at_least(for_weight(weight)), weight),
        };
        if !self.dynamic_stable_scale {
            return Counts {
                canary,
                stable: self.replicas,
            };
        }
        let mut canary = canary;
        let mut stable = for_weight(self.whole.saturating_sub(weight));
        if let Some((actual_canary, actual_stable)) = self.actual {
            stable = stable.max(for_weight(actual_stable));
            if self.aborted {
                canary = canary.max(for_weight(actual_canary));
            }
        }
        Counts {
            canary: self.at_least(canary),
            stable: self.at_least(stable),
        }
    }

    fn at_least(&self, count: i32) -> i32 {
        with_fewest(count, self.pods_min, self.replicas)
    }
}

/// The count of a side that has at least so many pods when it has any.
pub(super) fn with_fewest(count: i32, fewest: Option<i32>, replicas: i32) -> i32 {
    match fewest {
        Some(fewest) if count != 0 => count.max(fewest.min(replicas)),
        _ => count,
    }
}

/// Pods that a share of the traffic needs, rounded up. A weight above the whole needs more pods than the
/// Rollout has (setCanaryScale knows such weights).
#[must_use]
pub fn pods_for_weight(replicas: i32, weight: i32, whole: i32) -> i32 {
    let product = i64::from(weight.max(0)) * i64::from(replicas);
    let pods = -(-product).div_euclid(i64::from(whole.max(1)));
    i32::try_from(pods).unwrap_or(i32::MAX)
}

/// A growing side's next count: at most `surge` of its pods, and at least one, start at a time. It never
/// shrinks by this.
///
/// For Rollouts that write maxSurge beside a router. Argo ignores it there, and half of all pods
/// starting at once took a database down (its issues 3284 and 3397).
#[must_use]
pub fn gradually(wanted: i32, pods: Pods, surge: i32) -> i32 {
    if wanted <= pods.desired {
        return wanted;
    }
    let started = pods.available.min(pods.desired);
    wanted.min(started.saturating_add(surge.max(1)).max(pods.desired))
}
