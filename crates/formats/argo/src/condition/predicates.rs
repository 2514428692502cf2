//! Functions that run a predicate for each element of an array.

use super::evaluate::{Element, Machine, Stop, error};
use super::operators;
use super::syntax::{Binary, Node};
use super::value::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `name(over, predicate, extra)`.
pub(super) fn each<'a>(
    machine: &mut Machine<'a>,
    at: usize,
    name: &str,
    over: &Value,
    predicate: Option<&'a Node>,
    extra: Option<Value>,
) -> Result<Value, Stop> {
    let items = match over {
        Value::Array(items) => items.clone(),
        other => {
            return Err(error(
                at,
                format!("{name}() takes an array, not {}", other.kind()),
            ));
        }
    };
    machine.spend(at, items.len() as u64)?;
    match name {
        "sum" => return sum(machine, at, &items, predicate),
        "reduce" => return reduce(machine, at, &items, predicate, extra),
        _ => {}
    }
    let mut yields = Vec::with_capacity(items.len());
    let order: Vec<usize> = if name.starts_with("findLast") {
        (0..items.len()).rev().collect()
    } else {
        (0..items.len()).collect()
    };
    for index in order {
        let value = yielded(machine, predicate, &items, index)?;
        if matches!(name, "map" | "groupBy" | "sortBy") {
            yields.push(value);
            continue;
        }
        let Value::Bool(holds) = value else {
            let cause = format!(
                "the predicate of {name}() must be a bool, not {}",
                value.kind()
            );
            return Err(error(at, cause));
        };
        match name {
            "all" if !holds => return Ok(Value::Bool(false)),
            "any" if holds => return Ok(Value::Bool(true)),
            "none" if holds => return Ok(Value::Bool(false)),
            "find" | "findLast" if holds => return Ok(items[index].clone()),
            "findIndex" | "findLastIndex" if holds => return Ok(Value::Int(index as i64)),
            _ if holds => yields.push(items[index].clone()),
            _ => {}
        }
    }
    match name {
        "all" | "none" => Ok(Value::Bool(true)),
        "any" => Ok(Value::Bool(false)),
        "one" => Ok(Value::Bool(yields.len() == 1)),
        "count" => Ok(Value::Int(yields.len() as i64)),
        "find" | "findLast" => Ok(Value::Nil),
        // Go's implementation finds nothing, not -1.
        "findIndex" | "findLastIndex" => Ok(Value::Nil),
        "groupBy" => grouped(machine, at, &items, yields),
        "sortBy" => sorted_by(at, &items, yields, extra.as_ref()),
        _ => machine.made(at, yields.into()),
    }
}

/// What the predicate yields for the element; the element itself without one.
fn yielded<'a>(
    machine: &mut Machine<'a>,
    predicate: Option<&'a Node>,
    items: &[Value],
    index: usize,
) -> Result<Value, Stop> {
    let value = items[index].clone();
    match predicate {
        None => Ok(value),
        Some(predicate) => machine.with(
            predicate,
            Element {
                value,
                index,
                accumulated: Value::Nil,
            },
        ),
    }
}

fn sum<'a>(
    machine: &mut Machine<'a>,
    at: usize,
    items: &[Value],
    predicate: Option<&'a Node>,
) -> Result<Value, Stop> {
    let mut total = Value::Int(0);
    for index in 0..items.len() {
        let value = yielded(machine, predicate, items, index)?;
        total = operators::add(&total, &value).ok_or_else(|| {
            error(
                at,
                format!("{} cannot be added to {}", value.kind(), total.kind()),
            )
        })?;
    }
    Ok(total)
}

fn reduce<'a>(
    machine: &mut Machine<'a>,
    at: usize,
    items: &[Value],
    predicate: Option<&'a Node>,
    initial: Option<Value>,
) -> Result<Value, Stop> {
    let Some(predicate) = predicate else {
        return Err(error(at, "reduce() needs a predicate"));
    };
    let (mut accumulated, first) = match (initial, items.first()) {
        (Some(initial), _) => (initial, 0),
        (None, Some(first)) => (first.clone(), 1),
        (None, None) => {
            return Err(error(
                at,
                "reduce() of an empty array needs an initial value",
            ));
        }
    };
    for (index, value) in items.iter().enumerate().skip(first) {
        let value = value.clone();
        accumulated = machine.with(
            predicate,
            Element {
                value,
                index,
                accumulated,
            },
        )?;
    }
    Ok(accumulated)
}

fn grouped(
    machine: &mut Machine<'_>,
    at: usize,
    items: &[Value],
    keys: Vec<Value>,
) -> Result<Value, Stop> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (item, key) in items.iter().zip(keys) {
        let Value::Text(key) = key else {
            return Err(error(
                at,
                format!(
                    "groupBy() needs a string for each element here, not {}",
                    key.kind()
                ),
            ));
        };
        groups
            .entry(key.to_string())
            .or_default()
            .push(item.clone());
    }
    let groups = groups
        .into_iter()
        .map(|(key, group)| (key, Value::from(group)))
        .collect();
    machine.made(at, Value::Map(Arc::new(groups)))
}

fn sorted_by(
    at: usize,
    items: &[Value],
    keys: Vec<Value>,
    order: Option<&Value>,
) -> Result<Value, Stop> {
    let mut pairs: Vec<(Value, Value)> = keys.into_iter().zip(items.iter().cloned()).collect();
    sort_pairs(at, &mut pairs, order)?;
    Ok(Value::Array(
        pairs.into_iter().map(|(_, item)| item).collect(),
    ))
}

/// Sorts an array, up or (`"desc"`) down.
pub(super) fn sorted(at: usize, items: &[Value], order: Option<&Value>) -> Result<Value, Stop> {
    let mut pairs: Vec<(Value, Value)> = items
        .iter()
        .map(|item| (item.clone(), Value::Nil))
        .collect();
    sort_pairs(at, &mut pairs, order)?;
    Ok(Value::Array(
        pairs.into_iter().map(|(item, _)| item).collect(),
    ))
}

fn sort_pairs(at: usize, pairs: &mut [(Value, Value)], order: Option<&Value>) -> Result<(), Stop> {
    let descends = match order {
        None => false,
        Some(Value::Text(order)) if &**order == "asc" => false,
        Some(Value::Text(order)) if &**order == "desc" => true,
        Some(other) => {
            return Err(error(
                at,
                format!("the order is \"asc\" or \"desc\", not {other}"),
            ));
        }
    };
    let is_ordered =
        |(left, right): (&Value, &Value)| operators::compared(Binary::Less, left, right).is_some();
    let neighbours = pairs.iter().zip(pairs.iter().skip(1));
    let mut all = neighbours.map(|(left, right)| (&left.0, &right.0));
    if !all.all(is_ordered) {
        return Err(error(at, "only numbers, or only strings, can be sorted"));
    }
    pairs.sort_by(|(left, _), (right, _)| {
        let less = |a, b| operators::compared(Binary::Less, a, b) == Some(true);
        let ordering = match (
            number_order(left, right),
            less(left, right),
            less(right, left),
        ) {
            (Some(ordering), _, _) => ordering,
            (None, true, _) => Ordering::Less,
            (None, _, true) => Ordering::Greater,
            _ => Ordering::Equal,
        };
        if descends {
            ordering.reverse()
        } else {
            ordering
        }
    });
    Ok(())
}

/// Numbers in a total order, NaN included: a sort needs one.
fn number_order(left: &Value, right: &Value) -> Option<Ordering> {
    let (left, right) = (operators::number(left)?, operators::number(right)?);
    Some(left.total_cmp(&right))
}
