//! Functions over texts.

use super::given::{Given, at, int, text, wrong};
use gtmpl_ng::Value;

/// The longest text that a function repeats, in bytes.
const TEXT_MAX: usize = 64 * 1024;
/// The most spaces of an indentation.
const INDENT_MAX: usize = 200;

pub(super) fn quoted(given: &[Value], quote: char) -> String {
    let values = given
        .iter()
        .filter(|value| !matches!(value, Value::Nil | Value::NoValue));
    let quoted = values.map(|value| match quote {
        '"' => serde_json::Value::from(text(value)).to_string(),
        _ => format!("'{}'", text(value)),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

pub(super) fn title(text: &str) -> String {
    let mut begins = true;
    let letters = text.chars().flat_map(|letter| {
        let capital = begins;
        begins = !letter.is_alphanumeric() && letter != '_';
        let upper = capital.then(|| letter.to_uppercase());
        let lower = (!capital).then_some(letter);
        upper.into_iter().flatten().chain(lower)
    });
    letters.collect()
}

/// `trunc N TEXT`: its first characters, or its last for a number below zero.
pub(super) fn truncated(given: &[Value]) -> Given {
    let (count, from) = (int(at(given, 0)?), text(at(given, 1)?));
    let length = from.chars().count();
    let many = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let skipped = if count < 0 {
        length.saturating_sub(many)
    } else {
        0
    };
    Ok(from
        .chars()
        .skip(skipped)
        .take(many)
        .collect::<String>()
        .into())
}

pub(super) fn substring(given: &[Value]) -> Given {
    let (from, to) = (int(at(given, 0)?), int(at(given, 1)?));
    let whole = text(at(given, 2)?);
    let from = usize::try_from(from).unwrap_or(0);
    let to = usize::try_from(to).unwrap_or(usize::MAX);
    let part = whole.chars().skip(from).take(to.saturating_sub(from));
    Ok(part.collect::<String>().into())
}

pub(super) fn repeat(given: &[Value]) -> Given {
    let (count, from) = (int(at(given, 0)?), text(at(given, 1)?));
    let count = usize::try_from(count).unwrap_or(0);
    if from.len().saturating_mul(count) > TEXT_MAX {
        return Err(wrong(format!(
            "repeat: the text gets longer than {TEXT_MAX} bytes"
        )));
    }
    Ok(from.repeat(count).into())
}

pub(super) fn indented(given: &[Value], before: &str) -> Given {
    let (count, from) = (int(at(given, 0)?), text(at(given, 1)?));
    let count = usize::try_from(count).unwrap_or(0).min(INDENT_MAX);
    let pad = " ".repeat(count);
    Ok(format!("{before}{pad}{}", from.replace('\n', &format!("\n{pad}"))).into())
}
