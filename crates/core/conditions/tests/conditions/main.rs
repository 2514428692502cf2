//! Conditions as their users meet them: what is refused and how it is said, what an expression means, and that
//! none of them can harm the process that runs it.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod against_cel;
mod conformance;
mod expressions;
mod limits;
mod meaning;
mod problems;
mod properties;

use sluice_conditions::{Condition, Environment, Type, Value, Values};
use std::time::Duration;

/// The variables of a rollout, as an example.
pub(crate) fn environment() -> Environment {
    let labels = Type::Map(Box::new(Type::String), Box::new(Type::String));
    Environment::new([
        ("canary.errorRatio", Type::Double),
        ("canary.errors", Type::Int),
        ("canary.requests", Type::Int),
        ("canary.latencyP99Ms", Type::Double),
        ("baseline.errorRatio", Type::Double),
        ("baseline.requests", Type::Int),
        ("step.index", Type::Int),
        ("step.weight", Type::Double),
        ("rollout.age", Type::Duration),
        ("labels", labels),
        ("zones", Type::List(Box::new(Type::String))),
        ("quota", Type::Uint),
        ("manual", Type::Bool),
    ])
    .unwrap()
}

/// Values of all of them.
pub(crate) fn values() -> Values {
    Values::default()
        .with("canary.errorRatio", 0.01)
        .with("canary.errors", 10_i64)
        .with("canary.requests", 1_000_i64)
        .with("canary.latencyP99Ms", 250.5)
        .with("baseline.errorRatio", 0.008)
        .with("baseline.requests", 19_000_i64)
        .with("step.index", 2_i64)
        .with("step.weight", 25.0)
        .with("rollout.age", Duration::from_secs(600))
        .with("labels", Value::labels([("team", "pay"), ("tier", "1")]))
        .with("zones", Value::list(["a", "b"].map(Value::from)))
        .with("quota", 5_u64)
        .with("manual", false)
}

/// What an expression without variables gives.
pub(crate) fn result_of(text: &str) -> Result<bool, String> {
    let condition = Condition::compile(text, &Environment::default())
        .map_err(|problems| problems.to_string())?;
    condition
        .evaluate(&Values::default())
        .map_err(|error| error.cause.to_string())
}
