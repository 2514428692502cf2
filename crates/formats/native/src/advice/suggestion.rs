//! Which strategy fits a change, and why.

/// A change, as far as it matters for the choice of a strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Connections or sessions live in the process: WebSockets, uploads, sessions in memory.
    pub stateful: bool,
    /// The old and the new revision cannot run at the same time.
    pub exclusive: bool,
    /// An outage is acceptable.
    pub outage_allowed: bool,
    /// Payments, authentication, a large new feature, the database.
    pub high_risk: bool,
    /// It has to be seen under real load before any user depends on it.
    pub validate_under_load: bool,
    /// Certain users shall have it first.
    pub targeted: bool,
}

/// A strategy, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What to write as `release:`.
    pub release: &'static str,
    /// Why it fits.
    pub why: &'static str,
}

/// The strategy that fits a change.
#[must_use]
pub fn strategy_for(change: Change) -> Suggestion {
    let (release, why) = match change {
        Change {
            exclusive: true,
            outage_allowed: true,
            ..
        } => (
            "recreate",
            "two revisions cannot run together, and an outage is acceptable: stop one, start the other",
        ),
        Change {
            exclusive: true, ..
        } => (
            "blue-green",
            "two revisions cannot serve together: one switch moves everybody at once",
        ),
        Change { stateful: true, .. } => (
            "rolling",
            "connections live in the process: replace replicas one by one, with a long `stop.drain`",
        ),
        Change {
            high_risk: true,
            validate_under_load: true,
            ..
        } => (
            "shadow",
            "copies of real requests try it before any user depends on it; a canary follows",
        ),
        Change {
            high_risk: true, ..
        } => (
            "blue-green",
            "much is at stake: the old side stays warm, and the way back is instant",
        ),
        Change { targeted: true, .. } => (
            "canary",
            "a first step with `match` gives it to certain users, later steps to all",
        ),
        Change { .. } => (
            "rolling",
            "an ordinary change: simple, and it needs no second side",
        ),
    };
    Suggestion { release, why }
}
