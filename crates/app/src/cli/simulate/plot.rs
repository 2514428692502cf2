//! A simulation as a picture (SVG): how each release ends, and how soon a bad one is found. Pure.

use super::text::{endings, name, percent, span};
use super::{Simulated, Simulation};
use crate::view::svg::{colour, escape};
use std::fmt::Write as _;

/// Width of the picture, and of what stands left and right of the plots, in user units.
const WIDTH: f64 = 900.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 40.0;
/// Height of a bar's row, of the curves, and of the space for titles.
const ROW: f64 = 26.0;
const CURVES: f64 = 260.0;
const TITLE: f64 = 64.0;
const GAP: f64 = 84.0;
/// Points of a curve; more are not seen.
const POINTS_MAX: usize = 200;
/// Colours of the curves, in turn.
const CURVE_COLOURS: [&str; 8] = [
    "#5bc8ef", "#f2c14e", "#d69bf5", "#5fd38d", "#ff6b6b", "#f4a261", "#9fb4ff", "#e5e5e5",
];
/// Times that may be marked, in seconds.
const MARKS: [f64; 14] = [
    0.1,
    1.0,
    5.0,
    15.0,
    60.0,
    300.0,
    900.0,
    3_600.0,
    10_800.0,
    43_200.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
    31_536_000.0,
];

/// The simulation as a picture.
pub(super) fn picture(simulation: &Simulation) -> String {
    let bars = simulation.releases.len() as f64 * ROW;
    let curves_top = TITLE + bars + GAP;
    let height = curves_top + CURVES + 48.0;
    let title = format!(
        "{}: {} rollouts of each release at {} requests a second",
        simulation.service, simulation.runs, simulation.traffic.rate
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{label}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#14181d\"/>\n\
         <g font-family=\"ui-sans-serif, 'DejaVu Sans', Helvetica, Arial, sans-serif\" font-size=\"13\" \
         fill=\"#d7dce2\">\n",
        label = escape(&title)
    );
    text(&mut svg, LEFT, 26.0, "start", "#ffffff", &title);
    draw_endings(&mut svg, simulation);
    draw_curves(&mut svg, simulation, curves_top);
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, fill: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{}</text>",
        escape(words)
    );
}

fn draw_endings(svg: &mut String, simulation: &Simulation) {
    let width = WIDTH - LEFT - RIGHT;
    let mut x = LEFT;
    if let Some(first) = simulation.releases.first() {
        for (what, _, _, tone) in endings(first) {
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"38\" width=\"12\" height=\"12\" fill=\"{}\"/>",
                colour(tone)
            );
            text(svg, x + 18.0, 49.0, "start", "#7d8896", what);
            x += 110.0;
        }
    }
    for (row, it) in simulation.releases.iter().enumerate() {
        let top = TITLE + row as f64 * ROW;
        text(
            svg,
            LEFT - 10.0,
            top + 16.0,
            "end",
            "#d7dce2",
            &name(it.release),
        );
        let mut x = LEFT;
        for (what, ending, _, tone) in endings(it) {
            let wide = ending.share * width;
            if ending.count > 0 {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{:.1}\" fill=\"{}\">\
                     <title>{what}: {}</title></rect>",
                    top + 3.0,
                    ROW - 6.0,
                    colour(tone),
                    percent(ending.share)
                );
            }
            x += wide;
        }
    }
}

/// The share found by each moment, on a logarithmic scale of time.
fn draw_curves(svg: &mut String, simulation: &Simulation, top: f64) {
    text(
        svg,
        LEFT,
        top - 16.0,
        "start",
        "#ffffff",
        "Share taken back or held, by the time since the first request to the new side",
    );
    let width = WIDTH - LEFT - RIGHT;
    let bottom = top + CURVES;
    let least = simulation
        .releases
        .iter()
        .filter_map(|it| it.found.first())
        .fold(f64::INFINITY, |least, first| least.min(*first));
    let most = simulation.horizon.as_secs_f64().max(1.0);
    let least = least.clamp(0.1, most / 10.0);
    let x = |seconds: f64| {
        let along = (seconds.max(least) / least).ln() / (most / least).ln();
        LEFT + along.clamp(0.0, 1.0) * width
    };
    let y = |share: f64| bottom - share * CURVES;
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let at = y(share);
        line(svg, (LEFT, at), (LEFT + width, at));
        text(
            svg,
            LEFT - 10.0,
            at + 4.0,
            "end",
            "#7d8896",
            &percent(share),
        );
    }
    for mark in MARKS.iter().filter(|mark| (least..=most).contains(*mark)) {
        line(svg, (x(*mark), top), (x(*mark), bottom));
        text(
            svg,
            x(*mark),
            bottom + 20.0,
            "middle",
            "#7d8896",
            &span(*mark),
        );
    }
    let found = simulation.releases.iter().filter(|it| !it.found.is_empty());
    for (at, it) in found.enumerate() {
        let stroke = CURVE_COLOURS[at % CURVE_COLOURS.len()];
        let end = (most, it.found.len() as f64 / simulation.runs.max(1) as f64);
        let points: Vec<String> = curve(it, simulation.runs)
            .chain([end])
            .map(|(seconds, share)| format!("{:.1},{:.1}", x(seconds), y(share)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
        // Beside the moment at which half of them are found; one below the other, as curves may be close.
        let middle = it.found.get(it.found.len() / 2).copied().unwrap_or(most);
        let share = it.found.len() as f64 / 2.0 / simulation.runs.max(1) as f64;
        text(
            svg,
            x(middle) + 6.0,
            y(share) + 4.0 + (at % 4) as f64 * 16.0,
            "start",
            stroke,
            &name(it.release),
        );
    }
}

/// Corners of the curve: at each time the share found by then.
fn curve(it: &Simulated, runs: u64) -> impl Iterator<Item = (f64, f64)> {
    let count = it.found.len();
    let every = count.div_ceil(POINTS_MAX).max(1);
    let shown = move |at: &usize| at.is_multiple_of(every) || *at + 1 == count;
    let share = move |number: usize| number as f64 / runs.max(1) as f64;
    let steps = (0..count)
        .filter(shown)
        .map(move |at| (it.found[at], share(at + 1)));
    it.found
        .first()
        .map(|first| (*first, 0.0))
        .into_iter()
        .chain(steps)
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#2a323b\"/>",
        from.0, from.1, to.0, to.1
    );
}
