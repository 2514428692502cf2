//! A frame: services as a block of lines each, within a width and a height.
//!
//! Pure, so that it is tested as text, drawn by `watch`, shown by the demo and turned into the
//! picture of the README.

use super::facts;
use super::text::{Line, Tone};
use sluice_model::ids::RevisionNumber;
use sluice_model::report::Judgement;
use sluice_model::view::{Phase, RevisionView, ServiceView};
use sluice_model::weight::Weight;

/// Widest bar of a weight, in columns.
const BAR_MAX: usize = 30;
/// Narrowest bar that still says something; below it the bar is left out.
const BAR_MIN: usize = 6;
/// Steps that are drawn as dots, at most; a longer plan is numbers only.
const DOTS_MAX: u32 = 24;
/// Checks of one service that are shown, at most; failing ones come first.
const CHECKS_MAX: usize = 8;

/// Lines of a message, at most.
const MESSAGE_LINES_MAX: usize = 4;

/// How a frame is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns.
    pub(crate) width: usize,
    /// Lines.
    pub(crate) height: usize,
    /// The service that keys act on, by its place; marked where there are several.
    pub(crate) selected: Option<usize>,
}

/// The services in at most `height` lines of at most `width` columns. Where they do not all fit,
/// those that are healthy shrink to a line first, then all but the selected one, and then the rest
/// is counted.
pub(crate) fn frame(views: &[ServiceView], layout: Layout) -> Vec<Line> {
    if views.is_empty() {
        return vec![
            Line::new()
                .with(Tone::Quiet, "no services")
                .fit(layout.width),
        ];
    }
    let focus = layout.selected.unwrap_or(0);
    let whole = |_: usize, _: &ServiceView| true;
    let moving = |at: usize, view: &ServiceView| at == focus || view.phase != Phase::Healthy;
    let one = |at: usize, _: &ServiceView| at == focus;
    for wanted in [
        &whole as &dyn Fn(usize, &ServiceView) -> bool,
        &moving,
        &one,
    ] {
        let lines = blocks(views, layout, wanted);
        if lines.len() <= layout.height {
            return lines;
        }
    }
    short(views, layout, focus)
}

/// Every service, as a block where `wanted`, as a line otherwise.
fn blocks(
    views: &[ServiceView],
    layout: Layout,
    wanted: &dyn Fn(usize, &ServiceView) -> bool,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut after_block = false;
    for (at, view) in views.iter().enumerate() {
        let marked = views.len() > 1 && layout.selected == Some(at);
        let is_block = wanted(at, view);
        if !lines.is_empty() && (is_block || after_block) {
            lines.push(Line::new());
        }
        if is_block {
            lines.extend(block(view, layout.width, marked));
        } else {
            lines.push(summary(view, marked).fit(layout.width));
        }
        after_block = is_block;
    }
    lines
}

/// One line a service, around the one in focus, and a count of those left out.
fn short(views: &[ServiceView], layout: Layout, focus: usize) -> Vec<Line> {
    let shown = layout.height.saturating_sub(1).min(views.len());
    let first = focus.saturating_sub(shown / 2).min(views.len() - shown);
    let mut lines: Vec<Line> = views
        .iter()
        .enumerate()
        .skip(first)
        .take(shown)
        .map(|(at, view)| summary(view, layout.selected == Some(at)).fit(layout.width))
        .collect();
    if layout.height > 0 {
        let left = views.len() - shown;
        let rest = Line::new().with(Tone::Quiet, format!("… and {left} more services"));
        lines.push(rest.fit(layout.width));
    }
    lines
}

fn marker(marked: bool) -> &'static str {
    if marked { "▸ " } else { "" }
}

/// A service in one line.
fn summary(view: &ServiceView, marked: bool) -> Line {
    let (tone, phase) = facts::phase(view.phase);
    let mut line = Line::new()
        .with(Tone::Strong, marker(marked))
        .with(Tone::Strong, view.service.as_str())
        .with(Tone::Plain, "  ")
        .with(tone, phase);
    if let Some(step) = facts::step(view) {
        line.push(Tone::Plain, format!("  step {step}"));
    }
    line.with(Tone::Quiet, "  ")
        .with(Tone::Quiet, &view.message)
}

