//! JSON as Go's `encoding/json` writes the API's structs: what Argo's controller hashes.
//!
//! Its hashes are over the text that its Go types write after they read the object: fields in declared order, empty ones
//! left out or not as their tags say, what the types do not know dropped, amounts in their canonical form. Two
//! controllers that are to agree on a hash must agree on that text.
//!
//! `table` has the fields, made from the types themselves; `write` follows it, `text` writes texts and numbers, `amount`
//! the amounts of resources.

mod amount;
mod fields;
#[rustfmt::skip]
mod table;
mod text;
mod write;

use serde_json::{Map, Value};
use std::fmt;

/// What Go writes.
pub(crate) struct Written {
    pub(crate) text: String,
    /// Whether all fields are in the text; Go drops those that its types do not know.
    pub(crate) is_whole: bool,
}

/// A value of a type that its field does not have. Go cannot read such an object at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where, from the template on, as `spec.containers[0].image`; empty for the template itself.
    pub path: String,
    /// The same as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What is there.
    pub found: String,
    /// What should be.
    pub wanted: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.found, self.wanted)
    }
}

/// A pod template.
pub(crate) fn template(template: &Map<String, Value>) -> Result<Written, Misfit> {
    write::fields(&table::TEMPLATE, template)
}

/// A canary's steps.
pub(crate) fn steps(steps: &Value) -> Result<Written, Misfit> {
    write::value(&table::STEPS, steps)
}
