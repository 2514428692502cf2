//! Figures for people.

use sluice_model::Weight;
use sluice_model::plan::Metric;
use sluice_model::time::format_span;
use std::time::Duration;

/// Longest span that is told; beyond, a forecast is no more than "long".
const SPAN_MAX_S: f64 = 48.0 * 3_600.0;

/// What happened to a request, as in "3 of 100 failed".
pub(crate) fn event(metric: Metric) -> &'static str {
    match metric {
        Metric::ErrorRatio => "failed",
        Metric::ClientErrorRatio => "refused (4xx)",
        Metric::TimeoutRatio => "timed out",
        _ => "had the event",
    }
}

/// An e-value from its logarithm.
pub(crate) fn e_value(log_e: f64) -> String {
    let value = log_e.exp();
    if value >= 1e6 {
        format!("10^{:.0}", log_e / std::f64::consts::LN_10)
    } else {
        number(value)
    }
}

/// Three digits are enough.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 || value.fract() == 0.0 && value > 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.01 => format!("{value:.2}"),
        _ => "less than 0.01".to_owned(),
    }
}

/// A latency.
pub(crate) fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}

/// A weight as a number from 0 to 1.
pub(crate) fn share(weight: Weight) -> f64 {
    f64::from(weight.basis_points()) / 10_000.0
}

/// Seconds, rounded to what a forecast is worth.
pub(crate) fn span(seconds: f64) -> String {
    if seconds >= SPAN_MAX_S {
        return format!(
            "more than {}",
            format_span(Duration::from_secs_f64(SPAN_MAX_S))
        );
    }
    let unit: u64 = match seconds {
        s if s < 60.0 => 1,
        s if s < 600.0 => 10,
        s if s < 7_200.0 => 60,
        _ => 600,
    };
    let rounded = (seconds / unit as f64).ceil() as u64 * unit;
    format_span(Duration::from_secs(rounded))
}
