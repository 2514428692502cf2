//! Texts, numbers and free JSON as Go writes them.

use serde_json::{Number, Value};
use std::fmt::Write as _;

/// Writes a text in quotes. Go escapes more than JSON asks for: letters that mean something in HTML, and the two line
/// separators that JavaScript takes for ends of lines.
pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // A String takes everything.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// A number as an API server shows it: Go uses exponents below 1e-6 and from 1e21 on.
pub(super) fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            let size = float.abs();
            if size != 0.0 && !(1e-6..1e21).contains(&size) {
                let text = format!("{float:e}");
                if size < 1.0 {
                    text
                } else {
                    text.replace('e', "e+")
                }
            } else {
                float.to_string()
            }
        }
        _ => number.to_string(),
    }
}

/// Writes JSON whose form is nobody's business, keys in their order.
pub(super) fn write_raw(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(is) => out.push_str(&is.to_string()),
        Value::Number(of) => out.push_str(&number(of)),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_raw(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(out, key);
                out.push(':');
                write_raw(out, value);
            }
            out.push('}');
        }
    }
}
