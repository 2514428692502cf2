//! Operators over values, as Go's implementation computes them.

use super::ConditionError;
use super::syntax::Binary;
use super::value::Value;
use std::cmp::Ordering;

/// Largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Both sides computed: what the operator makes of them.
pub(super) fn binary(
    at: usize,
    operator: Binary,
    left: &Value,
    right: &Value,
) -> Result<Value, ConditionError> {
    let found = match operator {
        Binary::Equal => Some(Value::Bool(equal(left, right))),
        Binary::NotEqual => Some(Value::Bool(!equal(left, right))),
        Binary::Less | Binary::Greater | Binary::LessOrEqual | Binary::GreaterOrEqual => {
            compared(operator, left, right).map(Value::Bool)
        }
        Binary::In => return is_in(at, left, right).map(Value::Bool),
        Binary::Matches | Binary::Contains | Binary::StartsWith | Binary::EndsWith => {
            return texts(at, operator, left, right).map(Value::Bool);
        }
        Binary::Range => match (left, right) {
            (Value::Int(from), Value::Int(to)) => {
                Some(Value::Array((*from..=*to).map(Value::Int).collect()))
            }
            _ => None,
        },
        Binary::Add => add(left, right),
        Binary::Subtract => subtract(left, right),
        Binary::Multiply => multiply(left, right),
        Binary::Divide => numbers(left, right).map(|(left, right)| Value::Float(left / right)),
        Binary::Power => numbers(left, right).map(|(left, right)| Value::Float(left.powf(right))),
        Binary::Modulo => match (left, right) {
            (Value::Int(_), Value::Int(0)) => {
                return Err(ConditionError::new(at, "a remainder of a division by 0"));
            }
            (Value::Int(left), Value::Int(right)) => Some(Value::Int(left.wrapping_rem(*right))),
            _ => None,
        },
        // Their right side is computed only when it counts.
        Binary::And | Binary::Or | Binary::Coalesce => None,
    };
    found.ok_or_else(|| {
        let (sign, left, right) = (operator.sign(), left.kind(), right.kind());
        ConditionError::new(at, format!("`{sign}` cannot be used on {left} and {right}"))
    })
}

/// Whether two values are the same. Whole and broken numbers are compared by what they stand for; inside
/// of maps they differ, as in Go's deep comparison.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Int(left), Value::Float(right)) => *left as f64 == *right,
        (Value::Float(left), Value::Int(right)) => *left == *right as f64,
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| equal(left, right))
        }
        _ => left == right,
    }
}

/// How two values stand to each other; `None` when they have no order.
pub(super) fn compared(operator: Binary, left: &Value, right: &Value) -> Option<bool> {
    let ordering = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        _ => {
            let (left, right) = numbers(left, right)?;
            // Nothing holds of NaN.
            left.partial_cmp(&right)
        }
    };
    Some(match operator {
        Binary::Less => ordering == Some(Ordering::Less),
        Binary::Greater => ordering == Some(Ordering::Greater),
        Binary::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        _ => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
    })
}

/// Both as broken numbers; `None` when one is no number.
fn numbers(left: &Value, right: &Value) -> Option<(f64, f64)> {
    Some((number(left)?, number(right)?))
}

/// The number that a value is.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// `left + right`; `None` when they cannot be added.
pub(super) fn add(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(left.wrapping_add(*right)),
        (Value::Text(left), Value::Text(right)) => Value::from(format!("{left}{right}").as_str()),
        (Value::Time(time), Value::Duration(span)) | (Value::Duration(span), Value::Time(time)) => {
            Value::Time(time.shifted(span.div_euclid(1_000_000)))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            Value::Duration(left.wrapping_add(*right))
        }
        _ => numbers(left, right).map(|(left, right)| Value::Float(left + right))?,
    })
}

fn subtract(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(left.wrapping_sub(*right)),
        (Value::Time(time), Value::Duration(span)) => {
            Value::Time(time.shifted(-(span.div_euclid(1_000_000))))
        }
        (Value::Time(left), Value::Time(right)) => {
            Value::Duration(left.0.saturating_sub(right.0).saturating_mul(1_000_000))
        }
        (Value::Duration(left), Value::Duration(right)) => {
            Value::Duration(left.wrapping_sub(*right))
        }
        _ => numbers(left, right).map(|(left, right)| Value::Float(left - right))?,
    })
}

fn multiply(left: &Value, right: &Value) -> Option<Value> {
    Some(match (left, right) {
        (Value::Int(left), Value::Int(right)) => Value::Int(left.wrapping_mul(*right)),
        (Value::Duration(span), Value::Int(times)) | (Value::Int(times), Value::Duration(span)) => {
            Value::Duration(span.wrapping_mul(*times))
        }
        (Value::Duration(span), Value::Float(times))
        | (Value::Float(times), Value::Duration(span)) => {
            Value::Duration((*span as f64 * times) as i64)
        }
        _ => numbers(left, right).map(|(left, right)| Value::Float(left * right))?,
    })
}

