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
