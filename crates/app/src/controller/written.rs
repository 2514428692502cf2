//! Values as Argo's providers write them into a measurement, which is Go's way.

use serde_json::Value;

/// A number in its shortest digits without exponent, as Prometheus and Datadog are shown (`'f', -1`).
pub(super) fn plain(number: f64) -> String {
    odd(number).unwrap_or_else(|| format!("{number}"))
}

/// A number with this many digits behind the point (`%.2f`, `%f`).
pub(super) fn fixed(number: f64, digits: usize) -> String {
    odd(number).unwrap_or_else(|| format!("{number:.digits$}"))
}

/// `[1,2]`.
pub(super) fn list(numbers: &[f64], write: impl Fn(f64) -> String) -> String {
    let texts: Vec<String> = numbers.iter().map(|number| write(*number)).collect();
    format!("[{}]", texts.join(","))
}

fn odd(number: f64) -> Option<String> {
    let text = if number.is_nan() {
        "NaN"
    } else if number == f64::INFINITY {
        "+Inf"
    } else if number == f64::NEG_INFINITY {
        "-Inf"
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// JSON as Go's `json.Marshal` writes what it has read itself: keys in their order, every number a broken one,
/// and no character that HTML knows.
pub(super) fn json(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), in_json),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", quoted(name), json(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Null | Value::Bool(_) => value.to_string(),
    }
}

fn in_json(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        _ => text,
    }
}

fn quoted(text: &str) -> String {
    let escaped = Value::from(text).to_string();
    let mut written = String::with_capacity(escaped.len());
    for character in escaped.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                written.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => written.push(other),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as object;

    /// What Go 1.24 prints for the same values.
    #[test]
    fn values_are_written_as_go_writes_them() {
        for (number, in_plain, in_hundredths) in [
            (1.0, "1", "1.00"),
            (0.1, "0.1", "0.10"),
            (1e21, "1000000000000000000000", "1000000000000000000000.00"),
            (1e-7, "0.0000001", "0.00"),
            (-0.0, "-0", "-0.00"),
            (f64::NAN, "NaN", "NaN"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
        ] {
            assert_eq!(plain(number), in_plain);
            assert_eq!(fixed(number, 2), in_hundredths);
        }
        assert_eq!(list(&[1.0, 0.5], plain), "[1,0.5]");
        assert_eq!(list(&[], plain), "[]");
        assert_eq!(list(&[0.25], |number| fixed(number, 6)), "[0.250000]");
        for (value, expected) in [
            (object!(10.0), "10"),
            (object!(1_234_567_890_123_u64), "1234567890123"),
            (object!(1e21), "1e+21"),
            (object!(2.5e-7), "2.5e-7"),
            (object!("a<b & \"c\"\n"), r#""a\u003cb \u0026 \"c\"\n""#),
            (
                object!({"b": [1, true, null], "a": {}}),
                r#"{"a":{},"b":[1,true,null]}"#,
            ),
        ] {
            assert_eq!(json(&value), expected);
        }
    }
}
