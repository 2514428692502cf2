//! Why it cannot be told whether a condition holds.

use super::STEPS_MAX;
use crate::value::Value;
use std::fmt;

/// Why it could not be told whether a condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationError {
    /// Where in the condition's text, in bytes.
    pub from: usize,
    /// Where that ends, in bytes.
    pub to: usize,
    /// The text there, shortened if it is long.
    pub part: String,
    /// What happened.
    pub cause: Cause,
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.part, self.cause)
    }
}

impl std::error::Error for EvaluationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// What happened to an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A variable has no value, or one that is not a finite number.
    #[error("there is no value yet")]
    NoValue,
    /// A variable's value is not of the type that was declared. What sets the values is wrong, not the condition.
    #[error("the value is a {found}, and not what was declared")]
    WrongType {
        /// What it is.
        found: &'static str,
    },
    /// A map has no such key.
    #[error("there is no key `{0}`")]
    NoSuchKey(String),
    /// A list has no such element.
    #[error("there is no element {index} in a list of {length}")]
    NoSuchElement {
        /// The index.
        index: i64,
        /// Elements of the list.
        length: usize,
    },
    /// The divisor is zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The result is not within the numbers of its type.
    #[error("the result does not fit into {kind}")]
    Overflow {
        /// The type, with its article.
        kind: &'static str,
    },
    /// The result would not be a finite number.
    #[error("the result is not a finite number")]
    NotFinite,
    /// A text is not what it should be converted to.
    #[error("`{text}` is not {kind}")]
    Unreadable {
        /// The text, shortened if it is long.
        text: String,
        /// What it is not.
        kind: &'static str,
    },
    /// A map has the same key twice.
    #[error("the key `{0}` is there twice")]
    RepeatedKey(String),
    /// It is too much.
    #[error("this takes more than {STEPS_MAX} steps")]
    TooCostly,
}

impl Cause {
    /// For values that no checked condition combines so.
    pub(crate) fn mismatch(values: &[Value]) -> Cause {
        Cause::WrongType {
            found: values.first().map_or("nothing", Value::kind_name),
        }
    }
}
