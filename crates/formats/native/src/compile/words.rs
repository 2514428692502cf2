//! Reading single values: spans, percentages, sizes, amounts, numbers.
//!
//! Each function takes a field as it stands in the document and gives the value; what cannot be read
//! is noted with its place, and counts as absent, so that the caller goes on with its default.
//! Addresses, commands and paths are in `places`.

use crate::notes::{NodeId, Notes, clip};
use crate::reading::Located;
use crate::shape::{AmountText, Field, PercentText, SizeText, SpanText, Text};
use sluice_model::Weight;
use sluice_model::time::parse_span;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Longest span that a document may give: a year. Sums of a few thousand of them cannot overflow.
const SPAN_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest text for people (names of steps, gates, hooks, checks), in characters.
const LABEL_MAX: usize = 100;

/// The value of a field that is there and was readable.
pub(crate) fn present<T>(field: &Field<T>) -> Option<(NodeId, &T)> {
    let located = field.as_ref()?;
    located.value.as_ref().map(|value| (located.node, value))
}

/// A span of time; `None` when absent or unreadable.
pub(crate) fn span(notes: &Notes, field: &Field<SpanText>) -> Option<Duration> {
    let (node, SpanText(text)) = present(field)?;
    match parse_span(text) {
        Ok(span) if span <= SPAN_MAX => Some(span),
        Ok(_) => {
            notes.error(
                node,
                "bad-duration",
                format!("`{}` is longer than a year", clip(text)),
                "write a shorter time",
            );
            None
        }
        Err(_) => {
            let help = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("add the unit: `{0}ms`, `{0}s` or `{0}m`", clip(text))
            } else {
                "write a number and a unit, as in `250ms`, `90s`, `15m`, `1h30m`".to_owned()
            };
            notes.error(
                node,
                "bad-duration",
                format!("`{}` is not a duration", clip(text)),
                help,
            );
            None
        }
    }
}

/// A span that must not be zero.
pub(crate) fn positive_span(notes: &Notes, field: &Field<SpanText>) -> Option<Duration> {
    let value = span(notes, field)?;
    if value.is_zero() {
        if let Some((node, _)) = present(field) {
            notes.error(
                node,
                "bad-duration",
                "a time of zero makes no sense here",
                "write a longer time, as in `1s`",
            );
        }
        return None;
    }
    Some(value)
}

/// The shortest period whose values are all seen: usage is measured once a second, and counters are looked at as often.
const PERIOD_MIN: Duration = Duration::from_secs(1);

/// A period of which each has a value.
pub(crate) fn watched_span(notes: &Notes, field: &Field<SpanText>) -> Option<Duration> {
    let value = positive_span(notes, field)?;
    if value < PERIOD_MIN {
        if let Some((node, _)) = present(field) {
            notes.error(
                node,
                "out-of-range",
                "the period is too short: values are looked at once a second",
                "write 1s or more",
            );
        }
        return None;
    }
    Some(value)
}

