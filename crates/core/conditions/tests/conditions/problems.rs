//! What is refused, where, and what is advised. The messages are what `sluice lint` prints.

use crate::environment;
use sluice_conditions::{Condition, PROBLEMS_MAX};

fn problems_of(text: &str) -> String {
    match Condition::compile(text, &environment()) {
        Ok(_) => "none".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn expressions_that_are_no_sentences() {
    for (text, expected) in [
        ("", "0..0: the condition is empty"),
        ("   // only a comment", "20..20: the condition is empty"),
        ("1 +", "3..3: a value was expected, not the end"),
        ("(manual", "7..7: `)` was expected, not the end"),
        ("manual)", "6..7: the end was expected, not `)`"),
        (
            "manual and true",
            "7..10: the end was expected, not `and`; two conditions that must both hold are joined with `&&`",
        ),
        (
            "manual or true",
            "7..9: the end was expected, not `or`; two conditions of which one must hold are joined with `||`",
        ),
        (
            "step.index is 2",
            "11..13: the end was expected, not `is`; values are compared with `==`",
        ),
        (
            "step.index = 2",
            "11..12: `=` does not belong here; values are compared with `==`",
        ),
        ("manual ? 1", "10..10: `:` was expected, not the end"),
        ("size(zones,)", "11..12: a value was expected, not `)`"),
        ("size(zones", "10..10: `,` or `)` was expected, not the end"),
        ("zones[0", "7..7: `]` was expected, not the end"),
        ("{'a' 1}", "5..6: `:` was expected, not a number"),
        ("labels.'team'", "7..13: a name was expected, not a string"),
        (
            "rollout.age > 10m",
            "14..17: 10m is not a number; a span of time is written `duration(\"10m\")`",
        ),
        (
            "null == null",
            "0..4: `null` is not supported in conditions; `has(…)` says whether there is a value",
        ),
        (
            "b'x' == b'x'",
            "0..1: bytes are not supported in conditions; write a string, without the `b`",
        ),
        (
            "Message{a: 1} == x",
            "0..7: messages are not supported in conditions",
        ),
        (
            "labels.in == 'x'",
            "7..9: `in` cannot be the name of a field",
        ),
        ("if manual", "0..2: `if` is a reserved word of CEL"),
        (
            "-9223372036854775809 < 0",
            "1..20: 9223372036854775809 is too large for an int",
        ),
        (
            "9223372036854775808 > 0",
            "0..19: 9223372036854775808 is too large for an int",
        ),
    ] {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn names_that_there_are_not() {
    for (text, expected) in [
        (
            "canary.errorRato > 0.1",
            "0..16: there is no `canary.errorRato`; did you mean `canary.errorRatio`?",
        ),
        (
            "canary.error_ratio > 0.1",
            "0..18: there is no `canary.error_ratio`; did you mean `canary.errorRatio`?",
        ),
        (
            "cnary.errors > 1",
            "0..12: there is no `cnary.errors`; did you mean `canary.errors`?",
        ),
        (
            "step > 1",
            "0..4: `step` is not a value by itself; there are `step.index`, `step.weight`",
        ),
        (
            "rollout > 1",
            "0..7: `rollout` is not a value by itself; there is only `rollout.age`",
        ),
        (
            "sizee(zones) > 1",
            "0..5: there is no function `sizee`; did you mean `size`?",
        ),
        (
            "zones.exist(z, z == 'a')",
            "6..11: there is no function `exist`; did you mean `exists`?",
        ),
        (
            "labels.team.matches('^p')",
            "12..19: `matches` is not supported in conditions; use `contains`, `startsWith` or `endsWith`",
        ),
        (
            "timestamp('x') > timestamp('y')",
            "0..9: `timestamp` is not supported in conditions; use spans of time, as `rollout.age > duration(\"10m\")`\n17..26: `timestamp` is not supported in conditions; use spans of time, as `rollout.age > duration(\"10m\")`",
        ),
        (
            "dyn(1) == 1",
            "0..3: `dyn` is not supported in conditions; the types of a condition are known before it runs",
        ),
        ("manual.yes", "7..10: `manual` is a bool and has no `yes`"),
        (
            "canary.errors.max > 1",
            "14..17: `canary.errors` is an int and has no `max`",
        ),
        (
            "zones.all(canary, canary == 'a')",
            "10..16: `canary` is the name of a variable already",
        ),
        (
            "zones.all(zone, zon == 'a')",
            "16..19: there is no `zon`; did you mean `zone`?",
        ),
    ] {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn types_that_do_not_fit() {
    for (text, expected) in [
        (
            "canary.errorRatio",
            "0..17: a condition is true or false, and this is a double; compare it, as in `… > 0`",
        ),
        (
            "labels.team",
            "0..11: a condition is true or false, and this is a string; compare it, as in `… == \"…\"`",
        ),
        (
            "rollout.age",
            "0..11: a condition is true or false, and this is a duration; compare it, as in `… > duration(\"10m\")`",
        ),
        (
            "zones",
            "0..5: a condition is true or false, and this is a list(string)",
        ),
        (
            "canary.errorRatio > baseline.errorRatio * 2",
            "20..43: `*` is not defined for double and int; write `2.0`",
        ),
        (
            "canary.errors / baseline.errorRatio > 1.0",
            "0..35: `/` is not defined for int and double; write `double(canary.errors)`",
        ),
        (
            "quota + 1 > 2u",
            "0..9: `+` is not defined for uint and int; write `1u`",
        ),
        (
            "quota - step.index > 2",
            "0..18: `-` is not defined for uint and int; write `int(quota)`",
        ),
        (
            "canary.errorRatio == 0",
            "0..22: `==` compares values of one type, not double and int; write `0.0`",
        ),
        (
            "labels.tier == 1",
            "0..16: `==` compares values of one type, not string and int",
        ),
        ("0.5 % 0.2 > 0.0", "0..9: `%` is not defined for double"),
        (
            "1 < step.index < 3",
            "0..18: `<` is not defined for bool and int; write `a < b && b < c` for a value between two others",
        ),
        (
            "zones < zones",
            "0..13: `<` is not defined for list(string)",
        ),
        (
            "rollout.age > 600",
            "0..17: `>` is not defined for duration and int",
        ),
        ("manual + manual", "0..15: `+` is not defined for bool"),
        (
            "rollout.age * 2 > rollout.age",
            "0..15: `*` is not defined for duration and int",
        ),
        (
            "!step.index",
            "1..11: `!` is for what is true or false, and this is an int",
        ),
        (
            "-quota < 0",
            "1..6: `-` is not defined for uint; write `-int(quota)`",
        ),
        ("-labels.team == ''", "1..12: `-` is not defined for string"),
        (
            "manual && canary.errors",
            "10..23: `&&` joins what is true or false, and this is an int",
        ),
        (
            "zones || manual",
            "0..5: `||` joins what is true or false, and this is a list(string)",
        ),
        (
            "step.index ? manual : manual",
            "0..10: what stands before `?` is true or false, and this is an int",
        ),
        (
            "(manual ? 1 : 'one') == 1",
            "0..20: both sides of `:` have one type, not int and string",
        ),
        (
            "(manual ? 1.0 : 2) == 1.0",
            "0..18: both sides of `:` have one type, not double and int; write `2.0`",
        ),
        (
            "'a' in 'abc'",
            "0..12: `in` needs a list or a map, not a string; write `'abc'.contains('a')`",
        ),
        ("1 in zones", "0..10: an int cannot be in a list(string)"),
        (
            "1 in labels",
            "0..11: an int cannot be in a map(string, string)",
        ),
        (
            "zones['a'] == 'a'",
            "6..9: an element of a list(string) is found by an int, not by a string",
        ),
        (
            "labels[1] == 'a'",
            "7..8: an element of a map(string, string) is found by a string, not by an int",
        ),
        (
            "step.index[0] == 1",
            "0..10: only lists and maps have elements, and this is an int",
        ),
        (
            "[1, 'a'] == [1]",
            "4..7: the elements of a list have one type, not int and string",
        ),
        (
            "[1.0, 2] == [1.0]",
            "6..7: the elements of a list have one type, not double and int; write `2.0`",
        ),
        (
            "{1: 'a', 'b': 'c'} == {}",
            "9..12: the keys of a map have one type, not int and string",
        ),
        (
            "{1.5: 'a'} == {}",
            "1..4: a key is a bool, an int, a uint or a string, not a double",
        ),
        (
            "{'a': 1, 'b': 'c'} == {}",
            "14..17: the values of a map have one type, not int and string",
        ),
    ] {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

#[test]
fn calls_that_do_not_fit() {
    for (text, expected) in [
        (
            "labels.team.startsWith(1)",
            "0..25: `string.startsWith(int)` is not defined; there is `string.startsWith(string)`",
        ),
        (
            "size() > 0",
            "0..6: `size` is not defined without a value; there is `size(string)`, `size(list)`, `size(map)`, `string.size()`",
        ),
        (
            "size(1) > 0",
            "0..7: `size(int)` is not defined; there is `size(string)`, `size(list)`, `size(map)`, `string.size()`",
        ),
        (
            "step.index.int() > 0",
            "0..16: `int.int()` is not defined; there is `int(int)`, `int(uint)`, `int(double)`, `int(string)`",
        ),
        (
            "rollout.age > duration('10')",
            "14..28: `10` is not a span of time",
        ),
        ("int('ten') == 10", "0..10: `ten` is not an int"),
        ("canary.errors / 0 == 1", "16..17: this divides by zero"),
        (
            "canary.errorRatio / 0.0 > 1.0",
            "20..23: this divides by zero",
        ),
        ("canary.errors % 0 == 1", "16..17: this divides by zero"),
        (
            "has(zones[0])",
            "4..12: `has` asks for a field or a variable, and this is neither; write `has(labels.team)`",
        ),
        (
            "has(labels.team, labels.tier)",
            "0..3: `has` asks for one field or variable; write `has(labels.team)`",
        ),
        (
            "has(step)",
            "4..8: `step` is not a value by itself; there are `step.index`, `step.weight`",
        ),
        (
            "zones.all(z, 1)",
            "13..14: the test of `all` is true or false, and this is an int",
        ),
        (
            "zones.all('z', true)",
            "10..13: `all` needs a name for the elements here; write `list.all(element, …)`",
        ),
        (
            "zones.all(z)",
            "6..9: `all` takes a name and a test, and is called on a list; write `list.all(x, x > 2)`",
        ),
        (
            "all(zones, z, true)",
            "0..3: `all` takes a name and a test, and is called on a list; write `list.all(x, x > 2)`",
        ),
        (
            "zones.map(z) == []",
            "6..9: `map` takes a name and what to make of it, and is called on a list; write `list.map(x, x * 2)`",
        ),
        (
            "step.index.exists(i, i > 1)",
            "0..10: `exists` needs a list or a map, not an int",
        ),
        (
            "labels.map(k, k) == []",
            "0..6: `map` needs a list, not a map(string, string)",
        ),
        (
            "labels.filter(k, true) == []",
            "0..6: `filter` needs a list, not a map(string, string)",
        ),
    ] {
        assert_eq!(problems_of(text), expected, "{text}");
    }
}

/// Places are bytes, also after characters of several; and a caller can cut the text there.
#[test]
fn places_are_boundaries_of_characters() {
    let text = "labels['größe'] == 5 && ∞";
    let expected = text.find('∞').unwrap();
    assert_eq!(
        problems_of(text),
        format!(
            "{expected}..{}: `∞` does not belong here",
            expected + '∞'.len_utf8()
        )
    );
    let text = "labels['größe'] == 5";
    assert_eq!(
        problems_of(text),
        format!(
            "0..{}: `==` compares values of one type, not string and int",
            text.len()
        )
    );
}

#[test]
fn all_problems_are_found_up_to_a_bound() {
    let text = "canary.errorRato > 1.0 && step.index == 'x' || zones[manual] == 1.0";
    assert_eq!(problems_of(text).lines().count(), 3);
    let many = vec!["nothing > 1"; 100].join(" && ");
    assert_eq!(problems_of(&many).lines().count(), PROBLEMS_MAX);
}
