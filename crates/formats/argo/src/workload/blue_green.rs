//! The number of pods of a preview.

/// Where a blue-green rollout stands, as far as its preview's pods depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreviewState {
    /// Whether the active Service leads to a ReplicaSet, and to another one than the new one.
    pub another_is_active: bool,
    /// Whether the rollout is promoted without steps.
    pub promote_full: bool,
    /// Whether the new ReplicaSet is the one that the status is about.
    pub is_current: bool,
    /// Whether the rollout is paused, by hand or by itself.
    pub paused: bool,
    /// Whether it was let go on, so that the preview is to get all its pods before the switch.
    pub past_checkpoint: bool,
}

/// Pods of the new side: `preview` until the switch is due, where it is given, and all of them otherwise.
#[must_use]
pub fn preview_count(replicas: i32, preview: Option<i32>, state: PreviewState) -> i32 {
    let Some(preview) = preview else {
        return replicas;
    };
    if !state.another_is_active || state.promote_full {
        return replicas;
    }
    let is_due = state.is_current && !state.paused && state.past_checkpoint;
    if is_due { replicas } else { preview }
}
