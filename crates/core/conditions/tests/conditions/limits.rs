//! Nothing that can be written in a condition uses up the stack, the memory or the time of who runs it.

use crate::result_of;
use sluice_conditions::{Condition, DEPTH_MAX, Environment, TEXT_MAX, Type, Value, Values};

fn refused(text: &str) -> Option<String> {
    Condition::compile(text, &Environment::default())
        .err()
        .map(|problems| problems.0[0].message.clone())
}

#[test]
fn a_text_has_a_longest_length() {
    let fits = format!("true{}", " ".repeat(TEXT_MAX - 4));
    assert_eq!(refused(&fits), None);
    let long = format!("{fits} ");
    assert_eq!(
        refused(&long).as_deref(),
        Some("a condition has at most 4096 bytes")
    );
    // The limit lies within a character.
    let wide = "é".repeat(TEXT_MAX);
    let odd = format!("'{wide}'");
    assert!(refused(&odd).is_some());
}

/// Each of these, as long as a text may be, on the ordinary stack of a thread.
#[test]
fn nesting_is_bounded() {
    for (open, inner, close) in [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("{1:", "1", "}"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("- -", "x", ""),
        ("size(", "''", ")"),
        ("has(", "a.b", ")"),
        ("true ? 1 : ", "1", ""),
        ("true ? (", "1", ") : 1"),
        ("1 + ", "1", ""),
        ("1 * (", "1", ")"),
        ("1 == ", "1", ""),
        ("[1].map(x, ", "x", ")"),
        ("a[", "0", "]"),
    ] {
        let times = TEXT_MAX / (open.len() + close.len() + 1);
        let text = format!("{}{inner}{}", open.repeat(times), close.repeat(times));
        let message = refused(&text);
        assert!(message.is_some(), "{open}");
        let just_too_deep = DEPTH_MAX + 2;
        let text = format!(
            "{}{inner}{}",
            open.repeat(just_too_deep),
            close.repeat(just_too_deep)
        );
        assert!(refused(&text).is_some(), "{open}");
    }
    for tail in [".a", "[0]", ".f()", " + 1", " - 1", " == 1", " in [1]"] {
        let text = format!("a{}", tail.repeat(TEXT_MAX / tail.len() - 1));
        assert_eq!(
            refused(&text).as_deref(),
            Some("this has more than 96 levels"),
            "{tail}"
        );
    }
    // These are rows, not levels: a long row is fine.
    let row = vec!["true"; 500].join(" && ");
    assert_eq!(result_of(&row), Ok(true));
}

/// What is just not too deep is compiled, evaluated, copied and dropped on half of an ordinary
/// stack.
#[test]
fn the_deepest_conditions_fit_onto_a_small_stack() {
    let forms = [
        ("(true && ", "true", ")"),
        ("(false || ", "true", ")"),
        ("!", "true", ""),
        ("(true ? ", "true", " : false)"),
        ("true ? true : ", "true", ""),
        ("[1].all(x, ", "true", ")"),
        ("[1].exists_one(x, ", "true", ")"),
        ("true == (", "true", ")"),
        ("bool(string(", "true", "))"),
        ("[true].map(x, ", "[true]", ")[0]"),
        ("{1: ", "{1: true}", "}[1]"),
    ];
    let work = move || {
        for (open, inner, close) in forms {
            let text = |times: usize| {
                let text = format!("{}{inner}{}", open.repeat(times), close.repeat(times));
                if inner == "[true]" {
                    format!("{text}[0]")
                } else if close == "}[1]" {
                    format!("{text}[1]")
                } else {
                    text
                }
            };
            let deepest = (1..=DEPTH_MAX)
                .rev()
                .find_map(|times| Condition::compile(&text(times), &Environment::default()).ok())
                .unwrap();
            assert!(deepest.text().len() > 20 * open.len(), "{deepest}");
            let found = deepest.clone().evaluate(&Values::default());
            assert!(found.is_ok(), "{deepest}: {found:?}");
        }
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    small.spawn(work).unwrap().join().unwrap();
}

/// Language definition, "Macro Performance": exponential in time, and in space.
#[test]
fn work_is_bounded() {
    let all = |levels: usize| {
        let open: String = (0..levels)
            .map(|level| format!("[0, 1, 2, 3].all(x{level}, "))
            .collect();
        format!("{open}true{}", ")".repeat(levels))
    };
    assert_eq!(result_of(&all(4)), Ok(true));
    let too_costly = Err("this takes more than 100000 steps".to_owned());
    assert_eq!(result_of(&all(20)), too_costly);
    let doubling = format!("['ab']{} == []", ".map(x, x + x)".repeat(40));
    assert_eq!(result_of(&doubling), too_costly);
    let trees = ".map(x, [x, x])".repeat(40);
    let twins = format!("[1]{trees} == [1]{trees}");
    assert_eq!(result_of(&twins), too_costly);
    // An answer that would not depend on it is not waited for, but an exhausted budget is never overruled.
    assert_eq!(result_of(&format!("{} || true", all(20))), too_costly);
    assert_eq!(result_of(&format!("true || {}", all(20))), Ok(true));
}

#[test]
fn values_are_bounded_too() {
    let environment = Environment::new([("many", Type::List(Box::new(Type::Int)))]).unwrap();
    let condition = Condition::compile("many.all(x, x >= 0)", &environment).unwrap();
    let with =
        |length: i64| Values::default().with("many", Value::list((0..length).map(Value::from)));
    assert_eq!(condition.evaluate(&with(10_000)), Ok(true));
    let error = condition.evaluate(&with(1_000_000)).unwrap_err();
    assert_eq!(error.cause.to_string(), "this takes more than 100000 steps");
}
