//! A condition: compiled once, evaluated as often as there are values.

use crate::check::{Checked, check};
use crate::environment::Environment;
use crate::evaluate::{EvaluationError, evaluate};
use crate::parse::parse;
use crate::problem::Problems;
use crate::value::Values;
use std::collections::BTreeSet;
use std::fmt;

/// A condition whose types fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    tree: Checked,
    variables: BTreeSet<String>,
}

impl Condition {
    /// Compiles a text against the variables that there will be.
    ///
    /// # Errors
    /// What is wrong with it, with places and advice: one problem of grammar, or all of types (at most
    /// [`PROBLEMS_MAX`](crate::PROBLEMS_MAX)).
    pub fn compile(text: &str, environment: &Environment) -> Result<Condition, Problems> {
        let tree = parse(text).map_err(|problem| Problems(vec![problem]))?;
        let (tree, variables) = check(text, &tree, environment).map_err(Problems)?;
        Ok(Condition {
            text: text.to_owned(),
            tree,
            variables,
        })
    }

    /// Whether the condition holds.
    ///
    /// # Errors
    /// Why that cannot be told: a value that is not known yet, a missing key, a division by zero … An
    /// error that does not matter (`true || error`) is none.
    pub fn evaluate(&self, values: &Values) -> Result<bool, EvaluationError> {
        evaluate(&self.text, &self.tree, values)
    }

    /// The text it was compiled from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables that it names.
    #[must_use]
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