fn is_in(at: usize, needle: &Value, of: &Value) -> Result<bool, ConditionError> {
    match (needle, of) {
        (_, Value::Nil) => Ok(false),
        (_, Value::Array(items)) => Ok(items.iter().any(|item| equal(item, needle))),
        (Value::Text(key), Value::Map(entries)) => Ok(entries.contains_key(&**key)),
        (Value::Nil, Value::Map(_)) => Ok(false),
        _ => Err(ConditionError::new(
            at,
            format!("`in` cannot be used on {} and {}", needle.kind(), of.kind()),
        )),
    }
}

fn texts(at: usize, operator: Binary, left: &Value, right: &Value) -> Result<bool, ConditionError> {
    let (left, right) = match (left, right) {
        (Value::Nil, _) | (_, Value::Nil) => return Ok(false),
        (Value::Text(left), Value::Text(right)) => (left, right),
        _ => {
            let (sign, left, right) = (operator.sign(), left.kind(), right.kind());
            let cause = format!("`{sign}` cannot be used on {left} and {right}");
            return Err(ConditionError::new(at, cause));
        }
    };
    match operator {
        Binary::Contains => Ok(left.contains(&**right)),
        Binary::StartsWith => Ok(left.starts_with(&**right)),
        Binary::EndsWith => Ok(left.ends_with(&**right)),
        _ => Ok(pattern(at, right)?.is_match(left)),
    }
}

/// The regular expression of a text. The engine takes linear time, whatever the pattern.
pub(super) fn pattern(at: usize, text: &str) -> Result<regex::Regex, ConditionError> {
    regex::RegexBuilder::new(text)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
        .map_err(|cause| {
            let cause = cause.to_string();
            let last = cause.lines().last().unwrap_or_default();
            ConditionError::new(at, format!("`{text}` is no regular expression: {last}"))
        })
}

/// `of[key]`. An index beyond an array is an error, as in Go; a key that a map lacks is nothing.
pub(super) fn fetch(at: usize, of: &Value, key: &Value) -> Result<Value, ConditionError> {
    let error = |cause: String| Err(ConditionError::new(at, cause));
    let length = match of {
        Value::Map(entries) => {
            return match key {
                Value::Text(key) => Ok(entries.get(&**key).cloned().unwrap_or(Value::Nil)),
                Value::Nil => Ok(Value::Nil),
                other => error(format!("a key is a string, not {}", other.kind())),
            };
        }
        Value::Array(items) => items.len(),
        Value::Text(text) => text.len(),
        other => {
            return match key {
                Value::Text(name) => error(format!("{} has no field `{name}`", other.kind())),
                _ => error(format!("{} has no elements", other.kind())),
            };
        }
    };
    let index = match key {
        Value::Int(index) => *index,
        Value::Float(index) => *index as i64,
        other => {
            return error(format!(
                "an element is chosen by an int, not {}",
                other.kind()
            ));
        }
    };
    match position(index, length) {
        Some(position) => Ok(element(of, position)),
        None => error(format!("there is no element {index}: there are {length}")),
    }
}

/// The element or byte at a position that is known to be there.
fn element(of: &Value, position: usize) -> Value {
    match of {
        Value::Array(items) => items.get(position).cloned().unwrap_or(Value::Nil),
        Value::Text(text) => text
            .as_bytes()
            .get(position)
            .map_or(Value::Nil, |byte| Value::Int(i64::from(*byte))),
        _ => Value::Nil,
    }
}

/// Where an index is; negative ones count from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    let length_signed = i64::try_from(length).ok()?;
    let position = if index < 0 {
        length_signed.checked_add(index)?
    } else {
        index
    };
    usize::try_from(position)
        .ok()
        .filter(|found| *found < length)
}

/// `get(of, key)`: as `of[key]`, but nothing where that would be an error of the index.
pub(super) fn get(at: usize, of: &Value, key: &Value) -> Result<Value, ConditionError> {
    match (of, key) {
        (Value::Array(items), Value::Int(index)) => {
            Ok(position(*index, items.len()).map_or(Value::Nil, |found| element(of, found)))
        }
        (Value::Map(_) | Value::Array(_) | Value::Text(_), _) => fetch(at, of, key),
        _ => Ok(Value::Nil),
    }
}

/// `of[from:to]`; bounds beyond the ends are the ends. Texts are cut by bytes.
pub(super) fn slice(
    at: usize,
    of: &Value,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Value, ConditionError> {
    let length = match of {
        Value::Array(items) => items.len(),
        Value::Text(text) => text.len(),
        other => {
            let cause = format!("{} has no parts to slice", other.kind());
            return Err(ConditionError::new(at, cause));
        }
    };
    let bound = |given: Option<i64>, default: usize| {
        let Some(index) = given else { return default };
        let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
        if index < 0 {
            length.saturating_sub(distance)
        } else {
            distance.min(length)
        }
    };
    let end = bound(to, length);
    let start = bound(from, 0).min(end);
    Ok(match of {
        Value::Array(items) => Value::Array(items[start..end].into()),
        Value::Text(text) => Value::from(&*String::from_utf8_lossy(&text.as_bytes()[start..end])),
        other => other.clone(),
    })
}
