//! Events: what people see of an object with `kubectl describe`.

/// An event of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether something is wrong.
    pub warning: bool,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl Event {
    /// Whether it tells of a write that was made, and is not decided again when a later one fails. The others come true
    /// with the status.
    #[must_use]
    pub fn is_of_a_write(&self) -> bool {
        matches!(
            self.reason.as_str(),
            "ScalingReplicaSet"
                | "RolloutUpdated"
                | "NewReplicaSetCreated"
                | "SwitchService"
                | "ExperimentCreated"
                | "ReplicaSetCreateError"
                | "TrafficRoutingError"
        )
    }
}
