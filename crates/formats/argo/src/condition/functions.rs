//! Functions without a predicate, over arguments whose number is checked.

use super::evaluate::{Machine, Stop, error};
use super::value::Value;
use super::{operators, predicates, strings};
use crate::api::{Time, go_duration_ns};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `name(given…)`.
pub(super) fn call(
    machine: &mut Machine<'_>,
    at: usize,
    name: &str,
    given: &[Value],
) -> Result<Value, Stop> {
    let paid: u64 = given.iter().map(Value::size).sum();
    machine.spend(at, paid)?;
    let first = given.first().unwrap_or(&Value::Nil);
    let second = given.get(1);
    let wrong = || {
        Err(error(
            at,
            format!("{name}() does not take {}", first.kind()),
        ))
    };
    let found = match name {
        "asInt" => return as_int(at, first),
        "asFloat" => return as_float(at, name, first),
        "float" => return as_float(at, name, first),
        "int" => return int(at, first),
        "isNaN" | "isInf" => match first {
            Value::Float(number) if name == "isNaN" => Value::Bool(number.is_nan()),
            Value::Float(number) => Value::Bool(number.is_infinite()),
            // Only one that is written out gets here; the check refuses others.
            Value::Int(_) => Value::Bool(false),
            _ => return wrong(),
        },
        // Both look at `result`, whatever they are given: Argo's own definition.
        "isNil" => Value::Bool(*machine.result() == Value::Nil),
        "default" => match machine.result() {
            Value::Nil => second.cloned().unwrap_or(Value::Nil),
            result => result.clone(),
        },
        "len" => match first {
            Value::Array(items) => Value::Int(items.len() as i64),
            Value::Map(entries) => Value::Int(entries.len() as i64),
            Value::Text(text) => Value::Int(text.chars().count() as i64),
            _ => return wrong(),
        },
        "type" => Value::from(first.kind()),
        "string" => Value::from(first.to_string().as_str()),
        "abs" => match first {
            Value::Int(number) => Value::Int(number.wrapping_abs()),
            Value::Float(number) => Value::Float(number.abs()),
            _ => return wrong(),
        },
        "ceil" | "floor" | "round" => match (operators::number(first), name) {
            (Some(number), "ceil") => Value::Float(number.ceil()),
            (Some(number), "floor") => Value::Float(number.floor()),
            (Some(number), _) => Value::Float(number.round()),
            (None, _) => return wrong(),
        },
        "max" | "min" => extreme(at, name, given)?,
        "mean" => {
            let numbers = flat_numbers(at, name, given)?;
            let count = numbers.len().max(1) as f64;
            Value::Float(numbers.iter().sum::<f64>() / count)
        }
        "median" => Value::Float(median(flat_numbers(at, name, given)?)),
        "fromJSON" => match first {
            Value::Text(text) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(json) => Value::from(json),
                Err(cause) => return Err(error(at, format!("fromJSON(): {cause}"))),
            },
            _ => return wrong(),
        },
        "first" | "last" => {
            let index = if name == "first" { 0 } else { -1 };
            operators::get(at, first, &Value::Int(index))?
        }
        "get" => operators::get(at, first, second.unwrap_or(&Value::Nil))?,
        "bitand" | "bitor" => match (first, second) {
            (Value::Int(left), Some(Value::Int(right))) if name == "bitand" => {
                Value::Int(left & right)
            }
            (Value::Int(left), Some(Value::Int(right))) => Value::Int(left | right),
            _ => return wrong(),
        },
        "now" => Value::Time(machine.now()),
        "duration" => match first {
            Value::Text(text) => match go_duration_ns(text) {
                Ok(nanoseconds) => Value::Duration(nanoseconds),
                Err(cause) => return Err(error(at, cause)),
            },
            _ => return wrong(),
        },
        "date" => date(at, given)?,
        "sort" => match first {
            Value::Array(items) => predicates::sorted(at, items, second)?,
            _ => return wrong(),
        },
        "take" | "keys" | "values" | "toPairs" | "fromPairs" | "reverse" | "uniq" | "concat"
        | "flatten" => collection(machine, at, name, given)?,
        _ => return strings::call(machine, at, name, given),
    };
    machine.made(at, found)
}

fn as_int(at: usize, value: &Value) -> Result<Value, Stop> {
    match value {
        Value::Int(number) => Ok(Value::Int(*number)),
        Value::Float(number) => Ok(Value::Int(*number as i64)),
        Value::Text(text) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| error(at, format!("asInt(): \"{text}\" is no whole number"))),
        other => Err(error(at, format!("asInt() does not take {}", other.kind()))),
    }
}

fn int(at: usize, value: &Value) -> Result<Value, Stop> {
    match value {
        Value::Text(text) => text
            .parse()
            .map(Value::Int)
            .map_err(|_| error(at, format!("int(): \"{text}\" is no whole number"))),
        Value::Int(_) | Value::Float(_) => as_int(at, value),
        other => Err(error(at, format!("int() does not take {}", other.kind()))),
    }
}

