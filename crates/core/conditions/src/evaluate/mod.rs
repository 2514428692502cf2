//! Running a condition whose types fit.
//!
//! Errors are values: `&&`, `||`, `all` and `exists` give an answer in spite of one if the answer does not depend on it
//! (language definition, "Logical Operators" and "Macros"). Every part that is looked at is a step, and so is
//! every element or stretch of text that is compared or copied; after [`STEPS_MAX`] it ends, whatever is
//! written in the condition.

mod error;
mod numbers;

pub use error::{Cause, EvaluationError};

use crate::check::{Checked, Macro, MacroPart, Operation, Variable};
use crate::problem::Span;
use crate::tree::Operator;
use crate::value::{Key, Value, Values};
use numbers::{arithmetic, checked, order, orders_so};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most steps of an evaluation; some milliseconds.
pub const STEPS_MAX: u32 = 100_000;
/// Bytes of text that are one step.
const TEXT_STEP: usize = 64;
/// Longest part of a condition that is quoted in an error, in characters.
const QUOTED_MAX: usize = 80;

/// Whether the condition holds.
pub(crate) fn evaluate(
    text: &str,
    tree: &Checked,
    values: &Values,
) -> Result<bool, EvaluationError> {
    let mut run = Run {
        text,
        values,
        locals: Vec::new(),
        steps: STEPS_MAX,
    };
    match run.value(tree)? {
        Value::Bool(holds) => Ok(holds),
        other => Err(run.error(tree.span, Cause::mismatch(&[other]))),
    }
}

struct Run<'a> {
    text: &'a str,
    values: &'a Values,
    /// Values of the names that macros have introduced, outermost first.
    locals: Vec<Value>,
    steps: u32,
}

type Found = Result<Value, EvaluationError>;

