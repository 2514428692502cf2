//! A simulation as text: a table of figures, a plot of the endings, what the steps need, and what to mind.

use super::{Simulated, Simulation};
use crate::cli::table::Table;
use crate::view::text::{Line, Tone};
use sluice_forecast::{Release, Share, Spread, StepOutlook};
use sluice_model::time::format_span;
use std::time::Duration;

/// Columns of the plot's bars.
const BAR: usize = 50;

/// The release in a few words.
pub(super) fn name(release: Release) -> String {
    match release {
        Release::AsGood => "as good".to_owned(),
        Release::Failing(share) => format!("fails {}", percent(share)),
        Release::Slower(times) => format!("takes {times}x"),
    }
}

/// The endings of a simulation in the order of the bars, with the letter and the tone of each.
pub(super) fn endings(it: &Simulated) -> [(&'static str, Share, char, Tone); 4] {
    let summary = &it.summary;
    [
        ("taken back", summary.taken_back, '█', Tone::Bad),
        ("held", summary.held, '▒', Tone::Warn),
        ("undecided", summary.undecided, '░', Tone::Quiet),
        ("promoted", summary.promoted, '·', Tone::Good),
    ]
}

pub(super) fn lines(simulation: &Simulation) -> Vec<Line> {
    let mut lines = title(simulation);
    lines.push(Line::new());
    lines.extend(figures(simulation).lines());
    lines.push(Line::new().with(
        Tone::Quiet,
        "found: since its first request; hit: requests to it until then; failed: of these; medians, and what nine of ten stay within",
    ));
    lines.push(Line::new());
    lines.extend(bars(simulation));
    lines.push(Line::new());
    lines.extend(steps(simulation));
    for warning in &simulation.outlook.warnings {
        let line = Line::new().with(Tone::Warn, "warning: ");
        lines.push(line.with(Tone::Plain, warning));
    }
    let quiet = |text: String| Line::new().with(Tone::Quiet, text);
    lines.extend(
        simulation
            .notes
            .iter()
            .map(|note| quiet(format!("not simulated: {note}"))),
    );
    lines.push(quiet(
        "not simulated: crashes, and replicas that take their time to start".to_owned(),
    ));
    lines
}

fn title(simulation: &Simulation) -> Vec<Line> {
    let traffic = &simulation.traffic;
    let steps = match simulation.outlook.steps.len() {
        1 => "1 step".to_owned(),
        several => format!("{several} steps"),
    };
    let horizon = format_span(simulation.horizon);
    let followed = if simulation.horizon_is_deadline {
        format!("until its deadline, {horizon}")
    } else {
        format!("for {horizon}")
    };
    let first = Line::new()
        .with(Tone::Strong, simulation.service.as_str())
        .with(Tone::Quiet, format!("  {}, {steps}", simulation.strategy));
    let second = format!(
        "{} requests/s; of the old side's {} fail, {} are answered 4xx, p50 {}, p99 {}",
        amount(traffic.rate),
        percent(traffic.errors),
        percent(traffic.client_errors),
        span(traffic.latency.median_micros / 1e6),
        span(traffic.latency.p99_micros / 1e6),
    );
    let third = format!(
        "{} rollouts of each release, seed {}, each followed {followed}",
        simulation.runs, simulation.seed
    );
    vec![
        first,
        Line::new().with(Tone::Quiet, format!("  {second}")),
        Line::new().with(Tone::Quiet, format!("  {third}")),
    ]
}

fn figures(simulation: &Simulation) -> Table {
    let any_held = simulation
        .releases
        .iter()
        .any(|it| it.summary.held.count > 0);
    let mut titles = vec!["NEW SIDE", "TAKEN BACK (95 %)"];
    titles.extend(any_held.then_some("HELD"));
    titles.extend([
        "FOUND (P90)",
        "HIT (P90)",
        "FAILED (P90)",
        "PROMOTED",
        "AFTER (P90)",
        "UNDECIDED",
    ]);
    let mut table = Table::new(&titles);
    for it in &simulation.releases {
        let summary = &it.summary;
        let back = summary.taken_back;
        let tone = match (it.release, back.count) {
            (_, 0) => Tone::Plain,
            (Release::AsGood, _) => Tone::Warn,
            _ => Tone::Good,
        };
        let taken_back = format!(
            "{} ({}–{})",
            percent(back.share),
            percent(back.low).trim_end_matches(" %"),
            percent(back.high)
        );
        let plain = |text: String| (Tone::Plain, text);
        let share = |share: Share| plain(percent(share.share));
        let mut row = vec![(Tone::Strong, name(it.release)), (tone, taken_back)];
        row.extend(any_held.then(|| share(summary.held)));
        row.extend([
            plain(spread(summary.detect_seconds, span)),
            plain(spread(summary.exposed, amount)),
            plain(spread(summary.failed, amount)),
            share(summary.promoted),
            plain(spread(summary.promote_seconds, span)),
            share(summary.undecided),
        ]);
        table.row(row);
    }
    table
}

fn bars(simulation: &Simulation) -> Vec<Line> {
    let names: Vec<String> = simulation
        .releases
        .iter()
        .map(|it| name(it.release))
        .collect();
    let begin = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0)
        + 2;
    let mut lines: Vec<Line> = simulation
        .releases
        .iter()
        .zip(names)
        .map(|(it, name)| {
            let mut line = Line::new().with(Tone::Plain, name);
            line.pad_to(begin);
            let mut done = 0;
            let mut share = 0.0;
            for (_, ending, letter, tone) in endings(it) {
                share += ending.share;
                let to = (share * BAR as f64).round() as usize;
                line.push(tone, letter.to_string().repeat(to.saturating_sub(done)));
                done = done.max(to);
            }
            line
        })
        .collect();
    let mut legend = Line::new();
    legend.pad_to(begin);
    if let Some(first) = simulation.releases.first() {
        for (what, _, letter, tone) in endings(first) {
            legend.push(tone, letter.to_string());
            legend.push(Tone::Quiet, format!(" {what}   "));
        }
    }
    lines.push(legend);
    lines
}

