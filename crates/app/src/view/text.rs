//! Styled text: lines of spans, each with a tone. Tones say what a span means; which colour that is
//! belongs to the terminal (here) or to the picture (`svg`).

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As the terminal has it.
    #[default]
    Plain,
    /// Names and titles.
    Strong,
    /// Labels, and what is less important.
    Quiet,
    /// Well.
    Good,
    /// Look here.
    Warn,
    /// Wrong.
    Bad,
    /// The stable side.
    Stable,
    /// The canary side.
    Canary,
}

impl Tone {
    /// Select Graphic Rendition parameters (ECMA-48), of the sixteen colours that every theme sets.
    fn ansi(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Strong => "1",
            Tone::Quiet => "2",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Stable => "36",
            Tone::Canary => "35",
        }
    }
}

/// A piece of text of one tone. It holds no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) spans: Vec<Span>,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line::default()
    }

    /// Appends text. Control characters, which a program's message may contain and a terminal would
    /// obey, become visible.
    #[must_use]
    pub(crate) fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Line {
        self.push(tone, text);
        self
    }

    /// The same, in place.
    pub(crate) fn push(&mut self, tone: Tone, text: impl AsRef<str>) {
        let text: String = text
            .as_ref()
            .chars()
            .map(|letter| {
                if letter.is_control() {
                    '\u{fffd}'
                } else {
                    letter
                }
            })
            .collect();
        if !text.is_empty() {
            self.spans.push(Span { text, tone });
        }
    }

    /// Appends another line's spans.
    pub(crate) fn append(&mut self, other: Line) {
        self.spans.extend(other.spans);
    }

    /// Appends blanks up to a column.
    pub(crate) fn pad_to(&mut self, column: usize) {
        let width = self.width();
        if width < column {
            self.push(Tone::Plain, " ".repeat(column - width));
        }
    }

    /// Columns that it takes.
    pub(crate) fn width(&self) -> usize {
        self.spans.iter().map(|span| span.text.width()).sum()
    }

    /// The line cut to at most `width` columns, with `…` where something is left out.
    #[must_use]
    pub(crate) fn fit(self, width: usize) -> Line {
        if self.width() <= width {
            return self;
        }
        let mut left = width.saturating_sub(1);
        let mut line = Line::new();
        for span in self.spans {
            let mut text = String::new();
            for letter in span.text.chars() {
                let columns = letter.width().unwrap_or(0);
                if columns > left {
                    left = 0;
                    break;
                }
                left -= columns;
                text.push(letter);
            }
            line.push(span.tone, text);
            if left == 0 {
                break;
            }
        }
        if width > 0 {
            line.push(Tone::Quiet, "…");
        }
        line
    }

    /// Without tones.
    pub(crate) fn plain(&self) -> String {
        let text: String = self.spans.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// For a terminal with colours.
    pub(crate) fn ansi(&self) -> String {
        let mut text = String::new();
        for span in &self.spans {
            match span.tone.ansi() {
                "" => text.push_str(&span.text),
                code => text.push_str(&format!("\u{1b}[{code}m{}\u{1b}[0m", span.text)),
            }
        }
        text
    }
}

/// Lines without tones.
#[cfg(test)]
pub(crate) fn plain_lines(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_columns_not_by_bytes() {
        let line = Line::new()
            .with(Tone::Strong, "größe ")
            .with(Tone::Plain, "漢字漢字");
        assert_eq!(line.width(), 14);
        for (width, expected) in [
            (14, "größe 漢字漢字"),
            (13, "größe 漢字漢…"),
            (10, "größe 漢…"),
            (4, "grö…"),
            (1, "…"),
            (0, ""),
        ] {
            let cut = line.clone().fit(width);
            assert_eq!(cut.plain(), expected, "{width}");
            assert!(cut.width() <= width);
        }
    }

    #[test]
    fn what_a_program_says_cannot_steer_the_terminal() {
        let line = Line::new().with(Tone::Bad, "\u{1b}[2Jgone\r\n\u{7}");
        assert_eq!(line.plain(), "\u{fffd}[2Jgone\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(line.ansi(), format!("\u{1b}[31m{}\u{1b}[0m", line.plain()));
    }
}
