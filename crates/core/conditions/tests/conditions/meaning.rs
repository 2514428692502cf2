//! What conditions mean, with values and without.

use crate::{environment, values};
use sluice_conditions::{Condition, Value, Values};
use std::time::Duration;

fn evaluated(text: &str, values: &Values) -> Result<bool, String> {
    let condition = Condition::compile(text, &environment())
        .unwrap_or_else(|problems| panic!("{text}: {problems}"));
    condition
        .evaluate(values)
        .map_err(|error| error.to_string())
}

#[test]
fn conditions_that_hold_and_do_not() {
    let values = values();
    for (text, expected) in [
        ("canary.errorRatio <= 2.0 * baseline.errorRatio", true),
        ("canary.errorRatio <= baseline.errorRatio + 0.001", false),
        ("canary.latencyP99Ms < 500", true),
        (
            "double(canary.errors) / double(canary.requests) < 0.02",
            true,
        ),
        ("canary.requests + baseline.requests == 20000", true),
        ("step.index in [1, 2, 3] && step.weight >= 25.0", true),
        ("rollout.age > duration('5m')", true),
        ("rollout.age + duration('30m') == duration('40m')", true),
        ("rollout.age.getMinutes() == 10", true),
        ("labels.team == 'pay'", true),
        ("labels['tier'] in ['0', '1']", true),
        ("has(labels.team) && !has(labels.owner)", true),
        ("'team' in labels && !('owner' in labels)", true),
        ("labels.all(key, key.startsWith('t'))", true),
        ("labels.exists(key, labels[key] == '1')", true),
        ("zones.exists_one(zone, zone == 'a')", true),
        ("zones.map(zone, zone + '-1') == ['a-1', 'b-1']", true),
        ("zones.filter(zone, zone != 'a').size() == 1", true),
        ("zones.map(zone, zone == 'b', zone.size()) == [1]", true),
        ("zones.all(zone, zones.exists(zone, zone == 'b'))", true),
        ("size(zones) == 2 && zones[1] == 'b'", true),
        ("quota > 4 && quota < 5.5 && quota == 5u", true),
        ("manual ? false : true", true),
        ("!manual", true),
        (
            "step.index == 2 ? labels.team == 'pay' : 1 / (step.index - 2) == 0",
            true,
        ),
    ] {
        assert_eq!(evaluated(text, &values), Ok(expected), "{text}");
    }
}

/// What cannot be told is an error with its place and its cause, and never `true`.
#[test]
fn conditions_that_cannot_be_told() {
    let values = values();
    for (text, expected) in [
        (
            "1 / (step.index - 2) > 0",
            "`1 / (step.index - 2)`: division by zero",
        ),
        (
            "1.0 / (step.weight - 25.0) > 0.0",
            "`1.0 / (step.weight - 25.0)`: division by zero",
        ),
        (
            "step.index % (step.index - 2) == 0",
            "`step.index % (step.index - 2)`: division by zero",
        ),
        (
            "labels.owner == 'x'",
            "`labels.owner`: there is no key `owner`",
        ),
        (
            "labels['own' + 'er'] == 'x'",
            "`labels['own' + 'er']`: there is no key `owner`",
        ),
        (
            "zones[2] == 'c'",
            "`zones[2]`: there is no element 2 in a list of 2",
        ),
        (
            "zones[-1] == 'c'",
            "`zones[-1]`: there is no element -1 in a list of 2",
        ),
        (
            "step.index + 9223372036854775807 > 0",
            "`step.index + 9223372036854775807`: the result does not fit into an int",
        ),
        (
            "quota - 6u > 0u",
            "`quota - 6u`: the result does not fit into a uint",
        ),
        (
            "step.weight * 1e308 > 0.0",
            "`step.weight * 1e308`: the result is not a finite number",
        ),
        (
            "int(labels.team) > 0",
            "`int(labels.team)`: `pay` is not an int",
        ),
        (
            "duration(labels.team) > rollout.age",
            "`duration(labels.team)`: `pay` is not a span of time",
        ),
        (
            "{labels.team: 1, 'pay': 2}.size() == 2",
            "`'pay'`: the key `pay` is there twice",
        ),
        (
            "zones.all(zone, zone == 'a' || zones[5] == zone)",
            "`zones[5]`: there is no element 5 in a list of 2",
        ),
        (
            "zones.exists_one(zone, zones[5] == zone)",
            "`zones[5]`: there is no element 5 in a list of 2",
        ),
    ] {
        assert_eq!(evaluated(text, &values), Err(expected.to_owned()), "{text}");
    }
}

