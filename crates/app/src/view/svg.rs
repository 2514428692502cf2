//! A frame as a picture: SVG with a dark window around it. Pure; the README's picture is made by it.
//!
//! Each span stands at its own column with a set length, so that the columns align whatever font the
//! viewer has; the blocks of bars are drawn, as fonts leave gaps between them.

use super::text::{Line, Span, Tone};
use unicode_width::UnicodeWidthStr;

/// Width and height of a character cell, and the size of its letters, in user units.
const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 20.0;
const FONT_SIZE: f64 = 14.0;
/// Space around the text, and the height of the title bar.
const MARGIN: f64 = 16.0;
const TITLE_HEIGHT: f64 = 32.0;

/// The colour of a tone in a picture.
pub(crate) fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "#d7dce2",
        Tone::Strong => "#ffffff",
        Tone::Quiet => "#7d8896",
        Tone::Good => "#5fd38d",
        Tone::Warn => "#f2c14e",
        Tone::Bad => "#ff6b6b",
        Tone::Stable => "#5bc8ef",
        Tone::Canary => "#d69bf5",
    }
}

/// The lines as a picture, `columns` wide, under a title.
pub(crate) fn picture(lines: &[Line], columns: usize, title: &str) -> String {
    let width = columns as f64 * CELL_WIDTH + 2.0 * MARGIN;
    let height = lines.len() as f64 * CELL_HEIGHT + TITLE_HEIGHT + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#14181d\"/>\n\
         <g fill=\"#3a434e\"><circle cx=\"18\" cy=\"16\" r=\"5\"/><circle cx=\"34\" cy=\"16\" r=\"5\"/>\
         <circle cx=\"50\" cy=\"16\" r=\"5\"/></g>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" \
         font-size=\"{FONT_SIZE}\" xml:space=\"preserve\">\n\
         <text x=\"{middle:.1}\" y=\"21\" fill=\"#7d8896\" text-anchor=\"middle\">{label}</text>\n",
        label = escape(title),
        middle = width / 2.0,
    );
    for (row, line) in lines.iter().enumerate() {
        let top = TITLE_HEIGHT + row as f64 * CELL_HEIGHT;
        let mut column = 0;
        for span in &line.spans {
            draw(&mut svg, span, column, top);
            column += span.text.width();
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn draw(svg: &mut String, span: &Span, column: usize, top: f64) {
    let left = MARGIN + column as f64 * CELL_WIDTH;
    if span.text.trim().is_empty() {
        return;
    }
    if let Some((columns, opacity)) = bar(&span.text) {
        svg.push_str(&format!(
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\" \
             opacity=\"{opacity}\"/>\n",
            top + 4.0,
            columns * CELL_WIDTH,
            CELL_HEIGHT - 8.0,
            colour(span.tone),
        ));
        return;
    }
    // Blanks at the edges are a matter of the position.
    let text = span.text.trim();
    let before = span.text.width() - span.text.trim_start().width();
    svg.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         fill=\"{}\"{}>{}</text>\n",
        left + before as f64 * CELL_WIDTH,
        top + CELL_HEIGHT - 5.5,
        text.width() as f64 * CELL_WIDTH,
        colour(span.tone),
        if span.tone == Tone::Strong {
            " font-weight=\"bold\""
        } else {
            ""
        },
        escape(text),
    ));
}

/// The length in columns and the opacity of a span that is a bar.
fn bar(text: &str) -> Option<(f64, f64)> {
    const EIGHTHS: &str = "▏▎▍▌▋▊▉█";
    if text.chars().all(|letter| letter == '░') {
        return Some((text.width() as f64, 0.3));
    }
    text.chars()
        .map(|letter| EIGHTHS.chars().position(|known| known == letter))
        .map(|eighth| eighth.map(|eighth| (eighth + 1) as f64 / 8.0))
        .sum::<Option<f64>>()
        .map(|columns| (columns, 1.0))
}

/// Text that cannot break out of its element.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Layout, frame};
    use super::super::samples;
    use super::*;

    #[test]
    fn a_rollout_as_a_picture() {
        let lines = frame(
            &[samples::progressing("checkout")],
            Layout {
                width: 100,
                height: 40,
                selected: None,
            },
        );
        insta::assert_snapshot!(picture(&lines, 100, "sluice watch"));
    }

    #[test]
    fn text_cannot_break_out_of_the_picture() {
        let line = Line::new().with(Tone::Plain, "</text><script>\"&\"");
        let svg = picture(&[line], 40, "<title>");
        assert!(
            !svg.contains("<script>") && !svg.contains("<title>"),
            "{svg}"
        );
        assert!(
            svg.contains("&lt;/text&gt;&lt;script&gt;&quot;&amp;&quot;"),
            "{svg}"
        );
    }

    #[test]
    fn bars_are_drawn_and_words_are_written() {
        assert_eq!(bar("██▌"), Some((2.5, 1.0)));
        assert_eq!(bar("░░░"), Some((3.0, 0.3)));
        assert_eq!(bar("█ 5 %"), None);
    }
}
