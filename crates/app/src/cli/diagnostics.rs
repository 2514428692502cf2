//! Diagnostics of documents for people: a picture of the place on a terminal, a line each elsewhere.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use sluice_model::diagnostic::{Diagnostic, Severity};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The texts of the files that diagnostics point into, by the names in them.
pub(crate) type Sources = BTreeMap<String, Arc<str>>;

/// Each diagnostic as a line, `file:line:column: error[code] path: message; help`.
pub(crate) fn plain(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect()
}

/// Each diagnostic with a picture of its place, as wide as the terminal.
pub(crate) fn pictures(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    width: usize,
    colour: bool,
) -> String {
    let theme = if colour {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false);
    let mut text = String::new();
    for diagnostic in diagnostics {
        let report = Report::new(diagnostic, sources);
        if report.source.is_none() || handler.render_report(&mut text, &report).is_err() {
            text.push_str(&format!("{diagnostic}\n"));
        }
        text.push('\n');
    }
    text
}

/// For standard error: a picture of each where it is a terminal and the files can be read.
pub(crate) fn for_errors(diagnostics: &[Diagnostic]) -> String {
    let mut sources = Sources::new();
    for file in diagnostics
        .iter()
        .filter_map(|found| found.place.as_ref().map(|at| &at.file))
    {
        if !sources.contains_key(file)
            && let Ok(text) = std::fs::read_to_string(file)
        {
            sources.insert(file.clone(), text.into());
        }
    }
    on_stream(diagnostics, &sources, &io::stderr())
}

/// In the form that suits the stream.
pub(crate) fn on_stream(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    stream: &impl io::IsTerminal,
) -> String {
    if stream.is_terminal() {
        let (width, _) = crate::view::screen::room();
        pictures(
            diagnostics,
            sources,
            width,
            super::output::takes_colour(stream),
        )
    } else {
        plain(diagnostics)
    }
}

/// A diagnostic as the library for pictures wants it.
#[derive(Debug)]
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<Arc<str>>>,
    span: Option<(usize, usize)>,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &Sources) -> Self {
        let place = diagnostic.place.as_ref();
        let text = place.and_then(|place| sources.get(&place.file));
        // The file may have changed since it was looked at.
        let span = place
            .and_then(|place| place.span)
            .filter(|(start, length)| text.is_some_and(|text| start + length <= text.len()));
        let source = match (place, text, span) {
            (Some(place), Some(text), Some(_)) => {
                Some(NamedSource::new(&place.file, Arc::clone(text)))
            }
            _ => None,
        };
        Report {
            diagnostic,
            source,
            span,
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source
            .as_ref()
            .map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        let label = (!self.diagnostic.path.is_empty()).then(|| self.diagnostic.path.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(
            label, span,
        ))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_model::diagnostic::SourcePlace;

    const TEXT: &str = "services:\n  checkout:\n    runn: ./checkout\n";

    fn misspelt() -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "unknown-field".into(),
            path: "services.checkout.runn".into(),
            place: Some(SourcePlace {
                file: "sluice.yaml".into(),
                line: 3,
                column: 5,
                span: Some((26, 4)),
            }),
            message: "there is no field `runn` here".into(),
            help: Some("did you mean `run`?".into()),
        }
    }

    #[test]
    fn on_a_terminal_the_place_is_shown() {
        let sources = Sources::from([("sluice.yaml".to_owned(), TEXT.into())]);
        insta::assert_snapshot!(pictures(&[misspelt()], &sources, 80, false));
    }

    #[test]
    fn elsewhere_it_is_one_line_that_editors_understand() {
        assert_eq!(
            plain(&[misspelt()]),
            "sluice.yaml:3:5: error[unknown-field] services.checkout.runn: there is no field \
             `runn` here; did you mean `run`?\n"
        );
    }

    #[test]
    fn a_file_that_changed_or_vanished_still_gets_its_line() {
        let short = Sources::from([("sluice.yaml".to_owned(), "x".into())]);
        for sources in [Sources::new(), short] {
            let text = pictures(&[misspelt()], &sources, 80, false);
            assert!(
                text.starts_with("sluice.yaml:3:5: error[unknown-field]"),
                "{text}"
            );
        }
    }
}
