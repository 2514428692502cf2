//! Conditions: expressions in CEL, the Common Expression Language, that are true or false.
//!
//! ```
//! use sluice_conditions::{Condition, Environment, Type, Values};
//!
//! let environment = Environment::new([
//!     ("canary.errorRatio", Type::Double),
//!     ("baseline.errorRatio", Type::Double),
//! ])?;
//! let condition = Condition::compile("canary.errorRatio <= 2.0 * baseline.errorRatio", &environment)?;
//! let values = Values::default().with("canary.errorRatio", 0.01).with("baseline.errorRatio", 0.008);
//! assert_eq!(condition.evaluate(&values), Ok(true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A condition is compiled when a document is read: its text becomes tokens (`token`), a tree (`parse`), and
//! a tree whose types fit (`check`) or problems with their places. What compiled is run later against
//! values (`evaluate`); it then meets no wrong type, but it may meet a value that is not known yet, a
//! key that is missing or a division by zero. Those are errors, never `true`: who asked learns that the
//! condition could not be decided, and why.
//!
//! Supported are the literals, operators, macros and conversions of the language definition for `bool`,
//! `int`, `uint`, `double`, `string`, `list`, `map` and `duration`. What it has beyond that (`dyn`, `null`,
//! bytes, messages, timestamps, regular expressions) is refused by name. In three things Sluice is stricter
//! than the definition, so that a condition cannot be true on nonsense: a `double` is always finite
//! (division by 0.0 and whatever else would give NaN or an infinity is an error), the elements of a list have
//! one type, and what can only fail (`x / 0`) is refused when it is compiled. In one it is wider, as other
//! implementations are: `<` and its kin compare numbers of different types.
//!
//! Parser and interpreter are Sluice's own, and the tests hold them against the `cel` crate. `cel` has no type
//! checker, so that a tree with types is needed in any case; and its parser brings caches and locks that all threads
//! share into a crate that must be pure, and takes stack by the length of the text. Everything here has a
//! bound: [`TEXT_MAX`], [`NESTING_MAX`], [`DEPTH_MAX`], [`PROBLEMS_MAX`], [`STEPS_MAX`]. It knows the names
//! of metrics (`of_checks`), and no rollout and no clock.

mod check;
mod condition;
mod environment;
mod evaluate;
mod functions;
mod nearest;
mod of_checks;
mod parse;
mod problem;
mod span_of_time;
mod token;
mod tree;
mod types;
mod value;

pub use check::PROBLEMS_MAX;
pub use condition::Condition;
pub use environment::{BadEnvironment, Environment};
pub use evaluate::{Cause, EvaluationError, STEPS_MAX};
pub use of_checks::{BASELINE, CANARY, environment_of_checks};
pub use parse::{DEPTH_MAX, NESTING_MAX, TEXT_MAX};
pub use problem::{Problem, Problems};
pub use types::Type;
pub use value::{Key, Value, Values};