/// A service in full.
pub(crate) fn block(view: &ServiceView, width: usize, marked: bool) -> Vec<Line> {
    let mut lines = vec![head(view, width, marked)];
    // While a rollout runs, the checks below say the rest, and a changing height would flicker.
    let message_lines = if view.canary.is_some() {
        1
    } else {
        MESSAGE_LINES_MAX
    };
    lines.extend(wrapped(&view.message, width, message_lines));
    if let Some(steps) = steps(view) {
        lines.push(steps);
    }
    lines.extend(sides(view, width));
    lines.extend(checks(&view.checks));
    lines.into_iter().map(|line| line.fit(width)).collect()
}

/// A text in at most so many indented lines; what is left stays on the last one, to be cut.
fn wrapped(text: &str, width: usize, lines_max: usize) -> Vec<Line> {
    let mut lines = vec![Line::new().with(Tone::Plain, "  ")];
    for word in text.split_whitespace() {
        let count = lines.len();
        let Some(line) = lines.last_mut() else { break };
        let is_first = line.spans.len() == 1;
        let next = Line::new()
            .with(Tone::Plain, if is_first { "" } else { " " })
            .with(Tone::Plain, word);
        if !is_first && count < lines_max && line.width() + next.width() > width {
            lines.push(Line::new().with(Tone::Plain, "  ").with(Tone::Plain, word));
        } else {
            line.append(next);
        }
    }
    lines
}

fn head(view: &ServiceView, width: usize, marked: bool) -> Line {
    let (tone, phase) = facts::phase(view.phase);
    let mut line = Line::new()
        .with(Tone::Strong, marker(marked))
        .with(Tone::Strong, view.service.as_str())
        .with(Tone::Plain, "  ")
        .with(tone, phase);
    if let Some(strategy) = &view.strategy {
        line.push(Tone::Quiet, format!(" · {strategy}"));
    }
    if let Some(listen) = &view.listen {
        line.push(Tone::Quiet, format!(" · {listen}"));
    }
    if let Some(preview) = &view.preview {
        line.push(Tone::Quiet, format!(" · preview {preview}"));
    }
    let mut times = Line::new();
    if view.canary.is_some() {
        if let Some(elapsed) = view.elapsed {
            times.push(Tone::Quiet, "elapsed ");
            times.push(Tone::Plain, facts::span(elapsed));
        }
        if let Some(eta) = view.eta {
            times.push(Tone::Quiet, "  ETA ");
            times.push(Tone::Plain, facts::span(eta));
        }
    }
    let (used, needed) = (line.width(), times.width());
    if needed > 0 && used + needed + 2 <= width {
        line.pad_to(width - needed);
        line.append(times);
    }
    line
}

/// The steps as dots, the current one marked; nothing when no rollout runs.
fn steps(view: &ServiceView) -> Option<Line> {
    view.canary?;
    let mut line = Line::new().with(Tone::Quiet, "  steps   ");
    if view.steps <= DOTS_MAX {
        for step in 1..=view.steps {
            let (tone, dot) = match step.cmp(&view.step) {
                std::cmp::Ordering::Less => (Tone::Good, "● "),
                std::cmp::Ordering::Equal => (Tone::Canary, "◉ "),
                std::cmp::Ordering::Greater => (Tone::Quiet, "○ "),
            };
            line.push(tone, dot);
        }
        line.push(Tone::Plain, " ");
    }
    line.push(Tone::Quiet, format!("{}/{} ", view.step, view.steps));
    line.push(Tone::Strong, view.step_name.as_deref().unwrap_or_default());
    Some(line)
}

/// One side of a service.
struct Side<'a> {
    role: &'static str,
    tone: Tone,
    number: RevisionNumber,
    weight: Weight,
    figures: &'a RevisionView,
}

/// Stable first, then the canary, then revisions that keep replicas or traffic.
fn sides_of(view: &ServiceView) -> Vec<Side<'_>> {
    let mut sides: Vec<Side<'_>> = view
        .revisions
        .iter()
        .filter_map(|(number, figures)| {
            let weight = view.weights.get(number).copied().unwrap_or(Weight::ZERO);
            let (role, tone) = if view.stable == Some(*number) {
                ("stable", Tone::Stable)
            } else if view.canary == Some(*number) {
                ("canary", Tone::Canary)
            } else if figures.replicas > 0 || figures.ready > 0 || weight > Weight::ZERO {
                ("kept", Tone::Quiet)
            } else {
                return None;
            };
            Some(Side {
                role,
                tone,
                number: *number,
                weight,
                figures,
            })
        })
        .collect();
    sides.sort_by_key(|side| match side.role {
        "stable" => 0,
        "canary" => 1,
        _ => 2,
    });
    sides
}

