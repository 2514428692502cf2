//! Methods of times and spans, and `time.Now()` and `time.Parse()`: what triggers of notifications may call, with Go's
//! meaning.

use super::evaluate::{Stop, error};
use super::value::Value;
use crate::api::Time;
use sluice_model::time::Timestamp;

const MILLISECOND_NS: i64 = 1_000_000;

/// `time.name(given…)`.
pub(super) fn of_time(
    now: Timestamp,
    at: usize,
    name: &str,
    given: &[Value],
) -> Result<Value, Stop> {
    match (name, given) {
        ("Now", []) => Ok(Value::Time(now)),
        ("Parse", [Value::Text(text)]) => Time::parse(text)
            .map(|time| Value::Time(time.0))
            .map_err(|_| error(at, format!("time.Parse(): `{text}` is no RFC 3339 time"))),
        ("Parse", [other]) => Err(error(
            at,
            format!("time.Parse() takes a string, not {}", other.kind()),
        )),
        _ => Err(error(
            at,
            format!(
                "there is no `time.{name}` with {} arguments; there are time.Now() and time.Parse(text)",
                given.len()
            ),
        )),
    }
}

/// `receiver.name(given…)`.
pub(super) fn call(
    at: usize,
    receiver: &Value,
    name: &str,
    given: &[Value],
) -> Result<Value, Stop> {
    match receiver {
        Value::Time(moment) => of_moment(at, *moment, name, given),
        Value::Duration(nanoseconds) => of_span(at, *nanoseconds, name, given),
        other => Err(error(
            at,
            format!("{} has no method `{name}`", other.kind()),
        )),
    }
}

fn of_moment(at: usize, moment: Timestamp, name: &str, given: &[Value]) -> Result<Value, Stop> {
    Ok(match (name, given) {
        ("Sub", [Value::Time(other)]) => {
            let milliseconds = moment.0.saturating_sub(other.0);
            Value::Duration(milliseconds.saturating_mul(MILLISECOND_NS))
        }
        ("Add", [Value::Duration(nanoseconds)]) => {
            Value::Time(moment.shifted(nanoseconds / MILLISECOND_NS))
        }
        ("Before", [Value::Time(other)]) => Value::Bool(moment < *other),
        ("After", [Value::Time(other)]) => Value::Bool(moment > *other),
        ("Equal", [Value::Time(other)]) => Value::Bool(moment == *other),
        ("Unix", []) => Value::Int(moment.0.div_euclid(1_000)),
        ("UnixMilli", []) => Value::Int(moment.0),
        ("Hour", []) => Value::Int(moment.civil().3.into()),
        ("Minute", []) => Value::Int(moment.civil().4.into()),
        _ => {
            return Err(error(
                at,
                format!(
                    "a time has no method `{name}` for this; it has Sub, Add, Before, After, Equal, Unix, UnixMilli, Hour and Minute"
                ),
            ));
        }
    })
}

fn of_span(at: usize, nanoseconds: i64, name: &str, given: &[Value]) -> Result<Value, Stop> {
    let in_units = |unit: f64| Value::Float(nanoseconds as f64 / unit);
    Ok(match (name, given) {
        ("Hours", []) => in_units(3.6e12),
        ("Minutes", []) => in_units(6e10),
        ("Seconds", []) => in_units(1e9),
        ("Milliseconds", []) => Value::Int(nanoseconds / MILLISECOND_NS),
        _ => {
            return Err(error(
                at,
                format!(
                    "a duration has no method `{name}` for this; it has Hours, Minutes, Seconds and Milliseconds"
                ),
            ));
        }
    })
}
