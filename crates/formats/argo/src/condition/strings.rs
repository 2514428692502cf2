//! Functions over texts.

use super::evaluate::{Machine, Stop, error};
use super::value::Value;

/// Most copies that `repeat` makes.
const MAX_COPIES: i64 = 1_000_000;

/// `name(given…)`, whose first argument is a text, or an array of texts for `join`.
pub(super) fn call(
    machine: &mut Machine<'_>,
    at: usize,
    name: &str,
    given: &[Value],
) -> Result<Value, Stop> {
    if name == "join" {
        return join(machine, at, given);
    }
    let mut texts = Vec::new();
    let mut number = None;
    for value in given {
        match value {
            Value::Text(text) if number.is_none() => texts.push(&**text),
            Value::Int(given) if number.is_none() => number = Some(*given),
            other => {
                return Err(error(
                    at,
                    format!("{name}() does not take {}", other.kind()),
                ));
            }
        }
    }
    let found = match (name, texts.as_slice(), number) {
        ("trim", [text], None) => Value::from(text.trim()),
        ("trim", [text, cut], None) => Value::from(text.trim_matches(|c| cut.contains(c))),
        ("trimPrefix", [text, prefix], None) => {
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        ("trimPrefix", [text], None) => Value::from(text.strip_prefix(' ').unwrap_or(text)),
        ("trimSuffix", [text, suffix], None) => {
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        ("trimSuffix", [text], None) => Value::from(text.strip_suffix(' ').unwrap_or(text)),
        ("upper", [text], None) => Value::from(text.to_uppercase().as_str()),
        ("lower", [text], None) => Value::from(text.to_lowercase().as_str()),
        ("hasPrefix", [text, prefix], None) => Value::Bool(text.starts_with(prefix)),
        ("hasSuffix", [text, suffix], None) => Value::Bool(text.ends_with(suffix)),
        ("indexOf", [text, part], None) => position(text.find(part)),
        ("lastIndexOf", [text, part], None) => position(text.rfind(part)),
        ("split" | "splitAfter", [text, separator], limit) => {
            split(text, separator, limit, name == "splitAfter")
        }
        ("replace", [text, old, new], limit) => {
            let growth = (text.len() as u64).saturating_mul(new.len() as u64 + 1) / 16;
            machine.spend(at, growth)?;
            let replaced = match limit.map(usize::try_from) {
                Some(Ok(limit)) => text.replacen(old, new, limit),
                // Without a number, or with a negative one, all.
                _ => text.replace(old, new),
            };
            Value::from(replaced.as_str())
        }
        ("repeat", [text], Some(copies)) => {
            if !(0..=MAX_COPIES).contains(&copies) {
                let cause = format!("repeat() makes 0 to {MAX_COPIES} copies, not {copies}");
                return Err(error(at, cause));
            }
            machine.spend(
                at,
                (text.len() as u64).saturating_mul(copies.unsigned_abs()),
            )?;
            Value::from(text.repeat(copies.unsigned_abs() as usize).as_str())
        }
        _ => {
            return Err(error(at, format!("{name}() does not take these arguments")));
        }
    };
    machine.made(at, found)
}

fn position(found: Option<usize>) -> Value {
    Value::Int(found.map_or(-1, |at| at as i64))
}

/// The parts of a text; at most `limit`, of which the last is the rest. The separator may stay.
fn split(text: &str, separator: &str, limit: Option<i64>, keeps: bool) -> Value {
    let most = match limit {
        Some(0) => return Value::from(Vec::<Value>::new()),
        Some(limit) if limit > 0 => usize::try_from(limit).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let mut parts: Vec<Value> = Vec::new();
    let mut rest = text;
    while parts.len() + 1 < most {
        let (end, length) = match rest.find(separator) {
            // Nothing separates characters.
            Some(_) if separator.is_empty() => match rest.chars().next() {
                Some(first) if first.len_utf8() < rest.len() => (first.len_utf8(), 0),
                _ => break,
            },
            Some(end) => (end, separator.len()),
            None => break,
        };
        let kept = if keeps { end + length } else { end };
        parts.push(Value::from(&rest[..kept]));
        rest = &rest[end + length..];
    }
    if !(rest.is_empty() && separator.is_empty()) {
        parts.push(Value::from(rest));
    }
    parts.into()
}

fn join(machine: &mut Machine<'_>, at: usize, given: &[Value]) -> Result<Value, Stop> {
    let (Some(Value::Array(items)), glue) = (given.first(), given.get(1)) else {
        return Err(error(at, "join() takes an array of strings"));
    };
    let glue = match glue {
        None => "",
        Some(Value::Text(glue)) => glue,
        Some(other) => return Err(error(at, format!("join() does not take {}", other.kind()))),
    };
    let growth = (items.len() as u64).saturating_mul(glue.len() as u64) / 16;
    machine.spend(at, growth)?;
    let mut texts = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item {
            Value::Text(text) => texts.push(&**text),
            other => {
                return Err(error(
                    at,
                    format!("join() takes strings, not {}", other.kind()),
                ));
            }
        }
    }
    machine.made(at, Value::from(texts.join(glue).as_str()))
}
