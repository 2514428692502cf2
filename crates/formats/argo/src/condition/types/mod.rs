//! What is wrong with an expression before it runs: unknown names, and types that cannot meet.
//!
//! As Go's implementation, it knows the type of `result` when there is one, and of what is computed from
//! constants; fields of a map are of no known type, and are judged when they are there.

mod calls;
mod operators;

use super::ConditionError;
use super::operators::pattern;
use super::signature::{FUNCTIONS, NOT_COMPUTED};
use super::syntax::{Binary, Kind, Node, PREDICATES};
use super::value::Value;

/// What is known of a value before the run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Unknown,
    Nil,
    Bool,
    Int,
    Float,
    Text,
    Array(Box<Type>),
    Map,
    Time,
    Duration,
}

impl Type {
    /// The type of a measured value. A list of numbers alone is one of numbers, as from Prometheus.
    pub(super) fn of(value: &Value) -> Type {
        match value {
            Value::Nil => Type::Nil,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Float(_) => Type::Float,
            Value::Text(_) => Type::Text,
            Value::Array(items) => {
                let numbers = items.iter().all(|item| matches!(item, Value::Float(_)));
                let of = if numbers && !items.is_empty() {
                    Type::Float
                } else {
                    Type::Unknown
                };
                Type::Array(Box::new(of))
            }
            Value::Map(_) => Type::Map,
            Value::Time(_) => Type::Time,
            Value::Duration(_) => Type::Duration,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Type::Unknown => "unknown",
            Type::Nil => "nil",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Float => "float",
            Type::Text => "string",
            Type::Array(_) => "array",
            Type::Map => "map",
            Type::Time => "time",
            Type::Duration => "duration",
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Float)
    }

    fn may_be(&self, expected: &Type) -> bool {
        *self == Type::Unknown || self == expected
    }

    fn is_comparable_to(&self, other: &Type) -> bool {
        matches!(self, Type::Unknown | Type::Nil)
            || matches!(other, Type::Unknown | Type::Nil)
            || self.is_number() && other.is_number()
            || matches!((self, other), (Type::Array(_), Type::Array(_)))
            || self == other
    }
}

/// Checks an expression over a `result` of this type; the type of what it yields.
pub(super) fn check(node: &Node, result: Type) -> Result<Type, ConditionError> {
    check_with(node, Some(result))
}

/// Checks an expression over names that are not known yet; the type of what it yields.
pub(super) fn check_open(node: &Node) -> Result<Type, ConditionError> {
    check_with(node, None)
}

fn check_with(node: &Node, result: Option<Type>) -> Result<Type, ConditionError> {
    let mut checker = Checker {
        result,
        variables: Vec::new(),
        elements: Vec::new(),
    };
    checker.of(node)
}

