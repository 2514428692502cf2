//! How many pods each ReplicaSet of a Rollout should have, and how long it keeps them.
//!
//! Pure numbers in, numbers out. `bounds` resolves maxSurge and maxUnavailable, `exposure` says which
//! weight or number of pods the steps ask for, `basic` counts where the pods are the traffic, `routed`
//! where a router splits it, `blue_green` the preview, `delay` how long pods stay, and `progress` whether
//! the counts are reached.
//!
//! The numbers are Argo's at commit 9f8d111. Where they are cured, the function says so.

mod basic;
mod blue_green;
mod bounds;
mod delay;
mod exposure;
mod progress;
mod routed;

pub use basic::{BasicCanary, split_by_weight};
pub use blue_green::{PreviewState, preview_count};
pub use bounds::{MoveBounds, scaled};
pub use delay::{
    AbortDelay, OldReplicaSet, abort_delay, delays_scale_down_on_abort, keep_old_pods,
    scale_down_delay,
};
pub(crate) use exposure::retreat_weight;
pub use exposure::{CanaryDemand, canary_demand, current_set_weight, current_step};
pub use progress::{are_counts_reached, is_progress_reached};
pub use routed::{RoutedCanary, gradually, pods_for_weight};

/// A ReplicaSet, as far as counting needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// Pods that it should have (`spec.replicas`).
    pub desired: i32,
    /// Pods that it has (`status.replicas`).
    pub existing: i32,
    /// Pods that have been ready for long enough.
    pub available: i32,
}

impl Pods {
    /// Available pods that stay: those above the desired number are about to end, whatever the last count said.
    #[must_use]
    pub fn staying(self) -> i32 {
        self.available.min(self.desired)
    }
}

/// What both sides should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The new revision's pods.
    pub canary: i32,
    /// The stable revision's pods.
    pub stable: i32,
}