/// Language definition, "Logical Operators": an error does not matter if the answer does not depend on it.
#[test]
fn an_error_that_does_not_matter_is_none() {
    let values = values();
    let error = "labels.owner == 'x'";
    for (text, expected) in [
        (format!("{error} || true"), Ok(true)),
        (format!("true || {error}"), Ok(true)),
        (format!("{error} && false"), Ok(false)),
        (format!("false && {error}"), Ok(false)),
        (format!("{error} && true"), Err(())),
        (format!("{error} || false"), Err(())),
        (format!("!({error})"), Err(())),
        (format!("({error}) ? true : true"), Err(())),
        (format!("true ? true : {error}"), Ok(true)),
        (
            format!("zones.exists(z, z == 'a' ? {error} : true)"),
            Ok(true),
        ),
        (
            format!("zones.all(z, z == 'a' ? {error} : false)"),
            Ok(false),
        ),
        (format!("zones.filter(z, {error}) == []"), Err(())),
    ] {
        assert_eq!(
            evaluated(&text, &values).map_err(|_| ()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_variable_without_a_value_cannot_be_told() {
    let mut some = Values::default().with("step.index", 2_i64);
    let text = "canary.errorRatio < 0.1 && step.index == 2";
    let expected = "`canary.errorRatio`: there is no value yet";
    assert_eq!(evaluated(text, &some), Err(expected.to_owned()));
    for not_a_number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        some.set("canary.errorRatio", not_a_number);
        assert_eq!(evaluated(text, &some), Err(expected.to_owned()));
        assert_eq!(evaluated("has(canary.errorRatio)", &some), Ok(false));
        // Unequal to everything would be true.
        let unequal = "canary.errorRatio != 0.1";
        assert_eq!(evaluated(unequal, &some), Err(expected.to_owned()));
    }
    some.set("canary.errorRatio", 0.01);
    assert_eq!(evaluated(text, &some), Ok(true));
    assert_eq!(evaluated("has(canary.errorRatio)", &some), Ok(true));
    let either = "!has(canary.latencyP99Ms) || canary.latencyP99Ms < 100";
    assert_eq!(evaluated(either, &some), Ok(true));
}

#[test]
fn a_value_of_another_type_is_the_callers_mistake_and_said() {
    for (name, value, text) in [
        ("step.index", Value::from(2.0), "step.index == 2"),
        ("labels", Value::from("x"), "labels.size() == 1"),
        (
            "zones",
            Value::list([Value::from("a"), Value::from(1_i64)]),
            "zones.size() == 1",
        ),
        ("labels", Value::list([]), "labels.size() == 0"),
    ] {
        let found = evaluated(text, &values().with(name, value));
        let error = found.unwrap_err();
        assert!(error.contains("and not what was declared"), "{error}");
    }
}

#[test]
fn a_condition_knows_its_text_and_its_variables() {
    let text = "canary.errors > 1 && zones.exists(z, z == labels.zone) // why";
    let condition = Condition::compile(text, &environment()).unwrap();
    assert_eq!(condition.text(), text);
    assert_eq!(condition.to_string(), text);
    let named: Vec<&str> = condition.variables().iter().map(String::as_str).collect();
    assert_eq!(named, ["canary.errors", "labels", "zones"]);
}

#[test]
fn an_error_has_its_place() {
    let text = "true && labels.owner == 'x'";
    let condition = Condition::compile(text, &environment()).unwrap();
    let error = condition.evaluate(&values()).unwrap_err();
    assert_eq!(&text[error.from..error.to], "labels.owner");
    assert_eq!(error.part, "labels.owner");
}

#[test]
fn spans_of_time_are_exact() {
    let year = Duration::from_secs(365 * 86_400);
    for (age, text, expected) in [
        (
            Duration::from_nanos(1),
            "rollout.age > duration('0s')",
            true,
        ),
        (
            Duration::from_millis(1_500),
            "rollout.age == duration('1.5s')",
            true,
        ),
        (300 * year, "rollout.age > duration('2500000h')", true),
        (Duration::MAX, "rollout.age.getHours() == 2562047", true),
        (
            Duration::from_secs(3_730),
            "rollout.age.getSeconds() == 3730",
            true,
        ),
    ] {
        let values = Values::default().with("rollout.age", age);
        assert_eq!(evaluated(text, &values), Ok(expected), "{text}");
    }
}
