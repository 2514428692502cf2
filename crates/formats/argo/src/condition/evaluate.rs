//! Computes an expression, part by part, within a budget.

use super::ConditionError;
use super::syntax::{Binary, Kind, Node};
use super::value::Value;
use super::{functions, methods, operators, predicates};
use sluice_model::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most steps of one evaluation: a part computed, an element looked at, or a value made.
const MAX_STEPS: u64 = 1_000_000;
/// Deepest nesting of a value that an expression makes.
const MAX_HEIGHT: usize = 128;

/// Why a part has no value.
#[derive(Debug)]
pub(super) enum Stop {
    /// It cannot be computed.
    Error(ConditionError),
    /// A `?.` met nothing: the chain around is nothing.
    Nothing,
}

impl From<ConditionError> for Stop {
    fn from(error: ConditionError) -> Self {
        Stop::Error(error)
    }
}

/// What an evaluation needs and has left.
pub(super) struct Machine<'a> {
    given: Given<'a>,
    now: Timestamp,
    steps: u64,
    variables: Vec<(&'a str, Value)>,
    elements: Vec<Element>,
}

/// What an expression is over.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    /// `result`, a measurement.
    Result(&'a Value),
    /// Names with their values; any other name is nothing.
    Names(&'a BTreeMap<String, Value>),
}

/// The element at hand in a predicate.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) value: Value,
    pub(super) index: usize,
    pub(super) accumulated: Value,
}

/// Computes a checked expression.
pub(super) fn run(node: &Node, given: Given<'_>, now: Timestamp) -> Result<Value, ConditionError> {
    let mut machine = Machine {
        given,
        now,
        steps: MAX_STEPS,
        variables: Vec::new(),
        elements: Vec::new(),
    };
    machine.of(node).map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Nothing => ConditionError::new(node.at, "`?.` met nothing outside of a chain"),
    })
}