/// A number with an optional fraction, written in digits: no sign, no exponent.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let has_digits = text.bytes().any(|byte| byte.is_ascii_digit());
    if !plain || !has_digits {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A share of the traffic, in percent.
pub(crate) fn weight(
    notes: &Notes,
    node: NodeId,
    PercentText(text): &PercentText,
) -> Option<Weight> {
    let trimmed = text.strip_suffix('%').unwrap_or(text).trim();
    let Some(percent) = decimal(trimmed) else {
        let (code, message, help) = match trimmed.strip_prefix('-').and_then(decimal) {
            Some(_) => (
                "bad-weight",
                format!("a weight of {} is below 0", clip(text)),
                "write a percentage from 0 to 100",
            ),
            None => (
                "bad-percentage",
                format!("`{}` is not a percentage", clip(text)),
                "write a number from 0 to 100, as in `5`, `0.5` or `5%`",
            ),
        };
        notes.error(node, code, message, help);
        return None;
    };
    match Weight::from_percent(percent) {
        Ok(weight) if weight == Weight::ZERO && percent > 0.0 => {
            notes.error(
                node,
                "bad-weight",
                format!("{} % is less than Sluice can split", clip(trimmed)),
                "the smallest share is 0.01 %",
            );
            None
        }
        Ok(weight) => Some(weight),
        Err(_) => {
            notes.error(
                node,
                "bad-weight",
                format!("a weight of {} is beyond 100 %", clip(text)),
                "write a percentage from 0 to 100",
            );
            None
        }
    }
}

/// A number of bytes within a range.
pub(crate) fn size(
    notes: &Notes,
    field: &Field<SizeText>,
    range: RangeInclusive<u64>,
) -> Option<u64> {
    let (node, SizeText(text)) = present(field)?;
    let Some(bytes) = parse_size(text) else {
        notes.error(
            node,
            "bad-size",
            format!("`{}` is not a size", clip(text)),
            "write a number of bytes, or one with a unit, as in `65536`, `32KiB`, `10MB`",
        );
        return None;
    };
    if !range.contains(&bytes) {
        notes.error(
            node,
            "out-of-range",
            format!("{bytes} bytes is out of range"),
            format!("write {} to {} bytes", range.start(), range.end()),
        );
        return None;
    }
    Some(bytes)
}

/// `65536`, `32KiB`, `10 MB`.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" | "k" => 1_000,
        "KiB" | "K" | "Ki" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" | "M" | "Mi" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" | "G" | "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A whole number within a range.
pub(crate) fn count(notes: &Notes, field: &Field<u32>, range: RangeInclusive<u32>) -> Option<u32> {
    let (node, value) = present(field)?;
    if range.contains(value) {
        return Some(*value);
    }
    notes.error(
        node,
        "out-of-range",
        format!("{value} is out of range"),
        format!("write a number from {} to {}", range.start(), range.end()),
    );
    None
}

/// How a percentage of replicas becomes a whole number.
#[derive(Clone, Copy)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// A number of replicas, or a percentage of `whole`.
pub(crate) fn amount(
    notes: &Notes,
    field: &Field<AmountText>,
    whole: u32,
    rounding: Rounding,
) -> Option<u32> {
    let (node, AmountText(text)) = present(field)?;
    let number = match text.strip_suffix('%') {
        Some(percent) => decimal(percent.trim())
            .filter(|percent| *percent <= 100.0)
            .map(|percent| {
                let share = percent / 100.0 * f64::from(whole);
                // At most `whole`, so it fits.
                match rounding {
                    Rounding::Up => share.ceil() as u32,
                    Rounding::Down => share.floor() as u32,
                }
            }),
        None => text.parse().ok(),
    };
    if number.is_none() {
        notes.error(
            node,
            "bad-amount",
            format!(
                "`{}` is neither a number of replicas nor a percentage",
                clip(text)
            ),
            "write a whole number, or a percentage up to 100%, as in `1` or `25%`",
        );
    }
    number
}

/// A text for people: not empty, one line, of bounded length.
pub(crate) fn label(notes: &Notes, field: &Field<Text>) -> Option<String> {
    let (node, Text(text)) = present(field)?;
    check_label(notes, node, text).then(|| text.clone())
}

/// Whether a text can be a label; if not, that is noted.
pub(crate) fn check_label(notes: &Notes, node: NodeId, text: &str) -> bool {
    let message = if text.trim().is_empty() {
        "the name is empty".to_owned()
    } else if text.chars().any(char::is_control) {
        "the name has a line break or a control character".to_owned()
    } else if text.chars().nth(LABEL_MAX).is_some() {
        format!("the name is longer than {LABEL_MAX} characters")
    } else {
        return true;
    };
    notes.error(node, "bad-name", message, "write a short name on one line");
    false
}

/// A text that an operating system takes: no NUL in it.
pub(crate) fn plain_text<'a>(notes: &Notes, text: &'a Located<Text>) -> Option<&'a str> {
    let Text(value) = text.value.as_ref()?;
    if value.contains('\0') {
        notes.error(
            text.node,
            "bad-text",
            "the text has a NUL character",
            "remove it",
        );
        return None;
    }
    Some(value)
}
