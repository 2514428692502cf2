//! Figures in words: spans, rates, ratios, phases.

use super::text::Tone;
use sluice_model::plan::Metric;
use sluice_model::report::Verdict;
use sluice_model::time::format_span;
use sluice_model::view::{Phase, ServiceView};
use std::time::Duration;

/// A phase as people read it.
pub(crate) fn phase(phase: Phase) -> (Tone, &'static str) {
    match phase {
        Phase::Healthy => (Tone::Good, "Healthy"),
        Phase::Progressing => (Tone::Stable, "Progressing"),
        Phase::Paused => (Tone::Warn, "Paused"),
        Phase::Degraded => (Tone::Bad, "Degraded"),
    }
}

/// A verdict as a sign and a word.
pub(crate) fn verdict(verdict: Verdict) -> (Tone, &'static str, &'static str) {
    match verdict {
        Verdict::Pass => (Tone::Good, "✔", "pass"),
        Verdict::Fail => (Tone::Bad, "✘", "fail"),
        Verdict::Inconclusive => (Tone::Warn, "?", "inconclusive"),
        Verdict::NoData => (Tone::Quiet, "·", "no data"),
    }
}

/// A span in whole seconds; shorter ones in milliseconds.
pub(crate) fn span(span: Duration) -> String {
    if span < Duration::from_secs(1) {
        return format_span(span);
    }
    format_span(Duration::from_secs(span.as_secs()))
}

/// Requests per second, in at most seven columns.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 100_000.0 {
        format!("{:.0}k/s", per_second / 1_000.0)
    } else if per_second >= 1_000.0 {
        format!("{:.1}k/s", per_second / 1_000.0)
    } else {
        format!("{per_second:.1}/s")
    }
}

/// A ratio as a percentage; `–` when it is not known.
pub(crate) fn ratio(ratio: Option<f64>) -> String {
    match ratio {
        None => "–".to_owned(),
        Some(ratio) if ratio >= 0.1 => format!("{:.1} %", ratio * 100.0),
        Some(ratio) => format!("{:.2} %", ratio * 100.0),
    }
}

/// Milliseconds; `–` when they are not known.
pub(crate) fn millis(millis: Option<f64>) -> String {
    match millis {
        None => "–".to_owned(),
        Some(millis) if millis >= 100.0 => format!("{millis:.0}"),
        Some(millis) => format!("{millis:.1}"),
    }
}

/// A measured value with its unit.
pub(crate) fn measured(metric: Metric, value: Option<f64>) -> String {
    let Some(value) = value else {
        return "–".to_owned();
    };
    match metric {
        Metric::ErrorRatio
        | Metric::ClientErrorRatio
        | Metric::TimeoutRatio
        | Metric::MirrorDiffRatio
        | Metric::Goal => ratio(Some(value)),
        Metric::Latency(_) => format!("{value:.1} ms"),
        Metric::RequestRate => rate(value),
        Metric::Cpu => format!("{value:.2} cores"),
        Metric::Memory => format!("{:.1} MiB", value / (1024.0 * 1024.0)),
        Metric::OpenFiles | Metric::InFlight | Metric::Condition | Metric::Score => {
            format!("{value:.0}")
        }
        Metric::Outside => format!("{}", (value * 1e4).round() / 1e4),
    }
}

/// The shares of the traffic, by revision: `3: 95 %, 4: 5 %`; a revision without traffic is left out.
pub(crate) fn weights(view: &ServiceView) -> String {
    let shares: Vec<String> = view
        .weights
        .iter()
        .filter(|(_, weight)| weight.basis_points() > 0)
        .map(|(revision, weight)| format!("{revision}: {weight}"))
        .collect();
    if shares.is_empty() {
        "none".to_owned()
    } else {
        shares.join(", ")
    }
}

/// The step of the rollout that runs: `2/5 5 %`.
pub(crate) fn step(view: &ServiceView) -> Option<String> {
    view.canary?;
    let name = view.step_name.as_deref().unwrap_or_default();
    Some(
        format!("{}/{} {name}", view.step, view.steps)
            .trim_end()
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stay_short() {
        for (per_second, text) in [
            (0.0, "0.0/s"),
            (25.25, "25.2/s"),
            (999.94, "999.9/s"),
            (12_345.0, "12.3k/s"),
            (250_000.0, "250k/s"),
        ] {
            assert_eq!(rate(per_second), text);
        }
        for (value, text) in [
            (None, "–"),
            (Some(0.0002), "0.02 %"),
            (Some(0.021), "2.10 %"),
            (Some(1.0), "100.0 %"),
        ] {
            assert_eq!(ratio(value), text);
        }
        for (value, text) in [
            (None, "–"),
            (Some(0.04), "0.0"),
            (Some(12.44), "12.4"),
            (Some(30_000.0), "30000"),
        ] {
            assert_eq!(millis(value), text);
        }
        assert_eq!(span(Duration::from_millis(72_900)), "1m12s");
        assert_eq!(span(Duration::from_millis(90)), "90ms");
    }
}