impl Run<'_> {
    fn error(&self, span: Span, cause: Cause) -> EvaluationError {
        let part = span.of(self.text);
        let short: String = part.chars().take(QUOTED_MAX).collect();
        EvaluationError {
            from: span.from,
            to: span.to,
            part: if short.len() < part.len() {
                format!("{short}…")
            } else {
                short
            },
            cause,
        }
    }

    /// Takes so many steps.
    fn take(&mut self, span: Span, steps: usize) -> Result<(), EvaluationError> {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.steps.checked_sub(steps) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => {
                self.steps = 0;
                Err(self.error(span, Cause::TooCostly))
            }
        }
    }

    fn value(&mut self, part: &Checked) -> Found {
        self.take(part.span, 1)?;
        let span = part.span;
        match &part.operation {
            Operation::Constant(value) => Ok(value.clone()),
            Operation::Variable(name) => self.variable(span, name),
            Operation::HasVariable(name) => Ok(Value::Bool(
                self.values.get(&name.name).is_some_and(Value::is_finite),
            )),
            Operation::Local(slot) => match self.locals.get(*slot) {
                Some(value) => Ok(value.clone()),
                None => Err(self.error(span, Cause::NoValue)),
            },
            Operation::Field { target, field } => {
                let target = self.value(target)?;
                self.entry(span, &target, &Key::String(Arc::clone(field)))
            }
            Operation::HasField { target, field } => match self.value(target)? {
                Value::Map(entries) => Ok(Value::Bool(
                    entries.contains_key(&Key::String(Arc::clone(field))),
                )),
                other => Err(self.error(span, Cause::mismatch(&[other]))),
            },
            Operation::Index { target, index } => {
                let target = self.value(target)?;
                let index = self.value(index)?;
                self.indexed(span, &target, &index)
            }
            Operation::List(elements) => {
                let found: Result<Vec<Value>, EvaluationError> =
                    elements.iter().map(|element| self.value(element)).collect();
                Ok(Value::List(found?.into()))
            }
            Operation::Map(entries) => self.map(entries),
            Operation::Not(inner) => {
                let inner_value = self.value(inner)?;
                Ok(Value::Bool(!self.truth(inner.span, &inner_value)?))
            }
            Operation::Negate(inner) => {
                let inner = self.value(inner)?;
                let result = match &inner {
                    Value::Int(value) => checked(value.checked_neg().map(Value::Int), "an int"),
                    Value::Double(value) => Ok(Value::Double(-value)),
                    other => Err(Cause::mismatch(std::slice::from_ref(other))),
                };
                result.map_err(|cause| self.error(span, cause))
            }
            Operation::And(parts) => self.joined(parts, false),
            Operation::Or(parts) => self.joined(parts, true),
            Operation::Conditional { test, yes, no } => {
                let found = self.value(test)?;
                if self.truth(test.span, &found)? {
                    self.value(yes)
                } else {
                    self.value(no)
                }
            }
            Operation::Binary {
                operator,
                left,
                right,
            } => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                self.binary(span, *operator, &left, &right)
            }
            Operation::Call {
                function,
                arguments,
            } => {
                let arguments: Result<Vec<Value>, EvaluationError> = arguments
                    .iter()
                    .map(|argument| self.value(argument))
                    .collect();
                let arguments = arguments?;
                self.take(span, arguments.iter().map(text_steps).sum())?;
                function
                    .call(&arguments)
                    .map_err(|cause| self.error(span, cause))
            }
            Operation::Macro(details) => self.macro_value(span, details),
        }
    }

    fn variable(&mut self, span: Span, name: &Variable) -> Found {
        let Some(value) = self.values.get(&name.name) else {
            return Err(self.error(span, Cause::NoValue));
        };
        let mut steps = self.steps;
        if !value.is_of(&name.declared, &mut steps) {
            let cause = if steps == 0 {
                Cause::TooCostly
            } else {
                Cause::mismatch(std::slice::from_ref(value))
            };
            return Err(self.error(span, cause));
        }
        self.steps = steps;
        if !value.is_finite() {
            return Err(self.error(span, Cause::NoValue));
        }
        Ok(value.clone())
    }

    fn truth(&self, span: Span, value: &Value) -> Result<bool, EvaluationError> {
        match value {
            Value::Bool(truth) => Ok(*truth),
            other => Err(self.error(span, Cause::mismatch(std::slice::from_ref(other)))),
        }
    }

    /// `&&` and `||`: the value `decisive` decides, whatever the others are.
    fn joined(&mut self, parts: &[Checked], decisive: bool) -> Found {
        let mut pending = None;
        for part in parts {
            let found = self
                .value(part)
                .and_then(|value| self.truth(part.span, &value));
            if self.settle(found, decisive, &mut pending)? {
                return Ok(Value::Bool(decisive));
            }
        }
        match pending {
            Some(error) => Err(error),
            None => Ok(Value::Bool(!decisive)),
        }
    }

    /// Whether this answer decides; an error waits for one that does.
    fn settle(
        &self,
        found: Result<bool, EvaluationError>,
        decisive: bool,
        pending: &mut Option<EvaluationError>,
    ) -> Result<bool, EvaluationError> {
        match found {
            Ok(truth) => Ok(truth == decisive),
            Err(error) if error.cause == Cause::TooCostly => Err(error),
            Err(error) => {
                pending.get_or_insert(error);
                Ok(false)
            }
        }
    }

    fn indexed(&mut self, span: Span, target: &Value, index: &Value) -> Found {
        match (target, index) {
            (Value::List(elements), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| elements.get(at));
                found.cloned().ok_or_else(|| {
                    let cause = Cause::NoSuchElement {
                        index: *at,
                        length: elements.len(),
                    };
                    self.error(span, cause)
                })
            }
            (Value::Map(_), key) => match key.as_key() {
                Some(key) => self.entry(span, target, &key),
                None => Err(self.error(span, Cause::mismatch(std::slice::from_ref(key)))),
            },
            (other, _) => Err(self.error(span, Cause::mismatch(std::slice::from_ref(other)))),
        }
    }

    fn entry(&mut self, span: Span, target: &Value, key: &Key) -> Found {
        match target {
            Value::Map(entries) => entries.get(key).cloned().ok_or_else(|| {
                let shown: String = key.to_string().chars().take(QUOTED_MAX).collect();
                self.error(span, Cause::NoSuchKey(shown))
            }),
            other => Err(self.error(span, Cause::mismatch(std::slice::from_ref(other)))),
        }
    }

    fn map(&mut self, entries: &[(Checked, Checked)]) -> Found {
        let mut map = BTreeMap::new();
        for (key_part, value) in entries {
            let key = self.value(key_part)?;
            let Some(key) = key.as_key() else {
                return Err(self.error(key_part.span, Cause::mismatch(&[key])));
            };
            let value = self.value(value)?;
            if map.contains_key(&key) {
                let shown: String = key.to_string().chars().take(QUOTED_MAX).collect();
                return Err(self.error(key_part.span, Cause::RepeatedKey(shown)));
            }
            map.insert(key, value);
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn binary(&mut self, span: Span, operator: Operator, left: &Value, right: &Value) -> Found {
        let result = match operator {
            Operator::Equal => return Ok(Value::Bool(self.equal(span, left, right)?)),
            Operator::NotEqual => return Ok(Value::Bool(!self.equal(span, left, right)?)),
            Operator::In => return self.contained(span, left, right),
            _ if operator.orders() => {
                self.take(span, text_steps(left))?;
                order(left, right).map(|order| Value::Bool(orders_so(operator, order)))
            }
            Operator::Add => match (left, right) {
                (Value::String(one), Value::String(two)) => {
                    self.take(span, text_steps(left) + text_steps(right))?;
                    Ok(format!("{one}{two}").into())
                }
                (Value::List(one), Value::List(two)) => {
                    self.take(span, one.len() + two.len())?;
                    Ok(Value::List(one.iter().chain(two.iter()).cloned().collect()))
                }
                _ => arithmetic(operator, left, right),
            },
            _ => arithmetic(operator, left, right),
        };
        result.map_err(|cause| self.error(span, cause))
    }

    fn contained(&mut self, span: Span, left: &Value, right: &Value) -> Found {
        match right {
            Value::List(elements) => {
                for element in elements.iter() {
                    if self.equal(span, left, element)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Ok(Value::Bool(false))
            }
            Value::Map(entries) => Ok(Value::Bool(
                left.as_key().is_some_and(|key| entries.contains_key(&key)),
            )),
            other => Err(self.error(span, Cause::mismatch(std::slice::from_ref(other)))),
        }
    }

    /// Whether two values of one type are equal.
    fn equal(&mut self, span: Span, one: &Value, two: &Value) -> Result<bool, EvaluationError> {
        self.take(span, 1 + text_steps(one))?;
        match (one, two) {
            (Value::List(one), Value::List(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for (one, two) in one.iter().zip(two.iter()) {
                    if !self.equal(span, one, two)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Value::Map(one), Value::Map(two)) => {
                if one.len() != two.len() {
                    return Ok(false);
                }
                for ((key, one), (other_key, two)) in one.iter().zip(two.iter()) {
                    if key != other_key || !self.equal(span, one, two)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(one == two),
        }
    }

    fn macro_value(&mut self, span: Span, details: &MacroPart) -> Found {
        let elements: Vec<Value> = match self.value(&details.range)? {
            Value::List(elements) => elements.to_vec(),
            Value::Map(entries) => entries.keys().map(Key::as_value).collect(),
            other => return Err(self.error(span, Cause::mismatch(&[other]))),
        };
        self.take(span, elements.len())?;
        let depth = self.locals.len();
        let found = self.each(span, details, elements);
        self.locals.truncate(depth);
        found
    }

    fn each(&mut self, span: Span, details: &MacroPart, elements: Vec<Value>) -> Found {
        let slot = self.locals.len();
        let mut kept = Vec::new();
        let mut matching = 0_usize;
        let mut pending = None;
        for element in elements {
            self.locals.truncate(slot);
            self.locals.push(element.clone());
            let passes = match &details.test {
                Some(test) => self
                    .value(test)
                    .and_then(|value| self.truth(test.span, &value)),
                None => Ok(true),
            };
            match details.kind {
                Macro::All | Macro::Exists => {
                    let decisive = details.kind == Macro::Exists;
                    if self.settle(passes, decisive, &mut pending)? {
                        return Ok(Value::Bool(decisive));
                    }
                }
                Macro::ExistsOne => matching += usize::from(passes?),
                Macro::Filter => {
                    if passes? {
                        kept.push(element);
                    }
                }
                Macro::Map => {
                    if passes? && let Some(result) = &details.result {
                        kept.push(self.value(result)?);
                    }
                }
            }
        }
        match (details.kind, pending) {
            (_, Some(error)) => Err(error),
            (Macro::All, None) => Ok(Value::Bool(true)),
            (Macro::Exists, None) => Ok(Value::Bool(false)),
            (Macro::ExistsOne, None) => Ok(Value::Bool(matching == 1)),
            (Macro::Filter | Macro::Map, None) => {
                self.take(span, kept.len())?;
                Ok(Value::List(kept.into()))
            }
        }
    }
}

fn text_steps(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() / TEXT_STEP,
        _ => 0,
    }
}
