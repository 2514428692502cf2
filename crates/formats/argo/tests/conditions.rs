//! Conditions against what the expr Go module v1.17.8 says, with the functions that Argo adds.
//!
//! `conditions/expr-1.17.8.tsv` was written by running that module: outcome, value, expression.

use sluice_argo::api::AnalysisPhase;
use sluice_argo::condition::{Value, assess, go_float, holds, moment, validate};
use sluice_model::time::Timestamp;

const NOW: Timestamp = Timestamp(1_764_000_000_000);

/// A value as the table writes it: JSON, or numbers as Go's providers have them.
fn value(text: &str) -> Value {
    let number = |text: &str| -> f64 { text.parse().expect("a number") };
    if let Some(numbers) = text.strip_prefix("vector:") {
        let numbers: Vec<f64> = numbers.split_whitespace().map(number).collect();
        return Value::from(numbers);
    }
    if let Some(text) = text.strip_prefix("float:") {
        return Value::from(number(text));
    }
    let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
    Value::from(json)
}

fn outcome(value_text: &str, expression: &str) -> String {
    match holds(expression, &value(value_text), NOW) {
        Ok(truth) => truth.to_string(),
        Err(_) => "error".to_owned(),
    }
}

/// What Sluice says on purpose where Go's module says something else.
const ON_PURPOSE: [(&str, &str, &str); 4] = [
    // Go's module fails on its own numbers: it takes the mean of whole numbers for a whole number.
    ("true", "float:5", "mean(1, 2, 3) == 2"),
    ("true", "float:5", "median(1, 2, 9) == 2"),
    // It finds nothing, and then fails to compare that with a number.
    (
        "false",
        "vector:0.5 0.9 2",
        "findIndex(result, # > 9) == -1",
    ),
    ("error", WEB, "toJSON(result.code) == \"200\""),
];

const WEB: &str = r#"{"data": {"ok": true, "successPercent": 95, "name": "x", "items": [{"v": 1, "tag": "a"}, {"v": 3, "tag": "b"}], "empty": [], "nothing": null}, "code": 200}"#;

