//! Amounts of resources: `0.5`, `500m`, `1Gi`, `1e3`.

use serde_json::Value;

/// An amount in billionths, rounded up; `None` when the value is none, or too large to count.
///
/// Kubernetes keeps at most nine digits after the point, and rounds up.
pub(super) fn nanos(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (multiplier, divisor) = scale(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = u32::try_from(fraction.len()).ok()?;
    let numerator = digits.checked_mul(multiplier)?.checked_mul(1_000_000_000)?;
    let divisor = 10_i128.checked_pow(places)?.checked_mul(divisor)?;
    let rounded = -(-numerator).div_euclid(divisor);
    Some(if negative { -rounded } else { rounded })
}

/// The factor of a suffix, as multiplier and divisor.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let scale = match suffix {
        "" => (1, 1),
        "n" => (1, 1_000_000_000),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let exponent: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
            if exponent < 0 { (1, power) } else { (power, 1) }
        }
    };
    Some(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_amount_has_many_spellings() {
        for same in [
            vec![
                json!(1),
                json!("1"),
                json!("1000m"),
                json!("1e0"),
                json!("1.0"),
                json!(1.0),
            ],
            vec![
                json!(0.5),
                json!("500m"),
                json!(".5"),
                json!("5e-1"),
                json!("0.5000"),
            ],
            vec![
                json!("1Gi"),
                json!("1024Mi"),
                json!("1073741824"),
                json!(1_073_741_824),
            ],
            vec![json!("1k"), json!("1000"), json!("1E3")],
            vec![json!("0.1n"), json!("1n")],
            vec![json!("-1"), json!("-1000m")],
        ] {
            let amounts: Vec<_> = same.iter().map(nanos).collect();
            assert!(amounts[0].is_some(), "{same:?}");
            assert!(
                amounts.iter().all(|amount| *amount == amounts[0]),
                "{same:?}: {amounts:?}"
            );
        }
        assert_ne!(nanos(&json!("1M")), nanos(&json!("1Mi")));
        for bad in [
            json!("lots"),
            json!(""),
            json!("1.2.3"),
            json!("1Q"),
            json!(true),
        ] {
            assert_eq!(nanos(&bad), None, "{bad}");
        }
    }
}