impl<'a> Machine<'a> {
    pub(super) fn of(&mut self, node: &'a Node) -> Result<Value, Stop> {
        self.spend(node.at, 1)?;
        match &node.kind {
            Kind::Nil => Ok(Value::Nil),
            Kind::Bool(truth) => Ok(Value::Bool(*truth)),
            Kind::Int(number) => Ok(Value::Int(*number)),
            Kind::Float(number) => Ok(Value::Float(*number)),
            Kind::Text(text) => Ok(Value::Text(text.clone())),
            Kind::Name(name) => self.name(node.at, name),
            Kind::Element(name) => self.element(node.at, name),
            Kind::Array(items) => self.array(node.at, items),
            Kind::Map(entries) => self.map(node.at, entries),
            Kind::Not(inner) => Ok(Value::Bool(!self.truth(inner)?)),
            Kind::Negate(inner) => match self.of(inner)? {
                Value::Int(number) => Ok(Value::Int(number.wrapping_neg())),
                Value::Float(number) => Ok(Value::Float(-number)),
                other => Err(error(node.at, format!("{} has no sign", other.kind()))),
            },
            Kind::Plus(inner) => self.of(inner),
            Kind::Binary(operator, left, right) => self.binary(node.at, *operator, left, right),
            Kind::Member { of, key, optional } => {
                let of = self.of(of)?;
                if *optional && of == Value::Nil {
                    return Err(Stop::Nothing);
                }
                let key = self.of(key)?;
                Ok(operators::fetch(node.at, &of, &key)?)
            }
            Kind::Chain(inner) => match self.of(inner) {
                Err(Stop::Nothing) => Ok(Value::Nil),
                other => other,
            },
            Kind::Slice { of, from, to } => {
                let of = self.of(of)?;
                let from = self.bound(from.as_deref())?;
                let to = self.bound(to.as_deref())?;
                self.spend(node.at, of.size())?;
                Ok(operators::slice(node.at, &of, from, to)?)
            }
            Kind::Call { name, arguments } => {
                let mut given = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    given.push(self.of(argument)?);
                }
                functions::call(self, node.at, name, &given)
            }
            Kind::Method {
                of,
                name,
                arguments,
            } => {
                // `time` is no value, but where two functions are.
                let receiver = match &of.kind {
                    Kind::Name(module) if module == "time" => None,
                    _ => Some(self.of(of)?),
                };
                let mut given = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    given.push(self.of(argument)?);
                }
                match receiver {
                    None => methods::of_time(self.now, node.at, name, &given),
                    Some(receiver) => methods::call(node.at, &receiver, name, &given),
                }
            }
            Kind::Each {
                name,
                over,
                predicate,
                extra,
            } => {
                let over = self.of(over)?;
                let extra = match extra {
                    Some(extra) => Some(self.of(extra)?),
                    None => None,
                };
                predicates::each(self, node.at, name, &over, predicate.as_deref(), extra)
            }
            Kind::If(condition, yes, no) => {
                if self.truth(condition)? {
                    self.of(yes)
                } else {
                    self.of(no)
                }
            }
            Kind::Let { name, value, then } => {
                let value = self.of(value)?;
                self.variables.push((name, value));
                let found = self.of(then);
                self.variables.pop();
                found
            }
            Kind::Sequence(items) => {
                let mut last = Value::Nil;
                for item in items {
                    last = self.of(item)?;
                }
                Ok(last)
            }
        }
    }

    /// What was measured; nothing where nothing is.
    pub(super) fn result(&self) -> &Value {
        match self.given {
            Given::Result(result) => result,
            Given::Names(_) => &Value::Nil,
        }
    }

    /// When the evaluation takes place.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes steps from the budget.
    pub(super) fn spend(&mut self, at: usize, steps: u64) -> Result<(), Stop> {
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(error(
                at,
                format!(
                    "it takes more than {MAX_STEPS} steps; measure fewer values, or compute less"
                ),
            )),
        }
    }

    /// Refuses a value that is nested too deeply, and pays for it.
    pub(super) fn made(&mut self, at: usize, value: Value) -> Result<Value, Stop> {
        self.spend(at, value.size())?;
        if value.height() > MAX_HEIGHT {
            return Err(error(
                at,
                format!("it nests values deeper than {MAX_HEIGHT}"),
            ));
        }
        Ok(value)
    }

    /// Runs a predicate for an element.
    pub(super) fn with(&mut self, predicate: &'a Node, element: Element) -> Result<Value, Stop> {
        self.elements.push(element);
        let found = self.of(predicate);
        self.elements.pop();
        found
    }

    fn truth(&mut self, node: &'a Node) -> Result<bool, Stop> {
        match self.of(node)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(error(
                node.at,
                format!("a bool was expected, not {}", other.kind()),
            )),
        }
    }

    fn bound(&mut self, node: Option<&'a Node>) -> Result<Option<i64>, Stop> {
        let Some(node) = node else { return Ok(None) };
        match self.of(node)? {
            Value::Int(number) => Ok(Some(number)),
            Value::Float(number) => Ok(Some(number as i64)),
            other => Err(error(
                node.at,
                format!("a bound is an int, not {}", other.kind()),
            )),
        }
    }

    fn name(&self, at: usize, name: &str) -> Result<Value, Stop> {
        if let ("result", Given::Result(result)) = (name, self.given) {
            return Ok(result.clone());
        }
        let variable = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| *known == name);
        match (variable, self.given) {
            (Some((_, value)), _) => Ok(value.clone()),
            (None, Given::Names(names)) => Ok(names.get(name).cloned().unwrap_or(Value::Nil)),
            (None, Given::Result(_)) => Err(error(at, format!("there is nothing called `{name}`"))),
        }
    }

    fn element(&self, at: usize, name: &str) -> Result<Value, Stop> {
        let Some(element) = self.elements.last() else {
            return Err(error(at, "`#` stands outside of a predicate"));
        };
        Ok(match name {
            "index" => Value::Int(element.index as i64),
            "acc" => element.accumulated.clone(),
            _ => element.value.clone(),
        })
    }

    fn array(&mut self, at: usize, items: &'a [Node]) -> Result<Value, Stop> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.of(item)?);
        }
        self.made(at, values.into())
    }

    fn map(&mut self, at: usize, entries: &'a [(Node, Node)]) -> Result<Value, Stop> {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let Value::Text(text) = self.of(key)? else {
                return Err(error(key.at, "a key is a string"));
            };
            map.insert(text.to_string(), self.of(value)?);
        }
        self.made(at, Value::Map(Arc::new(map)))
    }

    fn binary(
        &mut self,
        at: usize,
        operator: Binary,
        left: &'a Node,
        right: &'a Node,
    ) -> Result<Value, Stop> {
        match operator {
            Binary::And => Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            Binary::Or => Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            Binary::Coalesce => match self.of(left)? {
                Value::Nil => self.of(right),
                found => Ok(found),
            },
            _ => {
                let (left, right) = (self.of(left)?, self.of(right)?);
                self.spend(at, cost(operator, &left, &right))?;
                Ok(operators::binary(at, operator, &left, &right)?)
            }
        }
    }
}

/// What an operator costs beyond its sides.
fn cost(operator: Binary, left: &Value, right: &Value) -> u64 {
    match (operator, left, right) {
        (Binary::Range, Value::Int(from), Value::Int(to)) if to >= from => {
            to.abs_diff(*from).saturating_add(1)
        }
        (
            Binary::Equal
            | Binary::NotEqual
            | Binary::In
            | Binary::Add
            | Binary::Contains
            | Binary::Matches,
            left,
            right,
        ) => left.size() + right.size(),
        _ => 0,
    }
}

/// An error at a place, as a reason to stop.
pub(super) fn error(at: usize, cause: impl Into<String>) -> Stop {
    Stop::Error(ConditionError::new(at, cause))
}
