//! The same expressions with the same values in the `cel` crate: where both give an answer, it is the same.
//!
//! Where Sluice is stricter on purpose (doubles are finite, what is costly ends), only it gives an error. Spans of
//! time are left out: in `cel` they need a clock's crate.

#![allow(
    clippy::disallowed_types,
    reason = "`cel` makes its maps from hash maps"
)]

use crate::expressions::{Choices, Drawn};
use crate::{environment, values};
use proptest::prelude::*;
use sluice_conditions::{Cause, Condition, Key, Value};
use std::collections::HashMap;

fn of_value(value: &Value) -> cel::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Double(value) => (*value).into(),
        Value::String(value) => value.to_string().into(),
        Value::List(elements) => elements.iter().map(of_value).collect::<Vec<_>>().into(),
        Value::Map(entries) => {
            let entry = |(key, value): (&Key, &Value)| (key.to_string(), of_value(value));
            entries
                .iter()
                .map(entry)
                .collect::<HashMap<String, cel::Value>>()
                .into()
        }
        Value::Duration(_) => unreachable!("spans of time are left out"),
    }
}

/// What `cel` gives; `None` when it gives an error.
fn cel_gives(text: &str) -> Option<bool> {
    let program = cel::Program::compile(text).unwrap_or_else(|errors| panic!("{text}: {errors}"));
    let mut context = cel::Context::default();
    let values = values();
    for (name, _) in environment().variables() {
        match values.get(name).unwrap() {
            Value::Duration(_) => {}
            value => context.add_variable_from_value(name, of_value(value)),
        }
    }
    match program.execute(&context) {
        Ok(cel::Value::Bool(answer)) => Some(answer),
        Ok(other) => panic!("{text}: {other:?}"),
        Err(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn both_give_the_same_answers(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let text = Choices::new(&bytes, false).draw(Drawn::Bool, 4, &[]);
        let Ok(condition) = Condition::compile(&text, &environment()) else {
            return Ok(());
        };
        let theirs = cel_gives(&text);
        match condition.evaluate(&values()) {
            Ok(ours) => prop_assert_eq!(theirs, Some(ours), "{}", text),
            Err(error) => {
                let stricter = matches!(
                    error.cause,
                    Cause::NotFinite | Cause::DivisionByZero | Cause::TooCostly
                );
                prop_assert!(theirs.is_none() || stricter, "{}: {}, not {:?}", text, error, theirs);
            }
        }
    }
}
