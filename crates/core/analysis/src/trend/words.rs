//! Values, rates and spans as a person reads them in a trend's message.

use sluice_model::analysis::Unit;
use sluice_model::time::format_span;
use std::time::Duration;

/// A value in words.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    const STEP: f64 = 1_024.0;
    match unit {
        Unit::Count => format!("{}", (value * 10.0).round() / 10.0),
        Unit::Bytes if value.abs() < STEP => format!("{value:.0} B"),
        Unit::Bytes if value.abs() < STEP * STEP => format!("{:.1} KiB", value / STEP),
        Unit::Bytes if value.abs() < STEP * STEP * STEP => {
            format!("{:.1} MiB", value / (STEP * STEP))
        }
        Unit::Bytes => format!("{:.1} GiB", value / (STEP * STEP * STEP)),
    }
}

/// A rate per second, in words, per minute.
pub(super) fn rate(unit: Unit, per_second: f64) -> String {
    format!("{}/min", value(unit, per_second * 60.0))
}

/// A span as it will be read back when it was stored.
pub(super) fn whole_millis(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// A span in at most two units: nobody needs the milliseconds of an hour.
pub(super) fn rough_span(span: Duration) -> String {
    let step_s = match span.as_secs() {
        0..600 => 1,
        600..86_400 => 60,
        _ => 3_600,
    };
    let whole = span.as_secs_f64().min(1e15);
    format_span(Duration::from_secs(
        (whole / step_s as f64).round() as u64 * step_s,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_spans_are_short() {
        assert_eq!(value(Unit::Bytes, 512.0 * 1_048_576.0), "512.0 MiB");
        assert_eq!(rate(Unit::Bytes, 1_048_576.0 / 10.0), "6.0 MiB/min");
        assert_eq!(value(Unit::Count, 12.34), "12.3");
        assert_eq!(rough_span(Duration::from_millis(90_400)), "1m30s");
        assert_eq!(rough_span(Duration::from_secs(7_230)), "2h1m");
        assert_eq!(rough_span(Duration::from_secs(90_000)), "1d1h");
        assert!(!rough_span(Duration::MAX).is_empty());
    }
}