/// A column of the table of sides.
struct Column {
    title: &'static str,
    value: fn(&Side<'_>) -> (Tone, String),
    /// Columns with the smallest are left out first when it is narrow.
    importance: u8,
}

/// The columns after the weight, left to right.
const COLUMNS: [Column; 6] = [
    Column {
        title: "ready",
        value: |side| {
            let figures = side.figures;
            let tone = if figures.ready < figures.replicas {
                Tone::Warn
            } else {
                Tone::Plain
            };
            (tone, format!("{}/{}", figures.ready, figures.replicas))
        },
        importance: 4,
    },
    Column {
        title: "requests",
        value: |side| (Tone::Plain, facts::rate(side.figures.request_rate)),
        importance: 3,
    },
    Column {
        title: "errors",
        value: |side| (Tone::Plain, facts::ratio(side.figures.error_ratio)),
        importance: 6,
    },
    Column {
        title: "p50 ms",
        value: |side| (Tone::Plain, facts::millis(side.figures.p50_ms)),
        importance: 1,
    },
    Column {
        title: "p95 ms",
        value: |side| (Tone::Plain, facts::millis(side.figures.p95_ms)),
        importance: 2,
    },
    Column {
        title: "p99 ms",
        value: |side| (Tone::Plain, facts::millis(side.figures.p99_ms)),
        importance: 5,
    },
];

/// Columns of the role and the number, of the weight, and of each figure.
const ROLE_WIDTH: usize = 10;
const WEIGHT_WIDTH: usize = 8;
const FIGURE_WIDTH: usize = 10;

fn sides(view: &ServiceView, width: usize) -> Vec<Line> {
    let sides = sides_of(view);
    if sides.is_empty() {
        return Vec::new();
    }
    let number_width = sides
        .iter()
        .map(|side| side.number.to_string().len())
        .max()
        .unwrap_or(1)
        + 2;
    let fixed = ROLE_WIDTH + number_width + WEIGHT_WIDTH;
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    while fixed + columns.len() * FIGURE_WIDTH > width && !columns.is_empty() {
        let least = columns.iter().map(|column| column.importance).min();
        columns.retain(|column| Some(column.importance) != least);
    }
    let used = fixed + columns.len() * FIGURE_WIDTH;
    let bar = width.saturating_sub(used + 1).min(BAR_MAX);
    let bar = if bar < BAR_MIN { 0 } else { bar };

    let mut title = Line::new();
    title.pad_to(ROLE_WIDTH + number_width + bar + WEIGHT_WIDTH);
    for column in &columns {
        title.push(Tone::Quiet, format!("{:>FIGURE_WIDTH$}", column.title));
    }
    let mut lines = vec![title];
    for side in &sides {
        let mut line = Line::new()
            .with(Tone::Plain, "  ")
            .with(side.tone, side.role);
        line.pad_to(ROLE_WIDTH);
        line.push(side.tone, format!("r{}", side.number));
        line.pad_to(ROLE_WIDTH + number_width);
        if bar > 0 {
            line.append(weight_bar(side.weight, bar, side.tone));
        }
        line.push(
            Tone::Strong,
            format!("{:>WEIGHT_WIDTH$}", side.weight.to_string()),
        );
        for column in &columns {
            let (tone, value) = (column.value)(side);
            line.push(tone, format!("{value:>FIGURE_WIDTH$}"));
        }
        lines.push(line);
    }
    lines
}

/// A share as a bar, exact to an eighth of a column; anything above zero shows.
fn weight_bar(weight: Weight, width: usize, tone: Tone) -> Line {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let whole = width * 8;
    let mut filled = usize::from(weight.basis_points()) * whole / 10_000;
    if filled == 0 && weight > Weight::ZERO {
        filled = 1;
    }
    let full = "█".repeat(filled / 8);
    let mut line = Line::new().with(tone, full + EIGHTHS[filled % 8]);
    line.push(Tone::Quiet, "░".repeat(width - filled.div_ceil(8)));
    line
}

fn checks(judgements: &[Judgement]) -> Vec<Line> {
    let mut shown: Vec<&Judgement> = judgements.iter().collect();
    // Fail, inconclusive, no data, pass: what needs a look comes first; equal ones keep their order.
    shown.sort_by_key(|judgement| match judgement.verdict {
        sluice_model::report::Verdict::Fail => 0,
        sluice_model::report::Verdict::Inconclusive => 1,
        sluice_model::report::Verdict::NoData => 2,
        sluice_model::report::Verdict::Pass => 3,
    });
    let name_width = shown
        .iter()
        .take(CHECKS_MAX)
        .map(|judgement| judgement.check.as_str().len())
        .max();
    let Some(name_width) = name_width else {
        return Vec::new();
    };
    let mut lines: Vec<Line> = Vec::new();
    for judgement in shown.iter().take(CHECKS_MAX) {
        let (tone, sign, _) = facts::verdict(judgement.verdict);
        let label = if lines.is_empty() {
            "  checks  "
        } else {
            "          "
        };
        let mut line = Line::new()
            .with(Tone::Quiet, label)
            .with(tone, format!("{sign} "));
        line.push(tone, judgement.check.as_str());
        line.pad_to(ROLE_WIDTH + 2 + name_width + 2);
        line.push(Tone::Plain, &judgement.message);
        lines.push(line);
    }
    let left = shown.len().saturating_sub(CHECKS_MAX);
    if left > 0 {
        lines.push(Line::new().with(Tone::Quiet, format!("          … and {left} more checks")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::super::text::plain_lines;
    use super::*;

    fn picture(views: &[ServiceView], width: usize, height: usize) -> String {
        let lines = plain_lines(&frame(
            views,
            Layout {
                width,
                height,
                selected: None,
            },
        ));
        assert!(
            lines.len() <= height.max(1),
            "{} lines in {height}",
            lines.len()
        );
        lines.join("\n")
    }

    #[test]
    fn a_rollout_in_full_width() {
        insta::assert_snapshot!(picture(&[samples::progressing("checkout")], 110, 40));
    }

    #[test]
    fn a_rollout_in_eighty_columns() {
        insta::assert_snapshot!(picture(&[samples::progressing("checkout")], 80, 40));
    }

    #[test]
    fn a_rollout_in_forty_columns() {
        insta::assert_snapshot!(picture(&[samples::progressing("checkout")], 40, 40));
    }

    #[test]
    fn an_aborted_rollout_beside_a_healthy_service() {
        let views = [samples::aborted("checkout"), samples::healthy("mail")];
        insta::assert_snapshot!(picture(&views, 100, 40));
    }

    #[test]
    fn the_whole_reason_of_an_abort_is_shown() {
        insta::assert_snapshot!(picture(&[samples::aborted("checkout")], 44, 40));
    }

    #[test]
    fn what_does_not_fit_shrinks_and_is_then_counted() {
        let views: Vec<ServiceView> = ["ads", "basket", "checkout", "mail", "search"]
            .into_iter()
            .map(|name| match name {
                "checkout" => samples::progressing(name),
                _ => samples::healthy(name),
            })
            .collect();
        let at = |height| picture(&views, 80, height);
        insta::assert_snapshot!(format!(
            "height 40\n{}\n\nheight 22\n{}\n\nheight 4\n{}",
            at(40),
            at(22),
            at(4)
        ));
    }

    #[test]
    fn no_line_is_ever_wider_than_the_frame() {
        let views = [samples::progressing("checkout"), samples::aborted("mail")];
        for width in 0..150 {
            for height in [0, 1, 3, 12, 40] {
                let layout = Layout {
                    width,
                    height,
                    selected: Some(1),
                };
                for line in frame(&views, layout) {
                    assert!(line.width() <= width, "{width}: {}", line.plain());
                }
            }
        }
    }

    #[test]
    fn a_bar_shows_the_smallest_share_and_is_never_longer_than_its_place() {
        for basis_points in 0..=10_000 {
            let weight = Weight::from_basis_points(basis_points).expect("in range");
            for width in [6, 7, 30] {
                let bar = weight_bar(weight, width, Tone::Plain);
                assert_eq!(bar.width(), width);
                let empty = bar.plain().chars().all(|letter| letter == '░');
                assert_eq!(empty, basis_points == 0);
            }
        }
    }
}
