//! Which variables a condition may name.

use crate::token::{RESERVED, is_name};
use crate::types::{Kind, Type};
use std::collections::BTreeMap;

/// The variables of a condition, each with its type. Names are words with dots between them, as
/// `canary.errorRatio`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, Type>,
}

/// Variables that cannot be declared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvironment {
    /// It is not words with dots between them, or one of the words is reserved.
    #[error("`{0}` cannot be the name of a variable of conditions")]
    Name(String),
    /// It is there twice, or another one begins with it: `a` and `a.b`.
    #[error("the variables `{0}` and `{1}` of conditions cannot be told apart")]
    Ambiguous(String, String),
    /// A map's keys have a type that keys cannot have.
    #[error("the variable `{name}` of conditions is a {found}, whose keys cannot be found again")]
    Key {
        /// Which variable.
        name: String,
        /// Its type.
        found: Type,
    },
}

impl Environment {
    /// An environment of these variables.
    ///
    /// # Errors
    /// When a name is none, or two cannot be told apart.
    pub fn new<N: Into<String>>(
        variables: impl IntoIterator<Item = (N, Type)>,
    ) -> Result<Environment, BadEnvironment> {
        let mut known = BTreeMap::new();
        for (name, kind) in variables {
            let name = name.into();
            let good = |word: &str| is_name(word) && !RESERVED.contains(&word);
            if !name.split('.').all(good) {
                return Err(BadEnvironment::Name(name));
            }
            if !has_good_keys(&kind) {
                return Err(BadEnvironment::Key { name, found: kind });
            }
            if known.insert(name.clone(), kind).is_some() {
                return Err(BadEnvironment::Ambiguous(name.clone(), name));
            }
        }
        for name in known.keys() {
            let within = format!("{name}.");
            if let Some(other) = known.keys().find(|other| other.starts_with(&within)) {
                return Err(BadEnvironment::Ambiguous(name.clone(), other.clone()));
            }
        }
        Ok(Environment { variables: known })
    }

    /// The type of a variable.
    #[must_use]
    pub fn type_of(&self, name: &str) -> Option<&Type> {
        self.variables.get(name)
    }

    /// All variables with their types, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Type)> {
        self.variables
            .iter()
            .map(|(name, kind)| (name.as_str(), kind))
    }

    /// Whether a variable is called so, or begins with this word.
    pub(crate) fn begins_with(&self, word: &str) -> bool {
        self.variables
            .keys()
            .any(|name| name.split('.').next() == Some(word))
    }
}

fn has_good_keys(kind: &Type) -> bool {
    match kind {
        Type::List(element) => has_good_keys(element),
        Type::Map(key, value) => Kind::from(key.as_ref()).is_key() && has_good_keys(value),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_cannot_be_told_apart_are_refused() {
        for (names, expected) in [
            (vec!["a.b", "a.c", "step"], None),
            (vec!["a", "a"], Some("the variables `a` and `a` of")),
            (
                vec!["a.b", "a.b.c"],
                Some("the variables `a.b` and `a.b.c` of"),
            ),
            (vec!["a", "ab.c"], None),
            (vec!["a..b"], Some("`a..b` cannot")),
            (vec![""], Some("`` cannot")),
            (vec!["1a"], Some("`1a` cannot")),
            (vec!["a.in"], Some("`a.in` cannot")),
        ] {
            let variables = names.iter().map(|name| (*name, Type::Int));
            let found = Environment::new(variables).map_err(|bad| bad.to_string());
            match expected {
                None => assert!(found.is_ok(), "{names:?}: {found:?}"),
                Some(start) => assert!(
                    found.as_ref().is_err_and(|text| text.starts_with(start)),
                    "{names:?}: {found:?}"
                ),
            }
        }
        let keys = Type::Map(Box::new(Type::Double), Box::new(Type::Int));
        assert!(Environment::new([("a", keys)]).is_err());
    }
}