#[test]
fn conditions_mean_what_they_mean_to_go() {
    let table = include_str!("conditions/expr-1.17.8.tsv");
    let mut wrong = Vec::new();
    let mut rows = 0;
    for row in table.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [expected, value, expression] = columns.as_slice() else {
            panic!("a row has three columns: {row}");
        };
        rows += 1;
        let on_purpose = ON_PURPOSE
            .iter()
            .find(|(_, of, text)| of == value && text == expression);
        let expected = on_purpose.map_or(*expected, |(ours, ..)| ours);
        let found = outcome(value, expression);
        if found != expected {
            let why = holds(expression, &self::value(value), NOW);
            wrong.push(format!(
                "{expression}  of {value}: {expected}, not {found} ({why:?})"
            ));
        }
    }
    assert!(rows > 500);
    assert!(
        wrong.is_empty(),
        "{} of {rows}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_condition_that_makes_no_sense_is_refused_before_anything_is_measured() {
    let cases = [
        ("result >", "character 9: a value was expected, not the end"),
        (
            "reslt[0] > 0.9",
            "character 1: there is nothing called `reslt`; did you mean `result`?",
        ),
        (
            "result[0] > 0.9 && lenn(result) > 1",
            "character 20: there is no function `lenn`; did you mean `len`?",
        ),
        ("result = 5", "character 8: `=` was not expected"),
        ("(result > 1", "character 12: `)` was expected, not the end"),
        (
            "asFloat(result) == \"1\"",
            "character 17: `==` cannot be used on float and string",
        ),
        (
            "len(result)",
            "character 1: a condition yields true or false; compare the value with something",
        ),
        ("result matches \"[\"", "regular expression"),
        ("# > 1", "character 1: a value was expected, not `#`"),
        (
            "any(result, #acc > 1)",
            "the predicate of any() has no `#acc`",
        ),
        (
            "toJSON(result) == \"\"",
            "toJSON() is not computed in conditions",
        ),
        ("asInt(1, 2) == 1", "asInt() takes 1 arguments, not 2"),
        ("\"a", "character 1: a text is not ended"),
        ("result § 1", "character 8: `§` means nothing here"),
    ];
    for (text, expected) in cases {
        let error = validate(text).expect_err(text);
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    for text in [
        "result[0] >= 0.95",
        "len(result) == 0 || result[0] < 5",
        "default(result, 0) < 0.05",
        "result.ok && result.successPercent >= 0.90",
        "all(result.items, .v > 1)",
        "isNaN(result) or result <= 1",
    ] {
        assert_eq!(validate(text), Ok(()), "{text}");
    }
}

#[test]
fn both_conditions_together_decide_a_measurement() {
    use AnalysisPhase::{Failed, Inconclusive, Successful};
    for (success, failure, expected) in [
        ("", "", Successful),
        ("result > 1", "", Successful),
        ("result > 9", "", Failed),
        ("", "result > 1", Failed),
        ("", "result > 9", Successful),
        ("result > 1", "result > 9", Successful),
        ("result > 1", "result > 1", Failed),
        ("result > 9", "result > 1", Failed),
        ("result > 9", "result > 9", Inconclusive),
    ] {
        let found = assess(success, failure, &Value::from(5.0), NOW);
        assert_eq!(found, Ok(expected), "{success:?} {failure:?}");
    }
}

#[test]
fn an_error_names_the_condition_and_the_cause() {
    let message = |success: &str, failure: &str, result: Value| {
        assess(success, failure, &result, NOW).expect_err("an error")
    };
    assert_eq!(
        message("result[1] > 1", "", Value::from(vec![5.0])),
        "successCondition `result[1] > 1`, character 7: there is no element 1: there are 1"
    );
    assert_eq!(
        message("result > 1", "nope", Value::from(5.0)),
        "failureCondition `nope`, character 1: there is nothing called `nope`"
    );
    for nothing in [Value::Nil, Value::from(Vec::<f64>::new())] {
        assert_eq!(
            message("result[0] > 1", "", nothing),
            "successCondition `result[0] > 1`: the provider returned no data"
        );
    }
}

#[test]
fn range_queries_name_their_bounds_as_expressions() {
    let minute = 60_000;
    assert_eq!(moment("now()", NOW), Ok(NOW));
    assert_eq!(
        moment("now() - duration(\"5m\")", NOW),
        Ok(Timestamp(NOW.0 - 5 * minute))
    );
    assert_eq!(
        moment("date(\"2026-01-02 03:04:05\")", NOW),
        Ok(Timestamp(1_767_323_045_000))
    );
    assert!(moment("5", NOW).is_err());
}

/// No expression takes the controller down or keeps it busy.
#[test]
fn hostile_expressions_end_with_an_error() {
    let many = |text: &str, times: usize| text.repeat(times);
    let cases = [
        format!("{}1{} > 0", many("(", 5_000), many(")", 5_000)),
        format!("{}true", many("!", 50_000)),
        format!("1{} > 0", many("+1", 9_000)),
        format!("{}1{} == 1", many("[", 500), many("]", 500)),
        format!("result{} > 0", many("[0]", 3_000)),
        format!("{}1{} > 0", many("1 < (", 60), many(") < 1", 60)),
        format!("{}1{}", many("true ?: (", 60), many(")", 60)),
        "len(1..9223372036854775807) > 0".to_owned(),
        "len(repeat(repeat(\"a\", 1000000), 1000000)) > 0".to_owned(),
        "len(reduce(1..100000, [#acc])) > 0".to_owned(),
        "all(1..1000, all(1..1000, all(1..1000, true)))".to_owned(),
        "len(uniq(1..100000)) > 1".to_owned(),
        "len(replace(repeat(\"a\", 100000), \"a\", repeat(\"b\", 100000))) > 0".to_owned(),
        "\"a\" matches \"(((a{1000}){1000}){1000})\"".to_owned(),
        many("result > 1 && ", 4_000),
    ];
    for text in cases {
        let start: String = text.chars().take(40).collect();
        assert!(holds(&text, &Value::from(5.0), NOW).is_err(), "{start}…");
    }
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    for (number, expected) in [
        (0.0, "0"),
        (0.95, "0.95"),
        (100_000.0, "100000"),
        (1e6, "1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-2.5e-7, "-2.5e-07"),
        (1e21, "1e+21"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(go_float(number), expected);
    }
}

#[test]
fn whole_numbers_saturate() {
    for (number, expected) in [
        (f64::INFINITY, "result > 9000000000000000000"),
        (f64::NEG_INFINITY, "result < -9000000000000000000"),
        (f64::NAN, "result == 0"),
    ] {
        let condition = expected.replace("result", "asInt(result)");
        assert_eq!(holds(&condition, &Value::from(number), NOW), Ok(true));
    }
}

mod properties {
    use super::{NOW, Value, holds, validate};
    use proptest::prelude::*;

    const WORDS: [&str; 44] = [
        "result", "[", "]", "(", ")", "{", "}", "#", ".", ",", ";", ":", "?", "?.", "??", "|", "+",
        "-", "*", "/", "%", "**", "==", "<", ">=", "in", "not", "and", "or", "matches", "let x =",
        "if", "else", "1", "2.5", "\"a\"", "nil", "true", "filter", "map", "len", "sum", "sortBy",
        "..",
    ];

    proptest! {
        /// Any sequence of words ends: with an answer, or with an error at a place inside of the text.
        #[test]
        fn any_words_end(words in proptest::collection::vec(0..WORDS.len(), 0..24)) {
            let text = words.iter().map(|at| WORDS[*at]).collect::<Vec<_>>().join(" ");
            for value in [Value::Nil, Value::from(5.0), Value::from(vec![1.0, f64::NAN])] {
                if let Err(error) = holds(&text, &value, NOW) {
                    prop_assert!(error.at <= text.chars().count(), "{text}: {error}");
                }
            }
        }

        /// What validation accepts parses and has known names: an error of the run is one of values.
        #[test]
        fn any_text_ends(text in "\\PC{0,40}") {
            let valid = validate(&text);
            if valid.is_ok() {
                let _ = holds(&text, &Value::from(5.0), NOW);
            }
        }
    }
}