fn as_float(at: usize, name: &str, value: &Value) -> Result<Value, Stop> {
    match value {
        Value::Int(number) => Ok(Value::Float(*number as f64)),
        Value::Float(number) => Ok(Value::Float(*number)),
        Value::Text(text) => text
            .parse::<f64>()
            .map(Value::Float)
            .map_err(|_| error(at, format!("{name}(): \"{text}\" is no number"))),
        other => Err(error(
            at,
            format!("{name}() does not take {}", other.kind()),
        )),
    }
}

/// The numbers of the arguments and of the arrays among them, however deep.
fn flat_numbers(at: usize, name: &str, given: &[Value]) -> Result<Vec<f64>, Stop> {
    let mut numbers = Vec::new();
    for value in given {
        match value {
            Value::Array(items) => numbers.extend(flat_numbers(at, name, items)?),
            other => numbers
                .push(operators::number(other).ok_or_else(|| {
                    error(at, format!("{name}() does not take {}", other.kind()))
                })?),
        }
    }
    Ok(numbers)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match (numbers.len(), numbers.len() / 2) {
        (0, _) => 0.0,
        (length, middle) if length % 2 == 1 => numbers[middle],
        (_, middle) => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

/// The greatest or least number, as the kind that it has; nothing of no numbers.
fn extreme(at: usize, name: &str, given: &[Value]) -> Result<Value, Stop> {
    let mut best = Value::Nil;
    for value in given {
        let candidate = match value {
            Value::Array(items) => extreme(at, name, items)?,
            Value::Int(_) | Value::Float(_) => value.clone(),
            other => {
                return Err(error(
                    at,
                    format!("{name}() does not take {}", other.kind()),
                ));
            }
        };
        let (Some(new), old) = (operators::number(&candidate), operators::number(&best)) else {
            continue;
        };
        let is_better = old.is_none_or(|old| if name == "max" { new > old } else { new < old });
        if is_better {
            best = candidate;
        }
    }
    Ok(best)
}

fn date(at: usize, given: &[Value]) -> Result<Value, Stop> {
    let [Value::Text(text)] = given else {
        return Err(error(
            at,
            "date() takes one text here, as \"2026-11-22\" or \"2026-11-22T08:00:00Z\"",
        ));
    };
    let full = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        19 => format!("{}Z", text.replacen(' ', "T", 1)),
        _ => text.to_string(),
    };
    match Time::parse(&full) {
        Ok(time) => Ok(Value::Time(time.0)),
        Err(_) => Err(error(at, format!("date(): `{text}` is no date"))),
    }
}

fn collection(
    machine: &mut Machine<'_>,
    at: usize,
    name: &str,
    given: &[Value],
) -> Result<Value, Stop> {
    let first = given.first().unwrap_or(&Value::Nil);
    if let Value::Map(entries) = first {
        let items: Vec<Value> = match name {
            "keys" => entries
                .keys()
                .map(|key| Value::from(key.as_str()))
                .collect(),
            "values" => entries.values().cloned().collect(),
            "toPairs" => entries
                .iter()
                .map(|(key, value)| Value::from(vec![Value::from(key.as_str()), value.clone()]))
                .collect(),
            _ => return Err(error(at, format!("{name}() does not take map"))),
        };
        return Ok(items.into());
    }
    let Value::Array(items) = first else {
        return Err(error(
            at,
            format!("{name}() does not take {}", first.kind()),
        ));
    };
    Ok(match name {
        "take" => {
            let Some(Value::Int(count)) = given.get(1) else {
                return Err(error(at, "take() needs a number of elements"));
            };
            let Ok(count) = usize::try_from(*count) else {
                return Err(error(at, format!("take() cannot take {count} elements")));
            };
            items.iter().take(count).cloned().collect::<Vec<_>>().into()
        }
        "fromPairs" => Value::Map(Arc::new(from_pairs(at, items)?)),
        "reverse" => items.iter().rev().cloned().collect::<Vec<_>>().into(),
        "uniq" => {
            // Each element is held against all that were kept.
            let length = items.len() as u64;
            machine.spend(at, length.saturating_mul(length))?;
            let mut kept: Vec<Value> = Vec::new();
            for item in items.iter() {
                if !kept.iter().any(|other| operators::equal(item, other)) {
                    kept.push(item.clone());
                }
            }
            kept.into()
        }
        "flatten" => {
            let mut flat = Vec::new();
            flatten(items, &mut flat);
            flat.into()
        }
        "concat" => {
            let mut all = Vec::new();
            for value in given {
                match value {
                    Value::Array(items) => all.extend(items.iter().cloned()),
                    other => {
                        return Err(error(
                            at,
                            format!("concat() does not take {}", other.kind()),
                        ));
                    }
                }
            }
            all.into()
        }
        _ => return Err(error(at, format!("{name}() does not take array"))),
    })
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::Array(inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn from_pairs(at: usize, items: &[Value]) -> Result<BTreeMap<String, Value>, Stop> {
    let mut map = BTreeMap::new();
    for item in items {
        let pair = match item {
            Value::Array(pair) => pair.to_vec(),
            _ => Vec::new(),
        };
        let [Value::Text(key), value] = pair.as_slice() else {
            return Err(error(at, "fromPairs() needs pairs of a string and a value"));
        };
        map.insert(key.to_string(), value.clone());
    }
    Ok(map)
}
