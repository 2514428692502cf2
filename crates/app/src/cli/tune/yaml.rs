//! What is proposed, as a document writes it.

use sluice_model::plan::{Limit, Metric};
use sluice_tuning::{Findings, Margin, Proposal};

/// The `checks:` of a release, ready to be put into a document; empty when nothing is proposed.
pub(super) fn checks(findings: &Findings) -> String {
    let limits = findings.proposals.iter().filter(|it| it.chosen).map(limit);
    let margins = findings.comparisons.iter().filter_map(comparison);
    let lines: Vec<String> = limits.chain(margins).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("checks:\n{}", lines.concat())
}

fn limit(proposal: &Proposal) -> String {
    let metric = proposal.metric;
    let limit = match &proposal.limit {
        Limit::Max(value) => format!("max: {}", amount(metric, *value)),
        Limit::Min(value) => format!("min: {}", amount(metric, *value)),
        Limit::RelativeMax { factor, margin } => relative("maxRelative", metric, *factor, *margin),
        Limit::RelativeMin { factor, margin } => relative("minRelative", metric, *factor, *margin),
        // Only thresholds are proposed as limits.
        _ => String::new(),
    };
    format!(
        "  - {{name: {}, metric: {}, {limit}}}\n",
        proposal.check,
        word(metric)
    )
}

fn relative(field: &str, metric: Metric, factor: f64, margin: f64) -> String {
    let margin = amount(metric, margin);
    format!("{field}: {{factor: {}x, margin: {margin}}}", number(factor))
}

/// A comparison whose margin has to change.
fn comparison(margin: &Margin) -> Option<String> {
    let accept_margin = margin.accept_margin?;
    let limit = margin.limit;
    Some(format!(
        "  - {{name: {}, metric: {}, notWorse: {{ratio: {}x, margin: {}, acceptRatio: {}x, acceptMargin: {}}}}}\n",
        margin.check,
        word(margin.metric),
        number(limit.ratio),
        share(limit.margin),
        number(limit.accept_ratio),
        share(accept_margin),
    ))
}

/// A metric's name in documents.
pub(super) fn word(metric: Metric) -> &'static str {
    let mut named = Metric::NAMED.into_iter();
    let found = named.find(|(_, known)| *known == metric);
    found.map_or("condition", |(word, _)| word)
}

/// A value of a metric as documents write it.
pub(super) fn amount(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Latency(_) => format!("{}ms", value.ceil()),
        Metric::RequestRate => format!("{}/s", number(value)),
        Metric::Cpu => number(value),
        Metric::Memory => format!("{}MiB", (value / 1_048_576.0).ceil()),
        _ => share(value),
    }
}

/// A share in percent.
pub(super) fn share(value: f64) -> String {
    format!("{}%", number(value * 100.0))
}

/// Without the noise of binary fractions.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_would() {
        for (metric, value, text) in [
            (Metric::ErrorRatio, 0.003, "0.3%"),
            (Metric::ErrorRatio, 0.000_12, "0.012%"),
            (Metric::Latency(0.99), 1_200.0, "1200ms"),
            (Metric::RequestRate, 3.5, "3.5/s"),
            (Metric::Cpu, 0.25, "0.25"),
            (Metric::Memory, 3.0 * 1_048_576.0, "3MiB"),
        ] {
            assert_eq!(amount(metric, value), text);
        }
    }
}
