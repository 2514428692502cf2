//! `successCondition` and `failureCondition`: expressions over what was measured.
//!
//! The language is expr (the Go module that Argo uses, v1.17.8), as far as a condition has use for it:
//! operators, indexing and slicing, `?.`, `??`, `?:`, `let`, predicates with `#`, pipes, its functions over
//! numbers, texts and collections, and Argo's own `asInt`, `asFloat`, `isNaN`, `isInf`, `isNil` and
//! `default`. It has no time zones or byte texts, and reads no clock: `now()` is given. Triggers of notifications
//! are such an [`Expression`] over other names, and have methods of times.
//!
//! Differences on purpose: a number beyond 64 bits becomes the nearest whole number (Go leaves it to the
//! machine, where an infinity may become the least number there is); `x or true` computes `x`; `findIndex` of
//! nothing can be compared; a list of numbers alone is one of numbers, from JSON too. 100,000 random
//! expressions differed in nothing else that has a meaning.
//!
//! `token` and `parser` read the text into `syntax`, `types` says what is wrong before it runs (against
//! `signature`, the list of functions), `evaluate` computes with `operators`, `predicates`, `functions` and
//! `strings`. Length, depth and steps are bounded: an expression cannot take the controller with it.

mod evaluate;
mod expression;
mod functions;
mod methods;
mod operators;
mod parser;
mod predicates;
mod signature;
mod strings;
mod syntax;
mod token;
mod types;
mod value;

use crate::api::AnalysisPhase;
use evaluate::Given;
use sluice_model::time::Timestamp;
use std::fmt;
use types::Type;

pub use expression::Expression;
pub use value::{Value, go_float};

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// How many characters stand before the place.
    pub at: usize,
    /// What is wrong there.
    pub cause: String,
}

impl ConditionError {
    fn new(at: usize, cause: impl Into<String>) -> Self {
        ConditionError {
            at,
            cause: cause.into(),
        }
    }
}

impl fmt::Display for ConditionError {
    /// `character 8: cause`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}: {}", self.at + 1, self.cause)
    }
}

impl std::error::Error for ConditionError {}

/// Whether a text is a condition, as far as can be said before anything is measured.
///
/// # Errors
/// When it does not parse, names what is not there, or cannot yield true or false.
pub fn validate(text: &str) -> Result<(), ConditionError> {
    let node = parser::parse(text)?;
    match types::check(&node, Type::Unknown)? {
        Type::Unknown | Type::Bool => Ok(()),
        _ => Err(ConditionError::new(
            node.at,
            "a condition yields true or false; compare the value with something",
        )),
    }
}

/// Whether a measurement fulfils a condition.
///
/// # Errors
/// When the text is no condition, or cannot be computed for this value: an index that is not there, a
/// text where a number is needed, a budget that is used up.
pub fn holds(text: &str, result: &Value, now: Timestamp) -> Result<bool, ConditionError> {
    match yielded(text, result, now)? {
        Value::Bool(truth) => Ok(truth),
        other => Err(ConditionError::new(
            0,
            format!("a condition yields true or false, not {}", other.kind()),
        )),
    }
}

/// The moment that an expression such as `now() - duration("5m")` means: the bounds of a range query.
///
/// # Errors
/// When it is no expression, or yields no time.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, ConditionError> {
    match yielded(text, &Value::Nil, now)? {
        Value::Time(moment) => Ok(moment),
        other => Err(ConditionError::new(
            0,
            format!("a time was expected, not {}; write `now()`", other.kind()),
        )),
    }
}

fn yielded(text: &str, result: &Value, now: Timestamp) -> Result<Value, ConditionError> {
    let node = parser::parse(text)?;
    types::check(&node, Type::of(result))?;
    evaluate::run(&node, Given::Result(result), now)
}

/// What a measurement is by a metric's conditions; an empty text is no condition. With one of them, it is
/// the opposite of the other; with both, failure goes first, and neither is inconclusive; with none it is
/// good.
///
/// # Errors
/// A sentence with the condition and the cause: the measurement is in error.
pub fn assess(
    success: &str,
    failure: &str,
    result: &Value,
    now: Timestamp,
) -> Result<AnalysisPhase, String> {
    let judged = |field: &str, text: &str| -> Result<Option<bool>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        holds(text, result, now).map(Some).map_err(|error| {
            if result.is_nil_or_empty() {
                format!("{field} `{text}`: the provider returned no data")
            } else {
                format!("{field} `{text}`, {error}")
            }
        })
    };
    let success = judged("successCondition", success)?;
    let failure = judged("failureCondition", failure)?;
    Ok(match (success, failure) {
        (_, Some(true)) | (Some(false), None) => AnalysisPhase::Failed,
        (Some(false), Some(false)) => AnalysisPhase::Inconclusive,
        (Some(true) | None, _) => AnalysisPhase::Successful,
    })
}
