//! An expression over named values, as triggers of notifications have them: read once, computed often.

use super::evaluate::{self, Given};
use super::syntax::{Kind, Node};
use super::value::Value;
use super::{ConditionError, parser, types};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;

/// An expression. A name without a value is nothing, as in Go's implementation; `time.Now()` and
/// `time.Parse(text)` are there, and methods of what they give.
#[derive(Clone, Debug)]
pub struct Expression(Node);

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it does not parse, or can never be computed.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let node = parser::parse(text)?;
        types::check_open(&node)?;
        Ok(Expression(node))
    }

    /// What it yields over these names.
    ///
    /// # Errors
    /// When it cannot be computed for these values: a field of nothing, a budget that is used up.
    pub fn yields(
        &self,
        names: &BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<Value, ConditionError> {
        evaluate::run(&self.0, Given::Names(names), now)
    }

    /// Whether it may yield something else later, with the same values.
    #[must_use]
    pub fn reads_time(&self) -> bool {
        reads_time(&self.0)
    }
}

fn reads_time(node: &Node) -> bool {
    let itself = match &node.kind {
        Kind::Method { of, .. } => matches!(&of.kind, Kind::Name(name) if name == "time"),
        Kind::Call { name, .. } => name == "now",
        _ => false,
    };
    itself || node.children().into_iter().any(reads_time)
}
