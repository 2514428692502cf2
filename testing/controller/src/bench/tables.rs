//! Tables of the figures, in Markdown.

use crate::bench::contest::Measured;
use crate::bench::contestant::Contestant;
use crate::bench::meter::Used;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One row of the figures: what it is called, its unit, digits behind the point, and where it is.
struct Row(
    &'static str,
    &'static str,
    usize,
    Box<dyn Fn(&Measured) -> f64>,
);

/// What was used in one of the times.
type Phase = fn(&Measured) -> &Used;

fn rows() -> Vec<Row> {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let row =
        |name, unit, digits, value: fn(&Measured) -> f64| Row(name, unit, digits, Box::new(value));
    let memory = |name, bytes: fn(&Measured) -> u64| {
        Row(
            name,
            "MB",
            1,
            Box::new(move |measured: &Measured| megabytes(bytes(measured))),
        )
    };
    vec![
        memory("memory without a Rollout, RSS", |m| m.rss_empty),
        memory("memory idle, RSS", |m| m.idle.rss),
        memory("memory idle, PSS", |m| m.idle.pss),
        memory("memory after the update, RSS", |m| m.updating.rss),
        memory("memory at its peak, RSS", |m| m.rss_peak),
        memory("memory at its peak, PSS", |m| m.pss_peak),
        row("processor time, creating", "s", 2, |m| {
            m.creating.cpu_seconds
        }),
        row("processor time, idle", "s", 2, |m| m.idle.cpu_seconds),
        row("processor time, updating", "s", 2, |m| {
            m.updating.cpu_seconds
        }),
        row("created until all Healthy", "s", 1, |m| {
            m.created_healthy_seconds
        }),
        row("changed until new ReplicaSet, median", "ms", 0, |m| {
            quantile(&m.new_set_ms, 0.5)
        }),
        row("changed until new ReplicaSet, p95", "ms", 0, |m| {
            quantile(&m.new_set_ms, 0.95)
        }),
        row("changed until new ReplicaSet, longest", "ms", 0, |m| {
            quantile(&m.new_set_ms, 1.0)
        }),
        row("changed until all Healthy", "s", 1, |m| {
            m.updated_healthy_seconds
        }),
        row("requests, creating", "", 0, |m| {
            m.creating.requests.all() as f64
        }),
        row("requests idle, of the Lease and watches", "", 0, |m| {
            m.idle.requests.of_idle() as f64
        }),
        row("requests idle, others", "", 0, |m| {
            m.idle.requests.of_work() as f64
        }),
        row("requests, updating", "", 0, |m| {
            m.updating.requests.all() as f64
        }),
    ]
}

/// The figures of controllers that did the same; beside each of Sluice's the ratio to the first one, if that is Argo's.
pub(crate) fn figures(all: &[&Measured]) -> String {
    let base = all
        .iter()
        .find(|measured| measured.contestant == Contestant::Argo);
    let has_ratio = |measured: &Measured| measured.contestant.is_sluice() && base.is_some();
    let mut head = "| |".to_owned();
    let mut line = "|---|".to_owned();
    for measured in all {
        put(
            &mut head,
            format_args!(" {} |", measured.contestant.title()),
        );
        line.push_str("---:|");
        if has_ratio(measured) {
            head.push_str(" ratio |");
            line.push_str("---:|");
        }
    }
    let mut text = format!("{head}\n{line}\n");
    for Row(name, unit, digits, value) in rows() {
        put(&mut text, format_args!("| {name} |"));
        for measured in all {
            let figure = value(measured);
            let shown = number(figure, digits);
            put(
                &mut text,
                format_args!(" {} |", format!("{shown} {unit}").trim_end()),
            );
            if let Some(base) = base.filter(|_| has_ratio(measured)) {
                put(&mut text, format_args!(" {} |", ratio(figure, value(base))));
            }
        }
        text.push('\n');
    }
    text
}

/// What was asked of the API server.
pub(crate) fn requests(all: &[&Measured]) -> String {
    let phases: [(&str, Phase); 3] = [
        ("creating", |measured| &measured.creating),
        ("idle", |measured| &measured.idle),
        ("updating", |measured| &measured.updating),
    ];
    let mut text = "| |".to_owned();
    for (when, _) in phases {
        for measured in all {
            put(
                &mut text,
                format_args!(" {when}: {} |", measured.contestant.title()),
            );
        }
    }
    put(
        &mut text,
        format_args!("\n|---|{}\n", "---:|".repeat(phases.len() * all.len())),
    );
    let kinds: BTreeSet<&str> = all
        .iter()
        .flat_map(|measured| phases.iter().map(|(_, used)| used(measured)))
        .flat_map(|used| used.requests.0.keys().map(String::as_str))
        .collect();
    for kind in kinds {
        put(&mut text, format_args!("| `{kind}` |"));
        for (_, used) in phases {
            for measured in all {
                match used(measured).requests.0.get(kind) {
                    Some(count) => put(&mut text, format_args!(" {} |", thousands(*count))),
                    None => text.push_str(" |"),
                }
            }
        }
        text.push('\n');
    }
    text
}

fn put(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a String takes everything");
}

fn ratio(figure: f64, base: f64) -> String {
    if base > 0.0 {
        format!("{:.2}", figure / base)
    } else {
        "–".to_owned()
    }
}

fn number(figure: f64, digits: usize) -> String {
    if digits == 0 {
        thousands(figure.round() as u64)
    } else {
        format!("{figure:.digits$}")
    }
}

/// `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value that this share is not above, of sorted values; 0 of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let index = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_people_write_them() {
        let shown = [0, 999, 1_000, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(ratio(1.0, 0.0), "–");
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let seen = [0.0, 0.5, 0.95, 1.0].map(|share| quantile(&values, share));
        assert_eq!(seen, [1.0, 2.0, 4.0, 4.0]);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
