//! Spans of time as CEL writes them: `1h30m`, `1.5s`, `-20ms`.
//!
//! The form of cel-go's `duration()`: a sign, then numbers with a unit each, all in the range of a 64-bit
//! count of nanoseconds.

/// Units with their length in nanoseconds; longer names first.
const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];
/// Digits of a fraction that can matter: a nanosecond of an hour.
const FRACTION_DIGITS_MAX: usize = 13;

/// The nanoseconds of a span; `None` when it is none, or too long.
pub(crate) fn read(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, unit_ns) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(*unit_ns)?)?;
        let mut part_ns = *unit_ns;
        let mut numerator: i128 = 0;
        let mut denominator: i128 = 1;
        for digit in fraction.bytes().take(FRACTION_DIGITS_MAX) {
            numerator = numerator * 10 + i128::from(digit - b'0');
            denominator *= 10;
        }
        part_ns = part_ns * numerator / denominator;
        total = total.checked_add(part_ns)?;
        rest = &after[unit.len()..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// The nanoseconds in words that [`read`] understands: seconds, as CEL converts a duration to a string.
pub(crate) fn write(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, rest) = (
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000,
    );
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|sign: char| !sign.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written() {
        for (text, nanos, written) in [
            ("0", Some(0), "0s"),
            ("10s", Some(10_000_000_000), "10s"),
            ("1h30m", Some(5_400_000_000_000), "5400s"),
            ("1.5s", Some(1_500_000_000), "1.5s"),
            (".5m", Some(30_000_000_000), "30s"),
            ("-20ms", Some(-20_000_000), "-0.02s"),
            ("1ns", Some(1), "0.000000001s"),
            ("", None, ""),
            ("-", None, ""),
            ("5", None, ""),
            ("m", None, ""),
            ("1d", None, ""),
            ("1s 2s", None, ""),
            ("99999999999999999999h", None, ""),
            ("320000h", Some(1_152_000_000_000_000_000), "1152000000s"),
            ("3200000h", None, ""),
        ] {
            assert_eq!(read(text), nanos, "{text}");
            if let Some(nanos) = nanos {
                assert_eq!(write(nanos), written, "{text}");
                assert_eq!(read(&write(nanos)), Some(nanos), "{text}");
            }
        }
        assert_eq!(read(&write(i64::MIN)), Some(i64::MIN));
    }
}