struct Checker<'a> {
    /// The type of `result`; `None` where any name may stand.
    result: Option<Type>,
    variables: Vec<(&'a str, Type)>,
    /// Of each predicate around: its function, and the type of the element at hand.
    elements: Vec<(&'static str, Type)>,
}

impl<'a> Checker<'a> {
    fn of(&mut self, node: &'a Node) -> Result<Type, ConditionError> {
        let error = |cause: String| Err(ConditionError::new(node.at, cause));
        Ok(match &node.kind {
            Kind::Nil => Type::Nil,
            Kind::Bool(_) => Type::Bool,
            Kind::Int(_) => Type::Int,
            Kind::Float(_) => Type::Float,
            Kind::Text(_) => Type::Text,
            Kind::Name(name) => return self.name(node.at, name),
            Kind::Element(name) => return self.element(node.at, name),
            Kind::Array(items) => {
                let mut of: Option<Type> = None;
                for item in items {
                    let item = self.of(item)?;
                    of = Some(match of {
                        Some(before) if before != item => Type::Unknown,
                        _ => item,
                    });
                }
                Type::Array(Box::new(of.unwrap_or(Type::Unknown)))
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    let found = self.of(key)?;
                    if !found.may_be(&Type::Text) {
                        return error(format!("a key is a string, not {}", found.word()));
                    }
                    self.of(value)?;
                }
                Type::Map
            }
            Kind::Not(inner) => {
                let found = self.of(inner)?;
                if !found.may_be(&Type::Bool) {
                    return error(format!("`not` needs a bool, not {}", found.word()));
                }
                Type::Bool
            }
            Kind::Negate(inner) | Kind::Plus(inner) => {
                let found = self.of(inner)?;
                if !found.is_number() && found != Type::Unknown {
                    return error(format!("a sign needs a number, not {}", found.word()));
                }
                found
            }
            Kind::Binary(operator, left, right) => {
                if let (Binary::Matches, Kind::Text(text)) = (operator, &right.kind) {
                    pattern(right.at, text)?;
                }
                let (left, right) = (self.of(left)?, self.of(right)?);
                return operators::binary(node.at, *operator, &left, &right);
            }
            Kind::Member { of, key, .. } => return self.member(node.at, of, key),
            Kind::Chain(inner) => self.of(inner)?,
            Kind::Slice { of, from, to } => {
                let of = self.of(of)?;
                if !matches!(of, Type::Unknown | Type::Text | Type::Array(_)) {
                    return error(format!("{} has no parts to slice", of.word()));
                }
                for bound in from.iter().chain(to) {
                    let bound_type = self.of(bound)?;
                    if !bound_type.may_be(&Type::Int) {
                        let cause = format!("a bound is an int, not {}", bound_type.word());
                        return Err(ConditionError::new(bound.at, cause));
                    }
                }
                of
            }
            Kind::Call { name, arguments } => return self.call(node.at, name, arguments),
            Kind::Method {
                of,
                name,
                arguments,
            } => return self.method(node.at, of, name, arguments),
            Kind::Each {
                name,
                over,
                predicate,
                extra,
            } => return self.each(name, over, predicate.as_deref(), extra.as_deref()),
            Kind::If(condition, yes, no) => {
                let found = self.of(condition)?;
                if !found.may_be(&Type::Bool) {
                    return error(format!("a condition is a bool, not {}", found.word()));
                }
                let (yes, no) = (self.of(yes)?, self.of(no)?);
                if yes == no { yes } else { Type::Unknown }
            }
            Kind::Let { name, value, then } => {
                if self.is_taken(name) {
                    return error(format!(
                        "`{name}` has a meaning already; choose another name"
                    ));
                }
                let value = self.of(value)?;
                self.variables.push((name, value));
                let found = self.of(then)?;
                self.variables.pop();
                found
            }
            Kind::Sequence(items) => {
                let mut last = Type::Unknown;
                for item in items {
                    last = self.of(item)?;
                }
                last
            }
        })
    }

    fn is_taken(&self, name: &str) -> bool {
        name == "result" && self.result.is_some()
            || self.variables.iter().any(|(known, _)| *known == name)
            || FUNCTIONS.iter().any(|function| function.name == name)
            || PREDICATES.iter().any(|(known, ..)| *known == name)
            || NOT_COMPUTED.contains(&name)
    }

    fn name(&self, at: usize, name: &str) -> Result<Type, ConditionError> {
        if let ("result", Some(result)) = (name, &self.result) {
            return Ok(result.clone());
        }
        if let Some((_, found)) = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
        {
            return Ok(found.clone());
        }
        if self.result.is_none() {
            return Ok(Type::Unknown);
        }
        let known = self.variables.iter().map(|(known, _)| *known);
        Err(ConditionError::new(
            at,
            format!(
                "there is nothing called `{name}`{}",
                meant(name, known.chain(["result", "true", "false", "nil"]))
            ),
        ))
    }

    fn element(&self, at: usize, name: &str) -> Result<Type, ConditionError> {
        let Some((function, element)) = self.elements.last() else {
            return Err(ConditionError::new(at, "`#` stands outside of a predicate"));
        };
        match name {
            "" => Ok(element.clone()),
            "index" if matches!(*function, "map" | "reduce") => Ok(Type::Int),
            "acc" if *function == "reduce" => Ok(Type::Unknown),
            _ => {
                let cause = format!("the predicate of {function}() has no `#{name}`");
                Err(ConditionError::new(at, cause))
            }
        }
    }

    fn member(&mut self, at: usize, of: &'a Node, key: &'a Node) -> Result<Type, ConditionError> {
        let (of, key_type) = (self.of(of)?, self.of(key)?);
        let error = |cause: String| Err(ConditionError::new(at, cause));
        match of {
            Type::Unknown => Ok(Type::Unknown),
            Type::Map if key_type.may_be(&Type::Text) => Ok(Type::Unknown),
            Type::Map => error(format!("a key is a string, not {}", key_type.word())),
            Type::Array(of) if key_type.may_be(&Type::Int) => Ok(*of),
            Type::Array(_) => error(format!(
                "an element of an array is chosen by an int, not by {}",
                key_type.word()
            )),
            other => match &key.kind {
                Kind::Text(name) => error(format!("{} has no field `{name}`", other.word())),
                _ => error(format!("{} has no elements", other.word())),
            },
        }
    }
}

/// `; did you mean …?`, when a known word is close.
fn meant<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> String {
    known
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min()
        .map(|(_, known)| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}