/// What a good release needs in each step.
fn steps(simulation: &Simulation) -> Vec<Line> {
    let outlook = &simulation.outlook;
    let mut table = Table::new(&["STEP", "BAKE", "A RELEASE AS GOOD NEEDS ABOUT"]);
    for step in &outlook.steps {
        let tone = match step.time {
            Some(time) if time <= step.bake => Tone::Plain,
            _ => Tone::Warn,
        };
        table.row(vec![
            (Tone::Plain, step.name.clone()),
            (Tone::Plain, format_span(step.bake)),
            (tone, needs(step)),
        ]);
    }
    let mut lines = table.lines();
    let promoted = match outlook.promoted {
        Some(promoted) => format!("promoted after about {}", span(promoted.as_secs_f64())),
        None => format!("not promoted within {}", format_span(simulation.horizon)),
    };
    lines.push(Line::new().with(Tone::Quiet, format!("a release as good is {promoted}")));
    lines
}

fn needs(step: &StepOutlook) -> String {
    match (&step.slowest, step.requests, step.time) {
        (None, ..) => "nothing beyond the bake".to_owned(),
        (Some(_), Some(0), _) => "nothing more: what was counted before suffices".to_owned(),
        (Some(check), Some(requests), Some(time)) => {
            let at = amount(requests as f64);
            format!("{at} requests, {} (`{check}`)", span(time.as_secs_f64()))
        }
        (Some(check), ..) => format!("more requests than there can be (`{check}`)"),
    }
}

fn spread(spread: Option<Spread>, of: fn(f64) -> String) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| format!("{} ({})", of(spread.median), of(spread.p90)),
    )
}

/// A share with three digits at most, and without a fraction that says nothing.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent >= 10.0 { 10.0 } else { 100.0 };
    format!("{} %", (percent * digits).round() / digits)
}

/// Seconds, as exact as is of use.
pub(super) fn span(seconds: f64) -> String {
    let step = match seconds {
        it if it < 1.0 => 0.001,
        it if it < 10.0 => return format!("{seconds:.1}s"),
        it if it < 600.0 => 1.0,
        it if it < 36_000.0 => 60.0,
        _ => 3_600.0,
    };
    let rounded = Duration::try_from_secs_f64((seconds / step).round() * step);
    rounded.map_or_else(|_| "for ever".to_owned(), format_span)
}

/// A number with its thousands apart.
fn amount(number: f64) -> String {
    if number < 100.0 && number.fract() != 0.0 {
        return format!("{}", (number * 1_000.0).round() / 1_000.0);
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_exact_as_they_are_of_use() {
        for (seconds, text) in [
            (0.02, "20ms"),
            (1.25, "1.2s"),
            (59.6, "1m"),
            (754.0, "13m"),
            (90_000.0, "1d1h"),
            (f64::INFINITY, "for ever"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        for (number, text) in [
            (0.5, "0.5"),
            (7.0, "7"),
            (999.0, "999"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(amount(number), text);
        }
        for (share, text) in [
            (0.0, "0 %"),
            (0.00123, "0.12 %"),
            (0.123_45, "12.3 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(percent(share), text);
        }
    }
}
