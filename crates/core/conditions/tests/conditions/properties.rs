//! What holds for every text and every value.

use crate::expressions::{Choices, Drawn};
use crate::{environment, values};
use proptest::prelude::*;
use sluice_conditions::{Cause, Condition, Type, Value, Values};

/// Pieces of which texts are made that are nearly conditions.
const PIECES: [&str; 64] = [
    "canary.errors",
    "labels",
    "zones",
    "manual",
    "rollout.age",
    "quota",
    "step",
    ".team",
    "1",
    "2.5",
    "3u",
    "'x'",
    "\"",
    "'",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "?",
    "&&",
    "||",
    "!",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "<",
    ">=",
    " in ",
    "has(",
    "size(",
    "int(",
    "double(",
    "string(",
    "duration('1m')",
    ".all(x, ",
    ".exists(x, ",
    ".map(x, ",
    ".filter(x, ",
    "x",
    "true",
    "false",
    "null",
    ".",
    "..",
    "\\",
    "\n",
    "//",
    "é",
    "🎉",
    "r'",
    "'''",
    "0x",
    "1e",
    "9223372036854775807",
    "-9223372036854775808",
    "\u{0}",
    ".startsWith(",
];

fn nearly_conditions() -> impl Strategy<Value = String> {
    let piece = (0..PIECES.len(), any::<bool>()).prop_map(|(index, space)| {
        let space = if space { " " } else { "" };
        format!("{}{space}", PIECES[index])
    });
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn any_value(kind: &Type) -> BoxedStrategy<Value> {
    match kind {
        Type::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Type::Int => prop_oneof![any::<i64>(), -3..4_i64]
            .prop_map(Value::from)
            .boxed(),
        Type::Uint => prop_oneof![any::<u64>(), 0..4_u64]
            .prop_map(Value::from)
            .boxed(),
        Type::Double => prop_oneof![any::<f64>(), -2.0..2.0]
            .prop_map(Value::from)
            .boxed(),
        Type::String => ".{0,8}".prop_map(Value::from).boxed(),
        Type::Duration => any::<i64>().prop_map(Value::Duration).boxed(),
        Type::List(element) => prop::collection::vec(any_value(element), 0..4)
            .prop_map(Value::list)
            .boxed(),
        Type::Map(..) => prop::collection::vec((".{0,3}", ".{0,3}"), 0..4)
            .prop_map(Value::labels)
            .boxed(),
    }
}

/// Values of the declared types, some missing.
fn any_values() -> impl Strategy<Value = Values> {
    let environment = environment();
    let variables: Vec<_> = environment
        .variables()
        .map(|(name, kind)| {
            let name = name.to_owned();
            prop::option::of(any_value(kind)).prop_map(move |value| (name.clone(), value))
        })
        .collect();
    variables.prop_map(|found| {
        let mut values = Values::default();
        for (name, value) in found {
            if let Some(value) = value {
                values.set(name, value);
            }
        }
        values
    })
}

/// Compiles a text, and holds what it says against what is promised of it.
fn compiled(text: &str) -> Option<Condition> {
    match Condition::compile(text, &environment()) {
        Ok(condition) => Some(condition),
        Err(problems) => {
            assert!(!problems.0.is_empty());
            for problem in problems.0 {
                assert!(problem.from <= problem.to, "{problem}");
                assert!(text.get(problem.from..problem.to).is_some(), "{problem}");
                assert!(!problem.message.is_empty());
            }
            None
        }
    }
}

/// An evaluation gives an answer or a reason, and the reason is never a type.
fn is_well_typed(condition: &Condition, values: &Values) {
    if let Err(error) = condition.evaluate(values) {
        let wrong = matches!(error.cause, Cause::WrongType { .. });
        assert!(!wrong, "{condition}: {error}");
        assert!(condition.text().get(error.from..error.to).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn compiling_never_panics(text in any::<String>()) {
        compiled(&text);
    }

    #[test]
    fn what_compiles_meets_no_wrong_type(text in nearly_conditions(), values in any_values()) {
        if let Some(condition) = compiled(&text) {
            is_well_typed(&condition, &values);
        }
    }

    /// By construction the types fit: all that can be refused is what can only fail.
    #[test]
    fn what_fits_compiles(bytes in prop::collection::vec(any::<u8>(), 0..120), values in any_values()) {
        let text = Choices::new(&bytes, true).draw(Drawn::Bool, 5, &[]);
        match Condition::compile(&text, &environment()) {
            Ok(condition) => {
                is_well_typed(&condition, &values);
                is_well_typed(&condition, &crate::values());
            }
            Err(problems) => for problem in problems.0 {
                let expected = ["this divides by zero", "at most 4096 bytes"];
                prop_assert!(
                    expected.iter().any(|known| problem.message.contains(known)),
                    "{text}: {problem}"
                );
            },
        }
    }

    /// Evaluating twice gives the same answer, and what is compiled again is the same.
    #[test]
    fn evaluation_is_a_function(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let text = Choices::new(&bytes, true).draw(Drawn::Bool, 5, &[]);
        if let Some(condition) = compiled(&text) {
            let again = compiled(condition.text());
            prop_assert_eq!(again.as_ref(), Some(&condition));
            prop_assert_eq!(condition.evaluate(&values()), condition.evaluate(&values()));
        }
    }
}
